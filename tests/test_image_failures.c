/*
 * Images and appended files with the n-th backend call failing, for every n: a call that fails
 * leaves arena and file unchanged, and both work afterwards.
 */
#include "image_fixture.h"
#include "nth_failure.h"

static const char path[] = "test_image_failures.tmp", other[] = "test_image_failures.other.tmp";

static const size_t kept_size = 100000;

static hf_arena_options options_of(const struct failure *failure) {
    return (hf_arena_options){.backend = failure->strict, .reserve = IMAGE_RESERVE};
}

/* ----------------------------------------------------------- it works afterwards ----------- */

static char *add(hf_arena *arena, size_t size, unsigned seed) {
    char *block = hf_alloc(arena, size, 8);
    CHECK(block != NULL);
    fill(block, size, seed);
    return block;
}

/* Growth, zeroing and rewinding work as if no call had failed. */
static void works(hf_arena *arena) {
    hf_mark mark = hf_get_mark(arena);
    char *block = hf_alloc_zeroed(arena, 300000, 8);
    CHECK(block != NULL && is_zero(block, 300000));
    memset(block, 0xee, 300000);
    CHECK(hf_extend_zeroed(arena, block, 300000, MIB) && is_zero(block + 300000, MIB - 300000));
    CHECK_STATUS(HF_OK, hf_rewind(arena, mark));
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
}

/* Opens the image as another program would: it has `size` bytes at least. */
static void check_image(const char *name, size_t size, unsigned seed) {
    hf_arena arena = image_open(name, HF_READ_WRITE, (hf_arena_options){.any_base = true});
    CHECK(hf_get_mark(&arena) >= size);
    CHECK(is_filled(hf_arena_base(&arena), size, seed));
    works(&arena);
    hf_arena_close(&arena);
}

static void check_nothing_beside(void) {
    for (int i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.saving%02d", path, i);
        CHECK(!disk_exists(name));
    }
}

/* --------------------------------------------------------------------- opening ------------- */

static void open_existing(struct failure *failure) {
    hf_access access = *(const hf_access *)failure->user;
    hf_arena_options options = options_of(failure);
    struct content before = content_of(path);
    hf_arena arena;
    memset(&arena, 0x5a, sizeof arena);
    failure_on(failure);
    hf_status status = hf_arena_open_file(&arena, path, access, &options);
    failure_off(failure);
    check_content(path, &before);
    free(before.bytes);
    if (status != HF_OK) {
        check_failure(failure, status);
        check_is_closed(&arena);
        arena = image_open(path, access, options);
    }
    CHECK(is_filled(hf_arena_root(&arena), kept_size, 1));
    if (access != HF_READ_ONLY) works(&arena);
    hf_arena_close(&arena);
}

static void opening_an_image(void) {
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        image_make(path, kept_size, 1, (hf_arena_options){0});
        CHECK(each_failure(open_existing, &access) >= 20);
    }
    disk_remove(path);
}

/* A file that a process left longer than its record says. */
static void open_longer(struct failure *failure) {
    static const unsigned char soil[AREA] = {1, 2, 3};
    hf_arena_options options = options_of(failure);
    image_make(path, kept_size, 1, (hf_arena_options){0});
    intptr_t file = disk_open(path, DISK_BOTH);
    disk_store(file, 10 * AREA, soil, AREA);
    disk_close(file);
    struct content before = content_of(path);
    hf_arena arena;
    failure_on(failure);
    hf_status status = hf_arena_open_file(&arena, path, HF_READ_WRITE, &options);
    failure_off(failure);
    bool is_cut = disk_size(path) < before.size; /* truncated before anything is mapped */
    CHECK(is_cut || status != HF_OK);
    if (is_cut) before.size = image_size(kept_size);
    check_content(path, &before);
    free(before.bytes);
    if (status != HF_OK) check_failure(failure, status);
    hf_arena_close(&arena);
    check_image(path, kept_size, 1);
    disk_remove(path);
}

static void opening_an_image_that_was_left_longer(void) {
    CHECK(each_failure(open_longer, NULL) >= 20);
}

