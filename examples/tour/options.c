/*
 * options.c -- parses the arguments in one pass.
 */
#include "options.h"

#include <stdio.h>
#include <string.h>

bool options_wrong(const struct options *options, const char *what, const char *argument) {
    fprintf(stderr, "holdfast: %s%s\n%s\n", what, argument, options->usage);
    return false;
}

/* The option that "--svg" or "--svg=..." names; NULL: unknown. */
static const struct option *find(const struct options *options, const char *argument) {
    size_t length = strcspn(argument, "=");
    for (size_t i = 0; i < options->known_count; i++) {
        const struct option *option = &options->known[i];
        bool same = strlen(option->name) == length && memcmp(option->name, argument, length) == 0;
        if (same && (option->value || argument[length] == '\0')) return option;
    }
    return NULL;
}

static bool store(const struct options *options, const struct option *option, const char *value) {
    size_t at = option->value_count ? *option->value_count : 0;
    if (option->value_count && at == option->value_room)
        return options_wrong(options, "given too many times: ", option->name);
    option->value[at] = value;
    if (option->value_count) ++*option->value_count;
    return true;
}

/* *at is the index of the option; it becomes that of the option's last argument. */
static bool take_value(const struct options *options, const struct option *option, int count,
                       char **arguments, int *at) {
    const char *value = strchr(arguments[*at], '=');
    if (value)
        value++;
    else if (*at + 1 < count && (!option->otherwise || arguments[*at + 1][0] != '-'))
        value = arguments[++*at];
    else
        value = option->otherwise;
    if (value && *value) return store(options, option, value);
    char needs[100];
    snprintf(needs, sizeof needs, "%s needs %s", option->name, option->what);
    return options_wrong(options, needs, "");
}

static bool take_option(struct options *options, int count, char **arguments, int *at) {
    const char *argument = arguments[*at];
    const struct option *option = find(options, argument);
    if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) return options->help = true;
    if (!option) return options_wrong(options, "unknown option: ", argument);
    if (option->value) return take_value(options, option, count, arguments, at);
    return *option->given = true;
}

bool options_take(struct options *options, int count, char **arguments) {
    bool all_files = false;
    options->files = arguments;
    for (int i = 0; i < count; i++) {
        if (all_files || arguments[i][0] != '-') {
            options->files[options->file_count++] = arguments[i];
            all_files |= options->is_command;
        } else if (strcmp(arguments[i], "--") == 0)
            all_files = true;
        else if (!take_option(options, count, arguments, &i))
            return false;
    }
    if (options->is_command) options->files[options->file_count] = NULL;
    return true;
}
