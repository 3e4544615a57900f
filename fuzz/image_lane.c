/*
 * image_lane.c -- see image_lane.h.
 */
#include "image_lane.h"

#include "host.h"
#include "system.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

hf_arena *arena_of(struct lane *lane) { return &lane->arenas[lane->operation->arena]; }

struct image_model *model_of(struct lane *lane) {
    return &lane->models[lane->operation->arena];
}

const char *path_of(struct lane *lane) {
    return image_path_text(lane->folder, lane->operation->path, lane->path_text,
                           sizeof lane->path_text);
}

/* ------------------------------------------------------------------ complaining ----------- */

static void print_operation(const struct lane *lane, size_t index) {
    const image_operation *operation = &lane->program[index];
    fprintf(stderr, "%3zu %s arena %u path %d access %d class %u choices %u value %u", index,
            image_kind_name(operation->kind), operation->arena, (int)operation->path,
            (int)operation->access, operation->size_class, operation->choices, operation->value);
    fprintf(stderr, " twist %d number %u -> %d\n", (int)operation->twist, operation->number,
            lane->results[index]);
}

static void print_arenas(const struct lane *lane) {
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        const struct image_model *model = &lane->models[i];
        if (!model->open) continue;
        fprintf(stderr, "  arena %zu: way %d at %p, %zu used of %zu, file %zu, %zu blocks\n", i,
                (int)model->way, (void *)model->base, model->used, model->reserved, model->file,
                model->count);
    }
}

/* The program so far, and what is wrong. */
_Noreturn void fail(struct lane *lane, const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nfuzz_image, %s:\n", lane->name);
    for (size_t i = 0; lane->operation && i <= lane->operation->index; i++)
        print_operation(lane, i);
    print_arenas(lane);
    fprintf(stderr, "  last error %d, call %s, code %ld, offset %zu, size %zu\n  ",
            (int)error.status, error.call ? error.call : "none", error.os_code, error.offset,
            error.size);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    host_end();
    abort();
}

/* ------------------------------------------------------------------ ambush ---------------- */

static struct ambush *ambush_of(const hf_backend *self) { return (struct ambush *)(uintptr_t)self; }

static void count_down(struct ambush *ambush) {
    if (ambush->countdown == 0 || --ambush->countdown > 0) return;
    if (!image_load(ambush->path, &ambush->file)) return;
    image_do_damage(&ambush->file, &ambush->damage);
    ambush->has_struck = image_store(ambush->path, &ambush->file);
}

static hf_status measure_ambushed(const hf_backend *self, intptr_t file, uint64_t *size,
                                  hf_report *report) {
    struct ambush *ambush = ambush_of(self);
    count_down(ambush);
    ambush->is_measured = ambush->has_struck;
    return ambush->under->file_measure(ambush->under, file, size, report);
}

static hf_status read_ambushed(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                               size_t size, hf_report *report) {
    struct ambush *ambush = ambush_of(self);
    count_down(ambush);
    ambush->is_read = ambush->has_struck;
    ambush->is_read_before = ambush->is_read_before || !ambush->has_struck;
    return ambush->under->file_read(ambush->under, file, offset, bytes, size, report);
}

static hf_status map_ambushed(const hf_backend *self, void *address, size_t size, intptr_t file,
                              uint64_t file_offset, hf_access access, hf_report *report) {
    struct ambush *ambush = ambush_of(self);
    count_down(ambush);
    ambush->is_mapped = ambush->has_struck;
    return ambush->under->map(ambush->under, address, size, file, file_offset, access, report);
}

static hf_status realloc_ambushed(const hf_backend *self, intptr_t file, uint64_t old_size,
                                  uint64_t new_size, hf_report *report) {
    struct ambush *ambush = ambush_of(self);
    if (ambush->has_struck && !(ambush->is_measured && ambush->is_read)) ambush->is_unseen = true;
    return ambush->under->file_resize(ambush->under, file, old_size, new_size, report);
}

static hf_status sync_ambushed(const hf_backend *self, intptr_t file, hf_report *report) {
    struct ambush *ambush = ambush_of(self);
    if (ambush->sync_countdown == 0 || --ambush->sync_countdown > 0)
        return ambush->under->file_sync(ambush->under, file, report);
    ambush->failed_syncs++;
    report->call = "sync_ambushed";
    return ambush->sync_status;
}