/* The file is empty, or has its *zeros zero bytes. */
static bool is_blank(const char *name, const size_t *zeros) {
    struct content content = content_of(name);
    size_t i = 0;
    while (i < content.size && content.bytes[i] == 0) i++;
    free(content.bytes);
    return content.size == 0 || (zeros && content.size == *zeros && i == *zeros);
}

static void leave_zeros(size_t size) {
    intptr_t file = disk_create(path, 0);
    disk_resize(file, size);
    disk_close(file);
}

/* -------------------------------------------------------------- syncs or maps that fail --- */

/* The native backend, but syncs fail after the first `syncs_left`, and mapping HF_READ_WRITE fails
 * with `answer`. */
static size_t syncs_left;
static hf_status answer;

static hf_status fail_later_syncs(const hf_backend *self, intptr_t file, hf_report *report) {
    if (syncs_left > 0) {
        syncs_left--;
        return hf_backend_native()->file_sync(self, file, report);
    }
    report->call = "fail_later_syncs";
    return HF_IO;
}

static hf_status fail_writable_map(const hf_backend *self, void *address, size_t size,
                                   intptr_t file, uint64_t file_offset, hf_access access,
                                   hf_report *report) {
    if (access != HF_READ_WRITE)
        return hf_backend_native()->map(self, address, size, file, file_offset, access, report);
    report->call = "fail_writable_map";
    return answer;
}

/* The header that was read may be in the page cache only: until it is synced, the bytes behind its
 * `used` may belong to the last durable record. */
static void the_file_is_truncated_after_the_header_is_synced(void) {
    static const unsigned char soil[AREA] = {1, 2, 3};
    hf_backend failing = *hf_backend_native();
    hf_arena arena;
    failing.file_sync = fail_later_syncs;
    image_make(path, kept_size, 1, (hf_arena_options){0});
    intptr_t file = disk_open(path, DISK_BOTH);
    disk_store(file, 10 * AREA, soil, AREA);
    disk_close(file);
    struct content before = content_of(path);
    syncs_left = 0;
    CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, path, HF_READ_WRITE,
                                           &(hf_arena_options){.backend = &failing}));
    CHECK_EQUAL(0, strcmp("fail_later_syncs", hf_last_error().call));
    check_is_closed(&arena);
    check_content(path, &before);
    free(before.bytes);
    check_image(path, kept_size, 1);
    CHECK_EQUAL(image_size(kept_size), disk_size(path));
    disk_remove(path);
}

static void open_without_writable_maps(hf_access access, bool opens) {
    hf_backend reading = *hf_backend_native();
    hf_arena_options options = {.backend = &reading, .reserve = IMAGE_RESERVE};
    hf_arena arena;
    reading.map = fail_writable_map;
    CHECK_STATUS(opens ? HF_OK : answer, hf_arena_open_file(&arena, path, access, &options));
    if (opens) CHECK(is_filled(hf_arena_root(&arena), kept_size, 1));
    if (!opens) CHECK_EQUAL(0, strcmp("fail_writable_map", hf_last_error().call));
    if (!opens) check_is_closed(&arena);
    hf_arena_close(&arena);
}

/* Some network file systems, and FUSE without a page cache, cannot map a file writable. */
static void readers_open_without_writable_maps(void) {
    static const hf_status answers[] = {HF_UNSUPPORTED, HF_IO, HF_INVALID, HF_NO_MEMORY};
    static const size_t sizes[] = {0, 1, 4096, AREA - 1, AREA};
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        AT("answer %s", hf_status_name(answers[i]));
        answer = answers[i];
        image_make(path, kept_size, 1, (hf_arena_options){0});
        struct content before = content_of(path);
        for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++)
            open_without_writable_maps(access, access != HF_READ_WRITE);
        check_content(path, &before);
        free(before.bytes);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            leave_zeros(sizes[k]);
            open_without_writable_maps(HF_READ_WRITE, false);
            CHECK(is_blank(path, &sizes[k]));
        }
        disk_remove(path);
        open_without_writable_maps(HF_READ_WRITE, false);
        CHECK(!disk_exists(path) || disk_size(path) == 0);
        disk_remove(path);
    }
}

