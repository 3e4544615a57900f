/*
 * compare.c -- the order of the runs, and what follows from them.
 */
#include "compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct compare_contender *compare_add(struct compare *compare, const char *name) {
    struct compare_contender *contender = compare->contenders;
    struct compare_contender *end = contender + compare->count;
    while (contender < end && strcmp(contender->name, name) != 0) contender++;
    if (contender == compare->contenders + COMPARE_MOST) return NULL;
    if (contender == end) compare->count++;
    memset(contender, 0, sizeof *contender);
    snprintf(contender->name, sizeof contender->name, "%s", name);
    return contender;
}

bool compare_is_measured(const struct compare_contender *contender) {
    return contender->left_out[0] == '\0' && contender->runs.count > 0;
}

static const struct compare_run *compare_runs_of(const struct compare_contender *contender) {
    return contender->runs.items;
}

/* ---------------------------------------------------------------------- the runs ---------- */

/* What the rounds of one comparison share. */
struct compare_progress {
    struct compare *compare;
    struct screen *screen;
    compare_runner *runner;
    void *user;
    size_t done;       /* runs */
    uint64_t shortest; /* wall time of the shortest warm-up, in nanoseconds */
};

static void compare_show(struct compare_progress *progress, const char *name, size_t round) {
    char text[60];
    size_t runs = progress->compare->runs;
    if (round == 0)
        snprintf(text, sizeof text, "warm-up, %s", name);
    else
        snprintf(text, sizeof text, "run %zu of %zu, %s", round, runs, name);
    screen_progress(progress->screen, text, progress->done,
                    ((runs ? runs : 5) + 1) * progress->compare->count);
}

static bool compare_keep(struct compare_contender *contender, const struct compare_run *run) {
    struct compare_run *place = array_add(&contender->runs);
    if (place) *place = *run;
    if (!place) fprintf(stderr, "holdfast: run: no memory for the results\n");
    return place != NULL;
}

static bool compare_run_once(struct compare_progress *progress, struct compare_contender *contender,
                             size_t round) {
    struct compare_run run = {0};
    compare_show(progress, contender->name, round);
    progress->done++;
    if (!progress->runner(progress->user, contender, round ? COMPARE_MEASURED : COMPARE_WARM_UP,
                          &run))
        return false;
    if (round > 0) return compare_keep(contender, &run);
    uint64_t time = run.quantities[COMPARE_WALL];
    if (progress->shortest == 0 || time < progress->shortest) progress->shortest = time;
    return true;
}

/* Whose turn it is in a round: 0, n - 1, 1, n - 2, ... in the first one, then each one further. Of
 * an odd number the next n rounds are in reverse. */
static size_t compare_turn(size_t count, size_t round, size_t place) {
    if (count % 2 == 1 && (round - 1) / count % 2 == 1) place = count - 1 - place;
    size_t first = place % 2 ? count - (place + 1) / 2 : place / 2;
    return (first + round - 1) % count;
}

/* Those that take part in a round: all in the warm-up. */
static size_t compare_list(struct compare *compare, struct compare_contender **list) {
    size_t count = 0;
    for (size_t i = 0; i < compare->count; i++)
        if (compare->contenders[i].left_out[0] == '\0') list[count++] = &compare->contenders[i];
    return count;
}

static bool compare_round(struct compare_progress *progress, size_t round) {
    struct compare_contender *list[COMPARE_MOST];
    size_t count = compare_list(progress->compare, list);
    for (size_t place = 0; place < count; place++) {
        size_t turn = round ? compare_turn(count, round, place) : place;
        if (!compare_run_once(progress, list[turn], round)) return false;
    }
    return true;
}

/* So many that each one follows each other one equally often. */
static size_t compare_choose_runs(struct compare_progress *progress) {
    struct compare_contender *list[COMPARE_MOST];
    size_t count = compare_list(progress->compare, list);
    size_t square = count % 2 == 1 ? 2 * count : count, runs = statistics_runs(progress->shortest);
    return square ? (runs + square - 1) / square * square : runs;
}

static bool compare_open_runs(struct compare *compare) {
    for (size_t i = 0; i < compare->count; i++)
        if (!array_open(&compare->contenders[i].runs, sizeof(struct compare_run), "runs")) {
            fprintf(stderr, "holdfast: run: no memory for the results\n");
            return false;
        }
    return true;
}

void compare_close(struct compare *compare) {
    for (size_t i = 0; i < compare->count; i++) array_close(&compare->contenders[i].runs);
}

/* ---------------------------------------------------------------- the conclusions --------- */

static void compare_count(struct compare_contender *contender) {
    uint64_t values[COMPARE_MOST_RUNS];
    const struct compare_run *runs = compare_runs_of(contender);
    size_t count = contender->runs.count;
    for (size_t quantity = 0; quantity < COMPARE_QUANTITIES; quantity++) {
        for (size_t i = 0; i < count; i++) values[i] = runs[i].quantities[quantity];
        contender->statistics[quantity] = statistics_of(values, count);
    }
}

static void compare_with(struct compare_contender *contender, const struct compare_run *first) {
    const struct compare_run *run = compare_runs_of(contender), *end = run + contender->runs.count;
    contender->same_output = contender->same_end = true;
    for (; run < end; run++) {
        contender->same_output &=
            run->output_size == first->output_size && run->output_hash == first->output_hash;
        contender->same_end &=
            run->end.exit_status == first->end.exit_status && run->end.signal == first->end.signal;
    }
}

static void compare_conclude(struct compare *compare) {
    const struct compare_run *first = compare_runs_of(&compare->contenders[0]);
    for (size_t i = 0; i < compare->count; i++) {
        struct compare_contender *contender = &compare->contenders[i];
        if (!compare_is_measured(contender)) continue;
        compare_count(contender);
        compare_with(contender, first);
    }
    compare->steady = compare->contenders[0].same_output && compare->contenders[0].same_end;
}

bool compare_agrees(const struct compare *compare) {
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        if (compare_is_measured(contender) && !(contender->same_output && contender->same_end))
            return false;
    }
    return true;
}

struct compare_end compare_first_end(const struct compare *compare) {
    return compare_runs_of(&compare->contenders[0])->end;
}

uint64_t compare_best(const struct compare *compare, enum compare_quantity quantity) {
    uint64_t best = UINT64_MAX;
    for (size_t i = 0; i < compare->count; i++) {
        const struct compare_contender *contender = &compare->contenders[i];
        uint64_t median = contender->statistics[quantity].median;
        if (compare_is_measured(contender) && median < best) best = median;
    }
    return best;
}

bool compare_measure(struct compare *compare, struct screen *screen, compare_runner *runner,
                     void *user) {
    struct compare_progress progress = {compare, screen, runner, user, 0, 0};
    bool sound = compare_open_runs(compare) && compare_round(&progress, 0);
    if (sound && compare->runs == 0) compare->runs = compare_choose_runs(&progress);
    for (size_t round = 1; sound && round <= compare->runs; round++)
        sound = compare_round(&progress, round);
    screen_end_progress(screen);
    if (!sound || !compare_is_measured(&compare->contenders[0])) return false;
    compare_conclude(compare);
    return true;
}
