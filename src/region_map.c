/*
 * region_map.c -- the ordered map of a space's regions; see region_map.h.
 *
 * The tree is an AVL tree (Adelson-Velsky and Landis, 1962): the heights of two siblings differ by
 * at most one, so its depth stays below 1.45 log2(n), whatever the order of the edits. Its nodes
 * are also linked to their neighbours, which makes one hard case easy: the successor that replaces
 * a removed node with two children is node->next.
 */
#include "region_map.h"

#include <assert.h>

#include "prove.h"

/* Records are allocated in blocks of this size, or of one page if a page is larger. */
#define MAP_BLOCK_BYTES ((size_t)65536)

/* ------------------------------------------------------------------ records ------------- */

/* The head of a block; the rest of the block is records. */
struct hf_record_block {
    hf_record_block *next;
    size_t size; /* of the whole block, in bytes */
};

static void map_free_record(hf_region_map *map, hf_node *node) {
    node->next = map->free;
    map->free = node;
    map->free_count++;
}

static hf_node *map_allocate_record(hf_region_map *map) {
    assert(map->free != NULL && map->free_count > 0); /* the caller has reserved a record */
    hf_node *node = map->free;
    map->free = node->next;
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

/* --------------------------------------------------------------------- tree ------------- */

static int map_height(const hf_node *node) { return node ? node->height : 0; }

static void map_update_height(hf_node *node) {
    int left = map_height(node->left), right = map_height(node->right);
    node->height = (uint8_t)(1 + (left > right ? left : right));
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
    b->left = a->right;
    a->right = b;
    map_update_height(b);
    map_update_height(a);
    return a;
}

static hf_node *map_rotate_left(hf_node *a) {
    hf_node *b = a->right;
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

static hf_node *map_tree_insert(hf_node *root, hf_node *node) {
    if (root == NULL) return node;
    if (node->offset < root->offset)
        root->left = map_tree_insert(root->left, node);
    else
        root->right = map_tree_insert(root->right, node);
    return map_balance(root);
}

/* Removes the lowest node from a tree and returns the new root. */
static hf_node *map_tree_remove_first(hf_node *root) {
    if (root->left == NULL) return root->right;
    root->left = map_tree_remove_first(root->left);
    return map_balance(root);
}

static hf_node *map_tree_remove(hf_node *root, hf_node *node) {
    if (node->offset < root->offset) {
        root->left = map_tree_remove(root->left, node);
    } else if (node->offset > root->offset) {
        root->right = map_tree_remove(root->right, node);
    } else if (node->left == NULL || node->right == NULL) {
        return node->left ? node->left : node->right;
    } else {
        hf_node *successor = node->next;
        successor->right = map_tree_remove_first(node->right);
        successor->left = node->left;
        root = successor;
    }
    return map_balance(root);
}

/* ---------------------------------------------------------------------- map ------------- */

#ifndef NDEBUG
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
/* True if the regions tile the space, the tree finds all of them, and free_count is right. */
static bool map_is_proven(const hf_region_map *map) {
    size_t free_count = 0, offset;
    for (const hf_node *node = map->free; node; node = node->next) free_count++;
    return free_count == map->free_count && hf_region_map_check(map, &offset);
}
#endif

void hf_region_map_open(hf_region_map *map, const hf_backend *backend, size_t size, void *memory,
                        size_t memory_size) {
    assert(size > 0 && memory_size >= sizeof(hf_node));
    *map = (hf_region_map){.backend = backend, .size = size, .count = 1};
    map_add_records(map, memory, memory_size);
    hf_node *node = map_allocate_record(map);
    *node = (hf_node){.kind = HF_PLACEHOLDER, .height = 1};
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

size_t hf_node_end(const hf_region_map *map, const hf_node *node) {
    return node->next ? node->next->offset : map->size;
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
    if (upper->next) upper->next->previous = upper;
    node->next = upper;
    map->root = map_tree_insert(map->root, upper);
    map->count++;
    assert(map_is_linked(map, node) && map_is_linked(map, upper));
    HF_PROVE_THAT(map->count, map_is_proven(map));
    return upper;
}

void hf_region_map_absorb_next(hf_region_map *map, hf_node *node) {
    assert(map_is_linked(map, node) && node->next != NULL && map->count > 1);
    hf_node *upper = node->next;
    map->root = map_tree_remove(map->root, upper);
    node->next = upper->next;
    if (upper->next) upper->next->previous = node;
    map->count--;
    map_free_record(map, upper);
    assert(map_is_linked(map, node));
    HF_PROVE_THAT(map->count, map_is_proven(map));
}

/* Makes a balanced tree of the next `count` nodes of the list, and returns its root. *first becomes
 * the node behind them. */
static hf_node *map_build_tree(hf_node **first, size_t count) {
    if (count == 0) return NULL;
    hf_node *left = map_build_tree(first, count / 2);
    hf_node *root = *first;
    *first = root->next;
    root->left = left;
    root->right = map_build_tree(first, count - count / 2 - 1);
    map_update_height(root);
    return root;
}

/* Removes the `count` nodes from the list that end with `last`, which follow `node`. */
static void map_unlink(hf_region_map *map, hf_node *node, hf_node *last, size_t count) {
    hf_node *first = node->next;
    node->next = last->next;
    if (last->next) last->next->previous = node;
    last->next = map->free;
    map->free = first;
    map->free_count += count;
    map->count -= count;
}

/* To remove a node from the tree costs about log2(map->count) steps, at most 32 here; to build the
 * tree anew one step for each node that stays. */
void hf_region_map_absorb_run(hf_region_map *map, hf_node *node, hf_node *last, size_t count) {
    assert(map_is_linked(map, node) && count < map->count);
    if (count < map->count / 32) {
        while (count-- > 0) hf_region_map_absorb_next(map, node);
        return;
    }
    if (count == 0) return;
    map_unlink(map, node, last, count);
    hf_node *first = map->first;
    map->root = map_build_tree(&first, map->count);
    assert(map_is_linked(map, node) && first == NULL);
    HF_PROVE_THAT(map->count, map_is_proven(map));
}

void hf_region_map_absorb_until(hf_region_map *map, hf_node *node, size_t end) {
    size_t count = 0;
    hf_node *last = node;
    for (; hf_node_end(map, last) < end; last = last->next) count++;
    assert(hf_node_end(map, last) == end);
    hf_region_map_absorb_run(map, node, last, count);
}

/* ------------------------------------------------------------------- checks ------------- */

/* Walks the tree in order, and the list with it; *expected is the list's next node. */
static bool map_check_tree(const hf_node *node, const hf_node **expected, size_t *offset) {
    if (node == NULL) return true;
    if (!map_check_tree(node->left, expected, offset)) return false;
    *offset = node->offset;
    int left = map_height(node->left), right = map_height(node->right);
    if (left - right > 1 || right - left > 1) return false;
    if (node->height != 1 + (left > right ? left : right) || node != *expected) return false;
    *expected = node->next;
    return map_check_tree(node->right, expected, offset);
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
    return map_check_list(map, offset) && map_check_tree(map->root, &expected, offset) &&
           expected == NULL;
}
