/*
 * Opening images: options, the base, the root, the tag, and who may open an image at the same time.
 */
#include <time.h>

#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_open.tmp", ready[] = "test_image_open.ready.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

static hf_arena open_as(hf_access access, hf_arena_options options) {
    return image_open(path, access, options);
}

static void make(size_t size) { image_make(path, size, 1, (hf_arena_options){0}); }

/* Opening fails with this status, zeroes the arena and leaves the file unchanged. */
static void open_fails(hf_access access, hf_arena_options options, hf_status expected) {
    struct content before = content_of(path);
    hf_arena arena;
    size_t handles = disk_handles();
    memset(&arena, 0x5a, sizeof arena);
    CHECK_STATUS(expected, hf_arena_open_file(&arena, path, access, &options));
    CHECK_EQUAL(expected, hf_last_error().status);
    CHECK(hf_last_error().call != NULL);
    check_is_closed(&arena);
    CHECK_EQUAL(handles, disk_handles());
    check_content(path, &before);
    free(before.bytes);
}

static void every_open_fails(hf_arena_options options, hf_status expected) {
    for (size_t i = 0; i < 3; i++) open_fails(accesses[i], options, expected);
}

/* --------------------------------------------------------------------- arguments ----------- */

static void expect_invalid(const char *name, hf_access access) {
    hf_arena arena;
    memset(&arena, 0x5a, sizeof arena);
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&arena, name, access, NULL));
    check_is_closed(&arena);
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    hf_arena_close(&arena);
}

static void a_path_is_needed(void) {
    disk_remove(path);
    for (size_t i = 0; i < 3; i++) {
        expect_invalid(NULL, accesses[i]);
        expect_invalid("", accesses[i]);
    }
    expect_invalid(path, (hf_access)3);
    expect_invalid(path, (hf_access)-1);
    CHECK(!disk_exists(path));
}

static void readers_make_no_file(void) {
    disk_remove(path);
    for (size_t i = 1; i < 3; i++) {
        hf_arena arena;
        CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, path, accesses[i], NULL));
        check_is_closed(&arena);
        CHECK(!disk_exists(path));
    }
    hf_arena arena;
    CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, "no_such_folder/image", HF_READ_WRITE, NULL));
    CHECK_EQUAL(disk_answers.no_folder, hf_last_error().os_code);
}

/* NULL options are valid. */
static void options_may_be_null(void) {
    hf_arena arena;
    disk_remove(path);
    for (unsigned round = 0; round < 2; round++)
        for (size_t i = 0; i < 3; i++) {
            CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, path, accesses[i], NULL));
            if (round == 0 && i == 0) fill(hf_alloc(&arena, 1000, 8), 1000, 1);
            CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
            hf_arena_close(&arena);
        }
    disk_remove(path);
}

/* ------------------------------------------------------------------- reservation ----------- */

static void a_reservation_smaller_than_the_image_is_reserve_full(void) {
    make(3 * AREA - 100);
    size_t needed = (size_t)disk_size(path) - AREA;
    for (size_t reserve = 1; reserve <= needed - AREA; reserve += 9999) {
        open_fails(HF_READ_WRITE, (hf_arena_options){.reserve = reserve}, HF_RESERVE_FULL);
        open_fails(HF_COPY_ON_WRITE, (hf_arena_options){.reserve = reserve}, HF_RESERVE_FULL);
        CHECK_EQUAL(needed, hf_last_error().size);
    }
    for (size_t i = 0; i < 3; i++) {
        hf_arena arena = open_as(accesses[i], (hf_arena_options){.reserve = needed});
        CHECK_EQUAL(i == 1 ? hf_get_mark(&arena) : needed, hf_arena_get_stats(&arena).reserved);
        CHECK(is_filled(hf_arena_root(&arena), 3 * AREA - 100, 1));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* More addresses than exist: the reservation is halved, down to least_reserve. */
static void more_addresses_than_exist_fall_back(void) {
    if (process_pays_for_addresses()) {
        check_skip("all addresses take more memory here than there is");
        return;
    }
    static const size_t all[] = {SIZE_MAX, SIZE_MAX - AREA, SIZE_MAX / 2, SIZE_MAX / 2 + 2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        for (int round = 0; round < 2; round++) {
            AT("reserve %zx, round %d", all[i], round);
            if (round == 0) disk_remove(path);
            hf_arena arena = open_as(HF_READ_WRITE, (hf_arena_options){.reserve = all[i]});
            if (round == 0) fill(hf_alloc(&arena, 100000, 8), 100000, 1);
            CHECK(is_filled(hf_arena_base(&arena), 100000, 1));
            CHECK(hf_arena_get_stats(&arena).reserved >= MIB);
            hf_arena_close(&arena);
        }
    disk_remove(path);
}

static void least_above_reserve_is_invalid(void) {
    make(1000);
    hf_arena_options options = {.reserve = 2 * MIB, .least_reserve = 3 * MIB};
    open_fails(HF_READ_WRITE, options, HF_INVALID);
    open_fails(HF_COPY_ON_WRITE, options, HF_INVALID);
    disk_remove(path);
    hf_arena arena;
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&arena, path, HF_READ_WRITE, &options));
    CHECK(!disk_exists(path));
    options = (hf_arena_options){.huge_pages = (hf_huge_pages)77};
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&arena, path, HF_READ_WRITE, &options));
    CHECK(!disk_exists(path));
}

