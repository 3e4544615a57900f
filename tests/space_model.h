/*
 * space_model.h -- the regions of a space as the simplest thing that can tell what is right: an
 * array with an entry for each page.
 *
 *      page       0    1    2    3    4    5    6
 *      kind     |p    p   |c    c   |v    v    v        | a region begins
 *      may be    -    -    rw   r    rw   -    r           what hf_space_protect allows
 *
 * Each step is a loop over the array. It has nothing in common with the search tree, the records
 * and the undo of the library, so it cannot share their mistakes. test_space_model makes random
 * steps on many regions; fuzz_space adds arguments, files, contents and failures.
 */
#ifndef HOLDFAST_TESTS_SPACE_MODEL_H
#define HOLDFAST_TESTS_SPACE_MODEL_H

#include <holdfast/space.h>

struct model_page {
    uint64_t pattern;   /* for the user: what was stored into memory of this space; 0: nothing */
    uint32_t page;      /* view: the page of the file */
    uint8_t file;       /* view: the file, for the user */
    uint8_t kind;       /* hf_kind */
    uint8_t access;     /* hf_access, of a view */
    uint8_t protection; /* hf_protection; HF_PROTECT_NONE for a placeholder */
    bool is_executable; /* view: of a file that hf_file_create_executable created */
    bool begins;        /* a region begins here */
};

struct space_model {
    size_t page_size, count;
    bool spans_regions; /* for the user: hf_space_extend makes a region larger; else a new one */
    struct model_page *pages; /* count + 1 of them; the last one ends the last region */
    size_t steps[HF_STEPS];   /* how often each was made, as hf_space_stats counts them */
};

/* Pages, without the one at `end`. */
struct model_range {
    size_t first, end;
};

typedef enum model_step {
    MODEL_SPLIT,
    MODEL_COALESCE,
    MODEL_COMMIT,
    MODEL_DECOMMIT,
    MODEL_MAP,
    MODEL_UNMAP,
    MODEL_COMMIT_RANGE,
    MODEL_MAP_RANGE,
    MODEL_RELEASE_RANGE,
    MODEL_REMAP_RANGE,
    MODEL_RESET_RANGE,
    MODEL_PROTECT,
    MODEL_EXTEND,
    MODEL_STEPS
} model_step;

/* One placeholder of `count` pages. */
void model_open(struct space_model *, struct model_page *pages, size_t count, size_t page_size);

/* The region that the page is in. As an hf_region it has the protection of the page. */
struct model_range model_region(const struct space_model *, size_t page);
hf_region model_as_region(const struct space_model *, size_t page);

size_t model_count_regions(const struct space_model *, struct model_range);
size_t model_count_pages(const struct space_model *, struct model_range, hf_kind);
struct model_range model_all(const struct space_model *);

/* Whether the range is exactly one region, of this kind. */
bool model_is_one(const struct space_model *, struct model_range, hf_kind);

/* Whether the step succeeds on a valid range; else it is HF_WRONG_STATE. Not for MODEL_PROTECT and
 * MODEL_EXTEND, which have functions of their own. */
bool model_allows(const struct space_model *, model_step, struct model_range);
bool model_allows_protect(const struct space_model *, struct model_range, hf_protection);

/* `old_end` is the page at which the old bytes end; the range ends at the new end. */
bool model_allows_extend(const struct space_model *, struct model_range, size_t old_end);

/* Makes the step. To map, `view` has the file, its first page, the access and is_executable. */
void model_apply(struct space_model *, model_step, struct model_range,
                 const struct model_page *view);
void model_protect(struct space_model *, struct model_range, hf_protection);
void model_extend(struct space_model *, struct model_range, size_t old_end);

/* Two parts of steps, for states after a failure: the range becomes a region of its own within its
 * placeholder; what the range has of each region becomes a placeholder. */
void model_split_off(struct space_model *, struct model_range);
void model_release_pieces(struct space_model *, struct model_range);

bool model_is_same_region(const hf_region *, const hf_region *);

/* NULL if the regions and their sums in the statistics are the model's; else what is not. */
const char *model_compare_regions(const struct space_model *, const hf_space *);
const char *model_compare(const struct space_model *, const hf_space *);

#endif
