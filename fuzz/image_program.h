/*
 * image_program.h -- bytes as a program of calls on arenas in files, and of harm done to the files.
 *
 *     operation:
 *         | kind | arena, path, access | size class | options | value (2) | twist | number |
 *
 * A program owns three arenas, each of any kind, and three files. A twist makes one argument wrong
 * on purpose; 255 and most others are none.
 */
#ifndef IMAGE_PROGRAM_H
#define IMAGE_PROGRAM_H

#include "image_file.h"
#include "mutator.h"

enum { IMAGE_ARENAS = 3 };

/* What the child of IMAGE_FORK does: bits of choices. */
enum {
    CHILD_GROWS = 1,
    CHILD_SYNCS = 2,
    CHILD_GOES_BACK = 4,
    CHILD_SAVES = 8,
    CHILD_CLOSES = 16,
    CHILD_USES_ALL = 32, /* its arenas; else the operation's */
    CHILD_LIVES_ON = 64  /* the parent closes the arena before the child does anything */
};

typedef enum image_kind {
    IMAGE_OPEN_FILE,
    IMAGE_OPEN,
    IMAGE_CLOSE,
    IMAGE_ALLOC,
    IMAGE_EXTEND,
    IMAGE_STORE, /* other bytes into a block */
    IMAGE_REWIND,
    IMAGE_RESET,
    IMAGE_TRIM,
    IMAGE_SYNC,
    IMAGE_SET_ROOT,
    IMAGE_SAVE,
    IMAGE_APPEND,
    IMAGE_DAMAGE, /* to a file that no arena has */
    IMAGE_TAMPER, /* the same, in the middle of the next IMAGE_OPEN_FILE */
    IMAGE_FAIL,   /* hf_strict_fail */
    IMAGE_HOLES,  /* makes a file that no arena has sparse where it is zero */
    IMAGE_FORK,
    IMAGE_REPLACE,   /* gives the path to another file, also where an arena has the old one */
    IMAGE_FAIL_SYNC, /* the nth file_sync from now on */
    IMAGE_FAIL_AS,   /* hf_strict_fail_as */
    IMAGE_KINDS
} image_kind;

typedef enum image_twist {
    IMAGE_TWIST_TAG,
    IMAGE_TWIST_BASE_GIVEN, /* the one that the image has */
    IMAGE_TWIST_BASE_OTHER,
    IMAGE_TWIST_BASE_UNALIGNED,
    IMAGE_TWIST_LEAST_ABOVE,
    IMAGE_TWIST_RESERVE_HUGE,
    IMAGE_TWIST_ACCESS,
    IMAGE_TWIST_PATH_FOLDER,
    IMAGE_TWIST_PATH_NO_PARENT,
    IMAGE_TWIST_PATH_BLANK,
    IMAGE_TWIST_PATH_NULL,
    IMAGE_TWISTS
} image_twist;

/* What a path names, in the host's folder. */
typedef enum image_path {
    IMAGE_PATH_FIRST,
    IMAGE_PATH_SECOND,
    IMAGE_PATH_THIRD,
    PATHS_OF_FILES,
    IMAGE_PATH_FOLDER = PATHS_OF_FILES,
    IMAGE_PATH_NO_PARENT,
    IMAGE_PATH_BLANK,
    IMAGE_PATH_NULL
} image_path;

typedef struct image_operation {
    size_t index; /* in the program */
    image_kind kind;
    unsigned arena;
    image_path path;
    hf_access access; /* with IMAGE_TWIST_ACCESS none that there is */
    unsigned size_class;
    unsigned choices; /* of options */
    unsigned value;   /* 16 bits */
    image_twist twist;
    unsigned number;
} image_operation;

image_operation image_decode(const uint8_t bytes[OPERATION_BYTES], size_t index);
const char *image_kind_name(image_kind);

/* NULL for IMAGE_PATH_NULL. */
const char *image_path_text(const char *folder, image_path, char *text, size_t size);

/* A size of a block for the arena. */
size_t image_size(const image_operation *, const hf_arena *);

/* Options without a backend; `known` is where the image lies that is to be opened, or 0. */
hf_arena_options image_options(const image_operation *, uintptr_t known);

image_damage image_damage_of(const image_operation *);

#endif