/* The last error is the one from before: a call that succeeds leaves it unchanged. */
static void check_error_is(const hf_error *before) {
    hf_error now = hf_last_error();
    CHECK(now.status == before->status && now.call == before->call);
    CHECK(now.offset == before->offset && now.size == before->size);
}

/* The native backend with fewer addresses. */
static size_t most;

static hf_status reserve_up_to_most(const hf_backend *self, void *base, size_t size, void **address,
                                    hf_report *report) {
    report->call = "reserve_up_to_most";
    if (size > most) return HF_NO_ADDRESS;
    return hf_backend_native()->reserve(self, base, size, address, report);
}

static void a_reservation_falls_back_to_the_size_of_the_image(void) {
    hf_backend scarce = *hf_backend_native();
    scarce.reserve = reserve_up_to_most;
    make(5 * MIB);
    size_t needed = (size_t)disk_size(path) - AREA;
    hf_arena_options options = {.backend = &scarce, .reserve = 64 * MIB, .least_reserve = MIB};
    for (most = needed; most < 64 * MIB; most *= 2) {
        hf_error before = hf_last_error();
        for (size_t i = 0; i < 3; i += 2) {
            hf_arena arena = open_as(accesses[i], options);
            CHECK(hf_arena_get_stats(&arena).reserved >= needed);
            CHECK(hf_arena_get_stats(&arena).reserved <= most);
            CHECK(is_filled(hf_arena_root(&arena), 5 * MIB, 1));
            hf_arena_close(&arena);
        }
        check_error_is(&before); /* the failed attempts leave the last error unchanged */
    }
    most = needed - 1;
    every_open_fails(options, HF_NO_ADDRESS);
    most = needed;
    options.least_reserve = 2 * needed;
    open_fails(HF_COPY_ON_WRITE, options, HF_NO_ADDRESS);
    disk_remove(path);
}

/* -------------------------------------------------------------------------- base ----------- */

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IS_TSAN 1
#endif
#endif
#ifndef IS_TSAN
#define IS_TSAN 0
#endif

static bool has_few_addresses(void) {
    if (sizeof(void *) < 8) check_skip("32 bits have no addresses that are always free");
    return sizeof(void *) < 8;
}

/* Under ThreadSanitizer there are four candidate bases, and a hundred arenas reach down to them. */
static bool has_addresses_of_tsan(void) {
    if (IS_TSAN) check_skip("ThreadSanitizer leaves few addresses");
    return IS_TSAN;
}

/* The base is at an address that no system chooses by itself; the arenas here are more than those
 * whose reservations would reach down to it. */
static void an_image_opens_again_beside_many_arenas(void) {
    enum { ARENAS = 100 };
    static hf_arena arenas[ARENAS];
    if (has_few_addresses() || has_addresses_of_tsan()) return;
    disk_remove(path);
    hf_arena arena = open_as(HF_READ_WRITE, (hf_arena_options){0});
    uint64_t base = (uintptr_t)hf_arena_base(&arena);
    CHECK(base > 0x1000000000 && base < 0x555500000000);
    CHECK_EQUAL(AREA, base % (2 * MIB));
    fill(hf_alloc(&arena, 1000, 8), 1000, 1);
    hf_arena_close(&arena);
    for (int i = 0; i < ARENAS; i++) CHECK_STATUS(HF_OK, hf_arena_open(&arenas[i], NULL));
    arena = open_as(HF_READ_WRITE, (hf_arena_options){0});
    CHECK_EQUAL(base, (uintptr_t)hf_arena_base(&arena));
    CHECK(is_filled(hf_arena_base(&arena), 1000, 1));
    hf_arena_close(&arena);
    for (int i = 0; i < ARENAS; i++) hf_arena_close(&arenas[i]);
    disk_remove(path);
}

