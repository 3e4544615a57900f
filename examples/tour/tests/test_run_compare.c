/*
 * test_run_compare.c -- what `holdfast run --compare` does with its measurements: statistics, the
 * order of the runs, what they agree on, table and JSON. The runs are made up.
 */
#include "check.h"

#include <inttypes.h>
#include <stdint.h>

#include "../../../src/tool/compare.h"
#include "json.h"

/* ------------------------------------------------------------------ statistics ----------- */

static void finds_quartiles(void) {
    static const struct {
        uint64_t values[6];
        size_t count;
        uint64_t lower, median, upper;
    } rows[] = {
        {{7}, 1, 7, 7, 7},
        {{9, 1}, 2, 3, 5, 7},
        {{3, 1, 2}, 3, 1, 2, 2},
        {{50, 10, 40, 20, 30}, 5, 20, 30, 40},
        {{4, 1, 3, 2, 6, 5}, 6, 2, 3, 4},
        {{UINT64_MAX, 0, UINT64_MAX, 0}, 4, 0, UINT64_MAX / 2, UINT64_MAX},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t outer = check_enter("row %zu", i);
        uint64_t values[6];
        memcpy(values, rows[i].values, sizeof values);
        struct statistics statistics = statistics_of(values, rows[i].count);
        CHECK_EQUAL(rows[i].lower, statistics.lower_quartile);
        CHECK_EQUAL(rows[i].median, statistics.median);
        CHECK_EQUAL(rows[i].upper, statistics.upper_quartile);
        CHECK_EQUAL(values[0], statistics.least);
        CHECK_EQUAL(values[rows[i].count - 1], statistics.most);
        check_leave(outer);
    }
}

static void spread_is_half_of_the_interquartile_range(void) {
    struct statistics statistics = {.lower_quartile = 90, .median = 100, .upper_quartile = 115};
    CHECK(statistics_spread(&statistics) == 0.125);
    statistics.median = 0;
    CHECK(statistics_spread(&statistics) == 0);
}

static void ratio_of_nothing_is_one(void) {
    CHECK(statistics_ratio(3, 4) == 0.75);
    CHECK(statistics_ratio(0, 0) == 1);
    CHECK(statistics_ratio(1, 0) > 1e300);
}

static void short_programs_run_more_often(void) {
    CHECK_EQUAL(99, statistics_runs(0));
    CHECK_EQUAL(99, statistics_runs(1000000));
    CHECK_EQUAL(21, statistics_runs(50000000));
    CHECK_EQUAL(11, statistics_runs(99000000));
    CHECK_EQUAL(5, statistics_runs(200000000));
    CHECK_EQUAL(5, statistics_runs(UINT64_MAX));
}

/* -------------------------------------------------------------------- the runs ------------ */

/* What the runner was asked for, one letter each: the first of the name, capital in a warm-up. */
static char asked[400];

/* How the made-up runner behaves. */
static struct {
    const char *other_output, *other_end, *unsteady; /* names of contenders */
    const char *leaves_out, *fails;
    uint64_t wall;
} behaviour;

static bool is_named(const struct compare_contender *contender, const char *name) {
    return name && strcmp(contender->name, name) == 0;
}

static bool make_up(void *user, struct compare_contender *contender, enum compare_stage stage,
                    struct compare_run *run) {
    size_t made = strlen(asked);
    bool warm_up = stage == COMPARE_WARM_UP;
    CHECK(user == &behaviour && made + 1 < sizeof asked);
    asked[made] = (char)(contender->name[0] - (warm_up ? 'a' - 'A' : 0));
    asked[made + 1] = '\0';
    run->quantities[COMPARE_WALL] = behaviour.wall;
    run->quantities[COMPARE_PROCESSOR] = is_named(contender, "fast") ? 500000 : 1000000;
    run->quantities[COMPARE_FAULTS] = warm_up ? 999999 : 1234 + made % 3;
    run->quantities[COMPARE_PEAK] = is_named(contender, "fast") ? 3 << 20 : 2 << 20;
    run->output_size = is_named(contender, behaviour.other_output) ? 4 : 5;
    run->output_hash = is_named(contender, behaviour.unsteady) ? made : 77;
    run->end.exit_status = 3;
    if (is_named(contender, behaviour.other_end)) run->end = (struct compare_end){.signal = 11};
    if (is_named(contender, behaviour.leaves_out)) strcpy(contender->left_out, "it \"cannot\"");
    return !is_named(contender, behaviour.fails);
}

static struct compare compare;
static struct screen no_screen = {.columns = 100};

