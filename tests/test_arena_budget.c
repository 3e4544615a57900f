/*
 * The address budget: the default reservations of arenas, and the addresses that they leave to the
 * rest of the process.
 *
 * A fake backend returns addresses that nothing maps, so reserving tebibytes costs nothing, under a
 * sanitizer too. No test commits any of them. The last test opens real images.
 */
#include "arena_fixture.h"
#include "image_fixture.h"

#if IS_64_BIT

#define TIB ((size_t)1 << 40)

enum { ASKED = 64 };

static struct {
    hf_backend backend;
    size_t largest; /* a larger reservation fails */
    uintptr_t next;
    size_t asked[ASKED], count; /* sizes of the reservations since open_fake */
} fake;

static hf_status fake_reserve(const hf_backend *self, void *base, size_t size, void **address,
                              hf_report *report) {
    (void)self;
    report->system_calls++;
    if (fake.count < ASKED) fake.asked[fake.count] = size;
    fake.count++;
    report->call = "fake_reserve";
    if (size > fake.largest) return HF_NO_ADDRESS;
    *address = base ? base : (void *)fake.next;
    fake.next += size;
    return HF_OK;
}

static void fake_release(const hf_backend *self, void *address, size_t size, hf_kind kind) {
    (void)self, (void)address, (void)size, (void)kind;
}

static void open_fake(void) {
    memset(&fake, 0, sizeof fake);
    fake.backend = *hf_backend_native();
    fake.backend.reserve = fake_reserve;
    fake.backend.release = fake_release;
    fake.backend.advise = NULL;
    fake.backend.name = NULL;
    fake.largest = SIZE_MAX;
    fake.next = (uintptr_t)1 << 62;
}

/* Opens an arena whose default reservation spends `size` bytes of the budget. */
static hf_arena spend_budget(size_t size) {
    hf_arena arena =
        fixture_open((hf_arena_options){.least_reserve = size, .backend = &fake.backend});
    CHECK_EQUAL(size, hf_arena_get_stats(&arena).reserved);
    return arena;
}

static size_t reserved_by_default(void) {
    hf_arena arena = fixture_open((hf_arena_options){.backend = &fake.backend});
    size_t reserved = hf_arena_get_stats(&arena).reserved;
    hf_arena_close(&arena);
    return reserved;
}

static size_t cheap; /* reserving more than this costs memory */

static size_t fake_cheap_reserve(const hf_backend *self) {
    (void)self;
    return cheap;
}

static void defaults_are_small_where_addresses_cost_memory(void) {
    static const size_t rows[][2] = {
        {SIZE_MAX, 64 * GIB}, {64 * GIB, 64 * GIB}, {64 * GIB - 1, GIB}, {GIB, GIB}, {1, 64 * MIB}};
    open_fake();
    fake.backend.cheap_reserve = fake_cheap_reserve;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AT("cheap %zu", rows[i][0]);
        cheap = rows[i][0];
        CHECK_EQUAL(rows[i][1], reserved_by_default());
    }
    hf_arena arena = spend_budget(64 * GIB); /* least_reserve is set explicitly */
    hf_arena_close(&arena);
}

static void defaults_shrink_as_the_budget_is_spent(void) {
    struct {
        size_t spent, expected;
    } rows[] = {
        {128 * GIB, 64 * GIB},
        {8 * TIB - 64 * GIB, 64 * GIB},
        {8 * TIB - 63 * GIB, GIB},
        {8 * TIB, GIB},
        {9 * TIB, GIB},
        {16 * TIB - GIB, GIB},
        {16 * TIB - GIB + 64 * KIB, 64 * MIB},
        {16 * TIB, 64 * MIB},
        {1000 * TIB, 64 * MIB},
    };
    open_fake();
    CHECK_EQUAL(64 * GIB, reserved_by_default());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AT("%zu spent", rows[i].spent);
        hf_arena most = spend_budget(rows[i].spent);
        CHECK_EQUAL(rows[i].expected, reserved_by_default());
        CHECK_EQUAL(rows[i].expected, reserved_by_default()); /* closing returned it */
        hf_arena_close(&most);
        CHECK_EQUAL(64 * GIB, reserved_by_default());
    }
}

static void many_arenas_share_the_budget(void) {
    enum { MANY = 300 };
    static hf_arena arenas[MANY];
    open_fake();
    for (size_t i = 0; i < MANY; i++) {
        arenas[i] = fixture_open((hf_arena_options){.backend = &fake.backend});
        CHECK_EQUAL(i < 128 ? 64 * GIB : GIB, hf_arena_get_stats(&arenas[i]).reserved);
    }
    for (size_t i = 0; i < MANY; i += 2) hf_arena_close(&arenas[i]);
    for (size_t i = 0; i < MANY; i += 2) {
        arenas[i] = fixture_open((hf_arena_options){.backend = &fake.backend});
        CHECK_EQUAL(i < 124 ? 64 * GIB : GIB, hf_arena_get_stats(&arenas[i]).reserved);
    }
    for (size_t i = 0; i < MANY; i++) hf_arena_close(&arenas[i]);
    CHECK_EQUAL(64 * GIB, reserved_by_default());
}