/* ----------------------------------------------------------------- a new image ------------- */

/* Opens a path with no file, or with the zeros that a crash left of a new image. If the undo fails
 * too, what stays is not an image yet, or an empty one. */
static void open_new(struct failure *failure) {
    hf_arena_options options = options_of(failure);
    const size_t *zeros = failure->user;
    hf_arena arena;
    disk_remove(path);
    if (zeros) leave_zeros(*zeros);
    memset(&arena, 0x5a, sizeof arena);
    failure_on(failure);
    hf_status status = hf_arena_open_file(&arena, path, HF_READ_WRITE, &options);
    failure_off(failure);
    if (status != HF_OK) {
        check_failure(failure, status);
        check_is_closed(&arena);
        if (!failure->from_then_on && disk_exists(path)) CHECK(is_blank(path, zeros));
        arena = image_open(path, HF_READ_WRITE, options);
    }
    CHECK_EQUAL(0, hf_get_mark(&arena));
    add(&arena, kept_size, 1);
    works(&arena);
    hf_arena_close(&arena);
    check_image(path, kept_size, 1);
    disk_remove(path);
}

static void opening_a_new_image(void) {
    size_t some = 4096, all = AREA;
    CHECK(each_failure(open_new, NULL) >= 20);
    CHECK(each_failure(open_new, &some) >= 20);
    CHECK(each_failure(open_new, &all) >= 19);
}

/* ------------------------------------- calls that change nothing when they fail ------------ */

/* One call on an arena whose first block must keep its contents. */
struct scenario {
    const char *name;
    hf_access access;
    void (*prepare)(hf_arena *); /* may be NULL */
    bool (*act)(hf_arena *);     /* true if the call succeeded with the right result */
};

static bool grows(hf_arena *arena) {
    char *block = hf_alloc_zeroed(arena, MIB, 8);
    return block != NULL && is_zero(block, MIB);
}

static bool grows_a_little(hf_arena *arena) {
    char *block = hf_alloc_zeroed(arena, 50000, 8);
    return block != NULL && is_zero(block, 50000);
}

static bool extends(hf_arena *arena) {
    return hf_extend_zeroed(arena, hf_arena_base(arena), kept_size, MIB) &&
           is_zero(hf_arena_base(arena) + kept_size, MIB - kept_size);
}

static bool precommits(hf_arena *arena) { return hf_precommit(arena, 3 * MIB) == HF_OK; }

static bool shows_peeked_bytes(hf_arena *arena) { return hf_peek(arena, MIB, NULL) != NULL; }

static void raise_high_water(hf_arena *arena) { write_and_rewind(arena, 2 * MIB); }

static void trim_all(hf_arena *arena) {
    raise_high_water(arena);
    CHECK_STATUS(HF_OK, hf_trim(arena, 0));
}

static bool saves(hf_arena *arena) { return hf_arena_save(arena, other) == HF_OK; }

static bool appends(hf_arena *arena) {
    void *data = NULL;
    size_t size = 0;
    hf_status status = hf_arena_append_file(arena, other, HF_READ_ONLY, &data, &size);
    CHECK(status == HF_OK || data == NULL);
    return status == HF_OK && size == 10000 && is_filled(data, size, 9);
}

static void make_file(hf_arena *arena) {
    unsigned char bytes[10000];
    (void)arena;
    fill(bytes, sizeof bytes, 9);
    write_content(other, bytes, sizeof bytes);
}

static void prepare_file_and_pages(hf_arena *arena) {
    make_file(arena);
    write_and_rewind(arena, 3 * MIB);
}

