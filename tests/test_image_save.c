/*
 * hf_arena_save: saves any arena as an image, atomically.
 */
#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_save.tmp", source[] = "test_image_save.source.tmp";

/* The name of a draft, which a save writes before it renames it. */
static const char *draft_name(int number) {
    static char name[64];
    snprintf(name, sizeof name, "%s.saving%02d", path, number);
    return name;
}

static void check_no_draft(void) {
    for (int i = 0; i < 100; i++) CHECK(!disk_exists(draft_name(i)));
}

/* Opens the saved image at any base, because the arena it was saved from is still open. */
static hf_arena open_saved(void) {
    return image_open(path, HF_COPY_ON_WRITE, (hf_arena_options){.any_base = true});
}

/* Checks the whole file: the arena's used bytes, as they are in memory. */
static void expect_image_of(const hf_arena *arena, uint64_t tag) {
    struct content now = content_of(path);
    unsigned char slot[SLOT];
    const char *base = hf_arena_base(arena), *root = hf_arena_root(arena);
    size_t used = hf_get_mark(arena);
    write_slot(slot, 0, (uintptr_t)base, used, root ? (uintptr_t)(root - base) + 1 : 0, tag);
    CHECK_EQUAL(image_size(used), now.size);
    CHECK(memcmp(slot, now.bytes, SLOT) == 0);
    CHECK(is_zero(now.bytes + SLOT, AREA - SLOT));
    CHECK(is_zero(now.bytes + AREA + used, now.size - AREA - used));
    CHECK(disk_allocated(path) >= now.size);
    free(now.bytes);
    check_no_draft();
}

static void save(const hf_arena *arena) {
    hf_error before = hf_last_error();
    CHECK_STATUS(HF_OK, hf_arena_save(arena, path));
    CHECK_EQUAL(before.status, hf_last_error().status);
}

static hf_arena open_filled(size_t size, hf_arena_options options) {
    options.reserve = IMAGE_RESERVE;
    hf_arena arena = fixture_open(options);
    char *block = hf_alloc(&arena, size, 8);
    CHECK(block != NULL);
    fill(block, size, 1);
    if (size > 0) CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    return arena;
}

/* ------------------------------------------------------------------- any arena ------------- */

