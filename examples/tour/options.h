/*
 * options.h -- parses the arguments after a verb: options, anywhere before "--", and files.
 *
 *     const char *svg = NULL;
 *     const struct option known[] = {{"--svg", .value = &svg, .what = "the name of a file"}};
 *     struct options options = {"usage: ...", known, 1};
 *     if (!options_take(&options, count, arguments)) return WRONG_USAGE;
 */
#ifndef TOUR_OPTIONS_H
#define TOUR_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

/* Either a switch, or an option with a value: "--name VALUE" or "--name=VALUE". If it has a
 * default, the value may be left out at the end and before another option. */
struct option {
    const char *name;
    bool *given;           /* of a switch: set to true if it is given */
    const char **value;    /* of an option with a value: gets it; NULL: a switch */
    const char *what;      /* for error messages: "the name of a file" */
    const char *otherwise; /* the default value; NULL: a value is required */
    size_t
        *value_count;  /* not NULL: may be given several times; `value` is an array that gets them,
                            and this is their number */
    size_t value_room; /* of that array */
};

struct options {
    const char *usage; /* printed after an error message */
    const struct option *known;
    size_t known_count;
    bool is_command; /* the first argument that is no option ends them: a program, with options that
                        are its own. A NULL follows the last of `files`, if `arguments` has one. */
    /* results: */
    bool help; /* --help or -h was given */
    int file_count;
    char **files; /* the arguments that are no options; points into the array of arguments */
};

/* The exit status for wrong usage. */
enum { WRONG_USAGE = 2 };

/* Parses the arguments and reorders them. False: wrong usage; reported on stderr. */
bool options_take(struct options *options, int count, char **arguments);

/* Prints an error message and the usage on stderr. Returns false, for the caller to return. */
bool options_wrong(const struct options *options, const char *what, const char *argument);

#endif
