/*
 * space_seeds.c -- writes the hand-made part of the corpus of fuzz_space.
 *
 *     fuzz_space_seeds FOLDER
 *
 * Every step on a region in every neighbourhood: left and right of it lie nothing, a placeholder
 * of its own, committed memory or a view, and the step takes the whole region or a part of it, or
 * reaches into its neighbours:
 *
 *      |  left  | middle |  right |
 *               |--------|             whole
 *               |--|                   head
 *                     |--|             tail
 *                 |----|               inner
 *            |-----------|             into the left one
 *               |-----------|          into the right one
 *      |-----------------|             with the left one
 *               |--------------|       with the right one
 *      |-----------------------|       all three
 *
 * For the composites a second set of seeds fails the first, second, ... call within, once and from
 * then on. One file for each neighbourhood and step; each form starts from a new space.
 *
 * The seeds named comb have so many regions that the space needs more pages for its records, and
 * make one call after the other of those that lead there fail. Those named file have one that is
 * opened in each way and of each size, with a view of each access on each of its pages.
 */
#include "space_program.h"

#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 4,
    PATH_BYTES = 1024,
    PLAIN = 255, /* twist */
    COMB = 255,  /* number */
    FAILING_CALLS = 5,
    COMB_CALLS = 16, /* made to fail in one seed */
    COMB_SEEDS = 5
};

typedef enum neighbour { NOTHING, PLACEHOLDER, COMMITTED, VIEW, NEIGHBOURS } neighbour;

static const char *const neighbour_names[NEIGHBOURS] = {"nothing", "placeholder", "committed",
                                                        "view"};

/* First page and number of pages, from the left neighbour's beginning. */
static const struct form {
    unsigned offset, size;
} forms[] = {{WIDTH, WIDTH},         {WIDTH, 1},         {2 * WIDTH - 1, 1}, {WIDTH + 1, 2},
             {WIDTH - 1, WIDTH + 1}, {WIDTH, WIDTH + 1}, {0, 2 * WIDTH},     {WIDTH, 2 * WIDTH},
             {0, 3 * WIDTH}};

enum { FORMS = sizeof forms / sizeof forms[0] };

struct seed {
    uint8_t bytes[MOST_OPERATIONS * OPERATION_BYTES];
    size_t size;
};

struct scene {
    neighbour left, middle, right;
};

static void put_bytes(struct seed *seed, const uint8_t bytes[OPERATION_BYTES]) {
    if (seed->size + OPERATION_BYTES > sizeof seed->bytes) {
        fputs("a seed is too long\n", stderr);
        exit(1);
    }
    memcpy(seed->bytes + seed->size, bytes, OPERATION_BYTES);
    seed->size += OPERATION_BYTES;
}

static void put_aimed(struct seed *seed, program_kind kind, unsigned offset, unsigned size,
                      unsigned number, program_aim aim) {
    const uint8_t bytes[OPERATION_BYTES] = {
        (uint8_t)kind, 0,     (uint8_t)offset, (uint8_t)(size - 1), 0,
        (uint8_t)aim,  PLAIN, (uint8_t)number};
    put_bytes(seed, bytes);
}

static void put(struct seed *seed, program_kind kind, unsigned offset, unsigned size,
                unsigned number) {
    put_aimed(seed, kind, offset, size, number, AIM_GIVEN);
}

static void put_region(struct seed *seed, neighbour kind, unsigned offset) {
    switch (kind) {
    case PLACEHOLDER: put(seed, PROGRAM_SPLIT, offset, WIDTH, 0); break;
    case COMMITTED: put(seed, PROGRAM_COMMIT_RANGE, offset, WIDTH, 0); break;
    case VIEW: put(seed, PROGRAM_MAP_RANGE, offset, WIDTH, 0); break;
    default: break;
    }
}

/* Offset of the left neighbour; where there is none, of the place before the space. */
static unsigned origin(const struct scene *scene) { return scene->left == NOTHING ? 0 : WIDTH; }

static void put_scene(struct seed *seed, const struct scene *scene) {
    unsigned middle = scene->left == NOTHING ? 0 : 2 * WIDTH;
    unsigned end = middle + WIDTH + (scene->right == NOTHING ? 0 : 2 * WIDTH);
    put(seed, PROGRAM_OPEN, 0, end, 0);
    if (scene->left != NOTHING) put_region(seed, scene->left, middle - WIDTH);
    put_region(seed, scene->middle, middle);
    if (scene->right != NOTHING) put_region(seed, scene->right, middle + WIDTH);
    put(seed, PROGRAM_STORE, 0, end, 0);
}

/* False where the form reaches for a neighbour that is not there. */
static bool put_step(struct seed *seed, const struct scene *scene, program_kind step,
                     const struct form *form) {
    bool left = form->offset<WIDTH, right = form->offset + form->size> 2 * WIDTH;
    unsigned offset = origin(scene) + form->offset;
    if ((left && scene->left == NOTHING) || (right && scene->right == NOTHING)) return false;
    if (scene->left == NOTHING) offset -= WIDTH;
    put(seed, step, offset, form->size, 0);
    return true;
}

