/*
 * region_map.c -- see region_map.h for what it is.
 *
 * The tree is Adelson-Velsky and Landis' (1962): the heights of two siblings differ by one at the
 * most, so its depth stays below 1.45 log2(n), whatever the order of the edits. It holds the same
 * records as the list of neighbours, which makes the classic hard case easy: the successor that
 * replaces a removed node with two children is its next neighbour.
 */
#include "region_map.h"

#define BLOCK_BYTES ((size_t)65536)

/* ------------------------------------------------------------------ records ------------- */

struct hf_record_block {
    hf_record_block *next;
    size_t size;
};

static void put_free(hf_region_map *map, hf_node *node) {
    node->next = map->free;
    map->free = node;
    map->free_count++;
}

static hf_node *take_free(hf_region_map *map) {
    hf_node *node = map->free;
    map->free = node->next;
    map->free_count--;
    return node;
}

static void add_records(hf_region_map *map, void *memory, size_t size) {
    hf_node *nodes = memory;
    for (size_t i = size / sizeof *nodes; i > 0; i--) put_free(map, &nodes[i - 1]);
}

static hf_status add_block(hf_region_map *map, hf_report *report) {
    size_t page_size = map->backend->page_size(map->backend);
    size_t size = BLOCK_BYTES > page_size ? BLOCK_BYTES : page_size;
    void *memory;
    hf_status status = map->backend->allocate_pages(map->backend, size, &memory, report);
    if (status != HF_OK) return status;
    hf_record_block *block = memory;
    *block = (hf_record_block){map->blocks, size};
    map->blocks = block;
    map->block_bytes += size;
    add_records(map, block + 1, size - sizeof *block);
    return HF_OK;
}

hf_status hf_region_map_reserve(hf_region_map *map, size_t cuts, hf_report *report) {
    hf_status status = HF_OK;
    while (status == HF_OK && map->free_count < cuts) status = add_block(map, report);
    return status;
}

/* --------------------------------------------------------------------- tree ------------- */

static int height(const hf_node *node) { return node ? node->height : 0; }

static void measure(hf_node *node) {
    int left = height(node->left), right = height(node->right);
    node->height = 1 + (left > right ? left : right);
}

/*
 *        b              a
 *       / \            / \
 *      a   3   --->   1   b       and rotate_left the other way
 *     / \                / \
 *    1   2              2   3
 */
static hf_node *rotate_right(hf_node *b) {
    hf_node *a = b->left;
    b->left = a->right;
    a->right = b;
    measure(b);
    measure(a);
    return a;
}

static hf_node *rotate_left(hf_node *a) {
    hf_node *b = a->right;
    a->right = b->left;
    b->left = a;
    measure(a);
    measure(b);
    return b;
}

static hf_node *balance(hf_node *node) {
    int tilt = height(node->left) - height(node->right);
    if (tilt > 1) {
        if (height(node->left->left) < height(node->left->right))
            node->left = rotate_left(node->left);
        return rotate_right(node);
    }
    if (tilt < -1) {
        if (height(node->right->right) < height(node->right->left))
            node->right = rotate_right(node->right);
        return rotate_left(node);
    }
    measure(node);
    return node;
}

static hf_node *tree_insert(hf_node *root, hf_node *node) {
    if (root == NULL) return node;
    if (node->offset < root->offset)
        root->left = tree_insert(root->left, node);
    else
        root->right = tree_insert(root->right, node);
    return balance(root);
}

/* Takes the lowest node out of a tree. */
static hf_node *tree_remove_first(hf_node *root) {
    if (root->left == NULL) return root->right;
    root->left = tree_remove_first(root->left);
    return balance(root);
}

static hf_node *tree_remove(hf_node *root, hf_node *node) {
    if (node->offset < root->offset) {
        root->left = tree_remove(root->left, node);
    } else if (node->offset > root->offset) {
        root->right = tree_remove(root->right, node);
    } else if (node->left == NULL || node->right == NULL) {
        return node->left ? node->left : node->right;
    } else {
        hf_node *successor = node->next;
        successor->right = tree_remove_first(node->right);
        successor->left = node->left;
        root = successor;
    }
    return balance(root);
}

/* ---------------------------------------------------------------------- map ------------- */

void hf_region_map_open(hf_region_map *map, const hf_backend *backend, size_t size, void *memory,
                        size_t memory_size) {
    *map = (hf_region_map){.backend = backend, .size = size, .count = 1};
    add_records(map, memory, memory_size);
    hf_node *node = take_free(map);
    *node = (hf_node){.kind = HF_PLACEHOLDER, .height = 1};
    map->first = map->root = node;
}

void hf_region_map_close(hf_region_map *map) {
    while (map->blocks) {
        hf_record_block *block = map->blocks;
        map->blocks = block->next;
        map->backend->free_pages(map->backend, block, block->size);
    }
}

hf_node *hf_region_map_find(const hf_region_map *map, size_t offset) {
    hf_node *node = map->root, *found = NULL;
    while (node) {
        if (offset < node->offset) {
            node = node->left;
        } else {
            found = node;
            node = node->right;
        }
    }
    return found;
}

size_t hf_node_end(const hf_region_map *map, const hf_node *node) {
    return node->next ? node->next->offset : map->size;
}

hf_node *hf_region_map_cut(hf_region_map *map, hf_node *node, size_t offset) {
    hf_node *upper = take_free(map);
    *upper = (hf_node){.offset = offset,
                       .previous = node,
                       .next = node->next,
                       .kind = node->kind,
                       .access = node->access,
                       .height = 1};
    if (upper->next) upper->next->previous = upper;
    node->next = upper;
    map->root = tree_insert(map->root, upper);
    map->count++;
    return upper;
}

void hf_region_map_absorb_next(hf_region_map *map, hf_node *node) {
    hf_node *upper = node->next;
    map->root = tree_remove(map->root, upper);
    node->next = upper->next;
    if (upper->next) upper->next->previous = node;
    map->count--;
    put_free(map, upper);
}

/* -------------------------------------------------------------------- proof ------------- */

/* Walks the tree in order beside the list; *expected is the node that has to come next. */
static bool tree_agrees(const hf_node *node, const hf_node **expected, size_t *offset) {
    if (node == NULL) return true;
    if (!tree_agrees(node->left, expected, offset)) return false;
    *offset = node->offset;
    int left = height(node->left), right = height(node->right);
    if (left - right > 1 || right - left > 1) return false;
    if (node->height != 1 + (left > right ? left : right) || node != *expected) return false;
    *expected = node->next;
    return tree_agrees(node->right, expected, offset);
}

static bool list_agrees(const hf_region_map *map, size_t *offset) {
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
    return list_agrees(map, offset) && tree_agrees(map->root, &expected, offset) &&
           expected == NULL;
}
