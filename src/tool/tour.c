/*
 * tour.c -- the order of things: sources, builds, what happened, the pictures, the comparison.
 */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "history.h"
#include "host.h"
#include "race.h"
#include "report.h"
#include "screen.h"
#include "sources.h"
#include "strip.h"
#include "svg.h"

static const char default_folder[] = "/usr/include";
enum { WRONG_USAGE = 2 };

/* The comparison is repeated until then, in nanoseconds from the start. */
static const uint64_t time_for_all = 12000000000;

struct options {
    const char *svg; /* NULL: none */
    bool help;
    int file_count;
    char **files; /* moved to the front of the arguments */
};

/* ------------------------------------------------------------------- options -------------- */

static bool wrong_usage(const char *what, const char *argument) {
    fprintf(stderr, "holdfast: %s%s\nusage: holdfast tour [--svg FILE] [FILES...]\n", what,
            argument);
    return false;
}

/* Options may stand anywhere before "--". */
static bool parse_options(struct options *options, int count, char **arguments) {
    bool all_files = false;
    *options = (struct options){.files = arguments};
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (all_files || argument[0] != '-') {
            options->files[options->file_count++] = arguments[i];
        } else if (strcmp(argument, "--") == 0) {
            all_files = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            options->help = true;
        } else if (strncmp(argument, "--svg=", 6) == 0) {
            options->svg = argument + 6;
        } else if (strcmp(argument, "--svg") == 0) {
            if (i + 1 == count) return wrong_usage("--svg needs the name of a file", "");
            options->svg = arguments[++i];
        } else {
            return wrong_usage("unknown option: ", argument);
        }
    }
    if (options->svg && !*options->svg) return wrong_usage("--svg needs the name of a file", "");
    return true;
}

static int print_help(void) {
    printf(
        "usage: holdfast tour [--svg FILE] [FILES...]\n\n"
        "Does a compiler front end's work on C sources: reads each file, splits it into tokens,\n"
        "keeps every identifier once in a contiguous arena, and a list of tokens for one file at "
        "a\n"
        "time in a scratch arena. Shows what became of the memory, and does the same work on "
        "malloc\n"
        "and on mimalloc.\n\n"
        "  FILES       files, or folders with C and C++ sources in them (%s)\n"
        "  --svg FILE  writes a picture of address against time\n\n"
        "Colour is for terminals, and NO_COLOR switches it off. The exit status is 1 when an "
        "input\n"
        "could not be read, and 2 for wrong usage.\n",
        default_folder);
    return EXIT_SUCCESS;
}

/* ------------------------------------------------------------------ the pictures ---------- */

static bool write_svg(const struct history *history, const struct totals *totals,
                      const char *path) {
    char subtitle[200], files[QUANTITY_SIZE], bytes[QUANTITY_SIZE];
    snprintf(
        subtitle, sizeof subtitle,
        "%s file%s of C, %s, read and mapped, lexed, every identifier interned; twice, and then "
        "all of the memory is given back.",
        format_count(files, totals->files), totals->files == 1 ? "" : "s",
        format_size(bytes, totals->bytes));
    FILE *file = fopen(path, "w");
    bool written = file && svg_write(history, subtitle, file);
    if (file) written &= fclose(file) == 0;
    if (written)
        printf("\n  The same as a picture: %s\n", path);
    else
        fprintf(stderr, "holdfast: %s: cannot be written\n", path);
    return written;
}

static bool show_history(const struct build *build, const struct screen *screen, const char *svg) {
    struct history history;
    bool shown = history_open(&history, &build->record);
    if (!shown) fprintf(stderr, "holdfast: no memory for the pictures\n");
    if (shown) strip_print(&history, screen);
    if (shown && svg) shown = write_svg(&history, &build->first.totals, svg);
    history_close(&history);
    return shown;
}

static bool show_build(const struct sources *sources, struct screen *screen,
                       const struct options *options, struct totals *totals) {
    struct build build;
    bool built = build_run(&build, sources, screen);
    if (built) *totals = build.first.totals;
    if (built && totals->files > 0) {
        report_work(&build, screen);
        built = show_history(&build, screen, options->svg);
        report_statistics(&build, screen);
    }
    bool all_read = build.failures == 0;
    build_close(&build);
    return built && all_read;
}

/* ------------------------------------------------------------------- the tour ------------- */

static void add_sources(struct sources *sources, const struct options *options) {
    for (int i = 0; i < options->file_count; i++) sources_add(sources, options->files[i]);
    if (options->file_count == 0) sources_add(sources, default_folder);
    sources_sort(sources);
}

static bool show_all(struct sources *sources, const struct options *options) {
    uint64_t deadline = host_now() + time_for_all;
    struct totals totals = {0};
    struct screen screen;
    screen_open(&screen);
    bool whole = show_build(sources, &screen, options, &totals);
    if (totals.files == 0) return false;
    screen_heading(&screen, "The same work on other memory");
    return race_run(sources, &screen, &totals, deadline) && whole;
}

int tour(int count, char **arguments) {
    struct options options;
    struct sources sources;
    bool whole = false;
    if (!parse_options(&options, count, arguments)) return WRONG_USAGE;
    if (options.help) return print_help();
    if (sources_open(&sources)) {
        add_sources(&sources, &options);
        bool any = sources.list.count > 0;
        if (!any) fprintf(stderr, "holdfast: no source files there\n");
        whole = any && show_all(&sources, &options) && sources.failures == 0;
    } else {
        fprintf(stderr, "holdfast: no memory for a list of files\n");
    }
    sources_close(&sources);
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}
