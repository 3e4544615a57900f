/*
 * fuzz_image.c -- runs a program of calls on arenas in files over two backends, and does harm to
 * the files.
 *
 * What must hold: a file that an image promises to be opens, as it is; any other fails with a
 * status that the header names, nothing is left of the attempt, and the file is as it was. A
 * snapshot and a read-only arena leave the file as it is, whatever is done with them. What a sync,
 * a save or a close wrote is an image of the arena at that time. After a sync that failed, every
 * later one fails alike and the file stays as it is. A forked child reads what its parent has open
 * and writes none of it. Over strict, calls fail on demand.
 */
#include "host.h"
#include "image_harness.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ------------------------------------------------------------------ opening --------------- */

static void start_model(struct harness *harness, arena_way way, const hf_arena_options *options) {
    struct image_model *model = model_of(harness);
    hf_arena *arena = arena_of(harness);
    model->open = true;
    model->way = way;
    model->path = harness->operation->path;
    model->file = way == WAY_PRIVATE ? 0 : harness->files[model->path];
    model->tag = options->tag;
    model->base = hf_arena_base(arena);
    model->home = (uintptr_t)model->base;
    model->used = hf_get_mark(arena);
    model->reserved = hf_arena_get_stats(arena).reserved;
    const char *root = hf_arena_root(arena);
    model->root = root ? 1 + (size_t)(root - model->base) : 0;
    model->synced_used = model->used;
    model->synced_root = model->root;
    bool may_fault = way == WAY_PRIVATE || way == WAY_SNAPSHOT;
    model->is_faulting = may_fault && options->fault_after_rewind;
    model->shown = way == WAY_SNAPSHOT ? (size_t)image_padded(model->used) : 0;
    model->was_tampered_with = false;
    model->failed_sync = HF_OK;
    model->count = 0;
}

/* A read-only arena's addresses are more than what it shows. */
static bool overlaps(const struct image_model *model, uintptr_t base, size_t size) {
    uintptr_t other = (uintptr_t)model->base;
    size_t taken = (size_t)image_padded(model->reserved ? model->reserved : 1);
    return model->open && base < other + taken && other < base + size;
}

/* Where the library puts new images, and where exact bases are tried, nothing else lies. (Above
 * 0x500000000000 newer versions of AddressSanitizer have their own.) */
static bool is_free_of_others(uintptr_t base, size_t size) {
    static const uint64_t ranges[][2] = {{0x410000000000, 0x500000000000},
                                         {0x550000000000, 0x555000000000}};
    for (size_t i = 0; i < 2; i++)
        if (base >= ranges[i][0] && base < ranges[i][1] && size <= ranges[i][1] - base) return true;
    return false;
}

/* Whether an exact base is free: only here can we tell. A large reservation falls back to less. */
static status_set expect_base(const struct harness *harness, uintptr_t base, size_t size) {
    status_set expected =
        is_free_of_others(base, size) ? STATUS(OK) : STATUS(OK) | STATUS(NO_ADDRESS);
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        if (overlaps(&harness->models[i], base, 1)) return STATUS(NO_ADDRESS);
        if (overlaps(&harness->models[i], base, size)) expected |= STATUS(NO_ADDRESS);
    }
    return expected;
}

static size_t reserve_of(const hf_arena_options *options, uint64_t mapped) {
    if (options->reserve) return options->reserve;
    return mapped > 1 << 28 ? (size_t)mapped * 2 : DEFAULT_RESERVE;
}

/* Whatever is at the path. */
static bool is_sound(const hf_arena_options *options) {
    bool is_least = options->reserve == 0 || options->least_reserve <= options->reserve;
    return is_least && (uintptr_t)options->base % HF_ALLOCATION_GRANULARITY == 0;
}

static status_set expect_new(const struct harness *harness, const hf_arena_options *options) {
    uintptr_t base = (uintptr_t)options->base;
    size_t reserve = reserve_of(options, 0);
    if (!is_sound(options)) return STATUS(INVALID);
    if (base > UINTPTR_MAX - reserve) return STATUS(INVALID) | STATUS(NO_ADDRESS);
    return base ? expect_base(harness, base, reserve) : STATUS(OK);
}

/* All that is wrong at once; OK if nothing is. */
static status_set expect_known(const struct harness *harness, const hf_arena_options *options,
                               const struct image_record *record) {
    uintptr_t base = (uintptr_t)options->base, lay = (uintptr_t)record->base;
    uint64_t mapped = image_padded(record->used);
    size_t reserve = reserve_of(options, mapped);
    status_set errors = 0;
    bool grows = harness->operation->access != HF_READ_ONLY;
    if (grows && reserve < mapped && image_padded(reserve) < mapped) errors |= STATUS(RESERVE_FULL);
    if (base && base != lay && !options->any_base) errors |= STATUS(INVALID);
    if (errors || options->any_base) return errors ? errors : STATUS(OK);
    return expect_base(harness, lay, grows ? reserve : (size_t)mapped + HF_IMAGE_BEGIN);
}

