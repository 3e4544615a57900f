/*
 * Files that are not images, or damaged images: opening one returns a status and a reason, maps
 * nothing, leaks nothing, and leaves the file unchanged.
 *
 * The tests run on the strict backend, which counts what stays open.
 */
#include <time.h>

#include "image_fixture.h"
#include "random.h"
#include "space_fixture.h"

/* The same code checks the header in every build, so that a sample is enough. */
#if defined(HOLDFAST_CASES_ALL)
enum { FLIP_STEP = 1, CUT_STEP = 1, BOUNDARY_STEP = 1 };
#elif defined(HOLDFAST_CASES_FEW)
enum { FLIP_STEP = 20011, CUT_STEP = 2003, BOUNDARY_STEP = 8 };
#else
enum { FLIP_STEP = 509, CUT_STEP = 251, BOUNDARY_STEP = 1 };
#endif

static const char path[] = "test_image_damage.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

static hf_backend *strict;

static void open_strict(void) { CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL)); }

static void close_strict(void) {
    check_nothing_left(strict);
    hf_strict_close(strict);
}

/* Opening fails with this status; returns the reason. */
static const char *open_fails(hf_access access, hf_status expected) {
    hf_arena_options options = {.backend = strict, .reserve = IMAGE_RESERVE};
    hf_arena arena;
    memset(&arena, 0x5a, sizeof arena);
    CHECK_STATUS(expected, hf_arena_open_file(&arena, path, access, &options));
    hf_error error = hf_last_error();
    check_is_closed(&arena);
    CHECK_EQUAL(expected, error.status);
    CHECK(error.reason != NULL);
    return error.reason;
}

/* No region, page, file or lock is open on the strict backend. */
static void check_nothing_open(void) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.regions + stats.pages + stats.files + stats.locks + stats.violations);
}

/* Opening fails with every access; `part` is a part of the reason. */
static void content_fails(const struct content *content, hf_status expected, const char *part) {
    write_content(path, content->bytes, content->size);
    for (size_t i = 0; i < 3; i++) {
        const char *reason = open_fails(accesses[i], expected);
        if (part && strstr(reason, part) == NULL) check_fail(__FILE__, __LINE__, reason);
        check_nothing_open();
        check_content(path, content);
    }
}

/* An image with both slots of its header written. */
static struct content make_image(size_t size) {
    disk_remove(path);
    hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
    fill(hf_alloc(&arena, size, 8), size, 1);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, hf_arena_base(&arena)));
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    hf_arena_close(&arena);
    return content_of(path);
}

/* The slot with the higher sequence number. */
static unsigned char *newer_slot(const struct content *image) {
    unsigned char *one = image->bytes, *two = one + SLOT;
    return get_64(two, AT_SEQUENCE) > get_64(one, AT_SEQUENCE) ? two : one;
}

/* ------------------------------------------------------------------- truncated ------------- */

static void cut_to(intptr_t file, size_t size) {
    disk_resize(file, size);
    for (size_t i = 0; i < 3; i++) {
        if (size == 0 && accesses[i] == HF_READ_WRITE) continue; /* a new image */
        size_t outer = check_enter("cut to %zu bytes, access %d", size, (int)accesses[i]);
        const char *part = size > 0 ? "cut off" : "not an image";
        CHECK(strstr(open_fails(accesses[i], HF_CORRUPT), part) != NULL);
        check_leave(outer);
    }
}

/* Every length around a page boundary (behind the header, of every BOUNDARY_STEP-th page) and
 * around the end of each record; of the others, one in CUT_STEP or 4999. */
static bool is_a_length_to_try(size_t size) {
    size_t into = size % SLOT, step = size > AREA ? 4999 : CUT_STEP;
    size_t boundary = (size + 3) / SLOT, boundaries = size > AREA + 3 ? BOUNDARY_STEP : 1;
    bool is_near_a_boundary = (into < 3 || into > SLOT - 3) && boundary % boundaries == 0;
    bool is_near_a_record = size < 2 * SLOT && into < RECORD_END + 3;
    return is_near_a_boundary || is_near_a_record || size % step == 0;
}

