/*
 * comparison.c -- runs the same work on each kind of memory and prints a table.
 *
 * Each run is a new process (the runner), so that time, page faults and peak memory are those of
 * one kind of memory, and no run starts with a warm heap. The runner reads the paths from standard
 * input before the measurement begins. Then it reads the files (they are in the page cache, because
 * the tour has just read them), does the work, frees everything, and prints one line of numbers.
 *
 * The kinds of memory take turns, so that other load on the machine affects all alike. The table
 * shows the median of as many rounds as there is time for, and processor time, because wall time
 * includes that other load.
 *
 * On holdfast, too, every file is read and none mapped: only the memory is compared.
 */
#include "comparison.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "on_mimalloc.h"
#include "platform.h"

enum { MOST_ROUNDS = 5 };

static const struct memory_kind *const kinds[] = {&on_holdfast, &on_malloc, &on_mimalloc};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* The numbers that a runner prints, in this order in one line. */
enum {
    RUN_TIME, /* nanoseconds */
    RUN_PAGE_FAULTS,
    RUN_PEAK_BYTES,
    RUN_FILES, /* from here on the findings, which are the same on each kind of memory */
    RUN_BYTES,
    RUN_TOKENS,
    RUN_NAMES,
    RUN_USES,
    RUN_NESTING,
    RUN_NUMBERS
};

struct run {
    uint64_t numbers[RUN_NUMBERS];
};

static uint64_t token_count(const struct totals *totals) {
    uint64_t count = 0;
    for (size_t kind = 0; kind < TOKEN_KINDS; kind++) count += totals->tokens[kind];
    return count;
}

static void set_findings(struct run *run, const struct totals *totals) {
    run->numbers[RUN_FILES] = totals->files;
    run->numbers[RUN_BYTES] = totals->bytes;
    run->numbers[RUN_TOKENS] = token_count(totals);
    run->numbers[RUN_NAMES] = totals->names;
    run->numbers[RUN_USES] = totals->uses;
    run->numbers[RUN_NESTING] = totals->nesting;
}

/* ------------------------------------------------------------------ the runner ------------ */

/* Reads all of standard input and appends a NUL. NULL: no memory. */
static char *read_input(hf_arena *arena, size_t *size) {
    size_t room, got = 1;
    char *input = hf_peek(arena, 1, &room);
    for (*size = 0; input && got > 0; *size += got) {
        input = hf_peek(arena, *size + 65536, &room);
        got = input ? fread(input + *size, 1, room - *size - 1, stdin) : 0;
    }
    if (input) input[*size] = '\0';
    return hf_alloc(arena, *size + 1, 1);
}

/* Processes the files of the input: texts "size path", each ended by a NUL. */
static bool take_files(const struct memory_kind *kind, struct front_end *front_end, char *input,
                       size_t size) {
    for (char *at = input; at < input + size; at += strlen(at) + 1) {
        char *path;
        uint64_t file_size = strtoull(at, &path, 10);
        if (kind->take_file(front_end, path + 1, file_size) != TAKEN) return false;
    }
    return true;
}

static uint64_t bytes_of_files(const char *input, size_t size) {
    uint64_t bytes = 0;
    for (const char *at = input; at < input + size; at += strlen(at) + 1)
        bytes += strtoull(at, NULL, 10);
    return bytes;
}

static bool run_on(const struct memory_kind *kind, struct front_end *front_end, char *input,
                   size_t size, struct run *run) {
    uint64_t bytes = bytes_of_files(input, size);
    struct platform_usage before = platform_get_usage();
    bool done = kind->open(front_end, bytes, NULL) && take_files(kind, front_end, input, size);
    set_findings(run, kind->totals(front_end));
    kind->close(front_end);
    struct platform_usage after = platform_get_usage();
    run->numbers[RUN_TIME] = after.processor_time - before.processor_time;
    run->numbers[RUN_PAGE_FAULTS] = after.page_faults - before.page_faults;
    run->numbers[RUN_PEAK_BYTES] = after.peak_bytes;
    return done;
}

