/*
 * The region map alone: cuts, absorbs and changes of kind in random order compared with arrays of
 * offsets and kinds, the height of the tree, reserving records, and damage that
 * hf_region_map_check must find.
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
    hf_region_map_set_kind(&map, map.first, HF_COMMITTED);
    hf_node *upper = cut_at(7000);
    CHECK(upper->offset == 7000 && upper->kind == HF_COMMITTED && upper->previous == map.first);
    CHECK_EQUAL(7000, hf_node_end(&map, map.first));
    CHECK_EQUAL(SIZE, hf_node_end(&map, upper));
    hf_region_map_set_kind(&map, upper, HF_PLACEHOLDER);
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

static hf_kind kind_at[SIZE];

static hf_region_sums expected_sums(void) {
    hf_region_sums sums = {{0}, {0}};
    hf_kind kind = HF_PLACEHOLDER;
    for (size_t offset = 0; offset < SIZE; offset++) {
        if (begins_at[offset]) kind = kind_at[offset];
        if (begins_at[offset]) sums.regions[kind]++;
        sums.bytes[kind]++;
    }
    return sums;
}

/* Each record is in use or free, and all sums and links are right. */
static void expect_sums(size_t records) {
    hf_region_sums sums = expected_sums();
    CHECK(memcmp(&sums, hf_region_map_sums(&map), sizeof sums) == 0);
    CHECK_EQUAL(sums.regions[0] + sums.regions[1] + sums.regions[2], map.count);
    CHECK_EQUAL(records, map.count + map.free_count);
    expect_sound();
    expect_shallow();
}

static void cut_every_so_often(struct random *random) {
    size_t step = 1 + random_below(random, 40);
    for (size_t offset = 1 + random_below(random, SIZE - 1); offset < SIZE; offset += step) {
        if (begins_at[offset]) continue;
        begins_at[offset] = true;
        kind_at[offset] = cut_at(offset)->kind;
    }
}

static void change_kinds(struct random *random) {
    for (size_t i = 0; i < 200; i++) {
        hf_node *node = hf_region_map_find(&map, random_below(random, SIZE));
        kind_at[node->offset] = (hf_kind)random_below(random, HF_KINDS);
        hf_region_map_set_kind(&map, node, kind_at[node->offset]);
    }
}

/* Absorbs up to the end of a region above a random one, or up to its own. */
static void absorb_a_run(struct random *random) {
    hf_node *node = hf_region_map_find(&map, random_below(random, SIZE));
    size_t last = node->offset + random_below(random, SIZE - node->offset);
    if (random_below(random, 2) == 0) last = node->offset + (last - node->offset) % 100;
    if (random_below(random, 20) == 0) last = SIZE - 1;
    size_t end = hf_node_end(&map, hf_region_map_find(&map, last));
    hf_region_map_absorb_until(&map, node, end);
    for (size_t offset = node->offset + 1; offset < end; offset++) begins_at[offset] = false;
    CHECK_EQUAL(end, hf_node_end(&map, node));
    expect_found(node->offset);
    expect_found(end - 1);
}

static void random_runs(void) {
    struct random random = {2};
    memset(begins_at, 0, sizeof begins_at);
    memset(kind_at, 0, sizeof kind_at);
    begins_at[0] = begins_at[SIZE] = true;
    open_map(hf_backend_native());
    for (size_t step = 0; step < 60; step++) {
        cut_every_so_often(&random);
        change_kinds(&random);
        size_t records = map.count + map.free_count;
        expect_sums(records);
        for (size_t i = 1 + random_below(&random, 8); i > 0; i--) {
            absorb_a_run(&random);
            expect_sums(records);
        }
    }
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

/* The records of a run are freed as a subtree: each can be used again, once. */
static void records_of_a_run_are_used_again(void) {
    open_on_pages(65536, 1);
    for (size_t offset = 1; offset < 400; offset++) cut_at(offset);
    size_t records = map.count + map.free_count;
    hf_region_map_absorb_until(&map, hf_region_map_find(&map, 20), 390);
    CHECK_EQUAL(31, map.count);
    CHECK_EQUAL(records, map.count + map.free_count);
    for (size_t offset = 1000; map.free_count > 0; offset++) cut_at(offset);
    CHECK_EQUAL(records, map.count);
    CHECK(map.free == NULL);
    CHECK_EQUAL(0, pages.left);
    expect_sound();
    hf_region_map_close(&map);
    CHECK_EQUAL(0, pages.allocated);
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
    CHECK_FINDS(400, middle->kind, HF_VIEW);
    CHECK_FINDS(300, middle->offset, 450); /* the region below is longer */
    CHECK_FINDS(root->offset, root->sums.regions[HF_COMMITTED], 1);
    CHECK_FINDS(root->offset, root->sums.bytes[HF_PLACEHOLDER], SIZE - 1);
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

static void set_child(hf_node *node, hf_node **child, hf_node *below) {
    node->left = node->right = NULL;
    *child = below;
    node->height = (uint8_t)(below->height + 1);
    node->sums.regions[HF_PLACEHOLDER] = below->sums.regions[HF_PLACEHOLDER] + 1;
    node->sums.bytes[HF_PLACEHOLDER] =
        below->sums.bytes[HF_PLACEHOLDER] + hf_node_end(&map, node) - node->offset;
}

static void set_leaf(hf_node *node) {
    node->left = node->right = NULL;
    node->height = 1;
    node->sums.regions[HF_PLACEHOLDER] = 1;
    node->sums.bytes[HF_PLACEHOLDER] = hf_node_end(&map, node) - node->offset;
}

/* All regions are in the tree, all heights and sums are right, but every node has one child. */
static void a_tree_out_of_balance_is_found(void) {
    size_t offset;
    open_map(hf_backend_native());
    hf_node *one = map.first, *two = cut_at(100), *three = cut_at(200);
    set_leaf(three);
    set_child(two, &two->right, three);
    set_child(one, &one->right, two);
    map.root = one;
    CHECK(!is_sound(&offset));
    CHECK_EQUAL(0, offset);
    set_leaf(one);
    set_child(two, &two->left, one);
    set_child(three, &three->left, two);
    map.root = three;
    CHECK(!is_sound(&offset));
    CHECK_EQUAL(200, offset);
    hf_region_map_close(&map);
}

CHECK_MAIN(TEST(begins_as_one_placeholder), TEST(a_cut_keeps_the_kind), TEST(random_edits),
           TEST(edits_in_order), TEST(random_runs), TEST(records_of_a_run_are_used_again),
           TEST(reserved_cuts_cannot_fail), TEST(records_are_used_again), TEST(damage_is_found),
           TEST(a_tree_that_lacks_regions_is_found), TEST(a_tree_out_of_balance_is_found))
