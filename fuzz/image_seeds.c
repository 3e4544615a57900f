/*
 * image_seeds.c -- writes the hand-made part of the corpus of fuzz_image.
 *
 *     fuzz_image_seeds FOLDER
 *
 *   open.*      an image with some contents, opened in each way with every twist of the options
 *   damage.*    each harm that is done to a file, before it is opened in each way
 *   tamper.*    the same in the middle of the opening
 *   append.*    a file appended first, in the middle, twice; then back to each mark there is
 *   failing.*   a life of an arena in each of whose parts one call after the other fails
 *   failing_as.*  the same in each other way to fail that a call has
 *   fork.*      a child that does this and that with an arena of each kind, or all of them
 *   holes.*     a sparse image, opened in each way
 *   sync.*      the nth sync fails, with each status, before everything else that writes
 *   replace.*   the file of an arena of each kind is replaced, or deleted
 */
#include "image_program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLAIN = 255, PATH_BYTES = 1024, FAILING_CALLS = 16 };

struct seed {
    uint8_t bytes[MOST_OPERATIONS * OPERATION_BYTES];
    size_t size;
};

/* ------------------------------------------------------------------ operations ------------ */

struct fields {
    unsigned arena, path;
    hf_access access;
    unsigned size_class, choices, value, twist, number;
};

static void put(struct seed *seed, image_kind kind, struct fields fields) {
    unsigned rest = fields.path + PATHS_OF_FILES * (unsigned)fields.access;
    const uint8_t bytes[OPERATION_BYTES] = {(uint8_t)kind,
                                            (uint8_t)(fields.arena + IMAGE_ARENAS * rest),
                                            (uint8_t)fields.size_class,
                                            (uint8_t)fields.choices,
                                            (uint8_t)fields.value,
                                            (uint8_t)(fields.value >> 8),
                                            (uint8_t)(fields.twist ? fields.twist - 1 : PLAIN),
                                            (uint8_t)fields.number};
    if (seed->size + OPERATION_BYTES > sizeof seed->bytes) {
        fputs("a seed is too long\n", stderr);
        exit(1);
    }
    memcpy(seed->bytes + seed->size, bytes, OPERATION_BYTES);
    seed->size += OPERATION_BYTES;
}

static void put_plain(struct seed *seed, image_kind kind) { put(seed, kind, (struct fields){0}); }

static void put_open(struct seed *seed, hf_access access, unsigned choices) {
    put(seed, IMAGE_OPEN_FILE, (struct fields){.access = access, .choices = choices});
}

static void put_alloc(struct seed *seed, unsigned size) {
    put(seed, IMAGE_ALLOC, (struct fields){.size_class = 3, .choices = 8, .value = size});
}

/* The nth call from now on fails, and those behind it; 0: none. */
static void put_fail(struct seed *seed, unsigned nth, bool from_then_on) {
    put(seed, IMAGE_FAIL, (struct fields){.number = 2 * nth + from_then_on});
}

/* Both slots written, a root, and more than the padding. */
static void put_image(struct seed *seed) {
    put_open(seed, HF_READ_WRITE, 0);
    put_alloc(seed, 1000);
    put_plain(seed, IMAGE_SET_ROOT);
    put_plain(seed, IMAGE_SYNC);
    put_alloc(seed, 65000);
    put_alloc(seed, 100);
    put_plain(seed, IMAGE_CLOSE);
}

/* What an arena is used for, whatever it is. */
static void put_use(struct seed *seed) {
    put_alloc(seed, 5000);
    put(seed, IMAGE_STORE, (struct fields){.value = 10});
    put(seed, IMAGE_EXTEND, (struct fields){.size_class = 3, .value = 6000});
    put(seed, IMAGE_SET_ROOT, (struct fields){.number = 1});
    put(seed, IMAGE_APPEND, (struct fields){.path = 0, .access = HF_COPY_ON_WRITE});
    put(seed, IMAGE_REWIND, (struct fields){.number = 1});
    put_alloc(seed, 300);
    put_plain(seed, IMAGE_SYNC);
    put(seed, IMAGE_SAVE, (struct fields){.path = 1});
    put_plain(seed, IMAGE_CLOSE);
}

/* Opened in each way, used, and opened again as it is then. */
static void put_openings(struct seed *seed) {
    static const hf_access accesses[] = {HF_READ_ONLY, HF_COPY_ON_WRITE, HF_READ_WRITE};
    for (size_t i = 0; i < 3; i++) {
        put_open(seed, accesses[i], 0);
        put_use(seed);
    }
    put_open(seed, HF_READ_ONLY, 1);
}