static int run_and_print(const struct memory_kind *kind, hf_arena *arena) {
    struct run run = {0};
    size_t size;
    struct front_end *front_end = hf_alloc_zeroed(arena, kind->front_end_size, 16);
    char *input = read_input(arena, &size);
    if (!front_end || !input || !run_on(kind, front_end, input, size, &run)) return EXIT_FAILURE;
    for (size_t i = 0; i < RUN_NUMBERS; i++) printf("%" PRIu64 " ", run.numbers[i]);
    return EXIT_SUCCESS;
}

static const struct memory_kind *find_kind(const char *name) {
    for (size_t i = 0; i < KINDS; i++)
        if (strcmp(kinds[i]->name, name) == 0) return kinds[i];
    return NULL;
}

int comparison_runner(int count, char **arguments) {
    hf_arena_options options = {.name = "runner", .reserve = (size_t)64 << 20};
    hf_arena arena;
    const struct memory_kind *kind = count == 1 ? find_kind(arguments[0]) : NULL;
    if (!kind || hf_arena_open(&arena, &options) != HF_OK) return EXIT_FAILURE;
    int status = run_and_print(kind, &arena);
    hf_arena_close(&arena);
    return status;
}

/* -------------------------------------------------------------------- the comparison ------ */

struct comparison {
    hf_arena arena;
    const char *input;
    size_t input_size;
    struct run expected; /* its findings */
    bool runs[KINDS];    /* which kinds of memory take part */
    struct run rounds[KINDS][MOST_ROUNDS];
    size_t round_count;
};

static bool write_input(struct comparison *comparison, const struct sources *sources) {
    enum { DIGITS = 24 };
    size_t size = 1;
    for (size_t i = 0; i < sources->list.count; i++)
        size += strlen(sources_at(sources, i)->path) + DIGITS;
    char *input = hf_alloc(&comparison->arena, size, 1), *at = input;
    for (size_t i = 0; input && i < sources->list.count; i++) {
        const struct source *source = sources_at(sources, i);
        if (source->failed) continue;
        size_t room = size - (size_t)(at - input);
        at += snprintf(at, room, "%" PRIu64 " %s", source->size, source->path) + 1;
    }
    comparison->input = input;
    comparison->input_size = (size_t)(at - input);
    return input != NULL;
}

/* False: the runner failed, or its findings differ. */
static bool run_once(struct comparison *comparison, const struct memory_kind *kind,
                     struct run *run) {
    const char *arguments[] = {COMPARISON_VERB, kind->name, NULL};
    char line[1000];
    if (!platform_run_child(arguments, comparison->input, comparison->input_size, line,
                            sizeof line))
        return false;
    char *at = line;
    for (size_t i = 0; i < RUN_NUMBERS; i++) run->numbers[i] = strtoull(at, &at, 10);
    return memcmp(run->numbers + RUN_FILES, comparison->expected.numbers + RUN_FILES,
                  (RUN_NUMBERS - RUN_FILES) * sizeof *run->numbers) == 0;
}

static bool run_round(struct comparison *comparison, struct screen *screen) {
    for (size_t i = 0; i < KINDS; i++) {
        screen_progress(screen, "comparing", comparison->round_count * KINDS + i,
                        MOST_ROUNDS * KINDS);
        if (!comparison->runs[i] ||
            run_once(comparison, kinds[i], &comparison->rounds[i][comparison->round_count]))
            continue;
        screen_end_progress(screen);
        fprintf(stderr, "holdfast: the work on %s failed, or found something else\n",
                kinds[i]->name);
        return false;
    }
    comparison->round_count++;
    return true;
}

