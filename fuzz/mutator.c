/*
 * mutator.c -- mutations of programs that consist of operations of one size.
 *
 * A fuzzing engine that only knows bytes shifts everything after the point where it inserts one,
 * and so makes another program of the rest. Here whole operations are inserted, removed, copied,
 * swapped and exchanged between programs, and single fields changed to values that often matter.
 * One time in eight the engine mutates the bytes itself. libFuzzer finds the two functions by their
 * names; AFL++ works without them.
 */
#include "space_program.h"

#include "../tests/random.h"

#include <string.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
                                 size_t second_size, uint8_t *out, size_t max_size, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size); /* the engine's own */

enum { LONGEST_RUN = 8, MOST_BYTES = MOST_OPERATIONS * OPERATION_BYTES };

struct work {
    uint8_t *data;
    size_t count, most; /* operations */
    struct random random;
};

static size_t pick(struct work *work, size_t below) { return random_below(&work->random, below); }

static uint8_t *operation(const struct work *work, size_t index) {
    return work->data + index * OPERATION_BYTES;
}

static size_t pick_run(struct work *work, size_t limit) {
    return 1 + pick(work, limit < LONGEST_RUN ? limit : LONGEST_RUN);
}

/* Makes room for `run` operations at `at`. 0: the program is too long for it. */
static int open_gap(struct work *work, size_t at, size_t run) {
    if (work->most - work->count < run) return 0;
    memmove(operation(work, at + run), operation(work, at), (work->count - at) * OPERATION_BYTES);
    work->count += run;
    return 1;
}

static void close_gap(struct work *work, size_t at, size_t run) {
    memmove(operation(work, at), operation(work, at + run),
            (work->count - at - run) * OPERATION_BYTES);
    work->count -= run;
}

static void insert_random(struct work *work) {
    size_t at = pick(work, work->count + 1);
    if (!open_gap(work, at, 1)) return;
    for (size_t i = 0; i < OPERATION_BYTES; i++) {
        operation(work, at)[i] = (uint8_t)pick(work, 256);
    }
    operation(work, at)[6] = (uint8_t)(pick(work, 4) == 0 ? pick(work, 16) : 255);
}

static void insert_copies(struct work *work) {
    uint8_t copies[LONGEST_RUN * OPERATION_BYTES];
    size_t from = pick(work, work->count);
    size_t run = pick_run(work, work->count - from);
    size_t at = pick(work, work->count + 1);
    memcpy(copies, operation(work, from), run * OPERATION_BYTES);
    if (open_gap(work, at, run)) memcpy(operation(work, at), copies, run * OPERATION_BYTES);
}

/* Copies of an operation in which one field goes up. */
static void insert_ramp(struct work *work) {
    uint8_t model[OPERATION_BYTES];
    size_t at = pick(work, work->count);
    size_t run = pick_run(work, LONGEST_RUN);
    size_t field = 1 + pick(work, OPERATION_BYTES - 1);
    size_t step = 1 + pick(work, 3);
    memcpy(model, operation(work, at), OPERATION_BYTES);
    if (!open_gap(work, at, run)) return;
    for (size_t i = 0; i <= run; i++) {
        memcpy(operation(work, at + i), model, OPERATION_BYTES);
        operation(work, at + i)[field] = (uint8_t)(model[field] + i * step);
    }
}

static void remove_run(struct work *work) {
    size_t at = pick(work, work->count);
    size_t run = pick_run(work, work->count - at);
    close_gap(work, at, run);
}

static void swap_two(struct work *work) {
    uint8_t first[OPERATION_BYTES];
    uint8_t *a = operation(work, pick(work, work->count));
    uint8_t *b = operation(work, pick(work, work->count));
    memcpy(first, a, OPERATION_BYTES);
    memmove(a, b, OPERATION_BYTES);
    memcpy(b, first, OPERATION_BYTES);
}

static uint8_t interesting(struct work *work, uint8_t old) {
    static const uint8_t values[] = {0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 255};
    switch (pick(work, 4)) {
    case 0: return (uint8_t)(old + 1);
    case 1: return (uint8_t)(old - 1);
    case 2: return values[pick(work, sizeof values)];
    default: return (uint8_t)pick(work, 256);
    }
}

static void change_field(struct work *work) {
    uint8_t *field = operation(work, pick(work, work->count)) + pick(work, OPERATION_BYTES);
    *field = interesting(work, *field);
}

/* Lets two operations use the same range, file or size. */
static void copy_field(struct work *work) {
    size_t field = pick(work, OPERATION_BYTES);
    const uint8_t *from = operation(work, pick(work, work->count));
    operation(work, pick(work, work->count))[field] = from[field];
}

static void change_once(struct work *work) {
    static void (*const changes[])(struct work *) = {
        insert_random, insert_copies, insert_ramp,  remove_run,   remove_run,
        swap_two,      change_field,  change_field, change_field, copy_field,
    };
    if (work->count == 0)
        insert_random(work);
    else
        changes[pick(work, sizeof changes / sizeof changes[0])](work);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed) {
    if (max_size > MOST_BYTES) max_size = MOST_BYTES;
    if (size > max_size) size = max_size;
    struct work work = {
        data, size / OPERATION_BYTES, max_size / OPERATION_BYTES, {seed | UINT64_C(1) << 32}};
    if (work.most == 0 || pick(&work, 8) == 0) return LLVMFuzzerMutate(data, size, max_size);
    for (size_t changes = 1 + pick(&work, 4); changes > 0; changes--) change_once(&work);
    return work.count * OPERATION_BYTES;
}

/* The beginning of the first program, a part of the second, and perhaps the rest of the first. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *first, size_t first_size, const uint8_t *second,
                                 size_t second_size, uint8_t *out, size_t max_size, unsigned seed) {
    if (max_size > MOST_BYTES) max_size = MOST_BYTES;
    struct work work = {out, 0, max_size / OPERATION_BYTES, {seed | UINT64_C(1) << 32}};
    size_t count = first_size / OPERATION_BYTES, others = second_size / OPERATION_BYTES;
    size_t begin = pick(&work, others + 1), cut = pick(&work, count + 1);
    size_t run = pick(&work, others - begin + 1);
    size_t rest = pick(&work, 2) ? count - cut : 0;
    if (cut > work.most) cut = work.most;
    if (run > work.most - cut) run = work.most - cut;
    if (rest > work.most - cut - run) rest = work.most - cut - run;
    if (cut) memcpy(out, first, cut * OPERATION_BYTES);
    if (run) memcpy(operation(&work, cut), second + begin * OPERATION_BYTES, run * OPERATION_BYTES);
    if (rest)
        memcpy(operation(&work, cut + run), first + cut * OPERATION_BYTES, rest * OPERATION_BYTES);
    return (cut + run + rest) * OPERATION_BYTES;
}