/* ------------------------------------------------------------------ seeds ----------------- */

static void write_seed(const char *folder, const char *name, unsigned first, unsigned second,
                       const struct seed *seed) {
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s.%u-%u", folder, name, first, second);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(seed->bytes, 1, seed->size, file) != seed->size || fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void write_opening(const char *folder, hf_access access, unsigned twist) {
    struct seed seed = {.size = 0};
    struct fields fields = {.access = access, .twist = twist, .arena = 1};
    put_image(&seed);
    for (unsigned size_class = 0; size_class < 13; size_class++) {
        fields.size_class = size_class;
        fields.choices = size_class % 2 + (size_class % 3 == 2 ? 14u : 0u);
        put(&seed, IMAGE_OPEN_FILE, fields);
        put(&seed, IMAGE_ALLOC, (struct fields){.arena = 1, .size_class = 3, .value = 70});
    }
    put_openings(&seed); /* while the other one has it */
    put(&seed, IMAGE_CLOSE, (struct fields){.arena = 1});
    put(&seed, IMAGE_OPEN, (struct fields){.choices = 14, .twist = twist});
    put_use(&seed);
    write_seed(folder, "open", (unsigned)access, twist, &seed);
}

/* Each has a second form without its checksum made right, or in the other slot. */
static void write_damage(const char *folder, image_damage_kind kind, unsigned form) {
    struct seed seed = {.size = 0};
    struct fields fields = {.size_class = kind, .value = 9 + 7 * form, .number = form};
    fields.choices = form % 2 + 4 * (form / 2 % 16);
    put_image(&seed);
    put(&seed, IMAGE_DAMAGE, fields);
    put_openings(&seed);
    fields.choices ^= 2;
    put(&seed, IMAGE_REWIND, (struct fields){.size_class = 4});
    put_plain(&seed, IMAGE_CLOSE);
    put(&seed, IMAGE_DAMAGE, fields);
    put_openings(&seed);
    write_seed(folder, "damage", kind, form, &seed);
}

static void write_tamper(const char *folder, image_damage_kind kind, unsigned form) {
    static const hf_access accesses[] = {HF_READ_ONLY, HF_COPY_ON_WRITE, HF_READ_WRITE};
    struct seed seed = {.size = 0};
    for (unsigned i = 0; i < 9; i++) {
        struct fields fields = {.size_class = kind, .value = 9 + 7 * form, .number = form};
        fields.choices = form % 2 + 4 * (form % 16);
        fields.number = form % 8 + 8 * (1 + i / 3);
        put(&seed, IMAGE_DAMAGE, (struct fields){.size_class = DAMAGE_REMOVE});
        put_image(&seed);
        put(&seed, IMAGE_TAMPER, fields);
        put_open(&seed, accesses[i % 3], 0);
        put_alloc(&seed, 100);
        put_plain(&seed, IMAGE_CLOSE);
    }
    write_seed(folder, "tamper", kind, form, &seed);
}

/* The first is where the arena begins; what is allocated then lies where the views were. */
static void write_appending(const char *folder, unsigned choices, unsigned mark) {
    struct seed seed = {.size = 0};
    put_image(&seed);
    for (unsigned first = 0; first < 4; first++) {
        put(&seed, IMAGE_OPEN, (struct fields){.choices = choices});
        if (first & 1) put_alloc(&seed, 5000);
        for (unsigned i = 0; i <= mark % 3; i++) {
            hf_access access = i & 1 ? HF_READ_ONLY : HF_COPY_ON_WRITE;
            put(&seed, IMAGE_APPEND, (struct fields){.path = 0, .access = access});
            if (first & 2) put_alloc(&seed, 70000);
        }
        put(&seed, IMAGE_REWIND, (struct fields){.size_class = mark % 2, .number = mark / 2});
        put_alloc(&seed, 6000);
        put(&seed, IMAGE_SAVE, (struct fields){.path = 1});
        put(&seed, IMAGE_REWIND, (struct fields){.size_class = 4});
        put_alloc(&seed, 60000);
        put(&seed, IMAGE_APPEND, (struct fields){.path = 1, .access = HF_COPY_ON_WRITE});
        put(&seed, IMAGE_STORE, (struct fields){.value = 10, .number = 1});
        put_plain(&seed, IMAGE_RESET);
    }
    write_seed(folder, "append", choices, mark, &seed);
}

