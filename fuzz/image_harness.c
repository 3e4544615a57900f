/*
 * image_harness.c -- see image_harness.h.
 */
#include "image_harness.h"

#include "host.h"
#include "system.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

hf_arena *arena_of(struct harness *harness) { return &harness->arenas[harness->operation->arena]; }

struct image_model *model_of(struct harness *harness) {
    return &harness->models[harness->operation->arena];
}

const char *path_of(struct harness *harness) {
    return image_path_text(harness->folder, harness->operation->path, harness->path_text,
                           sizeof harness->path_text);
}

/* ------------------------------------------------------------------ complaining ----------- */

static void print_operation(const struct harness *harness, size_t index) {
    const image_operation *operation = &harness->program[index];
    fprintf(stderr, "%3zu %s arena %u path %d access %d class %u choices %u value %u", index,
            image_kind_name(operation->kind), operation->arena, (int)operation->path,
            (int)operation->access, operation->size_class, operation->choices, operation->value);
    fprintf(stderr, " twist %d number %u -> %d\n", (int)operation->twist, operation->number,
            harness->results[index]);
}

static void print_arenas(const struct harness *harness) {
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        const struct image_model *model = &harness->models[i];
        if (!model->open) continue;
        fprintf(stderr, "  arena %zu: way %d at %p, %zu used of %zu, file %zu, %zu blocks\n", i,
                (int)model->way, (void *)model->base, model->used, model->reserved, model->file,
                model->count);
    }
}