static void write_bytes(const char *path, const struct seed *seed) {
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(seed->bytes, 1, seed->size, file) != seed->size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_seed(const char *folder, const struct scene *scene, program_kind step,
                       const char *suffix, const struct seed *seed) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s-%s-%s.%s%s", folder, neighbour_names[scene->left],
             neighbour_names[scene->middle], neighbour_names[scene->right], program_kind_name(step),
             suffix);
    write_bytes(path, seed);
}

static void begin_seed(struct seed *seed) {
    seed->size = 0;
    put(seed, PROGRAM_FILE_CREATE_SHARED, 0, WIDTH, 0);
}

static void write_forms(const char *folder, const struct scene *scene, program_kind step) {
    struct seed seed;
    begin_seed(&seed);
    for (size_t form = 0; form < FORMS; form++) {
        put_scene(&seed, scene);
        put_step(&seed, scene, step, &forms[form]);
        put_aimed(&seed, PROGRAM_RELEASE_RANGE, 0, PROGRAM_GRANULES, 0, AIM_REGIONS);
    }
    put(&seed, PROGRAM_CHECK, 0, 1, 0);
    write_seed(folder, scene, step, "", &seed);
}

/* The n-th call fails; then, without failures, the same step again. */
static void write_failures(const char *folder, const struct scene *scene, program_kind step,
                           const struct form *form, const char *suffix) {
    struct seed seed;
    begin_seed(&seed);
    for (unsigned nth = 1; nth <= FAILING_CALLS; nth++) {
        for (unsigned from_then_on = 0; from_then_on < 2; from_then_on++) {
            put_scene(&seed, scene);
            put(&seed, PROGRAM_FAIL, 0, 1, 2 * nth + from_then_on);
            if (!put_step(&seed, scene, step, form)) return;
            put(&seed, PROGRAM_FAIL, 0, 1, 0);
            put_step(&seed, scene, step, form);
        }
    }
    put(&seed, PROGRAM_CHECK, 0, 1, 0);
    write_seed(folder, scene, step, suffix, &seed);
}

static void write_scene(const char *folder, const struct scene *scene) {
    static const program_kind steps[] = {
        PROGRAM_SPLIT, PROGRAM_COALESCE,     PROGRAM_COMMIT,    PROGRAM_DECOMMIT,     PROGRAM_MAP,
        PROGRAM_UNMAP, PROGRAM_COMMIT_RANGE, PROGRAM_MAP_RANGE, PROGRAM_RELEASE_RANGE};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        write_forms(folder, scene, steps[i]);
    }
    write_failures(folder, scene, PROGRAM_RELEASE_RANGE, &forms[FORMS - 1], ".failing-all");
    write_failures(folder, scene, PROGRAM_RELEASE_RANGE, &forms[0], ".failing");
    if (scene->middle != PLACEHOLDER) return;
    write_failures(folder, scene, PROGRAM_COMMIT_RANGE, &forms[3], ".failing");
    write_failures(folder, scene, PROGRAM_MAP_RANGE, &forms[1], ".failing");
}

static void write_comb(const char *folder, program_kind step, unsigned part) {
    char path[PATH_BYTES];
    struct seed seed;
    begin_seed(&seed);
    for (unsigned i = 0; i < COMB_CALLS; i++) {
        put(&seed, PROGRAM_OPEN, 0, PROGRAM_GRANULES, 0);
        put(&seed, PROGRAM_FAIL, 0, 1, 2 * (1 + part * COMB_CALLS + i) + i % 2);
        put(&seed, step, 1, PROGRAM_GRANULES, COMB);
        put(&seed, PROGRAM_FAIL, 0, 1, 0);
        put(&seed, step, 1, PROGRAM_GRANULES, COMB);
        put(&seed, PROGRAM_STORE, 0, PROGRAM_GRANULES, 0);
        put_aimed(&seed, PROGRAM_RELEASE_RANGE, 0, PROGRAM_GRANULES, 0, AIM_REGIONS);
    }
    snprintf(path, sizeof path, "%s/comb.%s.failing-%u", folder, program_kind_name(step), part);
    write_bytes(path, &seed);
}

/* Full of committed memory, views or placeholders; then the step on every second of its regions. */
static void write_full_comb(const char *folder, program_kind fill, program_kind step) {
    char path[PATH_BYTES];
    struct seed seed;
    begin_seed(&seed);
    put(&seed, PROGRAM_OPEN, 0, PROGRAM_GRANULES, 0);
    put(&seed, fill, 0, PROGRAM_GRANULES, COMB);
    put(&seed, fill, 1, PROGRAM_GRANULES, COMB);
    put(&seed, PROGRAM_STORE, 0, PROGRAM_GRANULES, 0);
    put(&seed, step, 0, PROGRAM_GRANULES, COMB);
    put(&seed, step, 1, PROGRAM_GRANULES / 2, COMB);
    put_aimed(&seed, PROGRAM_RELEASE_RANGE, 3, PROGRAM_GRANULES / 2, 0, AIM_REGIONS);
    put_aimed(&seed, PROGRAM_RELEASE_RANGE, 0, PROGRAM_GRANULES, 0, AIM_REGIONS);
    snprintf(path, sizeof path, "%s/comb.%s.%s", folder, program_kind_name(fill),
             program_kind_name(step));
    write_bytes(path, &seed);
}

