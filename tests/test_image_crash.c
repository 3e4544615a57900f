/*
 * The system crashes at every file call of a program that keeps a log in a read-write image, and of
 * one that saves images. Whatever the disk kept of the data that was not synced (see disk_model.h),
 * the file opens in the state of a sync, complete, and no older than the last sync that succeeded.
 *
 * The log is a chain of records, each with a checksum and a ref to the previous one; the root is
 * the newest. For each call, CRASH_OUTCOMES random outcomes of the crash are tried, or all if there
 * are fewer, in units of pages and of sectors. If a process dies first, the system crashes at every
 * CRASH_STEP-th call of the next process. Takes some seconds. The tests with a disk that loses
 * syncs must detect the loss.
 */
#include <holdfast.h>

#include "check.h"
#include "disk_model.h"
#include "space_fixture.h"

#undef CHECK_NEEDED
#define CHECK_NEEDED require_views

/* With few outcomes it still shows which calls are made. */
#if defined(HOLDFAST_CASES_ALL)
enum { CRASH_OUTCOMES = 1000, CRASH_STEP = 1 };
#elif defined(HOLDFAST_CASES_FEW)
enum { CRASH_OUTCOMES = 2, CRASH_STEP = 17 };
#else
enum { CRASH_OUTCOMES = 8, CRASH_STEP = 3 };
#endif

enum { SECTOR = 512, PAGE = 4096, STATES = 4, LARGE_RECORD = 70000, SMALL_RECORD = 3000, TAG = 7 };

/* In the working directory of ctest. */
static const char image_path[] = "test_image_crash.tmp";
static const char outcome_path[] = "test_image_crash.outcome";

/* --------------------------------------------------------------------- the log --------------- */

typedef struct record {
    uint64_t checksum; /* of the rest of the record */
    hf_ref previous;
    uint32_t size;
    unsigned char bytes[];
} record;

/* What a program reads from a log. */
typedef struct state {
    size_t used, root, records;
    uint64_t digest;
    bool is_whole;
} state;

static uint64_t digest(uint64_t sum, const void *data, size_t size) {
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 0x100000001b3;
    return sum;
}

static uint64_t checksum_of(const record *found) {
    size_t size = sizeof *found - offsetof(record, previous) + found->size;
    return digest(0xcbf29ce484222325, &found->previous, size);
}

static size_t offset_of(const hf_arena *log, const void *object) {
    return (size_t)((const char *)object - hf_arena_base(log));
}

static bool is_record(const hf_arena *log, const record *found) {
    size_t used = hf_get_mark(log), offset = offset_of(log, found);
    return offset % 8 == 0 && sizeof *found <= used - offset &&
           found->size <= used - offset - sizeof *found &&
           found->previous < hf_to_ref(log, found) && checksum_of(found) == found->checksum;
}

static state state_of(const hf_arena *log) {
    const record *found = hf_arena_root(log);
    state seen = {.used = hf_get_mark(log), .is_whole = true};
    if (found) seen.root = 1 + offset_of(log, found);
    for (; found && seen.is_whole; found = hf_from_ref(log, found->previous)) {
        seen.is_whole = is_record(log, found);
        seen.digest = digest(seen.digest, &found->checksum, sizeof found->checksum);
        seen.records++;
    }
    return seen;
}

static bool are_alike(const state *a, const state *b) {
    return a->used == b->used && a->root == b->root && a->records == b->records &&
           a->digest == b->digest && a->is_whole && b->is_whole;
}

static bool append_record(hf_arena *log, struct random *random, size_t size) {
    record *added = hf_alloc(log, sizeof *added + size, 8);
    if (added == NULL) return false;
    added->previous = hf_to_ref(log, hf_arena_root(log));
    added->size = (uint32_t)size;
    for (size_t i = 0; i < size; i++) added->bytes[i] = (unsigned char)random_below(random, 256);
    added->checksum = checksum_of(added);
    return hf_arena_set_root(log, added) == HF_OK;
}