/* Under Valgrind each of these reservations takes half a second. */
#ifdef HOLDFAST_CASES_FEW
enum { TIMES = 12 };
#else
enum { TIMES = 32 };
#endif

/* Images of the same program, created in different folders. */
static void images_of_different_times_rarely_have_the_same_base(void) {
    uintptr_t bases[TIMES];
    size_t collisions = 0;
    char name[64];
    if (has_few_addresses() || has_addresses_of_tsan()) return;
    for (int i = 0; i < TIMES; i++) {
        snprintf(name, sizeof name, "test_image_open.%d.tmp", i);
        disk_remove(name);
        hf_arena arena;
        CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, name, HF_READ_WRITE, NULL));
        bases[i] = (uintptr_t)hf_arena_base(&arena);
        hf_arena_close(&arena);
        disk_remove(name);
        for (int j = 0; j < i; j++) collisions += bases[i] == bases[j];
    }
    CHECK(collisions < TIMES / 2);
}

static void a_collision_says_what_to_do(void) {
    image_make(path, 1000, 1, (hf_arena_options){0});
    hf_arena reader = image_open(path, HF_READ_ONLY, (hf_arena_options){0});
    hf_arena second;
    char text[HF_ERROR_TEXT_SIZE];
    CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open_file(&second, path, HF_READ_ONLY, NULL));
    CHECK(hf_error_text(NULL, text, sizeof text) < sizeof text);
    CHECK(strstr(text, "by this image, open already") && strstr(text, "any_base"));
    hf_arena_close(&reader);
    disk_remove(path);
}

/* Another image is saved to the path after the file was opened and before it is locked. */
static const char *replacement;

static hf_status lock_late(const hf_backend *self, intptr_t file, bool exclusive,
                           hf_report *report) {
    if (replacement) {
        const char *saved = replacement;
        replacement = NULL;
        hf_arena arena = image_open(saved, HF_COPY_ON_WRITE, (hf_arena_options){.any_base = true});
        CHECK_STATUS(HF_OK, hf_arena_save(&arena, path));
        hf_arena_close(&arena);
    }
    return hf_backend_native()->file_lock(self, file, exclusive, report);
}

static void the_file_at_the_path_is_opened(void) {
    static const char fresh[] = "test_image_open.fresh.tmp";
    hf_backend late = *hf_backend_native();
    late.file_lock = lock_late;
    for (size_t i = 0; i < 3; i++) {
        image_make(path, 1000, 1, (hf_arena_options){0});
        image_make(fresh, 2000, 2, (hf_arena_options){0});
        replacement = fresh;
        hf_arena arena =
            image_open(path, accesses[i], (hf_arena_options){.backend = &late, .any_base = true});
        CHECK(replacement == NULL);
        CHECK(is_filled(hf_arena_root(&arena), 2000, 2));
        hf_arena_close(&arena);
    }
    disk_remove(fresh);
    disk_remove(path);
}

enum { IMAGES = 5 };

static void name_image(char *name, size_t room, int number) {
    snprintf(name, room, "test_image_open.%d.tmp", number);
}

/* Images made while others are open have different bases, so all of them open together again. */
static void images_open_together_have_different_bases(void) {
    hf_arena arenas[IMAGES];
    char name[64], *bases[IMAGES];
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < IMAGES; i++) {
            name_image(name, sizeof name, i);
            if (round == 0) disk_remove(name);
            arenas[i] = image_open(name, HF_READ_WRITE, (hf_arena_options){.reserve = MIB});
            if (round == 0) bases[i] = hf_arena_base(&arenas[i]);
            CHECK(hf_arena_base(&arenas[i]) == bases[i]);
        }
        for (int i = 0; i < IMAGES; i++) hf_arena_close(&arenas[i]);
    }
    for (int i = 0; i < IMAGES; i++) {
        name_image(name, sizeof name, i);
        disk_remove(name);
    }
}

static hf_status reserve_without_base(const hf_backend *self, void *base, size_t size,
                                      void **address, hf_report *report) {
    report->call = "reserve_without_base";
    if (base != NULL) return HF_NO_ADDRESS;
    return hf_backend_native()->reserve(self, base, size, address, report);
}

static void a_new_image_opens_at_any_base_if_all_candidates_are_occupied(void) {
    hf_backend crowded = *hf_backend_native();
    crowded.reserve = reserve_without_base;
    disk_remove(path);
    hf_error before = hf_last_error();
    hf_arena arena = open_as(HF_READ_WRITE, (hf_arena_options){.backend = &crowded});
    check_error_is(&before);
    fill(hf_alloc(&arena, 1000, 8), 1000, 1);
    hf_arena_close(&arena);
    every_open_fails((hf_arena_options){.backend = &crowded}, HF_NO_ADDRESS);
    disk_remove(path);
}

