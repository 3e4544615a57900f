/*
 * fuzz_image.c -- runs a program of calls on arenas in files, and damages the files.
 *
 *     operation:
 *         | kind | arena, path, access | size class | options | value (2) | twist | number |
 *
 *      arenas -> strict -> strict -> tamper -> native          (or without the two in the middle)
 *
 * A program has three arenas of any kind, and three files. A twist makes one argument wrong on
 * purpose. It checks:
 *
 *   - a file that is a sound image opens with its contents; any other fails with a status that the
 *     header names, leaves nothing behind and leaves the file as it is
 *   - a snapshot and a read-only arena never change their file
 *   - what a sync, a save or a close wrote is an image of the arena at that time
 *   - after a sync has failed, later ones fail with the same status and the file stays as it is
 *   - a forked child reads what its parent has open, and writes none of it
 *
 *      the program      bytes as operations, sizes, options
 *      reporting        what is printed when a check fails
 *      each operation   what the others begin and end with
 *      files            which arena has which file
 *      blocks           what the program has allocated and stored
 *      checking         arenas against their models, files against arenas
 *      closing
 *      expecting        how an opening must end
 *      opening
 *      allocating       hf_alloc, hf_extend, stores
 *      going back       hf_rewind, hf_reset, hf_trim
 *      images           root, sync, save
 *      appending        hf_arena_append_file
 *      damaging         files that no arena has
 *      forking
 *      running
 */
#include "tamper.h"

#include <stdlib.h>
#include <string.h>

enum {
    IMAGE_ARENAS = 3,
    IMAGE_BLOCKS = 64,
    MOST_USED = 1 << 20, /* of an arena */
    NEAR_END = 256,      /* so near the end of the reservation an allocation may fail */
    CHILD_BYTES = 100,
    IMAGE_FILES = 3 /* the first paths of program_path */
};

/* What the child of IMAGE_FORK does: bits of op->choices. */
enum {
    CHILD_GROWS = 1,
    CHILD_SYNCS = 2,
    CHILD_GOES_BACK = 4,
    CHILD_SAVES = 8,
    CHILD_CLOSES = 16,
    CHILD_USES_ALL = 32, /* all arenas, not only that of the operation */
    CHILD_LIVES_ON = 64  /* the parent closes its arena before the child does anything */
};

/* Each kind of operation: its name, its function, and whether that needs an open arena. The corpus
 * was begun with FIRST_KINDS of them: a byte that is no kind stands for one of those. */
#define COMMANDS(X)                                        \
    X(IMAGE_OPEN_FILE, "open_file", run_open_file, ALWAYS) \
    X(IMAGE_OPEN, "open", run_open, ALWAYS)                \
    X(IMAGE_CLOSE, "close", close_arena, ALWAYS)           \
    X(IMAGE_ALLOC, "alloc", run_alloc, IF_OPEN)            \
    X(IMAGE_EXTEND, "extend", run_extend, IF_OPEN)         \
    X(IMAGE_STORE, "store", run_store, IF_OPEN)            \
    X(IMAGE_REWIND, "rewind", run_rewind, IF_OPEN)         \
    X(IMAGE_RESET, "reset", run_reset, IF_OPEN)            \
    X(IMAGE_TRIM, "trim", run_trim, IF_OPEN)               \
    X(IMAGE_SYNC, "sync", run_sync, ALWAYS)                \
    X(IMAGE_SET_ROOT, "set_root", run_set_root, IF_OPEN)   \
    X(IMAGE_SAVE, "save", run_save, IF_OPEN)               \
    X(IMAGE_APPEND, "append", run_append, IF_OPEN)         \
    X(IMAGE_DAMAGE, "damage", run_damage, ALWAYS)          \
    X(IMAGE_TAMPER, "tamper", run_tamper, ALWAYS)          \
    X(IMAGE_FAIL, "fail", run_failing, ALWAYS)             \
    X(IMAGE_HOLES, "holes", run_holes, ALWAYS)             \
    X(IMAGE_FORK, "fork", run_a_fork, ALWAYS)              \
    X(IMAGE_REPLACE, "replace", run_replace, ALWAYS)       \
    X(IMAGE_FAIL_SYNC, "fail_sync", run_fail_sync, ALWAYS) \
    X(IMAGE_FAIL_AS, "fail_as", run_failing_as, ALWAYS)

typedef enum image_kind { COMMANDS(RUN_KIND) IMAGE_KINDS, FIRST_KINDS = 16 } image_kind;
static const char *const kind_names[] = {COMMANDS(RUN_NAME)};

typedef enum image_twist {
    IMAGE_TWIST_TAG,
    IMAGE_TWIST_BASE_GIVEN, /* the one in the image */
    IMAGE_TWIST_BASE_OTHER,
    IMAGE_TWIST_BASE_UNALIGNED,
    IMAGE_TWIST_LEAST_ABOVE,
    IMAGE_TWIST_RESERVE_HUGE,
    IMAGE_TWIST_ACCESS,
    IMAGE_TWIST_PATH, /* the first of four, one for each path that is no file */
    IMAGE_TWISTS = IMAGE_TWIST_PATH + 4
} image_twist;

/* IMAGE_DAMAGE changes a file that no arena has, IMAGE_TAMPER one in the middle of the next
 * IMAGE_OPEN_FILE, IMAGE_HOLES makes a file sparse, and IMAGE_REPLACE gives a path to another file,
 * even if an arena has the old one. */
struct operation {
    size_t index; /* in the program */
    image_kind kind;
    unsigned arena;
    program_path path;
    hf_access access; /* with IMAGE_TWIST_ACCESS an invalid one is passed */
    unsigned size_class;
    unsigned choices; /* of options, or of what a child does */
    unsigned value;   /* 16 bits */
    image_twist twist;
    unsigned number;
    int result; /* the status, or -1 */
};

/* Bytes whose contents are known. */
struct block {
    size_t offset, size;
    size_t end;     /* of a file: of its view, else of the block */
    size_t file;    /* an appended file; 0: none */
    bool may_store; /* false for a read-only view */
    bool is_own;    /* allocated, and its size is still the allocated one */
    bool is_lost;   /* after a rewind that failed: it may be there or not */
};

typedef enum arena_way { WAY_PRIVATE, WAY_READ_WRITE, WAY_SNAPSHOT, WAY_READ_ONLY } arena_way;

struct image_mark {
    size_t used, root; /* root: offset + 1, or 0 */
};