static status_set expect_path(const struct harness *harness, const hf_arena_options *options) {
    const image_operation *operation = harness->operation;
    bool is_access =
        operation->access <= HF_COPY_ON_WRITE && operation->twist != IMAGE_TWIST_ACCESS;
    if (operation->path == IMAGE_PATH_NULL || operation->path == IMAGE_PATH_BLANK)
        return STATUS(INVALID);
    if (!is_access || !is_sound(options)) return STATUS(INVALID);
    if (operation->path == IMAGE_PATH_FOLDER) return STATUS(UNSUPPORTED);
    if (operation->path == IMAGE_PATH_NO_PARENT) return STATUS(IO);
    bool makes_it = operation->access == HF_READ_WRITE;
    return harness->before.exists || makes_it ? 0 : STATUS(IO);
}

static bool is_locked(const struct harness *harness) {
    bool exclusively, has_some = is_image_of_some(harness, harness->files[harness->operation->path],
                                                  &exclusively);
    return exclusively || (has_some && harness->operation->access == HF_READ_WRITE);
}

static bool makes_new(const struct harness *harness) {
    return harness->operation->access == HF_READ_WRITE && image_is_blank(&harness->before);
}

/* More addresses than there are, or so near their end, may fail or fall back. */
static status_set expect_open_file(const struct harness *harness, const hf_arena_options *options) {
    struct image_record record;
    status_set errors = expect_path(harness, options);
    if (errors) return errors;
    if (is_locked(harness)) return STATUS(BUSY);
    if (makes_new(harness)) return expect_new(harness, options);
    errors = image_judge(&harness->before, options->tag, &record);
    return errors ? errors : expect_known(harness, options, &record);
}

/* A truncated file would fault: a thing that the header warns of. */
static void mend(struct harness *harness) {
    size_t needed = HF_IMAGE_BEGIN + (size_t)image_padded(model_of(harness)->used);
    if (!harness->after.exists || harness->after.size >= needed) return;
    memset(harness->after.bytes + harness->after.size, 0, needed - harness->after.size);
    harness->after.size = needed;
    if (!image_store(harness->tamper.path, &harness->after))
        fail(harness, "a file can't be mended");
}

static void check_new_image(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    if (model->used != 0 || model->root != 0) fail(harness, "a new image is not empty");
    check_image(harness, &harness->after, false);
    check_length(harness);
}

/* A store finds no hole in the file of a read-write arena: the disk could be full. */
static void check_filled(struct harness *harness) {
    if (harness->operation->access != HF_READ_WRITE) return;
    size_t allocated = host_allocated_bytes(path_of(harness));
    if (allocated < harness->after.size)
        fail(harness, "of %zu bytes only %zu are allocated", harness->after.size, allocated);
}

static void check_known_image(struct harness *harness, const hf_arena_options *options) {
    struct image_model *model = model_of(harness);
    struct image_record record;
    image_judge(&harness->before, options->tag, &record);
    if (model->used != record.used || model->root != record.root)
        fail(harness, "opened with another mark or root");
    if (!options->any_base && (uintptr_t)model->base != record.base)
        fail(harness, "opened at another base");
    model->home = record.base;
    if (harness->operation->access == HF_READ_WRITE)
        harness->before.size = HF_IMAGE_BEGIN + (size_t)image_padded(record.used);
    if (!image_is_alike(&harness->before, &harness->after))
        fail(harness, "opening changed the image");
    check_filled(harness);
}

static void take_contents(struct harness *harness, const void *bytes) {
    struct image_model *model = model_of(harness);
    if (model->used == 0) return;
    add_block(harness, 0, model->used)->may_store = model->way != WAY_READ_ONLY;
    memcpy(model->bytes, bytes, model->used);
}

static bool is_same_record(const struct image_record *a, const struct image_record *b) {
    return a->sequence == b->sequence && a->base == b->base && a->used == b->used &&
           a->root == b->root && a->tag == b->tag;
}

/* What a crash left behind the last sync is cut off before it is mapped. */
static bool is_cut_size(const struct harness *harness, const struct image_record *record,
                        size_t size) {
    return harness->operation->access == HF_READ_WRITE &&
           size == HF_IMAGE_BEGIN + (size_t)image_padded(record->used);
}

/* The file changed before it was mapped, or looked at for the last time: it must have been sound
 * then, and if it was looked at before, too, the same. */