static void begin(size_t runs) {
    memset(&behaviour, 0, sizeof behaviour);
    behaviour.wall = 2000000;
    asked[0] = '\0';
    compare = (struct compare){.runs = runs};
    compare_add(&compare, "base");
    strcpy(compare_add(&compare, "fast")->library, "/lib/fast.so");
    strcpy(compare_add(&compare, "slow")->library, "/lib/slow.so");
}

static bool measure(void) { return compare_measure(&compare, &no_screen, make_up, &behaviour); }

static void contenders_take_turns(void) {
    begin(4);
    CHECK(measure());
    CHECK(strcmp(asked, "BFSbsffbssfbfsb") == 0);
    CHECK_EQUAL(4, compare.contenders[2].runs.count);
    compare_close(&compare);
}

/* How often one comes just behind the other in a measured round of so many. */
static size_t count_pairs(char one, char other, size_t contenders) {
    const char *measured = asked + compare.count;
    size_t count = 0;
    for (size_t i = 1; measured[i]; i++)
        count += i % contenders > 0 && measured[i - 1] == one && measured[i] == other;
    return count;
}

static void each_follows_each_other_one_equally(void) {
    for (size_t contenders = 3; contenders <= 4; contenders++) {
        begin(contenders == 3 ? 6 : 4);
        compare_add(&compare, "mine");
        if (contenders == 3) behaviour.leaves_out = "mine";
        CHECK(measure());
        const char *names = contenders == 3 ? "bfs" : "bfsm";
        for (const char *one = names; *one; one++)
            for (const char *other = names; *other; other++)
                CHECK_EQUAL(*one == *other    ? 0
                            : contenders == 3 ? 2
                                              : 1,
                            count_pairs(*one, *other, contenders));
        compare_close(&compare);
    }
}

static void number_of_runs_follows_the_warm_up(void) {
    begin(0);
    behaviour.wall = 120000000;
    CHECK(measure());
    CHECK_EQUAL(12, compare.runs); /* 9, but a multiple of 6 */
    CHECK_EQUAL(13 * 3, strlen(asked));
    compare_close(&compare);
}

static void one_that_is_left_out_does_not_run(void) {
    begin(2);
    behaviour.leaves_out = "slow";
    CHECK(measure());
    CHECK(strcmp(asked, "BFSbffb") == 0);
    CHECK(!compare_is_measured(&compare.contenders[2]));
    CHECK(compare_agrees(&compare));
    compare_close(&compare);
}

static void nothing_runs_after_a_failure(void) {
    begin(2);
    behaviour.fails = "fast";
    CHECK(!measure());
    CHECK(strcmp(asked, "BF") == 0);
    compare_close(&compare);
}

static void the_first_must_be_measured(void) {
    begin(2);
    behaviour.leaves_out = "base";
    CHECK(!measure());
    compare_close(&compare);
}

static void warm_ups_do_not_count(void) {
    begin(3);
    CHECK(measure());
    CHECK_EQUAL(1236, compare.contenders[0].statistics[COMPARE_FAULTS].most);
    compare_close(&compare);
}

static void a_name_replaces_the_same_name(void) {
    begin(1);
    CHECK(compare_add(&compare, "fast") == &compare.contenders[1]);
    CHECK(compare.contenders[1].library[0] == '\0');
    CHECK_EQUAL(3, compare.count);
    for (char name[] = "a"; compare.count < COMPARE_MOST; name[0]++)
        CHECK(compare_add(&compare, name));
    CHECK(compare_add(&compare, "fast") != NULL);
    CHECK(compare_add(&compare, "one more") == NULL);
}

/* --------------------------------------------------------------------- results ------------ */

static char text[20000];

static void print_table(FILE *file) { compare_print_table(&compare, &no_screen, file); }

static void print_json(FILE *file) {
    static char *const command[] = {"a \"b\"\\\n\x7f",
                                    "\xc3\xa4 \xff \xed\xa0\x80 \xf0\x9f\x98\x80", NULL};
    compare_print_json(&compare, command, file);
}

/* Stores what the function prints in `text`. */
static void print(void (*function)(FILE *file)) {
    FILE *file = fopen("test_run_compare.out", "wb+");
    CHECK(file != NULL);
    function(file);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    remove("test_run_compare.out");
}

static void has(const char *wanted) {
    if (strstr(text, wanted)) return;
    printf("%s\n", text);
    check_fail(__FILE__, __LINE__, wanted);
}