/* Rewinds half of the records. */
static bool go_back(hf_arena *log) {
    size_t records = state_of(log).records;
    const record *found = hf_arena_root(log);
    for (size_t i = 0; i < records / 2; i++) {
        const record *previous = hf_from_ref(log, found->previous);
        if (hf_rewind(log, offset_of(log, found)) != HF_OK) return false;
        found = previous;
    }
    return hf_arena_set_root(log, found) == HF_OK;
}

/* ----------------------------------------------------------------- the program --------------- */

struct program {
    struct disk disk;
    hf_backend *strict; /* over disk.backend */
    hf_arena log;
    struct random random;
    state states[STATES]; /* of the last successful sync, and of later attempts */
    size_t count;
    bool is_made; /* a sync has succeeded */
    int lives;    /* number of processes that ran on this disk */
};

static hf_status sync_nothing(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self, (void)file, (void)report;
    return HF_OK;
}

/* The native backend, but file_sync does not wait for the disk. */
static const hf_backend *backend_without_sync(void) {
    static hf_backend backend;
    backend = *hf_backend_native();
    backend.file_sync = sync_nothing;
    return &backend;
}

static void add_state(struct program *program, state seen) {
    CHECK(seen.is_whole && program->count < STATES);
    program->states[program->count++] = seen;
}

/* The newest state is durable; older states may no longer appear. */
static void mark_synced(struct program *program) {
    program->states[0] = program->states[program->count - 1];
    program->count = 1;
    program->is_made = true;
}

static bool is_allowed(const struct program *program, const state *seen) {
    for (size_t i = 0; i < program->count; i++)
        if (are_alike(&program->states[i], seen)) return true;
    return false;
}

static hf_arena_options options_on(const hf_backend *backend) {
    return (hf_arena_options){
        .reserve = 16 << 20, .tag = TAG, .any_base = true, .backend = backend};
}

static bool open_log(struct program *program) {
    hf_arena_options options = options_on(program->strict);
    if (hf_arena_open_file(&program->log, image_path, HF_READ_WRITE, &options) != HF_OK)
        return false;
    state seen = state_of(&program->log);
    CHECK(is_allowed(program, &seen));
    if (program->lives == 1 && !program->is_made) mark_synced(program); /* opening synced it */
    return true;
}

static bool sync_log(struct program *program) {
    add_state(program, state_of(&program->log));
    if (hf_arena_sync(&program->log) != HF_OK) return false;
    mark_synced(program);
    return true;
}

static bool close_log(struct program *program) {
    add_state(program, state_of(&program->log));
    hf_arena_close(&program->log);
    if (program->disk.is_down) return false;
    mark_synced(program);
    return true;
}

static bool save_log(struct program *program) {
    add_state(program, state_of(&program->log));
    if (hf_arena_save(&program->log, image_path) != HF_OK) return false;
    mark_synced(program);
    return true;
}

static bool open_plain_arena(struct program *program) {
    hf_arena_options options = options_on(program->strict);
    return hf_arena_open(&program->log, &options) == HF_OK;
}

static bool run_step(struct program *program, char step) {
    hf_arena *log = &program->log;
    switch (step) {
    case 'o': return open_log(program);
    case 'p': return open_plain_arena(program);
    case 'a':
        return append_record(log, &program->random, random_below(&program->random, SMALL_RECORD));
    case 'A': return append_record(log, &program->random, LARGE_RECORD);
    case 'b': return go_back(log);
    case 't': return hf_trim(log, 0) == HF_OK;
    case 's': return sync_log(program);
    case 'S': return save_log(program);
    case 'c': return close_log(program);
    default: return step == ' ';
    }
}

/* Runs a step for each letter, until one fails because the system is down. */
static void run_script(struct program *program, const char *script) {
    program->lives++;
    while (*script && run_step(program, *script)) script++;
    CHECK(*script == '\0' || program->disk.is_down);
    hf_arena_close(&program->log); /* the process has died: closing writes nothing to the disk */
}

