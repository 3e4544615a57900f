/*
 * compare_json.c -- the results as one JSON object (RFC 8259).
 */
#include <float.h>
#include <inttypes.h>
#include <string.h>

#include "compare.h"

static const char *const compare_json_names[COMPARE_QUANTITIES] = {
    [COMPARE_PROCESSOR] = "processor_time_ns",
    [COMPARE_WALL] = "wall_time_ns",
    [COMPARE_FAULTS] = "page_faults",
    [COMPARE_PEAK] = "peak_bytes",
};

/* ------------------------------------------------------------------------ texts ----------- */

/* The bytes of the UTF-8 sequence at the start of the text; 0: it is no valid one. */
static size_t compare_json_sequence(const unsigned char *text) {
    static const struct {
        unsigned char least, most, second_least, second_most;
        size_t size;
    } forms[] = {
        {0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (*text < forms[i].least || *text > forms[i].most) continue;
        for (size_t at = 1; at < forms[i].size; at++) {
            unsigned char least = at == 1 ? forms[i].second_least : 0x80;
            unsigned char most = at == 1 ? forms[i].second_most : 0xbf;
            if (text[at] < least || text[at] > most) return 0;
        }
        return forms[i].size;
    }
    return 0;
}

/* Bytes that are no UTF-8 become U+FFFD, because JSON has no other texts. */
static void compare_json_text(const char *text, FILE *stream) {
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', stream);
    while (*at) {
        size_t size = compare_json_sequence(at);
        if (size == 0)
            fputs("\\ufffd", stream);
        else if (*at < 0x20 || *at == 0x7f)
            fprintf(stream, "\\u%04x", *at);
        else
            fprintf(stream, "%s%.*s", *at == '"' || *at == '\\' ? "\\" : "", (int)size,
                    (const char *)at);
        at += size ? size : 1;
    }
    fputc('"', stream);
}

static void compare_json_member(const char *name, const char *text, FILE *stream) {
    fprintf(stream, "\"%s\": ", name);
    compare_json_text(text, stream);
}

static const char *compare_json_truth(bool value) { return value ? "true" : "false"; }

/* ------------------------------------------------------------------ the contenders -------- */

static void compare_json_statistics(const struct compare *compare,
                                    const struct compare_contender *contender,
                                    enum compare_quantity quantity, FILE *stream) {
    const struct statistics *statistics = &contender->statistics[quantity];
    double ratio =
        statistics_ratio(statistics->median, compare->contenders[0].statistics[quantity].median);
    fprintf(stream, ",\n      \"%s\": {\"median\": %" PRIu64, compare_json_names[quantity],
            statistics->median);
    fprintf(stream, ", \"min\": %" PRIu64 ", \"lower_quartile\": %" PRIu64, statistics->least,
            statistics->lower_quartile);
    fprintf(stream, ", \"upper_quartile\": %" PRIu64 ", \"max\": %" PRIu64,
            statistics->upper_quartile, statistics->most);
    if (ratio <= DBL_MAX)
        fprintf(stream, ", \"ratio\": %.4f}", ratio);
    else
        fprintf(stream, ", \"ratio\": null}");
}

/* The allocators that the program itself has loaded. */
static void compare_json_brought(const struct compare_sight *sight, FILE *stream) {
    if (!sight->names[0]) return;
    fprintf(stream, ", ");
    compare_json_member("brings", sight->names, stream);
}

static void compare_json_sight(const struct compare_contender *contender, FILE *stream) {
    const struct compare_sight *sight = &contender->sight;
    if (!contender->library[0]) {
        compare_json_brought(sight, stream);
        return;
    }
    fprintf(stream, ", ");
    compare_json_member("library", contender->library, stream);
    if (!sight->is_known) {
        fprintf(stream, ",\n      \"processes\": null, \"processes_without\": null");
        return;
    }
    fprintf(stream, ",\n      \"processes\": %u, \"processes_without\": %u, ", sight->processes,
            sight->without);
    compare_json_member("programs_without", sight->names, stream);
}

static void compare_json_end(const struct compare_contender *contender, FILE *stream) {
    const struct compare_run *first = contender->runs.items;
    if (first->end.signal)
        fprintf(stream, ",\n      \"exit_status\": null, \"signal\": %d", first->end.signal);
    else
        fprintf(stream, ",\n      \"exit_status\": %d, \"signal\": null", first->end.exit_status);
    fprintf(stream, ", \"same_output\": %s, \"same_exit_status\": %s",
            compare_json_truth(contender->same_output), compare_json_truth(contender->same_end));
}

static void compare_json_contender(const struct compare *compare,
                                   const struct compare_contender *contender, FILE *stream) {
    fprintf(stream, "    {");
    compare_json_member("name", contender->name, stream);
    compare_json_sight(contender, stream);
    compare_json_end(contender, stream);
    for (int quantity = 0; quantity < COMPARE_QUANTITIES; quantity++)
        compare_json_statistics(compare, contender, (enum compare_quantity)quantity, stream);
    fprintf(stream, "}");
}

static void compare_json_left_out(const struct compare_contender *contender, FILE *stream) {
    fprintf(stream, "    {");
    compare_json_member("name", contender->name, stream);
    fprintf(stream, ", ");
    compare_json_member("reason", contender->left_out, stream);
    fprintf(stream, "}");
}

/* Prints those that were measured, or those that were not. */
static void compare_json_list(const struct compare *compare, bool measured, FILE *stream) {
    const char *separator = "\n";
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        if (compare_is_measured(contender) != measured) continue;
        fprintf(stream, "%s", separator);
        if (measured)
            compare_json_contender(compare, contender, stream);
        else
            compare_json_left_out(contender, stream);
        separator = ",\n";
    }
}

void compare_print_json(const struct compare *compare, char *const *command, FILE *stream) {
    fprintf(stream, "{\n  \"command\": [");
    for (size_t i = 0; command[i]; i++) {
        fprintf(stream, "%s", i ? ", " : "");
        compare_json_text(command[i], stream);
    }
    fprintf(stream, "],\n  \"runs\": %zu,\n  \"steady\": %s,\n  \"agree\": %s,\n", compare->runs,
            compare_json_truth(compare->steady), compare_json_truth(compare_agrees(compare)));
    fprintf(stream, "  \"allocators\": [");
    compare_json_list(compare, true, stream);
    fprintf(stream, "],\n  \"not_measured\": [");
    compare_json_list(compare, false, stream);
    fprintf(stream, "]\n}\n");
}
