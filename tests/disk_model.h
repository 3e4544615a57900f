/*
 * disk_model.h -- a backend whose files have a disk apart from the system's cache, and lose what is
 * not on it when the system goes down.
 *
 *      stores into a view --- file_flush ---+
 *                                           +---> handed over --- file_sync ---> on the disk
 *      file_write, file_resize -------------+
 *
 * The cache is the real file, which the backend below has. Beside it the model keeps, of every
 * file that was opened on it, the bytes that were handed to the file system and those that are
 * safe: size and bytes by file_sync, and so the name that file_open_or_create gave; other names by
 * draft_publish.
 *
 * At a chosen file call the system goes down: the call reaches the cache, no file call after it
 * succeeds, and what the disk shows afterwards is anybody's guess: of each page, and of the size,
 * what is safe or any of what was on its way. disk_outcome makes such guesses. Or only the process
 * dies: then disk_restart, and the next one finds the cache.
 */
#ifndef HOLDFAST_TESTS_DISK_MODEL_H
#define HOLDFAST_TESTS_DISK_MODEL_H

#include "holdfast/backend.h"
#include "random.h"

enum {
    DISK_FILES = 8,
    DISK_HANDLES = 16,
    DISK_VIEWS = 64,
    DISK_NAME_BYTES = 100,
    DISK_FILE_BYTES = 1 << 20, /* of a file, at most */
    DISK_LEAST_UNIT = 512
};

/* What a disk may do that its backend's contract forbids: for tests that have to fail. */
enum disk_fault {
    DISK_HONEST,
    DISK_FORGETS_TO_SYNC,          /* file_sync does nothing */
    DISK_FORGETS_TO_SYNC_FIRST,    /* ... unless file_write was called since the last one */
    DISK_FORGETS_TO_FLUSH,         /* file_flush does nothing */
    DISK_FORGETS_TO_SYNC_THE_NAMES /* draft_publish leaves the names in the cache */
};

struct disk_file {
    char name[DISK_NAME_BYTES], safe_name[DISK_NAME_BYTES]; /* "": none */
    unsigned char *safe, *handed, *now; /* `now` as of the last close, or when all went down */
    uint64_t safe_size, size;
    uint64_t lowest, highest; /* sizes since the last sync */
    bool is_named_by_sync;
    uint32_t
        open[DISK_FILE_BYTES / DISK_LEAST_UNIT]; /* units that are not alike, when it is down */
    size_t opens;
};

struct disk {
    hf_backend backend; /* first */
    const hf_backend *under;
    enum disk_fault fault;
    size_t unit;      /* bytes that the disk writes whole, or not at all: a page, a sector */
    size_t calls;     /* file calls so far */
    size_t last_call; /* in this one it goes down; 0: in none */
    bool is_down;
    bool was_written; /* since the last sync */
    struct disk_file files[DISK_FILES];
    struct disk_handle {
        struct disk_file *file; /* NULL: none */
        intptr_t handle;
    } handles[DISK_HANDLES];
    struct disk_draft {
        void *draft; /* NULL: none */
        intptr_t handle;
        bool is_closed; /* the handle */
        struct disk_file *file;
        char path[DISK_NAME_BYTES];
    } draft;
    struct disk_view {
        char *address; /* NULL: none */
        size_t size;
        struct disk_file *file;
        intptr_t handle;
        uint64_t file_offset;
    } views[DISK_VIEWS];
};

/* under NULL: the native backend. disk_free must be the last use. */
void disk_init(struct disk *disk, const hf_backend *under);
void disk_free(struct disk *disk);

/* Goes down now, between two calls. */
void disk_go_down(struct disk *disk);

/* The process died and the system did not: file calls succeed again, on what the cache has. */
void disk_restart(struct disk *disk, size_t last_call);

/* Of a disk that is down: how many outcomes there are for this name, sizes between two others
 * apart; UINT64_MAX: or more. */
uint64_t disk_outcomes(const struct disk *disk, const char *name);

/* The outcome of a number below disk_outcomes, or with UINT64_MAX a random one: the file's bytes,
 * of which there is room for DISK_FILE_BYTES, and size. False: there is no file of that name. */
bool disk_outcome(const struct disk *disk, const char *name, uint64_t number, struct random *random,
                  unsigned char *bytes, uint64_t *size);

#endif
