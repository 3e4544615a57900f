/*
 * What an arena with views poisons and unpoisons for AddressSanitizer, byte by byte. Like
 * test_arena_sanitizer.c, this program defines the runtime's symbols.
 *
 * Not in a build with AddressSanitizer, whose runtime defines these symbols.
 */
#include "asan_symbols.h"
#include "image_fixture.h"
#include "nth_failure.h"

static const char path[] = "test_image_sanitizer.tmp", saved[] = "test_image_sanitizer.saved.tmp";

enum { WATCHED = 4 * 1024 * 1024 };

/* A flag for each byte, from base on. */
static struct {
    char *base;
    bool poisoned[WATCHED];
} shadow;

static void set_flags(const volatile void *address, size_t size, bool poisoned) {
    uintptr_t offset = (uintptr_t)address - (uintptr_t)shadow.base;
    if (shadow.base == NULL || offset >= WATCHED) return;
    if (size > WATCHED - offset) size = WATCHED - offset;
    memset(shadow.poisoned + offset, poisoned, size);
}

static void watch(const char *base) {
    memset(&shadow, 0, sizeof shadow);
    shadow.base = (char *)(uintptr_t)base;
}

static void expect(size_t from, size_t to, bool poisoned) {
    for (size_t i = from; i < to; i++) {
        if (shadow.poisoned[i] == poisoned) continue;
        AT("byte %zu of [%zu, %zu)", i, from, to);
        CHECK(shadow.poisoned[i] == poisoned);
    }
}

static size_t offset_of(const void *address) {
    return (size_t)((const char *)address - shadow.base);
}

/* Makes an image with one block of `size` bytes and watches the address at which it will open. */
static size_t make_watched(size_t size) {
    image_make(path, size, 1, (hf_arena_options){0});
    hf_arena arena = image_open(path, HF_READ_ONLY, (hf_arena_options){0});
    char *base = hf_arena_base(&arena);
    size_t used = hf_get_mark(&arena);
    hf_arena_close(&arena);
    watch(base);
    return used;
}

/* --------------------------------------------------------------------- images -------------- */

/* Nothing is poisoned behind a read-only image: it cannot be written to, and the bytes behind it do
 * not belong to the arena. */
static void bytes_of_no_block_are_poisoned(void) {
    static const size_t sizes[] = {1, 1001, 65000, 65536 - 16, 65536, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
            size_t used = make_watched(sizes[i]), end = round_up(used, AREA);
            hf_arena arena = image_open(path, access, (hf_arena_options){0});
            CHECK(hf_arena_base(&arena) == shadow.base);
            expect(0, used, false);
            expect(used, end, access != HF_READ_ONLY);
            CHECK(arena.limit == arena.pos); /* hf_alloc always calls hf_alloc_slow */
            hf_arena_close(&arena);
            expect(0, WATCHED, false);
        }
    disk_remove(path);
}

static void blocks_behind_an_image_have_red_zones(void) {
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access += 2) {
        size_t used = make_watched(1001);
        hf_arena arena = image_open(path, access, (hf_arena_options){0});
        size_t begin = offset_of(hf_alloc(&arena, 100, 1)), next;
        expect(used, begin, true);
        expect(begin, begin + 100, false);
        next = offset_of(hf_alloc(&arena, 300000, 1));
        CHECK(next >= begin + 116);
        expect(begin + 100, next, true);
        expect(next, next + 300000, false);
        size_t ready = hf_arena_get_stats(&arena).viewed + hf_arena_get_stats(&arena).committed;
        expect(next + 300000, ready, true);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, used));
        expect(0, used, false);
        expect(used, ready, true);
        hf_arena_close(&arena);
        expect(0, WATCHED, false);
    }
    disk_remove(path);
}

/* An image that fails to open after it was mapped leaves nothing poisoned. */
static hf_status fail_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self, (void)file;
    report->call = "fail_sync";
    return HF_IO;
}

static void an_image_that_fails_to_open_poisons_nothing(void) {
    hf_backend failing = *hf_backend_native();
    failing.file_sync = fail_sync;
    make_watched(1001);
    hf_arena arena;
    hf_arena_options options = {.backend = &failing, .reserve = IMAGE_RESERVE};
    CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, path, HF_READ_WRITE, &options));
    expect(0, WATCHED, false);
    disk_remove(path);
}

/* ---------------------------------------------------------------------- saving ------------- */

/* The bytes between blocks are saved too, without a sanitizer report. */
static void a_save_reads_poisoned_bytes(void) {
    static bool before[WATCHED];
    hf_arena arena = fixture_open((hf_arena_options){.reserve = WATCHED});
    watch(hf_arena_base(&arena));
    for (unsigned i = 0; i < 200; i++) fill(hf_alloc(&arena, 1000 + i, 1), 1000 + i, i);
    memcpy(before, shadow.poisoned, sizeof before);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, saved));
    CHECK(memcmp(before, shadow.poisoned, sizeof before) == 0);
    struct content image = content_of(saved);
    CHECK(memcmp(image.bytes + AREA, hf_arena_base(&arena), hf_get_mark(&arena)) == 0);
    free(image.bytes);
    hf_arena_close(&arena);
    disk_remove(saved);
}

static void save_with_failures(struct failure *failure) {
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = WATCHED, .backend = failure->strict});
    fill(hf_alloc(&arena, 200000, 1), 200000, 1);
    disk_remove(saved);
    failure_on(failure);
    hf_status status = hf_arena_save(&arena, saved);
    failure_off(failure);
    CHECK(disk_exists(saved) == (status == HF_OK || failure_is_published(failure)));
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, saved));
    struct content image = content_of(saved);
    CHECK(is_filled(image.bytes + AREA, 200000, 1));
    free(image.bytes);
    hf_arena_close(&arena);
    disk_remove(saved);
}

static void a_save_can_fail(void) { CHECK(each_failure(save_with_failures, NULL) >= 12); }

/* -------------------------------------------------------------------- appending ------------ */

static void bytes_around_a_view_are_poisoned(void) {
    unsigned char bytes[10000];
    size_t page = fixture_page_size(), room, size;
    void *data;
    fill(bytes, sizeof bytes, 1);
    write_content(path, bytes, sizeof bytes);
    hf_arena arena = fixture_open((hf_arena_options){.reserve = WATCHED});
    watch(hf_arena_base(&arena));
    size_t block = offset_of(hf_alloc(&arena, 100, 8));
    char *peeked = hf_peek(&arena, 1000, &room);
    expect(offset_of(peeked), offset_of(peeked) + room, false);
    CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, path, HF_READ_ONLY, &data, &size));
    CHECK_EQUAL(page, offset_of(data));
    expect(block, block + 100, false);
    expect(block + 100, page, true); /* also the bytes that hf_peek returned */
    expect(page, page + size, false);
    expect(page + size, page + round_up(size, page), true);
    hf_mark behind = hf_get_mark(&arena);
    size_t next = offset_of(hf_alloc(&arena, 100, 8));
    expect(next, next + 100, false);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, behind));
    expect(behind, next + 100, true);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, block + 100));
    expect(block, block + 100, false);
    expect(block + 100, page, true);
    hf_arena_close(&arena);
    expect(0, WATCHED, false);
    disk_remove(path);
}

CHECK_MAIN(TEST(bytes_of_no_block_are_poisoned), TEST(blocks_behind_an_image_have_red_zones),
           TEST(an_image_that_fails_to_open_poisons_nothing), TEST(a_save_reads_poisoned_bytes),
           TEST(a_save_can_fail), TEST(bytes_around_a_view_are_poisoned))
