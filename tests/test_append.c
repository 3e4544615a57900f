/*
 * hf_arena_append_file: files mapped as the next bytes of an arena, and rewinding below them.
 */
#include <holdfast/space.h>

#include "image_fixture.h"
#include "process.h"

static const char image[] = "test_append.image.tmp";

enum { FILES = 6 };

static const char *name_of(int number) {
    static char name[64];
    snprintf(name, sizeof name, "test_append.%d.tmp", number);
    return name;
}

/* Makes a file filled with its number's pattern. */
static void make_file(int number, size_t size) {
    unsigned char *bytes = malloc(size + 1);
    fill(bytes, size, (unsigned)number);
    write_content(name_of(number), bytes, size);
    free(bytes);
}

static void remove_files(void) {
    for (int i = 0; i < FILES; i++) disk_remove(name_of(i));
}

static hf_arena open_arena(void) {
    return fixture_open((hf_arena_options){.reserve = IMAGE_RESERVE});
}

static char *add(hf_arena *arena, size_t size, unsigned seed) {
    char *block = hf_alloc(arena, size, 8);
    CHECK(block != NULL);
    fill(block, size, seed);
    return block;
}

static size_t page(void) { return fixture_page_size(); }

static size_t pages_for(size_t size) { return round_up(size, page()); }

/* Appends a file: its view starts at a page boundary, and the next allocation at the page after the
 * view. */
static char *append(hf_arena *arena, int number, hf_access access, size_t expected_size) {
    void *data;
    size_t size;
    char *behind = hf_arena_base(arena) + pages_for(hf_get_mark(arena));
    CHECK_STATUS(HF_OK, hf_arena_append_file(arena, name_of(number), access, &data, &size));
    CHECK_EQUAL(expected_size, size);
    CHECK(data == behind);
    CHECK(arena->pos == behind + pages_for(size));
    CHECK(arena->limit == arena->pos);
    CHECK(is_filled(data, size, (unsigned)number));
    return data;
}

static void check_views(const hf_arena *arena, size_t expected) {
    CHECK_EQUAL(expected, hf_arena_get_stats(arena).viewed);
}

/* ------------------------------------------------------------------- appending ------------- */

static const size_t sizes[] = {1, 4095, 4096, 4097, 65536, 65537, 3000000};

enum { SIZES = sizeof sizes / sizeof *sizes };

static void a_file_is_the_next_bytes(void) {
    for (size_t i = 0; i < SIZES; i++) {
        AT("size %zu", sizes[i]);
        make_file(1, sizes[i]);
        for (int access = HF_READ_ONLY; access <= HF_COPY_ON_WRITE; access++) {
            hf_arena arena = open_arena();
            char *first = add(&arena, 1000, 7);
            char *data = append(&arena, 1, (hf_access)access, sizes[i]);
            char *next = add(&arena, 100000, 8);
            CHECK(next >= data + pages_for(sizes[i]));
            CHECK(is_filled(first, 1000, 7) && is_filled(data, sizes[i], 1) &&
                  is_filled(next, 100000, 8));
            check_views(&arena, pages_for(sizes[i]));
            CHECK(hf_owns(&arena, data));
            CHECK(hf_to_ref(&arena, data) != 0);
            CHECK(hf_from_ref(&arena, hf_to_ref(&arena, data)) == data);
            hf_arena_close(&arena);
        }
    }
    remove_files();
}

static void a_file_is_appended_at_any_position(void) {
    make_file(1, 10000);
    size_t page_size = page();
    const size_t before[] = {0, 1, page_size - 1, page_size, page_size + 1, 100000, 3 * MIB};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        AT("behind %zu bytes", before[i]);
        hf_arena arena = open_arena();
        char *block = before[i] > 0 ? add(&arena, before[i], 7) : NULL;
        append(&arena, 1, HF_READ_ONLY, 10000);
        CHECK(block == NULL || is_filled(block, before[i], 7));
        add(&arena, 100, 8);
        hf_arena_close(&arena);
    }
    remove_files();
}

static void an_empty_file_has_no_view(void) {
    make_file(1, 0);
    hf_arena arena = open_arena();
    for (int i = 0; i < 2; i++) {
        struct snapshot before = snapshot_of(&arena);
        void *data = NULL;
        size_t size = 4711;
        CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, name_of(1), HF_READ_ONLY, &data, &size));
        CHECK_EQUAL(0, size);
        CHECK(data != NULL);
        check_unchanged(&arena, &before);
        check_views(&arena, 0);
        add(&arena, 100, 1);
    }
    hf_arena_close(&arena);
    remove_files();
}