static void fail_and_repeat(struct failure *failure) {
    const struct scenario *scenario = failure->user;
    image_make(path, kept_size, 1, (hf_arena_options){0});
    disk_remove(other);
    hf_arena arena = image_open(path, scenario->access, options_of(failure));
    if (scenario->prepare) scenario->prepare(&arena);
    hf_mark mark = hf_get_mark(&arena);
    uint64_t length = disk_size(path);
    failure_on(failure);
    bool acted = scenario->act(&arena);
    failure_off(failure);
    CHECK(is_filled(hf_arena_base(&arena), kept_size, 1));
    if (!acted) {
        check_failure(failure, hf_last_error().status);
        CHECK_EQUAL(mark, hf_get_mark(&arena));
        if (!failure->from_then_on && disk_answers.cuts_under_views)
            CHECK_EQUAL(length, disk_size(path));
        CHECK(scenario->act(&arena));
        CHECK(is_filled(hf_arena_base(&arena), kept_size, 1));
    }
    works(&arena);
    hf_arena_close(&arena);
    check_image(path, kept_size, 1);
    disk_remove(path);
    disk_remove(other);
}

static void calls_that_fail_change_nothing(void) {
    static const struct scenario scenarios[] = {
        {"growth of a read-write image", HF_READ_WRITE, NULL, grows},
        {"a small step", HF_READ_WRITE, NULL, grows_a_little},
        {"growth where the file is long enough", HF_READ_WRITE, trim_all, grows},
        {"growth where it is not quite", HF_READ_WRITE, trim_all, precommits},
        {"extension", HF_READ_WRITE, NULL, extends},
        {"precommitting", HF_READ_WRITE, NULL, precommits},
        {"peeking", HF_READ_WRITE, NULL, shows_peeked_bytes},
        {"a snapshot's growth", HF_COPY_ON_WRITE, NULL, grows},
        {"a snapshot's extension", HF_COPY_ON_WRITE, NULL, extends},
        {"a save of a read-write image", HF_READ_WRITE, NULL, saves},
        {"a save of a snapshot", HF_COPY_ON_WRITE, raise_high_water, saves},
        {"a file appended", HF_COPY_ON_WRITE, make_file, appends},
        {"a file appended over committed pages", HF_COPY_ON_WRITE, prepare_file_and_pages, appends},
    };
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++) {
        AT("%s", scenarios[i].name);
        CHECK(each_failure(fail_and_repeat, &scenarios[i]) >= 2);
    }
}

/* --------------------------------------------------------------------- syncing ------------- */

/* The file, copied as a killed process would leave it, opens in the state of the last sync or of
 * this one. */
static void expect_one_of_two(size_t before, size_t after) {
    struct content now = content_of(path);
    write_content(other, now.bytes, now.size);
    free(now.bytes);
    hf_arena arena = image_open(other, HF_READ_WRITE, (hf_arena_options){.any_base = true});
    CHECK(hf_get_mark(&arena) == before || hf_get_mark(&arena) == after);
    CHECK(is_filled(hf_arena_base(&arena), before < kept_size ? before / 2 : kept_size, 1));
    hf_arena_close(&arena);
    disk_remove(other);
}

/* Syncs after growing, or after rewinding: the record then counts more bytes than are used at
 * closing, or fewer. */
static void sync_and_close(struct failure *failure) {
    bool back = *(const bool *)failure->user;
    image_make(path, kept_size, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, HF_READ_WRITE, options_of(failure));
    size_t synced = hf_get_mark(&arena), most;
    add(&arena, 2 * MIB, 2);
    most = hf_get_mark(&arena);
    if (back) {
        CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, synced));
    }
    failure_on(failure);
    hf_status status = hf_arena_sync(&arena);
    if (status != HF_OK) {
        CHECK_STATUS(status, hf_last_error().status);
        expect_one_of_two(synced, most);
    }
    if (!back) CHECK_STATUS(HF_OK, hf_rewind(&arena, synced));
    hf_arena_close(&arena);
    failure_off(failure);
    check_image(path, kept_size, 1);
    disk_remove(path);
}

static void a_failed_sync_loses_nothing(void) {
    static const bool ways[] = {false, true};
    for (size_t i = 0; i < 2; i++) CHECK(each_failure(sync_and_close, &ways[i]) >= 8);
}

/* After a failed fsync the kernel may have marked pages clean that are not on the disk, so later
 * syncs must fail. */
