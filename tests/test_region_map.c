/*
 * The region map alone: cuts and absorbs in random order compared with an array of offsets, the
 * height of the tree, reserving records, and damage that hf_region_map_check must find.
 */
#include "region_map.h"

#include "check.h"
#include "random.h"

enum { SIZE = 20000 }; /* regions begin at any byte: the map has no page size */

static _Alignas(hf_node) char first_records[4096];

static hf_region_map map;

static void open_map(const hf_backend *backend) {
    memset(first_records, 0, sizeof first_records);
    hf_region_map_open(&map, backend, SIZE, first_records, sizeof first_records);
}

static bool is_sound(size_t *offset) { return hf_region_map_check(&map, offset); }

static void expect_sound(void) {
    size_t offset;
    CHECK(is_sound(&offset));
}

static hf_node *cut_at(size_t offset) {
    hf_report report = {0};
    CHECK_STATUS(HF_OK, hf_region_map_reserve(&map, 1, &report));
    return hf_region_map_cut(&map, hf_region_map_find(&map, offset), offset);
}

/* ------------------------------------------------------------------- regions ---------------- */

static void begins_as_one_placeholder(void) {
    open_map(hf_backend_native());
    CHECK_EQUAL(1, map.count);
    CHECK(map.first == hf_region_map_find(&map, 0));
    CHECK(map.first == hf_region_map_find(&map, SIZE - 1));
    CHECK_EQUAL(HF_PLACEHOLDER, map.first->kind);
    CHECK_EQUAL(SIZE, hf_node_end(&map, map.first));
    expect_sound();
    hf_region_map_close(&map);
}

/* |    c    |  ->  |  c  | c |  ->  |    c    | */
static void a_cut_keeps_the_kind(void) {
    open_map(hf_backend_native());
    map.first->kind = HF_COMMITTED;
    hf_node *upper = cut_at(7000);
    CHECK(upper->offset == 7000 && upper->kind == HF_COMMITTED && upper->previous == map.first);
    CHECK_EQUAL(7000, hf_node_end(&map, map.first));
    CHECK_EQUAL(SIZE, hf_node_end(&map, upper));
    upper->kind = HF_PLACEHOLDER;
    hf_region_map_absorb_next(&map, map.first);
    CHECK(map.count == 1 && map.first->kind == HF_COMMITTED);
    expect_sound();
    hf_region_map_close(&map);
}

/* The largest height that an AVL tree of n nodes can have is below 1.45 log2(n + 2). */
static void expect_shallow(void) {
    size_t doublings = 0;
    for (size_t n = map.count + 2; n > 1; n = (n + 1) / 2) doublings++;
    CHECK((double)map.root->height <= 1.45 * (double)doublings);
}

static bool begins_at[SIZE + 1];

static void expect_found(size_t offset) {
    size_t start = offset, end = offset + 1;
    const hf_node *node = hf_region_map_find(&map, offset);
    while (!begins_at[start]) start--;
    while (!begins_at[end]) end++;
    CHECK_EQUAL(start, node->offset);
    CHECK_EQUAL(end, hf_node_end(&map, node));
}

static void cut_or_absorb(struct random *random, size_t one_absorb_in) {
    size_t offset = 1 + random_below(random, SIZE - 1);
    if (random_below(random, one_absorb_in) == 0) {
        hf_node *node = hf_region_map_find(&map, offset);
        if (node->next == NULL) return;
        begins_at[node->next->offset] = false;
        hf_region_map_absorb_next(&map, node);
    } else if (!begins_at[offset]) {
        begins_at[offset] = true;
        CHECK_EQUAL(offset, cut_at(offset)->offset);
    }
    expect_found(offset);
}

static void random_edits(void) {
    struct random random = {1};
    memset(begins_at, 0, sizeof begins_at);
    begins_at[0] = begins_at[SIZE] = true;
    open_map(hf_backend_native());
    for (size_t step = 0; step < 60000; step++) {
        cut_or_absorb(&random, step % 20000 < 10000 ? 8 : 2);
        if (step % 1000 == 0) expect_sound();
        if (step % 1000 == 0) expect_shallow();
    }
    while (map.count > 1) hf_region_map_absorb_next(&map, map.first);
    expect_sound();
    hf_region_map_close(&map);
}

/* In these orders an unbalanced search tree would become a list. */
static void edits_in_order(void) {
    open_map(hf_backend_native());
    for (size_t offset = 1; offset < SIZE; offset++) cut_at(offset);
    expect_sound();
    expect_shallow();
    while (map.count > 1) hf_region_map_absorb_next(&map, map.first);
    for (size_t offset = SIZE - 1; offset > 0; offset--) cut_at(offset);
    expect_sound();
    expect_shallow();
    hf_region_map_close(&map);
}

/* ------------------------------------------------------------------- records ---------------- */

/* A backend that counts the bytes allocated by allocate_pages, which fails after `left` calls. */
static struct pages {
    hf_backend backend;
    size_t page_size, allocated, left;
} pages;

static size_t large_page_size(const hf_backend *self) {
    (void)self;
    return pages.page_size;
}

static hf_status allocate_pages(const hf_backend *self, size_t size, void **address,
                                hf_report *report) {
    if (pages.left == 0) return HF_NO_MEMORY;
    CHECK_EQUAL(0, size % pages.page_size);
    pages.left--;
    pages.allocated += size;
    return hf_backend_native()->allocate_pages(self, size, address, report);
}

static void free_pages(const hf_backend *self, void *address, size_t size) {
    pages.allocated -= size;
    hf_backend_native()->free_pages(self, address, size);
}