/* From the end down, so that the rest is always a prefix of the image. */
static void a_truncated_image_is_corrupt(void) {
    struct content image = make_image(5 * AREA + 12345);
    intptr_t file = disk_open(path, DISK_BOTH);
    struct content left = image;
    open_strict();
    for (size_t size = image.size - 1; size < SIZE_MAX; size--) {
        if (!is_a_length_to_try(size)) continue;
        cut_to(file, size);
        left.size = size;
        if (size % SLOT == 0) check_content(path, &left);
    }
    close_strict();
    disk_close(file);
    free(image.bytes);
    disk_remove(path);
}

/* ---------------------------------------------------------------- a bit flipped ------------ */

enum { BITS = 8 * AREA };

static void flip(intptr_t file, const struct content *image, size_t bit) {
    unsigned char byte = image->bytes[bit / 8];
    byte ^= (unsigned char)(1 << bit % 8);
    disk_store(file, bit / 8, &byte, 1);
}

static void restore(intptr_t file, const struct content *image, size_t bit) {
    disk_store(file, bit / 8, image->bytes + bit / 8, 1);
}

/* The version in `slot`, in this machine's byte order, with one bit flipped. */
static uint32_t flipped_version(const unsigned char *slot, size_t bit) {
    unsigned char bytes[4];
    uint32_t version;
    memcpy(bytes, slot + AT_VERSION, sizeof bytes);
    bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    memcpy(&version, bytes, sizeof version);
    return version;
}

/* A higher version is HF_UNSUPPORTED, because its format is unknown. */
static hf_status expected_for(const struct content *image, size_t bit) {
    const unsigned char *slot = image->bytes + bit / 8 / SLOT * SLOT;
    size_t at = bit / 8 % SLOT;
    if (bit / 8 >= 2 * SLOT || slot[0] == 0 || at < AT_VERSION || at >= AT_VERSION + 4)
        return HF_CORRUPT;
    return flipped_version(slot, (at - AT_VERSION) * 8 + bit % 8) > 1 ? HF_UNSUPPORTED : HF_CORRUPT;
}

static void flipped_fails(intptr_t file, const struct content *image, size_t bit,
                          hf_access access) {
    size_t outer = check_enter("bit %zu of byte %zu, access %d", bit % 8, bit / 8, (int)access);
    flip(file, image, bit);
    open_fails(access, expected_for(image, bit));
    restore(file, image, bit);
    check_leave(outer);
}

/* Every bit of both records; of the other bits, one in `step`. */
static size_t next_bit(size_t bit, size_t step) {
    size_t record = 8 * RECORD_END, second = 8 * SLOT;
    if (bit < record || (bit >= second && bit < second + record)) return bit + 1;
    return bit < second && bit + step > second ? second : bit + step;
}

/* HF_READ_WRITE, which may write to the file, opens every case; in a sample, the other accesses
 * open every seventh. A change to the file would persist, so comparing now and then is enough. */
static void flip_each(const struct content *image, size_t step) {
    intptr_t file = disk_open(path, DISK_BOTH);
    size_t other_step = step > 1 ? 7 : 1;
    open_strict();
    for (size_t bit = 0; bit < BITS; bit = next_bit(bit, step)) {
        flipped_fails(file, image, bit, HF_READ_WRITE);
        if (bit % other_step == 0) {
            flipped_fails(file, image, bit, HF_READ_ONLY);
            flipped_fails(file, image, bit, HF_COPY_ON_WRITE);
        }
        if (bit % 8192 == 0) check_content(path, image);
    }
    check_content(path, image);
    close_strict();
    disk_close(file);
}

static void any_flipped_bit_of_the_header_is_found(void) {
    struct content image = make_image(100000);
    clock_t begin = clock();
    flip_each(&image, FLIP_STEP);
    printf("one bit of %d, of %d in all, in %.1f seconds\n", FLIP_STEP, BITS,
           (double)(clock() - begin) / CLOCKS_PER_SEC);
    free(image.bytes);
    disk_remove(path);
}

/* A header with one record, as hf_arena_save writes it. */
static void any_flipped_bit_of_a_header_of_one_record_is_found(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    fill(hf_alloc(&arena, 1000, 8), 1000, 1);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
    hf_arena_close(&arena);
    struct content image = content_of(path);
    flip_each(&image, FLIP_STEP);
    free(image.bytes);
    disk_remove(path);
}

/* -------------------------------------------------------------------- foreign -------------- */