static void an_arena_of_any_size_is_saved(void) {
    static const size_t sizes[] = {0,    1,        4095,   4096,    4097,        AREA - 1,
                                   AREA, AREA + 1, 300000, 3 * MIB, 20 * MIB + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("size %zu", sizes[i]);
        hf_arena arena = open_filled(sizes[i], (hf_arena_options){.tag = i});
        struct snapshot before = snapshot_of(&arena);
        disk_remove(path);
        save(&arena);
        check_unchanged(&arena, &before);
        expect_image_of(&arena, i);
        hf_arena_close(&arena);
        arena = image_open(path, HF_READ_ONLY, (hf_arena_options){.tag = i});
        CHECK(sizes[i] == 0 || is_filled(hf_arena_root(&arena), sizes[i], 1));
        CHECK((hf_arena_root(&arena) == NULL) == (sizes[i] == 0));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* Red zones and uninitialized bytes are saved too. */
static void an_arena_of_many_blocks_is_saved(void) {
    hf_arena arena = open_filled(0, (hf_arena_options){0});
    for (size_t i = 0; i < 1000; i++) {
        hf_ref *block = hf_alloc(&arena, 100 + i, 8);
        CHECK(block != NULL);
        *block = hf_to_ref(&arena, hf_arena_root(&arena));
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block));
    }
    save(&arena);
    expect_image_of(&arena, 0);
    hf_arena saved = open_saved();
    size_t count = 0;
    for (hf_ref *block = hf_arena_root(&saved); block; block = hf_from_ref(&saved, *block)) count++;
    CHECK_EQUAL(1000, count);
    hf_arena_close(&saved);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* Pages that fault are part of the image, as zeros. */
static void an_arena_with_pages_that_fault_is_saved(void) {
    hf_arena arena = open_filled(100000, (hf_arena_options){.fault_after_rewind = true});
    hf_mark mark = hf_get_mark(&arena);
    CHECK(hf_alloc(&arena, 3 * MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
    char *behind = hf_alloc(&arena, 100000, 8);
    fill(behind, 100000, 2);
    save(&arena);
    expect_image_of(&arena, 0);
    hf_arena saved = open_saved();
    CHECK(is_filled(hf_arena_base(&saved), 100000, 1));
    char *copied = hf_arena_base(&saved) + (behind - hf_arena_base(&arena));
    CHECK(is_filled(copied, 100000, 2));
    char *gap = hf_arena_base(&saved) + round_up(mark, fixture_page_size());
    CHECK(is_zero(gap, (size_t)(copied - gap) / fixture_page_size() * fixture_page_size()));
    hf_arena_close(&saved);
    hf_arena_close(&arena);
    disk_remove(path);
}

static void an_arena_with_views_is_saved(void) {
    char bytes[10000];
    void *data;
    size_t size;
    fill(bytes, sizeof bytes, 3);
    write_content(source, bytes, sizeof bytes);
    hf_arena arena = open_filled(1000, (hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, source, HF_READ_ONLY, &data, &size));
    fill(hf_alloc(&arena, 50000, 8), 50000, 4);
    CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, source, HF_COPY_ON_WRITE, &data, &size));
    fill(data, size, 5);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, data));
    save(&arena);
    expect_image_of(&arena, 0);
    hf_arena saved = open_saved();
    CHECK(is_filled(hf_arena_base(&saved), 1000, 1));
    CHECK(is_filled(hf_arena_base(&saved) + fixture_page_size(), sizeof bytes, 3));
    CHECK(is_filled(hf_arena_root(&saved), sizeof bytes, 5));
    hf_arena_close(&saved);
    hf_arena_close(&arena);
    disk_remove(source);
    disk_remove(path);
}

static void a_read_write_arena_is_saved(void) {
    disk_remove(source);
    hf_arena arena = image_open(source, HF_READ_WRITE, (hf_arena_options){.tag = 9});
    fill(hf_alloc(&arena, 3 * MIB, 8), 3 * MIB, 1);
    save(&arena); /* whether or not it was synced */
    expect_image_of(&arena, 9);
    hf_arena_close(&arena);
    arena = image_open(path, HF_READ_WRITE, (hf_arena_options){.tag = 9});
    CHECK(is_filled(hf_arena_base(&arena), 3 * MIB, 1));
    hf_arena_close(&arena);
    disk_remove(source);
    disk_remove(path);
}

/* ------------------------------------------------------------------- replacing a file ------ */

