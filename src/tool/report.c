/*
 * report.c -- numbers, each with the word that the headers use for it.
 */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

/* ---------------------------------------------------------------- what was done ----------- */

static void report_files(const struct build *build) {
    const struct built *first = &build->first, *second = &build->second;
    char files[QUANTITY_SIZE], bytes[QUANTITY_SIZE], time[QUANTITY_SIZE], again[QUANTITY_SIZE];
    char viewed[QUANTITY_SIZE], viewed_bytes[QUANTITY_SIZE];
    printf("  %s file%s, %s, built in %s, and once more in %s.\n",
           format_count(files, first->totals.files), first->totals.files == 1 ? "" : "s",
           format_size(bytes, first->totals.bytes), format_time(time, first->time),
           format_time(again, second->time));
    if (first->viewed_files > 0)
        printf("  %s large one%s, %s, mapped as views; the others read into the arena.\n",
               format_count(viewed, first->viewed_files), first->viewed_files == 1 ? "" : "s",
               format_size(viewed_bytes, first->viewed_bytes));
    if (first->no_views)
        printf("  None is mapped as a view, which this system cannot do: %s.\n", first->no_views);
}

static void report_tokens(const struct totals *totals) {
    static const char *const kinds[TOKEN_KINDS] = {[TOKEN_IDENTIFIER] = "identifiers",
                                                   [TOKEN_PUNCTUATOR] = "punctuators",
                                                   [TOKEN_NUMBER] = "numbers",
                                                   [TOKEN_STRING] = "strings",
                                                   [TOKEN_CHARACTER] = "characters",
                                                   [TOKEN_DIRECTIVE] = "directives",
                                                   [TOKEN_HEADER] = "header names",
                                                   [TOKEN_COMMENT] = "comments",
                                                   [TOKEN_STRAY] = "stray"};
    static const token_kind order[TOKEN_KINDS] = {
        TOKEN_IDENTIFIER, TOKEN_PUNCTUATOR, TOKEN_NUMBER,  TOKEN_STRING, TOKEN_CHARACTER,
        TOKEN_DIRECTIVE,  TOKEN_HEADER,     TOKEN_COMMENT, TOKEN_STRAY};
    char count[QUANTITY_SIZE];
    uint64_t sum = 0;
    for (size_t i = 0; i < TOKEN_KINDS; i++) sum += totals->tokens[i];
    printf("\n  %14s tokens\n", format_count(count, sum));
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        bool line_ends = i % 3 == 2;
        printf("  %14s %-*s%s", format_count(count, totals->tokens[order[i]]), line_ends ? 0 : 14,
               kinds[order[i]], line_ends ? "\n" : "");
    }
}

/* Two in a line; what is longer than its column is cut. */
static void report_most_used(const struct build *build) {
    enum { COLUMN = 26 };
    char uses[QUANTITY_SIZE];
    for (size_t i = 0; i < build->most_used_count; i++) {
        const struct name_count *name = &build->most_used[i];
        bool line_ends = i % 2 == 1 || i + 1 == build->most_used_count;
        printf("  %14s %-*.*s%s", format_count(uses, name->uses), line_ends ? 0 : COLUMN, COLUMN,
               name->text, line_ends ? "\n" : "");
    }
}

static void report_names(const struct build *build) {
    const struct totals *totals = &build->first.totals;
    char names[QUANTITY_SIZE], uses[QUANTITY_SIZE];
    printf("\n  %14s distinct identifiers, used %s times, keywords apart\n",
           format_count(names, totals->names), format_count(uses, totals->uses));
    report_most_used(build);
    if (build->deepest_path)
        printf("\n  The deepest nesting of brackets: %" PRIu64 ", in %s\n", totals->nesting,
               build->deepest_path);
}

void report_work(const struct build *build, const struct screen *screen) {
    screen_heading(screen, "A compiler front end's work in an arena");
    report_files(build);
    report_tokens(&build->first.totals);
    report_names(build);
}

/* ------------------------------------------------------------------ statistics ------------ */

enum { STATISTICS = 7 };

static uint64_t statistic(const hf_arena_stats *stats, size_t index) {
    const size_t values[STATISTICS] = {stats->used,        stats->committed, stats->reserved,
                                       stats->peak,        stats->dirty,     stats->growths,
                                       stats->system_calls};
    return values[index];
}

static void report_arenas(const struct built *built) {
    static const char *const names[STATISTICS] = {"used",  "committed", "reserved",    "peak",
                                                  "dirty", "growths",   "system calls"};
    char value[QUANTITY_SIZE];
    printf("  %-14s%14s%14s%14s%14s\n", "", "texts", "names", "table", "lists");
    for (size_t i = 0; i < STATISTICS; i++) {
        bool is_size = i < 5;
        printf("  %-14s", names[i]);
        for (size_t arena = 0; arena < ARENAS; arena++) {
            uint64_t number = statistic(&built->arenas[arena], i);
            printf("%14s", is_size ? format_size(value, number) : format_count(value, number));
        }
        printf("\n");
    }
}

static void report_reuse(const struct built *first, const struct built *second) {
    char faults[QUANTITY_SIZE], again[QUANTITY_SIZE], list[QUANTITY_SIZE], files[QUANTITY_SIZE];
    printf("\n  The largest list of tokens took %s; its arena was rewound %s times.\n",
           format_size(list, first->list_peak), format_count(files, first->totals.files));
    printf(
        "  The second build found the memory there: %zu growths instead of %zu, %zu system calls\n"
        "  instead of %zu, %s page faults instead of %s.\n",
        second->growths, first->growths, second->system_calls, first->system_calls,
        format_count(again, second->page_faults), format_count(faults, first->page_faults));
}

static void report_steps(const hf_space_stats *stats, const char *name, const size_t *counts) {
    printf("  %-14s", name);
    for (size_t i = 0; i < HF_STEPS; i++)
        if (stats->steps[i] > 0) printf("%9zu", counts[i]);
    printf("\n");
}

static void report_views(const hf_space_stats *stats) {
    static const char *const names[HF_STEPS] = {
        [HF_STEP_RESERVE] = "reserve",   [HF_STEP_SPLIT] = "split",
        [HF_STEP_COALESCE] = "coalesce", [HF_STEP_COMMIT] = "commit",
        [HF_STEP_DECOMMIT] = "decommit", [HF_STEP_MAP] = "map",
        [HF_STEP_UNMAP] = "unmap",       [HF_STEP_ADVISE] = "advise",
        [HF_STEP_RECORDS] = "records"};
    char bytes[QUANTITY_SIZE], records[QUANTITY_SIZE];
    printf("\n  The space of views, in both builds: at most %s in %zu region%s, %s of records.\n\n"
           "  %-14s",
           format_size(bytes, stats->peak_view_bytes), stats->peak_regions,
           stats->peak_regions == 1 ? "" : "s", format_size(records, stats->record_bytes), "");
    for (size_t i = 0; i < HF_STEPS; i++)
        if (stats->steps[i] > 0) printf("%9s", names[i]);
    printf("\n");
    report_steps(stats, "steps", stats->steps);
    report_steps(stats, "system calls", stats->system_calls);
    if (stats->refusals > 0) printf("  refused: %zu\n", stats->refusals);
}

void report_statistics(const struct build *build, const struct screen *screen) {
    screen_heading(screen, "Statistics at the end of the first build");
    report_arenas(&build->first);
    report_reuse(&build->first, &build->second);
    if (build->views) report_views(&build->view_stats);
}