struct image_model {
    bool open;
    arena_way way;
    program_path path;
    size_t file; /* the file that was at the path when the arena was opened; 0: none */
    uint64_t tag;
    char *base;
    uint64_t home; /* the base that the image names: with any_base the arena may be elsewhere */
    size_t used, root, reserved;
    size_t shown;             /* end of the view that a snapshot was opened with */
    struct image_mark synced; /* what the file says */
    bool is_faulting;         /* fault_after_rewind */
    bool was_tampered_with;
    hf_status failed_sync; /* of a read-write arena: the status of the first sync that failed */
    struct block blocks[IMAGE_BLOCKS];
    size_t count;
    unsigned char bytes[IMAGE_FILE_BYTES]; /* contents of the blocks */
    struct image_bytes as_opened;          /* the file */
};

/* The program, and the arenas with their models. */
static struct operation program[MOST_OPERATIONS];
static hf_arena arenas[IMAGE_ARENAS];
static struct image_model models[IMAGE_ARENAS];

/* The operation under way, and its arena, model and file before and after it. */
static const struct operation *op;
static hf_arena *arena;
static struct image_model *model;
static struct image_bytes before, after;

/* A number for the file at each path; each number is used once. */
static size_t files[IMAGE_FILES], last_file;

/* ------------------------------------------------------------------ the program ----------- */

static struct operation decode(const uint8_t bytes[OPERATION_BYTES], size_t index) {
    static const program_path no_files[] = {PATH_FOLDER, PATH_NO_PARENT, PATH_BLANK, PATH_NULL};
    unsigned rest = bytes[1] / IMAGE_ARENAS, twist = bytes[6];
    bool is_no_file = twist >= IMAGE_TWIST_PATH && twist < IMAGE_TWISTS;
    return (struct operation){
        .index = index,
        .kind = (image_kind)(bytes[0] < IMAGE_KINDS ? bytes[0] : bytes[0] % FIRST_KINDS),
        .arena = bytes[1] % IMAGE_ARENAS,
        .path =
            is_no_file ? no_files[twist - IMAGE_TWIST_PATH] : (program_path)(rest % IMAGE_FILES),
        .access = (hf_access)(rest / IMAGE_FILES % 3),
        .size_class = bytes[2],
        .choices = bytes[3],
        .value = (unsigned)bytes[4] | (unsigned)bytes[5] << 8,
        .twist = twist < IMAGE_TWISTS ? (image_twist)twist : IMAGE_TWISTS,
        .number = bytes[7],
        .result = -1,
    };
}

static bool is_file(program_path path) { return path <= PATH_THIRD; }

static size_t choose_size(void) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    unsigned value = op->value;
    switch (op->size_class % 12) {
    case 0: return value % 16;
    case 1:
    case 2: return value % 4096;
    case 3: return value;
    case 4: return (size_t)value * 4;
    case 5: return about((size_t)(arena->limit - arena->pos), value);
    case 6: return about(stats.reserved - stats.used, value);
    case 7: return SIZE_MAX - value % 64;
    case 8: return (size_t)(1 + value % 40) * 4096 + (value >> 8) % 3 - 1;
    case 9: return about(AREA - stats.used % AREA, value);
    default: return value % 256;
    }
}

static size_t choose_reserve(void) {
    static const size_t sizes[] = {0,        0,       KIB(64), KIB(128),     KIB(256),
                                   KIB(512), MIB(1),  MIB(16), KIB(100) + 1, KIB(320),
                                   1,        MIB(64), KIB(192)};
    if (op->twist == IMAGE_TWIST_RESERVE_HUGE) return SIZE_MAX - op->value;
    return sizes[op->size_class % (sizeof sizes / sizeof *sizes)];
}

static void *choose_base(uintptr_t known) {
    switch (op->twist) {
    case IMAGE_TWIST_BASE_GIVEN: return (void *)known;
    case IMAGE_TWIST_BASE_OTHER: return (void *)(IMAGE_BASES + (op->value % 4 + 100) * MIB(128));
    case IMAGE_TWIST_BASE_UNALIGNED: return (void *)(IMAGE_BASES + 4096);
    default: return NULL;
    }
}

/* `known` is the base that the image at the path names, or 0. */
static hf_arena_options choose_options(uintptr_t known) {
    static const size_t leasts[] = {0, 0, 0, 4096, KIB(64), KIB(64) + 1};
    hf_arena_options options = {
        .reserve = choose_reserve(),
        .least_reserve = leasts[op->number / 3 % (sizeof leasts / sizeof *leasts)],
        .base = choose_base(known),
        .any_base = op->choices & 1,
        .fault_after_rewind = op->choices / 2 % 8 == 7,
        .populate = op->choices / 16 % 8 == 7,
        .retain = op->choices >= 128 ? KIB(64) : 0,
        .huge_pages = (hf_huge_pages)(op->number % 3),
        .name = op->number & 128 ? "program" : NULL,
        .tag = op->twist == IMAGE_TWIST_TAG,
        .backend = run.backend,
    };
    if (options.reserve != 0 && options.least_reserve > options.reserve) options.least_reserve = 0;
    if (op->twist == IMAGE_TWIST_LEAST_ABOVE) options.least_reserve = options.reserve + 1;
    if (options.reserve == 0 && host_pays_for_addresses()) options.reserve = MODEST_RESERVE;
    return options;
}

static image_damage choose_damage(void) {
    return (image_damage){
        .kind = (image_damage_kind)(op->size_class % DAMAGES),
        .slot = op->choices & 1,
        .keeps_checksum = op->choices & 2,
        .field = op->choices / 4,
        .value = op->value,
        .number = op->number,
    };
}

/* ------------------------------------------------------------------ reporting ------------- */

void fuzz_print(void) {
    for (const struct operation *p = program; op && p <= &program[op->index]; p++)
        fprintf(stderr,
                "%3zu %s arena %u path %d access %d class %u choices %u value %u twist %d number "
                "%u -> %d\n",
                p->index, kind_names[p->kind], p->arena, (int)p->path, (int)p->access,
                p->size_class, p->choices, p->value, (int)p->twist, p->number, p->result);
    for (const struct image_model *m = models; m < models + IMAGE_ARENAS; m++)
        if (m->open)
            fprintf(stderr, "  arena %td: way %d at %p, %zu used of %zu, file %zu, %zu blocks\n",
                    m - models, (int)m->way, (void *)m->base, m->used, m->reserved, m->file,
                    m->count);
}

/* ------------------------------------------------------------------ each operation -------- */

const hf_backend *fuzz_backend(void) { return tamper_backend(); }

static void end_failures(void) {
    run_fail(0);
    tamper_end();
}

