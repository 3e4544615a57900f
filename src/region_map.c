/*
 * region_map.c -- the ordered map of a space's regions; see region_map.h.
 *
 * The tree is an AVL tree (Adelson-Velsky and Landis, 1962): the heights of two siblings differ by
 * at most one, so its depth stays below 1.45 log2(n), whatever the order of the edits. Each node
 * has the sums of its subtree, so the regions that leave the tree as one subtree are counted
 * without a look at them.
 *
 * A run of regions is removed by split and join (Blelloch, Ferizovic, Sun: Just Join for Parallel
 * Ordered Sets, 2016): the tree is split at both ends of the run, and what lies below and above is
 * joined. The run's records are freed as the subtree that they are; map_allocate_record takes it
 * apart, one record after the other.
 */
#include "region_map.h"

#include <assert.h>
#include <string.h>

#include "prove.h"

/* Records are allocated in blocks of this size, or of one page if a page is larger. */
#define MAP_BLOCK_BYTES ((size_t)65536)

/* So many regions are absorbed faster one by one than by split and join. */
enum { MAP_FEW = 4 };

/* ------------------------------------------------------------------ records ------------- */

/* The head of a block; the rest of the block is records. */
struct hf_record_block {
    hf_record_block *next;
    size_t size; /* of the whole block, in bytes */
};

/* Puts a subtree on the list of free ones. NULL: does nothing. */
static void map_push_free(hf_region_map *map, hf_node *root) {
    if (root == NULL) return;
    root->next = map->free;
    map->free = root;
}

static void map_free_record(hf_region_map *map, hf_node *node) {
    node->left = node->right = NULL;
    map_push_free(map, node);
    map->free_count++;
}

static hf_node *map_allocate_record(hf_region_map *map) {
    assert(map->free != NULL && map->free_count > 0); /* the caller has reserved a record */
    hf_node *node = map->free;
    map->free = node->next;
    map_push_free(map, node->right);
    map_push_free(map, node->left);
    map->free_count--;
    return node;
}

static void map_add_records(hf_region_map *map, void *memory, size_t size) {
    hf_node *nodes = memory;
    for (size_t i = size / sizeof *nodes; i > 0; i--) map_free_record(map, &nodes[i - 1]);
}

static hf_status map_add_block(hf_region_map *map, hf_report *report) {
    size_t page_size = map->backend->page_size(map->backend);
    size_t size = MAP_BLOCK_BYTES > page_size ? MAP_BLOCK_BYTES : page_size;
    void *memory;
    hf_status status = map->backend->allocate_pages(map->backend, size, &memory, report);
    if (status != HF_OK) return status;
    hf_record_block *block = memory;
    *block = (hf_record_block){map->blocks, size};
    map->blocks = block;
    map->block_bytes += size;
    map_add_records(map, block + 1, size - sizeof *block);
    return HF_OK;
}

hf_status hf_region_map_reserve(hf_region_map *map, size_t cuts, hf_report *report) {
    hf_status status = HF_OK;
    while (status == HF_OK && map->free_count < cuts) status = map_add_block(map, report);
    assert(status != HF_OK || map->free_count >= cuts);
    return status;
}

/* --------------------------------------------------------------------- sums ------------- */

static void map_add_sums(hf_region_sums *sums, const hf_region_sums *added) {
    for (size_t kind = 0; kind < HF_KINDS; kind++) {
        sums->regions[kind] += added->regions[kind];
        sums->bytes[kind] += added->bytes[kind];
    }
}

static void map_subtract_sums(hf_region_sums *sums, const hf_region_sums *removed) {
    for (size_t kind = 0; kind < HF_KINDS; kind++) {
        sums->regions[kind] -= removed->regions[kind];
        sums->bytes[kind] -= removed->bytes[kind];
    }
}

/* The sums of one region. */
static hf_region_sums map_sums_of(hf_kind kind, size_t bytes) {
    hf_region_sums sums = {{0}, {0}};
    sums.regions[kind] = 1;
    sums.bytes[kind] = bytes;
    return sums;
}

/* --------------------------------------------------------------------- tree ------------- */

static int map_height(const hf_node *node) { return node ? node->height : 0; }

static void map_update_height(hf_node *node) {
    int left = map_height(node->left), right = map_height(node->right);
    node->height = (uint8_t)(1 + (left > right ? left : right));
}

/* The child in whose subtree the offset lies, which is not the node's own. */
static hf_node **map_child(hf_node *node, size_t offset) {
    return offset < node->offset ? &node->left : &node->right;
}

/*
 *        b              a
 *       / \            / \
 *      a   3   --->   1   b       map_rotate_left goes the other way
 *     / \                / \
 *    1   2              2   3
 */