/* Starts without a file; the empty log is a valid state too. */
static void begin_program(struct program *program, size_t last_call, enum disk_fault fault,
                          size_t unit) {
    remove(image_path);
    disk_init(&program->disk, NULL);
    program->disk.last_call = last_call;
    program->disk.fault = fault;
    program->disk.unit = unit;
    program->random.state = 1;
    program->log = (hf_arena){0};
    program->count = 0;
    program->is_made = false;
    program->lives = 0;
    add_state(program, (state){.is_whole = true});
    CHECK_STATUS(HF_OK, hf_strict_open(&program->strict, &program->disk.backend));
}

static void end_program(struct program *program) {
    check_nothing_left(program->strict);
    hf_strict_close(program->strict);
    disk_free(&program->disk);
}

/* -------------------------------------------------------------------- recovery --------------- */

/* Removes the file first: some file systems write a file to the disk at once when it is truncated
 * and rewritten. */
static void write_outcome(const unsigned char *bytes, uint64_t size) {
    remove(outcome_path);
    FILE *file = fopen(outcome_path, "wb");
    CHECK(file != NULL);
    CHECK_EQUAL(size, fwrite(bytes, 1, (size_t)size, file));
    CHECK(fclose(file) == 0);
}

/* Returns NULL, or what is wrong with the log. */
static const char *check_recovered(const struct program *program, const hf_arena *log) {
    state seen = state_of(log);
    if (!seen.is_whole) return "a record is damaged";
    return is_allowed(program, &seen) ? NULL : "not as it was at the last sync";
}

/* Opens the outcome as a snapshot. Before the first successful sync there may be no image. */
static const char *check_snapshot(const struct program *program) {
    hf_arena_options options = options_on(backend_without_sync());
    hf_arena log;
    if (hf_arena_open_file(&log, outcome_path, HF_COPY_ON_WRITE, &options) != HF_OK)
        return program->is_made ? hf_last_error().call : NULL;
    const char *loss = check_recovered(program, &log);
    hf_arena_close(&log);
    return loss;
}

/* Opens the outcome read-write, appends a record, and reads it after reopening. */
static const char *reopen_and_append(struct program *program) {
    hf_arena_options options = options_on(backend_without_sync());
    hf_arena log;
    if (hf_arena_open_file(&log, outcome_path, HF_READ_WRITE, &options) != HF_OK)
        return hf_last_error().call;
    const char *loss = check_recovered(program, &log);
    if (loss == NULL && !append_record(&log, &program->random, SMALL_RECORD))
        loss = "does not go on";
    state before = state_of(&log);
    hf_arena_close(&log);
    if (loss) return loss;
    if (hf_arena_open_file(&log, outcome_path, HF_READ_ONLY, &options) != HF_OK)
        return "went on, and does not open again";
    state after = state_of(&log);
    hf_arena_close(&log);
    return are_alike(&before, &after) ? NULL : "went on as something else";
}

/* Checks the possible outcomes of the crash: all of them, or `most` random ones. */
static const char *find_loss(struct program *program, uint64_t most) {
    static unsigned char bytes[DISK_FILE_BYTES];
    uint64_t all = disk_outcomes(&program->disk, image_path), size;
    const char *loss = NULL;
    for (uint64_t i = 0; loss == NULL && i < all && i < most; i++) {
        uint64_t number = all <= most ? i : UINT64_MAX;
        if (disk_outcome(&program->disk, image_path, number, &program->random, bytes, &size))
            write_outcome(bytes, size);
        else
            remove(outcome_path);
        loss = check_snapshot(program);
        if (loss == NULL) loss = reopen_and_append(program);
    }
    remove(outcome_path);
    return loss;
}

/* ----------------------------------------------------------------------- tests --------------- */