/* The native backend's functions make do with any backend for themselves. */
void ambush_init(struct ambush *ambush) {
    ambush->under = system_backend(MODEST_RESERVE);
    ambush->backend = *ambush->under;
    ambush->backend.file_measure = measure_ambushed;
    ambush->backend.file_read = read_ambushed;
    ambush->backend.file_resize = realloc_ambushed;
    ambush->backend.file_sync = sync_ambushed;
    ambush->backend.map = map_ambushed;
}

/* ------------------------------------------------------------------ statuses -------------- */

static size_t failures(const struct lane *lane) {
    size_t injected = lane->strict ? hf_strict_get_stats(lane->strict).failures : 0;
    return injected + lane->ambush.failed_syncs;
}

void end_failures(struct lane *lane) {
    if (lane->strict) hf_strict_fail(lane->strict, 0, false);
    lane->ambush.sync_countdown = 0;
}

void begin(struct lane *lane, const image_operation *operation) {
    lane->operation = operation;
    lane->failures_before = failures(lane);
    lane->error_before = hf_last_error();
}

size_t failures_met(const struct lane *lane) { return failures(lane) - lane->failures_before; }

bool refused(const struct lane *lane) { return failures_met(lane) > 0; }

bool is_refusal(const struct lane *lane, hf_status status) {
    status_set refusals = STATUS(IO) | STATUS(NO_SPACE) | STATUS(NO_MEMORY) | STATUS(MAP_LIMIT) |
                          STATUS(NO_ADDRESS) | STATUS(BUSY);
    if (lane->failing_way != 0) refusals |= STATUS(UNSUPPORTED);
    return (refusals & 1u << status) != 0;
}

static bool is_same_error(const hf_error *a, const hf_error *b) {
    return a->status == b->status && a->os_code == b->os_code && a->call == b->call &&
           a->offset == b->offset && a->size == b->size;
}

void check_status(struct lane *lane, hf_status status, status_set expected) {
    hf_error error = hf_last_error();
    lane->results[lane->operation->index] = (int)status;
    if (!has_views() && expected & STATUS(OK)) expected |= STATUS(UNSUPPORTED);
    bool is_expected = (expected & 1u << status) != 0;
    if (!is_expected && !(refused(lane) && is_refusal(lane, status)))
        fail(lane, "status %d, and expected were %#x", (int)status, expected);
    if (status == HF_OK && !is_same_error(&error, &lane->error_before))
        fail(lane, "succeeded, and changed the last error");
    if (status != HF_OK && (error.status != status || error.call == NULL))
        fail(lane, "the last error is another one");
}

/* ------------------------------------------------------------------ files ----------------- */

void renew_file(struct lane *lane, image_path path) { lane->files[path] = ++lane->last_file; }

bool is_image_of_some(const struct lane *lane, size_t file, bool *exclusively) {
    bool found = false;
    *exclusively = false;
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        const struct image_model *model = &lane->models[i];
        if (!model->open || model->file != file) continue;
        found = true;
        *exclusively = *exclusively || model->way == WAY_READ_WRITE;
    }
    return found;
}

static bool has_appended(const struct image_model *model, size_t file) {
    for (size_t i = 0; model->open && i < model->count; i++)
        if (model->blocks[i].file == file) return true;
    return false;
}

bool is_appended_by_some(const struct lane *lane, size_t file) {
    for (size_t i = 0; i < IMAGE_ARENAS; i++)
        if (has_appended(&lane->models[i], file)) return true;
    return false;
}

bool is_written(const struct lane *lane, image_path path) {
    bool exclusively = false;
    return path < PATHS_OF_FILES && is_image_of_some(lane, lane->files[path], &exclusively) &&
           exclusively;
}

void load(struct lane *lane, const char *path, struct image_bytes *file) {
    file->exists = false;
    file->size = 0;
    if (path && !image_load(path, file)) fail(lane, "%s can't be read", path);
}

bool is_found(const struct lane *lane, const struct image_model *model) {
    return model->file != 0 && lane->files[model->path] == model->file;
}