/* Every base that is tried before the system chooses one. */
enum { MOST_CANDIDATES = 700 };
static struct candidate {
    uint64_t base;
    size_t size;
} candidates[MOST_CANDIDATES];
static size_t candidate_count;

static hf_status note_candidate(const hf_backend *self, void *base, size_t size, void **address,
                                hf_report *report) {
    CHECK(candidate_count < MOST_CANDIDATES);
    if (base != NULL) candidates[candidate_count++] = (struct candidate){(uintptr_t)base, size};
    return reserve_without_base(self, base, size, address, report);
}

static void collect_candidates(size_t reserve) {
    hf_backend crowded = *hf_backend_native();
    hf_arena arena;
    crowded.reserve = note_candidate;
    disk_remove(path);
    candidate_count = 0;
    hf_arena_options options = {.backend = &crowded, .reserve = reserve};
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, path, HF_READ_WRITE, &options));
    hf_arena_close(&arena);
}

/* Candidates first to end - 1 are all the bases of one range, each once, in any order. */
static void expect_candidates(size_t first, size_t end, uint64_t begin, uint64_t step,
                              size_t size) {
    static bool is_tried[MOST_CANDIDATES];
    memset(is_tried, 0, sizeof is_tried);
    CHECK(end <= candidate_count);
    for (size_t i = first; i < end; i++) {
        uint64_t index = (candidates[i].base - AREA - begin) / step;
        CHECK(candidates[i].base == begin + index * step + AREA);
        CHECK(index < end - first && !is_tried[index]);
        CHECK_EQUAL(size, candidates[i].size);
        is_tried[index] = true;
    }
}

/* 40 TiB in two ranges, either of which comes first; the range that ThreadSanitizer leaves free;
 * and a range within 39 bits of addresses, where a default reservation is no larger than the
 * distance of two candidates. */
static void new_images_try_every_candidate(void) {
    const uint64_t gib = (uint64_t)1 << 30;
    if (has_few_addresses()) return;
    collect_candidates((size_t)(8 * gib));
    CHECK_EQUAL(640 + 4 + 24, candidate_count);
    size_t high = candidates[0].base < 0x410000000000 ? 400 : 0, low = high ? 0 : 240;
    expect_candidates(high, high + 240, 0x410000000000, 64 * gib, (size_t)(8 * gib));
    expect_candidates(low, low + 400, 0x110000000000, 64 * gib, (size_t)(8 * gib));
    expect_candidates(640, 644, 0x551000000000, 64 * gib, (size_t)(8 * gib));
    expect_candidates(644, 668, 0x1000000000, 4 * gib, (size_t)(8 * gib));
    collect_candidates(0);
    CHECK_EQUAL(640 + 4 + 24, candidate_count);
    expect_candidates(644, 668, 0x1000000000, 4 * gib, (size_t)(4 * gib));
    disk_remove(path);
}

/* If the addresses above the base are at least least_reserve, they are enough. */
static void a_reservation_is_limited_by_the_end_of_the_address_space(void) {
    hf_backend crowded = *hf_backend_native();
    size_t above = 64 * MIB;
    hf_arena arena;
    make(1000);
    struct content image = content_of(path);
    size_t used = (size_t)get_64(image.bytes + SLOT, AT_USED);
    memset(image.bytes, 0, 2 * SLOT);
    write_slot(image.bytes, 0, 0 - above, used, 1, 0);
    write_content(path, image.bytes, image.size);
    free(image.bytes);
    crowded.reserve = note_candidate;
    for (size_t more = 0; more <= AREA; more += AREA) {
        hf_arena_options options = {
            .backend = &crowded, .reserve = 2 * above, .least_reserve = above + more};
        candidate_count = 0;
        CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open_file(&arena, path, HF_COPY_ON_WRITE, &options));
        CHECK_EQUAL(more == 0, candidate_count > 0);
        if (more == 0) CHECK(candidates[0].base == 0 - above && candidates[0].size == above);
    }
    disk_remove(path);
}

/* An address with IMAGE_RESERVE free bytes. */
static void *free_address(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, IMAGE_RESERVE, NULL));
    void *address = hf_space_base(space);
    hf_space_close(space);
    return address;
}