static hf_node *map_rotate_right(hf_node *b) {
    hf_node *a = b->left;
    hf_region_sums all = b->sums;
    map_subtract_sums(&b->sums, &a->sums);
    if (a->right) map_add_sums(&b->sums, &a->right->sums);
    a->sums = all;
    b->left = a->right;
    a->right = b;
    map_update_height(b);
    map_update_height(a);
    return a;
}

static hf_node *map_rotate_left(hf_node *a) {
    hf_node *b = a->right;
    hf_region_sums all = a->sums;
    map_subtract_sums(&a->sums, &b->sums);
    if (b->left) map_add_sums(&a->sums, &b->left->sums);
    b->sums = all;
    a->right = b->left;
    b->left = a;
    map_update_height(a);
    map_update_height(b);
    return b;
}

static hf_node *map_balance(hf_node *node) {
    int tilt = map_height(node->left) - map_height(node->right);
    if (tilt > 1) {
        if (map_height(node->left->left) < map_height(node->left->right))
            node->left = map_rotate_left(node->left);
        return map_rotate_right(node);
    }
    if (tilt < -1) {
        if (map_height(node->right->right) < map_height(node->right->left))
            node->right = map_rotate_right(node->right);
        return map_rotate_left(node);
    }
    map_update_height(node);
    return node;
}

/* Inserts the upper part of a cut region, and adds it to the sums on the path. The path leads
 * through the lower part, which is node->previous. Subtrees that contain both parts get a region
 * and no bytes; further down they contain the upper part only, and get its bytes, too. */
static hf_node *map_tree_insert(hf_node *root, hf_node *node, size_t bytes) {
    if (root == NULL) return node;
    root->sums.regions[node->kind]++;
    root->sums.bytes[node->kind] += bytes;
    if (root == node->previous) bytes = node->sums.bytes[node->kind];
    hf_node **child = map_child(root, node->offset);
    int height = map_height(*child);
    *child = map_tree_insert(*child, node, bytes);
    return map_height(*child) == height ? root : map_balance(root);
}

/* Takes the children from a node: it becomes a tree of its own. */
static void map_detach(hf_node *node) {
    if (node->left) map_subtract_sums(&node->sums, &node->left->sums);
    if (node->right) map_subtract_sums(&node->sums, &node->right->sums);
    node->left = node->right = NULL;
    node->height = 1;
}

/* Makes one tree of two, which may be empty, and of a detached node that lies between them. */
static hf_node *map_join(hf_node *low, hf_node *node, hf_node *high) {
    int tilt = map_height(low) - map_height(high);
    hf_node *root = tilt > 1 ? low : tilt < -1 ? high : node;
    if (low && low != root) map_add_sums(&root->sums, &low->sums);
    if (node != root) map_add_sums(&root->sums, &node->sums);
    if (high && high != root) map_add_sums(&root->sums, &high->sums);
    if (root == low) {
        low->right = map_join(low->right, node, high);
    } else if (root == high) {
        high->left = map_join(low, node, high->left);
    } else {
        node->left = low;
        node->right = high;
    }
    return map_balance(root);
}

/* Makes two trees of one: the nodes below the offset, and those above it. A node at the offset is
 * detached. */
static void map_split(hf_node *root, size_t offset, hf_node **low, hf_node **high) {
    *low = *high = NULL;
    if (root == NULL) return;
    hf_node *left = root->left, *right = root->right;
    map_detach(root);
    if (offset == root->offset) {
        *low = left;
        *high = right;
    } else if (offset < root->offset) {
        map_split(left, offset, low, high);
        *high = map_join(*high, root, right);
    } else {
        map_split(right, offset, low, high);
        *low = map_join(left, root, *low);
    }
}

/* Detaches the lowest node from a tree and returns the new root. */
static hf_node *map_tree_remove_first(hf_node *root, hf_node **first) {
    if (root->left == NULL) {
        hf_node *rest = root->right;
        map_detach(root);
        *first = root;
        return rest;
    }
    root->left = map_tree_remove_first(root->left, first);
    map_subtract_sums(&root->sums, &(*first)->sums);
    return map_balance(root);
}

/* The sums above the node are right already: they are without it. */
static hf_node *map_tree_remove(hf_node *root, const hf_node *node) {
    if (root != node) {
        hf_node **child = map_child(root, node->offset);
        int height = map_height(*child);
        *child = map_tree_remove(*child, node);
        return map_height(*child) == height ? root : map_balance(root);
    }
    if (node->left == NULL || node->right == NULL) return node->left ? node->left : node->right;
    hf_node *successor, *right = map_tree_remove_first(node->right, &successor);
    return map_join(node->left, successor, right);
}

/* ---------------------------------------------------------------------- map ------------- */