/* Files of whole pages, appended one after the other, form one array. */
static void files_of_whole_pages_are_contiguous(void) {
    hf_arena arena = open_arena();
    size_t total = 0;
    add(&arena, 1000, 7);
    char *array = NULL;
    for (int i = 0; i < FILES; i++) {
        size_t size = (size_t)(i + 1) * 3 * page();
        make_file(i, size);
        char *data = append(&arena, i, i % 2 ? HF_READ_ONLY : HF_COPY_ON_WRITE, size);
        if (i == 0) array = data;
        CHECK(data == array + total);
        total += size;
    }
    check_views(&arena, total);
    char *at = array;
    for (int i = 0; i < FILES; i++) {
        CHECK(is_filled(at, (size_t)(i + 1) * 3 * page(), (unsigned)i));
        at += (size_t)(i + 1) * 3 * page();
    }
    hf_arena_close(&arena);
    remove_files();
}

static void the_same_file_again_and_again(void) {
    make_file(1, 5000);
    hf_arena arena = open_arena();
    char *data[20];
    for (int i = 0; i < 20; i++) data[i] = append(&arena, 1, HF_COPY_ON_WRITE, 5000);
    for (int i = 0; i < 20; i++) {
        CHECK(is_filled(data[i], 5000, 1)); /* each view has private stores */
        fill(data[i], 5000, 2);
    }
    hf_arena_close(&arena);
    struct content now = content_of(name_of(1));
    CHECK(is_filled(now.bytes, 5000, 1));
    free(now.bytes);
    remove_files();
}

static void store(void *address) { *(volatile char *)address = 'x'; }

static void read_only_is_read_only(void) {
    make_file(1, 10000);
    hf_arena arena = open_arena();
    char *data = append(&arena, 1, HF_READ_ONLY, 10000);
    CHECK(process_faults_at(store, data, data));
    CHECK(process_faults_at(store, data + 9999, data + 9999));
    CHECK(is_filled(data, 10000, 1));
    hf_arena_close(&arena);
    remove_files();
}

/* The file can be removed while its view is mapped. */
static void the_view_keeps_the_file(void) {
    make_file(1, 10000);
    size_t handles = disk_handles();
    hf_arena arena = open_arena();
    char *data = append(&arena, 1, HF_READ_ONLY, 10000);
    disk_remove(name_of(1));
    CHECK(is_filled(data, 10000, 1));
    hf_arena_close(&arena);
    CHECK_EQUAL(handles, disk_handles());
}

/* Committed pages above pos are released for the view, and committed again when they are needed. */
static void committed_pages_are_released_for_the_view(void) {
    make_file(1, 10000);
    hf_arena arena = open_arena();
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 5 * MIB));
    write_and_rewind(&arena, 4 * MIB);
    size_t room;
    char *peeked = hf_peek(&arena, 1000, &room);
    memset(peeked, 0xee, room);
    append(&arena, 1, HF_READ_ONLY, 10000);
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).committed);
    char *block = hf_alloc_zeroed(&arena, 5 * MIB, 8);
    CHECK(block != NULL && is_zero(block, 5 * MIB));
    hf_arena_close(&arena);
    remove_files();
}

static void hf_peek_continues_behind_a_view(void) {
    make_file(1, 10000);
    hf_arena arena = open_arena();
    add(&arena, 1000, 7);
    char *data = append(&arena, 1, HF_READ_ONLY, 10000);
    size_t room;
    char *peeked = hf_peek(&arena, 5000, &room);
    CHECK(peeked == data + pages_for(10000) && room >= 5000);
    fill(peeked, 5000, 8);
    CHECK(hf_alloc(&arena, 5000, 1) == peeked);
    CHECK(is_filled(peeked, 5000, 8) && is_filled(data, 10000, 1));
    hf_arena_close(&arena);
    remove_files();
}

/* ----------------------------------------------------------------- blocks beside it -------- */

static void a_block_before_a_view_stays(void) {
    make_file(1, 10000);
    hf_arena arena = open_arena();
    char *block = add(&arena, 1000, 7);
    char *data = append(&arena, 1, HF_COPY_ON_WRITE, 10000);
    CHECK(!hf_extend(&arena, block, 1000, 1001));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    CHECK(hf_extend(&arena, block, 1000, 500)); /* shrinking frees nothing */
    char *moved = hf_realloc(&arena, block, 500, 20000, 8);
    CHECK(moved > data && is_filled(moved, 500, 7));
    hf_arena_close(&arena);
    remove_files();
}