static void begin(const struct operation *operation) {
    op = operation;
    arena = &arenas[op->arena];
    model = &models[op->arena];
    run.injectable = STATUS(IO) | STATUS(NO_SPACE) | STATUS(NO_MEMORY) | STATUS(MAP_LIMIT) |
                     STATUS(NO_ADDRESS) | STATUS(BUSY);
    if (run.failing_way != 0) run.injectable |= STATUS(UNSUPPORTED);
    run_begin();
}

static void judge(hf_status status, status_set expected) {
    program[op->index].result = (int)status;
    if (!system_has_views() && has_status(expected, HF_OK)) expected |= STATUS(UNSUPPORTED);
    check_status(status, expected);
}

/* Calls `use` as if the operation were on each arena. */
static void for_all_arenas(void (*use)(void)) {
    const struct operation *operation = op;
    struct operation other = *operation;
    for (other.arena = 0; other.arena < IMAGE_ARENAS; other.arena++) {
        begin(&other);
        use();
    }
    begin(operation);
}

/* ------------------------------------------------------------------ files ----------------- */

static void renew_file(program_path path) { files[path] = ++last_file; }

static void load(program_path path, struct image_bytes *file) {
    file->exists = false;
    file->size = 0;
    CHECK(!is_file(path) || image_load(run_path(path), file), "%s cannot be read", run_path(path));
}

/* What arenas do with a file. */
enum { FILE_OPEN = 1, FILE_WRITTEN = 2, FILE_APPENDED = 4 };

static unsigned uses_of_file(size_t file) {
    unsigned uses = 0;
    for (const struct image_model *m = models; m < models + IMAGE_ARENAS; m++) {
        if (m->open && m->file == file)
            uses |= m->way == WAY_READ_WRITE ? FILE_OPEN | FILE_WRITTEN : FILE_OPEN;
        for (size_t i = 0; m->open && i < m->count; i++)
            if (m->blocks[i].file == file) uses |= FILE_APPENDED;
    }
    return uses;
}

/* Those of the file at a path. */
static unsigned uses_of(program_path path) { return is_file(path) ? uses_of_file(files[path]) : 0; }

/* Whether the file that the arena was opened from is still at its path. */
static bool is_found(const struct image_model *m) {
    return m->file != 0 && files[m->path] == m->file;
}

/* Whether the file at the path is that of a read-write arena, as the arena left it. */
static bool has_own_file(const struct image_model *m) {
    return m->way == WAY_READ_WRITE && is_found(m) && !m->was_tampered_with;
}

/* ------------------------------------------------------------------ blocks ---------------- */

static struct block *add_block(size_t offset, size_t size) {
    static struct block unlisted;
    CHECK(offset <= sizeof model->bytes && size <= sizeof model->bytes - offset,
          "a block where none can be");
    struct block *block = model->count < IMAGE_BLOCKS ? &model->blocks[model->count++] : &unlisted;
    *block =
        (struct block){.offset = offset, .size = size, .end = offset + size, .may_store = true};
    return block;
}

/* Stores a byte that depends on the operation into the block, from this offset in it on. */
static void fill_block(struct block *block, size_t from) {
    int filling = (int)op->index + 1;
    memset(model->bytes + block->offset + from, filling, block->size - from);
    memset(model->base + block->offset + from, filling, block->size - from);
}

/* After a rewind: nothing above the mark is left. */
static void drop_blocks(size_t mark) {
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

/* After a rewind that failed: views above the mark may be left. */
static void lose_blocks(size_t mark) {
    for (struct block *block = model->blocks; block < model->blocks + model->count; block++) {
        if (block->end <= mark) continue;
        block->size = 0;
        block->is_own = block->may_store = false;
        block->is_lost = true;
    }
}

/* The block that the number chooses; with none, an unused entry. */
static struct block *choose_block(void) {
    return &model->blocks[model->count ? op->number % model->count : 0];
}

/* ------------------------------------------------------------------ checking -------------- */

static void check_numbers(void) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    size_t used = hf_get_mark(arena), limit = (size_t)(arena->limit - model->base);
    const char *root = model->root ? model->base + model->root - 1 : NULL;
    CHECK(hf_arena_base(arena) == model->base, "the base has moved");
    CHECK(hf_arena_root(arena) == root, "the root is another one");
    CHECK(used == model->used && stats.used == used,
          "%zu bytes used, by statistics %zu, and not %zu", used, stats.used, model->used);
    CHECK(stats.reserved == model->reserved, "the reservation has changed");
    CHECK(limit >= used && limit <= stats.reserved, "limit is out of bounds");
    CHECK(stats.peak >= used && stats.high_water >= used, "peak or high-water mark below used");
    CHECK(hf_owns(arena, model->base) || stats.reserved == 0, "does not own its base");
    CHECK(!hf_owns(arena, model->base + stats.reserved), "owns what is above its end");
}

/* Of a private arena: images have views of their own. A view that may be lost is not counted. */
static void check_views(void) {
    size_t viewed = hf_arena_get_stats(arena).viewed, least = 0, most = 0;
    if (model->way != WAY_PRIVATE) return;
    for (const struct block *block = model->blocks; block < model->blocks + model->count; block++) {
        size_t size = block->file ? block->end - block->offset : 0;
        least += block->is_lost ? 0 : size;
        most += size;
    }
    CHECK(viewed >= least && viewed <= most, "%zu bytes of views, and not %zu", viewed, most);
}

/* The blocks that end at or below `used` are in these bytes of an arena. */
static void check_blocks(const void *bytes, size_t used, const char *where) {
    for (const struct block *block = model->blocks; block < model->blocks + model->count; block++)
        CHECK(block->offset + block->size > used ||
                  memcmp((const char *)bytes + block->offset, model->bytes + block->offset,
                         block->size) == 0,
              "the block of %zu bytes at %zu is another in the %s", block->size, block->offset,
              where);
}

static void check_closed(const hf_arena *closed) {
    CHECK(!closed->state && !closed->pos && !closed->limit, "a closed arena is not zero");
}

static void check_arena(void) {
    if (!model->open) {
        check_closed(arena);
        return;
    }
    check_numbers();
    check_views();
    check_blocks(model->base, SIZE_MAX, "arena");
}

/* `after` is an image of the arena as it is, or as it was at another time: then its mark and root
 * were these. Returns the mark and root that it has. */
static struct image_mark check_image(uint64_t base, bool may_be_newest, struct image_mark other) {
    struct image_record record;
    status_set errors = image_judge(&after, model->tag, &record);
    CHECK(!errors, "the image is not sound any more: %#x", errors);
    CHECK(record.base == base, "the image has another base");
    CHECK((may_be_newest && record.used == model->used && record.root == model->root) ||
              (record.used == other.used && record.root == other.root),
          "the image has %llu bytes used, root %llu, and not %zu, %zu, nor %zu, %zu",
          (unsigned long long)record.used, (unsigned long long)record.root, model->used,
          model->root, other.used, other.root);
    check_blocks(after.bytes + AREA, (size_t)record.used, "file");
    return (struct image_mark){(size_t)record.used, (size_t)record.root};
}