static void other_kinds_of_files_are_corrupt(void) {
    enum { MOST = 3 * AREA };
    static unsigned char bytes[MOST];
    static const size_t sizes[] = {1, 100, SLOT, AREA - 1, AREA, AREA + 1, MOST};
    struct content content = {bytes, 0};
    struct random random = {1};
    open_strict();
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        content.size = sizes[i];
        for (size_t at = 0; at < MOST; at++)
            bytes[at] = (unsigned char)"A text of many lines.\n"[at % 22];
        content_fails(&content, HF_CORRUPT, "not an image");
        for (size_t at = 0; at < MOST; at++) bytes[at] = (unsigned char)random_below(&random, 256);
        memcpy(bytes, "\177ELF\2\1\1", 8);
        content_fails(&content, HF_CORRUPT, "not an image");
        memset(bytes, 0xff, MOST);
        content_fails(&content, HF_CORRUPT, "not an image");
        memset(bytes, 0, MOST);
        bytes[sizes[i] - 1] = 1;
        content_fails(&content, HF_CORRUPT, NULL);
    }
    close_strict();
    disk_remove(path);
}

/* The magic number distinguishes a truncated image from another file. */
static void short_files_are_corrupt(void) {
    static const char *const beginnings[] = {"holdfasT", "holdfas ", "hold fast", "holo", "x"};
    static unsigned char bytes[1000];
    struct content content = {bytes, 0};
    open_strict();
    for (size_t i = 0; i < sizeof beginnings / sizeof *beginnings; i++) {
        memcpy(bytes, beginnings[i], strlen(beginnings[i]));
        for (content.size = strlen(beginnings[i]); content.size <= 1000; content.size += 331)
            content_fails(&content, HF_CORRUPT, "not an image");
    }
    memcpy(bytes, "holdfast", 8);
    for (content.size = 1; content.size < 12; content.size++)
        content_fails(&content, HF_CORRUPT, "cut off");
    close_strict();
    disk_remove(path);
}

/* A file of zeros is a new image if it is no longer than a header. */
static void zeros_are_a_new_image_up_to_a_headers_size(void) {
    static unsigned char zeros[2 * AREA];
    struct content content = {zeros, AREA + 1};
    open_strict();
    content_fails(&content, HF_CORRUPT, "not an image");
    content.size = 2 * AREA;
    content_fails(&content, HF_CORRUPT, "not an image");
    for (content.size = 0; content.size <= AREA; content.size += 4681) {
        write_content(path, zeros, content.size);
        for (size_t i = 1; i < 3; i++) open_fails(accesses[i], HF_CORRUPT);
        check_content(path, &content);
    }
    close_strict();
    disk_remove(path);
}

/* ------------------------------------------------ nonsense with a right checksum ----------- */

/* A field of 4 or 8 bytes in the newer record, and a value that is invalid there. */
struct nonsense {
    size_t at, bytes;
    uint64_t value;
    hf_status status;
    const char *part;
};

static void nonsense_fails(const struct content *image, const struct nonsense *nonsense) {
    struct content changed = {malloc(image->size), image->size};
    size_t outer = check_enter("%llx at %zu", (unsigned long long)nonsense->value, nonsense->at);
    memcpy(changed.bytes, image->bytes, image->size);
    unsigned char *slot = newer_slot(&changed);
    if (nonsense->bytes == 4)
        set_32(slot, nonsense->at, (uint32_t)nonsense->value);
    else
        set_64(slot, nonsense->at, nonsense->value);
    set_checksum(slot);
    content_fails(&changed, nonsense->status, nonsense->part);
    free(changed.bytes);
    check_leave(outer);
}

