/*
 * Snapshots and read-only images: what holdfast/image.h says of HF_COPY_ON_WRITE and HF_READ_ONLY.
 */
#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_snapshot.tmp", other[] = "test_image_snapshot.other.tmp";

static const size_t sizes[] = {1, 4095, 4096, 65535, 65536, 65537, 3000001};

enum { SIZES = sizeof sizes / sizeof *sizes };

static hf_arena open_as(hf_access access) {
    return image_open(path, access, (hf_arena_options){0});
}

static struct content make(size_t size, unsigned seed) {
    image_make(path, size, seed, (hf_arena_options){0});
    return content_of(path);
}

/* Closes the arena; nothing that the test stored or allocated has reached the file. */
static void close_untouched(hf_arena *arena, struct content *before) {
    check_content(path, before);
    hf_arena_close(arena);
    check_is_closed(arena);
    check_content(path, before);
    free(before->bytes);
    disk_remove(path);
}

/* --------------------------------------------------------------------- snapshots ----------- */

static void stores_are_private(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        struct content before = make(sizes[i], i);
        hf_arena arena = open_as(HF_COPY_ON_WRITE);
        char *block = hf_arena_root(&arena);
        CHECK(is_filled(block, sizes[i], i));
        CHECK_EQUAL(before.size - AREA, hf_arena_get_stats(&arena).viewed);
        CHECK_EQUAL(0, hf_arena_get_stats(&arena).committed);
        fill(block, sizes[i], i + 1);
        CHECK(is_filled(block, sizes[i], i + 1));
        close_untouched(&arena, &before);
    }
}

static void growth_is_private(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        struct content before = make(sizes[i], i);
        hf_arena arena = open_as(HF_COPY_ON_WRITE);
        char *block = hf_arena_root(&arena);
        CHECK(hf_extend_zeroed(&arena, block, sizes[i], sizes[i] + 5 * MIB));
        CHECK(is_filled(block, sizes[i], i) && is_zero(block + sizes[i], 5 * MIB));
        fill(block, sizes[i] + 5 * MIB, 9);
        char *next = hf_alloc_zeroed(&arena, MIB, 64);
        CHECK(next != NULL && is_zero(next, MIB));
        CHECK(hf_arena_get_stats(&arena).committed >= 5 * MIB);
        CHECK_EQUAL(before.size - AREA, hf_arena_get_stats(&arena).viewed);
        CHECK(is_filled(block, sizes[i] + 5 * MIB, 9));
        close_untouched(&arena, &before);
    }
}

/* A crash can leave bytes in the file behind those that the record counts. */
static void bytes_behind_the_record_are_zeroed(void) {
    unsigned char soil[AREA];
    memset(soil, 0xee, sizeof soil);
    free(make(1000, 1).bytes);
    intptr_t file = disk_open(path, DISK_BOTH);
    disk_store(file, AREA + 1100, soil, AREA - 1100);
    for (size_t i = 2; i < 9; i++) disk_store(file, i * AREA, soil, AREA);
    disk_close(file);
    struct content before = content_of(path);
    hf_arena arena = open_as(HF_COPY_ON_WRITE);
    char *block = hf_alloc_zeroed(&arena, 20 * AREA, 8);
    CHECK(block != NULL && is_zero(block, 20 * AREA));
    CHECK(is_filled(hf_arena_root(&arena), 1000, 1));
    close_untouched(&arena, &before);
}

static void it_rewinds_as_any_arena(void) {
    struct content before = make(300000, 1);
    hf_arena arena = open_as(HF_COPY_ON_WRITE);
    hf_mark whole = hf_get_mark(&arena);
    hf_scope scope = hf_scope_begin(&arena);
    CHECK(hf_alloc(&arena, MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK_EQUAL(whole, hf_get_mark(&arena));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 1000)); /* to a position within the image */
    CHECK_EQUAL(1000, hf_get_mark(&arena));
    CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
    char *again = hf_alloc_zeroed(&arena, 500000, 8);
    CHECK(again != NULL && is_zero(again, 500000));
    CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, hf_get_mark(&arena) + 1));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_EQUAL(0, hf_get_mark(&arena));
    again = hf_alloc_zeroed(&arena, 2 * MIB, 8);
    CHECK(again != NULL && is_zero(again, 2 * MIB));
    close_untouched(&arena, &before);
}

/* The view is unmapped as a whole, once pos is at 0. */
static void a_trim_unmaps_the_view(void) {
    struct content before = make(300000, 1);
    hf_arena arena = open_as(HF_COPY_ON_WRITE);
    size_t viewed = hf_arena_get_stats(&arena).viewed;
    CHECK(hf_alloc(&arena, 3 * MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 1000));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(viewed, hf_arena_get_stats(&arena).viewed);
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).committed);
    CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed);
    char *block = hf_alloc_zeroed(&arena, MIB, 8);
    CHECK(block == hf_arena_base(&arena) && is_zero(block, MIB));
    close_untouched(&arena, &before);
}

/* The image's view is unmapped only as a whole, so its pages stay readable; rewound private pages
 * fault. */