/* Makes the image, or finds it; syncs, goes back to where it was, syncs, saves, appends. */
static void put_life(struct seed *seed, unsigned part) {
    switch (part) {
    case 0: put_open(seed, HF_READ_WRITE, 0); break;
    case 1: put_alloc(seed, 65500); break; /* a step of no more than that */
    case 2: put_plain(seed, IMAGE_SYNC); break;
    case 3: put(seed, IMAGE_REWIND, (struct fields){.size_class = 4}); break;
    case 4: put_plain(seed, IMAGE_SYNC); break;
    case 5: put(seed, IMAGE_SAVE, (struct fields){.path = 1}); break;
    case 6: put_plain(seed, IMAGE_CLOSE); break;
    case 7: put_open(seed, HF_COPY_ON_WRITE, 0); break;
    case 8: put(seed, IMAGE_APPEND, (struct fields){.path = 1, .access = HF_READ_ONLY}); break;
    case 9: put_alloc(seed, 60000); break;
    case 10: put(seed, IMAGE_SAVE, (struct fields){.path = 1}); break;
    case 11: put(seed, IMAGE_REWIND, (struct fields){.size_class = 4, .value = 50}); break;
    default: put_plain(seed, IMAGE_CLOSE); break;
    }
}

enum { PARTS = 13 };

static void put_parts(struct seed *seed, unsigned first, unsigned end) {
    for (unsigned part = first; part < end; part++) put_life(seed, part);
}

/* Then the rest of it goes well, and it is opened again. */
static void write_failing(const char *folder, unsigned part, unsigned nth) {
    struct seed seed = {.size = 0};
    for (unsigned from_then_on = 0; from_then_on < 2; from_then_on++) {
        put_alloc(&seed, 1);
        put_parts(&seed, 0, part);
        put_fail(&seed, nth, from_then_on);
        put_life(&seed, part);
        put_fail(&seed, 0, false);
        put_parts(&seed, part + 1, PARTS);
        put_open(&seed, HF_READ_WRITE, 0);
        put_plain(&seed, IMAGE_RESET);
        put_parts(&seed, 1, part);
        put_fail(&seed, nth, from_then_on);
        put_life(&seed, part);
        put_fail(&seed, 0, false);
        put_parts(&seed, part + 1, PARTS);
        put_open(&seed, HF_READ_ONLY, 0);
    }
    write_seed(folder, "failing", part, nth, &seed);
}

/* A second arena, with private memory and a file appended; a third one has the image. */
static void write_forking(const char *folder, hf_access access, unsigned choices) {
    struct seed seed = {.size = 0};
    put_image(&seed);
    put(&seed, IMAGE_OPEN, (struct fields){.arena = 1});
    put(&seed, IMAGE_SAVE, (struct fields){.arena = 1, .path = 1});
    put(&seed, IMAGE_APPEND, (struct fields){.arena = 1, .path = 1, .access = HF_COPY_ON_WRITE});
    put(&seed, IMAGE_ALLOC, (struct fields){.arena = 1, .size_class = 3, .value = 900});
    put(&seed, IMAGE_OPEN_FILE, (struct fields){.arena = 2, .access = access, .choices = 1});
    put(&seed, IMAGE_ALLOC, (struct fields){.arena = 2, .size_class = 3, .value = 5000});
    for (unsigned path = 0; path < 2; path++)
        put(&seed, IMAGE_FORK, (struct fields){.arena = 2, .path = 2 * path, .choices = choices});
    put(&seed, IMAGE_ALLOC, (struct fields){.arena = 2, .size_class = 3, .value = 65000});
    put(&seed, IMAGE_SYNC, (struct fields){.arena = 2});
    put(&seed, IMAGE_CLOSE, (struct fields){.arena = 2});
    put_openings(&seed);
    write_seed(folder, "fork", (unsigned)access, choices, &seed);
}

static void write_holes(const char *folder, hf_access access, unsigned size) {
    struct seed seed = {.size = 0};
    struct fields longer = {.size_class = DAMAGE_SIZE, .value = size, .number = 4};
    put_image(&seed);
    put_plain(&seed, IMAGE_HOLES);
    put_open(&seed, access, 0);
    put_plain(&seed, IMAGE_HOLES);
    put_use(&seed);
    put(&seed, IMAGE_DAMAGE, longer); /* by bytes that no record counts */
    put_plain(&seed, IMAGE_HOLES);
    put_openings(&seed);
    write_seed(folder, "holes", (unsigned)access, size, &seed);
}

