/*
 * image_harness.h -- one backend's run of a program of calls on arenas in files, with the checks
 * around it.
 *
 *      arenas -> strict -> strict -> tamper -> native          (or without the two in the middle)
 *
 * A harness has the arenas and, beside each, a model: what was allocated and its content, and from
 * which file it came. Files are judged as they lie in the folder, by image_file.h.
 */
#ifndef IMAGE_HARNESS_H
#define IMAGE_HARNESS_H

#include "image_program.h"

enum { IMAGE_BLOCKS = 64, IMAGE_MOST_USED = 1 << 20 };

/* Where addresses take memory, all that an arena gets. */
enum { MODEST_RESERVE = 1 << 28 };

/* Bytes that the program knows. */
struct block {
    size_t offset, size;
    size_t end;     /* of the view, if it is a file */
    size_t file;    /* the one appended; 0: none */
    bool may_store; /* not into a file that was appended to be read */
    bool is_own;    /* by an allocation, and still as it was allocated */
    bool is_lost;   /* nobody can tell whether it is still there */
};

typedef enum arena_way { WAY_PRIVATE, WAY_READ_WRITE, WAY_SNAPSHOT, WAY_READ_ONLY } arena_way;

struct image_model {
    bool open;
    arena_way way;
    image_path path;
    size_t file; /* which file the path led to when the arena was opened; 0: none */
    uint64_t tag;
    char *base;
    uint64_t home; /* where the image says that it lay: an arena may lie elsewhere */
    size_t used, root, reserved;
    size_t shown;                    /* of a snapshot: by its own view, which stays */
    size_t synced_used, synced_root; /* what the file says */
    bool is_faulting, was_tampered_with;
    hf_status failed_sync; /* of a read-write arena: what the first sync that failed said */
    struct block blocks[IMAGE_BLOCKS];
    size_t count;
    unsigned char bytes[IMAGE_FILE_BYTES]; /* of the arena, where blocks are */
    struct image_bytes as_opened;          /* for one that must not change it */
};

/* A backend that does harm to a file while it is being opened, and fails to sync. */
struct tamper {
    hf_backend backend; /* first */
    const hf_backend *under;
    size_t countdown; /* calls; 0: none is planned */
    image_damage damage;
    char path[512];
    bool has_tampered, is_read_before;
    bool is_measured, is_read, is_mapped; /* since it has struck */
    bool is_unseen; /* it has struck between the last look and a change of the file's length */
    struct image_bytes file; /* as it was left */
    size_t sync_countdown;   /* of calls of file_sync, the one that fails; 0: none */
    hf_status sync_status;
    size_t failed_syncs;
};

struct harness {
    const char *name, *folder;
    struct tamper tamper;
    const hf_backend *backend;
    hf_backend *strict, *under; /* NULL on native */
    size_t page_size;
    hf_arena arenas[IMAGE_ARENAS];
    struct image_model models[IMAGE_ARENAS];
    size_t files[PATHS_OF_FILES]; /* which file each path leads to; a number is used once */
    size_t last_file;
    image_damage plan; /* of the tamper */
    size_t plan_countdown;
    const image_operation *operation; /* the one being run, in `program` */
    image_operation program[MOST_OPERATIONS];
    int results[MOST_OPERATIONS];
    size_t forks;       /* so far */
    size_t failing_way; /* see hf_strict_fail_as */
    size_t failures_before;
    hf_error error_before;
    char path_text[512];
    struct image_bytes before, after; /* the operation's file */
};

hf_arena *arena_of(struct harness *);           /* of the operation */
struct image_model *model_of(struct harness *); /* its */
const char *path_of(struct harness *);          /* NULL for IMAGE_PATH_NULL */

_Noreturn void fail(struct harness *, const char *format, ...) HF_FORMAT(2, 3);

void tamper_init(struct tamper *);
void begin(struct harness *, const image_operation *);

/* No call is made to fail from now on. */
void end_failures(struct harness *);

/* How many failures were injected in this operation; whether a status may come of one. */
size_t failures_met(const struct harness *);
bool failure_injected(const struct harness *);
bool is_injected_status(const struct harness *, hf_status);

/* The status must be one of these, or come of a failure; the last error must be as promised. */
void check_status(struct harness *, hf_status, status_set expected);

/* Files: a path that leads to another file from now on; whether an arena is the image, or has
 * appended the file. */
void renew_file(struct harness *, image_path);
bool is_image_of_some(const struct harness *, size_t file, bool *exclusively);
bool is_appended_by_some(const struct harness *, size_t file);
bool is_written(const struct harness *, image_path); /* a read-write arena has the file */
void load(struct harness *, const char *path, struct image_bytes *);

/* Whether the model's file can still be found under its path; whether it is that of a read-write
 * arena, and as that left it. */
bool is_found(const struct harness *, const struct image_model *);
bool has_own_file(const struct harness *, const struct image_model *);
void load_own_file(struct harness *, const struct image_model *); /* into `after` */

/* Blocks of the operation's model. */
struct block *add_block(struct harness *, size_t offset, size_t size);
void fill_block(struct harness *, struct block *, size_t from);
void drop_blocks(struct image_model *, size_t mark);
void lose_blocks(struct image_model *, size_t mark);

/* The operation's arena is as its model says. */
void check_arena(struct harness *, bool thoroughly);
void check_closed(struct harness *, const hf_arena *);

/* The file is an image of the model; or perhaps of its last sync. */
void check_image(struct harness *, const struct image_bytes *, bool may_be_older);
void check_length(struct harness *);

/* `after` is what saving the operation's arena to its path has made. */
void check_saved(struct harness *);

/* Closes the operation's arena, if it is open, and checks what is left. */
void close_arena(struct harness *);

/* In image_fork.c. */
void run_fork(struct harness *);

#endif