static void rewound_pages_fault_behind_the_image(void) {
    struct content before = make(100000, 1);
    hf_arena arena =
        image_open(path, HF_COPY_ON_WRITE, (hf_arena_options){.fault_after_rewind = true});
    size_t viewed = hf_arena_get_stats(&arena).viewed;
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 1000));
    CHECK_EQUAL(1000, hf_get_mark(&arena));
    CHECK_EQUAL(viewed, hf_arena_get_stats(&arena).viewed);
    char *block = hf_alloc(&arena, MIB, 8);
    CHECK(block != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 1000));
    CHECK(hf_get_mark(&arena) >= MIB);
    CHECK_EQUAL(viewed, hf_arena_get_stats(&arena).viewed);
    CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
    CHECK(hf_alloc(&arena, MIB, 8) > (void *)(block + MIB - fixture_page_size()));
    close_untouched(&arena, &before);
}

static void a_snapshot_is_saved_to_another_path(void) {
    struct content before = make(100000, 1);
    hf_arena arena = open_as(HF_COPY_ON_WRITE);
    char *block = hf_arena_root(&arena);
    CHECK(hf_extend(&arena, block, 100000, 3 * MIB));
    fill(block, 3 * MIB, 2);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, other));
    close_untouched(&arena, &before);
    arena = image_open(other, HF_READ_WRITE, (hf_arena_options){0});
    CHECK(hf_arena_root(&arena) == block);
    CHECK(is_filled(block, 3 * MIB, 2));
    hf_arena_close(&arena);
    disk_remove(other);
}

/* The snapshot stays usable after it is saved over the file that it was opened from. */
static void a_snapshot_is_saved_over_its_own_file(void) {
    free(make(100000, 1).bytes);
    hf_arena arena = open_as(HF_COPY_ON_WRITE);
    for (unsigned i = 2; i < 5; i++) {
        fill(hf_arena_root(&arena), 100000, i);
        CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
        CHECK(is_filled(hf_arena_root(&arena), 100000, i));
    }
    char *block = hf_arena_root(&arena);
    hf_arena_close(&arena);
    arena = open_as(HF_READ_ONLY);
    CHECK(hf_arena_root(&arena) == block);
    CHECK(is_filled(block, 100000, 4));
    hf_arena_close(&arena);
    disk_remove(path);
}

/* A reservation that is barely larger than the image. */
static void growing_past_the_reservation_is_reserve_full(void) {
    struct content before = make(3 * AREA - 100, 1);
    hf_arena arena =
        image_open(path, HF_COPY_ON_WRITE, (hf_arena_options){.reserve = 3 * (size_t)AREA});
    CHECK_EQUAL(3 * AREA, hf_arena_get_stats(&arena).reserved);
    CHECK(hf_alloc(&arena, AREA, 1) == NULL);
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK(hf_alloc(&arena, 50, 1) != NULL);
    CHECK(is_filled(hf_arena_base(&arena), 3 * AREA - 100, 1));
    close_untouched(&arena, &before);
}

static void an_empty_image_opens_as_a_snapshot(void) {
    disk_remove(path);
    hf_arena arena = open_as(HF_READ_WRITE);
    hf_arena_close(&arena);
    struct content before = content_of(path);
    arena = open_as(HF_COPY_ON_WRITE);
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).viewed);
    CHECK(hf_arena_root(&arena) == NULL);
    char *block = hf_alloc_zeroed(&arena, MIB, 8);
    CHECK(block == hf_arena_base(&arena) && is_zero(block, MIB));
    close_untouched(&arena, &before);
}

/* -------------------------------------------------------------- read-only images ----------- */

static void store(void *address) { *(volatile char *)address = 'x'; }

static void stores_to_a_read_only_image_fault(void) {
    struct content before = make(100000, 1);
    hf_arena arena = open_as(HF_READ_ONLY);
    char *block = hf_arena_root(&arena);
    CHECK(process_faults_at(store, block, block));
    CHECK(process_faults_at(store, block + 99999, block + 99999));
    CHECK(is_filled(block, 100000, 1));
    close_untouched(&arena, &before);
}

static void expect_full(const void *result) {
    CHECK(result == NULL);
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
}

static void nothing_is_allocated_in_a_read_only_image(void) {
    for (unsigned i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        struct content before = make(sizes[i], i);
        hf_arena arena = open_as(HF_READ_ONLY);
        char *block = hf_arena_root(&arena);
        struct snapshot state = snapshot_of(&arena);
        expect_full(hf_alloc(&arena, 1, 1));
        expect_full(hf_alloc(&arena, SIZE_MAX, 1));
        expect_full(hf_alloc(&arena, 1, MIB));
        expect_full(hf_alloc_zeroed(&arena, 100, 8));
        expect_full(hf_alloc_array(&arena, 10, 10, 8));
        expect_full(hf_peek(&arena, 1, NULL));
        expect_full(hf_strdup(&arena, "text"));
        expect_full(hf_memdup(&arena, "bytes", 5));
        expect_full(hf_asprintf(&arena, "%d", 1));
        expect_full(hf_realloc(&arena, block, sizes[i], sizes[i] + 1, 1));
        CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, 1));
        check_unchanged(&arena, &state);
        CHECK(is_filled(block, sizes[i], i));
        close_untouched(&arena, &before);
    }
}