static struct image_mark mark_of_model(void) {
    return (struct image_mark){model->used, model->root};
}

/* `after` is the file of a read-write arena: after a sync that failed, as it was before. */
static void check_own_image(bool may_be_older) {
    bool has_failed = model->failed_sync != HF_OK;
    model->synced = check_image(model->home, !has_failed,
                                has_failed || may_be_older ? model->synced : mark_of_model());
}

static size_t image_length(uint64_t used) { return AREA + (size_t)image_padded(used); }

static void check_length(void) {
    CHECK(after.size == image_length(model->used), "the image has %zu bytes", after.size);
}

/* `after` is what hf_arena_save wrote. It names the base that the arena has now. */
static void check_saved(void) {
    renew_file(op->path);
    check_image((uintptr_t)model->base, true, mark_of_model());
    check_length();
}

/* ------------------------------------------------------------------ closing --------------- */

/* A read-write arena writes its file, unless a sync has failed; no other arena writes anything. */
static void check_file_of_closed(void) {
    bool writes = model->way == WAY_READ_WRITE && is_found(model) && model->failed_sync == HF_OK;
    load(model->path, &after);
    CHECK(writes || image_is_alike(&before, &after), "closing has changed the file");
    if (!is_found(model) || model->was_tampered_with) return;
    if (model->way == WAY_READ_WRITE) {
        check_own_image(run_failures() > 0);
        if (writes && run_failures() == 0) check_length();
    } else
        CHECK(image_is_alike(&after, &model->as_opened), "a reader has changed the image");
}

/* What comes after it counts as another call. */
static void close_arena(void) {
    bool has_file = model->open && model->file != 0;
    check_arena();
    if (has_file) load(model->path, &before);
    hf_arena_close(arena);
    check_closed(arena);
    if (has_file) check_file_of_closed();
    model->open = false;
    begin(op);
}

/* ------------------------------------------------------------------ expecting ------------- */

/* A read-only arena reserves more than its image. */
static bool overlaps(const struct image_model *m, uintptr_t base, size_t size) {
    uintptr_t other = (uintptr_t)m->base;
    size_t taken = (size_t)image_padded(m->reserved ? m->reserved : 1);
    return m->open && base < other + taken && other < base + size;
}

/* Where the library puts new images, and where exact bases are tried, there is nothing else.
 * AddressSanitizer uses addresses above 0x500000000000. */
static bool is_free_of_others(uintptr_t base, size_t size) {
    static const uint64_t ranges[][2] = {{0x410000000000, 0x500000000000},
                                         {0x550000000000, 0x555000000000}};
    for (size_t i = 0; i < 2; i++)
        if (base >= ranges[i][0] && base < ranges[i][1] && size <= ranges[i][1] - base) return true;
    return false;
}

/* A reservation that overlaps another arena may fail, or fall back to a smaller one. */
static status_set expect_base(uintptr_t base, size_t size) {
    status_set expected = STATUS(OK);
    if (!is_free_of_others(base, size)) expected |= STATUS(NO_ADDRESS);
    for (size_t i = 0; i < IMAGE_ARENAS; i++) {
        if (overlaps(&models[i], base, 1)) return STATUS(NO_ADDRESS);
        if (overlaps(&models[i], base, size)) expected |= STATUS(NO_ADDRESS);
    }
    return expected;
}

static size_t reserve_of(const hf_arena_options *options, uint64_t mapped) {
    if (options->reserve) return options->reserve;
    return mapped > 1 << 28 ? (size_t)mapped * 2 : DEFAULT_RESERVE;
}

static bool are_valid(const hf_arena_options *options) {
    bool is_least = options->reserve == 0 || options->least_reserve <= options->reserve;
    return is_least && (uintptr_t)options->base % HF_ALLOCATION_GRANULARITY == 0;
}

/* More than all addresses, or nearly so, may fail or fall back to less. */
static status_set with_huge(const hf_arena_options *options, status_set expected) {
    bool may_fail = options->reserve > SIZE_MAX / 4 && has_status(expected, HF_OK);
    return may_fail ? expected | STATUS(NO_ADDRESS) : expected;
}

static status_set expect_new(const hf_arena_options *options) {
    uintptr_t base = (uintptr_t)options->base;
    size_t reserve = reserve_of(options, 0);
    if (!are_valid(options)) return STATUS(INVALID);
    if (base > UINTPTR_MAX - reserve) return STATUS(INVALID) | STATUS(NO_ADDRESS);
    return base ? expect_base(base, reserve) : STATUS(OK);
}

/* A sound image. Where several things are wrong, any of their statuses is right. */
static status_set expect_known(const hf_arena_options *options, const struct image_record *record) {
    uintptr_t base = (uintptr_t)options->base, home = (uintptr_t)record->base;
    uint64_t mapped = image_padded(record->used);
    size_t reserve = reserve_of(options, mapped);
    status_set errors = 0;
    bool grows = op->access != HF_READ_ONLY;
    if (grows && reserve < mapped && image_padded(reserve) < mapped) errors |= STATUS(RESERVE_FULL);
    if (base && base != home && !options->any_base) errors |= STATUS(INVALID);
    if (errors || options->any_base) return errors ? errors : STATUS(OK);
    return expect_base(home, grows ? reserve : (size_t)mapped + AREA);
}

/* Errors that do not depend on the contents of a file; 0: none. */
static status_set expect_path(const hf_arena_options *options) {
    bool is_access = op->access <= HF_COPY_ON_WRITE && op->twist != IMAGE_TWIST_ACCESS;
    if (op->path == PATH_NULL || op->path == PATH_BLANK) return STATUS(INVALID);
    if (!is_access || !are_valid(options)) return STATUS(INVALID);
    if (op->path == PATH_FOLDER) return STATUS(UNSUPPORTED);
    if (op->path == PATH_NO_PARENT) return STATUS(IO);
    return before.exists || op->access == HF_READ_WRITE ? 0 : STATUS(IO);
}

static bool makes_new(void) { return op->access == HF_READ_WRITE && image_is_blank(&before); }

static status_set expect_open_file(const hf_arena_options *options) {
    struct image_record record;
    status_set errors = expect_path(options);
    if (errors) return errors;
    unsigned in_the_way = op->access == HF_READ_WRITE ? FILE_OPEN : FILE_WRITTEN;
    if (uses_of(op->path) & in_the_way) return STATUS(BUSY);
    if (makes_new()) return expect_new(options);
    errors = image_judge(&before, options->tag, &record);
    return errors ? errors : expect_known(options, &record);
}

