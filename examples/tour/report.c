/*
 * report.c -- prints the results of the builds, named as in the headers of holdfast.
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
           format_count(files, first->totals.files), plural(first->totals.files),
           format_size(bytes, first->totals.bytes), format_time(time, first->time),
           format_time(again, second->time));
    if (first->viewed_files > 0)
        printf("  %s large one%s, %s, mapped as views; the others read into the arena.\n",
               format_count(viewed, first->viewed_files), plural(first->viewed_files),
               format_size(viewed_bytes, first->viewed_bytes));
    if (first->no_views)
        printf("  None is mapped as a view, which this system cannot do: %s.\n", first->no_views);
}

static void report_tokens(const struct totals *totals) {
    static const char *const kinds[TOKEN_KINDS] = {
        [TOKEN_IDENTIFIER] = "identifier", [TOKEN_PUNCTUATOR] = "punctuator",
        [TOKEN_NUMBER] = "number",         [TOKEN_STRING] = "string",
        [TOKEN_CHARACTER] = "character",   [TOKEN_DIRECTIVE] = "directive",
        [TOKEN_HEADER] = "header name",    [TOKEN_COMMENT] = "comment",
        [TOKEN_STRAY] = "stray character"};
    static const token_kind order[TOKEN_KINDS] = {
        TOKEN_IDENTIFIER, TOKEN_PUNCTUATOR, TOKEN_NUMBER,  TOKEN_STRING, TOKEN_CHARACTER,
        TOKEN_DIRECTIVE,  TOKEN_HEADER,     TOKEN_COMMENT, TOKEN_STRAY};
    char count[QUANTITY_SIZE];
    uint64_t sum = 0;
    for (size_t i = 0; i < TOKEN_KINDS; i++) sum += totals->tokens[i];
    printf("\n  %14s token%s\n", format_count(count, sum), plural(sum));
    for (size_t i = 0; i < TOKEN_KINDS; i++) {
        bool line_ends = i % 3 == 2;
        uint64_t number = totals->tokens[order[i]];
        char kind[32];
        snprintf(kind, sizeof kind, "%s%s", kinds[order[i]], plural(number));
        printf("  %14s %-*s%s", format_count(count, number), line_ends ? 0 : 14, kind,
               line_ends ? "\n" : "");
    }
}

/* Two names in a line, cut to the width of their columns. */
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
    printf("\n  %14s distinct identifier%s, used %s time%s, keywords apart\n",
           format_count(names, totals->names), plural(totals->names),
           format_count(uses, totals->uses), plural(totals->uses));
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
    const size_t values[STATISTICS] = {stats->used,        stats->committed,  stats->reserved,
                                       stats->peak,        stats->high_water, stats->growths,
                                       stats->system_calls};
    return values[index];
}

/* Whether the sum over all arenas has a meaning. The peaks of arenas can be at different times. */
static bool adds_up(size_t index) { return index < 3 || index > 4; }

static const char *format_statistic(char *buffer, size_t index, uint64_t number) {
    return index < 5 ? format_size(buffer, number) : format_count(buffer, number);
}

static void report_arenas(const struct built *built) {
    static const char *const names[STATISTICS] = {"used",       "committed", "reserved",    "peak",
                                                  "high water", "growths",   "system calls"};
    char value[QUANTITY_SIZE];
    printf("  %-14s%14s%14s%14s%14s%14s\n", "", "texts", "names", "table", "lists", "together");
    for (size_t i = 0; i < STATISTICS; i++) {
        uint64_t sum = 0;
        printf("  %-14s", names[i]);
        for (size_t arena = 0; arena < ARENAS; arena++) {
            uint64_t number = statistic(&built->arenas[arena], i);
            sum += number;
            printf("%14s", format_statistic(value, i, number));
        }
        printf("%14s\n", adds_up(i) ? format_statistic(value, i, sum) : "");
    }
}

static void report_reuse(const struct built *first, const struct built *second) {
    char faults[QUANTITY_SIZE], again[QUANTITY_SIZE], list[QUANTITY_SIZE], files[QUANTITY_SIZE];
    printf("\n  The largest list of tokens took %s; its arena was rewound %s time%s.\n",
           format_size(list, first->list_peak), format_count(files, first->totals.files),
           plural(first->totals.files));
    printf("  The second build found the memory there: %zu growth%s instead of %zu, %zu system "
           "call%s\n"
           "  instead of %zu, %s page fault%s instead of %s.\n",
           second->growths, plural(second->growths), first->growths, second->system_calls,
           plural(second->system_calls), first->system_calls,
           format_count(again, second->page_faults), plural(second->page_faults),
           format_count(faults, first->page_faults));
}

static void report_steps(const hf_space_stats *stats, const char *name, const size_t *counts) {
    printf("  %-14s", name);
    for (size_t i = 0; i < HF_STEPS; i++)
        if (stats->steps[i] > 0) printf("%9zu", counts[i]);
    printf("\n");
}

static void report_views(const hf_space_stats *stats, const struct screen *screen) {
    static const char *const names[HF_STEPS] = {
        [HF_STEP_RESERVE] = "reserve",   [HF_STEP_SPLIT] = "split",
        [HF_STEP_COALESCE] = "coalesce", [HF_STEP_COMMIT] = "commit",
        [HF_STEP_DECOMMIT] = "decommit", [HF_STEP_MAP] = "map",
        [HF_STEP_UNMAP] = "unmap",       [HF_STEP_ADVISE] = "advise",
        [HF_STEP_RECORDS] = "records"};
    char bytes[QUANTITY_SIZE], records[QUANTITY_SIZE];
    screen_heading(screen, "Statistics of the space of views, of both builds together");
    printf("  At most %s in %zu region%s, %s of records.\n\n"
           "  %-14s",
           format_size(bytes, stats->peak_view_bytes), stats->peak_regions,
           plural(stats->peak_regions), format_size(records, stats->record_bytes), "");
    for (size_t i = 0; i < HF_STEPS; i++)
        if (stats->steps[i] > 0) printf("%9s", names[i]);
    printf("\n");
    report_steps(stats, "steps", stats->steps);
    report_steps(stats, "system calls", stats->system_calls);
    if (stats->failures > 0) printf("  failed: %zu\n", stats->failures);
}

void report_statistics(const struct build *build, const struct screen *screen) {
    screen_heading(screen, "Statistics of the arenas at the end of the first build");
    report_arenas(&build->first);
    report_reuse(&build->first, &build->second);
    if (build->views) report_views(&build->view_stats, screen);
}