static size_t map_count_of(const hf_region_sums *sums) {
    size_t count = 0;
    for (size_t kind = 0; kind < HF_KINDS; kind++) count += sums->regions[kind];
    return count;
}

#ifndef NDEBUG
/* True if the sums of the map are those of its size and count. */
static bool map_is_sum_right(const hf_region_map *map) {
    const hf_region_sums *sums = hf_region_map_sums(map);
    size_t bytes = 0;
    for (size_t kind = 0; kind < HF_KINDS; kind++) bytes += sums->bytes[kind];
    return bytes == map->size && map_count_of(sums) == map->count;
}

/* True if the node is not empty, its neighbours are linked with it, and the tree finds it. */
static bool map_is_linked(const hf_region_map *map, const hf_node *node) {
    const hf_node *previous = node->previous, *next = node->next;
    bool begins = previous ? previous->next == node && previous->offset < node->offset
                           : map->first == node && node->offset == 0;
    bool ends = next ? next->previous == node && next->offset < map->size : true;
    return begins && ends && node->offset < hf_node_end(map, node) &&
           hf_region_map_find(map, node->offset) == node;
}
#endif

#if HF_PROVES
static size_t map_count_records(const hf_node *root) {
    return root ? 1 + map_count_records(root->left) + map_count_records(root->right) : 0;
}

/* True if the regions tile the space, the tree finds all of them, and free_count is right. */
static bool map_is_proven(const hf_region_map *map) {
    size_t free_count = 0, offset;
    for (const hf_node *root = map->free; root; root = root->next)
        free_count += map_count_records(root);
    return free_count == map->free_count && hf_region_map_check(map, &offset);
}
#endif

void hf_region_map_open(hf_region_map *map, const hf_backend *backend, size_t size, void *memory,
                        size_t memory_size) {
    assert(size > 0 && memory_size >= sizeof(hf_node));
    *map = (hf_region_map){.backend = backend, .size = size, .count = 1};
    map_add_records(map, memory, memory_size);
    hf_node *node = map_allocate_record(map);
    *node =
        (hf_node){.kind = HF_PLACEHOLDER, .height = 1, .sums = map_sums_of(HF_PLACEHOLDER, size)};
    map->first = map->root = node;
    HF_PROVE_THAT(map->count, map_is_proven(map));
}

void hf_region_map_close(hf_region_map *map) {
    while (map->blocks) {
        hf_record_block *block = map->blocks;
        map->blocks = block->next;
        map->backend->free_pages(map->backend, block, block->size);
    }
}

hf_node *hf_region_map_find(const hf_region_map *map, size_t offset) {
    assert(offset < map->size);
    hf_node *node = map->root, *found = NULL;
    while (node) {
        if (offset < node->offset) {
            node = node->left;
        } else {
            found = node;
            node = node->right;
        }
    }
    assert(found != NULL && offset < hf_node_end(map, found));
    return found;
}

void hf_region_map_set_kind(hf_region_map *map, hf_node *node, hf_kind kind) {
    if (kind == node->kind) return;
    size_t bytes = hf_node_end(map, node) - node->offset;
    for (hf_node *at = map->root;; at = *map_child(at, node->offset)) {
        at->sums.regions[node->kind]--;
        at->sums.bytes[node->kind] -= bytes;
        at->sums.regions[kind]++;
        at->sums.bytes[kind] += bytes;
        if (at == node) break;
    }
    node->kind = kind;
    assert(map_is_linked(map, node) && map_is_sum_right(map));
    HF_PROVE_THAT(map->count, map_is_proven(map));
}

hf_node *hf_region_map_cut(hf_region_map *map, hf_node *node, size_t offset) {
    assert(map_is_linked(map, node));
    assert(offset > node->offset && offset < hf_node_end(map, node));
    hf_node *upper = map_allocate_record(map);
    *upper = *node;
    if (node->kind == HF_VIEW) upper->file_offset += offset - node->offset;
    upper->offset = offset;
    upper->previous = node;
    upper->left = upper->right = NULL;
    upper->height = 1;
    upper->sums = map_sums_of(node->kind, hf_node_end(map, node) - offset);
    if (upper->next) upper->next->previous = upper;
    node->next = upper;
    map->root = map_tree_insert(map->root, upper, 0);
    map->count++;
    assert(map_is_linked(map, node) && map_is_linked(map, upper) && map_is_sum_right(map));
    HF_PROVE_THAT(map->count, map_is_proven(map));
    return upper;
}

/* Links a node with the one that follows it now; NULL: it is the last one. */
static void map_link(hf_node *node, hf_node *next) {
    node->next = next;
    if (next) next->previous = node;
}

/* The node gets the bytes of the upper one, which is the first node of its right subtree, or else
 * an ancestor. Subtrees that contain both lose a region, and no bytes. */