/* A view that ends at pos is still not a block. */
static void a_view_is_not_a_block(void) {
    make_file(1, 2 * page());
    hf_arena arena = open_arena();
    char *data = append(&arena, 1, HF_COPY_ON_WRITE, 2 * page());
    struct snapshot before = snapshot_of(&arena);
    CHECK(!hf_extend(&arena, data, 2 * page(), 3 * page()));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    CHECK(hf_extend(&arena, data, 2 * page(), page()));
    check_unchanged(&arena, &before);
    char *moved = hf_realloc(&arena, data, 2 * page(), 3 * page(), 8);
    CHECK(moved != NULL && moved != data && is_filled(moved, 2 * page(), 1));
    hf_arena_close(&arena);
    remove_files();
}

static void a_block_behind_a_view_grows(void) {
    make_file(1, 10000);
    hf_arena arena = open_arena();
    append(&arena, 1, HF_READ_ONLY, 10000);
    for (size_t size = 0; size < 2; size++) { /* also of 0 bytes */
        char *block = hf_alloc(&arena, size, 8);
        CHECK(hf_extend_zeroed(&arena, block, size, MIB));
        CHECK(is_zero(block + size, MIB - size));
        CHECK(hf_extend(&arena, block, MIB, 10));
        CHECK(hf_extend_zeroed(&arena, block, 10, MIB) && is_zero(block + 10, MIB - 10));
    }
    hf_arena_close(&arena);
    remove_files();
}

/* A block of 0 bytes at the arena's base counts as the last block. */
static void an_empty_block_at_the_beginning_grows(void) {
    hf_arena arena = open_arena();
    char *block = hf_alloc(&arena, 0, 8);
    CHECK(block == hf_arena_base(&arena));
    CHECK(hf_extend(&arena, block, 0, 1000));
    fill(block, 1000, 1);
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------------ going back ------------- */

/*      | block 0 | file 0 | block 1 | file 1 | block 2 | file 2 | block 3 |      */
struct row {
    hf_arena arena;
    hf_mark begin[4]; /* of the blocks; block i + 1 begins at ends[i] */
    char *blocks[4], *data[3];
    hf_mark views[3], ends[3];
};

enum { FILE_SIZE = 10000, BLOCK = 5000 };

static struct row open_row(hf_arena_options options) {
    struct row row;
    options.reserve = IMAGE_RESERVE;
    row.arena = fixture_open(options);
    for (int i = 0; i < 4; i++) {
        row.begin[i] = hf_get_mark(&row.arena);
        row.blocks[i] = add(&row.arena, BLOCK, (unsigned)(10 + i));
        if (i == 3) break;
        make_file(i, FILE_SIZE);
        row.data[i] = append(&row.arena, i, i == 1 ? HF_READ_ONLY : HF_COPY_ON_WRITE, FILE_SIZE);
        row.views[i] = (hf_mark)(row.data[i] - hf_arena_base(&row.arena));
        row.ends[i] = row.views[i] + pages_for(FILE_SIZE);
        CHECK_EQUAL(row.ends[i], hf_get_mark(&row.arena));
    }
    return row;
}

static void close_row(struct row *row) {
    hf_arena_close(&row->arena);
    remove_files();
}

/* The first `blocks` blocks and `views` views have their contents. */
static void check_row(const struct row *row, int blocks, int views) {
    for (int i = 0; i < blocks; i++) CHECK(is_filled(row->blocks[i], BLOCK, (unsigned)(10 + i)));
    for (int i = 0; i < views; i++) CHECK(is_filled(row->data[i], FILE_SIZE, (unsigned)i));
    check_views(&row->arena, (size_t)views * pages_for(FILE_SIZE));
}

/* Memory allocated afterwards is private, and hf_alloc_zeroed zeroes it. */
static void works(hf_arena *arena) {
    hf_mark mark = hf_get_mark(arena);
    char *block = hf_alloc_zeroed(arena, 200000, 8);
    CHECK(block != NULL && is_zero(block, 200000));
    fill(block, 200000, 99);
    CHECK(hf_extend_zeroed(arena, block, 200000, MIB) && is_zero(block + 200000, MIB - 200000));
    CHECK(is_filled(block, 200000, 99));
    CHECK_STATUS(HF_OK, hf_rewind(arena, mark));
}

static void a_rewind_above_a_view_keeps_it(void) {
    struct row row = open_row((hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.begin[3] + 100));
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.ends[2]));
    check_row(&row, 3, 3);
    works(&row.arena);
    check_row(&row, 3, 3);
    close_row(&row);
}