static void check_tampered(struct harness *harness, uint64_t tag) {
    const struct tamper *tamper = &harness->tamper;
    struct image_record now, before;
    bool is_new = harness->operation->access == HF_READ_WRITE && image_is_blank(&tamper->file);
    bool is_seen = tamper->is_measured && tamper->is_read;
    if (!makes_new(harness)) is_seen = is_seen || tamper->is_mapped;
    if (!is_seen || tamper->is_unseen || !harness->after.exists || is_new) return;
    if (image_judge(&tamper->file, tag, &now) != 0) fail(harness, "opened what is no image");
    if (!tamper->is_read_before) return;
    bool was_sound = image_judge(&harness->before, tag, &before) == 0;
    bool is_as_long = tamper->file.size == harness->before.size ||
                      is_cut_size(harness, &before, tamper->file.size);
    if (!was_sound || !is_same_record(&now, &before) || !is_as_long)
        fail(harness, "opened what had changed meanwhile");
}

static void opened(struct harness *harness, const hf_arena_options *options) {
    static const arena_way ways[] = {WAY_READ_WRITE, WAY_READ_ONLY, WAY_SNAPSHOT};
    struct image_model *model = model_of(harness);
    start_model(harness, ways[harness->operation->access], options);
    image_copy(&model->as_opened, &harness->after);
    model->was_tampered_with = harness->tamper.has_tampered;
    if (model->was_tampered_with) {
        check_tampered(harness, options->tag);
        mend(harness);
        take_contents(harness, model->base);
    } else if (makes_new(harness)) {
        check_new_image(harness);
    } else {
        check_known_image(harness, options);
        take_contents(harness, harness->before.bytes + HF_IMAGE_BEGIN);
    }
}

static bool is_cut(const struct harness *harness, const struct image_bytes *expected,
                   uint64_t tag) {
    struct image_record record;
    const struct image_bytes *after = &harness->after;
    return image_judge(expected, tag, &record) == 0 && is_cut_size(harness, &record, after->size) &&
           after->size < expected->size && memcmp(after->bytes, expected->bytes, after->size) == 0;
}

/* As it was, or cut; one that was to be made is empty, or if the undo failed too, made. */
static void check_untouched(struct harness *harness, uint64_t tag) {
    struct image_record record;
    const struct image_bytes *expected =
        harness->tamper.has_tampered ? &harness->tamper.file : &harness->before;
    if (image_is_alike(expected, &harness->after) || is_cut(harness, expected, tag)) return;
    if (harness->tamper.is_unseen || (harness->tamper.has_tampered && failure_injected(harness)))
        return;
    bool may_change = harness->operation->access == HF_READ_WRITE && image_is_blank(expected);
    if (may_change && harness->after.size == 0) return;
    bool is_undone = failures_met(harness) < (has_views() ? 2 : 1);
    if (may_change && !is_undone && image_is_blank(&harness->after)) return;
    if (may_change && !is_undone && image_judge(&harness->after, tag, &record) == 0) return;
    fail(harness, "an opening that failed has changed the file");
}

/* Whether harm done to the file would show in an arena. */
static bool is_used(const struct harness *harness, image_path path) {
    bool exclusively;
    size_t file = harness->files[path];
    return is_image_of_some(harness, file, &exclusively) || is_appended_by_some(harness, file);
}

static void plan_tamper(struct harness *harness, const char *path) {
    struct tamper *tamper = &harness->tamper;
    tamper->has_tampered = tamper->is_read_before = tamper->is_unseen = false;
    tamper->is_measured = tamper->is_read = tamper->is_mapped = false;
    tamper->countdown = harness->plan_countdown;
    tamper->damage = harness->plan;
    harness->plan_countdown = 0;
    bool lingers = harness->plan.kind == DAMAGE_REMOVE && !host_frees_names();
    bool is_file = harness->operation->path < PATHS_OF_FILES;
    if (is_file && !lingers && !is_used(harness, harness->operation->path))
        snprintf(tamper->path, sizeof tamper->path, "%s", path);
    else
        tamper->countdown = 0;
}

static uintptr_t known_base(const struct harness *harness) {
    uint64_t base = 0;
    if (harness->before.size >= HF_IMAGE_BEGIN)
        memcpy(&base, harness->before.bytes + 32, sizeof base);
    return (uintptr_t)base;
}

static bool is_skipped(const struct harness *harness) {
    const image_operation *operation = harness->operation;
    return operation->path < PATHS_OF_FILES && operation->access == HF_READ_WRITE &&
           is_appended_by_some(harness, harness->files[operation->path]);
}

/* What a file can become while it is opened, there are many reasons to fail. */
static status_set with_tamper(const struct harness *harness, status_set expected) {
    if (!harness->tamper.has_tampered) return expected;
    return expected | STATUS(OK) | STATUS(CORRUPT) | STATUS(UNSUPPORTED) | STATUS(IO) |
           STATUS(RESERVE_FULL) | STATUS(NO_ADDRESS) | STATUS(INVALID);
}