static void map_add_absorbed(const hf_region_map *map, const hf_node *node, const hf_node *upper) {
    size_t bytes = hf_node_end(map, upper) - upper->offset;
    const hf_node *deeper = node->right ? upper : node;
    bool has_node = true, has_upper = true;
    for (hf_node *at = map->root;; at = *map_child(at, deeper->offset)) {
        at->sums.regions[upper->kind] -= has_upper;
        at->sums.bytes[upper->kind] -= has_upper ? bytes : 0;
        at->sums.bytes[node->kind] += has_node ? bytes : 0;
        if (at == deeper) return;
        if (at == node) has_node = false;
        if (at == upper) has_upper = false;
    }
}

void hf_region_map_absorb_next(hf_region_map *map, hf_node *node) {
    assert(map_is_linked(map, node) && node->next != NULL && map->count > 1);
    hf_node *upper = node->next;
    map_add_absorbed(map, node, upper);
    map->root = map_tree_remove(map->root, upper);
    map->count--;
    map_link(node, upper->next);
    map_free_record(map, upper);
    assert(map_is_linked(map, node) && map_is_sum_right(map));
    HF_PROVE_THAT(map->count, map_is_proven(map));
}

/*
 *      |  low  | node |  run  | behind |  high  |  ->  |  low  |     node     | behind |  high  |
 */
static void map_absorb_run(hf_region_map *map, hf_node *node, hf_node *behind, size_t end) {
    hf_node *low, *run, *high;
    map_split(map->root, node->offset, &low, &high);
    map_split(high, end, &run, &high);
    if (behind) high = map_join(NULL, behind, high);
    node->sums = map_sums_of(node->kind, end - node->offset);
    map->root = map_join(low, node, high);
    map_link(node, behind);
    size_t count = map_count_of(&run->sums);
    map_push_free(map, run);
    map->free_count += count;
    map->count -= count;
}

/* True if a few of the next regions, or none, reach up to `end`. */
static bool map_is_near(const hf_region_map *map, const hf_node *node, size_t end) {
    for (int i = 0; i < MAP_FEW && hf_node_end(map, node) < end; i++) node = node->next;
    return hf_node_end(map, node) == end;
}

void hf_region_map_absorb_until(hf_region_map *map, hf_node *node, size_t end) {
    assert(map_is_linked(map, node) && end >= hf_node_end(map, node));
    if (map_is_near(map, node, end)) {
        while (hf_node_end(map, node) < end) hf_region_map_absorb_next(map, node);
        return;
    }
    hf_node *behind = end < map->size ? hf_region_map_find(map, end) : NULL;
    assert(end == map->size || (behind && behind->offset == end));
    map_absorb_run(map, node, behind, end);
    assert(map_is_linked(map, node) && map_is_sum_right(map));
    HF_PROVE_THAT(map->count, map_is_proven(map));
}

/* ------------------------------------------------------------------- checks ------------- */

static bool map_check_sums(const hf_region_map *map, const hf_node *node) {
    if (node->kind > HF_VIEW) return false;
    hf_region_sums sums = map_sums_of(node->kind, hf_node_end(map, node) - node->offset);
    if (node->left) map_add_sums(&sums, &node->left->sums);
    if (node->right) map_add_sums(&sums, &node->right->sums);
    return memcmp(&sums, &node->sums, sizeof sums) == 0;
}

/* Walks the tree in order, and the list with it; *expected is the list's next node. */
static bool map_check_tree(const hf_region_map *map, const hf_node *node, const hf_node **expected,
                           size_t *offset) {
    if (node == NULL) return true;
    if (!map_check_tree(map, node->left, expected, offset)) return false;
    *offset = node->offset;
    int left = map_height(node->left), right = map_height(node->right);
    if (left - right > 1 || right - left > 1) return false;
    if (node->height != 1 + (left > right ? left : right) || node != *expected) return false;
    if (!map_check_sums(map, node)) return false;
    *expected = node->next;
    return map_check_tree(map, node->right, expected, offset);
}

static bool map_check_list(const hf_region_map *map, size_t *offset) {
    const hf_node *previous = NULL;
    size_t count = 0;
    for (const hf_node *node = map->first; node; node = node->next) {
        *offset = node->offset;
        bool in_order = previous ? node->offset > previous->offset : node->offset == 0;
        if (!in_order || node->offset >= map->size || node->previous != previous) return false;
        previous = node;
        count++;
    }
    return count == map->count;
}

bool hf_region_map_check(const hf_region_map *map, size_t *offset) {
    *offset = 0;
    const hf_node *expected = map->first;
    return map_check_list(map, offset) && map_check_tree(map, map->root, &expected, offset) &&
           expected == NULL;
}