static void readers_keep_the_replaced_file(void) {
    for (int access = HF_READ_ONLY; access <= HF_COPY_ON_WRITE; access++) {
        AT("access %d", access);
        image_make(path, 200000, 7, (hf_arena_options){0});
        hf_arena holder = image_open(path, (hf_access)access, (hf_arena_options){0});
        hf_arena arena = open_filled(1000, (hf_arena_options){0});
        save(&arena);
        expect_image_of(&arena, 0);
        CHECK(is_filled(hf_arena_root(&holder), 200000, 7));
        hf_arena saved = open_saved();
        CHECK(is_filled(hf_arena_root(&saved), 1000, 1));
        hf_arena_close(&saved);
        hf_arena_close(&holder);
        expect_image_of(&arena, 0);
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* Otherwise the writer's later syncs would go to a file without a name. */
static void a_save_over_a_writers_image_is_busy(void) {
    image_make(path, 200000, 7, (hf_arena_options){0});
    hf_arena writer = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
    hf_arena arena = open_filled(1000, (hf_arena_options){0});
    CHECK_STATUS(HF_BUSY, hf_arena_save(&arena, path));
    CHECK_STATUS(HF_BUSY, hf_arena_save(&writer, path));
    check_no_draft();
    fill(hf_arena_root(&writer), 200000, 8);
    CHECK_STATUS(HF_OK, hf_arena_sync(&writer));
    hf_arena_close(&writer);
    hf_arena saved = open_saved();
    CHECK(is_filled(hf_arena_root(&saved), 200000, 8));
    hf_arena_close(&saved);
    save(&arena);
    expect_image_of(&arena, 0);
    hf_arena_close(&arena);
    disk_remove(path);
}

static void a_save_replaces_any_file(void) {
    write_content(path, "not an image...", 15);
    hf_arena arena = open_filled(1000, (hf_arena_options){0});
    save(&arena);
    expect_image_of(&arena, 0);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* Processes that died while saving have left drafts of every possible name. */
static void leftover_drafts_are_removed(void) {
    hf_arena arena = open_filled(1000, (hf_arena_options){0});
    disk_remove(path);
    for (int i = 0; i < 100; i++) write_content(draft_name(i), "theirs", 6);
    save(&arena);
    expect_image_of(&arena, 0);
    for (int i = 3; i < 100; i += 32) write_content(draft_name(i), "theirs", 6);
    save(&arena);
    expect_image_of(&arena, 0);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* ---------------------------------------------------------------------- errors ------------- */

static void arguments_are_checked(void) {
    hf_arena arena = {0};
    disk_remove(path);
    CHECK_STATUS(HF_INVALID, hf_arena_save(&arena, path));
    arena = open_filled(1000, (hf_arena_options){0});
    CHECK_STATUS(HF_INVALID, hf_arena_save(&arena, NULL));
    CHECK_STATUS(HF_INVALID, hf_arena_save(&arena, ""));
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(!disk_exists(path));
    CHECK_STATUS(HF_IO, hf_arena_save(&arena, "no_such_folder/image"));
    CHECK_EQUAL(disk_answers.no_folder, hf_last_error().os_code);
    hf_arena_close(&arena);
}

/* Names longer than any system allows, some longer than a page. */
static void a_path_that_is_too_long_fails(void) {
    hf_arena arena = open_filled(1000, (hf_arena_options){0});
    for (size_t length = 300; length < 20000; length += 997) {
        char *name = malloc(length + 1);
        memset(name, 'x', length);
        name[length] = '\0';
        CHECK_STATUS(HF_IO, hf_arena_save(&arena, name));
        free(name);
    }
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------------ two processes ---------- */

struct node {
    struct node *next;
    size_t value;
};

enum { NODES = 10000 };

/* The list has pointers, so the image must open at its base. */
static void reads_a_list(void) {
    hf_arena arena = image_open(path, HF_READ_ONLY, (hf_arena_options){0});
    size_t value = NODES;
    for (struct node *node = hf_arena_root(&arena); node; node = node->next)
        CHECK_EQUAL(--value, node->value);
    CHECK_EQUAL(0, value);
    hf_arena_close(&arena);
}

static void another_process_follows_the_pointers(void) {
#ifdef HF_BASE_FIXED
    hf_arena arena = fixture_open((hf_arena_options){.base = HF_BASE_FIXED});
    for (size_t i = 0; i < NODES; i++) {
        struct node *node = hf_new(&arena, struct node);
        *node = (struct node){hf_arena_root(&arena), i};
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, node));
    }
    disk_remove(path);
    save(&arena);
    hf_arena_close(&arena);
    FILE *process = process_start("reads_a_list");
    CHECK(process != NULL && process_ended_well(process));
    disk_remove(path);
#else
    check_skip("32 bits have no address that stays free");
#endif
}

CHECK_MAIN(TEST(an_arena_of_any_size_is_saved), TEST(an_arena_of_many_blocks_is_saved),
           TEST(an_arena_with_pages_that_fault_is_saved), TEST(an_arena_with_views_is_saved),
           TEST(a_read_write_arena_is_saved), TEST(readers_keep_the_replaced_file),
           TEST(a_save_over_a_writers_image_is_busy), TEST(a_save_replaces_any_file),
           TEST(leftover_drafts_are_removed), TEST(arguments_are_checked),
           TEST(a_path_that_is_too_long_fails), TEST_BY_NAME(reads_a_list),
           TEST(another_process_follows_the_pointers))