/* ------------------------------------------------------------------ opening --------------- */

static void start_model(arena_way way, const hf_arena_options *options) {
    const char *root = hf_arena_root(arena);
    model->open = true;
    model->way = way;
    model->path = op->path;
    model->file = way == WAY_PRIVATE ? 0 : files[model->path];
    model->tag = options->tag;
    model->base = hf_arena_base(arena);
    model->home = (uintptr_t)model->base;
    model->used = hf_get_mark(arena);
    model->root = root ? 1 + (size_t)(root - model->base) : 0;
    model->synced = mark_of_model();
    model->reserved = hf_arena_get_stats(arena).reserved;
    bool may_fault = way == WAY_PRIVATE || way == WAY_SNAPSHOT;
    model->is_faulting = may_fault && options->fault_after_rewind;
    model->shown = way == WAY_SNAPSHOT ? (size_t)image_padded(model->used) : 0;
    model->was_tampered_with = false;
    model->failed_sync = HF_OK;
    model->count = 0;
}

/* The header warns that a truncated file faults: it gets its length again. */
static void mend(void) {
    size_t needed = image_length(model->used);
    if (!after.exists || after.size >= needed) return;
    memset(after.bytes + after.size, 0, needed - after.size);
    after.size = needed;
    CHECK(image_store(tamper.path, &after, false), "a file cannot be mended");
}

static void check_known_image(const hf_arena_options *options) {
    struct image_record record;
    image_judge(&before, options->tag, &record);
    CHECK(model->used == record.used && model->root == record.root,
          "opened with another mark or root");
    CHECK(options->any_base || (uintptr_t)model->base == record.base, "opened at another base");
    model->home = record.base;
    if (op->access == HF_READ_WRITE) before.size = image_length(record.used);
    CHECK(image_is_alike(&before, &after), "opening changed the image");
    CHECK(op->access != HF_READ_WRITE || host_allocated_bytes(run_path(op->path)) >= after.size,
          "the file has holes: a store into one could find the disk full");
}

static void take_contents(const void *bytes) {
    if (model->used == 0) return;
    add_block(0, model->used)->may_store = model->way != WAY_READ_ONLY;
    memcpy(model->bytes, bytes, model->used);
}

/* What a crash left above the last sync is truncated before the file is mapped. */
static bool is_truncated_size(const struct image_record *record, size_t size) {
    return op->access == HF_READ_WRITE && size == image_length(record->used);
}

/* The file was damaged while it was opened. If the library looked at it afterwards, it must have
 * been sound; if it also looked before, it must have been the same image. */
static void check_tampered(uint64_t tag) {
    struct image_record now, old;
    bool is_new = op->access == HF_READ_WRITE && image_is_blank(&tamper.file);
    unsigned looks = tamper.looks_after & (LOOKED_AT_SIZE | LOOKED_AT_BYTES);
    bool is_seen = looks == (LOOKED_AT_SIZE | LOOKED_AT_BYTES) ||
                   (!makes_new() && (tamper.looks_after & MAPPED_IT));
    if (!is_seen || tamper.was_blind || !after.exists || is_new) return;
    CHECK(image_judge(&tamper.file, tag, &now) == 0, "opened a file that is not an image");
    if (!(tamper.looks_before & LOOKED_AT_BYTES)) return;
    bool was_sound = image_judge(&before, tag, &old) == 0;
    bool is_as_long = tamper.file.size == before.size || is_truncated_size(&old, tamper.file.size);
    CHECK(was_sound && memcmp(&now, &old, sizeof now) == 0 && is_as_long,
          "opened a file that had changed meanwhile");
}

static void opened(const hf_arena_options *options) {
    static const arena_way ways[] = {WAY_READ_WRITE, WAY_READ_ONLY, WAY_SNAPSHOT};
    start_model(ways[op->access], options);
    image_copy(&model->as_opened, &after);
    model->was_tampered_with = tamper.has_struck;
    if (model->was_tampered_with) {
        check_tampered(options->tag);
        mend();
        take_contents(model->base);
    } else if (makes_new()) {
        CHECK(model->used == 0 && model->root == 0, "a new image is not empty");
        check_own_image(false);
        check_length();
    } else {
        check_known_image(options);
        take_contents(before.bytes + AREA);
    }
}

static bool is_truncated(const struct image_bytes *expected, uint64_t tag) {
    struct image_record record;
    return image_judge(expected, tag, &record) == 0 && is_truncated_size(&record, after.size) &&
           after.size < expected->size && memcmp(after.bytes, expected->bytes, after.size) == 0;
}

/* After an opening that failed the file is as it was, or truncated to its last sync. One that was
 * to become an image is empty, or an image or zeros if the undo failed too. */
static void check_untouched(uint64_t tag) {
    struct image_record record;
    const struct image_bytes *expected = tamper.has_struck ? &tamper.file : &before;
    if (image_is_alike(expected, &after) || is_truncated(expected, tag)) return;
    if (tamper.was_blind || (tamper.has_struck && run_failures() > 0)) return;
    bool may_change = op->access == HF_READ_WRITE && image_is_blank(expected);
    bool undo_failed = run_failures() >= (system_has_views() ? 2 : 1);
    if (may_change && after.size == 0) return;
    CHECK(may_change && undo_failed &&
              (image_is_blank(&after) || image_judge(&after, tag, &record) == 0),
          "an opening that failed has changed the file");
}

/* Not to a file that an arena uses, and not by removing one whose name cannot be used again. */
static bool may_tamper(void) {
    bool lingers = tamper.plan.kind == DAMAGE_REMOVE && !host_frees_names();
    return is_file(op->path) && !lingers && uses_of(op->path) == 0;
}

/* Not a file to write that an arena has appended. */
static void run_open_file(void) {
    close_arena();
    if (op->access == HF_READ_WRITE && (uses_of(op->path) & FILE_APPENDED)) return;
    load(op->path, &before);
    uintptr_t known_base = before.size >= AREA ? (uintptr_t)get_64(before.bytes, AT_BASE) : 0;
    hf_arena_options options = choose_options(known_base);
    hf_access access = op->twist == IMAGE_TWIST_ACCESS ? (hf_access)(3 + options.tag) : op->access;
    status_set expected = with_huge(&options, expect_open_file(&options));
    tamper_begin(may_tamper() ? run_path(op->path) : NULL);
    hf_status status = hf_arena_open_file(arena, run_path(op->path), access, &options);
    tamper.countdown = 0;
    if (tamper.has_struck)
        expected |= STATUS(OK) | STATUS(CORRUPT) | STATUS(UNSUPPORTED) | STATUS(IO) |
                    STATUS(RESERVE_FULL) | STATUS(NO_ADDRESS) | STATUS(INVALID);
    judge(status, expected);
    load(op->path, &after);
    if (before.exists != after.exists) renew_file(op->path);
    if (status == HF_OK)
        opened(&options);
    else if (is_file(op->path))
        check_untouched(options.tag);
    if (status == HF_OK && !after.exists) model->file = ++last_file;
}

