/*
 * space_core.h -- the state of a space, and the functions that its files share: space.c makes the
 * six steps and the composites, space_protect.c changes what may be done with pages and resets
 * them, space_replace.c unmaps parts of views, replaces what is in a range and extends regions.
 *
 * A space has two maps over the same bytes:
 *
 *      map          |    committed    | view |       placeholder       |
 *      protections  | made |  read  |            made                  |
 *
 * Regions say nothing about protections, and a protection can be that of parts of several regions.
 * "Made", HF_PROTECT_READ_WRITE in the map of protections, is what commit and map give:
 * placeholders have no other.
 */
#ifndef HF_SPACE_CORE_H
#define HF_SPACE_CORE_H

#include <holdfast/space.h>

#include <assert.h>

#include "region_map.h"

/* Which views keep their file open. */
typedef enum space_retains {
    SPACE_RETAINS_NONE,    /* the system does all that is done with a view */
    SPACE_RETAINS_PRIVATE, /* copy-on-write views: their pages are reset by reading the file */
    SPACE_RETAINS_ALL      /* and a part of a view is unmapped by mapping the rest again */
} space_retains;

/* What every call reads comes first. */
struct hf_space {
    const hf_backend *backend;
    char *base;
    size_t size, page_size; /* in bytes */
    hf_lock *lock;          /* &own_lock: a const space can be locked through it */
    size_t first_bytes;     /* commit_first may commit these, from base on; 0: none */
    const char *name;       /* shown by the system; NULL: no name, or the system cannot show it */
    bool spans_regions;     /* hf_backend.spans_regions */
    bool is_ordinary;       /* memory is zero: commit, not commit_as */
    bool can_pause;         /* the backend has hf_backend.pause: failed calls are tried again */
    bool is_transient;      /* the backend's last failure is one that a later try may not meet */
    space_retains retains_files;
    hf_lock own_lock;
    hf_region_map map;
    hf_region_map protections;
    hf_node first_protection; /* its first record */
    hf_space_stats stats;     /* steps, system calls, failures and peaks */
    hf_memory memory;         /* what commit_as makes */
    size_t alignment;         /* of the base, in bytes; 0: the default */
    size_t own_bytes;         /* of the pages that contain this struct and the first records */
    hf_reservation joint;     /* the mapping of pages and space; pages NULL: they lie apart */
};

/* The arguments of one call. */
typedef struct space_request {
    const char *call; /* the public function, for the last error */
    size_t offset, size;
    hf_file *file; /* to map; NULL: not a view */
    uint64_t file_offset;
    hf_access access;
    hf_advice advice;         /* for hf_space_advise */
    hf_protection protection; /* for hf_space_protect */
    size_t old_size;          /* for hf_space_extend */
} space_request;

static inline size_t space_end_of(const space_request *wanted) {
    return wanted->offset + wanted->size;
}

static inline size_t space_size_of(const hf_space *space, const hf_node *node) {
    return hf_node_end(&space->map, node) - node->offset;
}

static inline hf_node *space_find_node(const hf_space *space, const space_request *wanted) {
    return hf_region_map_find(&space->map, wanted->offset);
}

/* The nodes that contain the first and the last byte of a range. */
typedef struct space_ends {
    hf_node *first, *last;
} space_ends;

/* True if the node, which contains the first byte of the range, contains all of it. */
static inline bool space_contains(const hf_space *space, const hf_node *node,
                                  const space_request *wanted) {
    return space_end_of(wanted) <= hf_node_end(&space->map, node);
}

static inline bool space_is_exactly(const hf_space *space, const hf_node *node,
                                    const space_request *wanted) {
    return node->offset == wanted->offset && hf_node_end(&space->map, node) == space_end_of(wanted);
}

static inline space_ends space_find_ends(const hf_space *space, const space_request *wanted) {
    hf_node *first = space_find_node(space, wanted);
    if (space_contains(space, first, wanted)) return (space_ends){first, first};
    return (space_ends){first, hf_region_map_find(&space->map, space_end_of(wanted) - 1)};
}

typedef hf_status space_step(hf_space *, const space_request *);

typedef hf_status space_backend_call(const hf_backend *, void *, size_t, hf_report *);

/* ---------------------------------------------------------------------- space.c ---------- */

hf_status hf_space_fail(hf_status status, const space_request *wanted);

/* HF_WRONG_STATE. The reason says which regions the step needs. */
hf_status hf_space_fail_state(const space_request *wanted, const char *reason);