bool has_own_file(const struct lane *lane, const struct image_model *model) {
    return model->way == WAY_READ_WRITE && is_found(lane, model) && !model->is_ambushed;
}

void load_own_file(struct lane *lane, const struct image_model *model) {
    char text[512];
    load(lane, image_path_text(lane->folder, model->path, text, sizeof text), &lane->after);
}

/* ------------------------------------------------------------------ blocks ---------------- */

struct block *add_block(struct lane *lane, size_t offset, size_t size) {
    struct image_model *model = model_of(lane);
    static struct block unknown;
    if (offset > sizeof model->bytes || size > sizeof model->bytes - offset)
        fail(lane, "a block where none can be");
    struct block *block = model->count < IMAGE_BLOCKS ? &model->blocks[model->count++] : &unknown;
    *block =
        (struct block){.offset = offset, .size = size, .end = offset + size, .may_store = true};
    return block;
}

/* With the number of the operation, from an offset of the block on. */
void fill_block(struct lane *lane, struct block *block, size_t from) {
    struct image_model *model = model_of(lane);
    int filling = (int)lane->operation->index + 1;
    memset(model->bytes + block->offset + from, filling, block->size - from);
    memset(model->base + block->offset + from, filling, block->size - from);
}

/* What lies above the mark is gone; of a block across it the part above. */
void drop_blocks(struct image_model *model, size_t mark) {
    size_t kept = 0;
    for (size_t i = 0; i < model->count; i++) {
        struct block block = model->blocks[i];
        if (block.offset >= mark) continue;
        if (block.end > mark) {
            block.end = mark;
            block.is_own = false;
            if (block.size > mark - block.offset) block.size = mark - block.offset;
        }
        model->blocks[kept++] = block;
    }
    model->count = kept;
}

/* What lies above the mark is gone or not; a view may still be there. */
void lose_blocks(struct image_model *model, size_t mark) {
    for (size_t i = 0; i < model->count; i++) {
        struct block *block = &model->blocks[i];
        if (block->end <= mark) continue;
        block->size = 0;
        block->is_own = block->may_store = false;
        block->is_lost = true;
    }
}

/* ------------------------------------------------------------------ checking -------------- */

static void check_numbers(struct lane *lane) {
    const hf_arena *arena = arena_of(lane);
    const struct image_model *model = model_of(lane);
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t used = hf_get_mark(arena), limit = (size_t)(arena->limit - model->base);
    if (hf_arena_base(arena) != model->base) fail(lane, "the base has moved");
    if (used != model->used || stats.used != used)
        fail(lane, "%zu bytes used, by statistics %zu, and not %zu", used, stats.used, model->used);
    if (stats.reserved != model->reserved) fail(lane, "the reservation has changed");
    if (limit < used || limit > stats.reserved) fail(lane, "the limit is out of bounds");
    if (stats.peak < used || stats.high_water < used)
        fail(lane, "peak or high-water mark below used");
    if (!hf_owns(arena, model->base) && stats.reserved > 0) fail(lane, "does not own its base");
    if (hf_owns(arena, model->base + stats.reserved)) fail(lane, "owns what lies behind its end");
}

/* Of a private arena; others have views of their own. */
static void check_views(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    size_t viewed = hf_arena_get_stats(arena_of(lane)).viewed, expected = 0;
    bool is_certain = model->way == WAY_PRIVATE;
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (block->file) expected += block->end - block->offset;
        is_certain = is_certain && !block->is_lost;
    }
    if (is_certain && viewed != expected)
        fail(lane, "%zu bytes of views, and not %zu", viewed, expected);
}

static void check_root(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    const char *root = hf_arena_root(arena_of(lane));
    const char *expected = model->root ? model->base + (model->root - 1) : NULL;
    if (root != expected) fail(lane, "the root is another one");
}

static void check_blocks(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (memcmp(model->base + block->offset, model->bytes + block->offset, block->size) != 0)
            fail(lane, "the block of %zu bytes at %zu has changed", block->size, block->offset);
    }
}