static void run_open(void) {
    hf_arena_options options = choose_options(0);
    close_arena();
    status_set expected = with_huge(&options, expect_new(&options));
    hf_status status = hf_arena_open(arena, &options);
    judge(status, expected);
    if (status == HF_OK) start_model(WAY_PRIVATE, &options);
}

/* ------------------------------------------------------------------ allocating ------------ */

/* Near the end of the reservation, red zones and alignment decide. */
static status_set expect_room(size_t size) {
    size_t room = model->way == WAY_READ_ONLY ? 0 : model->reserved - model->used;
    if (size > room) return STATUS(RESERVE_FULL);
    return room - size > NEAR_END ? STATUS(OK) : STATUS(OK) | STATUS(RESERVE_FULL);
}

static bool is_too_large(size_t size) {
    return has_status(expect_room(size), HF_OK) &&
           (size > MOST_USED || model->used + size > MOST_USED);
}

static size_t own_file_size(void) {
    if (!run.strict || !has_own_file(model)) return 0;
    load(model->path, &after);
    return after.size;
}

static void run_alloc(void) {
    size_t size = choose_size(), align = (size_t)1 << op->choices / 2 % 7;
    bool zeroed = op->choices & 1;
    if (is_too_large(size)) return;
    size_t size_before = own_file_size();
    char *bytes = (zeroed ? hf_alloc_zeroed : hf_alloc)(arena, size, align);
    judge(bytes ? HF_OK : hf_last_error().status, expect_room(size));
    CHECK(bytes || run_failures() > 1 || own_file_size() == size_before,
          "the file was extended for an allocation that failed, and not truncated again");
    if (!bytes) return;
    size_t offset = (size_t)(bytes - model->base);
    CHECK(offset >= model->used && (uintptr_t)bytes % align == 0, "a block in the way");
    CHECK(!zeroed || image_is_zero(bytes, size), "a block that is not zero");
    model->used = hf_get_mark(arena);
    struct block *block = add_block(offset, size);
    block->is_own = true;
    fill_block(block, 0);
}

static void forget_root(size_t mark) {
    if (model->root > mark) model->root = 0;
}

static void run_extend(void) {
    struct block *block = model->count ? &model->blocks[model->count - 1] : NULL;
    if (!block || !block->is_own) return;
    size_t size = choose_size(), old_size = block->size, old_used = model->used;
    size_t end = size < SIZE_MAX - block->offset ? block->offset + size : SIZE_MAX;
    size_t more = end > old_used ? end - old_used : 0;
    if (is_too_large(more)) return;
    bool extended = hf_extend(arena, model->base + block->offset, old_size, size);
    judge(extended ? HF_OK : hf_last_error().status,
          STATUS(OK) | STATUS(WRONG_STATE) | expect_room(more));
    CHECK(extended || size > old_size, "a block cannot be made smaller");
    if (!extended) return;
    model->used = hf_get_mark(arena);
    if (model->used < old_used || hf_arena_root(arena) == NULL) forget_root(block->offset + size);
    block->size = size;
    block->end = block->offset + size;
    if (size > old_size) fill_block(block, old_size);
}

static void run_store(void) {
    struct block *block = choose_block();
    if (model->count > 0 && block->may_store)
        fill_block(block, block->size > 0 ? op->value % block->size : 0);
}

/* ------------------------------------------------------------------ going back ------------ */

static size_t choose_mark(void) {
    switch (op->size_class % 5) {
    case 0: return model->count ? choose_block()->offset : 0;
    case 1: return model->count ? choose_block()->end : 0;
    case 2: return op->value * (size_t)8 % (model->used + 1);
    case 3: return model->used + op->value % 4;
    default: return op->value;
    }
}

/* No mark lies within a view, unless the view may be gone. */
static status_set expect_rewind(size_t mark) {
    status_set expected = STATUS(OK);
    if (mark > model->used) return STATUS(INVALID);
    if (model->way == WAY_READ_ONLY) return mark < model->used ? STATUS(WRONG_STATE) : STATUS(OK);
    for (const struct block *block = model->blocks; block < model->blocks + model->count; block++) {
        if (!block->file || mark <= block->offset || mark >= block->end) continue;
        expected = block->is_lost ? STATUS(OK) | STATUS(INVALID) : STATUS(INVALID);
    }
    return expected;
}

/* After a failure, and where rewound pages fault, pos may be above the mark. */
static void went_back(size_t mark, hf_status status) {
    size_t used = hf_get_mark(arena);
    CHECK(status != HF_OK || model->is_faulting || used == mark, "went back elsewhere");
    CHECK(used >= mark && used <= round_up(model->used, run.page_size), "went back, and is at %zu",
          used);
    model->used = used;
    if (status == HF_OK || hf_arena_root(arena) == NULL) forget_root(mark);
    if (status == HF_OK)
        drop_blocks(mark);
    else
        lose_blocks(mark);
}

static void judge_rewind(size_t mark, hf_status status) {
    status_set expected = expect_rewind(mark);
    judge(status, expected);
    if (status == HF_OK || !has_status(expected, status)) went_back(mark, status);
}

static void run_rewind(void) {
    size_t mark = choose_mark();
    judge_rewind(mark, hf_rewind(arena, mark));
}

/* When nothing is used any more, the view that a snapshot was opened with may be unmapped. */
static void note_views(void) {
    if (model->used == 0 && hf_arena_get_stats(arena).viewed == 0) model->shown = 0;
}

static void run_reset(void) {
    judge_rewind(0, hf_reset(arena));
    note_views();
}

static void run_trim(void) {
    judge(hf_trim(arena, op->value), STATUS(OK));
    note_views();
}

/* ------------------------------------------------------------------ images ---------------- */

static void run_set_root(void) {
    unsigned choice = op->size_class % 4;
    size_t offset = model->count ? choose_block()->offset : 0;
    if (choice == 1) offset += op->value;
    if (choice == 2) offset = model->used + op->value;
    bool is_null = choice == 3;
    status_set expected = model->way == WAY_READ_ONLY ? STATUS(WRONG_STATE) : STATUS(OK);
    if (!is_null && offset >= model->used) expected = STATUS(INVALID);
    hf_status status = hf_arena_set_root(arena, is_null ? NULL : model->base + offset);
    judge(status, expected);
    if (status == HF_OK) model->root = is_null ? 0 : offset + 1;
}