static void a_rewind_to_its_beginning_or_below_unmaps_a_view(void) {
    for (int which = 0; which < 3; which++)
        for (size_t below = 0; below < 3; below++) {
            struct row row = open_row((hf_arena_options){0});
            hf_mark marks[] = {row.views[which], row.views[which] - 1, row.begin[which]};
            AT("view %d, mark %zu", which, below);
            CHECK_STATUS(HF_OK, hf_rewind(&row.arena, marks[below]));
            CHECK_EQUAL(marks[below], hf_get_mark(&row.arena));
            check_row(&row, which, which);
            works(&row.arena);
            append(&row.arena, 2, HF_READ_ONLY, FILE_SIZE);
            works(&row.arena);
            close_row(&row);
        }
}

/* A rewind to between two views unmaps the views above it and keeps those below. */
static void a_rewind_between_two_views_unmaps_those_above(void) {
    struct row row = open_row((hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.begin[2] + 100));
    check_row(&row, 2, 2);
    works(&row.arena);
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.ends[1]));
    check_row(&row, 2, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.ends[0]));
    check_row(&row, 1, 1);
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, 0));
    check_row(&row, 0, 0);
    works(&row.arena);
    close_row(&row);
}

static void a_mark_within_a_view_is_invalid(void) {
    struct row row = open_row((hf_arena_options){0});
    for (int i = 0; i < 3; i++)
        for (hf_mark mark = row.views[i] + 1; mark < row.ends[i]; mark += 1111) {
            AT("mark %zu", mark);
            struct snapshot before = snapshot_of(&row.arena);
            CHECK_STATUS(HF_INVALID, hf_rewind(&row.arena, mark));
            CHECK_STATUS(HF_INVALID, hf_rewind(&row.arena, row.ends[i] - 1));
            CHECK_EQUAL(HF_INVALID, hf_last_error().status);
            check_unchanged(&row.arena, &before);
        }
    check_row(&row, 4, 3);
    close_row(&row);
}

static void scopes_end_across_views(void) {
    make_file(1, FILE_SIZE);
    hf_arena arena = open_arena();
    char *block = add(&arena, 1000, 7);
    hf_scope outer = hf_scope_begin(&arena);
    append(&arena, 1, HF_READ_ONLY, FILE_SIZE);
    hf_scope inner = hf_scope_begin(&arena);
    append(&arena, 1, HF_COPY_ON_WRITE, FILE_SIZE);
    add(&arena, 1000, 8);
    CHECK_STATUS(HF_OK, hf_scope_end(inner));
    check_views(&arena, pages_for(FILE_SIZE));
    inner = hf_scope_begin(&arena);
    append(&arena, 1, HF_READ_ONLY, FILE_SIZE);
    CHECK_STATUS(HF_OK, hf_scope_end(outer));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(inner));
    check_views(&arena, 0);
    CHECK(is_filled(block, 1000, 7));
    works(&arena);
    hf_arena_close(&arena);
    remove_files();
}

static void a_reset_unmaps_all(void) {
    struct row row = open_row((hf_arena_options){0});
    for (int round = 0; round < 5; round++) {
        CHECK_STATUS(HF_OK, hf_reset(&row.arena));
        CHECK_EQUAL(0, hf_get_mark(&row.arena));
        check_views(&row.arena, 0);
        works(&row.arena);
        for (int i = 0; i < 3; i++) append(&row.arena, i, HF_READ_ONLY, FILE_SIZE);
        add(&row.arena, 1000, 1);
    }
    close_row(&row);
}

static void a_trim_keeps_all_that_is_used(void) {
    struct row row = open_row((hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_precommit(&row.arena, 3 * MIB));
    CHECK_STATUS(HF_OK, hf_trim(&row.arena, 0));
    check_row(&row, 4, 3);
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.ends[2]));
    CHECK_STATUS(HF_OK, hf_trim(&row.arena, 0));
    CHECK(row.arena.limit == row.arena.pos);
    check_row(&row, 3, 3);
    works(&row.arena);
    close_row(&row);
}

static void rewound_pages_fault_around_views(void) {
    struct row row = open_row((hf_arena_options){.fault_after_rewind = true});
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.begin[2]));
    check_row(&row, 2, 2);
    char *next = add(&row.arena, 100000, 5);
    CHECK(next >= hf_arena_base(&row.arena) + row.begin[2]);
    check_row(&row, 2, 2);
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.views[0]));
    check_row(&row, 1, 0);
    add(&row.arena, 100000, 6);
    check_row(&row, 1, 0);
    close_row(&row);
}