void check_arena(struct lane *lane, bool thoroughly) {
    if (!model_of(lane)->open) {
        check_closed(lane, arena_of(lane));
        return;
    }
    check_numbers(lane);
    check_views(lane);
    check_root(lane);
    if (thoroughly) check_blocks(lane);
}

void check_closed(struct lane *lane, const hf_arena *arena) {
    if (arena->state || arena->pos || arena->limit) fail(lane, "a closed arena is not zero");
}

static bool is_as_expected(const struct image_model *model, const struct image_record *record,
                           bool may_be_older) {
    bool is_newest = record->used == model->used && record->root == model->root;
    bool is_older = record->used == model->synced_used && record->root == model->synced_root;
    if (model->failed_sync != HF_OK) return is_older;
    return is_newest || (may_be_older && is_older);
}

static void check_file_blocks(struct lane *lane, const struct image_bytes *file, uint64_t used) {
    const struct image_model *model = model_of(lane);
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (block->offset + block->size > used) continue;
        if (memcmp(file->bytes + HF_IMAGE_BEGIN + block->offset, model->bytes + block->offset,
                   block->size) != 0)
            fail(lane, "the block of %zu bytes at %zu is another in the file", block->size,
                 block->offset);
    }
}

void check_image(struct lane *lane, const struct image_bytes *file, bool may_be_older) {
    struct image_model *model = model_of(lane);
    struct image_record record;
    status_set refusals = image_judge(file, model->tag, &record);
    if (refusals) fail(lane, "the image is none any more: %#x", refusals);
    if (record.base != model->home) fail(lane, "the image's base is another one");
    if (!is_as_expected(model, &record, may_be_older))
        fail(lane, "the image has %llu bytes used, root %llu, and not %zu, %zu, nor %zu, %zu",
             (unsigned long long)record.used, (unsigned long long)record.root, model->used,
             model->root, model->synced_used, model->synced_root);
    check_file_blocks(lane, file, record.used);
    model->synced_used = (size_t)record.used;
    model->synced_root = (size_t)record.root;
}

/* As long as the header takes and what is used. */
void check_length(struct lane *lane) {
    if (lane->after.size != HF_IMAGE_BEGIN + image_padded(model_of(lane)->used))
        fail(lane, "the image has %zu bytes", lane->after.size);
}

void check_saved(struct lane *lane) {
    struct image_model *model = model_of(lane);
    size_t used = model->synced_used, root = model->synced_root;
    uint64_t home = model->home;
    hf_status failed_sync = model->failed_sync;
    model->home = (uintptr_t)model->base;
    model->failed_sync = HF_OK;
    renew_file(lane, lane->operation->path);
    check_image(lane, &lane->after, false);
    check_length(lane);
    model->synced_used = used;
    model->synced_root = root;
    model->home = home;
    model->failed_sync = failed_sync;
}

/* ------------------------------------------------------------------ closing --------------- */

/* A persistent arena writes its file, unless a sync has failed; no other arena writes anything. */
static bool writes_at_end(const struct lane *lane, const struct image_model *model) {
    return model->way == WAY_READ_WRITE && is_found(lane, model) && model->failed_sync == HF_OK;
}

static void check_own_file(struct lane *lane, const struct image_model *model) {
    load_own_file(lane, model);
    if (!writes_at_end(lane, model) && !image_is_alike(&lane->before, &lane->after))
        fail(lane, "closing has changed the file");
    if (!is_found(lane, model) || model->is_ambushed) return;
    if (model->way == WAY_READ_WRITE) {
        check_image(lane, &lane->after, refused(lane));
        if (writes_at_end(lane, model) && !refused(lane)) check_length(lane);
    } else if (!image_is_alike(&lane->after, &model->as_opened))
        fail(lane, "who only read the image has changed it");
}

void close_arena(struct lane *lane) {
    struct image_model *model = model_of(lane);
    bool has_file = model->open && model->file != 0;
    check_arena(lane, true);
    if (has_file) load_own_file(lane, model);
    if (has_file) image_copy(&lane->before, &lane->after);
    hf_arena_close(arena_of(lane));
    check_closed(lane, arena_of(lane));
    if (has_file) check_own_file(lane, model);
    model->open = false;
    begin(lane, lane->operation); /* what comes now is another call */
}