static void sync_after_a_failure(struct failure *failure) {
    image_make(path, kept_size, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, HF_READ_WRITE, options_of(failure));
    size_t synced = hf_get_mark(&arena);
    add(&arena, 2 * MIB, 2);
    size_t used = hf_get_mark(&arena);
    failure_on(failure);
    hf_status status = hf_arena_sync(&arena);
    failure_off(failure);
    hf_error error = hf_last_error();
    for (int i = 0; status != HF_OK && i < 2; i++) {
        CHECK_STATUS(status, hf_arena_sync(&arena));
        CHECK(hf_last_error().call == error.call);
        CHECK_EQUAL(error.os_code, hf_last_error().os_code);
    }
    expect_one_of_two(status == HF_OK ? used : synced, used);
    works(&arena);
    struct content before = content_of(path);
    hf_arena_close(&arena);
    if (status != HF_OK) check_content(path, &before);
    free(before.bytes);
    check_image(path, kept_size, 1);
    disk_remove(path);
}

static void a_failed_sync_stays_failed(void) {
    CHECK(each_failure(sync_after_a_failure, NULL) >= 8);
}

/* A failed sync may have written a record that counts more bytes than are used at closing. */
static void closing_truncates_nothing_that_a_record_counts(void) {
    hf_backend failing = *hf_backend_native();
    failing.file_sync = fail_later_syncs;
    for (size_t left = 0; left < 3; left++) {
        AT("%zu syncs", left);
        image_make(path, kept_size, 1, (hf_arena_options){0});
        syncs_left = SIZE_MAX;
        hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){.backend = &failing});
        hf_mark mark = hf_get_mark(&arena);
        add(&arena, MIB, 2);
        syncs_left = left;
        CHECK_STATUS(left < 2 ? HF_IO : HF_OK, hf_arena_sync(&arena));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
        hf_arena_close(&arena);
        check_image(path, kept_size, 1);
    }
    disk_remove(path);
}

/* A disk that is too small for a whole growth step, but not for what is needed. */
static uint64_t disk_capacity;

static hf_status resize_to_capacity(const hf_backend *self, intptr_t file, uint64_t old_size,
                                    uint64_t new_size, hf_report *report) {
    if (new_size <= old_size || new_size <= disk_capacity)
        return hf_backend_native()->file_resize(self, file, old_size, new_size, report);
    report->call = "resize_to_capacity";
    return HF_NO_SPACE;
}

/* At any time the file is long enough for the next record, whatever it will count. */
static void a_small_disk_is_used_to_its_end(void) {
    hf_backend small = *hf_backend_native();
    small.file_resize = resize_to_capacity;
    for (disk_capacity = 2 * AREA; disk_capacity < 40 * AREA; disk_capacity += 5 * AREA + 4096) {
        AT("%llu bytes", (unsigned long long)disk_capacity);
        disk_remove(path);
        hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){.backend = &small});
        char *block = hf_alloc(&arena, 0, 8);
        size_t size = 0;
        while (hf_extend(&arena, block, size, size + 1000)) size += 1000;
        CHECK_EQUAL(HF_NO_SPACE, hf_last_error().status);
        CHECK(size + 1100 > disk_capacity / AREA * AREA - AREA);
        fill(block, size, 1);
        CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
        expect_one_of_two(hf_get_mark(&arena), hf_get_mark(&arena));
        hf_arena_close(&arena);
        check_image(path, size, 1);
    }
    disk_remove(path);
}

/* ---------------------------------------------------------------------- saving ------------- */

/* A save over an existing image leaves the old one or the new one, and no draft. */
static void save_over(struct failure *failure) {
    image_make(path, kept_size, 1, (hf_arena_options){0});
    struct content before = content_of(path);
    hf_arena_options options = options_of(failure);
    options.fault_after_rewind = true;
    hf_arena arena = fixture_open(options);
    add(&arena, kept_size, 2);
    hf_mark mark = hf_get_mark(&arena);
    add(&arena, MIB, 3);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark)); /* splits the save into several writes */
    add(&arena, 1000, 4);
    struct snapshot state = snapshot_of(&arena);
    failure_on(failure);
    hf_status status = hf_arena_save(&arena, path);
    failure_off(failure);
    check_nothing_beside();
    check_unchanged(&arena, &state);
    if (status != HF_OK) {
        check_failure(failure, status);
        if (!failure_is_published(failure)) check_content(path, &before);
        if (failure_is_published(failure)) check_image(path, kept_size, 2);
        CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
    }
    free(before.bytes);
    hf_arena_close(&arena);
    check_image(path, kept_size, 2);
    disk_remove(path);
}