/* Crashes at each call of a script; returns the number of calls. *loss says what was lost, or is
 * NULL. */
static size_t crash_at_every_call(const char *script, enum disk_fault fault, size_t unit,
                                  uint64_t most, const char **loss) {
    static struct program program;
    bool is_over = false;
    size_t call = 0;
    *loss = NULL;
    while (!is_over && *loss == NULL) {
        size_t outer = check_enter("call %zu", ++call);
        begin_program(&program, call, fault, unit);
        run_script(&program, script);
        is_over = !program.disk.is_down;
        if (is_over) disk_go_down(&program.disk);
        *loss = find_loss(&program, most);
        end_program(&program);
        check_leave(outer);
    }
    return call - 1;
}

static void keeps_what_was_synced(const char *script, size_t least_calls) {
    static const size_t units[] = {PAGE, SECTOR};
    for (size_t i = 0; i < 2; i++) {
        const char *loss;
        size_t calls = crash_at_every_call(script, DISK_HONEST, units[i], CRASH_OUTCOMES, &loss);
        size_t outer = check_enter("call %zu, units of %zu: %s", calls + 1, units[i],
                                   loss ? loss : "nothing lost");
        CHECK(loss == NULL);
        CHECK(calls >= least_calls);
        check_leave(outer);
    }
}

static void loses_with(const char *script, enum disk_fault fault) {
    const char *loss;
    crash_at_every_call(script, fault, PAGE, CRASH_OUTCOMES, &loss);
    CHECK(loss != NULL);
}

/* The process dies at call `death`, another process opens what the cache has, and the system
 * crashes at each CRASH_STEP-th call of the second. False: the first process did not die. */
static bool die_and_crash(size_t death, const char *first, const char *second) {
    static struct program program;
    bool died = true, is_over = false;
    for (size_t call = 1 + death % CRASH_STEP; died && !is_over; call += CRASH_STEP) {
        size_t outer = check_enter("death at call %zu, crash at call %zu", death, call);
        begin_program(&program, death, DISK_HONEST, PAGE);
        run_script(&program, first);
        died = program.disk.is_down;
        disk_restart(&program.disk, call);
        run_script(&program, second);
        is_over = !program.disk.is_down;
        if (is_over) disk_go_down(&program.disk);
        const char *loss = find_loss(&program, (CRASH_OUTCOMES + 49) / 50);
        if (loss) check_fail(__FILE__, __LINE__, loss);
        end_program(&program);
        check_leave(outer);
    }
    return died;
}

static const char a_log[] = "o aaas aas Aaas bs aas t aaas c o aas Aas bs aaas";
static const char some_saves[] = "p S aaS AaaS b S aS";

static void a_log_reopens_at_a_sync(void) { keeps_what_was_synced(a_log, 60); }

static void an_image_is_saved_whole_or_not_at_all(void) { keeps_what_was_synced(some_saves, 20); }

static void a_log_survives_its_process_and_then_the_system(void) {
    size_t death = 1;
    while (die_and_crash(death, "o aas Aas bs aasc", "o as bs aas")) death++;
    CHECK(death > 30);
}

/* A disk that drops one kind of sync loses the log, so the tests would detect a missing sync. */
static void a_lost_sync_is_detected(void) {
    loses_with(a_log, DISK_FORGETS_TO_SYNC);
    loses_with(a_log, DISK_FORGETS_TO_SYNC_FIRST);
    loses_with(a_log, DISK_FORGETS_TO_FLUSH);
    loses_with(some_saves, DISK_FORGETS_TO_SYNC);
    loses_with(some_saves, DISK_FORGETS_TO_SYNC_THE_NAMES);
}

CHECK_MAIN(TEST(a_log_reopens_at_a_sync), TEST(an_image_is_saved_whole_or_not_at_all),
           TEST(a_log_survives_its_process_and_then_the_system), TEST(a_lost_sync_is_detected))