static void open_on_pages(size_t page_size, size_t left) {
    pages = (struct pages){.backend = *hf_backend_native(), .page_size = page_size, .left = left};
    pages.backend.page_size = large_page_size;
    pages.backend.allocate_pages = allocate_pages;
    pages.backend.free_pages = free_pages;
    open_map(&pages.backend);
}

/* After a reserve that many cuts allocate nothing; a reserve that fails changes nothing. */
static void reserved_cuts_cannot_fail(void) {
    static const size_t sizes[] = {4096, 65536, 1 << 18};
    hf_report report = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        open_on_pages(sizes[i], 0);
        size_t most = map.free_count;
        CHECK_STATUS(HF_OK, hf_region_map_reserve(&map, most, &report));
        CHECK_STATUS(HF_NO_MEMORY, hf_region_map_reserve(&map, most + 1, &report));
        CHECK_EQUAL(most, map.free_count);
        pages.left = 1;
        CHECK_STATUS(HF_OK, hf_region_map_reserve(&map, most + 1, &report));
        CHECK_EQUAL(pages.allocated, map.block_bytes);
        for (size_t offset = 1; offset <= most + 1; offset++)
            hf_region_map_cut(&map, hf_region_map_find(&map, offset), offset);
        expect_sound();
        hf_region_map_close(&map);
        CHECK_EQUAL(0, pages.allocated);
    }
}

/* Records of absorbed regions are used again. */
static void records_are_used_again(void) {
    hf_report report = {0};
    open_on_pages(4096, 1);
    for (size_t round = 0; round < 5000; round++) {
        for (size_t offset = 10; offset <= 100; offset += 10) {
            CHECK_STATUS(HF_OK, hf_region_map_reserve(&map, 1, &report));
            hf_region_map_cut(&map, hf_region_map_find(&map, offset), offset);
        }
        while (map.count > 1) hf_region_map_absorb_next(&map, map.first);
    }
    CHECK_EQUAL(0, pages.allocated);
    hf_region_map_close(&map);
}

/* --------------------------------------------------------------------- damage --------------- */

/* Changes a field; the check must find it, at this offset. Then restores the field. */
#define CHECK_FINDS(at, field, wrong)            \
    do {                                         \
        char right_[sizeof(field)];              \
        size_t offset_ = SIZE_MAX;               \
        memcpy(right_, &(field), sizeof right_); \
        expect_sound();                          \
        (field) = (wrong);                       \
        CHECK(!is_sound(&offset_));              \
        CHECK_EQUAL(at, offset_);                \
        memcpy(&(field), right_, sizeof right_); \
        expect_sound();                          \
    } while (0)

/* Regions at 0, 100, 200 ... 900; the root is 300. */
static void damage_is_found(void) {
    open_map(hf_backend_native());
    for (size_t offset = 100; offset < 1000; offset += 100) cut_at(offset);
    hf_node *middle = hf_region_map_find(&map, 400), *root = map.root;
    hf_node *last = hf_region_map_find(&map, 900);
    CHECK_FINDS(1, map.first->offset, 1);
    CHECK_FINDS(500, middle->offset, 500);
    CHECK_FINDS(500, middle->offset, 600);
    CHECK_FINDS(300, middle->offset, 300);
    CHECK_FINDS(SIZE, last->offset, SIZE);
    CHECK_FINDS(400, middle->previous, NULL);
    CHECK_FINDS(400, middle->previous, middle->next);
    CHECK_FINDS(900, map.count, map.count + 1);
    CHECK_FINDS(900, map.count, map.count - 1);
    CHECK_FINDS(300, middle->previous->next, NULL);
    CHECK_FINDS(root->offset, root->height, root->height + 1);
    CHECK_FINDS(root->offset, root->height, 0);
    CHECK_FINDS(root->left->offset, root->left->height, root->left->height + 1);
    CHECK_FINDS(root->offset, root->right->height, root->right->height + 1);
    CHECK_FINDS(root->offset, root->left, NULL);
    CHECK_FINDS(root->offset, root->right, NULL);
    CHECK_FINDS(root->offset, root->right, root->left);
    hf_region_map_close(&map);
}

/* The root is moved so that the tree lacks some regions. */
static void a_tree_that_lacks_regions_is_found(void) {
    open_map(hf_backend_native());
    cut_at(100);
    cut_at(200); /* the children of 100 are 0 and 200 */
    CHECK_EQUAL(100, map.root->offset);
    CHECK_FINDS(200, map.root, NULL);
    CHECK_FINDS(0, map.root, map.root->left);
    CHECK_FINDS(200, map.root, map.root->right);
    hf_region_map_close(&map);
}

/* All regions are in the tree and all heights are right, but every node has one child. */
static void a_tree_out_of_balance_is_found(void) {
    size_t offset;
    open_map(hf_backend_native());
    hf_node *one = map.first, *two = cut_at(100), *three = cut_at(200);
    map.root = one;
    one->left = two->left = three->left = three->right = NULL;
    one->right = two;
    two->right = three;
    one->height = 3, two->height = 2, three->height = 1;
    CHECK(!is_sound(&offset));
    CHECK_EQUAL(0, offset);
    map.root = three;
    one->right = two->right = three->right = one->left = NULL;
    three->left = two;
    two->left = one;
    three->height = 3, two->height = 2, one->height = 1;
    CHECK(!is_sound(&offset));
    CHECK_EQUAL(200, offset);
    hf_region_map_close(&map);
}

CHECK_MAIN(TEST(begins_as_one_placeholder), TEST(a_cut_keeps_the_kind), TEST(random_edits),
           TEST(edits_in_order), TEST(reserved_cuts_cannot_fail), TEST(records_are_used_again),
           TEST(damage_is_found), TEST(a_tree_that_lacks_regions_is_found),
           TEST(a_tree_out_of_balance_is_found))