static void impossible_fields_are_corrupt(void) {
    struct content image = make_image(100000);
    uint64_t used = get_64(newer_slot(&image), AT_USED);
    uint64_t base = get_64(newer_slot(&image), AT_BASE);
    uint64_t sequence = get_64(newer_slot(&image), AT_SEQUENCE);
    const struct nonsense table[] = {
        {AT_BYTE_ORDER, 4, 0x04030201, HF_CORRUPT, "byte order"},
        {AT_BYTE_ORDER, 4, 0, HF_CORRUPT, "byte order"},
        {AT_VERSION, 4, 0, HF_CORRUPT, "damaged"},
        {AT_VERSION, 4, 2, HF_UNSUPPORTED, "later version"},
        {AT_VERSION, 4, UINT32_MAX, HF_UNSUPPORTED, "later version"},
        {AT_POINTER_SIZE, 4, sizeof(void *) == 8 ? 4 : 8, HF_CORRUPT, "pointer size"},
        {AT_POINTER_SIZE, 4, 0, HF_CORRUPT, "pointer size"},
        {AT_SLOT_SIZE, 4, 512, HF_CORRUPT, "damaged"},
        {AT_SEQUENCE, 8, sequence + 1, HF_CORRUPT, "damaged"}, /* belongs in the other slot */
        {AT_SEQUENCE, 8, sequence + 2, HF_CORRUPT, "damaged"}, /* not the successor */
        {AT_SEQUENCE, 8, UINT64_MAX - 1 + sequence % 2, HF_CORRUPT, "damaged"},
        {AT_BASE, 8, 0, HF_CORRUPT, "damaged"},
        {AT_BASE, 8, base + 1, HF_CORRUPT, "damaged"},
        {AT_BASE, 8, base + 4096, HF_CORRUPT, "damaged"},
        {AT_BASE, 8, UINTPTR_MAX - AREA + 1, HF_CORRUPT, "damaged"}, /* the end would wrap */
        {AT_BASE, 8, UINT64_MAX - AREA + 1, HF_CORRUPT, "damaged"},
        {AT_USED, 8, image.size - AREA + 1, HF_CORRUPT, "cut off"},
        {AT_USED, 8, image.size, HF_CORRUPT, "cut off"},
        {AT_USED, 8, UINT64_MAX, HF_CORRUPT, "cut off"},
        {AT_USED, 8, UINT64_MAX - AREA, HF_CORRUPT, "cut off"},
        {AT_USED, 8, (uint64_t)1 << 32, HF_CORRUPT, "cut off"},
        {AT_ROOT, 8, used + 1, HF_CORRUPT, "damaged"},
        {AT_ROOT, 8, UINT64_MAX, HF_CORRUPT, "damaged"},
        {AT_TAG, 8, 1, HF_CORRUPT, "tag"},
    };
    open_strict();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) nonsense_fails(&image, &table[i]);
    close_strict();
    free(image.bytes);
    disk_remove(path);
}

/* A later version may keep its checksum elsewhere. */
static void a_later_version_may_have_any_layout(void) {
    struct content image = make_image(1000);
    unsigned char *slot = newer_slot(&image);
    set_32(slot, AT_VERSION, 2);
    memset(slot + AT_POINTER_SIZE, 0x77, SLOT - AT_POINTER_SIZE);
    open_strict();
    content_fails(&image, HF_UNSUPPORTED, "later version");
    close_strict();
    free(image.bytes);
    disk_remove(path);
}

static void records_that_do_not_match_are_corrupt(void) {
    struct content image = make_image(1000);
    struct content changed = {malloc(image.size), image.size};
    open_strict();
    memcpy(changed.bytes, image.bytes, image.size);
    memset(changed.bytes, 0, 2 * SLOT); /* no record */
    content_fails(&changed, HF_CORRUPT, "not an image");
    memcpy(changed.bytes, image.bytes + SLOT, SLOT); /* the records exchanged */
    memcpy(changed.bytes + SLOT, image.bytes, SLOT);
    content_fails(&changed, HF_CORRUPT, "damaged");
    memcpy(changed.bytes + SLOT, image.bytes + SLOT, SLOT); /* the same record twice */
    content_fails(&changed, HF_CORRUPT, "damaged");
    close_strict();
    free(changed.bytes);
    free(image.bytes);
    disk_remove(path);
}

/* UINT64_MAX is followed by 0, and the record with number 0 is the newer one. */
static void sequence_numbers_wrap(void) {
    struct content image = make_image(1000);
    unsigned char *newer = newer_slot(&image);
    uintptr_t base = (uintptr_t)get_64(newer, AT_BASE);
    size_t used = (size_t)get_64(newer, AT_USED);
    write_slot(image.bytes, UINT64_MAX - 1, base, 0, 0, 0);
    write_slot(image.bytes + SLOT, UINT64_MAX, base, used, 1, 0);
    write_content(path, image.bytes, image.size);
    for (int i = 0; i < 4; i++) {
        hf_arena arena = image_open(path, HF_READ_WRITE, (hf_arena_options){0});
        CHECK(hf_get_mark(&arena) >= used);
        used = hf_get_mark(&arena);
        CHECK(is_filled(hf_arena_root(&arena), 1000, 1));
        CHECK(hf_alloc(&arena, 10, 8) != NULL);
        hf_arena_close(&arena);
    }
    free(image.bytes);
    disk_remove(path);
}

