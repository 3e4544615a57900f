/*
 * image_fork.c -- the children of a process that has arenas in files.
 *
 * A child may read what its parent has open, and save it elsewhere; what it does to private memory
 * is its own. It writes no file that the parent writes, and takes no lock from it. The parent may
 * close an arena while the child lives: the lock is free then.
 *
 * No call fails in a child: so the parent knows what became of the files.
 */
#include "host.h"
#include "image_harness.h"

#include <string.h>

enum { MOST_FORKS = 2, FEW_BYTES = 100, NEAR_END = 256 };

static bool does(const struct harness *harness, unsigned step) {
    return (harness->operation->choices & step) != 0;
}

/* In the child: the operation is that of one arena after the other. */
static void for_each_arena(struct harness *harness,
                           void (*use)(struct harness *harness, bool is_closed_above),
                           unsigned first, unsigned end, unsigned closed) {
    const image_operation *operation = harness->operation;
    image_operation other = *operation;
    for (other.arena = first; other.arena < end; other.arena++) {
        begin(harness, &other);
        use(harness, other.arena == closed);
    }
    begin(harness, operation);
}

static void expect(struct harness *harness, hf_status status, status_set expected) {
    check_status(harness, status, expected);
    begin(harness, harness->operation);
}

/* ------------------------------------------------------------------ in the child ---------- */

static void expect_allocation(struct harness *harness, size_t size, status_set expected) {
    const struct image_model *model = model_of(harness);
    size_t room = model->way == WAY_READ_ONLY ? 0 : model->reserved - model->used;
    if (size > room) expected = STATUS(RESERVE_FULL);
    if (size + NEAR_END > room) expected |= STATUS(RESERVE_FULL);
    char *block = hf_alloc(arena_of(harness), size, 1);
    if (block) memset(block, 0xee, size);
    expect(harness, block ? HF_OK : hf_last_error().status, expected);
}

/* More than what is mapped. */
static void grow_in_child(struct harness *harness) {
    size_t viewed = hf_arena_get_stats(arena_of(harness)).viewed;
    expect_allocation(harness, viewed - model_of(harness)->used + 1, STATUS(WRONG_STATE));
}

static void sync_in_child(struct harness *harness) {
    hf_status failed = model_of(harness)->failed_sync;
    expect(harness, hf_arena_sync(arena_of(harness)),
           failed == HF_OK ? STATUS(WRONG_STATE) : STATUS(WRONG_STATE) | 1u << failed);
}

static void shrink_in_child(struct harness *harness) {
    struct image_model *model = model_of(harness);
    const struct block *last = model->count ? &model->blocks[model->count - 1] : NULL;
    if (!last || !last->is_own) return;
    bool is_done = hf_extend(arena_of(harness), model->base + last->offset, last->size, 0);
    expect(harness, is_done ? HF_OK : hf_last_error().status, STATUS(WRONG_STATE));
}

static void go_back_in_child(struct harness *harness) {
    hf_arena *arena = arena_of(harness);
    expect(harness, hf_rewind(arena, model_of(harness)->used / 2), STATUS(WRONG_STATE));
    expect(harness, hf_reset(arena), STATUS(WRONG_STATE));
    expect(harness, hf_trim(arena, 0), STATUS(WRONG_STATE));
    shrink_in_child(harness);
}

static void fail_to_write(struct harness *harness) {
    if (does(harness, CHILD_GROWS)) grow_in_child(harness);
    if (does(harness, CHILD_SYNCS)) sync_in_child(harness);
    if (does(harness, CHILD_GOES_BACK)) go_back_in_child(harness);
    check_arena(harness, true);
}

/* The parent's blocks hold what they held, whatever is stored here. */
static void use_privately(struct harness *harness) {
    struct image_model *model = model_of(harness);
    for (size_t i = 0; i < model->count; i++)
        if (model->blocks[i].may_store)
            memset(model->base + model->blocks[i].offset, 0xee, model->blocks[i].size);
    if (does(harness, CHILD_GROWS)) expect_allocation(harness, FEW_BYTES, STATUS(OK));
    if (does(harness, CHILD_SYNCS))
        expect(harness, hf_arena_sync(arena_of(harness)), STATUS(WRONG_STATE));
    bool is_read_only = model->way == WAY_READ_ONLY && model->used > 0;
    if (does(harness, CHILD_GOES_BACK))
        expect(harness, hf_reset(arena_of(harness)),
               is_read_only ? STATUS(WRONG_STATE) : STATUS(OK));
}

/* The parent has its file locked, whether the child has closed it or not. */
static void check_locked(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    const hf_arena_options options = {.any_base = true, .backend = harness->backend};
    hf_arena other;
    char text[512];
    if (!model->open || !is_found(harness, model)) return;
    const char *path = image_path_text(harness->folder, model->path, text, sizeof text);
    expect(harness, hf_arena_open_file(&other, path, HF_READ_WRITE, &options), STATUS(BUSY));
    if (model->way != WAY_READ_WRITE) return;
    expect(harness, hf_arena_open_file(&other, path, HF_READ_ONLY, &options), STATUS(BUSY));
}