/* A view of a file at base must not be treated as the view of an image, which is also at base. */
static void rewound_pages_fault_from_the_beginning(void) {
    make_file(1, FILE_SIZE);
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = IMAGE_RESERVE, .fault_after_rewind = true});
    for (int round = 0; round < 3; round++) {
        char *data = append(&arena, 1, HF_COPY_ON_WRITE, FILE_SIZE);
        add(&arena, 1000, 2);
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        check_views(&arena, 0);
        char *next = add(&arena, 1000, 3);
        CHECK(next >= data + pages_for(FILE_SIZE));
    }
    hf_arena_close(&arena);
    remove_files();
}

static void the_root_may_be_in_a_view(void) {
    struct row row = open_row((hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_arena_set_root(&row.arena, row.data[1]));
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.ends[1]));
    CHECK(hf_arena_root(&row.arena) == row.data[1]);
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.ends[0]));
    CHECK(hf_arena_root(&row.arena) == NULL);
    close_row(&row);
}

/* ----------------------------------------------------------------- on an image ------------- */

static void a_file_is_appended_to_a_snapshot(void) {
    make_file(1, FILE_SIZE);
    for (size_t used = 25000; used < 3 * AREA; used += 25000) {
        AT("an image of %zu", used);
        image_make(image, used + 1, 4, (hf_arena_options){0});
        struct content before = content_of(image);
        hf_arena arena = image_open(image, HF_COPY_ON_WRITE, (hf_arena_options){0});
        size_t whole = hf_arena_get_stats(&arena).viewed;
        void *data;
        size_t size;
        CHECK_STATUS(HF_OK, hf_rewind(&arena, used / 2)); /* the image's view stays whole */
        CHECK_STATUS(HF_OK, hf_arena_append_file(&arena, name_of(1), HF_READ_ONLY, &data, &size));
        CHECK(data == hf_arena_base(&arena) + whole);
        CHECK(is_filled(data, FILE_SIZE, 1));
        check_views(&arena, whole + pages_for(FILE_SIZE));
        add(&arena, 100000, 7);
        CHECK_STATUS(HF_INVALID, hf_rewind(&arena, whole + 1));
        CHECK_STATUS(HF_OK, hf_rewind(&arena, used / 2));
        check_views(&arena, whole);
        CHECK(is_filled(hf_arena_base(&arena), used / 2, 4));
        works(&arena);
        check_content(image, &before);
        hf_arena_close(&arena);
        free(before.bytes);
    }
    disk_remove(image);
    remove_files();
}

/* At the address of the image's unmapped view, the view of a file is not part of the image. */
static void a_file_is_appended_to_a_snapshot_without_its_view(void) {
    make_file(1, FILE_SIZE);
    image_make(image, 1000, 4, (hf_arena_options){0});
    hf_arena arena = image_open(image, HF_COPY_ON_WRITE, (hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    check_views(&arena, 0);
    append(&arena, 1, HF_READ_ONLY, FILE_SIZE);
    append(&arena, 1, HF_READ_ONLY, FILE_SIZE);
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, 100));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, pages_for(FILE_SIZE)));
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, 100));
    check_views(&arena, pages_for(FILE_SIZE));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    works(&arena);
    hf_arena_close(&arena);
    disk_remove(image);
    remove_files();
}

/* ---------------------------------------------------------------------- errors ------------- */

static void append_fails(hf_arena *arena, const char *name, hf_access access, hf_status expected) {
    void *const untouched = &name, *data = untouched;
    size_t size = 4711, handles = disk_handles();
    struct snapshot before = snapshot_of(arena);
    CHECK_STATUS(expected, hf_arena_append_file(arena, name, access, &data, &size));
    CHECK_EQUAL(expected, hf_last_error().status);
    CHECK(data == untouched && size == 4711);
    CHECK_EQUAL(handles, disk_handles());
    CHECK(arena->pos == before.pos && arena->state == before.state);
    check_views(arena, before.stats.viewed);
}

