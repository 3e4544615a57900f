/*
 * How long an image takes to open, whatever its size: the least of several rounds of many times, by
 * the one clock that every C library has.
 */
#include <time.h>

#include "image_fixture.h"
#include "process.h"

static const char path[] = "test_image_time.tmp";

enum { ROUNDS = 20, TIMES = 50 };

/* An image of holes, where the file system has such: nobody reads them. */
static void make_image(size_t used) {
#ifdef HF_BASE_FIXED
    unsigned char slot[SLOT];
    intptr_t file = disk_create(path, 0);
    write_slot(slot, 0, (uintptr_t)HF_BASE_FIXED, used, 0, 0);
    disk_store(file, 0, slot, SLOT);
    disk_resize(file, (uint64_t)image_size(used));
    disk_close(file);
#else
    (void)used;
#endif
}

static void open_once(hf_access access, size_t used) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, path, access, NULL));
    CHECK_EQUAL(used, hf_get_mark(&arena));
    hf_arena_close(&arena);
}

/* Opening and closing, in microseconds. A checker goes through all of the addresses: once. */
static double least_time(hf_access access, size_t used) {
    double least = 1e9;
    int rounds = fixture_is_exact() ? ROUNDS : 1;
    for (int round = 0; round < rounds; round++) {
        clock_t begin = clock();
        for (int i = 0; i < TIMES; i++) open_once(access, used);
        double now = (double)(clock() - begin) * 1e6 / CLOCKS_PER_SEC / TIMES;
        if (now < least) least = now;
    }
    return least;
}

static void any_size_opens_at_once(void) {
    static const struct {
        const char *name;
        hf_access access;
    } ways[] = {{"snapshot", HF_COPY_ON_WRITE}, {"frozen", HF_READ_ONLY}};
    if (!IS_64_BIT) {
        check_skip("32 bits have no 4 GiB of addresses");
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        make_image(16 * MIB);
        double small = least_time(ways[i].access, 16 * MIB);
        make_image(4 * GIB);
        double large = least_time(ways[i].access, 4 * GIB);
        printf("%-8s 16 MiB: %.1f microseconds, 4 GiB: %.1f, %.2f times\n", ways[i].name, small,
               large, large / small);
        if (!fixture_is_exact()) continue; /* a checker takes its own time */
        CHECK(large < 1.5 * small);
        CHECK(large < 1000 || process_pays_for_addresses()); /* Wine takes its own time */
    }
    disk_remove(path);
}

CHECK_MAIN(TEST(any_size_opens_at_once))
