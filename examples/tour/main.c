/*
 * main.c -- the command holdfast: calls the verb that the first argument names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"
#include "options.h"
#include "platform.h"
#include "replay.h"
#include "run.h"
#include "tour.h"

static void print_usage(FILE *stream) {
    fprintf(stream, "usage: holdfast tour [FILES...] [--svg [FILE]]\n"
                    "       holdfast run [--compare] [--json] [--runs N] -- COMMAND...\n"
                    "       holdfast replay [--backend native|steps|strict] [--trace] FILES...\n"
                    "       holdfast --help | --version\n");
}

static int help(void) {
    print_usage(stdout);
    printf(
        "\nholdfast is a library: one contiguous arena that grows in place and never moves.\n"
        "This command shows it at work, and runs programs on its malloc.\n\n"
        "  tour    does a compiler front end's work on C sources, shows what became of the\n"
        "          memory, and compares with malloc and mimalloc (holdfast tour --help)\n"
        "  run     runs an unmodified program on holdfast's malloc, and compares that with other\n"
        "          allocators (holdfast run --help)\n"
        "  replay  runs inputs of the fuzzers, and shows what each call did, the same on every\n"
        "          system (holdfast replay --help)\n");
    return EXIT_SUCCESS;
}

static int version(void) {
    printf("holdfast %s\n", HOLDFAST_VERSION);
    return EXIT_SUCCESS;
}

/* Returns the exit status: a failure if the output could not be written (a full disk, say). */
static int finish(int status) {
    if (fflush(stdout) == 0 && !ferror(stdout)) return status;
    fprintf(stderr, "holdfast: standard output: cannot be written\n");
    return status == EXIT_SUCCESS ? EXIT_FAILURE : status;
}

int main(int count, char **arguments) {
    arguments = platform_prepare(&count, arguments);
    const char *verb = count > 1 ? arguments[1] : "";
    if (strcmp(verb, "tour") == 0) return finish(tour(count - 2, arguments + 2));
    if (strcmp(verb, "run") == 0) return finish(run(count - 2, arguments + 2));
    if (strcmp(verb, "replay") == 0) return finish(replay(count - 2, arguments + 2));
    if (strcmp(verb, COMPARISON_VERB) == 0)
        return finish(comparison_runner(count - 2, arguments + 2));
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0) return finish(help());
    if (strcmp(verb, "--version") == 0) return finish(version());
    if (*verb) fprintf(stderr, "holdfast: unknown command: %s\n", verb);
    print_usage(stderr);
    return WRONG_USAGE;
}