/* ---------------------------------------------- changed between the check and mapping ------ */

/* The native backend, but another process changes the file when addresses are reserved for it:
 * after the header was read, before anything is mapped. */
static void (*interfere)(void);

static hf_status reserve_and_interfere(const hf_backend *self, void *base, size_t size,
                                       void **address, hf_report *report) {
    hf_status status = hf_backend_native()->reserve(self, base, size, address, report);
    if (status == HF_OK && interfere) {
        void (*once)(void) = interfere;
        interfere = NULL;
        once();
    }
    return status;
}

static struct content meant; /* the whole contents of the file after the change */

static void write_meant(void) {
    intptr_t file = disk_open(path, DISK_BOTH);
    disk_resize(file, meant.size);
    disk_store(file, 0, meant.bytes, meant.size);
    disk_close(file);
}

static void changed_fails(const hf_backend *interfering, const struct content *image) {
    for (size_t i = 0; i < 3; i++) {
        write_content(path, image->bytes, image->size);
        CHECK_STATUS(HF_OK, hf_strict_open(&strict, interfering));
        interfere = write_meant;
        CHECK(strstr(open_fails(accesses[i], HF_CORRUPT), "changed while") != NULL);
        CHECK(interfere == NULL);
        close_strict();
        check_content(path, &meant);
    }
}

static void every_change_fails(struct content *image, size_t at) {
    hf_backend interfering = *hf_backend_native();
    interfering.reserve = reserve_and_interfere;
    meant = (struct content){malloc(image->size + AREA), image->size};
    memset(meant.bytes, 0x77, image->size + AREA);
    changed_fails(&interfering, image); /* all bytes replaced */
    memcpy(meant.bytes, image->bytes, image->size);
    meant.size = image->size - 1;
    changed_fails(&interfering, image);
    meant.size = 1;
    changed_fails(&interfering, image);
    meant.size = image->size + AREA;
    changed_fails(&interfering, image);
    meant.size = image->size;
    meant.bytes[at] ^= 1;
    changed_fails(&interfering, image);
    write_slot(meant.bytes, 2, (uintptr_t)AREA, 0, 0, 0); /* replaced by another image */
    memset(meant.bytes + SLOT, 0, SLOT);
    changed_fails(&interfering, image);
    free(meant.bytes);
}

static void an_image_changed_while_opening_is_corrupt(void) {
    struct content image = make_image(3 * AREA);
    every_change_fails(&image, AT_TAG);
    free(image.bytes);
    disk_remove(path);
}

/* A file that is not an image yet is never truncated. */
static void a_new_image_changed_while_opening_is_corrupt(void) {
    static unsigned char bytes[AREA];
    hf_backend interfering = *hf_backend_native();
    interfering.reserve = reserve_and_interfere;
    for (size_t size = 0; size <= AREA; size += AREA / 4) {
        static const size_t others[] = {1, 1000, AREA};
        for (size_t i = 0; i < 3; i++) {
            memset(bytes, 0x77, sizeof bytes);
            meant = (struct content){bytes, others[i]};
            static unsigned char zeros[AREA];
            write_content(path, zeros, size);
            CHECK_STATUS(HF_OK, hf_strict_open(&strict, &interfering));
            interfere = write_meant;
            CHECK(strstr(open_fails(HF_READ_WRITE, HF_CORRUPT), "changed while") != NULL);
            close_strict();
            check_content(path, &meant);
        }
    }
    disk_remove(path);
}

CHECK_MAIN(TEST(a_truncated_image_is_corrupt), TEST(any_flipped_bit_of_the_header_is_found),
           TEST(any_flipped_bit_of_a_header_of_one_record_is_found),
           TEST(other_kinds_of_files_are_corrupt), TEST(short_files_are_corrupt),
           TEST(zeros_are_a_new_image_up_to_a_headers_size), TEST(impossible_fields_are_corrupt),
           TEST(a_later_version_may_have_any_layout), TEST(records_that_do_not_match_are_corrupt),
           TEST(sequence_numbers_wrap), TEST(an_image_changed_while_opening_is_corrupt),
           TEST(a_new_image_changed_while_opening_is_corrupt))