/* The program so far, and what is wrong. */
_Noreturn void fail(struct harness *harness, const char *format, ...) {
    va_list arguments;
    hf_error error = hf_last_error();
    fprintf(stderr, "\nfuzz_image, %s:\n", harness->name);
    for (size_t i = 0; harness->operation && i <= harness->operation->index; i++)
        print_operation(harness, i);
    print_arenas(harness);
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

/* ------------------------------------------------------------------ tamper ---------------- */

static struct tamper *tamper_of(const hf_backend *self) { return (struct tamper *)(uintptr_t)self; }

static void count_down(struct tamper *tamper) {
    if (tamper->countdown == 0 || --tamper->countdown > 0) return;
    if (!image_load(tamper->path, &tamper->file)) return;
    image_do_damage(&tamper->file, &tamper->damage);
    tamper->has_tampered = image_store(tamper->path, &tamper->file);
}

static hf_status measure_tampered(const hf_backend *self, intptr_t file, uint64_t *size,
                                  hf_report *report) {
    struct tamper *tamper = tamper_of(self);
    count_down(tamper);
    tamper->is_measured = tamper->has_tampered;
    return tamper->under->file_measure(tamper->under, file, size, report);
}

static hf_status read_tampered(const hf_backend *self, intptr_t file, uint64_t offset, void *bytes,
                               size_t size, hf_report *report) {
    struct tamper *tamper = tamper_of(self);
    count_down(tamper);
    tamper->is_read = tamper->has_tampered;
    tamper->is_read_before = tamper->is_read_before || !tamper->has_tampered;
    return tamper->under->file_read(tamper->under, file, offset, bytes, size, report);
}

static hf_status map_tampered(const hf_backend *self, void *address, size_t size, intptr_t file,
                              uint64_t file_offset, hf_access access, hf_report *report) {
    struct tamper *tamper = tamper_of(self);
    count_down(tamper);
    tamper->is_mapped = tamper->has_tampered;
    return tamper->under->map(tamper->under, address, size, file, file_offset, access, report);
}

static hf_status realloc_tampered(const hf_backend *self, intptr_t file, uint64_t old_size,
                                  uint64_t new_size, hf_report *report) {
    struct tamper *tamper = tamper_of(self);
    if (tamper->has_tampered && !(tamper->is_measured && tamper->is_read)) tamper->is_unseen = true;
    return tamper->under->file_resize(tamper->under, file, old_size, new_size, report);
}

static hf_status sync_tampered(const hf_backend *self, intptr_t file, hf_report *report) {
    struct tamper *tamper = tamper_of(self);
    if (tamper->sync_countdown == 0 || --tamper->sync_countdown > 0)
        return tamper->under->file_sync(tamper->under, file, report);
    tamper->failed_syncs++;
    report->call = "sync_tampered";
    return tamper->sync_status;
}

/* The native backend's functions make do with any backend for themselves. */
void tamper_init(struct tamper *tamper) {
    tamper->under = system_backend(MODEST_RESERVE);
    tamper->backend = *tamper->under;
    tamper->backend.file_measure = measure_tampered;
    tamper->backend.file_read = read_tampered;
    tamper->backend.file_resize = realloc_tampered;
    tamper->backend.file_sync = sync_tampered;
    tamper->backend.map = map_tampered;
}

/* ------------------------------------------------------------------ statuses -------------- */

static size_t failures(const struct harness *harness) {
    size_t injected = harness->strict ? hf_strict_get_stats(harness->strict).failures : 0;
    return injected + harness->tamper.failed_syncs;
}

void end_failures(struct harness *harness) {
    if (harness->strict) hf_strict_fail(harness->strict, 0, false);
    harness->tamper.sync_countdown = 0;
}

void begin(struct harness *harness, const image_operation *operation) {
    harness->operation = operation;
    harness->failures_before = failures(harness);
    harness->error_before = hf_last_error();
}

size_t failures_met(const struct harness *harness) {
    return failures(harness) - harness->failures_before;
}

bool failure_injected(const struct harness *harness) { return failures_met(harness) > 0; }

bool is_injected_status(const struct harness *harness, hf_status status) {
    status_set errors = STATUS(IO) | STATUS(NO_SPACE) | STATUS(NO_MEMORY) | STATUS(MAP_LIMIT) |
                        STATUS(NO_ADDRESS) | STATUS(BUSY);
    if (harness->failing_way != 0) errors |= STATUS(UNSUPPORTED);
    return (errors & 1u << status) != 0;
}

static bool is_same_error(const hf_error *a, const hf_error *b) {
    return a->status == b->status && a->os_code == b->os_code && a->call == b->call &&
           a->offset == b->offset && a->size == b->size;
}

void check_status(struct harness *harness, hf_status status, status_set expected) {
    hf_error error = hf_last_error();
    harness->results[harness->operation->index] = (int)status;
    if (!has_views() && expected & STATUS(OK)) expected |= STATUS(UNSUPPORTED);
    bool is_expected = (expected & 1u << status) != 0;
    if (!is_expected && !(failure_injected(harness) && is_injected_status(harness, status)))
        fail(harness, "status %d, and expected were %#x", (int)status, expected);
    if (status == HF_OK && !is_same_error(&error, &harness->error_before))
        fail(harness, "succeeded, and changed the last error");
    if (status != HF_OK && (error.status != status || error.call == NULL))
        fail(harness, "the last error is another one");
}

/* ------------------------------------------------------------------ files ----------------- */

void renew_file(struct harness *harness, image_path path) {
    harness->files[path] = ++harness->last_file;
}

bool is_image_of_some(const struct harness *harness, size_t file, bool *exclusively) {
    bool found = false;
    *exclusively = false;
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        const struct image_model *model = &harness->models[i];
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

bool is_appended_by_some(const struct harness *harness, size_t file) {
    for (size_t i = 0; i < IMAGE_ARENAS; i++)
        if (has_appended(&harness->models[i], file)) return true;
    return false;
}

bool is_written(const struct harness *harness, image_path path) {
    bool exclusively = false;
    return path < PATHS_OF_FILES && is_image_of_some(harness, harness->files[path], &exclusively) &&
           exclusively;
}

void load(struct harness *harness, const char *path, struct image_bytes *file) {
    file->exists = false;
    file->size = 0;
    if (path && !image_load(path, file)) fail(harness, "%s can't be read", path);
}

bool is_found(const struct harness *harness, const struct image_model *model) {
    return model->file != 0 && harness->files[model->path] == model->file;
}

bool has_own_file(const struct harness *harness, const struct image_model *model) {
    return model->way == WAY_READ_WRITE && is_found(harness, model) && !model->was_tampered_with;
}

void load_own_file(struct harness *harness, const struct image_model *model) {
    char text[512];
    load(harness, image_path_text(harness->folder, model->path, text, sizeof text),
         &harness->after);
}

/* ------------------------------------------------------------------ blocks ---------------- */

struct block *add_block(struct harness *harness, size_t offset, size_t size) {
    struct image_model *model = model_of(harness);
    static struct block unknown;
    if (offset > sizeof model->bytes || size > sizeof model->bytes - offset)
        fail(harness, "a block where none can be");
    struct block *block = model->count < IMAGE_BLOCKS ? &model->blocks[model->count++] : &unknown;
    *block =
        (struct block){.offset = offset, .size = size, .end = offset + size, .may_store = true};
    return block;
}

/* With the number of the operation, from an offset of the block on. */
void fill_block(struct harness *harness, struct block *block, size_t from) {
    struct image_model *model = model_of(harness);
    int filling = (int)harness->operation->index + 1;
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

static void check_numbers(struct harness *harness) {
    const hf_arena *arena = arena_of(harness);
    const struct image_model *model = model_of(harness);
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t used = hf_get_mark(arena), limit = (size_t)(arena->limit - model->base);
    if (hf_arena_base(arena) != model->base) fail(harness, "the base has moved");
    if (used != model->used || stats.used != used)
        fail(harness, "%zu bytes used, by statistics %zu, and not %zu", used, stats.used,
             model->used);
    if (stats.reserved != model->reserved) fail(harness, "the reservation has changed");
    if (limit < used || limit > stats.reserved) fail(harness, "the limit is out of bounds");
    if (stats.peak < used || stats.high_water < used)
        fail(harness, "peak or high-water mark below used");
    if (!hf_owns(arena, model->base) && stats.reserved > 0) fail(harness, "does not own its base");
    if (hf_owns(arena, model->base + stats.reserved))
        fail(harness, "owns what lies behind its end");
}

/* Of a private arena; others have views of their own. */
static void check_views(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    size_t viewed = hf_arena_get_stats(arena_of(harness)).viewed, expected = 0;
    bool is_certain = model->way == WAY_PRIVATE;
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (block->file) expected += block->end - block->offset;
        is_certain = is_certain && !block->is_lost;
    }
    if (is_certain && viewed != expected)
        fail(harness, "%zu bytes of views, and not %zu", viewed, expected);
}

static void check_root(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    const char *root = hf_arena_root(arena_of(harness));
    const char *expected = model->root ? model->base + (model->root - 1) : NULL;
    if (root != expected) fail(harness, "the root is another one");
}

static void check_blocks(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (memcmp(model->base + block->offset, model->bytes + block->offset, block->size) != 0)
            fail(harness, "the block of %zu bytes at %zu has changed", block->size, block->offset);
    }
}

void check_arena(struct harness *harness, bool thoroughly) {
    if (!model_of(harness)->open) {
        check_closed(harness, arena_of(harness));
        return;
    }
    check_numbers(harness);
    check_views(harness);
    check_root(harness);
    if (thoroughly) check_blocks(harness);
}

void check_closed(struct harness *harness, const hf_arena *arena) {
    if (arena->state || arena->pos || arena->limit) fail(harness, "a closed arena is not zero");
}

static bool is_as_expected(const struct image_model *model, const struct image_record *record,
                           bool may_be_older) {
    bool is_newest = record->used == model->used && record->root == model->root;
    bool is_older = record->used == model->synced_used && record->root == model->synced_root;
    if (model->failed_sync != HF_OK) return is_older;
    return is_newest || (may_be_older && is_older);
}

static void check_file_blocks(struct harness *harness, const struct image_bytes *file,
                              uint64_t used) {
    const struct image_model *model = model_of(harness);
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (block->offset + block->size > used) continue;
        if (memcmp(file->bytes + HF_IMAGE_BEGIN + block->offset, model->bytes + block->offset,
                   block->size) != 0)
            fail(harness, "the block of %zu bytes at %zu is another in the file", block->size,
                 block->offset);
    }
}

