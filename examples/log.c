/*
 * log.c -- an append-only log in a read-write image, which survives crashes of the program.
 *
 *     log IMAGE             appends each line of its input as a record
 *     log IMAGE --verify    checks every record and prints how many there are
 *     log IMAGE --print     checks every record and prints it
 *
 *      | record 1 | record 2 | ... | record 16 | record 17 |
 *           <---------'               ^    <--------'
 *                                     root and end, as the last sync left them
 *
 * Each record has a ref to the previous one; the newest is the arena's root. A sync first makes the
 * bytes durable, and then, atomically, their number and the root. Records never change once they
 * are written, so after a crash the log is as it was at the last sync; later records are lost as a
 * whole. Recovery needs no code: the program opens the log.
 */
#include <holdfast.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
    uint64_t checksum; /* of the fields below and the previous checksum: of the log up to here */
    uint64_t number;
    hf_ref previous;
    uint32_t length;
    char text[];
};

enum { FORMAT = 1, LONGEST = 4096, SYNC_EVERY = 16 };

static const char *path; /* of the image */

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "log: %s: %s: %s\n", path, what, why);
    exit(EXIT_FAILURE);
}

/* Called when an allocation fails; exits, so that the results of allocations need no check. */
static bool exit_on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)size, (void)user;
    need(status, "allocating");
    return false;
}

static const hf_arena_options options = {
    .on_failure = exit_on_failure, .tag = FORMAT, .any_base = true};

static uint64_t checksum_of(const struct record *record, const struct record *previous) {
    const unsigned char *bytes = (const unsigned char *)&record->number;
    size_t size = offsetof(struct record, text) - offsetof(struct record, number) + record->length;
    uint64_t sum = 0xcbf29ce484222325 ^ (previous ? previous->checksum : 0);
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

static void append(hf_arena *log, const char *text, size_t length) {
    const struct record *previous = hf_arena_root(log);
    struct record *record = hf_alloc(log, sizeof *record + length, 8);
    record->number = previous ? previous->number + 1 : 1;
    record->previous = hf_to_ref(log, previous);
    record->length = (uint32_t)length;
    memcpy(record->text, text, length);
    record->checksum = checksum_of(record, previous);
    need(hf_arena_set_root(log, record), "appending");
}

static void sync(hf_arena *log) {
    const struct record *newest = hf_arena_root(log);
    need(hf_arena_sync(log), "syncing");
    printf("synced %" PRIu64 "\n", newest ? newest->number : 0);
    fflush(stdout);
}

static void append_input(void) {
    hf_arena log;
    char line[LONGEST];
    need(hf_arena_open_file(&log, path, HF_READ_WRITE, &options), "opening");
    for (unsigned lines = 1; fgets(line, sizeof line, stdin); lines++) {
        append(&log, line, strlen(line));
        if (lines % SYNC_EVERY == 0) sync(&log);
    }
    sync(&log);
    hf_arena_close(&log);
}

static void need_whole(bool whole, uint64_t number) {
    if (whole) return;
    fprintf(stderr, "log: %s: record %" PRIu64 " is damaged\n", path, number);
    exit(EXIT_FAILURE);
}

static bool is_inside(const hf_arena *log, const struct record *record) {
    size_t room = (size_t)(log->pos - (const char *)record);
    return room >= sizeof *record && room - sizeof *record >= record->length;
}

/* Returns the records, oldest first; refs lead only from a record to the previous one. */
static const struct record **in_order(const hf_arena *log, hf_arena *temporary, uint64_t records) {
    const struct record **order = hf_new_array(temporary, const struct record *, (size_t)records);
    const struct record *record = hf_arena_root(log);
    for (uint64_t number = records; number > 0; number--) {
        need_whole(record && is_inside(log, record) && record->number == number, number);
        order[number - 1] = record;
        record = hf_from_ref(log, record->previous);
    }
    return order;
}

static void read_log(bool print) {
    hf_arena log, temporary;
    need(hf_arena_open_file(&log, path, HF_READ_ONLY, &options), "opening");
    need(hf_arena_open(&temporary, &options), "opening an arena");
    const struct record *newest = hf_arena_root(&log);
    uint64_t records = newest && is_inside(&log, newest) ? newest->number : 0;
    const struct record **order = in_order(&log, &temporary, records);
    for (uint64_t i = 0; i < records; i++) {
        need_whole(order[i]->checksum == checksum_of(order[i], i > 0 ? order[i - 1] : NULL), i + 1);
        if (print) fwrite(order[i]->text, 1, order[i]->length, stdout);
    }
    if (!print) printf("%" PRIu64 " records, all whole\n", records);
    hf_arena_close(&temporary);
    hf_arena_close(&log);
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: log IMAGE [--verify | --print]\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    bool verify = argc == 3 && strcmp(argv[2], "--verify") == 0;
    bool print = argc == 3 && strcmp(argv[2], "--print") == 0;
    bool is_sound = (argc == 2 || verify || print) && argv[1][0] != '-';
    if (!is_sound) return usage(argv[argc - 1]);
    path = argv[1];
    if (argc == 2)
        append_input();
    else
        read_log(print);
    return EXIT_SUCCESS;
}