static bool another_round_fits(const struct comparison *comparison, uint64_t start,
                               uint64_t deadline) {
    uint64_t count = comparison->round_count, now = platform_now();
    return count == 0 || (count < MOST_ROUNDS && now + (now - start) / count <= deadline);
}

static bool run_rounds(struct comparison *comparison, struct screen *screen, uint64_t deadline) {
    uint64_t start = platform_now();
    bool whole = true;
    while (whole && another_round_fits(comparison, start, deadline))
        whole = run_round(comparison, screen);
    screen_end_progress(screen);
    return whole;
}

/* ------------------------------------------------------------------- the table ------------ */

static int compare_numbers(const void *left, const void *right) {
    uint64_t one = *(const uint64_t *)left, other = *(const uint64_t *)right;
    return (one > other) - (one < other);
}

static uint64_t median(const struct comparison *comparison, size_t kind, size_t number) {
    uint64_t values[MOST_ROUNDS];
    for (size_t i = 0; i < comparison->round_count; i++)
        values[i] = comparison->rounds[kind][i].numbers[number];
    qsort(values, comparison->round_count, sizeof *values, compare_numbers);
    return values[comparison->round_count / 2];
}

static void print_row(const struct comparison *comparison, size_t kind, const char *name) {
    static const char *(*const formats[])(char *, uint64_t) = {
        [RUN_TIME] = format_time, [RUN_PAGE_FAULTS] = format_count, [RUN_PEAK_BYTES] = format_size};
    char value[QUANTITY_SIZE];
    printf("  %-18s", name);
    for (size_t number = RUN_TIME; number <= RUN_PEAK_BYTES; number++) {
        uint64_t own = median(comparison, kind, number), best = median(comparison, 0, number);
        printf("%*s", kind > 0 || number == RUN_TIME ? 12 : 21, formats[number](value, own));
        if (kind > 0 && best > 0) printf(" %6.2f x", (double)own / (double)best);
        if (kind > 0 && best == 0) printf("%9s", ""); /* a system that counts no page faults */
    }
    printf("\n");
}

static void print_table(const struct comparison *comparison) {
    char malloc_name[64], mimalloc_name[64];
    int version = on_mimalloc_version(), small = version < 10000 ? 10 : 100;
    snprintf(malloc_name, sizeof malloc_name, "malloc, %s", platform_c_library());
    snprintf(mimalloc_name, sizeof mimalloc_name, "mimalloc %d.%d.%d", version / small / small,
             version / small % small, version % small);
    const char *const names[KINDS] = {"holdfast", malloc_name, mimalloc_name};
    printf("  %-18s%12s%9s%12s%9s%12s\n", "", "processor", "", "page faults", "", "peak memory");
    for (size_t i = 0; i < KINDS; i++)
        if (comparison->runs[i])
            print_row(comparison, i, names[i]);
        else
            printf("  %-18s no mimalloc was found\n", kinds[i]->name);
}

static void print_conditions(const struct comparison *comparison) {
    printf(
        "\n  One process each, taking turns, median of %zu. The same code; every file is read, "
        "none\n"
        "  mapped. On malloc: a block for each text and name, growth by realloc, all freed at the\n"
        "  end. Processor time, the system's included, from before the first allocation to after "
        "the\n"
        "  last release.\n",
        comparison->round_count);
}

bool comparison_run(const struct sources *sources, struct screen *screen,
                    const struct totals *totals, uint64_t deadline) {
    struct comparison comparison = {.runs = {true, true, on_mimalloc_version() != 0}};
    hf_arena_options options = {.name = "comparison", .reserve = (size_t)64 << 20};
    set_findings(&comparison.expected, totals);
    if (hf_arena_open(&comparison.arena, &options) != HF_OK) return false;
    bool ran = write_input(&comparison, sources) && run_rounds(&comparison, screen, deadline);
    if (ran) print_table(&comparison);
    if (ran) print_conditions(&comparison);
    hf_arena_close(&comparison.arena);
    return ran;
}