static void an_explicit_base_is_used(void) {
    void *base = free_address();
    disk_remove(path);
    hf_arena arena = open_as(HF_READ_WRITE, (hf_arena_options){.base = base});
    CHECK((void *)hf_arena_base(&arena) == base);
    fill(hf_alloc(&arena, 1000, 8), 1000, 1);
    hf_arena_close(&arena);
    for (size_t i = 0; i < 3; i++) {
        arena = open_as(accesses[i], (hf_arena_options){.base = i % 2 ? NULL : base});
        CHECK((void *)hf_arena_base(&arena) == base);
        hf_arena_close(&arena);
    }
    every_open_fails((hf_arena_options){.base = (char *)base + HF_ALLOCATION_GRANULARITY},
                     HF_INVALID);
    every_open_fails((hf_arena_options){.base = (char *)base + 1}, HF_INVALID);
    every_open_fails((hf_arena_options){.base = (char *)base + 1, .any_base = true}, HF_INVALID);
    disk_remove(path);
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&arena, path, HF_READ_WRITE,
                                                &(hf_arena_options){.base = (char *)base + 1}));
    CHECK(!disk_exists(path));
}

static void an_occupied_base_is_no_address_without_any_base(void) {
    make(100000);
    hf_arena arena = open_as(HF_READ_ONLY, (hf_arena_options){0});
    hf_space_options options = {.base = hf_arena_base(&arena)};
    hf_space *space;
    hf_arena_close(&arena);
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB, &options));
    every_open_fails((hf_arena_options){0}, HF_NO_ADDRESS);
    hf_error before = hf_last_error();
    for (size_t i = 0; i < 3; i++) {
        arena = open_as(accesses[i], (hf_arena_options){.any_base = true});
        CHECK((void *)hf_arena_base(&arena) != options.base);
        CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
        hf_arena_close(&arena);
    }
    check_error_is(&before);
    hf_space_close(space);
    arena = open_as(HF_READ_WRITE, (hf_arena_options){.any_base = true}); /* free again */
    CHECK((void *)hf_arena_base(&arena) == options.base);
    hf_arena_close(&arena);
    disk_remove(path);
}

/* The address space ends before base + reserve. */
static void an_image_near_the_end_of_the_address_space_opens(void) {
    make(1000);
    struct content image = content_of(path);
    size_t used = (size_t)get_64(image.bytes + SLOT, AT_USED);
    memset(image.bytes, 0, 2 * SLOT);
    for (size_t above = 2 * MIB; above <= 512 * MIB; above += 2 * MIB) {
        hf_arena arena;
        write_slot(image.bytes, 0, 0 - above, used, 1, 0);
        write_content(path, image.bytes, image.size);
        hf_arena_options options = {.least_reserve = above + AREA, .reserve = 2 * above};
        open_fails(HF_COPY_ON_WRITE, options, HF_NO_ADDRESS);
        if (IS_TSAN) continue; /* ThreadSanitizer treats such a base as a hint, and crashes */
        hf_status status = hf_arena_open_file(&arena, path, HF_COPY_ON_WRITE, NULL);
        CHECK(status == HF_OK || status == HF_NO_ADDRESS);
        if (status != HF_OK) continue;
        CHECK((uintptr_t)hf_arena_base(&arena) == 0 - above);
        CHECK(hf_arena_get_stats(&arena).reserved <= above);
        CHECK(is_filled(hf_arena_root(&arena), 1000, 1));
        hf_arena_close(&arena);
    }
    free(image.bytes);
    disk_remove(path);
}

static void any_base_tries_an_explicit_base_first(void) {
    make(100000);
    void *base = free_address();
    hf_arena arena = open_as(HF_COPY_ON_WRITE, (hf_arena_options){.base = base, .any_base = true});
    CHECK((void *)hf_arena_base(&arena) == base);
    CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
    hf_arena second = open_as(HF_READ_ONLY, (hf_arena_options){.base = base, .any_base = true});
    CHECK((void *)hf_arena_base(&second) != base);
    CHECK(is_filled(hf_arena_root(&second), 100000, 1));
    hf_arena_close(&arena);
    hf_arena_close(&second);
    disk_remove(path);
}

/* Half of the reservation at the explicit base is preferred to all of it at another base. */
static void any_base_prefers_a_smaller_reservation_at_the_base(void) {
    make(100000);
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 2 * IMAGE_RESERVE, NULL));
    char *base = hf_space_base(space);
    hf_space_close(space);
    hf_space_options behind = {.base = base + IMAGE_RESERVE / 2};
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB, &behind));
    hf_arena_options options = {.base = base, .any_base = true, .least_reserve = MIB};
    for (size_t i = 0; i < 3; i += 2) {
        hf_error before = hf_last_error();
        hf_arena arena = open_as(accesses[i], options);
        CHECK((char *)hf_arena_base(&arena) == base);
        CHECK_EQUAL(IMAGE_RESERVE / 2, hf_arena_get_stats(&arena).reserved);
        CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
        check_error_is(&before);
        hf_arena_close(&arena);
    }
    options.least_reserve =
        IMAGE_RESERVE / 2 + HF_ALLOCATION_GRANULARITY; /* more than fits at the base */
    hf_arena arena = open_as(HF_COPY_ON_WRITE, options);
    CHECK((char *)hf_arena_base(&arena) != base);
    CHECK_EQUAL(IMAGE_RESERVE, hf_arena_get_stats(&arena).reserved);
    CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
    hf_arena_close(&arena);
    hf_space_close(space);
    disk_remove(path);
}