static void arguments_are_checked(void) {
    make_file(1, FILE_SIZE);
    hf_arena arena = {0};
    struct failures failures = {0};
    void *data;
    size_t size;
    append_fails(&arena, name_of(1), HF_READ_ONLY, HF_INVALID);
    arena = fixture_open(
        (hf_arena_options){.reserve = MIB, .on_failure = count_failure, .user = &failures});
    append_fails(&arena, name_of(1), HF_READ_WRITE, HF_INVALID);
    append_fails(&arena, name_of(1), (hf_access)3, HF_INVALID);
    append_fails(&arena, NULL, HF_READ_ONLY, HF_INVALID);
    append_fails(&arena, "", HF_READ_ONLY, HF_INVALID);
    append_fails(&arena, "no_such_file", HF_READ_ONLY, HF_IO);
    append_fails(&arena, ".", HF_READ_ONLY, HF_UNSUPPORTED);
    CHECK_STATUS(HF_INVALID, hf_arena_append_file(&arena, name_of(1), HF_READ_ONLY, NULL, &size));
    CHECK_STATUS(HF_INVALID, hf_arena_append_file(&arena, name_of(1), HF_READ_ONLY, &data, NULL));
    CHECK_EQUAL(0, failures.count);
    hf_arena_close(&arena);
    remove_files();
}

static void images_do_not_append_files(void) {
    make_file(1, FILE_SIZE);
    image_make(image, 1000, 4, (hf_arena_options){0});
    for (int access = HF_READ_WRITE; access <= HF_READ_ONLY; access++) {
        hf_arena arena = image_open(image, (hf_access)access, (hf_arena_options){0});
        append_fails(&arena, name_of(1), HF_READ_ONLY, HF_UNSUPPORTED);
        append_fails(&arena, name_of(1), HF_COPY_ON_WRITE, HF_UNSUPPORTED);
        CHECK(is_filled(hf_arena_root(&arena), 1000, 4));
        hf_arena_close(&arena);
    }
    disk_remove(image);
    remove_files();
}

static void appending_past_the_reservation_is_reserve_full(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 16 * page()});
    char *block = add(&arena, 3 * page() + 1, 7);
    make_file(1, 12 * page() + 1);
    append_fails(&arena, name_of(1), HF_READ_ONLY, HF_RESERVE_FULL);
    make_file(1, 100 * page());
    append_fails(&arena, name_of(1), HF_READ_ONLY, HF_RESERVE_FULL);
    CHECK(is_filled(block, 3 * page() + 1, 7));
    make_file(1, 12 * page() - 1);
    append(&arena, 1, HF_READ_ONLY, 12 * page() - 1); /* up to the last byte */
    make_file(2, 1);
    append_fails(&arena, name_of(2), HF_READ_ONLY, HF_RESERVE_FULL);
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    CHECK_EQUAL(HF_RESERVE_FULL, hf_last_error().status);
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK(hf_alloc(&arena, 15 * page(), 1) != NULL);
    hf_arena_close(&arena);
    remove_files();
}

/* Larger than the address space; truncated to 32 bits its size would be small. */
static void a_file_larger_than_the_address_space_fails(void) {
    for (unsigned more = 0; more < 2; more++) {
        intptr_t file = disk_create(name_of(1), 0);
        disk_resize(file, ((uint64_t)1 << 32) + more * 1000);
        disk_close(file);
        hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
        append_fails(&arena, name_of(1), HF_READ_ONLY, HF_RESERVE_FULL);
        hf_arena_close(&arena);
    }
    remove_files();
}

/* A system without views, like Windows before 1803. */
static hf_status fail_map(const hf_backend *self, void *address, size_t size, intptr_t file,
                          uint64_t file_offset, hf_access access, hf_report *report) {
    (void)self, (void)address, (void)size, (void)file, (void)file_offset, (void)access;
    report->call = "fail_map";
    return HF_UNSUPPORTED;
}

static void a_system_without_views_is_unsupported(void) {
    hf_backend without = *hf_backend_native();
    without.map = fail_map;
    make_file(1, FILE_SIZE);
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB, .backend = &without});
    char *block = add(&arena, 100000, 7);
    append_fails(&arena, name_of(1), HF_READ_ONLY, HF_UNSUPPORTED);
    CHECK(strcmp(hf_last_error().call, "fail_map") == 0);
    CHECK(is_filled(block, 100000, 7));
    CHECK(hf_extend(&arena, block, 100000, 200000));
    hf_arena_close(&arena);
    image_make(image, 1000, 4, (hf_arena_options){0});
    for (int access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++)
        CHECK_STATUS(HF_UNSUPPORTED, hf_arena_open_file(&arena, image, (hf_access)access,
                                                        &(hf_arena_options){.backend = &without}));
    disk_remove(image); /* opening a new image fails at once, not when it first grows */
    CHECK_STATUS(HF_UNSUPPORTED, hf_arena_open_file(&arena, image, HF_READ_WRITE,
                                                    &(hf_arena_options){.backend = &without}));
    check_is_closed(&arena);
    CHECK_EQUAL(0, disk_size(image));
    disk_remove(image);
    remove_files();
}