/* Where addresses take memory, the default would be most of what a program does. */
static hf_arena_options options_of(const struct harness *harness, uintptr_t known) {
    hf_arena_options options = image_options(harness->operation, known);
    options.backend = harness->backend;
    if (options.reserve == 0 && host_pays_for_addresses()) options.reserve = MODEST_RESERVE;
    return options;
}

static void run_open_file(struct harness *harness) {
    const char *path = path_of(harness);
    bool is_file = harness->operation->path < PATHS_OF_FILES;
    close_arena(harness);
    if (is_skipped(harness)) return;
    load(harness, is_file ? path : NULL, &harness->before);
    hf_arena_options options = options_of(harness, known_base(harness));
    hf_access access = harness->operation->twist == IMAGE_TWIST_ACCESS
                           ? (hf_access)(3 + options.tag)
                           : harness->operation->access;
    status_set expected = expect_open_file(harness, &options);
    if (options.reserve > SIZE_MAX / 4 && expected & STATUS(OK)) expected |= STATUS(NO_ADDRESS);
    plan_tamper(harness, path);
    hf_status status = hf_arena_open_file(arena_of(harness), path, access, &options);
    harness->tamper.countdown = 0;
    check_status(harness, status, with_tamper(harness, expected));
    load(harness, is_file ? path : NULL, &harness->after);
    if (is_file && harness->before.exists != harness->after.exists)
        renew_file(harness, harness->operation->path);
    if (status == HF_OK)
        opened(harness, &options);
    else if (is_file)
        check_untouched(harness, options.tag);
    if (status == HF_OK && !harness->after.exists) model_of(harness)->file = ++harness->last_file;
}

static void run_open(struct harness *harness) {
    hf_arena_options options = options_of(harness, 0);
    close_arena(harness);
    status_set expected = expect_new(harness, &options);
    if (options.reserve > SIZE_MAX / 4) expected |= STATUS(NO_ADDRESS);
    hf_status status = hf_arena_open(arena_of(harness), &options);
    check_status(harness, status, expected);
    if (status == HF_OK) start_model(harness, WAY_PRIVATE, &options);
}

/* ------------------------------------------------------------------ allocating ------------ */

/* What surely fits must be granted, and what surely does not, not. */
static status_set expect_room(struct harness *harness, size_t size) {
    const struct image_model *model = model_of(harness);
    size_t room = model->way == WAY_READ_ONLY ? 0 : model->reserved - model->used;
    if (size > room) return STATUS(RESERVE_FULL);
    return room - size > 256 ? STATUS(OK) : STATUS(OK) | STATUS(RESERVE_FULL);
}

static bool is_too_large(struct harness *harness, size_t size) {
    const struct image_model *model = model_of(harness);
    bool may_fit = expect_room(harness, size) & STATUS(OK);
    return may_fit && (size > IMAGE_MOST_USED || model->used + size > IMAGE_MOST_USED);
}

