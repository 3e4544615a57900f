/*
 * The bounds of docs/reset.md, over patterns of frames: a search for the pattern that makes
 * hf_reset cost most.
 *
 * A frame allocates blocks that are small enough for every growth step to be one of the policy's,
 * and resets. A pattern is a list of rows, "so many frames of this
 * size", repeated until FRAMES have run. The search begins with a random pattern, or a large frame
 * among smaller ones, changes it at random, and goes on from the changed one if that costs more;
 * after CLIMB patterns it begins with another one. It is the same in every run. Nothing is
 * committed in truth and no byte is touched: what counts is which bytes the arena commits and
 * decommits, and by how many calls.
 */
#include "arena_fixture.h"
#include "random.h"
#include "recorder.h"

enum { ROWS = 5, FRAMES = 4000, CLIMB = 1000, PATTERNS_UNDER_A_SANITIZER = 200 };
#ifdef HOLDFAST_CASES_FEW
enum { PATTERNS = 1000 };
#else
enum { PATTERNS = 10000 };
#endif

/* The proven bounds. */
enum {
    USED_FOR_A_BYTE = 64,     /* bytes that frames use for each byte that resets release */
    USED_FOR_A_CALL = 3 << 20 /* bytes that frames use for each call of the backend */
};
static const double calls_a_frame = 0.1;
static const size_t largest_frame = 64 * MIB; /* that calls_a_frame is proven for */
static const size_t first_calls = 20;         /* of the first growth to a size */

struct row {
    size_t size, times;
};

struct pattern {
    struct row rows[ROWS];
};

struct cost {
    size_t frames, calls;
    uint64_t work;     /* bytes that the frames used, and 64 more for each */
    uint64_t released; /* bytes that resets released */
    uint64_t again;    /* bytes that were used, released and used again: they fault again */
};

static struct recorder recorder;

static hf_arena open_pretending(void) {
    recorder_init(&recorder, NULL);
    recorder.pretends = true;
    return fixture_open((hf_arena_options){.reserve = 256 * MIB, .backend = &recorder.backend});
}

static size_t committed(const hf_arena *arena) { return hf_arena_get_stats(arena).committed; }

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

/* ---------------------------------------------------------------- patterns ---------------- */

/* About as many results between 1 and 2 as between 1,000 and 2,000. */
static size_t random_size(struct random *random, size_t limit) {
    size_t most = limit >> random_below(random, 12);
    return random_below(random, most + 1);
}

static struct row random_row(struct random *random, size_t largest) {
    return (struct row){random_size(random, largest), 1 + random_size(random, 2000)};
}

static struct pattern random_pattern(struct random *random, size_t largest) {
    struct pattern pattern = {0};
    for (size_t i = 0, rows = 1 + random_below(random, ROWS); i < rows; i++)
        pattern.rows[i] = random_row(random, largest);
    return pattern;
}

/* A large frame, and about as many smaller ones as pay for a trim. */
static struct pattern spike_pattern(struct random *random, size_t largest) {
    size_t large = largest / 8 + random_below(random, largest - largest / 8 + 1);
    size_t small = large / 100 * (10 + random_below(random, 40));
    size_t times = USED_FOR_A_BYTE * (large - small) / small;
    return (struct pattern){{{large, 1}, {small, times + random_below(random, times + 2)}}};
}

static struct pattern first_pattern(struct random *random, size_t climb, size_t largest) {
    return climb % 2 == 0 ? random_pattern(random, largest) : spike_pattern(random, largest);
}

/* Changes one row: to another one, or one of its numbers a little. */
static struct pattern changed(struct pattern pattern, struct random *random, size_t largest) {
    struct row *row = &pattern.rows[random_below(random, ROWS)];
    size_t size = row->size - row->size / 8 + random_below(random, row->size / 4 + 2);
    size_t times = row->times - row->times / 8 + random_below(random, row->times / 4 + 2);
    size_t kind = random_below(random, 8);
    if (row->times == 0 || kind == 0) *row = random_row(random, largest);
    if (kind == 1 || kind == 2) row->times = 0;
    if (kind == 3 || kind == 4) row->times = times;
    if (kind == 5) row->times += 2 - random_below(random, smaller(row->times, 4) + 1);
    if (kind > 5) row->size = smaller(size, largest);
    return pattern;
}

