/*
 * region_map.h -- the ordered map of a space's regions.
 *
 *      first                                              (size)
 *      | node | node |    node     | node |    node      |
 *        next-> next->
 *
 * A region's size is not stored: a region ends where the next one begins, the last one at the map's
 * size. So the regions tile the space by construction, and a map has only two edits: cut makes two
 * regions of one, absorb makes one of two or more. Neighbours are linked; an AVL tree over the same
 * records finds a region, and edits, in O(log n), whatever the number of regions absorbed. The tree
 * has the sums of its subtrees; those of the root are the sums of the map.
 *
 * Records lie in pages of the backend, never in memory from malloc, and are allocated ahead: after
 * hf_region_map_reserve(map, n) the next n cuts cannot fail. hf_region_map_close frees them.
 */
#ifndef HF_REGION_MAP_H
#define HF_REGION_MAP_H

#include <holdfast/backend.h>
#include <holdfast/file.h>

enum { HF_KINDS = HF_VIEW + 1 };

/* How many regions there are, and their bytes, by hf_kind. */
typedef struct hf_region_sums {
    size_t regions[HF_KINDS], bytes[HF_KINDS];
} hf_region_sums;

typedef struct hf_node hf_node;

/* What a search reads comes first. */
struct hf_node {
    size_t offset;         /* of the region's first byte in the space */
    hf_node *left, *right; /* children in the tree */
    hf_node *next;         /* the region above this one; of a free record: the next free subtree */
    hf_node *previous;     /* the region below this one */
    hf_region_sums sums;   /* of the subtree with this root */
    uint64_t file_offset;  /* of a view, in bytes; else 0 */
    hf_file *file;         /* of a view, retained; NULL: the view needs no file any more */
    hf_kind kind;          /* written by hf_region_map_set_kind only */
    hf_access access;      /* of a view; else HF_READ_WRITE */
    hf_protection protection; /* in a map of protections; see space_core.h */
    uint8_t height;           /* of the subtree with this root; 1: no children */
    uint8_t unit_shift;       /* a part of a view is a multiple of 1 << unit_shift bytes */
    bool is_executable;       /* a view that hf_space_protect may make executable */
};

typedef struct hf_record_block hf_record_block;

typedef struct hf_region_map {
    hf_node *root;  /* of the tree */
    size_t size;    /* of the space, in bytes */
    size_t count;   /* of regions */
    hf_node *first; /* of the list */
    hf_node *free;  /* list of subtrees of unused records */
    size_t free_count;
    const hf_backend *backend;
    hf_record_block *blocks; /* allocated pages of records */
    size_t block_bytes;      /* sum of their sizes */
} hf_region_map;

/* Makes a map with one region, a placeholder of `size` bytes. `memory` becomes the first records:
 * it is zeroed, aligned for any object, has room for one record at least, and outlives the map. */
void hf_region_map_open(hf_region_map *map, const hf_backend *backend, size_t size, void *memory,
                        size_t memory_size);

/* Frees the blocks that hf_region_map_reserve has allocated. */
void hf_region_map_close(hf_region_map *map);

/* Allocates records until the next `cuts` cuts cannot fail. HF_NO_MEMORY: the regions are as they
 * were, and so many cuts are not certain. */
hf_status hf_region_map_reserve(hf_region_map *map, size_t cuts, hf_report *report);

/* The region that contains the byte at offset; offset is less than the map's size. */
hf_node *hf_region_map_find(const hf_region_map *map, size_t offset);

/* The offset at which a region ends. */
static inline size_t hf_node_end(const hf_region_map *map, const hf_node *node) {
    return node->next ? node->next->offset : map->size;
}

/* Cuts a region in two at an offset inside it and returns the upper one, which is like the lower
 * one; of a view it begins further in the file. A record is reserved. */
hf_node *hf_region_map_cut(hf_region_map *map, hf_node *node, size_t offset);

/* Removes the next region and extends this one over it; this one keeps its kind. */
void hf_region_map_absorb_next(hf_region_map *map, hf_node *node);

/* The same with all regions up to `end`, where one of the next regions, or this one, ends. */
void hf_region_map_absorb_until(hf_region_map *map, hf_node *node, size_t end);

/* Changes the kind of a region, and the sums. */
void hf_region_map_set_kind(hf_region_map *map, hf_node *node, hf_kind kind);

/* The sums of all regions. */
static inline const hf_region_sums *hf_region_map_sums(const hf_region_map *map) {
    return &map->root->sums;
}

/* Checks order, links, count, tree and sums. False: *offset is where the first fault was found. */
bool hf_region_map_check(const hf_region_map *map, size_t *offset);

#endif