/* After the sync that failed come all calls that write; then the image is opened. */
static void write_failing_sync(const char *folder, unsigned nth, unsigned status) {
    struct seed seed = {.size = 0};
    for (unsigned part = 0; part < 2; part++) {
        put_fail(&seed, 0, false);
        if (part == 1) put_open(&seed, HF_READ_WRITE, 0);
        put(&seed, IMAGE_FAIL_SYNC, (struct fields){.choices = status, .number = nth});
        if (part == 0) put_open(&seed, HF_READ_WRITE, 0);
        for (unsigned again = 0; again < 3; again++) {
            put_alloc(&seed, 30000);
            put(&seed, IMAGE_SET_ROOT, (struct fields){.number = again});
            put_plain(&seed, IMAGE_SYNC);
        }
        put(&seed, IMAGE_SAVE, (struct fields){.path = 1});
        put(&seed, IMAGE_FORK, (struct fields){.choices = 31 + 64 * part});
        put(&seed, IMAGE_REWIND, (struct fields){.size_class = 4, .value = 20});
        put_plain(&seed, IMAGE_SYNC);
        put_plain(&seed, IMAGE_CLOSE);
        put_open(&seed, HF_READ_ONLY, 0);
        put_plain(&seed, IMAGE_CLOSE);
    }
    write_seed(folder, "sync", nth, status, &seed);
}

static void write_replacing(const char *folder, hf_access access, unsigned number) {
    struct seed seed = {.size = 0};
    put_image(&seed);
    put_open(&seed, access, 0);
    put(&seed, IMAGE_OPEN, (struct fields){.arena = 1});
    put(&seed, IMAGE_SAVE, (struct fields){.arena = 1}); /* over the file of a writer */
    put_plain(&seed, IMAGE_SAVE);
    put(&seed, IMAGE_REPLACE, (struct fields){.number = number});
    put_alloc(&seed, 70000);
    put_plain(&seed, IMAGE_SYNC);
    put(&seed, IMAGE_OPEN_FILE, (struct fields){.arena = 2, .choices = 1});
    put_plain(&seed, IMAGE_SYNC);
    put(&seed, IMAGE_FORK, (struct fields){.choices = 31 + 32});
    put_plain(&seed, IMAGE_CLOSE);
    put(&seed, IMAGE_CLOSE, (struct fields){.arena = 2});
    put_openings(&seed);
    write_seed(folder, "replace", (unsigned)access, number, &seed);
}

/* Each part of the life, with each other status that its calls can have. */
static void write_failing_as(const char *folder, unsigned part, unsigned way) {
    struct seed seed = {.size = 0};
    put(&seed, IMAGE_FAIL_AS, (struct fields){.number = way});
    for (unsigned nth = 1; nth < 8; nth++) {
        put_parts(&seed, 0, part);
        put_fail(&seed, nth, false);
        put_life(&seed, part);
        put_fail(&seed, 0, false);
        put_parts(&seed, part + 1, PARTS);
    }
    write_seed(folder, "failing_as", part, way, &seed);
}

static void write_neighbours(const char *folder) {
    static const unsigned choices[] = {0, 1, 2, 4, 8, 16, 31, 63, 80, 127};
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++) {
        for (size_t i = 0; i < sizeof choices / sizeof choices[0]; i++)
            write_forking(folder, access, choices[i]);
        for (unsigned size = 0; size < 3; size++) write_holes(folder, access, size);
        for (unsigned number = 0; number < 2; number++) write_replacing(folder, access, number);
    }
    for (unsigned part = 0; part < PARTS; part++)
        for (unsigned way = 1; way < 4; way++) write_failing_as(folder, part, way);
    for (unsigned nth = 1; nth < 8; nth++)
        for (unsigned status = 0; status < 2; status++) write_failing_sync(folder, nth, status);
}

int main(int count, char **arguments) {
    if (count != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", arguments[0]);
        return 2;
    }
    const char *folder = arguments[1];
    for (hf_access access = HF_READ_WRITE; access <= HF_COPY_ON_WRITE; access++)
        for (unsigned twist = 0; twist <= IMAGE_TWISTS; twist++)
            write_opening(folder, access, twist);
    for (image_damage_kind kind = DAMAGE_FIELD; kind < DAMAGES; kind++) {
        unsigned forms = kind == DAMAGE_FIELD ? 80 : kind == DAMAGE_FIELD_AGAIN ? 0 : 16;
        for (unsigned form = 0; form < forms; form++) write_damage(folder, kind, form);
        for (unsigned form = 0; form < forms && form < 16; form++) write_tamper(folder, kind, form);
    }
    for (unsigned mark = 0; mark < 12; mark++) {
        write_appending(folder, 0, mark);
        write_appending(folder, 14, mark); /* where rewound pages fault */
    }
    for (unsigned part = 0; part < PARTS; part++)
        for (unsigned nth = 1; nth <= FAILING_CALLS; nth++) write_failing(folder, part, nth);
    write_neighbours(folder);
    return 0;
}
