/*
 * region_map.h -- the ordered map of a space's regions.
 *
 *      first                                              (size)
 *      | node | node |    node     | node |    node      |
 *        next-> next->
 *
 * A region's size is not stored: it ends where the next one begins, the last at the map's size. So
 * the regions tile the space by construction, and a map has two edits only: cut makes two regions
 * of one, absorb makes one of two. Neighbours are linked; an AVL tree over the same records finds
 * a region in O(log n).
 *
 * Records come from the backend's pages, never from malloc, and are taken ahead: after
 * hf_region_map_reserve(map, n) the next n cuts cannot fail. They go back with the map.
 */
#ifndef HF_REGION_MAP_H
#define HF_REGION_MAP_H

#include <holdfast/backend.h>

typedef struct hf_node hf_node;

struct hf_node {
    size_t offset;
    hf_node *previous, *next; /* neighbours in the space; of a free record: next free */
    hf_node *left, *right;    /* in the tree */
    uint64_t file_offset;
    hf_kind kind;
    hf_access access;
    int height;
};

typedef struct hf_record_block hf_record_block;

typedef struct hf_region_map {
    const hf_backend *backend;
    size_t size;
    size_t count;
    hf_node *first, *root;
    hf_node *free;
    size_t free_count;
    hf_record_block *blocks;
    size_t block_bytes;
} hf_region_map;

/* One placeholder of `size` bytes. Takes its first records from `memory`: zeroed, aligned for any
 * object, room for one record at least, and alive as long as the map. */
void hf_region_map_open(hf_region_map *map, const hf_backend *backend, size_t size, void *memory,
                        size_t memory_size);
void hf_region_map_close(hf_region_map *map);

/* Makes the next `cuts` cuts sure to succeed. NO_MEMORY: nothing has changed. */
hf_status hf_region_map_reserve(hf_region_map *map, size_t cuts, hf_report *report);

/* The region that holds the byte at offset, which lies within the map. */
hf_node *hf_region_map_find(const hf_region_map *map, size_t offset);

size_t hf_node_end(const hf_region_map *map, const hf_node *node);

/* Cuts a region, no view, at an offset inside it. Returns the upper part. */
hf_node *hf_region_map_cut(hf_region_map *map, hf_node *node, size_t offset);

/* Makes a region one with the next one; it keeps its own kind. */
void hf_region_map_absorb_next(hf_region_map *map, hf_node *node);

/* Proves order, links, count and the tree. False: *offset says where it does not hold. */
bool hf_region_map_check(const hf_region_map *map, size_t *offset);

#endif