/* After a sync that failed none succeeds. */
static status_set expect_sync(void) {
    if (!model->open || model->way != WAY_READ_WRITE) return STATUS(WRONG_STATE);
    if (model->failed_sync != HF_OK) return 1u << model->failed_sync;
    if (is_found(model)) return STATUS(OK);
    return host_frees_names() ? STATUS(IO) : STATUS(IO) | STATUS(OK);
}

static void run_sync(void) {
    bool is_read_write = model->open && model->way == WAY_READ_WRITE;
    hf_status status = hf_arena_sync(arena);
    judge(status, expect_sync());
    if (is_read_write && has_own_file(model)) {
        load(model->path, &after);
        check_own_image(status != HF_OK);
    }
    if (is_read_write) model->failed_sync = status;
}

static status_set expect_save(void) {
    if (!model->open || op->path == PATH_NULL || op->path == PATH_BLANK) return STATUS(INVALID);
    if (op->path == PATH_FOLDER) return STATUS(IO) | STATUS(UNSUPPORTED);
    if (op->path == PATH_NO_PARENT) return STATUS(IO);
    return uses_of(op->path) & FILE_WRITTEN ? STATUS(BUSY) : STATUS(OK);
}

/* Saving replaces the file in one step. Only where the system cannot create the other file for it
 * does a failure leave the new contents. */
static void run_save(void) {
    if (model->used > 2 * MOST_USED) return;
    load(op->path, &before);
    hf_status status = hf_arena_save(arena, run_path(op->path));
    judge(status, expect_save());
    load(op->path, &after);
    bool may_be_in_place = status == HF_IO && run_failures() > 0 && run.failing_way != 0;
    bool is_unchanged = image_is_alike(&before, &after);
    if (status == HF_OK || (may_be_in_place && !is_unchanged))
        check_saved();
    else
        CHECK(is_unchanged, "a save that failed has changed the file");
}

/* ------------------------------------------------------------------ appending ------------- */

/* The file is mapped at the next page, or above the view that a snapshot was opened with. */
static size_t next_view(void) {
    size_t page = round_up(model->used, run.page_size);
    return model->used > 0 && page < model->shown ? model->shown : page;
}

static status_set expect_append(void) {
    bool is_image = model->way == WAY_READ_WRITE || model->way == WAY_READ_ONLY;
    if (op->path == PATH_NULL || op->path == PATH_BLANK)
        return STATUS(INVALID) | STATUS(UNSUPPORTED);
    if (op->access == HF_READ_WRITE) return STATUS(INVALID);
    if (is_image || op->path == PATH_FOLDER) return STATUS(UNSUPPORTED);
    if (!before.exists) return STATUS(IO);
    return before.size <= model->reserved - next_view() ? STATUS(OK) : STATUS(RESERVE_FULL);
}

static void appended(const char *data, size_t size) {
    size_t offset = next_view(), used = hf_get_mark(arena);
    CHECK(size == before.size, "the file has another size");
    CHECK(size != 0 || used == model->used, "an empty file moved pos");
    if (size == 0) return;
    CHECK(data == model->base + offset, "the file is not at the next page");
    model->used = offset + round_up(size, run.page_size);
    CHECK(model->used == used, "pos is not at the first page after the file");
    if (offset == 0) model->shown = 0;
    struct block *block = add_block(offset, size);
    block->end = used;
    block->file = files[op->path];
    block->may_store = op->access == HF_COPY_ON_WRITE;
    memcpy(model->bytes + offset, before.bytes, size);
}

/* Not a file that changes under its view. */
static void run_append(void) {
    void *data = NULL;
    size_t size = SIZE_MAX;
    load(op->path, &before);
    if ((uses_of(op->path) & FILE_WRITTEN) || model->count == IMAGE_BLOCKS ||
        model->used + before.size > MOST_USED)
        return;
    hf_status status = hf_arena_append_file(arena, run_path(op->path), op->access, &data, &size);
    judge(status, expect_append());
    if (status == HF_OK) appended(data, size);
}

/* ------------------------------------------------------------------ damaging -------------- */

static bool can_damage(void) { return is_file(op->path) && uses_of(op->path) == 0; }

static void run_damage(void) {
    const char *path = run_path(op->path);
    image_damage damage = choose_damage();
    if (!can_damage()) return;
    load(op->path, &before);
    bool existed = before.exists;
    image_do_damage(&before, &damage);
    if (!before.exists && !existed) return;
    CHECK(image_store(path, &before, false), "%s cannot be damaged", path);
    if (before.exists != existed) renew_file(op->path);
}

static void run_holes(void) {
    const char *path = run_path(op->path);
    if (!can_damage()) return;
    load(op->path, &before);
    CHECK(!before.exists || image_store(path, &before, true), "%s cannot be made sparse", path);
}

/* By a copy of the file, or by nothing. */
static void run_replace(void) {
    const char *path = run_path(op->path);
    const char *copy = run_path(PATH_MISSING);
    if (!is_file(op->path) || !host_frees_names()) return;
    load(op->path, &before);
    if (!before.exists) return;
    bool is_done = op->number % 2 ? remove(path) == 0
                                  : image_store(copy, &before, false) && host_replace(copy, path);
    CHECK(is_done, "%s cannot be replaced", path);
    renew_file(op->path);
}

static void run_tamper(void) {
    tamper.plan = choose_damage();
    tamper.plan_countdown = 1 + op->number / 8 % 8;
}

static void run_failing(void) { run_fail(op->number); }
static void run_failing_as(void) { run_fail_as(op->number); }

static void run_fail_sync(void) {
    tamper.sync_countdown = op->number % 8;
    tamper.sync_status = op->choices & 1 ? HF_NO_SPACE : HF_IO;
}

/* ------------------------------------------------------------------ forking --------------- */

/* A child may read what its parent has open, and save it elsewhere; what it stores into private
 * memory is its own. It writes no file that the parent writes, and takes no lock from it. The
 * parent may close an arena while the child lives: then the lock is free.
 *
 * No failure is injected in a child, so that the parent knows what happened to the files. */

static bool does(unsigned step) { return (op->choices & step) != 0; }

static void judge_call(hf_status status, status_set expected) {
    judge(status, expected);
    begin(op);
}

static void allocate_in_child(size_t size, status_set expected) {
    status_set room = expect_room(size);
    if (!has_status(room, HF_OK)) expected = 0;
    expected |= room & STATUS(RESERVE_FULL);
    char *block = hf_alloc(arena, size, 1);
    if (block) memset(block, 0xee, size);
    judge_call(block ? HF_OK : hf_last_error().status, expected);
}

