/*
 * fuzz_image.c -- runs a program of calls on arenas in files over two backends, and does harm to
 * the files.
 *
 * What must hold: a file that an image promises to be opens, as it is; any other is refused with a
 * status that the header names, nothing is left of the attempt, and the file is as it was. A
 * snapshot and a frozen arena leave the file as it is, whatever is done with them. What a sync, a
 * save or a close wrote is an image of the arena at that time. After a sync that failed, every
 * later one fails alike and the file stays as it is. A forked child reads what its parent has open
 * and writes none of it. Over strict, calls fail on demand.
 */
#include "host.h"
#include "image_lane.h"
#include "system.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ------------------------------------------------------------------ opening --------------- */

static void start_model(struct lane *lane, arena_way way, const hf_arena_options *options) {
    struct image_model *model = model_of(lane);
    hf_arena *arena = arena_of(lane);
    model->open = true;
    model->way = way;
    model->path = lane->operation->path;
    model->file = way == WAY_PRIVATE ? 0 : lane->files[model->path];
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
    model->is_ambushed = false;
    model->failed_sync = HF_OK;
    model->count = 0;
}

/* A frozen arena's addresses are more than what it shows. */
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
static status_set expect_base(const struct lane *lane, uintptr_t base, size_t size) {
    status_set expected =
        is_free_of_others(base, size) ? STATUS(OK) : STATUS(OK) | STATUS(NO_ADDRESS);
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        if (overlaps(&lane->models[i], base, 1)) return STATUS(NO_ADDRESS);
        if (overlaps(&lane->models[i], base, size)) expected |= STATUS(NO_ADDRESS);
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

static status_set expect_new(const struct lane *lane, const hf_arena_options *options) {
    uintptr_t base = (uintptr_t)options->base;
    size_t reserve = reserve_of(options, 0);
    if (!is_sound(options)) return STATUS(INVALID);
    if (base > UINTPTR_MAX - reserve) return STATUS(INVALID) | STATUS(NO_ADDRESS);
    return base ? expect_base(lane, base, reserve) : STATUS(OK);
}

/* All that is wrong at once; OK if nothing is. */
static status_set expect_known(const struct lane *lane, const hf_arena_options *options,
                               const struct image_record *record) {
    uintptr_t base = (uintptr_t)options->base, lay = (uintptr_t)record->base;
    uint64_t mapped = image_padded(record->used);
    size_t reserve = reserve_of(options, mapped);
    status_set refusals = 0;
    bool grows = lane->operation->access != HF_READ_ONLY;
    if (grows && reserve < mapped && image_padded(reserve) < mapped)
        refusals |= STATUS(RESERVE_FULL);
    if (base && base != lay && !options->any_base) refusals |= STATUS(INVALID);
    if (refusals || options->any_base) return refusals ? refusals : STATUS(OK);
    return expect_base(lane, lay, grows ? reserve : (size_t)mapped + HF_IMAGE_BEGIN);
}

static status_set expect_path(const struct lane *lane, const hf_arena_options *options) {
    const image_operation *operation = lane->operation;
    bool is_access =
        operation->access <= HF_COPY_ON_WRITE && operation->twist != IMAGE_TWIST_ACCESS;
    if (operation->path == IMAGE_PATH_NULL || operation->path == IMAGE_PATH_BLANK)
        return STATUS(INVALID);
    if (!is_access || !is_sound(options)) return STATUS(INVALID);
    if (operation->path == IMAGE_PATH_FOLDER) return STATUS(UNSUPPORTED);
    if (operation->path == IMAGE_PATH_NO_PARENT) return STATUS(IO);
    bool makes_it = operation->access == HF_READ_WRITE;
    return lane->before.exists || makes_it ? 0 : STATUS(IO);
}

static bool is_locked(const struct lane *lane) {
    bool exclusively,
        has_some = is_image_of_some(lane, lane->files[lane->operation->path], &exclusively);
    return exclusively || (has_some && lane->operation->access == HF_READ_WRITE);
}

static bool makes_new(const struct lane *lane) {
    return lane->operation->access == HF_READ_WRITE && image_is_blank(&lane->before);
}

/* More addresses than there are, or so near their end, may be refused or fall back. */
static status_set expect_open_file(const struct lane *lane, const hf_arena_options *options) {
    struct image_record record;
    status_set refusals = expect_path(lane, options);
    if (refusals) return refusals;
    if (is_locked(lane)) return STATUS(BUSY);
    if (makes_new(lane)) return expect_new(lane, options);
    refusals = image_judge(&lane->before, options->tag, &record);
    return refusals ? refusals : expect_known(lane, options, &record);
}

/* A truncated file would fault: a thing that the header warns of. */
static void mend(struct lane *lane) {
    size_t needed = HF_IMAGE_BEGIN + (size_t)image_padded(model_of(lane)->used);
    if (!lane->after.exists || lane->after.size >= needed) return;
    memset(lane->after.bytes + lane->after.size, 0, needed - lane->after.size);
    lane->after.size = needed;
    if (!image_store(lane->ambush.path, &lane->after)) fail(lane, "a file can't be mended");
}

static void check_new_image(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    if (model->used != 0 || model->root != 0) fail(lane, "a new image is not empty");
    check_image(lane, &lane->after, false);
    check_length(lane);
}

/* A store finds no hole in the file of a persistent arena: the disk could be full. */
static void check_filled(struct lane *lane) {
    if (lane->operation->access != HF_READ_WRITE) return;
    size_t allocated = host_allocated_bytes(path_of(lane));
    if (allocated < lane->after.size)
        fail(lane, "of %zu bytes only %zu are allocated", lane->after.size, allocated);
}

static void check_known_image(struct lane *lane, const hf_arena_options *options) {
    struct image_model *model = model_of(lane);
    struct image_record record;
    image_judge(&lane->before, options->tag, &record);
    if (model->used != record.used || model->root != record.root)
        fail(lane, "opened with another mark or root");
    if (!options->any_base && (uintptr_t)model->base != record.base)
        fail(lane, "opened at another base");
    model->home = record.base;
    if (lane->operation->access == HF_READ_WRITE)
        lane->before.size = HF_IMAGE_BEGIN + (size_t)image_padded(record.used);
    if (!image_is_alike(&lane->before, &lane->after)) fail(lane, "opening changed the image");
    check_filled(lane);
}

static void take_contents(struct lane *lane, const void *bytes) {
    struct image_model *model = model_of(lane);
    if (model->used == 0) return;
    add_block(lane, 0, model->used)->may_store = model->way != WAY_READ_ONLY;
    memcpy(model->bytes, bytes, model->used);
}

static bool is_same_record(const struct image_record *a, const struct image_record *b) {
    return a->sequence == b->sequence && a->base == b->base && a->used == b->used &&
           a->root == b->root && a->tag == b->tag;
}

/* What a crash left behind the last sync is cut off before it is mapped. */
static bool is_cut_size(const struct lane *lane, const struct image_record *record, size_t size) {
    return lane->operation->access == HF_READ_WRITE &&
           size == HF_IMAGE_BEGIN + (size_t)image_padded(record->used);
}

/* The file changed before it was mapped, or looked at for the last time: it must have been sound
 * then, and if it was looked at before, too, the same. */
static void check_ambushed(struct lane *lane, uint64_t tag) {
    const struct ambush *ambush = &lane->ambush;
    struct image_record now, before;
    bool is_new = lane->operation->access == HF_READ_WRITE && image_is_blank(&ambush->file);
    bool is_seen = ambush->is_measured && ambush->is_read;
    if (!makes_new(lane)) is_seen = is_seen || ambush->is_mapped;
    if (!is_seen || ambush->is_unseen || !lane->after.exists || is_new) return;
    if (image_judge(&ambush->file, tag, &now) != 0) fail(lane, "opened what is no image");
    if (!ambush->is_read_before) return;
    bool was_sound = image_judge(&lane->before, tag, &before) == 0;
    bool is_as_long =
        ambush->file.size == lane->before.size || is_cut_size(lane, &before, ambush->file.size);
    if (!was_sound || !is_same_record(&now, &before) || !is_as_long)
        fail(lane, "opened what had changed meanwhile");
}

static void opened(struct lane *lane, const hf_arena_options *options) {
    static const arena_way ways[] = {WAY_READ_WRITE, WAY_READ_ONLY, WAY_SNAPSHOT};
    struct image_model *model = model_of(lane);
    start_model(lane, ways[lane->operation->access], options);
    image_copy(&model->as_opened, &lane->after);
    model->is_ambushed = lane->ambush.has_struck;
    if (model->is_ambushed) {
        check_ambushed(lane, options->tag);
        mend(lane);
        take_contents(lane, model->base);
    } else if (makes_new(lane)) {
        check_new_image(lane);
    } else {
        check_known_image(lane, options);
        take_contents(lane, lane->before.bytes + HF_IMAGE_BEGIN);
    }
}

static bool is_cut(const struct lane *lane, const struct image_bytes *expected, uint64_t tag) {
    struct image_record record;
    const struct image_bytes *after = &lane->after;
    return image_judge(expected, tag, &record) == 0 && is_cut_size(lane, &record, after->size) &&
           after->size < expected->size && memcmp(after->bytes, expected->bytes, after->size) == 0;
}

/* As it was, or cut; one that was to be made is empty, or if the undo was refused too, made. */
static void check_untouched(struct lane *lane, uint64_t tag) {
    struct image_record record;
    const struct image_bytes *expected =
        lane->ambush.has_struck ? &lane->ambush.file : &lane->before;
    if (image_is_alike(expected, &lane->after) || is_cut(lane, expected, tag)) return;
    if (lane->ambush.is_unseen || (lane->ambush.has_struck && refused(lane))) return;
    bool may_change = lane->operation->access == HF_READ_WRITE && image_is_blank(expected);
    if (may_change && lane->after.size == 0) return;
    bool is_undone = failures_met(lane) < (has_views() ? 2 : 1);
    if (may_change && !is_undone && image_is_blank(&lane->after)) return;
    if (may_change && !is_undone && image_judge(&lane->after, tag, &record) == 0) return;
    fail(lane, "a refused opening has changed the file");
}

/* Whether harm done to the file would show in an arena. */
static bool is_used(const struct lane *lane, image_path path) {
    bool exclusively;
    size_t file = lane->files[path];
    return is_image_of_some(lane, file, &exclusively) || is_appended_by_some(lane, file);
}

static void plan_ambush(struct lane *lane, const char *path) {
    struct ambush *ambush = &lane->ambush;
    ambush->has_struck = ambush->is_read_before = ambush->is_unseen = false;
    ambush->is_measured = ambush->is_read = ambush->is_mapped = false;
    ambush->countdown = lane->plan_countdown;
    ambush->damage = lane->plan;
    lane->plan_countdown = 0;
    bool lingers = lane->plan.kind == DAMAGE_REMOVE && !host_frees_names();
    bool is_file = lane->operation->path < PATHS_OF_FILES;
    if (is_file && !lingers && !is_used(lane, lane->operation->path))
        snprintf(ambush->path, sizeof ambush->path, "%s", path);
    else
        ambush->countdown = 0;
}

static uintptr_t known_base(const struct lane *lane) {
    uint64_t base = 0;
    if (lane->before.size >= HF_IMAGE_BEGIN) memcpy(&base, lane->before.bytes + 32, sizeof base);
    return (uintptr_t)base;
}

static bool is_skipped(const struct lane *lane) {
    const image_operation *operation = lane->operation;
    return operation->path < PATHS_OF_FILES && operation->access == HF_READ_WRITE &&
           is_appended_by_some(lane, lane->files[operation->path]);
}

/* What a file can become while it is opened, there are many reasons to refuse. */
static status_set with_ambush(const struct lane *lane, status_set expected) {
    if (!lane->ambush.has_struck) return expected;
    return expected | STATUS(OK) | STATUS(CORRUPT) | STATUS(UNSUPPORTED) | STATUS(IO) |
           STATUS(RESERVE_FULL) | STATUS(NO_ADDRESS) | STATUS(INVALID);
}

/* Where addresses take memory, the default would be most of what a program does. */
static hf_arena_options options_of(const struct lane *lane, uintptr_t known) {
    hf_arena_options options = image_options(lane->operation, known);
    options.backend = lane->backend;
    if (options.reserve == 0 && host_pays_for_addresses()) options.reserve = MODEST_RESERVE;
    return options;
}

static void run_open_file(struct lane *lane) {
    const char *path = path_of(lane);
    bool is_file = lane->operation->path < PATHS_OF_FILES;
    close_arena(lane);
    if (is_skipped(lane)) return;
    load(lane, is_file ? path : NULL, &lane->before);
    hf_arena_options options = options_of(lane, known_base(lane));
    hf_access access = lane->operation->twist == IMAGE_TWIST_ACCESS ? (hf_access)(3 + options.tag)
                                                                    : lane->operation->access;
    status_set expected = expect_open_file(lane, &options);
    if (options.reserve > SIZE_MAX / 4 && expected & STATUS(OK)) expected |= STATUS(NO_ADDRESS);
    plan_ambush(lane, path);
    hf_status status = hf_arena_open_file(arena_of(lane), path, access, &options);
    lane->ambush.countdown = 0;
    check_status(lane, status, with_ambush(lane, expected));
    load(lane, is_file ? path : NULL, &lane->after);
    if (is_file && lane->before.exists != lane->after.exists)
        renew_file(lane, lane->operation->path);
    if (status == HF_OK)
        opened(lane, &options);
    else if (is_file)
        check_untouched(lane, options.tag);
    if (status == HF_OK && !lane->after.exists) model_of(lane)->file = ++lane->last_file;
}

static void run_open(struct lane *lane) {
    hf_arena_options options = options_of(lane, 0);
    close_arena(lane);
    status_set expected = expect_new(lane, &options);
    if (options.reserve > SIZE_MAX / 4) expected |= STATUS(NO_ADDRESS);
    hf_status status = hf_arena_open(arena_of(lane), &options);
    check_status(lane, status, expected);
    if (status == HF_OK) start_model(lane, WAY_PRIVATE, &options);
}

/* ------------------------------------------------------------------ allocating ------------ */

/* What surely fits must be granted, and what surely does not, not. */
static status_set expect_room(struct lane *lane, size_t size) {
    const struct image_model *model = model_of(lane);
    size_t room = model->way == WAY_READ_ONLY ? 0 : model->reserved - model->used;
    if (size > room) return STATUS(RESERVE_FULL);
    return room - size > 256 ? STATUS(OK) : STATUS(OK) | STATUS(RESERVE_FULL);
}

static bool is_too_large(struct lane *lane, size_t size) {
    const struct image_model *model = model_of(lane);
    bool may_fit = expect_room(lane, size) & STATUS(OK);
    return may_fit && (size > IMAGE_MOST_USED || model->used + size > IMAGE_MOST_USED);
}

static bool is_zero(const char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* An extension that is of no use goes, if that was not refused, too. */
static void check_file_size(struct lane *lane, size_t before) {
    const struct image_model *model = model_of(lane);
    if (failures_met(lane) > 1 || !has_own_file(lane, model)) return;
    load_own_file(lane, model);
    if (lane->after.size != before) fail(lane, "a refused allocation left the file longer");
}

static size_t file_size(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    if (!lane->strict || !has_own_file(lane, model)) return 0;
    load_own_file(lane, model);
    return lane->after.size;
}

static void run_alloc(struct lane *lane) {
    struct image_model *model = model_of(lane);
    size_t size = image_size(lane->operation, arena_of(lane));
    size_t align = (size_t)1 << lane->operation->choices / 2 % 7;
    bool zeroed = lane->operation->choices & 1;
    if (is_too_large(lane, size)) return;
    size_t size_before = file_size(lane);
    char *bytes = zeroed ? hf_alloc_zeroed(arena_of(lane), size, align)
                         : hf_alloc(arena_of(lane), size, align);
    hf_status status = bytes ? HF_OK : hf_last_error().status;
    check_status(lane, status, expect_room(lane, size));
    if (!bytes && lane->strict) check_file_size(lane, size_before);
    if (!bytes) return;
    size_t offset = (size_t)(bytes - model->base);
    if (offset < model->used || (uintptr_t)bytes % align != 0) fail(lane, "a block in the way");
    if (zeroed && !is_zero(bytes, size)) fail(lane, "a block that is not zero");
    model->used = hf_get_mark(arena_of(lane));
    struct block *block = add_block(lane, offset, size);
    block->is_own = true;
    fill_block(lane, block, 0);
}

static void forget_root(struct lane *lane, size_t mark) {
    struct image_model *model = model_of(lane);
    if (model->root > mark) model->root = 0;
}

static void run_extend(struct lane *lane) {
    struct image_model *model = model_of(lane);
    if (model->count == 0 || !model->blocks[model->count - 1].is_own) return;
    struct block *block = &model->blocks[model->count - 1];
    size_t size = image_size(lane->operation, arena_of(lane)), old_size = block->size;
    size_t end = size < SIZE_MAX - block->offset ? block->offset + size : SIZE_MAX;
    size_t more = end > model->used ? end - model->used : 0;
    if (is_too_large(lane, more)) return;
    bool extended = hf_extend(arena_of(lane), model->base + block->offset, old_size, size);
    hf_status status = extended ? HF_OK : hf_last_error().status;
    check_status(lane, status, STATUS(OK) | STATUS(WRONG_STATE) | expect_room(lane, more));
    if (!extended && size <= old_size) fail(lane, "a block can't be made smaller");
    if (!extended) return;
    size_t old_used = model->used;
    model->used = hf_get_mark(arena_of(lane));
    if (model->used < old_used || hf_arena_root(arena_of(lane)) == NULL)
        forget_root(lane, block->offset + size);
    block->size = size;
    block->end = block->offset + size;
    if (size > old_size) fill_block(lane, block, old_size);
}

static void run_store(struct lane *lane) {
    struct image_model *model = model_of(lane);
    if (model->count == 0) return;
    struct block *block = &model->blocks[lane->operation->number % model->count];
    if (block->may_store)
        fill_block(lane, block, block->size > 0 ? lane->operation->value % block->size : 0);
}

/* ------------------------------------------------------------------ going back ------------ */

static size_t choose_mark(const struct lane *lane, const struct image_model *model) {
    const image_operation *operation = lane->operation;
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

/* After a refusal, or where rewound pages fault, pos is above the mark. */
static void went_back(struct lane *lane, size_t mark, hf_status status) {
    struct image_model *model = model_of(lane);
    size_t used = hf_get_mark(arena_of(lane)), old = model->used;
    size_t most = (old + lane->page_size - 1) / lane->page_size * lane->page_size;
    if (status == HF_OK && !model->is_faulting && used != mark) fail(lane, "went back elsewhere");
    if (used < mark || used > most) fail(lane, "went back, and is at %zu", used);
    model->used = used;
    if (status == HF_OK || hf_arena_root(arena_of(lane)) == NULL) forget_root(lane, mark);
    if (status == HF_OK)
        drop_blocks(model, mark);
    else
        lose_blocks(model, mark);
}

static void rewind_to(struct lane *lane, size_t mark, hf_status status, status_set expected) {
    check_status(lane, status, expected);
    if (status == HF_OK || !(expected & 1u << status)) went_back(lane, mark, status);
}

static void run_rewind(struct lane *lane) {
    size_t mark = choose_mark(lane, model_of(lane));
    status_set expected = expect_rewind(model_of(lane), mark);
    rewind_to(lane, mark, hf_rewind(arena_of(lane), mark), expected);
}

/* Nothing of it used, a snapshot's own view may go. */
static void note_views(struct lane *lane) {
    if (model_of(lane)->used == 0 && hf_arena_get_stats(arena_of(lane)).viewed == 0)
        model_of(lane)->shown = 0;
}

static void run_reset(struct lane *lane) {
    status_set expected = expect_rewind(model_of(lane), 0);
    rewind_to(lane, 0, hf_reset(arena_of(lane)), expected);
    note_views(lane);
}

static void run_trim(struct lane *lane) {
    check_status(lane, hf_trim(arena_of(lane), lane->operation->value), STATUS(OK));
    note_views(lane);
}

/* ------------------------------------------------------------------ images ---------------- */

static void run_set_root(struct lane *lane) {
    struct image_model *model = model_of(lane);
    unsigned value = lane->operation->value;
    const struct block *block =
        &model->blocks[model->count ? lane->operation->number % model->count : 0];
    size_t offset = model->count ? block->offset : 0;
    if (lane->operation->size_class % 4 == 1) offset += value;
    if (lane->operation->size_class % 4 == 2) offset = model->used + value;
    bool is_null = lane->operation->size_class % 4 == 3;
    bool is_ours = is_null || offset < model->used;
    status_set expected = !is_ours                      ? STATUS(INVALID)
                          : model->way == WAY_READ_ONLY ? STATUS(WRONG_STATE)
                                                        : STATUS(OK);
    hf_status status = hf_arena_set_root(arena_of(lane), is_null ? NULL : model->base + offset);
    check_status(lane, status, expected);
    if (status == HF_OK) model->root = is_null ? 0 : offset + 1;
}

/* A sync that failed is never followed by one that succeeds. */
static status_set expect_sync(const struct lane *lane, const struct image_model *model) {
    if (!model->open || model->way != WAY_READ_WRITE) return STATUS(WRONG_STATE);
    if (model->failed_sync != HF_OK) return 1u << model->failed_sync;
    if (is_found(lane, model)) return STATUS(OK);
    return host_frees_names() ? STATUS(IO) : STATUS(IO) | STATUS(OK);
}

static void run_sync(struct lane *lane) {
    struct image_model *model = model_of(lane);
    bool is_read_write = model->open && model->way == WAY_READ_WRITE;
    hf_status status = hf_arena_sync(arena_of(lane));
    check_status(lane, status, expect_sync(lane, model));
    if (is_read_write && has_own_file(lane, model)) {
        load_own_file(lane, model);
        check_image(lane, &lane->after, status != HF_OK);
    }
    if (is_read_write) model->failed_sync = status;
}

static status_set expect_save(struct lane *lane) {
    image_path path = lane->operation->path;
    if (!model_of(lane)->open || path == IMAGE_PATH_NULL || path == IMAGE_PATH_BLANK)
        return STATUS(INVALID);
    if (path == IMAGE_PATH_FOLDER) return STATUS(IO) | STATUS(UNSUPPORTED);
    if (path == IMAGE_PATH_NO_PARENT) return STATUS(IO);
    return is_written(lane, path) ? STATUS(BUSY) : STATUS(OK);
}

static void run_save(struct lane *lane) {
    const char *path = path_of(lane);
    bool is_file = lane->operation->path < PATHS_OF_FILES;
    if (model_of(lane)->used > IMAGE_MOST_USED * 2) return;
    load(lane, is_file ? path : NULL, &lane->before);
    hf_status status = hf_arena_save(arena_of(lane), path);
    check_status(lane, status, expect_save(lane));
    load(lane, is_file ? path : NULL, &lane->after);
    bool is_in_place = status == HF_IO && refused(lane) && lane->failing_way != 0;
    bool is_as_before = image_is_alike(&lane->before, &lane->after);
    if (status == HF_OK || (is_in_place && !is_as_before))
        check_saved(lane);
    else if (!is_as_before)
        fail(lane, "a refused save has changed the file");
}

/* ------------------------------------------------------------------ appending ------------- */

/* In the next page, but a snapshot's own view stays while anything of it is used. */
static size_t next_page(const struct lane *lane, const struct image_model *model) {
    if (model->used == 0) return 0;
    size_t page = (model->used + lane->page_size - 1) / lane->page_size * lane->page_size;
    return page > model->shown ? page : model->shown;
}

static status_set expect_append(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    image_path path = lane->operation->path;
    size_t room = model->reserved - next_page(lane, model), size = lane->before.size;
    bool is_access = lane->operation->access != HF_READ_WRITE;
    if (path == IMAGE_PATH_NULL || path == IMAGE_PATH_BLANK)
        return STATUS(INVALID) | STATUS(UNSUPPORTED);
    if (!is_access) return STATUS(INVALID);
    if (model->way == WAY_READ_WRITE || model->way == WAY_READ_ONLY) return STATUS(UNSUPPORTED);
    if (path == IMAGE_PATH_FOLDER) return STATUS(UNSUPPORTED);
    if (path == IMAGE_PATH_NO_PARENT || !lane->before.exists) return STATUS(IO);
    return size <= room ? STATUS(OK) : STATUS(RESERVE_FULL);
}

static void appended(struct lane *lane, const char *data, size_t size) {
    struct image_model *model = model_of(lane);
    size_t offset = next_page(lane, model), used = hf_get_mark(arena_of(lane));
    if (size != lane->before.size) fail(lane, "the file has another size");
    if (size == 0 && used != model->used) fail(lane, "nothing moved pos");
    if (size == 0) return;
    if (data != model->base + offset) fail(lane, "the file is not at the next page");
    model->used = offset + (size + lane->page_size - 1) / lane->page_size * lane->page_size;
    if (model->used != used) fail(lane, "pos is not at the page behind the file");
    if (offset == 0) model->shown = 0;
    struct block *block = add_block(lane, offset, size);
    block->end = used;
    block->file = lane->files[lane->operation->path];
    block->may_store = lane->operation->access == HF_COPY_ON_WRITE;
    memcpy(model->bytes + offset, lane->before.bytes, size);
}

/* A file that changes under a view is another matter, and so is one block too many. */
static bool cannot_append(struct lane *lane) {
    const struct image_model *model = model_of(lane);
    bool exclusively = false;
    if (lane->operation->path < PATHS_OF_FILES)
        is_image_of_some(lane, lane->files[lane->operation->path], &exclusively);
    return exclusively || model->count == IMAGE_BLOCKS ||
           model->used + lane->before.size > IMAGE_MOST_USED;
}

static void run_append(struct lane *lane) {
    const char *path = path_of(lane);
    void *data = NULL;
    size_t size = SIZE_MAX;
    load(lane, lane->operation->path < PATHS_OF_FILES ? path : NULL, &lane->before);
    if (cannot_append(lane)) return;
    hf_status status =
        hf_arena_append_file(arena_of(lane), path, lane->operation->access, &data, &size);
    check_status(lane, status, expect_append(lane));
    if (status == HF_OK) appended(lane, data, size);
}

/* ------------------------------------------------------------------ harm ------------------ */

static void run_damage(struct lane *lane) {
    const char *path = path_of(lane);
    image_damage damage = image_damage_of(lane->operation);
    if (lane->operation->path >= PATHS_OF_FILES || is_used(lane, lane->operation->path)) return;
    load(lane, path, &lane->before);
    lane->after.exists = lane->before.exists;
    image_do_damage(&lane->before, &damage);
    if (!lane->before.exists && !lane->after.exists) return;
    if (!image_store(path, &lane->before)) fail(lane, "%s can't be damaged", path);
    if (lane->before.exists != lane->after.exists) renew_file(lane, lane->operation->path);
}

static void run_holes(struct lane *lane) {
    const char *path = path_of(lane);
    if (lane->operation->path >= PATHS_OF_FILES || is_used(lane, lane->operation->path)) return;
    load(lane, path, &lane->before);
    if (lane->before.exists && !image_store_sparse(path, &lane->before))
        fail(lane, "%s can't be made sparse", path);
}

/* By a copy of the file, or by none. */
static void run_replace(struct lane *lane) {
    const char *path = path_of(lane);
    char copy[512];
    if (lane->operation->path >= PATHS_OF_FILES || !host_frees_names()) return;
    load(lane, path, &lane->before);
    if (!lane->before.exists) return;
    snprintf(copy, sizeof copy, "%s/copy", lane->folder);
    bool is_done = lane->operation->number % 2
                       ? remove(path) == 0
                       : image_store(copy, &lane->before) && host_replace(copy, path);
    if (!is_done) fail(lane, "%s can't be replaced", path);
    renew_file(lane, lane->operation->path);
}

static void run_ambush(struct lane *lane) {
    lane->plan = image_damage_of(lane->operation);
    lane->plan_countdown = 1 + lane->operation->number / 8 % 8;
}

static void run_fail(struct lane *lane) {
    unsigned number = lane->operation->number;
    if (lane->strict) hf_strict_fail(lane->strict, number / 2, number & 1);
}

static void run_fail_as(struct lane *lane) {
    lane->failing_way = lane->operation->number % 4;
    if (lane->strict) hf_strict_fail_as(lane->strict, lane->failing_way);
}

static void run_fail_sync(struct lane *lane) {
    lane->ambush.sync_countdown = lane->operation->number % 8;
    lane->ambush.sync_status = lane->operation->choices & 1 ? HF_NO_SPACE : HF_IO;
}

/* ------------------------------------------------------------------ running --------------- */

/* Kinds that an arena may be closed for. */
static bool run_any(struct lane *lane) {
    switch (lane->operation->kind) {
    case IMAGE_OPEN_FILE: run_open_file(lane); return true;
    case IMAGE_OPEN: run_open(lane); return true;
    case IMAGE_CLOSE: close_arena(lane); return true;
    case IMAGE_SYNC: run_sync(lane); return true;
    case IMAGE_DAMAGE: run_damage(lane); return true;
    case IMAGE_AMBUSH: run_ambush(lane); return true;
    case IMAGE_FAIL: run_fail(lane); return true;
    case IMAGE_HOLES: run_holes(lane); return true;
    case IMAGE_FORK: run_fork(lane); return true;
    case IMAGE_REPLACE: run_replace(lane); return true;
    case IMAGE_FAIL_SYNC: run_fail_sync(lane); return true;
    case IMAGE_FAIL_AS: run_fail_as(lane); return true;
    default: return false;
    }
}

static void run_on_open(struct lane *lane) {
    switch (lane->operation->kind) {
    case IMAGE_ALLOC: run_alloc(lane); break;
    case IMAGE_EXTEND: run_extend(lane); break;
    case IMAGE_STORE: run_store(lane); break;
    case IMAGE_REWIND: run_rewind(lane); break;
    case IMAGE_RESET: run_reset(lane); break;
    case IMAGE_TRIM: run_trim(lane); break;
    case IMAGE_SET_ROOT: run_set_root(lane); break;
    case IMAGE_SAVE: run_save(lane); break;
    case IMAGE_APPEND: run_append(lane); break;
    default: break;
    }
}

/* Every arena open is a record, a lock and, on strict, its pieces; every image a file. */
static void check_strict(struct lane *lane) {
    if (!lane->strict) return;
    hf_strict_stats stats = hf_strict_get_stats(lane->strict);
    bool some_open = false;
    for (size_t i = 0; i < IMAGE_ARENAS; i++) some_open = some_open || lane->models[i].open;
    if (stats.violations != 0) fail(lane, "a rule of the system was broken");
    if (hf_strict_get_stats(lane->under).violations != 0) fail(lane, "strict broke a rule");
    if (!some_open && (stats.pieces || stats.pages || stats.files || stats.locks))
        fail(lane, "left %zu pieces, %zu bytes of records, %zu files, %zu locks", stats.pieces,
             stats.pages, stats.files, stats.locks);
}

static void run_operation(struct lane *lane, const image_operation *operation) {
    begin(lane, operation);
    lane->results[operation->index] = -1;
    if (!run_any(lane) && model_of(lane)->open) run_on_open(lane);
    check_arena(lane, true);
    check_strict(lane);
}

static void close_all(struct lane *lane) {
    static image_operation closing;
    closing = lane->operation ? *lane->operation : (image_operation){.index = 0};
    end_failures(lane);
    for (unsigned i = 0; i < IMAGE_ARENAS; i++) {
        closing.arena = i;
        begin(lane, &closing);
        close_arena(lane);
    }
    check_strict(lane);
}

static struct lane *lane_of_visit;

static void visit_left(const char *path) {
    const char *name = strrchr(path, '/');
    if (strstr(name ? name : path, ".saving")) fail(lane_of_visit, "%s was left", path);
}

static void clean_up(struct lane *lane) {
    char text[512];
    lane_of_visit = lane;
    host_visit(lane->folder, visit_left);
    for (image_path path = IMAGE_PATH_FIRST; path < PATHS_OF_FILES; path++)
        remove(image_path_text(lane->folder, path, text, sizeof text));
}

static void start(struct lane *lane, const char *name) {
    lane->name = name;
    lane->folder = host_get()->folder;
    lane->operation = NULL;
    lane->strict = lane->under = NULL;
    lane->plan_countdown = lane->ambush.countdown = 0;
    lane->ambush.has_struck = false;
    lane->ambush.sync_countdown = lane->ambush.failed_syncs = 0;
    lane->forks = 0;
    lane->failing_way = 0;
    ambush_init(&lane->ambush);
    lane->backend = &lane->ambush.backend;
    lane->page_size = lane->backend->page_size(lane->backend);
    for (size_t i = 0; i < IMAGE_ARENAS; i++) lane->models[i].open = false;
    memset(lane->arenas, 0, sizeof lane->arenas);
    for (size_t i = 0; i < PATHS_OF_FILES; i++) renew_file(lane, (image_path)i);
}

static void run(struct lane *lane, const uint8_t *data, size_t size) {
    size_t operations = size / OPERATION_BYTES;
    if (operations > MOST_OPERATIONS) operations = MOST_OPERATIONS;
    for (size_t i = 0; i < operations; i++) {
        lane->program[i] = image_decode(data + i * OPERATION_BYTES, i);
        run_operation(lane, &lane->program[i]);
    }
    close_all(lane);
    clean_up(lane);
}

static void open_strict(hf_backend **strict, const hf_backend *under) {
    if (hf_strict_open(strict, under) == HF_OK) return;
    fputs("fuzz_image: hf_strict_open failed\n", stderr);
    abort();
}

static void check_nothing_left(struct lane *lane, hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (stats.pieces != 0 || stats.pages != 0 || stats.files != 0 || stats.locks != 0)
        fail(lane, "left %zu pieces, %zu bytes of records, %zu files, %zu locks", stats.pieces,
             stats.pages, stats.files, stats.locks);
}

static void run_strict(struct lane *lane, const uint8_t *data, size_t size) {
    start(lane, "strict");
    open_strict(&lane->under, lane->backend);
    open_strict(&lane->strict, lane->under);
    lane->backend = lane->strict;
    run(lane, data, size);
    check_nothing_left(lane, lane->strict);
    hf_strict_close(lane->strict);
    check_nothing_left(lane, lane->under);
    hf_strict_close(lane->under);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct lane lane;
    start(&lane, "native");
    run(&lane, data, size);
    run_strict(&lane, data, size);
    return 0;
}