static void blocks_of_a_read_only_image_keep_their_size(void) {
    struct content before = make(100000, 1);
    hf_arena arena = open_as(HF_READ_ONLY);
    char *block = hf_arena_root(&arena);
    struct snapshot state = snapshot_of(&arena);
    CHECK(!hf_extend(&arena, block, 100000, 100001));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    CHECK(!hf_extend_zeroed(&arena, block, 100000, 200000));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    CHECK(hf_extend(&arena, block, 100000, 1)); /* shrinking frees nothing */
    CHECK(hf_realloc(&arena, block, 100000, 1, 1) == block);
    check_unchanged(&arena, &state);
    close_untouched(&arena, &before);
}

static void a_read_only_image_does_not_rewind(void) {
    struct content before = make(100000, 1);
    hf_arena arena = open_as(HF_READ_ONLY);
    hf_mark whole = hf_get_mark(&arena);
    struct snapshot state = snapshot_of(&arena);
    hf_scope scope = hf_scope_begin(&arena);
    for (hf_mark mark = 0; mark < whole; mark += 9999)
        CHECK_STATUS(HF_WRONG_STATE, hf_rewind(&arena, mark));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, whole + 1));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, whole)); /* to where pos is */
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(scope));
    CHECK_STATUS(HF_WRONG_STATE, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    check_unchanged(&arena, &state);
    CHECK(is_filled(hf_arena_base(&arena), 100000, 1));
    close_untouched(&arena, &before);
}

static void a_read_only_image_has_stats_and_root(void) {
    struct content before = make(100000, 1);
    hf_arena arena = open_as(HF_READ_ONLY);
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    char *base = hf_arena_base(&arena), *block = hf_arena_root(&arena);
    CHECK_EQUAL(hf_get_mark(&arena), stats.used);
    CHECK_EQUAL(stats.used, stats.reserved);
    CHECK_EQUAL(stats.used, stats.peak);
    CHECK_EQUAL(0, stats.committed);
    CHECK_EQUAL(2 * AREA, stats.viewed);
    CHECK(stats.system_calls > 0);
    CHECK(hf_owns(&arena, base) && hf_owns(&arena, base + stats.used - 1));
    CHECK(!hf_owns(&arena, base + stats.used) && !hf_owns(&arena, base - 1));
    CHECK(hf_to_ref(&arena, block) != 0);
    CHECK(hf_from_ref(&arena, hf_to_ref(&arena, block)) == block);
    close_untouched(&arena, &before);
}

static void a_read_only_image_is_saved(void) {
    struct content before = make(100000, 1);
    hf_arena arena = open_as(HF_READ_ONLY);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, other));
    close_untouched(&arena, &before);
    arena = image_open(other, HF_READ_WRITE, (hf_arena_options){0});
    CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
    hf_arena_close(&arena);
    disk_remove(other);
}

static void an_empty_image_opens_read_only(void) {
    disk_remove(path);
    hf_arena arena = open_as(HF_READ_WRITE);
    hf_arena_close(&arena);
    struct content before = content_of(path);
    arena = open_as(HF_READ_ONLY);
    expect_full(hf_alloc(&arena, 1, 1));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(hf_arena_base(&arena) != NULL && hf_arena_root(&arena) == NULL);
    close_untouched(&arena, &before);
}

/* Closing must not poison or unpoison addresses that the arena has released. */
static void closing_a_read_only_image_releases_its_addresses(void) {
    free(make(1001, 1).bytes);
    for (int access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        hf_arena arena = open_as((hf_access)access);
        hf_space_options options = {.base = hf_arena_base(&arena)};
        hf_space *space;
        hf_arena_close(&arena);
        CHECK_STATUS(HF_OK, hf_space_open(&space, AREA, &options));
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, AREA));
        memset(hf_space_base(space), 'x', AREA);
        hf_space_close(space);
    }
    disk_remove(path);
}

CHECK_MAIN(TEST(stores_are_private), TEST(growth_is_private),
           TEST(bytes_behind_the_record_are_zeroed), TEST(it_rewinds_as_any_arena),
           TEST(a_trim_unmaps_the_view), TEST(rewound_pages_fault_behind_the_image),
           TEST(a_snapshot_is_saved_to_another_path), TEST(a_snapshot_is_saved_over_its_own_file),
           TEST(growing_past_the_reservation_is_reserve_full),
           TEST(an_empty_image_opens_as_a_snapshot), TEST(stores_to_a_read_only_image_fault),
           TEST(nothing_is_allocated_in_a_read_only_image),
           TEST(blocks_of_a_read_only_image_keep_their_size),
           TEST(a_read_only_image_does_not_rewind), TEST(a_read_only_image_has_stats_and_root),
           TEST(a_read_only_image_is_saved), TEST(an_empty_image_opens_read_only),
           TEST(closing_a_read_only_image_releases_its_addresses))