static void go_back_in_child(void) {
    const struct block *last = model->count ? &model->blocks[model->count - 1] : NULL;
    judge_call(hf_rewind(arena, model->used / 2), STATUS(WRONG_STATE));
    judge_call(hf_reset(arena), STATUS(WRONG_STATE));
    judge_call(hf_trim(arena, 0), STATUS(WRONG_STATE));
    if (!last || !last->is_own) return;
    bool is_done = hf_extend(arena, model->base + last->offset, last->size, 0);
    judge_call(is_done ? HF_OK : hf_last_error().status, STATUS(WRONG_STATE));
}

/* A read-write arena: what is not mapped already, no child can allocate. */
static void fail_to_write(void) {
    size_t more = hf_arena_get_stats(arena).viewed - model->used + 1;
    status_set sync = STATUS(WRONG_STATE);
    if (model->failed_sync != HF_OK) sync |= 1u << model->failed_sync;
    if (does(CHILD_GROWS)) allocate_in_child(more, STATUS(WRONG_STATE));
    if (does(CHILD_SYNCS)) judge_call(hf_arena_sync(arena), sync);
    if (does(CHILD_GOES_BACK)) go_back_in_child();
    check_arena();
}

/* Any other arena: nothing stored here reaches the parent. */
static void use_privately(void) {
    bool is_read_only = model->way == WAY_READ_ONLY && model->used > 0;
    for (size_t i = 0; i < model->count; i++)
        if (model->blocks[i].may_store)
            memset(model->base + model->blocks[i].offset, 0xee, model->blocks[i].size);
    if (does(CHILD_GROWS)) allocate_in_child(CHILD_BYTES, STATUS(OK));
    if (does(CHILD_SYNCS)) judge_call(hf_arena_sync(arena), STATUS(WRONG_STATE));
    if (does(CHILD_GOES_BACK))
        judge_call(hf_reset(arena), is_read_only ? STATUS(WRONG_STATE) : STATUS(OK));
}

/* The parent has its file locked, unless it has closed the arena. */
static void check_locked(void) {
    const hf_arena_options options = {.any_base = true, .backend = run.backend};
    bool is_closed_by_parent = does(CHILD_LIVES_ON) && op->arena == program[op->index].arena;
    hf_arena other;
    if (!is_found(model) || is_closed_by_parent) return;
    const char *path = run_path(model->path);
    judge_call(hf_arena_open_file(&other, path, HF_READ_WRITE, &options), STATUS(BUSY));
    if (model->way != WAY_READ_WRITE) return;
    judge_call(hf_arena_open_file(&other, path, HF_READ_ONLY, &options), STATUS(BUSY));
}

static void use_in_child(void) {
    if (!model->open) return;
    check_arena();
    if (model->way == WAY_READ_WRITE)
        fail_to_write();
    else
        use_privately();
    check_locked();
    if (!does(CHILD_CLOSES)) return;
    hf_arena_close(arena);
    check_closed(arena);
    check_locked();
}

static bool saves(void) {
    return does(CHILD_SAVES) && !does(CHILD_LIVES_ON) && model->open &&
           model->used <= 2 * MOST_USED && is_file(op->path);
}

static void run_child(void) {
    end_failures();
    if (saves()) {
        hf_status status = hf_arena_save(arena, run_path(op->path));
        judge_call(status, expect_save());
        if (status == HF_OK) renew_file(op->path);
    }
    if (does(CHILD_USES_ALL))
        for_all_arenas(use_in_child);
    else
        use_in_child();
}

static struct image_bytes kept[IMAGE_ARENAS];

static void keep_file(void) {
    if (model->open && is_found(model)) load(model->path, &kept[op->arena]);
}

static void check_unharmed(void) {
    check_arena();
    if (!model->open || !is_found(model)) return;
    load(model->path, &after);
    CHECK(image_is_alike(&after, &kept[op->arena]), "a child has changed the file");
}

/* The child still has the file of an arena that its parent has just closed. */
static void check_unlocked(void) {
    const hf_arena_options options = {.any_base = true, .backend = run.backend, .tag = model->tag};
    hf_access access = model->way == WAY_READ_WRITE ? HF_READ_ONLY : HF_READ_WRITE;
    hf_arena other;
    hf_status status = hf_arena_open_file(&other, run_path(model->path), access, &options);
    CHECK(status != HF_BUSY || run_failures() > 0, "a child has kept the lock");
    hf_arena_close(&other);
    begin(op);
}

static void run_meanwhile(void) {
    bool closes = does(CHILD_LIVES_ON);
    bool is_certain = model->open && is_found(model) && !model->was_tampered_with;
    if (closes) close_arena();
    if (closes && is_certain && uses_of_file(model->file) == 0) check_unlocked();
    for_all_arenas(keep_file);
}

static void run_a_fork(void) {
    if (!run_fork(run_child, run_meanwhile)) return;
    if (saves() && !(uses_of(op->path) & FILE_WRITTEN)) {
        load(op->path, &after);
        check_saved();
    }
    for_all_arenas(check_unharmed);
}

/* ------------------------------------------------------------------ running --------------- */

static const struct run_command commands[] = {COMMANDS(RUN_COMMAND)};

/* When no arena is open, the backend has nothing left. */
static void check_backend(void) {
    bool some_open = false;
    for (size_t i = 0; i < IMAGE_ARENAS; i++) some_open = some_open || models[i].open;
    check_strict();
    if (run.strict && !some_open) check_nothing_left(run.strict);
}

static void run_operation(const struct operation *operation) {
    const struct run_command *command = &commands[operation->kind];
    begin(operation);
    if (model->open || command->when == ALWAYS) command->run();
    check_arena();
    check_backend();
}

static void check_visited(const char *path) {
    const char *name = strrchr(path, '/');
    CHECK(!strstr(name ? name : path, ".saving"), "%s was left", path);
}

void fuzz_run(const uint8_t *data, size_t size) {
    op = NULL;
    for (size_t i = 0; i < IMAGE_ARENAS; i++) models[i].open = false;
    for (program_path path = PATH_FIRST; path <= PATH_THIRD; path++) renew_file(path);
    for (size_t i = 0; i < run_operations(size); i++) {
        program[i] = decode(data + i * OPERATION_BYTES, i);
        run_operation(&program[i]);
    }
    end_failures();
    if (op) for_all_arenas(close_arena);
    check_backend();
    op = NULL;
    host_visit(run_host()->folder, check_visited);
    for (program_path path = PATH_FIRST; path <= PATH_THIRD; path++) remove(run_path(path));
}