static void close_in_child(struct harness *harness) {
    hf_arena_close(arena_of(harness));
    check_closed(harness, arena_of(harness));
}

static void use_in_child(struct harness *harness, bool is_closed_above) {
    struct image_model *model = model_of(harness);
    if (!model->open) return;
    check_arena(harness, true);
    if (model->way == WAY_READ_WRITE)
        fail_to_write(harness);
    else
        use_privately(harness);
    if (!is_closed_above) check_locked(harness);
    if (does(harness, CHILD_CLOSES)) close_in_child(harness);
    if (!is_closed_above) check_locked(harness);
}

static bool saves(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    return does(harness, CHILD_SAVES) && !does(harness, CHILD_LIVES_ON) && model->open &&
           model->used <= 2 * IMAGE_MOST_USED && harness->operation->path < PATHS_OF_FILES;
}

static void save_in_child(struct harness *harness) {
    status_set expected = is_written(harness, harness->operation->path) ? STATUS(BUSY) : STATUS(OK);
    hf_status status = hf_arena_save(arena_of(harness), path_of(harness));
    expect(harness, status, expected);
    if (status == HF_OK) renew_file(harness, harness->operation->path);
}

static struct harness *forking;

static void run_child(void) {
    struct harness *harness = forking;
    unsigned own = harness->operation->arena, none = IMAGE_ARENAS;
    unsigned closed = does(harness, CHILD_LIVES_ON) ? own : none;
    bool all = does(harness, CHILD_USES_ALL);
    end_failures(harness);
    if (saves(harness)) save_in_child(harness);
    for_each_arena(harness, use_in_child, all ? 0 : own, all ? none : own + 1, closed);
}

/* ------------------------------------------------------------------ in the parent --------- */

static struct image_bytes kept[IMAGE_ARENAS];

static void keep_file(struct harness *harness, bool unused) {
    (void)unused;
    if (!model_of(harness)->open || !is_found(harness, model_of(harness))) return;
    load_own_file(harness, model_of(harness));
    image_copy(&kept[harness->operation->arena], &harness->after);
}

static void check_unharmed(struct harness *harness, bool unused) {
    (void)unused;
    check_arena(harness, true);
    if (!model_of(harness)->open || !is_found(harness, model_of(harness))) return;
    load_own_file(harness, model_of(harness));
    if (!image_is_alike(&harness->after, &kept[harness->operation->arena]))
        fail(harness, "a child has changed the file");
}

static bool is_image_of_none(const struct harness *harness, size_t file) {
    bool exclusively;
    return !is_image_of_some(harness, file, &exclusively) && !is_appended_by_some(harness, file);
}

/* While the child has the file open. A failure that was planned may come instead. */
static void check_unlocked(struct harness *harness, image_path path, arena_way way, uint64_t tag) {
    const hf_arena_options options = {.any_base = true, .backend = harness->backend, .tag = tag};
    hf_access access = way == WAY_READ_WRITE ? HF_READ_ONLY : HF_READ_WRITE;
    hf_arena other;
    char text[512];
    image_path_text(harness->folder, path, text, sizeof text);
    hf_status status = hf_arena_open_file(&other, text, access, &options);
    if (status == HF_BUSY && !failure_injected(harness)) fail(harness, "a child has kept the lock");
    hf_arena_close(&other);
    begin(harness, harness->operation);
}

static void close_meanwhile(void) {
    struct harness *harness = forking;
    const struct image_model *model = model_of(harness);
    bool was_found = model->open && is_found(harness, model) && !model->was_tampered_with;
    close_arena(harness);
    if (was_found && is_image_of_none(harness, model->file))
        check_unlocked(harness, model->path, model->way, model->tag);
    for_each_arena(harness, keep_file, 0, IMAGE_ARENAS, IMAGE_ARENAS);
}

static void keep_meanwhile(void) {
    struct harness *harness = forking;
    for_each_arena(harness, keep_file, 0, IMAGE_ARENAS, IMAGE_ARENAS);
}

static void note_saved(struct harness *harness) {
    if (!saves(harness) || is_written(harness, harness->operation->path)) return;
    load(harness, path_of(harness), &harness->after);
    check_saved(harness);
}

void run_fork(struct harness *harness) {
    if (harness->forks == MOST_FORKS) return;
    harness->forks++;
    forking = harness;
    void (*meanwhile)(void) = does(harness, CHILD_LIVES_ON) ? close_meanwhile : keep_meanwhile;
    host_fork_result result = host_fork(run_child, meanwhile);
    if (result == HOST_NO_FORK) return;
    if (result == HOST_CHILD_FAILED) fail(harness, "the child has failed");
    note_saved(harness);
    for_each_arena(harness, check_unharmed, 0, IMAGE_ARENAS, IMAGE_ARENAS);
}