static void an_explicit_reserve_is_not_counted(void) {
    open_fake();
    hf_arena named =
        fixture_open((hf_arena_options){.reserve = 100 * TIB, .backend = &fake.backend});
    CHECK_EQUAL(100 * TIB, hf_arena_get_stats(&named).reserved);
    CHECK_EQUAL(64 * GIB, reserved_by_default());
    hf_arena most = spend_budget(16 * TIB);
    hf_arena again =
        fixture_open((hf_arena_options){.reserve = 64 * GIB, .backend = &fake.backend});
    CHECK_EQUAL(64 * GIB, hf_arena_get_stats(&again).reserved);
    hf_arena_close(&again);
    CHECK_EQUAL(64 * MIB, reserved_by_default());
    hf_arena_close(&most);
    hf_arena_close(&named);
}

static void a_larger_least_reserve_raises_the_default(void) {
    size_t leasts[] = {MIB, 2 * GIB, 64 * GIB, 64 * GIB + 64 * KIB, 128 * GIB, 3 * TIB};
    for (int spent = 0; spent < 2; spent++) {
        open_fake();
        hf_arena most = spend_budget(spent ? 16 * TIB : 100 * GIB);
        size_t usual = reserved_by_default();
        for (size_t i = 0; i < sizeof leasts / sizeof *leasts; i++) {
            AT("least %zu", leasts[i]);
            hf_arena arena = fixture_open(
                (hf_arena_options){.least_reserve = leasts[i], .backend = &fake.backend});
            CHECK_EQUAL(leasts[i] > usual ? leasts[i] : usual, hf_arena_get_stats(&arena).reserved);
            hf_arena_close(&arena);
        }
        hf_arena_close(&most);
    }
}

static void check_asked(const size_t *expected, size_t count) {
    CHECK_EQUAL(count, fake.count);
    for (size_t i = 0; i < count; i++) {
        AT("size %zu", i);
        CHECK_EQUAL(expected[i], fake.asked[i]);
    }
}

static void the_reservation_falls_back_size_by_size(void) {
    const size_t all[] = {64 * GIB, 32 * GIB,  16 * GIB,  8 * GIB,   4 * GIB,  2 * GIB,  GIB,
                          GIB,      512 * MIB, 256 * MIB, 128 * MIB, 64 * MIB, 64 * MIB, 32 * MIB,
                          16 * MIB, 8 * MIB,   4 * MIB,   2 * MIB,   MIB};
    size_t count = sizeof all / sizeof *all;
    hf_arena arena;
    CHECK_STATUS(HF_INVALID, hf_arena_open(&arena, &(hf_arena_options){.base = (void *)1}));
    for (size_t i = 0; i < count; i++) {
        AT("no more than %zu", all[i]);
        open_fake();
        fake.largest = all[i];
        CHECK_EQUAL(all[i], reserved_by_default());
        size_t tries = 0;
        while (all[tries] > all[i]) tries++;
        check_asked(all, tries + 1);
        CHECK_EQUAL(HF_INVALID, hf_last_error().status); /* still the earlier error */
    }
    open_fake();
    fake.largest = MIB - 1;
    CHECK_STATUS(HF_NO_ADDRESS,
                 hf_arena_open(&arena, &(hf_arena_options){.backend = &fake.backend}));
    check_asked(all, count);
    CHECK_EQUAL(MIB, hf_last_error().size);
    open_fake(); /* failures of a fake backend do not lower later defaults */
    CHECK_EQUAL(64 * GIB, reserved_by_default());
}

static void the_fallback_ends_at_least_reserve(void) {
    const size_t all[] = {64 * GIB, 32 * GIB, 16 * GIB, 10 * GIB};
    hf_arena arena;
    hf_arena_options options = {.least_reserve = 10 * GIB, .backend = &fake.backend};
    open_fake();
    fake.largest = 10 * GIB - 1;
    CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open(&arena, &options));
    check_asked(all, 4);
    fake.largest = SIZE_MAX;
    hf_arena most = spend_budget(16 * TIB);
    fake.count = 0;
    fake.largest = 10 * GIB - 1;
    CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open(&arena, &options));
    check_asked(all + 3, 1);
    hf_arena_close(&most);
}

/* Real images, which share the budget with arenas. */
static void images_share_the_budget(void) {
    static const char path[] = "test_arena_budget.tmp";
    open_fake();
    hf_arena image;
    disk_remove(path);
    CHECK_STATUS(HF_OK, hf_arena_open_file(&image, path, HF_READ_WRITE, NULL));
    size_t usual = hf_arena_get_stats(&image).reserved;
    CHECK(usual <= 64 * GIB);
    hf_arena most = spend_budget(8 * TIB - 64 * GIB);
    CHECK_EQUAL(GIB, reserved_by_default()); /* the image has spent its part */
    hf_arena_close(&image);
    CHECK_EQUAL(64 * GIB, reserved_by_default());
    hf_arena_close(&most);
    most = spend_budget(16 * TIB);
    CHECK_STATUS(HF_OK, hf_arena_open_file(&image, path, HF_READ_WRITE, NULL));
    CHECK(hf_arena_get_stats(&image).reserved <= 64 * MIB);
    hf_arena_close(&image);
    hf_arena_close(&most);
    disk_remove(path);
}

CHECK_MAIN(TEST(defaults_are_small_where_addresses_cost_memory),
           TEST(defaults_shrink_as_the_budget_is_spent), TEST(many_arenas_share_the_budget),
           TEST(an_explicit_reserve_is_not_counted),
           TEST(a_larger_least_reserve_raises_the_default),
           TEST(the_reservation_falls_back_size_by_size), TEST(the_fallback_ends_at_least_reserve),
           TEST(images_share_the_budget))

#else

static void only_64_bit_systems_have_these_sizes(void) {
    check_skip("the sizes are those of 64 bits");
}

CHECK_MAIN(TEST(only_64_bit_systems_have_these_sizes))

#endif
