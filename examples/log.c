/*
 * log.c -- a durable log that is only ever appended to, and that no crash can tear.
 *
 *     log IMAGE             appends each line of its input as a record
 *     log IMAGE --verify    checks every record, and says how many there are
 *     log IMAGE --print     the same, and prints them instead
 *
 *      | record 1 | record 2 | ... | record 16 | record 17 |
 *           <---------'               ^    <--------'
 *                                     root and end, as the last sync left them
 *
 * Each record leads to the one before, and the newest is the arena's root. A sync makes the bytes
 * durable, and then, in one stroke, how many there are and which is the root. No record changes
 * once it is written, so after a crash the log is what it was at the last sync, and what came later
 * is gone, whole. That is all there is to recovery: to open the log.
 */
#include <holdfast.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct record {
    uint64_t checksum; /* of all below, and of the record before, so of all the log up to here */
    uint64_t number;
    hf_ref previous;
    uint32_t length;
    char text[];
};

enum { FORMAT = 1, LONGEST = 4096, SYNC_EVERY = 16 };

static const char *path; /* the image's */

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "log: %s: %s: %s\n", path, what, why);
    exit(EXIT_FAILURE);
}

static bool give_up(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)size, (void)user;
    need(status, "allocating");
    return false;
}

static const hf_arena_options options = {.on_failure = give_up, .tag = FORMAT, .any_base = true};

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

/* The links lead back, and a log is read from its beginning. */
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

/* --help and -h are answered; any other `word` is wrong. Returns the exit status. */
static int usage(const char *word) {
    bool is_help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    fputs("usage: log IMAGE [--verify | --print]\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int words, char **word) {
    bool verify = words == 3 && strcmp(word[2], "--verify") == 0;
    bool print = words == 3 && strcmp(word[2], "--print") == 0;
    bool is_sound = (words == 2 || verify || print) && word[1][0] != '-';
    if (!is_sound) return usage(word[words - 1]);
    path = word[1];
    if (words == 2)
        append_input();
    else
        read_log(print);
    return EXIT_SUCCESS;
}