static size_t largest_of(const struct pattern *pattern) {
    size_t largest = 0;
    for (size_t i = 0; i < ROWS; i++)
        if (pattern->rows[i].times > 0) largest = larger(largest, pattern->rows[i].size);
    return largest;
}

/* ------------------------------------------------------------------- costs ---------------- */

/* Each block ends at most 64 KiB behind limit. */
static void allocate(hf_arena *arena, size_t size) {
    while (size > 0) {
        size_t room = (size_t)(arena->limit - arena->pos);
        size_t block = smaller(size, room + 64 * KIB);
        CHECK(hf_alloc(arena, block, 1) != NULL);
        size -= block;
    }
}

/* `resident`: bytes from base on that were used and not released since; `highest`: its largest
 * value. */
static void run_frame(hf_arena *arena, size_t size, struct cost *cost, size_t *resident,
                      size_t *highest) {
    allocate(arena, size);
    size_t peak = hf_get_mark(arena), before = committed(arena);
    if (peak > *resident) cost->again += smaller(peak, *highest) - smaller(*resident, *highest);
    *resident = larger(*resident, peak);
    *highest = larger(*highest, peak);
    CHECK_STATUS(HF_OK, hf_reset(arena));
    size_t after = committed(arena);
    *resident = smaller(*resident, after);
    cost->frames++;
    cost->work += peak + 64;
    cost->released += before - after;
    CHECK(cost->released <= cost->work / USED_FOR_A_BYTE);
    CHECK(cost->again <= cost->released);
}

static size_t calls_so_far(void) {
    return recorder_count(&recorder, RECORDER_COMMIT) +
           recorder_count(&recorder, RECORDER_DECOMMIT) +
           recorder_count(&recorder, RECORDER_ADVISE);
}

/* The first frame has the size of the largest: what follows is the cost of the pattern, and not of
 * growing to its size. */
static struct cost cost_of(const struct pattern *pattern) {
    struct cost cost = {0};
    hf_arena arena = open_pretending();
    size_t resident = 0, highest = 0;
    run_frame(&arena, largest_of(pattern), &cost, &resident, &highest);
    recorder_forget(&recorder);
    for (size_t row = 0; cost.frames < FRAMES; row = (row + 1) % ROWS) {
        for (size_t i = 0; i < pattern->rows[row].times && cost.frames < FRAMES; i++)
            run_frame(&arena, pattern->rows[row].size, &cost, &resident, &highest);
        if (largest_of(pattern) == 0 && row == ROWS - 1) break;
    }
    cost.calls = calls_so_far();
    CHECK(cost.calls <= first_calls + cost.work / USED_FOR_A_CALL);
    CHECK((double)cost.calls <= (double)first_calls + calls_a_frame * (double)cost.frames);
    hf_arena_close(&arena);
    return cost;
}

static double bytes_cost(const struct cost *cost) {
    return (double)cost->again / (double)cost->work;
}

static double calls_cost(const struct cost *cost) {
    return (double)cost->calls / (double)cost->frames;
}

/* ------------------------------------------------------------------ search ---------------- */

static void print_pattern(const char *what, const struct pattern *pattern) {
    struct cost cost = cost_of(pattern);
    printf("  %s: %.2f %% of the bytes fault again, %.3f calls a frame\n   ", what,
           100 * bytes_cost(&cost), calls_cost(&cost));
    for (size_t i = 0; i < ROWS; i++)
        if (pattern->rows[i].times > 0)
            printf(" %zu x %zu KiB", pattern->rows[i].times, pattern->rows[i].size / KIB);
    printf("\n");
}

static struct pattern search(double (*cost_in)(const struct cost *), size_t patterns, uint64_t seed,
                             size_t largest) {
    struct random random = {seed};
    struct pattern worst = {0}, best_here = {0};
    double highest = 0, highest_here = 0;
    for (size_t i = 0; i < patterns; i++) {
        if (i % CLIMB == 0) highest_here = -1;
        struct pattern pattern = i % CLIMB == 0 ? first_pattern(&random, i / CLIMB, largest)
                                                : changed(best_here, &random, largest);
        AT("pattern %zu: %zu x %zu, %zu x %zu ...", i, pattern.rows[0].times, pattern.rows[0].size,
           pattern.rows[1].times, pattern.rows[1].size);
        struct cost cost = cost_of(&pattern);
        if (cost_in(&cost) < highest_here) continue;
        best_here = pattern;
        highest_here = cost_in(&cost);
        if (highest_here > highest) worst = pattern, highest = highest_here;
    }
    return worst;
}