static void table_has_medians_ratios_and_marks(void) {
    begin(3);
    CHECK(measure());
    print(print_table);
    has("  base       1.00 ms  1.00  0.0%   2.00 ms  1.00* 0.0%     1,235  1.00*");
    has("  fast        500 us  0.50* 0.0%   2.00 ms  1.00* 0.0%");
    has("3.00 MiB  1.50  0.0%\n");
    has("2.00 MiB  1.00* 0.0%\n");
    has("Medians of 3 runs each");
    has("Standard output is the same in all runs, and so is the end: exit status 3\n");
    compare_close(&compare);
}

static void table_names_what_differs(void) {
    begin(1);
    behaviour.other_output = "fast", behaviour.other_end = "slow";
    CHECK(measure());
    CHECK(!compare_agrees(&compare) && compare.steady);
    print(print_table);
    has("  Standard output DIFFERS from that on base: fast\n");
    has("  The exit status DIFFERS from that on base: slow\n");
    CHECK(!strstr(text, "is the same"));
    compare_close(&compare);
}

static void table_says_if_the_first_differs_from_itself(void) {
    begin(2);
    behaviour.unsteady = "base";
    CHECK(measure());
    CHECK(!compare_agrees(&compare) && !compare.steady);
    print(print_table);
    has("  Standard output differs from run to run, on base, too\n");
    compare_close(&compare);
}

static void table_says_what_was_not_measured_or_not_loaded(void) {
    begin(1);
    behaviour.leaves_out = "slow";
    compare.contenders[1].sight =
        (struct compare_sight){.is_known = true, .processes = 3, .without = 2, .names = "as, ld"};
    strcpy(compare.contenders[0].sight.names, "libjemalloc.so.2");
    CHECK(measure());
    print(print_table);
    has("  slow: not measured: it \"cannot\"\n");
    has("  fast: 2 of 3 processes ran without it: as, ld\n");
    has("  base: the program brings an allocator, which this row measures: libjemalloc.so.2\n");
    compare_close(&compare);
}

static void json_is_valid_and_whole(void) {
    begin(1);
    behaviour.leaves_out = "slow", behaviour.other_end = "fast";
    strcpy(compare.contenders[0].sight.names, "libjemalloc.so.2");
    CHECK(measure());
    print(print_json);
    has("{\"name\": \"base\", \"brings\": \"libjemalloc.so.2\",");
    CHECK(json_is_valid(text));
    has("\"command\": [\"a \\\"b\\\"\\\\\\u000a\\u007f\", \"\xc3\xa4 \\ufffd \\ufffd\\ufffd\\ufffd "
        "\xf0\x9f\x98\x80\"]");
    has("\"runs\": 1,\n  \"steady\": true,\n  \"agree\": false,");
    has("{\"name\": \"slow\", \"reason\": \"it \\\"cannot\\\"\"}");
    has("\"exit_status\": 3, \"signal\": null");
    has("\"exit_status\": null, \"signal\": 11, \"same_output\": true, \"same_exit_status\": "
        "false");
    has("\"processor_time_ns\": {\"median\": 500000, \"min\": 500000");
    has("\"ratio\": 0.5000}");
    has("\"processes\": null");
    compare_close(&compare);
}

static void the_checker_of_json_sees_errors(void) {
    static const char *const valid[] = {"{}", " [ 1 , -0.5e+3, \"\\u00fF\" ] ", "null", "0"};
    static const char *const invalid[] = {"",       "{",     "[1,]",      "{\"a\"}", "01",  "1.",
                                          "\"\n\"", "[1] 2", "\"\\u12\"", "\"\\x\"", "tru", "-"};
    for (size_t i = 0; i < sizeof valid / sizeof *valid; i++) CHECK(json_is_valid(valid[i]));
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        size_t outer = check_enter("row %zu", i);
        CHECK(!json_is_valid(invalid[i]));
        check_leave(outer);
    }
}

CHECK_MAIN(TEST(finds_quartiles), TEST(spread_is_half_of_the_interquartile_range),
           TEST(ratio_of_nothing_is_one), TEST(short_programs_run_more_often),
           TEST(contenders_take_turns), TEST(each_follows_each_other_one_equally),
           TEST(number_of_runs_follows_the_warm_up), TEST(one_that_is_left_out_does_not_run),
           TEST(nothing_runs_after_a_failure), TEST(the_first_must_be_measured),
           TEST(warm_ups_do_not_count), TEST(a_name_replaces_the_same_name),
           TEST(table_has_medians_ratios_and_marks), TEST(table_names_what_differs),
           TEST(table_says_if_the_first_differs_from_itself),
           TEST(table_says_what_was_not_measured_or_not_loaded), TEST(json_is_valid_and_whole),
           TEST(the_checker_of_json_sees_errors))