/* --------------------------------------------------------- a view that fails to unmap ------ */

static size_t unmaps_left; /* unmaps that succeed before the rest fail */

static hf_status fail_unmap(const hf_backend *self, void *address, size_t size, hf_report *report) {
    if (unmaps_left > 0) {
        unmaps_left--;
        return hf_backend_native()->unmap(self, address, size, report);
    }
    report->call = "fail_unmap";
    return HF_NO_MEMORY;
}

/* Unmapping one view fails, so it and the views below it stay; pos is above them, and the arena
 * works. */
static void a_view_that_fails_to_unmap_stays(void) {
    hf_backend failing = *hf_backend_native();
    failing.unmap = fail_unmap;
    for (size_t gone = 0; gone < 3; gone++) {
        AT("failed after %zu", gone);
        int left = 3 - (int)gone;
        struct row row = open_row((hf_arena_options){.backend = &failing});
        unmaps_left = gone;
        CHECK_STATUS(HF_NO_MEMORY, hf_rewind(&row.arena, row.begin[0]));
        CHECK(strcmp(hf_last_error().call, "fail_unmap") == 0);
        CHECK(hf_get_mark(&row.arena) >= row.ends[left - 1]);
        check_views(&row.arena, (size_t)left * pages_for(FILE_SIZE));
        CHECK_STATUS(HF_NO_MEMORY, hf_reset(&row.arena));
        works(&row.arena);
        append(&row.arena, 1, HF_READ_ONLY, FILE_SIZE);
        add(&row.arena, 1000, 1);
        unmaps_left = SIZE_MAX;
        CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.begin[0]));
        check_views(&row.arena, 0);
        CHECK_EQUAL(0, hf_get_mark(&row.arena));
        works(&row.arena);
        CHECK_STATUS(HF_OK, hf_trim(&row.arena, 0));
        close_row(&row);
    }
}

/* What stays is not poisoned, and a scope that failed to end can be ended again. */
static void a_failed_end_of_a_scope_changes_nothing(void) {
    hf_backend failing = *hf_backend_native();
    failing.unmap = fail_unmap;
    for (int by_reset = 0; by_reset < 2; by_reset++) {
        make_file(1, FILE_SIZE);
        hf_arena arena =
            fixture_open((hf_arena_options){.reserve = IMAGE_RESERVE, .backend = &failing});
        hf_scope outer = hf_scope_begin(&arena);
        add(&arena, 1000, 7);
        hf_scope scope = hf_scope_begin(&arena);
        char *data = append(&arena, 1, HF_COPY_ON_WRITE, FILE_SIZE);
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, data + 10));
        hf_scope inner = hf_scope_begin(&arena);
        unmaps_left = 0;
        for (int i = 0; i < 3; i++) {
            struct snapshot before = snapshot_of(&arena);
            CHECK_STATUS(HF_NO_MEMORY, by_reset ? hf_reset(&arena) : hf_scope_end(scope));
            check_unchanged(&arena, &before);
            CHECK(is_filled(data, FILE_SIZE, 1));
            CHECK(hf_arena_root(&arena) == data + 10);
        }
        CHECK_STATUS(HF_OK, hf_scope_end(inner));
        unmaps_left = SIZE_MAX;
        CHECK_STATUS(HF_OK, hf_scope_end(scope));
        CHECK_EQUAL(scope.mark, hf_get_mark(&arena));
        CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(scope));
        CHECK_STATUS(HF_OK, hf_scope_end(outer));
        works(&arena);
        hf_arena_close(&arena);
    }
    remove_files();
}

static void a_failed_reset_of_a_read_only_arena_changes_nothing(void) {
    image_make(image, 1000, 4, (hf_arena_options){0});
    hf_arena arena = image_open(image, HF_READ_ONLY, (hf_arena_options){0});
    hf_scope scope = hf_scope_begin(&arena);
    struct snapshot before = snapshot_of(&arena);
    CHECK_STATUS(HF_WRONG_STATE, hf_reset(&arena));
    CHECK_STATUS(HF_WRONG_STATE, hf_arena_set_root(&arena, NULL));
    CHECK_STATUS(HF_WRONG_STATE, hf_arena_set_root(&arena, hf_arena_base(&arena)));
    check_unchanged(&arena, &before);
    CHECK(is_filled(hf_arena_root(&arena), 1000, 4));
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(scope));
    hf_arena_close(&arena);
    disk_remove(image);
}