static void refs_work_at_any_base(void) {
    enum { NODES = 5000 };
    struct node {
        hf_ref next;
        uint32_t value;
    };
    disk_remove(path);
    hf_arena arena = open_as(HF_READ_WRITE, (hf_arena_options){0}), second;
    for (uint32_t i = 0; i < NODES; i++) {
        struct node *node = hf_alloc(&arena, sizeof *node, 8);
        CHECK(node != NULL);
        *node = (struct node){hf_to_ref(&arena, hf_arena_root(&arena)), i};
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, node));
    }
    hf_arena_close(&arena);
    arena = open_as(HF_COPY_ON_WRITE, (hf_arena_options){.any_base = true});
    second = open_as(HF_COPY_ON_WRITE, (hf_arena_options){.any_base = true});
    CHECK(hf_arena_base(&arena) != hf_arena_base(&second));
    uint32_t value = NODES;
    for (struct node *node = hf_arena_root(&second); node; node = hf_from_ref(&second, node->next))
        CHECK_EQUAL(--value, node->value);
    CHECK_EQUAL(0, value);
    hf_arena_close(&arena);
    hf_arena_close(&second);
    disk_remove(path);
}

static void it_owns_its_reservation(void) {
    make(1000);
    for (size_t i = 0; i < 3; i += 2) {
        hf_arena arena = open_as(accesses[i], (hf_arena_options){0});
        char *base = hf_arena_base(&arena);
        CHECK_EQUAL(IMAGE_RESERVE, hf_arena_get_stats(&arena).reserved);
        CHECK(hf_owns(&arena, base) && hf_owns(&arena, base + IMAGE_RESERVE - 1));
        CHECK(!hf_owns(&arena, base - 1) && !hf_owns(&arena, base + IMAGE_RESERVE));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* --------------------------------------------------------------------------- tag ----------- */

static void another_tag_is_corrupt(void) {
    static const uint64_t tags[] = {0, 1, (uint64_t)1 << 63, UINT64_MAX};
    for (size_t mine = 0; mine < 4; mine++) {
        image_make(path, 1000, 1, (hf_arena_options){.tag = tags[mine]});
        for (size_t other = 0; other < 4; other++) {
            if (other != mine) {
                every_open_fails((hf_arena_options){.tag = tags[other]}, HF_CORRUPT);
                CHECK(strstr(hf_last_error().reason, "tag") != NULL);
                continue;
            }
            for (size_t i = 0; i < 3; i++) {
                hf_arena arena = open_as(accesses[i], (hf_arena_options){.tag = tags[other]});
                CHECK(is_filled(hf_arena_root(&arena), 1000, 1));
                hf_arena_close(&arena);
            }
        }
    }
    disk_remove(path);
}

/* -------------------------------------------------------------------------- root ----------- */

static void expect_no_root(hf_arena *arena, const void *object) {
    const void *root = hf_arena_root(arena);
    CHECK_STATUS(HF_INVALID, hf_arena_set_root(arena, object));
    CHECK_EQUAL(HF_INVALID, hf_last_error().status);
    CHECK(hf_arena_root(arena) == root);
}

static void a_root_is_an_allocated_object(void) {
    hf_arena arena = {0};
    int mine = 0;
    expect_no_root(&arena, NULL);
    expect_no_root(&arena, &mine);
    arena = fixture_open((hf_arena_options){.reserve = MIB});
    expect_no_root(&arena, hf_arena_base(&arena)); /* nothing is allocated yet */
    char *block = hf_alloc(&arena, 100, 1);
    for (int i = 0; i < 100; i++) {
        CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block + i));
        CHECK(hf_arena_root(&arena) == block + i);
    }
    expect_no_root(&arena, arena.pos);
    expect_no_root(&arena, hf_arena_base(&arena) - 1);
    expect_no_root(&arena, hf_arena_base(&arena) + MIB);
    expect_no_root(&arena, &mine);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, NULL));
    CHECK(hf_arena_root(&arena) == NULL);
    hf_arena_close(&arena);
    CHECK(hf_arena_root(&arena) == NULL);
}

