/*
 * image_lane.h -- one backend's run of a program of calls on arenas in files, with the checks
 * around it.
 *
 *      arenas -> strict -> strict -> ambush -> native          (or without the two in the middle)
 *
 * A lane has the arenas and, beside each, a model: what was handed out and what it holds, and from
 * which file it came. Files are judged as they lie in the folder, by image_file.h.
 */
#ifndef IMAGE_LANE_H
#define IMAGE_LANE_H

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
    bool is_own;    /* by an allocation, and still as it was handed out */
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
    bool is_faulting, is_ambushed;
    hf_status failed_sync; /* of a persistent arena: what the first sync that failed said */
    struct block blocks[IMAGE_BLOCKS];
    size_t count;
    unsigned char bytes[IMAGE_FILE_BYTES]; /* of the arena, where blocks are */
    struct image_bytes as_opened;          /* for one that must not change it */
};

/* A backend that does harm to a file while it is being opened, and fails to sync. */
struct ambush {
    hf_backend backend; /* first */
    const hf_backend *under;
    size_t countdown; /* calls; 0: none is planned */
    image_damage damage;
    char path[512];
    bool has_struck, is_read_before;
    bool is_measured, is_read, is_mapped; /* since it has struck */
    bool is_unseen; /* it has struck between the last look and a change of the file's length */
    struct image_bytes file; /* as it was left */
    size_t sync_countdown;   /* of calls of file_sync, the one that fails; 0: none */
    hf_status sync_status;
    size_t failed_syncs;
};

struct lane {
    const char *name, *folder;
    struct ambush ambush;
    const hf_backend *backend;
    hf_backend *strict, *under; /* NULL on native */
    size_t page_size;
    hf_arena arenas[IMAGE_ARENAS];
    struct image_model models[IMAGE_ARENAS];
    size_t files[PATHS_OF_FILES]; /* which file each path leads to; a number is used once */
    size_t last_file;
    image_damage plan; /* of the ambush */
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

hf_arena *arena_of(struct lane *);           /* of the operation */
struct image_model *model_of(struct lane *); /* its */
const char *path_of(struct lane *);          /* NULL for IMAGE_PATH_NULL */

_Noreturn void fail(struct lane *, const char *format, ...) HF_PRINTF(2, 3);

void ambush_init(struct ambush *);
void begin(struct lane *, const image_operation *);

/* No call is made to fail from now on. */
void end_failures(struct lane *);

/* How many failures were injected in this operation; whether a status may come of one. */
size_t failures_met(const struct lane *);
bool refused(const struct lane *);
bool is_refusal(const struct lane *, hf_status);

/* The status must be one of these, or come of a failure; the last error must be as promised. */
void check_status(struct lane *, hf_status, status_set expected);

/* Files: a path that leads to another file from now on; whether an arena is the image, or has
 * appended the file. */
void renew_file(struct lane *, image_path);
bool is_image_of_some(const struct lane *, size_t file, bool *exclusively);
bool is_appended_by_some(const struct lane *, size_t file);
bool is_written(const struct lane *, image_path); /* a persistent arena has the file */
void load(struct lane *, const char *path, struct image_bytes *);

/* Whether the model's file can still be found under its path; whether it is that of a persistent
 * arena, and as that left it. */
bool is_found(const struct lane *, const struct image_model *);
bool has_own_file(const struct lane *, const struct image_model *);
void load_own_file(struct lane *, const struct image_model *); /* into `after` */

/* Blocks of the operation's model. */
struct block *add_block(struct lane *, size_t offset, size_t size);
void fill_block(struct lane *, struct block *, size_t from);
void drop_blocks(struct image_model *, size_t mark);
void lose_blocks(struct image_model *, size_t mark);

/* The operation's arena is as its model says. */
void check_arena(struct lane *, bool thoroughly);
void check_closed(struct lane *, const hf_arena *);

/* The file is an image of the model; or perhaps of its last sync. */
void check_image(struct lane *, const struct image_bytes *, bool may_be_older);
void check_length(struct lane *);

/* `after` is what saving the operation's arena to its path has made. */
void check_saved(struct lane *);

/* Closes the operation's arena, if it is open, and checks what is left. */
void close_arena(struct lane *);

/* In image_fork.c. */
void run_fork(struct lane *);

#endif