/* Makes a step, again while it fails with a transient error and pauses are left. Success after a
 * failed try restores the previous error. HF_INVALID: the range is none of the space. */
hf_status hf_space_perform(hf_space *space, space_step *step, const space_request *wanted);

/* Checks the arguments of a view and makes the step that maps it. */
hf_status hf_space_perform_map(hf_space *space, space_step *step, const space_request *wanted);

/* Counts one call of the backend. A failure becomes the last error, at offset and size. */
hf_status hf_space_finish_call(hf_space *space, hf_step step, hf_status status,
                               const hf_report *report, size_t offset, size_t size);

/* Returns first_bytes. It is 0 from now on if a commit or map begins below it. */
size_t hf_space_take_first(hf_space *space, size_t offset);

/* Makes a call of the backend and counts it. */
hf_status hf_space_call(hf_space *space, hf_step step, space_backend_call *call, size_t offset,
                        size_t size);
hf_status hf_space_call_map(hf_space *space, const space_request *wanted);

/* After it the next `cuts` cuts of the map cannot fail, nor what forgets protections. */
hf_status hf_space_reserve_records(hf_space *space, const space_request *wanted, size_t cuts);

/* After it the next hf_space_set_protection cannot fail. */
hf_status hf_space_reserve_protections(hf_space *space, const space_request *wanted);

/* Makes the range a node of its own, by up to two cuts, and returns it. The caller has reserved two
 * records. */
hf_node *hf_space_split_node(hf_space *space, hf_node *node, size_t offset, size_t size);

/* Changes the kind of a node, and the statistics. */
void hf_space_set_kind(hf_space *space, hf_node *node, hf_kind kind);
void hf_space_set_view(hf_space *space, hf_node *node, const space_request *wanted);

/* The second one forgets the protections, and names the range like the rest of the space. */
void hf_space_set_bare_placeholder(hf_space *space, hf_node *node);
void hf_space_set_placeholder(hf_space *space, hf_node *node);

/* Makes one region of the range in the map, whatever it contains, as the system has done. `ends`
 * are its first and last node. The region is of the kind that the first one was, and the caller
 * changes that: to a placeholder or a view. The caller has reserved two records. */
hf_node *hf_space_join_run(hf_space *space, const space_request *run, space_ends ends);
void hf_space_name_range(hf_space *space, size_t offset, size_t size);

/* Coalesces the placeholders from `first` up to `end`; there are at least two. */
hf_status hf_space_coalesce_nodes(hf_space *space, hf_node *first, size_t end);

/* hf_space_commit_range and hf_space_map_range, hf_space_release_range. */
hf_status hf_space_commit_or_map_range(hf_space *space, const space_request *wanted);
hf_status hf_space_release(hf_space *space, const space_request *wanted);

/* Why an end of the range cannot lie where it does: a view of huge pages has no such part. NULL: it
 * can. */
const char *hf_space_why_no_part(const hf_space *space, const space_request *wanted,
                                 space_ends ends);

/* -------------------------------------------------------------- space_protect.c ---------- */

/* Makes the map of protections. */
void hf_space_open_protections(hf_space *space);

/* False: every page is as commit and map made it. */
bool hf_space_has_protections(const hf_space *space);

/* What may be done with the page at the offset, which lies in the node. */
hf_protection hf_space_protection_at(const hf_space *space, const hf_node *node, size_t offset);

/* The end of the piece that begins at the offset, which lies in the node; at most `end`. */
size_t hf_space_piece_end(const hf_space *space, const hf_node *node, size_t offset, size_t end);

/* Edits the map of protections. HF_PROTECT_READ_WRITE forgets. */
void hf_space_set_protection(hf_space *space, size_t offset, size_t size, hf_protection value);

/* Makes a range readable until hf_space_apply_protections. A failure changes nothing. */
hf_status hf_space_make_readable(hf_space *space, size_t offset, size_t end);

/* Undoes hf_space_make_readable up to `end`; the last error stays. Where that fails, too, the map
 * shows the pieces that stay readable, and the last error has undo_failed. */
hf_status hf_space_undo_readable(hf_space *space, size_t offset, size_t end);

/* Protects each piece of the range as the map says. After a failure the last error has the offset
 * of the piece that failed. */
hf_status hf_space_apply_protections(hf_space *space, size_t offset, size_t end);

/* -------------------------------------------------------------- space_replace.c ---------- */

/* Unmaps a part of a view, or all of it. The caller has reserved two records. */
hf_status hf_space_unmap_part(hf_space *space, hf_node *node, const space_request *part);

#endif
