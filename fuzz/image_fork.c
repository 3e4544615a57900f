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
#include "image_lane.h"

#include <string.h>

enum { MOST_FORKS = 2, FEW_BYTES = 100, NEAR_END = 256 };

static bool does(const struct lane *lane, unsigned step) {
    return (lane->operation->choices & step) != 0;
}

/* In the child: the operation is that of one arena after the other. */
static void for_each_arena(struct lane *lane, void (*use)(struct lane *lane, bool is_closed_above),
                           unsigned first, unsigned end, unsigned closed) {
    const image_operation *operation = lane->operation;
    image_operation other = *operation;
    for (other.arena = first; other.arena < end; other.arena++) {
        begin(lane, &other);
        use(lane, other.arena == closed);
    }
    begin(lane, operation);
}

static void expect(struct lane *lane, hf_status status, status_set expected) {
    check_status(lane, status, expected);
    begin(lane, lane->operation);
}

/* ------------------------------------------------------------------ in the child ---------- */

static void expect_allocation(struct lane *lane, size_t size, status_set expected) {
    const struct image_model *model = model_of(lane);
    size_t room = model->way == WAY_READ_ONLY ? 0 : model->reserved - model->used;
    if (size > room) expected = STATUS(RESERVE_FULL);
    if (size + NEAR_END > room) expected |= STATUS(RESERVE_FULL);
    char *block = hf_alloc(arena_of(lane), size, 1);
    if (block) memset(block, 0xee, size);
    expect(lane, block ? HF_OK : hf_last_error().status, expected);
}

/* More than what is mapped. */
static void grow_in_child(struct lane *lane) {
    size_t viewed = hf_arena_get_stats(arena_of(lane)).viewed;
    expect_allocation(lane, viewed - model_of(lane)->used + 1, STATUS(WRONG_STATE));
}

static void sync_in_child(struct lane *lane) {
    hf_status failed = model_of(lane)->failed_sync;
    expect(lane, hf_arena_sync(arena_of(lane)),
           failed == HF_OK ? STATUS(WRONG_STATE) : STATUS(WRONG_STATE) | 1u << failed);
}

static void shrink_in_child(struct lane *lane) {
    struct image_model *model = model_of(lane);
    const struct block *last = model->count ? &model->blocks[model->count - 1] : NULL;
    if (!last || !last->is_own) return;
    bool is_done = hf_extend(arena_of(lane), model->base + last->offset, last->size, 0);
    expect(lane, is_done ? HF_OK : hf_last_error().status, STATUS(WRONG_STATE));
}

static void go_back_in_child(struct lane *lane) {
    hf_arena *arena = arena_of(lane);
    expect(lane, hf_rewind(arena, model_of(lane)->used / 2), STATUS(WRONG_STATE));
    expect(lane, hf_reset(arena), STATUS(WRONG_STATE));
    expect(lane, hf_trim(arena, 0), STATUS(WRONG_STATE));
    shrink_in_child(lane);
}

static void fail_to_write(struct lane *lane) {
    if (does(lane, CHILD_GROWS)) grow_in_child(lane);
    if (does(lane, CHILD_SYNCS)) sync_in_child(lane);
    if (does(lane, CHILD_GOES_BACK)) go_back_in_child(lane);
    check_arena(lane, true);
}

/* The parent's blocks hold what they held, whatever is stored here. */
static void use_privately(struct lane *lane) {
    struct image_model *model = model_of(lane);
    for (size_t i = 0; i < model->count; i++)
        if (model->blocks[i].may_store)
            memset(model->base + model->blocks[i].offset, 0xee, model->blocks[i].size);
    if (does(lane, CHILD_GROWS)) expect_allocation(lane, FEW_BYTES, STATUS(OK));
    if (does(lane, CHILD_SYNCS)) expect(lane, hf_arena_sync(arena_of(lane)), STATUS(WRONG_STATE));
    bool is_read_only = model->way == WAY_READ_ONLY && model->used > 0;
    if (does(lane, CHILD_GOES_BACK))
        expect(lane, hf_reset(arena_of(lane)), is_read_only ? STATUS(WRONG_STATE) : STATUS(OK));
}

/* The parent has its file locked, whether the child has closed it or not. */
static void check_locked(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    const hf_arena_options options = {.any_base = true, .backend = lane->backend};
    hf_arena other;
    char text[512];
    if (!model->open || !is_found(lane, model)) return;
    const char *path = image_path_text(lane->folder, model->path, text, sizeof text);
    expect(lane, hf_arena_open_file(&other, path, HF_READ_WRITE, &options), STATUS(BUSY));
    if (model->way != WAY_READ_WRITE) return;
    expect(lane, hf_arena_open_file(&other, path, HF_READ_ONLY, &options), STATUS(BUSY));
}