static hf_arena with_root(hf_arena_options options) {
    options.reserve = 16 * MIB;
    hf_arena arena = fixture_open(options);
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, hf_alloc(&arena, 1000, 8)));
    return arena;
}

/* Also after another object was allocated at the same address. */
static void rewinding_below_the_root_unsets_it(void) {
    for (int faulting = 0; faulting < 2; faulting++) {
        hf_arena arena = with_root((hf_arena_options){.fault_after_rewind = faulting});
        char *root = hf_arena_root(&arena);
        hf_mark mark = (hf_mark)(root - hf_arena_base(&arena));
        CHECK(hf_alloc(&arena, MIB, 8) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, mark + 1000));
        CHECK(hf_arena_root(&arena) == root);
        CHECK_STATUS(HF_INVALID, hf_rewind(&arena, 15 * MIB));
        CHECK(hf_arena_root(&arena) == root);
        CHECK(hf_alloc(&arena, MIB, 8) != NULL);
        CHECK_STATUS(HF_OK, hf_rewind(&arena, mark));
        CHECK(hf_arena_root(&arena) == NULL);
        CHECK(hf_alloc(&arena, MIB, 8) != NULL);
        CHECK(hf_arena_root(&arena) == NULL);
        hf_arena_close(&arena);
    }
}

static void every_way_of_going_back_unsets_the_root(void) {
    hf_arena arena = with_root((hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    CHECK(hf_alloc(&arena, 4000, 8) != NULL && hf_arena_root(&arena) == NULL);
    hf_scope scope = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, hf_alloc(&arena, 1000, 8)));
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK(hf_alloc(&arena, 4000, 8) != NULL && hf_arena_root(&arena) == NULL);
    char *block = hf_alloc(&arena, 1000, 8);
    CHECK_STATUS(HF_OK, hf_arena_set_root(&arena, block + 500));
    CHECK(hf_extend(&arena, block, 1000, 501));
    CHECK(hf_arena_root(&arena) == block + 500);
    CHECK(hf_extend(&arena, block, 501, 500));
    CHECK(hf_arena_root(&arena) == NULL);
    CHECK(hf_extend(&arena, block, 500, 1000));
    CHECK(hf_arena_root(&arena) == NULL);
    hf_arena_close(&arena);
}

