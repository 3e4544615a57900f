/*
 * disk_model.h -- a backend that models a disk with a cache: when the system crashes, its files
 * lose what was not synced.
 *
 *      stores into a view --- file_flush ---+
 *                                           +---> passed on --- file_sync ---> on the disk
 *      file_write, file_resize -------------+
 *
 * The real file, in the backend below, is the cache. The model also stores for every file that was
 * opened on it the bytes that were passed to the file system and the bytes that are on the disk.
 * file_sync makes size and bytes durable, and the name if file_open_or_create made the file;
 * draft_publish makes all names durable.
 *
 * The system crashes in a chosen file call: that call still changes the cache, and every later file
 * call fails. Afterwards each unit and the size of a file may be any of the old and new values:
 * what is on the disk, what was passed on, what is in the cache. disk_outcome enumerates these
 * outcomes. If only the process crashes, call disk_restart: the next process reads the cache.
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
    DISK_FILE_BYTES = 1 << 20, /* largest size of a file */
    DISK_LEAST_UNIT = 512
};

/* Deliberate violations of the backend's contract, for tests that must detect them. */
enum disk_fault {
    DISK_HONEST,
    DISK_FORGETS_TO_SYNC,          /* file_sync does nothing */
    DISK_FORGETS_TO_SYNC_FIRST,    /* ... unless file_write was called since the last one */
    DISK_FORGETS_TO_FLUSH,         /* file_flush does nothing */
    DISK_FORGETS_TO_SYNC_THE_NAMES /* draft_publish does not make the names durable */
};

struct disk_file {
    char name[DISK_NAME_BYTES], safe_name[DISK_NAME_BYTES]; /* "": none */
    /* Bytes on the disk; passed on; in the cache, as of the last close or of the crash. */
    unsigned char *safe, *handed, *now;
    uint64_t safe_size, size;
    uint64_t lowest, highest; /* smallest and largest size since the last sync */
    bool is_named_by_sync;
    uint32_t open[DISK_FILE_BYTES / DISK_LEAST_UNIT]; /* after a crash: units that differ */
    size_t opens;
};

struct disk {
    hf_backend backend; /* must be first */
    const hf_backend *under;
    enum disk_fault fault;
    size_t unit;      /* bytes that the disk writes atomically: a page, a sector */
    size_t calls;     /* number of file calls so far */
    size_t last_call; /* number of the call in which the system crashes; 0: never */
    bool is_down;
    bool was_written; /* file_write was called since the last sync */
    struct disk_file files[DISK_FILES];
    struct disk_handle {
        struct disk_file *file; /* NULL: entry unused */
        intptr_t handle;
    } handles[DISK_HANDLES];
    struct disk_draft {
        void *draft; /* NULL: no draft is open */
        intptr_t handle;
        bool is_closed; /* the handle is closed */
        struct disk_file *file;
        char path[DISK_NAME_BYTES];
    } draft;
    struct disk_view {
        char *address; /* NULL: entry unused */
        size_t size;
        struct disk_file *file;
        intptr_t handle;
        uint64_t file_offset;
    } views[DISK_VIEWS];
};

/* under NULL: the native backend. Nothing may use the backend after disk_free. */
void disk_init(struct disk *disk, const hf_backend *under);
void disk_free(struct disk *disk);

/* The system crashes now, between two calls. */
void disk_go_down(struct disk *disk);

/* Only the process crashed: file calls succeed again and see the cache. */
void disk_restart(struct disk *disk, size_t last_call);

/* After a crash: how many outcomes there are for the file of this name. All sizes between the
 * smallest and the largest count as one outcome. UINT64_MAX: at least that many. */
uint64_t disk_outcomes(const struct disk *disk, const char *name);

/* Makes the outcome of this number, below disk_outcomes, or a random one for UINT64_MAX: the bytes
 * of the file, in a buffer of DISK_FILE_BYTES, and its size. False: the name has no file. */
bool disk_outcome(const struct disk *disk, const char *name, uint64_t number, struct random *random,
                  unsigned char *bytes, uint64_t *size);

#endif