static void close_in_child(struct lane *lane) {
    hf_arena_close(arena_of(lane));
    check_closed(lane, arena_of(lane));
}

static void use_in_child(struct lane *lane, bool is_closed_above) {
    struct image_model *model = model_of(lane);
    if (!model->open) return;
    check_arena(lane, true);
    if (model->way == WAY_READ_WRITE)
        fail_to_write(lane);
    else
        use_privately(lane);
    if (!is_closed_above) check_locked(lane);
    if (does(lane, CHILD_CLOSES)) close_in_child(lane);
    if (!is_closed_above) check_locked(lane);
}

static bool saves(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    return does(lane, CHILD_SAVES) && !does(lane, CHILD_LIVES_ON) && model->open &&
           model->used <= 2 * IMAGE_MOST_USED && lane->operation->path < PATHS_OF_FILES;
}

static void save_in_child(struct lane *lane) {
    status_set expected = is_written(lane, lane->operation->path) ? STATUS(BUSY) : STATUS(OK);
    hf_status status = hf_arena_save(arena_of(lane), path_of(lane));
    expect(lane, status, expected);
    if (status == HF_OK) renew_file(lane, lane->operation->path);
}

static void run_child(void *data) {
    struct lane *lane = data;
    unsigned own = lane->operation->arena, none = IMAGE_ARENAS;
    unsigned closed = does(lane, CHILD_LIVES_ON) ? own : none;
    bool all = does(lane, CHILD_USES_ALL);
    end_failures(lane);
    if (saves(lane)) save_in_child(lane);
    for_each_arena(lane, use_in_child, all ? 0 : own, all ? none : own + 1, closed);
}

/* ------------------------------------------------------------------ in the parent --------- */

static struct image_bytes kept[IMAGE_ARENAS];

static void keep_file(struct lane *lane, bool unused) {
    (void)unused;
    if (!model_of(lane)->open || !is_found(lane, model_of(lane))) return;
    load_own_file(lane, model_of(lane));
    image_copy(&kept[lane->operation->arena], &lane->after);
}

static void check_unharmed(struct lane *lane, bool unused) {
    (void)unused;
    check_arena(lane, true);
    if (!model_of(lane)->open || !is_found(lane, model_of(lane))) return;
    load_own_file(lane, model_of(lane));
    if (!image_is_alike(&lane->after, &kept[lane->operation->arena]))
        fail(lane, "a child has changed the file");
}

static bool is_image_of_none(const struct lane *lane, size_t file) {
    bool exclusively;
    return !is_image_of_some(lane, file, &exclusively) && !is_appended_by_some(lane, file);
}

/* While the child has the file open. A failure that was planned may come instead. */
static void check_unlocked(struct lane *lane, image_path path, arena_way way, uint64_t tag) {
    const hf_arena_options options = {.any_base = true, .backend = lane->backend, .tag = tag};
    hf_access access = way == WAY_READ_WRITE ? HF_READ_ONLY : HF_READ_WRITE;
    hf_arena other;
    char text[512];
    image_path_text(lane->folder, path, text, sizeof text);
    hf_status status = hf_arena_open_file(&other, text, access, &options);
    if (status == HF_BUSY && !refused(lane)) fail(lane, "a child has kept the lock");
    hf_arena_close(&other);
    begin(lane, lane->operation);
}

static void close_meanwhile(void *data) {
    struct lane *lane = data;
    const struct image_model *model = model_of(lane);
    bool was_found = model->open && is_found(lane, model) && !model->is_ambushed;
    close_arena(lane);
    if (was_found && is_image_of_none(lane, model->file))
        check_unlocked(lane, model->path, model->way, model->tag);
    for_each_arena(lane, keep_file, 0, IMAGE_ARENAS, IMAGE_ARENAS);
}

static void keep_meanwhile(void *data) {
    struct lane *lane = data;
    for_each_arena(lane, keep_file, 0, IMAGE_ARENAS, IMAGE_ARENAS);
}

static void note_saved(struct lane *lane) {
    if (!saves(lane) || is_written(lane, lane->operation->path)) return;
    load(lane, path_of(lane), &lane->after);
    check_saved(lane);
}

void run_fork(struct lane *lane) {
    if (lane->forks == MOST_FORKS) return;
    lane->forks++;
    void (*meanwhile)(void *) = does(lane, CHILD_LIVES_ON) ? close_meanwhile : keep_meanwhile;
    host_fork_result result = host_fork(run_child, meanwhile, lane);
    if (result == HOST_NO_FORK) return;
    if (result == HOST_CHILD_FAILED) fail(lane, "the child has failed");
    note_saved(lane);
    for_each_arena(lane, check_unharmed, 0, IMAGE_ARENAS, IMAGE_ARENAS);
}