static void a_root_is_stored_in_images(void) {
    for (size_t i = 0; i < 3; i++) {
        make(1000);
        hf_arena arena = open_as(accesses[i], (hf_arena_options){0});
        char *block = hf_arena_root(&arena);
        CHECK(block != NULL && is_filled(block, 1000, 1));
        bool is_read_only = accesses[i] == HF_READ_ONLY;
        CHECK_STATUS(is_read_only ? HF_WRONG_STATE : HF_OK, hf_arena_set_root(&arena, block + 10));
        CHECK(hf_arena_root(&arena) == (is_read_only ? block : block + 10));
        hf_arena_close(&arena);
        arena = open_as(HF_READ_ONLY, (hf_arena_options){0});
        CHECK(hf_arena_root(&arena) == (i == 0 ? block + 10 : block));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

/* ------------------------------------------------------------------- two at once ----------- */

static const hf_arena_options anywhere = {.any_base = true, .reserve = IMAGE_RESERVE};

static hf_status try_as(hf_access access) {
    hf_arena arena;
    size_t handles = disk_handles();
    hf_status status = hf_arena_open_file(&arena, path, access, &anywhere);
    if (status == HF_OK) CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
    if (status != HF_OK) check_is_closed(&arena);
    hf_arena_close(&arena);
    CHECK_EQUAL(handles, disk_handles());
    return status;
}

static bool are_both_readers(hf_access one, hf_access other) {
    return one != HF_READ_WRITE && other != HF_READ_WRITE;
}

/* Readers can share an image; a writer excludes everybody else. In any order, in one process or
 * two. */
static void expect_sharing(hf_access first) {
    for (size_t i = 0; i < 3; i++) {
        AT("access %d beside access %d", accesses[i], first);
        CHECK_STATUS(are_both_readers(first, accesses[i]) ? HF_OK : HF_BUSY, try_as(accesses[i]));
    }
}

static void a_writer_excludes_everybody_else(void) {
    make(100000);
    struct content before = content_of(path);
    for (size_t i = 0; i < 3; i++) {
        hf_arena arena = open_as(accesses[i], anywhere);
        expect_sharing(accesses[i]);
        check_content(path, &before);
        CHECK(is_filled(hf_arena_root(&arena), 100000, 1));
        hf_arena_close(&arena);
        for (size_t next = 0; next < 3; next++) CHECK_STATUS(HF_OK, try_as(accesses[next]));
    }
    free(before.bytes);
    disk_remove(path);
}

/* The file is locked before it becomes an image. */
static void a_new_image_is_locked(void) {
    disk_remove(path);
    hf_arena arena = open_as(HF_READ_WRITE, anywhere);
    for (size_t i = 0; i < 3; i++) CHECK_STATUS(HF_BUSY, try_as(accesses[i]));
    hf_arena_close(&arena);
    disk_remove(path);
}

static void finds(hf_access access) {
    expect_sharing(access);
    if (access == HF_READ_WRITE) CHECK_EQUAL(HF_BUSY, hf_last_error().status);
}
static void finds_a_writer(void) { finds(HF_READ_WRITE); }
static void finds_a_reader(void) { finds(HF_READ_ONLY); }

/* Keeps the image open until this process's input ends. */
static void keep_open_as(hf_access access) {
    hf_arena arena = open_as(access, anywhere);
    disk_close(disk_create(ready, 0));
    while (fgetc(process_input()) != EOF) continue;
    hf_arena_close(&arena);
}
static void keeps_open_as_a_writer(void) { keep_open_as(HF_READ_WRITE); }
static void keeps_open_as_a_reader(void) { keep_open_as(HF_READ_ONLY); }
static void keeps_open_as_a_snapshot(void) { keep_open_as(HF_COPY_ON_WRITE); }

static void wait_until_ready(void) {
    time_t begin = time(NULL);
    while (!disk_exists(ready)) CHECK(difftime(time(NULL), begin) < 3600);
    disk_remove(ready);
}

static void a_lock_excludes_other_processes(void) {
    make(100000);
    for (size_t i = 0; i < 3; i++) {
        hf_arena arena = open_as(accesses[i], anywhere);
        FILE *process = process_start(i == 0 ? "finds_a_writer" : "finds_a_reader");
        CHECK(process != NULL && process_ended_well(process));
        hf_arena_close(&arena);
    }
    disk_remove(path);
}

static void other_processes_keep_out_too(void) {
    static const char *const names[] = {"keeps_open_as_a_writer", "keeps_open_as_a_reader",
                                        "keeps_open_as_a_snapshot"};
    make(100000);
    for (size_t i = 0; i < 3; i++) {
        disk_remove(ready);
        FILE *process = process_start(names[i]);
        CHECK(process != NULL);
        wait_until_ready();
        expect_sharing(accesses[i]);
        CHECK(process_ended_well(process));
        CHECK_STATUS(HF_OK, try_as(HF_READ_WRITE));
    }
    disk_remove(path);
}

CHECK_MAIN(TEST(a_path_is_needed), TEST(readers_make_no_file), TEST(options_may_be_null),
           TEST(a_reservation_smaller_than_the_image_is_reserve_full),
           TEST(more_addresses_than_exist_fall_back), TEST(least_above_reserve_is_invalid),
           TEST(a_reservation_falls_back_to_the_size_of_the_image),
           TEST(an_image_opens_again_beside_many_arenas),
           TEST(images_of_different_times_rarely_have_the_same_base),
           TEST(a_collision_says_what_to_do), TEST(the_file_at_the_path_is_opened),
           TEST(images_open_together_have_different_bases),
           TEST(a_new_image_opens_at_any_base_if_all_candidates_are_occupied),
           TEST(new_images_try_every_candidate),
           TEST(a_reservation_is_limited_by_the_end_of_the_address_space),
           TEST(an_explicit_base_is_used), TEST(an_occupied_base_is_no_address_without_any_base),
           TEST(an_image_near_the_end_of_the_address_space_opens),
           TEST(any_base_tries_an_explicit_base_first),
           TEST(any_base_prefers_a_smaller_reservation_at_the_base), TEST(refs_work_at_any_base),
           TEST(it_owns_its_reservation), TEST(another_tag_is_corrupt),
           TEST(a_root_is_an_allocated_object), TEST(rewinding_below_the_root_unsets_it),
           TEST(every_way_of_going_back_unsets_the_root), TEST(a_root_is_stored_in_images),
           TEST(a_writer_excludes_everybody_else), TEST(a_new_image_is_locked),
           TEST_BY_NAME(finds_a_writer), TEST_BY_NAME(finds_a_reader),
           TEST_BY_NAME(keeps_open_as_a_writer), TEST_BY_NAME(keeps_open_as_a_reader),
           TEST_BY_NAME(keeps_open_as_a_snapshot), TEST(a_lock_excludes_other_processes),
           TEST(other_processes_keep_out_too))
