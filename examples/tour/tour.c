/*
 * tour.c -- the verb tour: finds the sources, builds, and prints the report, the pictures and the
 * comparison.
 */
#include "tour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "comparison.h"
#include "history.h"
#include "options.h"
#include "platform.h"
#include "report.h"
#include "screen.h"
#include "sources.h"
#include "svg.h"
#include "timeline.h"

/* The comparison repeats its runs until so many nanoseconds after the start. */
static const uint64_t time_for_all = 12000000000;

static const char usage[] = "usage: holdfast tour [FILES...] [--svg [FILE]]";

static int print_help(void) {
    printf(
        "%s\n\n"
        "Does a compiler front end's work on C sources: reads each file, splits it into\n"
        "tokens, keeps every identifier once in a contiguous arena, and a list of tokens for\n"
        "one file at a time in a scratch arena. Shows what became of the memory, and does the\n"
        "same work on malloc and on mimalloc.\n\n"
        "  FILES       files, or folders with C and C++ sources in them; by default\n"
        "              %s\n"
        "  --svg FILE  writes a picture of address against time; by default to tour.svg. Only a\n"
        "              picture that the tour wrote is overwritten\n\n"
        "Colour is for terminals, and NO_COLOR switches it off. The exit status is 1 when an\n"
        "input could not be read, and 2 for wrong usage.\n",
        usage, platform_headers());
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
        format_count(files, totals->files), plural(totals->files),
        format_size(bytes, totals->bytes));
    FILE *file = platform_create(path);
    bool written = file && svg_write(history, subtitle, file);
    if (file) written &= fclose(file) == 0;
    if (written)
        printf("\n  The same as a picture: %s\n", path);
    else
        fprintf(stderr, "holdfast: %s: cannot be written: %s\n", path, platform_error_text());
    return written;
}

static bool ends_in_svg(const char *path) {
    size_t length = strlen(path);
    return length > 4 && strcmp(path + length - 4, ".svg") == 0;
}

static bool is_tour_picture(const char *path) {
    char begin[sizeof svg_signature];
    size_t got = 0, size = strlen(svg_signature);
    intptr_t file = platform_open(path, false);
    if (file < 0) return false;
    for (int64_t more = 1; got < size && more > 0; got += more > 0 ? (size_t)more : 0)
        more = platform_read(file, begin + got, size - got);
    platform_close(file);
    return got == 0 || (got == size && memcmp(begin, svg_signature, size) == 0);
}

/* False: a file that is not a picture of the tour would be overwritten, a source, say; reported on
 * stderr. */
static bool may_write_svg(const char *path) {
    struct platform_entry entry;
    const char *reason = NULL;
    if (!ends_in_svg(path))
        reason = "a picture's name ends in .svg";
    else if (!platform_look(path, &entry))
        reason = entry.kind == PLATFORM_NOTHING ? NULL : platform_error_text();
    else if (entry.kind != PLATFORM_FILE || !is_tour_picture(path))
        reason = "exists and is not a picture that the tour wrote; not overwritten";
    if (reason) fprintf(stderr, "holdfast: --svg %s: %s\n", path, reason);
    return reason == NULL;
}

static bool show_history(const struct build *build, const struct screen *screen, const char *svg) {
    struct history history;
    bool shown = history_open(&history, &build->record);
    if (!shown) fprintf(stderr, "holdfast: no memory for the pictures\n");
    if (shown) timeline_print(&history, screen);
    if (shown && svg) shown = write_svg(&history, &build->first.totals, svg);
    history_close(&history);
    return shown;
}

static bool show_build(const struct sources *sources, struct screen *screen, const char *svg,
                       struct totals *totals) {
    struct build build;
    bool built = build_run(&build, sources, screen);
    if (built) *totals = build.first.totals;
    if (built && totals->files > 0) {
        report_work(&build, screen);
        built = show_history(&build, screen, svg);
        report_statistics(&build, screen);
    }
    bool all_read = build.failures == 0;
    build_close(&build);
    return built && all_read;
}

/* ------------------------------------------------------------------- the tour ------------- */

static void add_folder(const char *folder, void *user) { sources_add(user, folder); }

/* False: no sources were found; reported on stderr. */
static bool add_sources(struct sources *sources, const struct options *options) {
    for (int i = 0; i < options->file_count; i++) sources_add(sources, options->files[i]);
    if (options->file_count == 0) platform_list_headers(add_folder, sources);
    sources_sort(sources, 0);
    if (sources->list.count > 0) return true;
    if (options->file_count > 0)
        fprintf(stderr, "holdfast: no source files there\n");
    else
        fprintf(stderr, "holdfast: no source files in %s: name files or folders\n",
                platform_headers());
    return false;
}

static bool show_all(struct sources *sources, const char *svg) {
    uint64_t deadline = platform_now() + time_for_all;
    struct totals totals = {0};
    struct screen screen;
    screen_open(&screen);
    bool whole = show_build(sources, &screen, svg, &totals);
    if (totals.files == 0) return false;
    screen_heading(&screen, "The same work on other memory");
    return comparison_run(sources, &screen, &totals, deadline) && whole;
}

int tour(int count, char **arguments) {
    const char *svg = NULL;
    const struct option known[] = {
        {"--svg", .value = &svg, .what = "the name of a file", .otherwise = "tour.svg"}};
    struct options options = {.usage = usage, .known = known, .known_count = 1};
    struct sources sources;
    bool whole = false;
    if (!options_take(&options, count, arguments)) return WRONG_USAGE;
    if (options.help) return print_help();
    if (svg && !may_write_svg(svg)) return WRONG_USAGE;
    if (sources_open(&sources, sources_is_c))
        whole = add_sources(&sources, &options) && show_all(&sources, svg) && sources.failures == 0;
    else
        fprintf(stderr, "holdfast: no memory for a list of files\n");
    sources_close(&sources);
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}
