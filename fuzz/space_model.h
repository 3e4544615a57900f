/*
 * space_model.h -- what space.h and file.h promise, as the simplest thing that could tell.
 *
 * A space is an array with one byte of state for each page: its kind, its access, and whether a
 * region begins there. Beside it stand the file and its page behind each page of a view, and a
 * pattern for what each page holds. So every step is a loop over bytes, and nothing of it can
 * share a mistake with trees, records and undo.
 *
 *      page         0    1    2    3    4    5    6
 *      state     |p    p   |c    c   |v    v    v        | a region begins
 *      pattern    .    .    0    7    9    9    -        0 zero, - what the file has
 *
 * For each call: model_expect says which statuses the headers allow when no call of the system
 * nothing; when the call succeeded, model_succeed makes the change. When a failure was injected,
 * model_fail looks for a state that the headers allow after a failure and that fits what is
 * there. model_compare proves that a space is as the model says.
 */
#ifndef SPACE_MODEL_H
#define SPACE_MODEL_H

#include "space_program.h"

enum {
    MODEL_OPEN_FILES = 160, /* six in slots, and those that only views keep */
    MODEL_CONTENTS = MODEL_OPEN_FILES + PATHS,
    MODEL_FILE_PAGES = PROGRAM_FILE_PAGES + 1
};

/* A set of statuses: bit n for status n. */
typedef unsigned status_set;
#define STATUS(name) (1u << HF_##name)

struct model_space {
    bool open;
    uintptr_t base;
    size_t pages;
    uint8_t state[PROGRAM_GRANULES];
    uint8_t file[PROGRAM_GRANULES];     /* of a view: index of an open file */
    uint8_t page[PROGRAM_GRANULES];     /* of a view: the page of the file */
    uint64_t pattern[PROGRAM_GRANULES]; /* of private memory, and of copies made by a view */
    size_t peak_committed, peak_view;   /* pages */
    size_t least_peak, most_peak;       /* bounds of the peak of regions: a composite may pass
                                            through more of them than it leaves */
};

/* An hf_file: used by a slot, by views, or both. */
struct model_file {
    bool in_slot;
    hf_access access;
    uint8_t content;
};

/* What a file holds; several hf_files may share one. Those of the paths come first. */
struct model_content {
    bool exists;
    uint64_t size;
    uint64_t pattern[MODEL_FILE_PAGES];
};

struct model {
    size_t page_size;
    bool views; /* whether a view can replace a placeholder; no Windows before 1803 can do that */
    struct model_space spaces[PROGRAM_SPACES];
    int slots[PROGRAM_FILES]; /* index of an open file, or -1 */
    struct model_file files[MODEL_OPEN_FILES];
    struct model_content contents[MODEL_CONTENTS];
};

void model_begin(struct model *, size_t page_size, bool views);

/* What the headers allow when the system grants everything. */
status_set model_expect(const struct model *, const program_call *);

/* What they allow beside that when a call of the system fails. */
status_set model_failures(program_kind);

/* Whether the call comes to a view that the system can't make: then it is UNSUPPORTED, and as
 * failed as by an injected failure. */
bool model_lacks_view(const struct model *, const program_call *);

/* The change that the call promises; *steps counts what a space does for it. */
void model_succeed(struct model *, const program_call *, const program_subject *, size_t *steps);

/* After a failure: finds the allowed state that the space is in. False: there is none. */
bool model_fail(struct model *, const program_call *, const program_subject *, const hf_error *);

/* Whether an opened space has a size and base that was asked for. With a failure `injected` at a
 * reservation it may be smaller, down to least. */
bool model_opened_well(const struct model *, const program_call *, const hf_space *, bool injected);

/* Whether hf_space_find found what is there. */
bool model_found_well(const struct model *, const program_call *);

/* NULL when space, statistics and contents are what the model has, else what is not. With
 * `every_byte` whole pages are read, else a few bytes of each. */
const char *model_compare(const struct model *, unsigned slot, const hf_space *, bool every_byte);

/* Whether the files in the slots have the sizes that they should. */
bool model_files_fit(const struct model *, const program_subject *);

/* Files that an hf_file is open for. */
size_t model_open_files(const struct model *);
size_t model_regions(const struct model_space *);
void model_print(FILE *, const struct model *, unsigned slot);

/* NULL when the files on disk hold what was stored into them. */
const char *model_compare_disk(const struct model *, const program_host *);

#endif
