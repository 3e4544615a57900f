/*
 * compare_table.c -- the results as a table, and in sentences what the table cannot say.
 *
 *                     processor time             wall time ...
 *                 median ratio    +-    median ratio    +- ...
 *     glibc       1.23 s  1.00  1.2%    1.30 s  1.00  3.1%
 *     holdfast    1.05 s  0.86* 0.9%    1.11 s  0.85* 2.0%
 */
#include <inttypes.h>
#include <string.h>

#include "compare.h"

static const char *const compare_table_titles[COMPARE_QUANTITIES] = {
    [COMPARE_PROCESSOR] = "processor time",
    [COMPARE_WALL] = "wall time",
    [COMPARE_FAULTS] = "page faults",
    [COMPARE_PEAK] = "peak memory",
};

static int compare_table_name_width(const struct compare *compare) {
    size_t width = 8;
    for (size_t i = 0; i < compare->count; i++) {
        size_t length = strlen(compare->contenders[i].name);
        if (length > width) width = length;
    }
    return (int)width;
}

/* ------------------------------------------------------------------- the table ------------ */

static const char *compare_table_quantity(char *text, enum compare_quantity quantity,
                                          uint64_t value) {
    if (quantity == COMPARE_PEAK) return format_size(text, value);
    if (quantity != COMPARE_FAULTS) return format_time(text, value);
    if (value < 10000000) return format_count(text, value);
    snprintf(text, QUANTITY_SIZE, "%" PRIu64 " M", value / 1000000);
    return text;
}

static void compare_table_cell(const struct compare *compare,
                               const struct compare_contender *contender,
                               enum compare_quantity quantity, const struct screen *screen,
                               FILE *stream) {
    const struct statistics *statistics = &contender->statistics[quantity];
    const struct statistics *base = &compare->contenders[0].statistics[quantity];
    bool best = statistics->median == compare_best(compare, quantity);
    double spread = 100 * statistics_spread(statistics);
    char text[QUANTITY_SIZE];
    fprintf(stream, "%s %9s %5.2f%c%s %3.*f%%", best ? screen_style(screen, STYLE_TITLE) : "",
            compare_table_quantity(text, quantity, statistics->median),
            statistics_ratio(statistics->median, base->median), best ? '*' : ' ',
            best ? screen_style(screen, STYLE_PLAIN) : "", spread < 9.95 ? 1 : 0, spread);
}

static void compare_table_head(int width, FILE *stream) {
    fprintf(stream, "  %*s", width, "");
    for (size_t i = 0; i < COMPARE_QUANTITIES; i++)
        fprintf(stream, "%22s", compare_table_titles[i]);
    fprintf(stream, "\n  %*s", width, "");
    for (size_t i = 0; i < COMPARE_QUANTITIES; i++)
        fprintf(stream, " %9s %5s %5s", "median", "ratio", "+-");
    fprintf(stream, "\n");
}

static void compare_table_rows(const struct compare *compare, const struct screen *screen,
                               FILE *stream) {
    int width = compare_table_name_width(compare);
    compare_table_head(width, stream);
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        if (!compare_is_measured(contender)) continue;
        fprintf(stream, "  %-*s", width, contender->name);
        for (int quantity = 0; quantity < COMPARE_QUANTITIES; quantity++)
            compare_table_cell(compare, contender, (enum compare_quantity)quantity, screen, stream);
        fprintf(stream, "\n");
    }
}

/* ----------------------------------------------------------------- the sentences ---------- */

static void compare_table_end(struct compare_end end, FILE *stream) {
    if (end.signal)
        fprintf(stream, "signal %d", end.signal);
    else
        fprintf(stream, "exit status %d", end.exit_status);
}

/* Names those whose output or end differs. */
static void compare_table_differing(const struct compare *compare, bool output, FILE *stream) {
    const char *separator = "";
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        bool same = output ? contender->same_output : contender->same_end;
        if (!compare_is_measured(contender) || same) continue;
        fprintf(stream, "%s%s", separator, contender->name);
        separator = ", ";
    }
}

static bool compare_table_all(const struct compare *compare, bool output) {
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        if (compare_is_measured(contender) &&
            !(output ? contender->same_output : contender->same_end))
            return false;
    }
    return true;
}

static void compare_table_agreement(const struct compare *compare, bool output, FILE *stream) {
    const struct compare_contender *base = &compare->contenders[0];
    const char *what = output ? "Standard output" : "The exit status";
    if (compare_table_all(compare, output)) return;
    if (output ? base->same_output : base->same_end) {
        fprintf(stream, "  %s DIFFERS from that on %s: ", what, base->name);
        compare_table_differing(compare, output, stream);
        fprintf(stream, "\n");
    } else {
        fprintf(stream, "  %s differs from run to run, on %s, too\n", what, base->name);
    }
}

static void compare_table_agreements(const struct compare *compare, FILE *stream) {
    if (compare_agrees(compare)) {
        fprintf(stream, "  Standard output is the same in all runs, and so is the end: ");
        compare_table_end(compare_first_end(compare), stream);
        fprintf(stream, "\n");
    }
    compare_table_agreement(compare, true, stream);
    compare_table_agreement(compare, false, stream);
}

static void compare_table_sight(const struct compare_contender *contender, FILE *stream) {
    const struct compare_sight *sight = &contender->sight;
    if (!contender->library[0] && sight->names[0])
        fprintf(stream, "  %s: the program brings an allocator, which this row measures: %s\n",
                contender->name, sight->names);
    else if (contender->library[0] && !sight->is_known)
        fprintf(stream,
                "  %s: not verified that the program loaded it: its processes could not be "
                "watched\n",
                contender->name);
    else if (sight->without > 0)
        fprintf(stream, "  %s: %u of %u processes ran without it: %s\n", contender->name,
                sight->without, sight->processes, sight->names);
}

static void compare_table_notes(const struct compare *compare, FILE *stream) {
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        if (contender->left_out[0])
            fprintf(stream, "  %s: not measured: %s\n", contender->name, contender->left_out);
        else if (!contender->huge_pages)
            compare_table_sight(contender, stream);
    }
}

void compare_print_table(const struct compare *compare, const struct screen *screen, FILE *stream) {
    compare_table_rows(compare, screen, stream);
    fprintf(stream,
            "\n  Medians of %zu run%s each, which took turns; ratios to %s; * the least; +- half "
            "of the\n  interquartile range, in percent of the median. Peak memory is that of the "
            "largest "
            "process.\n",
            compare->runs, plural(compare->runs), compare->contenders[0].name);
    compare_table_agreements(compare, stream);
    compare_table_notes(compare, stream);
}