void check_image(struct harness *harness, const struct image_bytes *file, bool may_be_older) {
    struct image_model *model = model_of(harness);
    struct image_record record;
    status_set errors = image_judge(file, model->tag, &record);
    if (errors) fail(harness, "the image is none any more: %#x", errors);
    if (record.base != model->home) fail(harness, "the image's base is another one");
    if (!is_as_expected(model, &record, may_be_older))
        fail(harness, "the image has %llu bytes used, root %llu, and not %zu, %zu, nor %zu, %zu",
             (unsigned long long)record.used, (unsigned long long)record.root, model->used,
             model->root, model->synced_used, model->synced_root);
    check_file_blocks(harness, file, record.used);
    model->synced_used = (size_t)record.used;
    model->synced_root = (size_t)record.root;
}

/* As long as the header takes and what is used. */
void check_length(struct harness *harness) {
    if (harness->after.size != HF_IMAGE_BEGIN + image_padded(model_of(harness)->used))
        fail(harness, "the image has %zu bytes", harness->after.size);
}

void check_saved(struct harness *harness) {
    struct image_model *model = model_of(harness);
    size_t used = model->synced_used, root = model->synced_root;
    uint64_t home = model->home;
    hf_status failed_sync = model->failed_sync;
    model->home = (uintptr_t)model->base;
    model->failed_sync = HF_OK;
    renew_file(harness, harness->operation->path);
    check_image(harness, &harness->after, false);
    check_length(harness);
    model->synced_used = used;
    model->synced_root = root;
    model->home = home;
    model->failed_sync = failed_sync;
}

/* ------------------------------------------------------------------ closing --------------- */

/* A read-write arena writes its file, unless a sync has failed; no other arena writes anything. */
static bool writes_at_end(const struct harness *harness, const struct image_model *model) {
    return model->way == WAY_READ_WRITE && is_found(harness, model) && model->failed_sync == HF_OK;
}

static void check_own_file(struct harness *harness, const struct image_model *model) {
    load_own_file(harness, model);
    if (!writes_at_end(harness, model) && !image_is_alike(&harness->before, &harness->after))
        fail(harness, "closing has changed the file");
    if (!is_found(harness, model) || model->was_tampered_with) return;
    if (model->way == WAY_READ_WRITE) {
        check_image(harness, &harness->after, failure_injected(harness));
        if (writes_at_end(harness, model) && !failure_injected(harness)) check_length(harness);
    } else if (!image_is_alike(&harness->after, &model->as_opened))
        fail(harness, "who only read the image has changed it");
}

void close_arena(struct harness *harness) {
    struct image_model *model = model_of(harness);
    bool has_file = model->open && model->file != 0;
    check_arena(harness, true);
    if (has_file) load_own_file(harness, model);
    if (has_file) image_copy(&harness->before, &harness->after);
    hf_arena_close(arena_of(harness));
    check_closed(harness, arena_of(harness));
    if (has_file) check_own_file(harness, model);
    model->open = false;
    begin(harness, harness->operation); /* what comes now is another call */
}
