/*
 * options.h -- what stands behind a verb: options, anywhere before "--", and files.
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

/* Either a switch, or an option with a value: "--name VALUE" or "--name=VALUE";
 * one with a default may stand without a value at the end or before another option. */
struct option {
    const char *name;
    bool *given;           /* of a switch */
    const char **value;    /* of an option with a value; else NULL */
    const char *what;      /* the value in words: "the name of a file" */
    const char *otherwise; /* the value if none is given; NULL: one has to be */
};

struct options {
    const char *usage; /* shown behind a complaint */
    const struct option *known;
    size_t known_count;
    /* what was found: */
    bool help; /* --help or -h */
    int file_count;
    char **files; /* moved to the front of the arguments */
};

/* The exit status for wrong usage. */
enum { WRONG_USAGE = 2 };

/* False: wrong usage, as stderr was told. */
bool options_take(struct options *options, int count, char **arguments);

/* Tells stderr what is wrong, and the usage; always false, to be returned. */
bool options_wrong(const struct options *options, const char *what, const char *argument);

#endif