static void a_save_is_whole_or_not_at_all(void) { CHECK(each_failure(save_over, NULL) >= 12); }

/* ------------------------------------------------------------------ going back ------------- */

enum { VIEWS = 3 };

/* The end of the views that are left, each preceded by one page of block. If a rewind below views
 * fails, the views unmapped so far are gone, pos is above the others, and repeating it succeeds. */
static hf_mark end_of_views(hf_arena *arena) {
    size_t page = fixture_page_size(), size = round_up(10000, page);
    size_t views = hf_arena_get_stats(arena).viewed / size;
    return views * (page + size);
}

static void go_back_below_views(struct failure *failure) {
    size_t page = fixture_page_size();
    hf_mark target = *(const hf_mark *)failure->user;
    hf_arena arena = fixture_open(options_of(failure));
    make_file(&arena);
    add(&arena, 1000, 1);
    for (int i = 0; i < VIEWS; i++) {
        CHECK(appends(&arena));
        add(&arena, 1000, 2);
    }
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 3 * MIB));
    failure_on(failure);
    hf_status status = hf_rewind(&arena, target);
    failure_off(failure);
    if (status != HF_OK) {
        check_failure(failure, status);
        CHECK(hf_get_mark(&arena) < 1000 || is_filled(hf_arena_base(&arena), 1000, 1));
        CHECK(hf_get_mark(&arena) >= end_of_views(&arena));
        works(&arena);
        hf_mark mark = hf_get_mark(&arena), end = end_of_views(&arena);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, end > target ? end : target));
        add(&arena, mark - hf_get_mark(&arena), 3);
        CHECK(appends(&arena));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, target));
    }
    CHECK_EQUAL(target, hf_get_mark(&arena));
    CHECK_EQUAL(target <= page ? 0 : round_up(10000, page), hf_arena_get_stats(&arena).viewed);
    CHECK(target == 0 || is_filled(hf_arena_base(&arena), 1000, 1));
    works(&arena);
    CHECK(appends(&arena));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    works(&arena);
    hf_arena_close(&arena);
    disk_remove(other);
}

static void going_back_below_views(void) {
    size_t page = fixture_page_size();
    const hf_mark targets[] = {0, 1000, page, page + round_up(10000, page),
                               page + round_up(10000, page) + 500};
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        AT("to %zu", targets[i]);
        CHECK(each_failure(go_back_below_views, &targets[i]) >= 8);
    }
}

static void trim_and_reset(struct failure *failure) {
    hf_access access = *(const hf_access *)failure->user;
    image_make(path, kept_size, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, access, options_of(failure));
    hf_mark mark = hf_get_mark(&arena);
    for (int i = 0; i < 5; i++) add(&arena, MIB, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    failure_on(failure);
    hf_status status = hf_trim(&arena, 0);
    failure_off(failure);
    if (status != HF_OK) check_failure(failure, status);
    CHECK(is_filled(hf_arena_base(&arena), kept_size, 1));
    works(&arena);
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed + hf_arena_get_stats(&arena).committed);
    works(&arena);
    hf_arena_close(&arena);
    disk_remove(path);
}

static void trimming_an_image(void) {
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access += 2)
        CHECK(each_failure(trim_and_reset, &access) >= 4);
}

CHECK_MAIN(TEST(opening_an_image), TEST(opening_an_image_that_was_left_longer),
           TEST(the_file_is_truncated_after_the_header_is_synced),
           TEST(readers_open_without_writable_maps), TEST(opening_a_new_image),
           TEST(calls_that_fail_change_nothing), TEST(a_failed_sync_loses_nothing),
           TEST(a_failed_sync_stays_failed), TEST(closing_truncates_nothing_that_a_record_counts),
           TEST(a_small_disk_is_used_to_its_end), TEST(a_save_is_whole_or_not_at_all),
           TEST(going_back_below_views), TEST(trimming_an_image))