static void write_combs(const char *folder) {
    static const program_kind fills[] = {PROGRAM_SPLIT, PROGRAM_COMMIT_RANGE, PROGRAM_MAP_RANGE};
    for (size_t i = 0; i < sizeof fills / sizeof fills[0]; i++) {
        for (unsigned part = 0; part < COMB_SEEDS; part++) write_comb(folder, fills[i], part);
        for (program_kind step = PROGRAM_COALESCE; step <= PROGRAM_RELEASE_RANGE; step++) {
            write_full_comb(folder, fills[i], step);
        }
    }
}

/* The ways to a file, in slot 1. */
enum way { WAY_SHARED, WAY_CREATE, WAY_OPEN, WAY_READABLE, WAY_WRITABLE, WAYS };

static void put_file(struct seed *seed, program_kind kind, unsigned slot, hf_access access,
                     bool writable, unsigned number) {
    uint8_t slots = (uint8_t)(slot << 1 | (unsigned)access << 4);
    const uint8_t bytes[OPERATION_BYTES] = {(uint8_t)kind, slots,     0,     WIDTH - 1,
                                            writable,      AIM_GIVEN, PLAIN, (uint8_t)number};
    put_bytes(seed, bytes);
}

static void put_way(struct seed *seed, enum way way, hf_access access, unsigned rest) {
    unsigned first = PATH_FIRST + rest * PATHS;
    switch (way) {
    case WAY_SHARED: put_file(seed, PROGRAM_FILE_CREATE_SHARED, 1, access, false, first); return;
    case WAY_CREATE: put_file(seed, PROGRAM_FILE_CREATE, 1, access, false, first); return;
    default: break;
    }
    put_file(seed, PROGRAM_FILE_CREATE, 0, access, false, first);
    put_file(seed, way == WAY_OPEN ? PROGRAM_FILE_OPEN : PROGRAM_FILE_FROM_HANDLE, 1, access,
             way == WAY_WRITABLE, PATH_FIRST);
}

/* Views at every page of the file and past it, of each access; then stores into all. */
static void put_views(struct seed *seed) {
    put(seed, PROGRAM_OPEN, 0, PROGRAM_GRANULES, 0);
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        for (unsigned page = 0; page < WIDTH + 2; page++) {
            unsigned offset = ((unsigned)access * (WIDTH + 2) + page) * 2;
            const uint8_t bytes[OPERATION_BYTES] = {PROGRAM_MAP_RANGE,
                                                    (uint8_t)(2 | (unsigned)access << 4),
                                                    (uint8_t)offset,
                                                    0,
                                                    (uint8_t)page,
                                                    AIM_GIVEN,
                                                    PLAIN,
                                                    0};
            put_bytes(seed, bytes);
        }
    }
    put(seed, PROGRAM_STORE, 0, PROGRAM_GRANULES / 2, 0);
    put(seed, PROGRAM_FILE_CLOSE, 0, 1, 0);
    put_file(seed, PROGRAM_FILE_CLOSE, 1, HF_READ_WRITE, false, 0);
    put(seed, PROGRAM_CHECK, 0, 1, 0);
    put(seed, PROGRAM_STORE, PROGRAM_GRANULES / 4, PROGRAM_GRANULES / 2, 0);
    put_aimed(seed, PROGRAM_RELEASE_RANGE, 0, PROGRAM_GRANULES, 0, AIM_REGIONS);
}

static void write_files(const char *folder) {
    static const char *const names[WAYS] = {"shared", "create", "open", "readable", "writable"};
    enum { RESTS = 5 };
    for (unsigned i = 0; i < (unsigned)WAYS * 3 * RESTS; i++) {
        char path[PATH_BYTES];
        struct seed seed = {.size = 0};
        enum way way = i / (3 * RESTS);
        put_way(&seed, way, (hf_access)(i / RESTS % 3), i % RESTS);
        put_views(&seed);
        snprintf(path, sizeof path, "%s/file.%s-%u-%u", folder, names[way], i / RESTS % 3,
                 i % RESTS);
        write_bytes(path, &seed);
    }
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    write_combs(arguments[1]);
    write_files(arguments[1]);
    for (neighbour left = NOTHING; left < NEIGHBOURS; left++) {
        for (neighbour middle = PLACEHOLDER; middle < NEIGHBOURS; middle++) {
            for (neighbour right = NOTHING; right < NEIGHBOURS; right++) {
                const struct scene scene = {left, middle, right};
                write_scene(arguments[1], &scene);
            }
        }
    }
    return 0;
}