static bool is_zero(const char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* An extension that is of no use goes, if that did not fail, too. */
static void check_file_size(struct harness *harness, size_t before) {
    const struct image_model *model = model_of(harness);
    if (failures_met(harness) > 1 || !has_own_file(harness, model)) return;
    load_own_file(harness, model);
    if (harness->after.size != before)
        fail(harness, "an allocation that failed left the file longer");
}

static size_t file_size(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    if (!harness->strict || !has_own_file(harness, model)) return 0;
    load_own_file(harness, model);
    return harness->after.size;
}

static void run_alloc(struct harness *harness) {
    struct image_model *model = model_of(harness);
    size_t size = image_size(harness->operation, arena_of(harness));
    size_t align = (size_t)1 << harness->operation->choices / 2 % 7;
    bool zeroed = harness->operation->choices & 1;
    if (is_too_large(harness, size)) return;
    size_t size_before = file_size(harness);
    char *bytes = zeroed ? hf_alloc_zeroed(arena_of(harness), size, align)
                         : hf_alloc(arena_of(harness), size, align);
    hf_status status = bytes ? HF_OK : hf_last_error().status;
    check_status(harness, status, expect_room(harness, size));
    if (!bytes && harness->strict) check_file_size(harness, size_before);
    if (!bytes) return;
    size_t offset = (size_t)(bytes - model->base);
    if (offset < model->used || (uintptr_t)bytes % align != 0) fail(harness, "a block in the way");
    if (zeroed && !is_zero(bytes, size)) fail(harness, "a block that is not zero");
    model->used = hf_get_mark(arena_of(harness));
    struct block *block = add_block(harness, offset, size);
    block->is_own = true;
    fill_block(harness, block, 0);
}

static void forget_root(struct harness *harness, size_t mark) {
    struct image_model *model = model_of(harness);
    if (model->root > mark) model->root = 0;
}

static void run_extend(struct harness *harness) {
    struct image_model *model = model_of(harness);
    if (model->count == 0 || !model->blocks[model->count - 1].is_own) return;
    struct block *block = &model->blocks[model->count - 1];
    size_t size = image_size(harness->operation, arena_of(harness)), old_size = block->size;
    size_t end = size < SIZE_MAX - block->offset ? block->offset + size : SIZE_MAX;
    size_t more = end > model->used ? end - model->used : 0;
    if (is_too_large(harness, more)) return;
    bool extended = hf_extend(arena_of(harness), model->base + block->offset, old_size, size);
    hf_status status = extended ? HF_OK : hf_last_error().status;
    check_status(harness, status, STATUS(OK) | STATUS(WRONG_STATE) | expect_room(harness, more));
    if (!extended && size <= old_size) fail(harness, "a block can't be made smaller");
    if (!extended) return;
    size_t old_used = model->used;
    model->used = hf_get_mark(arena_of(harness));
    if (model->used < old_used || hf_arena_root(arena_of(harness)) == NULL)
        forget_root(harness, block->offset + size);
    block->size = size;
    block->end = block->offset + size;
    if (size > old_size) fill_block(harness, block, old_size);
}

static void run_store(struct harness *harness) {
    struct image_model *model = model_of(harness);
    if (model->count == 0) return;
    struct block *block = &model->blocks[harness->operation->number % model->count];
    if (block->may_store)
        fill_block(harness, block, block->size > 0 ? harness->operation->value % block->size : 0);
}

/* ------------------------------------------------------------------ going back ------------ */

static size_t choose_mark(const struct harness *harness, const struct image_model *model) {
    const image_operation *operation = harness->operation;
    const struct block *block = &model->blocks[model->count ? operation->number % model->count : 0];
    switch (operation->size_class % 5) {
    case 0: return model->count ? block->offset : 0;
    case 1: return model->count ? block->end : 0;
    case 2: return operation->value * (size_t)8 % (model->used + 1);
    case 3: return model->used + operation->value % 4;
    default: return operation->value;
    }
}

/* A mark within a view there was none; one that may be gone, that is another matter. */
static status_set expect_rewind(const struct image_model *model, size_t mark) {
    status_set expected = STATUS(OK);
    if (mark > model->used) return STATUS(INVALID);
    if (model->way == WAY_READ_ONLY) return mark < model->used ? STATUS(WRONG_STATE) : STATUS(OK);
    for (size_t i = 0; i < model->count; i++) {
        const struct block *block = &model->blocks[i];
        if (!block->file || mark <= block->offset || mark >= block->end) continue;
        expected = block->is_lost ? STATUS(OK) | STATUS(INVALID) : STATUS(INVALID);
    }
    return expected;
}

/* After a failure, or where rewound pages fault, pos is above the mark. */
static void went_back(struct harness *harness, size_t mark, hf_status status) {
    struct image_model *model = model_of(harness);
    size_t used = hf_get_mark(arena_of(harness)), old = model->used;
    size_t most = (old + harness->page_size - 1) / harness->page_size * harness->page_size;
    if (status == HF_OK && !model->is_faulting && used != mark)
        fail(harness, "went back elsewhere");
    if (used < mark || used > most) fail(harness, "went back, and is at %zu", used);
    model->used = used;
    if (status == HF_OK || hf_arena_root(arena_of(harness)) == NULL) forget_root(harness, mark);
    if (status == HF_OK)
        drop_blocks(model, mark);
    else
        lose_blocks(model, mark);
}

static void rewind_to(struct harness *harness, size_t mark, hf_status status, status_set expected) {
    check_status(harness, status, expected);
    if (status == HF_OK || !(expected & 1u << status)) went_back(harness, mark, status);
}

static void run_rewind(struct harness *harness) {
    size_t mark = choose_mark(harness, model_of(harness));
    status_set expected = expect_rewind(model_of(harness), mark);
    rewind_to(harness, mark, hf_rewind(arena_of(harness), mark), expected);
}

/* Nothing of it used, a snapshot's own view may go. */
static void note_views(struct harness *harness) {
    if (model_of(harness)->used == 0 && hf_arena_get_stats(arena_of(harness)).viewed == 0)
        model_of(harness)->shown = 0;
}

static void run_reset(struct harness *harness) {
    status_set expected = expect_rewind(model_of(harness), 0);
    rewind_to(harness, 0, hf_reset(arena_of(harness)), expected);
    note_views(harness);
}

static void run_trim(struct harness *harness) {
    check_status(harness, hf_trim(arena_of(harness), harness->operation->value), STATUS(OK));
    note_views(harness);
}

/* ------------------------------------------------------------------ images ---------------- */

static void run_set_root(struct harness *harness) {
    struct image_model *model = model_of(harness);
    unsigned value = harness->operation->value;
    const struct block *block =
        &model->blocks[model->count ? harness->operation->number % model->count : 0];
    size_t offset = model->count ? block->offset : 0;
    if (harness->operation->size_class % 4 == 1) offset += value;
    if (harness->operation->size_class % 4 == 2) offset = model->used + value;
    bool is_null = harness->operation->size_class % 4 == 3;
    bool is_ours = is_null || offset < model->used;
    status_set expected = !is_ours                      ? STATUS(INVALID)
                          : model->way == WAY_READ_ONLY ? STATUS(WRONG_STATE)
                                                        : STATUS(OK);
    hf_status status = hf_arena_set_root(arena_of(harness), is_null ? NULL : model->base + offset);
    check_status(harness, status, expected);
    if (status == HF_OK) model->root = is_null ? 0 : offset + 1;
}

/* A sync that failed is never followed by one that succeeds. */
static status_set expect_sync(const struct harness *harness, const struct image_model *model) {
    if (!model->open || model->way != WAY_READ_WRITE) return STATUS(WRONG_STATE);
    if (model->failed_sync != HF_OK) return 1u << model->failed_sync;
    if (is_found(harness, model)) return STATUS(OK);
    return host_frees_names() ? STATUS(IO) : STATUS(IO) | STATUS(OK);
}

static void run_sync(struct harness *harness) {
    struct image_model *model = model_of(harness);
    bool is_read_write = model->open && model->way == WAY_READ_WRITE;
    hf_status status = hf_arena_sync(arena_of(harness));
    check_status(harness, status, expect_sync(harness, model));
    if (is_read_write && has_own_file(harness, model)) {
        load_own_file(harness, model);
        check_image(harness, &harness->after, status != HF_OK);
    }
    if (is_read_write) model->failed_sync = status;
}

static status_set expect_save(struct harness *harness) {
    image_path path = harness->operation->path;
    if (!model_of(harness)->open || path == IMAGE_PATH_NULL || path == IMAGE_PATH_BLANK)
        return STATUS(INVALID);
    if (path == IMAGE_PATH_FOLDER) return STATUS(IO) | STATUS(UNSUPPORTED);
    if (path == IMAGE_PATH_NO_PARENT) return STATUS(IO);
    return is_written(harness, path) ? STATUS(BUSY) : STATUS(OK);
}

static void run_save(struct harness *harness) {
    const char *path = path_of(harness);
    bool is_file = harness->operation->path < PATHS_OF_FILES;
    if (model_of(harness)->used > IMAGE_MOST_USED * 2) return;
    load(harness, is_file ? path : NULL, &harness->before);
    hf_status status = hf_arena_save(arena_of(harness), path);
    check_status(harness, status, expect_save(harness));
    load(harness, is_file ? path : NULL, &harness->after);
    bool is_in_place = status == HF_IO && failure_injected(harness) && harness->failing_way != 0;
    bool is_as_before = image_is_alike(&harness->before, &harness->after);
    if (status == HF_OK || (is_in_place && !is_as_before))
        check_saved(harness);
    else if (!is_as_before)
        fail(harness, "a save that failed has changed the file");
}

/* ------------------------------------------------------------------ appending ------------- */

/* In the next page, but a snapshot's own view stays while anything of it is used. */
static size_t next_page(const struct harness *harness, const struct image_model *model) {
    if (model->used == 0) return 0;
    size_t page = (model->used + harness->page_size - 1) / harness->page_size * harness->page_size;
    return page > model->shown ? page : model->shown;
}

static status_set expect_append(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    image_path path = harness->operation->path;
    size_t room = model->reserved - next_page(harness, model), size = harness->before.size;
    bool is_access = harness->operation->access != HF_READ_WRITE;
    if (path == IMAGE_PATH_NULL || path == IMAGE_PATH_BLANK)
        return STATUS(INVALID) | STATUS(UNSUPPORTED);
    if (!is_access) return STATUS(INVALID);
    if (model->way == WAY_READ_WRITE || model->way == WAY_READ_ONLY) return STATUS(UNSUPPORTED);
    if (path == IMAGE_PATH_FOLDER) return STATUS(UNSUPPORTED);
    if (path == IMAGE_PATH_NO_PARENT || !harness->before.exists) return STATUS(IO);
    return size <= room ? STATUS(OK) : STATUS(RESERVE_FULL);
}

static void appended(struct harness *harness, const char *data, size_t size) {
    struct image_model *model = model_of(harness);
    size_t offset = next_page(harness, model), used = hf_get_mark(arena_of(harness));
    if (size != harness->before.size) fail(harness, "the file has another size");
    if (size == 0 && used != model->used) fail(harness, "nothing moved pos");
    if (size == 0) return;
    if (data != model->base + offset) fail(harness, "the file is not at the next page");
    model->used =
        offset + (size + harness->page_size - 1) / harness->page_size * harness->page_size;
    if (model->used != used) fail(harness, "pos is not at the page behind the file");
    if (offset == 0) model->shown = 0;
    struct block *block = add_block(harness, offset, size);
    block->end = used;
    block->file = harness->files[harness->operation->path];
    block->may_store = harness->operation->access == HF_COPY_ON_WRITE;
    memcpy(model->bytes + offset, harness->before.bytes, size);
}

/* A file that changes under a view is another matter, and so is one block too many. */
static bool cannot_append(struct harness *harness) {
    const struct image_model *model = model_of(harness);
    bool exclusively = false;
    if (harness->operation->path < PATHS_OF_FILES)
        is_image_of_some(harness, harness->files[harness->operation->path], &exclusively);
    return exclusively || model->count == IMAGE_BLOCKS ||
           model->used + harness->before.size > IMAGE_MOST_USED;
}

static void run_append(struct harness *harness) {
    const char *path = path_of(harness);
    void *data = NULL;
    size_t size = SIZE_MAX;
    load(harness, harness->operation->path < PATHS_OF_FILES ? path : NULL, &harness->before);
    if (cannot_append(harness)) return;
    hf_status status =
        hf_arena_append_file(arena_of(harness), path, harness->operation->access, &data, &size);
    check_status(harness, status, expect_append(harness));
    if (status == HF_OK) appended(harness, data, size);
}

/* ------------------------------------------------------------------ harm ------------------ */

static void run_damage(struct harness *harness) {
    const char *path = path_of(harness);
    image_damage damage = image_damage_of(harness->operation);
    if (harness->operation->path >= PATHS_OF_FILES || is_used(harness, harness->operation->path))
        return;
    load(harness, path, &harness->before);
    harness->after.exists = harness->before.exists;
    image_do_damage(&harness->before, &damage);
    if (!harness->before.exists && !harness->after.exists) return;
    if (!image_store(path, &harness->before)) fail(harness, "%s can't be damaged", path);
    if (harness->before.exists != harness->after.exists)
        renew_file(harness, harness->operation->path);
}

static void run_holes(struct harness *harness) {
    const char *path = path_of(harness);
    if (harness->operation->path >= PATHS_OF_FILES || is_used(harness, harness->operation->path))
        return;
    load(harness, path, &harness->before);
    if (harness->before.exists && !image_store_sparse(path, &harness->before))
        fail(harness, "%s can't be made sparse", path);
}

/* By a copy of the file, or by none. */
static void run_replace(struct harness *harness) {
    const char *path = path_of(harness);
    char copy[512];
    if (harness->operation->path >= PATHS_OF_FILES || !host_frees_names()) return;
    load(harness, path, &harness->before);
    if (!harness->before.exists) return;
    snprintf(copy, sizeof copy, "%s/copy", harness->folder);
    bool is_done = harness->operation->number % 2
                       ? remove(path) == 0
                       : image_store(copy, &harness->before) && host_replace(copy, path);
    if (!is_done) fail(harness, "%s can't be replaced", path);
    renew_file(harness, harness->operation->path);
}

static void run_tamper(struct harness *harness) {
    harness->plan = image_damage_of(harness->operation);
    harness->plan_countdown = 1 + harness->operation->number / 8 % 8;
}

static void run_fail(struct harness *harness) {
    unsigned number = harness->operation->number;
    if (harness->strict) hf_strict_fail(harness->strict, number / 2, number & 1);
}

static void run_fail_as(struct harness *harness) {
    harness->failing_way = harness->operation->number % 4;
    if (harness->strict) hf_strict_fail_as(harness->strict, harness->failing_way);
}

static void run_fail_sync(struct harness *harness) {
    harness->tamper.sync_countdown = harness->operation->number % 8;
    harness->tamper.sync_status = harness->operation->choices & 1 ? HF_NO_SPACE : HF_IO;
}

/* ------------------------------------------------------------------ running --------------- */

/* Kinds that an arena may be closed for. */
static bool run_any(struct harness *harness) {
    switch (harness->operation->kind) {
    case IMAGE_OPEN_FILE: run_open_file(harness); return true;
    case IMAGE_OPEN: run_open(harness); return true;
    case IMAGE_CLOSE: close_arena(harness); return true;
    case IMAGE_SYNC: run_sync(harness); return true;
    case IMAGE_DAMAGE: run_damage(harness); return true;
    case IMAGE_TAMPER: run_tamper(harness); return true;
    case IMAGE_FAIL: run_fail(harness); return true;
    case IMAGE_HOLES: run_holes(harness); return true;
    case IMAGE_FORK: run_fork(harness); return true;
    case IMAGE_REPLACE: run_replace(harness); return true;
    case IMAGE_FAIL_SYNC: run_fail_sync(harness); return true;
    case IMAGE_FAIL_AS: run_fail_as(harness); return true;
    default: return false;
    }
}

static void run_on_open(struct harness *harness) {
    switch (harness->operation->kind) {
    case IMAGE_ALLOC: run_alloc(harness); break;
    case IMAGE_EXTEND: run_extend(harness); break;
    case IMAGE_STORE: run_store(harness); break;
    case IMAGE_REWIND: run_rewind(harness); break;
    case IMAGE_RESET: run_reset(harness); break;
    case IMAGE_TRIM: run_trim(harness); break;
    case IMAGE_SET_ROOT: run_set_root(harness); break;
    case IMAGE_SAVE: run_save(harness); break;
    case IMAGE_APPEND: run_append(harness); break;
    default: break;
    }
}

/* Every arena open is a record, a lock and, on strict, its regions; every image a file. */
static void check_strict(struct harness *harness) {
    if (!harness->strict) return;
    hf_strict_stats stats = hf_strict_get_stats(harness->strict);
    bool some_open = false;
    for (size_t i = 0; i < IMAGE_ARENAS; i++) some_open = some_open || harness->models[i].open;
    if (stats.violations != 0) fail(harness, "a rule of the system was broken");
    if (hf_strict_get_stats(harness->under).violations != 0) fail(harness, "strict broke a rule");
    if (!some_open && (stats.regions || stats.pages || stats.files || stats.locks))
        fail(harness, "left %zu regions, %zu bytes of records, %zu files, %zu locks", stats.regions,
             stats.pages, stats.files, stats.locks);
}

static void run_operation(struct harness *harness, const image_operation *operation) {
    begin(harness, operation);
    harness->results[operation->index] = -1;
    if (!run_any(harness) && model_of(harness)->open) run_on_open(harness);
    check_arena(harness, true);
    check_strict(harness);
}

static void close_all(struct harness *harness) {
    static image_operation closing;
    closing = harness->operation ? *harness->operation : (image_operation){.index = 0};
    end_failures(harness);
    for (unsigned i = 0; i < IMAGE_ARENAS; i++) {
        closing.arena = i;
        begin(harness, &closing);
        close_arena(harness);
    }
    check_strict(harness);
}

static struct harness *harness_of_visit;

static void visit_left(const char *path) {
    const char *name = strrchr(path, '/');
    if (strstr(name ? name : path, ".saving")) fail(harness_of_visit, "%s was left", path);
}

static void clean_up(struct harness *harness) {
    char text[512];
    harness_of_visit = harness;
    host_visit(harness->folder, visit_left);
    for (image_path path = IMAGE_PATH_FIRST; path < PATHS_OF_FILES; path++)
        remove(image_path_text(harness->folder, path, text, sizeof text));
}

static void start(struct harness *harness, const char *name) {
    harness->name = name;
    harness->folder = host_get()->folder;
    harness->operation = NULL;
    harness->strict = harness->under = NULL;
    harness->plan_countdown = harness->tamper.countdown = 0;
    harness->tamper.has_tampered = false;
    harness->tamper.sync_countdown = harness->tamper.failed_syncs = 0;
    harness->forks = 0;
    harness->failing_way = 0;
    tamper_init(&harness->tamper);
    harness->backend = &harness->tamper.backend;
    harness->page_size = harness->backend->page_size(harness->backend);
    for (size_t i = 0; i < IMAGE_ARENAS; i++) harness->models[i].open = false;
    memset(harness->arenas, 0, sizeof harness->arenas);
    for (size_t i = 0; i < PATHS_OF_FILES; i++) renew_file(harness, (image_path)i);
}

static void run(struct harness *harness, const uint8_t *data, size_t size) {
    size_t operations = size / OPERATION_BYTES;
    if (operations > MOST_OPERATIONS) operations = MOST_OPERATIONS;
    for (size_t i = 0; i < operations; i++) {
        harness->program[i] = image_decode(data + i * OPERATION_BYTES, i);
        run_operation(harness, &harness->program[i]);
    }
    close_all(harness);
    clean_up(harness);
}

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("fuzz_image: hf_strict_open failed\n", stderr);
    abort();
}

static void check_nothing_left(struct harness *harness, hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (stats.regions != 0 || stats.pages != 0 || stats.files != 0 || stats.locks != 0)
        fail(harness, "left %zu regions, %zu bytes of records, %zu files, %zu locks", stats.regions,
             stats.pages, stats.files, stats.locks);
}

static void run_strict(struct harness *harness, const uint8_t *data, size_t size) {
    start(harness, "strict");
    open_strict(&harness->under, harness->backend);
    open_strict(&harness->strict, harness->under);
    harness->backend = harness->strict;
    run(harness, data, size);
    check_nothing_left(harness, harness->strict);
    hf_strict_close(harness->strict);
    check_nothing_left(harness, harness->under);
    hf_strict_close(harness->under);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct harness harness;
    start(&harness, "native");
    run(&harness, data, size);
    run_strict(&harness, data, size);
    return 0;
}