/* Under a sanitizer a frame costs time for each byte. */
static void no_pattern_costs_more_than_proven(void) {
    bool is_exact = fixture_is_exact();
    size_t patterns = is_exact ? PATTERNS / 2 : PATTERNS_UNDER_A_SANITIZER / 2;
    size_t largest = is_exact ? largest_frame : 8 * MIB;
    struct pattern bytes = search(bytes_cost, patterns, 0x9e3779b97f4a7c15, largest);
    struct pattern calls = search(calls_cost, patterns, 0xd1b54a32d192ed03, largest);
    print_pattern("most faults", &bytes);
    print_pattern("most calls", &calls);
    struct cost cost = cost_of(&bytes);
    CHECK(!is_exact || bytes_cost(&cost) > 0.8 / USED_FOR_A_BYTE); /* it does find what is bad */
}

/* Patterns that programs have, and the worst that are known, made by hand from the proof. */
static void known_patterns_cost_little(void) {
    static const struct pattern patterns[] = {
        {{{64 * KIB, 299}, {64 * MIB, 1}}},
        {{{MIB, 19}, {16 * MIB, 1}}},
        {{{MIB, 1}, {23 * MIB, 1}, {9 * MIB, 1}, {14 * MIB, 1}, {3 * MIB, 1}}},
        {{{27 * MIB, 134}, {64 * MIB, 1}}},
        {{{900 * KIB, 228}, {2100 * KIB, 1}}},
    };
    if (!fixture_is_exact()) return;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        AT("pattern %zu", i);
        struct cost cost = cost_of(&patterns[i]);
        print_pattern("known", &patterns[i]);
        CHECK(calls_cost(&cost) <= 0.05);
        if (i < 3) CHECK_EQUAL(0, cost.calls);
    }
}

/* A frame is a page larger than the one before; after 4,000 frames the smallest follows. */
static void a_rising_pattern_makes_a_call_for_each_step(void) {
    if (!fixture_is_exact()) return;
    hf_arena arena = open_pretending();
    for (size_t frame = 0; frame < 20000; frame++) {
        allocate(&arena, (frame % 4000 + 1) * 4 * KIB);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
    }
    CHECK(calls_so_far() <= 20000 / 200);
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------------ memory ---------------- */

/* From any state: once frames that need at most `size` bytes have used 128 times what is committed,
 * at most twice of `size`, or 4 MiB more, is. */
static void check_is_released(hf_arena *arena, size_t size) {
    uint64_t work = 128 * (uint64_t)larger(committed(arena), MIB);
    size_t highest = 0;
    for (uint64_t used = 0; used < work; used += hf_get_mark(arena) + 64) {
        CHECK_STATUS(HF_OK, hf_reset(arena));
        CHECK(hf_alloc(arena, size, 1) != NULL);
        highest = larger(highest, hf_get_mark(arena));
    }
    CHECK_STATUS(HF_OK, hf_reset(arena));
    CHECK(committed(arena) <= larger(2 * highest, highest + 4 * MIB));
}

static void what_is_not_needed_goes(void) {
    struct random random = {0x2545f4914f6cdd1d};
    size_t largest = fixture_is_exact() ? largest_frame : 2 * MIB;
    for (size_t i = 0, patterns = fixture_is_exact() ? 300 : 5; i < patterns; i++) {
        struct pattern pattern = random_pattern(&random, largest);
        AT("pattern %zu", i);
        hf_arena arena = open_pretending();
        struct cost cost = {0};
        size_t resident = 0, highest = 0;
        for (size_t row = 0; row < ROWS; row++)
            for (size_t times = pattern.rows[row].times; times > 0; times--)
                run_frame(&arena, pattern.rows[row].size, &cost, &resident, &highest);
        check_is_released(&arena, larger(committed(&arena) >> (1 + random_below(&random, 7)), KIB));
        hf_arena_close(&arena);
    }
}

CHECK_MAIN(TEST(no_pattern_costs_more_than_proven), TEST(known_patterns_cost_little),
           TEST(a_rising_pattern_makes_a_call_for_each_step), TEST(what_is_not_needed_goes))
