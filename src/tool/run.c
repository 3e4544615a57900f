/*
 * run.c -- the arguments of the verb run, and its help.
 */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "options.h"

static const char run_usage[] =
    "usage: holdfast run [--] COMMAND [ARGUMENTS...]\n"
    "       holdfast run --compare [--json] [--runs N] [--with NAME=PATH] [--] COMMAND...";

static const char run_help[] =
    "Runs an unmodified program on libholdfast-malloc.so: its malloc, and that of the programs\n"
    "that it starts, is a holdfast heap. The library is set in front of what LD_PRELOAD lists. It\n"
    "is the one that the variable HOLDFAST_MALLOC names, or else the one beside this command, or\n"
    "in ../lib. The program takes the place of this process: its exit status, signals and streams\n"
    "are those of the command.\n"
    "\n"
    "  --compare         runs the program on each allocator that is there, and prints one table:\n"
    "                    processor time, wall time, page faults and peak memory\n"
    "  --json            prints the results as JSON instead\n"
    "  --runs N          N measured runs on each allocator; without it at least 5, and more of\n"
    "                    a program that takes less than 0.2 seconds\n"
    "  --with NAME=PATH  compares with this library, too, or with it instead of the allocator of\n"
    "                    that name; may be given several times\n"
    "\n"
    "The allocators are glibc's malloc; the same with huge pages (GLIBC_TUNABLES); holdfast; the\n"
    "newest of mimalloc, from the cache that `dev mimalloc` fills or the loader's folders;\n"
    "jemalloc; tcmalloc. Each has one warm-up; then they take turns, so that each follows each\n"
    "other one equally often, unless N says otherwise. Before each run memory is used and freed,\n"
    "as much as the highest peak so far if it is free, so that none finds it colder than another.\n"
    "In a warm-up the processes of the program are watched, and what did not load an allocator is\n"
    "said. The numbers include processes that the program waited for; peak memory is that of the\n"
    "largest one. The program has no terminal, its standard input is empty (/dev/null), its\n"
    "standard output is compared and dropped, and its standard error is shown for the first\n"
    "warm-up only.\n"
    "\n"
    "The exit status is that of the program, 128 and the signal that ended it with --compare. It\n"
    "is 1 if --compare found that output or exit status are not the same in all runs, 2 for wrong\n"
    "usage, 125 if the program cannot run on the library, 126 if it cannot be executed, and 127\n"
    "if it was not found.";

static bool run_takes_number(const struct options *options, const char *text, size_t *number) {
    char *end = NULL;
    unsigned long value = 0;
    if (text[0] >= '0' && text[0] <= '9') value = strtoul(text, &end, 10);
    *number = value;
    if (end && *end == '\0' && value >= 1 && value <= COMPARE_MOST_RUNS) return true;
    return options_wrong(options, "--runs needs a whole number from 1 to 1000, not: ", text);
}

static bool run_takes_pairs(const struct options *options, const struct run_request *request) {
    for (size_t i = 0; i < request->with_count; i++) {
        const char *equals = strchr(request->with[i], '=');
        if (!equals || equals == request->with[i] || equals[1] == '\0')
            return options_wrong(options, "--with needs NAME=PATH, not: ", request->with[i]);
    }
    return true;
}

/* The first of the options that mean something with --compare only; NULL: none was given. */
static const char *run_only_compares(const struct run_request *request, const char *runs) {
    if (request->json) return "--json";
    if (runs) return "--runs";
    return request->with_count > 0 ? "--with" : NULL;
}

static bool run_is_sound(const struct options *options, struct run_request *request,
                         const char *runs) {
    const char *lone = request->compare ? NULL : run_only_compares(request, runs);
    if (lone) return options_wrong(options, "this option needs --compare: ", lone);
    if (runs && !run_takes_number(options, runs, &request->runs)) return false;
    if (!run_takes_pairs(options, request)) return false;
    if (options->file_count > 0 && options->files[0][0]) return true;
    return options_wrong(options, "name the program to run", "");
}

int run(int count, char **arguments) {
    struct run_request request = {0};
    const char *runs = NULL;
    const struct option known[] = {
        {"--compare", .given = &request.compare},
        {"--json", .given = &request.json},
        {"--runs", .value = &runs, .what = "a number"},
        {"--with", .value = request.with, .value_count = &request.with_count,
         .value_room = RUN_MOST_WITH, .what = "NAME=PATH"},
    };
    struct options options = {.usage = run_usage, .known = known, .is_command = true};
    options.known_count = sizeof known / sizeof *known;
    if (!options_take(&options, count, arguments)) return WRONG_USAGE;
    if (options.help) return printf("%s\n\n%s\n", run_usage, run_help), EXIT_SUCCESS;
    if (!run_is_sound(&options, &request, runs)) return WRONG_USAGE;
    request.command = options.files;
    return run_request(&request);
}