/* Counts region lookups by the locks that they take. */
static size_t lookups;

static void count_lock(const hf_backend *self, hf_lock *lock) {
    lookups++;
    hf_backend_native()->lock(self, lock);
}

static size_t lookups_of_one_more(hf_arena *arena) {
    lookups = 0;
    hf_mark mark = hf_get_mark(arena);
    append(arena, 1, HF_READ_ONLY, 100);
    CHECK_STATUS(HF_OK, hf_rewind(arena, mark));
    return lookups;
}

static void rewinding_costs_the_same_above_many_views(void) {
    hf_backend counting = *hf_backend_native();
    counting.lock = count_lock;
    make_file(1, 100);
    for (int faults = 0; faults < 2; faults++) {
        hf_arena arena = fixture_open((hf_arena_options){
            .reserve = IMAGE_RESERVE, .fault_after_rewind = faults, .backend = &counting});
        append(&arena, 1, HF_READ_ONLY, 100);
        size_t few = lookups_of_one_more(&arena);
        for (int i = 0; i < 500; i++) append(&arena, 1, HF_READ_ONLY, 100);
        CHECK_EQUAL(few, lookups_of_one_more(&arena));
        CHECK_STATUS(HF_OK, hf_reset(&arena));
        check_views(&arena, 0);
        hf_arena_close(&arena);
    }
    remove_files();
}

/* The arena's list of views matches the views that are mapped. */
static void a_view_that_fails_to_unmap_stays_with_fault_after_rewind(void) {
    hf_backend failing = *hf_backend_native();
    failing.unmap = fail_unmap;
    struct row row = open_row((hf_arena_options){.backend = &failing, .fault_after_rewind = true});
    unmaps_left = 0;
    CHECK_STATUS(HF_NO_MEMORY, hf_rewind(&row.arena, row.begin[0]));
    check_views(&row.arena, 3 * pages_for(FILE_SIZE));
    for (int i = 0; i < 3; i++) CHECK_STATUS(HF_INVALID, hf_rewind(&row.arena, row.ends[i] - 1));
    unmaps_left = SIZE_MAX;
    CHECK_STATUS(HF_OK, hf_rewind(&row.arena, row.begin[0]));
    check_views(&row.arena, 0);
    append(&row.arena, 1, HF_READ_ONLY, FILE_SIZE);
    works(&row.arena);
    close_row(&row);
}

CHECK_MAIN(TEST(a_file_is_the_next_bytes), TEST(a_file_is_appended_at_any_position),
           TEST(an_empty_file_has_no_view), TEST(files_of_whole_pages_are_contiguous),
           TEST(the_same_file_again_and_again), TEST(read_only_is_read_only),
           TEST(the_view_keeps_the_file), TEST(committed_pages_are_released_for_the_view),
           TEST(hf_peek_continues_behind_a_view), TEST(a_block_before_a_view_stays),
           TEST(a_view_is_not_a_block), TEST(a_block_behind_a_view_grows),
           TEST(an_empty_block_at_the_beginning_grows), TEST(a_rewind_above_a_view_keeps_it),
           TEST(a_rewind_to_its_beginning_or_below_unmaps_a_view),
           TEST(a_rewind_between_two_views_unmaps_those_above),
           TEST(a_mark_within_a_view_is_invalid), TEST(scopes_end_across_views),
           TEST(a_reset_unmaps_all), TEST(a_trim_keeps_all_that_is_used),
           TEST(rewound_pages_fault_around_views), TEST(rewound_pages_fault_from_the_beginning),
           TEST(the_root_may_be_in_a_view), TEST(a_file_is_appended_to_a_snapshot),
           TEST(a_file_is_appended_to_a_snapshot_without_its_view), TEST(arguments_are_checked),
           TEST(images_do_not_append_files), TEST(appending_past_the_reservation_is_reserve_full),
           TEST(a_file_larger_than_the_address_space_fails),
           TEST(a_system_without_views_is_unsupported),
           TEST(a_failed_end_of_a_scope_changes_nothing),
           TEST(a_failed_reset_of_a_read_only_arena_changes_nothing),
           TEST(rewinding_costs_the_same_above_many_views), TEST(a_view_that_fails_to_unmap_stays),
           TEST(a_view_that_fails_to_unmap_stays_with_fault_after_rewind))
