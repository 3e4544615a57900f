/*
 * Opening, closing, bases, names, and the results of every call on a closed arena.
 */
#include "arena_fixture.h"
#include "process.h"
#include "recorder.h"

static const size_t default_reserve = IS_64_BIT ? 64 * GIB : 256 * MIB;

static void is_zeroed(const hf_arena *arena) {
    static const hf_arena zero;
    CHECK(memcmp(arena, &zero, sizeof zero) == 0);
}

/* Opening fails with this status and zeroes the arena. */
static void open_fails(hf_status expected, hf_arena_options options) {
    hf_arena arena;
    memset(&arena, 0x5a, sizeof arena);
    CHECK_STATUS(expected, hf_arena_open(&arena, &options));
    CHECK_EQUAL(expected, hf_last_error().status);
    CHECK(options.backend == NULL || hf_last_error().os_code == RECORDER_ERROR_CODE);
    is_zeroed(&arena);
    CHECK(hf_alloc(&arena, 1, 1) == NULL);
    hf_arena_close(&arena);
    is_zeroed(&arena);
}

/* Valgrind has fewer addresses than the default; before Windows 8.1 reserved addresses cost
 * memory. */
static size_t least_default(void) {
    const hf_backend *native = hf_backend_native();
    size_t cheap = native->cheap_reserve ? native->cheap_reserve(native) : SIZE_MAX;
    return cheap < default_reserve / 4 ? cheap : default_reserve / 4;
}

static void needs_no_options(void) {
    hf_arena arena;
    memset(&arena, 0x5a, sizeof arena);
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    CHECK(hf_arena_get_stats(&arena).reserved >= least_default());
    CHECK(hf_alloc(&arena, 100, 8) != NULL);
    hf_arena_close(&arena);
}

static void zero_reserves_the_default(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    hf_arena arena = fixture_open((hf_arena_options){.backend = &recorder.backend});
    CHECK_EQUAL(default_reserve, recorder_nth(&recorder, RECORDER_RESERVE, 0)->size);
    hf_arena_close(&arena);
}

static void opening_commits_nothing(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 64 * MIB, .backend = &recorder.backend});
    hf_arena_stats stats = hf_arena_get_stats(&arena);
    CHECK_EQUAL(0, recorder_count(&recorder, RECORDER_COMMIT));
    CHECK_EQUAL(1, recorder_count(&recorder, RECORDER_RESERVE));
    CHECK(arena.pos == hf_arena_base(&arena));
    CHECK(arena.limit == arena.pos);
    CHECK_EQUAL(0, hf_get_mark(&arena));
    CHECK_EQUAL(0, stats.used + stats.committed + stats.peak + stats.high_water + stats.growths);
    CHECK(stats.system_calls > 0);
    hf_arena_close(&arena);
}

static void a_reservation_is_rounded_up_to_whole_pages(void) {
    size_t page_size = fixture_page_size();
    size_t sizes[] = {1,       page_size - 1, page_size,   page_size + 1, 3 * page_size,
                      MIB - 1, MIB,           MIB + 1,     2 * MIB,       2 * MIB + page_size,
                      5 * MIB, 100 * MIB,     64 * MIB + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("reserve %zu", sizes[i]);
        hf_arena arena = fixture_open((hf_arena_options){.reserve = sizes[i]});
        CHECK_EQUAL(round_up(sizes[i], page_size), hf_arena_get_stats(&arena).reserved);
        CHECK(is_aligned(hf_arena_base(&arena), HF_ALLOCATION_GRANULARITY));
        hf_arena_close(&arena);
    }
}

/* ------------------------------------------------------------------ fallback --------------- */

static void a_failed_reservation_is_halved(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    recorder.largest[RECORDER_RESERVE] = 20 * MIB;
    hf_arena arena =
        fixture_open((hf_arena_options){.reserve = 128 * MIB, .backend = &recorder.backend});
    size_t expected[] = {128 * MIB, 64 * MIB, 32 * MIB, 16 * MIB};
    CHECK_EQUAL(4, recorder_count(&recorder, RECORDER_RESERVE));
    for (size_t i = 0; i < 4; i++)
        CHECK_EQUAL(expected[i], recorder_nth(&recorder, RECORDER_RESERVE, i)->size);
    CHECK_EQUAL(16 * MIB, hf_arena_get_stats(&arena).reserved);
    CHECK(hf_owns(&arena, hf_arena_base(&arena) + 16 * MIB - 1));
    CHECK(!hf_owns(&arena, hf_arena_base(&arena) + 16 * MIB));
    hf_arena_close(&arena);
}

/* Half of an odd number of pages is rounded to a whole number of pages. */
static void an_odd_number_of_pages_is_halved(void) {
    static struct recorder recorder;
    size_t page = fixture_page_size(), expected[] = {4003, 2001, 1000, 500, 250, 125, 62, 31, 17};
    size_t count = sizeof expected / sizeof *expected;
    recorder_init(&recorder, NULL);
    recorder.largest[RECORDER_RESERVE] = 17 * page;
    hf_arena arena = fixture_open((hf_arena_options){
        .reserve = 4003 * page, .least_reserve = 17 * page, .backend = &recorder.backend});
    CHECK_EQUAL(count, recorder_count(&recorder, RECORDER_RESERVE));
    for (size_t i = 0; i < count; i++)
        CHECK_EQUAL(expected[i] * page, recorder_nth(&recorder, RECORDER_RESERVE, i)->size);
    CHECK_EQUAL(17 * page, hf_arena_get_stats(&arena).reserved);
    CHECK(hf_alloc(&arena, 17 * page - 100, 1) != NULL);
    hf_arena_close(&arena);
}

static void halving_ends_at_the_least(void) {
    static struct recorder recorder;
    struct {
        size_t reserve, least, largest, expected; /* expected 0: HF_NO_ADDRESS */
    } rows[] = {
        {64 * MIB, 16 * MIB, 16 * MIB, 16 * MIB},
        {64 * MIB, 16 * MIB, 16 * MIB - 1, 0},
        {64 * MIB, 64 * MIB, 64 * MIB - 1, 0},
        {64 * MIB, 64 * MIB, 64 * MIB, 64 * MIB},
        {64 * MIB, 0, MIB, MIB},
        {64 * MIB, 0, MIB - 1, 0},
        {128 * KIB, 0, 128 * KIB, 128 * KIB},
        {128 * KIB, 0, 128 * KIB - 1, 0},
        {128 * KIB, 64 * KIB, 64 * KIB, 64 * KIB},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        AT("row %zu", i);
        recorder_init(&recorder, NULL);
        recorder.largest[RECORDER_RESERVE] = rows[i].largest;
        hf_arena_options options = {.reserve = rows[i].reserve,
                                    .least_reserve = rows[i].least,
                                    .backend = &recorder.backend};
        if (rows[i].expected == 0) {
            open_fails(HF_NO_ADDRESS, options);
            continue;
        }
        hf_arena arena = fixture_open(options);
        CHECK_EQUAL(rows[i].expected, hf_arena_get_stats(&arena).reserved);
        hf_arena_close(&arena);
    }
}

/* More addresses than any system has: the reservation is halved like every other. Where reserved
 * addresses cost memory, the recorder fails sizes above the default. */
static void the_largest_size_falls_back_too(void) {
    static struct recorder recorder;
    size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX / 2 + 1, SIZE_MAX - fixture_page_size() * 9};
    recorder_init(&recorder, NULL);
    if (process_pays_for_addresses()) recorder.largest[RECORDER_RESERVE] = default_reserve;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        AT("reserve %#zx", sizes[i]);
        hf_arena arena =
            fixture_open((hf_arena_options){.reserve = sizes[i], .backend = &recorder.backend});
        CHECK(hf_arena_get_stats(&arena).reserved >= MIB);
        CHECK(hf_alloc(&arena, 100, 8) != NULL);
        hf_arena_close(&arena);
    }
    open_fails(HF_NO_ADDRESS, (hf_arena_options){.reserve = SIZE_MAX, .least_reserve = SIZE_MAX});
    open_fails(HF_NO_ADDRESS, (hf_arena_options){.reserve = SIZE_MAX, .least_reserve = sizes[3]});
}

static void least_above_reserve_is_invalid(void) {
    open_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .least_reserve = 2 * MIB});
    open_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .least_reserve = SIZE_MAX});
    open_fails(HF_INVALID, (hf_arena_options){.reserve = 100, .least_reserve = 101});
}

/* With reserve 0, the default is raised to least_reserve. */
static void least_above_the_default_raises_it(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    size_t least = default_reserve + 64 * MIB;
    recorder.largest[RECORDER_RESERVE] = least - 1;
    open_fails(HF_NO_ADDRESS,
               (hf_arena_options){.least_reserve = least, .backend = &recorder.backend});
    CHECK_EQUAL(1, recorder_count(&recorder, RECORDER_RESERVE));
    CHECK_EQUAL(least, recorder_nth(&recorder, RECORDER_RESERVE, 0)->size);
}

static void other_modes_of_huge_pages_are_invalid(void) {
    int modes[] = {-1, 3, 77, 1 << 20};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        open_fails(HF_INVALID,
                   (hf_arena_options){.reserve = MIB, .huge_pages = (hf_huge_pages)modes[i]});
}

/* --------------------------------------------------------------------- bases --------------- */

static void an_unaligned_base_is_invalid(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    char *base = hf_arena_base(&arena);
    hf_arena_close(&arena);
    open_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .base = base + 1});
    open_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .base = base + fixture_page_size()});
    open_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .base = (void *)(uintptr_t)1});
}

static void a_base_whose_end_wraps_is_invalid(void) {
    void *last = (void *)(UINTPTR_MAX - HF_ALLOCATION_GRANULARITY + 1);
    open_fails(HF_INVALID, (hf_arena_options){.reserve = MIB, .least_reserve = MIB, .base = last});
}

static void opens_at_an_exact_base(void) {
    hf_arena first = fixture_open((hf_arena_options){.reserve = 16 * MIB});
    char *base = hf_arena_base(&first);
    hf_arena_close(&first);
    hf_arena again = fixture_open((hf_arena_options){.reserve = 16 * MIB, .base = base});
    CHECK(hf_arena_base(&again) == base);
    CHECK(hf_alloc(&again, MIB, 64) != NULL);
    CHECK(hf_arena_base(&again) == base);
    hf_arena_close(&again);
}

static void an_occupied_base_is_no_address(void) {
    hf_arena first = fixture_open((hf_arena_options){.reserve = 16 * MIB});
    char *block = hf_alloc(&first, 1000, 8), *base = hf_arena_base(&first);
    fill(block, 1000, 1);
    open_fails(HF_NO_ADDRESS, (hf_arena_options){.reserve = 16 * MIB, .base = base});
    open_fails(HF_NO_ADDRESS, (hf_arena_options){.reserve = MIB, .base = base + 15 * MIB});
    CHECK(is_filled(block, 1000, 1));
    CHECK(hf_alloc(&first, MIB, 8) != NULL);
    hf_arena_close(&first);
}

/* --------------------------------------------------------- failing backend calls ------------ */

static void no_pages_for_records_is_no_memory(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    recorder.largest[RECORDER_ALLOCATE_PAGES] = 0;
    open_fails(HF_NO_MEMORY, (hf_arena_options){.backend = &recorder.backend});
}

static void failed_hints_and_names_are_ignored(void) {
    static struct recorder recorder;
    recorder_init(&recorder, NULL);
    recorder.largest[RECORDER_ADVISE] = 0;
    hf_arena arena = fixture_open((hf_arena_options){
        .name = "n", .huge_pages = HF_HUGE_ALWAYS, .backend = &recorder.backend});
    CHECK(hf_alloc(&arena, 5 * MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    hf_arena_close(&arena);
}

static void a_backend_needs_no_hints_and_no_names(void) {
    static struct recorder recorder;
    for (int huge = HF_HUGE_AUTO; huge <= HF_HUGE_ALWAYS; huge++) {
        recorder_init(&recorder, NULL);
        recorder.backend.advise = NULL;
        recorder.backend.name = NULL;
        hf_arena arena = fixture_open((hf_arena_options){
            .name = "n", .huge_pages = (hf_huge_pages)huge, .backend = &recorder.backend});
        CHECK(hf_alloc(&arena, 5 * MIB, 8) != NULL);
        hf_arena_close(&arena);
    }
}

static void the_name_reaches_the_system(void) {
    static struct recorder recorder;
    static const char name[] = "entities";
    recorder_init(&recorder, NULL);
    hf_arena arena = fixture_open((hf_arena_options){.name = name, .backend = &recorder.backend});
    fill(hf_alloc(&arena, 1000, 1), 1000, 1);
    CHECK(recorder_count(&recorder, RECORDER_NAME) > 0);
    const struct recorder_call *call = recorder_nth(&recorder, RECORDER_NAME, 0);
    CHECK(strcmp(call->name, name) == 0);
    CHECK(hf_owns(&arena, call->address) && call->size > 0);
    hf_arena_close(&arena);

    recorder_init(&recorder, NULL);
    arena = fixture_open((hf_arena_options){.backend = &recorder.backend});
    CHECK(hf_alloc(&arena, 1000, 1) != NULL);
    CHECK_EQUAL(0, recorder_count(&recorder, RECORDER_NAME));
    hf_arena_close(&arena);
}

/* ---------------------------------------------------------------------- owning -------------- */

static void owns_its_reservation_and_nothing_else(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 4 * MIB});
    hf_arena other = fixture_open((hf_arena_options){.reserve = 4 * MIB});
    char *base = hf_arena_base(&arena), local;
    CHECK(hf_owns(&arena, base));
    CHECK(hf_owns(&arena, base + 1));
    CHECK(hf_owns(&arena, base + 4 * MIB - 1));
    CHECK(!hf_owns(&arena, base + 4 * MIB));
    CHECK(!hf_owns(&arena, base - 1));
    CHECK(!hf_owns(&arena, NULL));
    CHECK(!hf_owns(&arena, (void *)UINTPTR_MAX));
    CHECK(!hf_owns(&arena, &local));
    CHECK(!hf_owns(&arena, hf_arena_base(&other)));
    CHECK(hf_owns(&other, hf_arena_base(&other)));
    hf_arena_close(&other);
    hf_arena_close(&arena);
    CHECK(!hf_owns(&arena, base));
}

/* -------------------------------------------------------------------- closing -------------- */

static void closing_releases_everything(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    hf_arena arena = fixture_open((hf_arena_options){.reserve = 64 * MIB, .backend = strict});
    CHECK(hf_alloc(&arena, 20 * MIB, 64) != NULL);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK(hf_strict_get_stats(strict).regions >= 2);
    CHECK(hf_strict_get_stats(strict).pages > 0);
    hf_arena_close(&arena);
    is_zeroed(&arena);
    hf_strict_stats stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.violations + stats.regions + stats.pages + stats.files + stats.locks);
    hf_strict_close(strict);
}

static void returns_null(const hf_arena *arena, const void *pointer) {
    CHECK(pointer == NULL);
    is_zeroed(arena);
}

static void answers_as_closed(hf_arena *arena) {
    static const hf_arena_stats no_stats;
    size_t room = 1;
    char block[16] = "";
    hf_arena_stats stats = hf_arena_get_stats(arena);
    is_zeroed(arena);
    CHECK(memcmp(&stats, &no_stats, sizeof stats) == 0);
    CHECK(hf_arena_base(arena) == NULL);
    CHECK(!hf_owns(arena, NULL) && !hf_owns(arena, block));
    CHECK_EQUAL(0, hf_get_mark(arena));
    returns_null(arena, hf_alloc(arena, 1, 1));
    returns_null(arena, hf_alloc(arena, 0, 1));
    returns_null(arena, hf_alloc(arena, 0, HF_MAX_ALIGNMENT));
    returns_null(arena, hf_alloc(arena, SIZE_MAX, 8));
    returns_null(arena, hf_alloc_slow(arena, 1, 1));
    returns_null(arena, hf_alloc_zeroed(arena, 1, 1));
    returns_null(arena, hf_alloc_zeroed(arena, 0, 1));
    returns_null(arena, hf_alloc_array(arena, 1, 1, 1));
    returns_null(arena, hf_alloc_array(arena, 0, 0, 1));
    returns_null(arena, hf_new(arena, int));
    returns_null(arena, hf_new_array(arena, int, 3));
    CHECK(!hf_extend(arena, block, 8, 16) && !hf_extend(arena, NULL, 0, 16));
    CHECK(!hf_extend_zeroed(arena, block, 8, 16) && !hf_extend_zeroed(arena, NULL, 0, 0));
    returns_null(arena, hf_realloc(arena, NULL, 0, 16, 8));
    returns_null(arena, hf_realloc(arena, block, 8, 16, 8));
    returns_null(arena, hf_peek(arena, 1, &room));
    returns_null(arena, hf_peek(arena, 0, NULL));
    returns_null(arena, hf_strdup(arena, "text"));
    returns_null(arena, hf_strndup(arena, "text", 2));
    returns_null(arena, hf_memdup(arena, "text", 2));
    returns_null(arena, hf_asprintf(arena, "%d", 1));
    CHECK(hf_precommit(arena, 1) != HF_OK);
    CHECK(hf_rewind(arena, 1) != HF_OK);
    CHECK_EQUAL(0, hf_to_ref(arena, block));
    CHECK_EQUAL(0, hf_to_ref(arena, NULL));
    CHECK(hf_from_ref(arena, 0) == NULL && hf_from_ref(arena, 1) == NULL);
    CHECK(hf_from_ref(arena, UINT32_MAX) == NULL);
    is_zeroed(arena);
}

/* Calls that have nothing to do may return either HF_OK or HF_WRONG_STATE. */
static void does_nothing_when_closed(hf_arena *arena) {
    hf_rewind(arena, 0);
    hf_reset(arena);
    hf_trim(arena, 0);
    hf_trim(arena, SIZE_MAX);
    hf_precommit(arena, 0);
    hf_scope_end(hf_scope_begin(arena));
    is_zeroed(arena);
}

static void a_closed_arena_answers_every_call(void) {
    hf_arena closed = fixture_open((hf_arena_options){.reserve = MIB}), zeroed = {0};
    hf_scope scope = hf_scope_begin(&closed);
    CHECK(hf_alloc(&closed, 100, 1) != NULL);
    hf_arena_close(&closed);
    CHECK(hf_scope_end(scope) != HF_OK);
    answers_as_closed(&closed);
    answers_as_closed(&zeroed);
    does_nothing_when_closed(&closed);
    does_nothing_when_closed(&zeroed);
    hf_arena_close(&closed);
    hf_arena_close(&zeroed);
    hf_arena_close(NULL);
    is_zeroed(&closed);
    is_zeroed(&zeroed);
}

static void many_arenas_are_independent(void) {
    hf_arena arenas[20];
    char *blocks[20];
    for (unsigned i = 0; i < 20; i++) {
        arenas[i] = fixture_open((hf_arena_options){.reserve = 8 * MIB});
        blocks[i] = hf_alloc(&arenas[i], 10000 + i, 8);
        fill(blocks[i], 10000 + i, i);
    }
    for (unsigned i = 0; i < 20; i += 2) hf_arena_close(&arenas[i]);
    for (unsigned i = 1; i < 20; i += 2) CHECK(is_filled(blocks[i], 10000 + i, i));
    for (unsigned i = 1; i < 20; i += 2) hf_arena_close(&arenas[i]);
}

CHECK_MAIN(TEST(needs_no_options), TEST(zero_reserves_the_default), TEST(opening_commits_nothing),
           TEST(a_reservation_is_rounded_up_to_whole_pages), TEST(a_failed_reservation_is_halved),
           TEST(an_odd_number_of_pages_is_halved), TEST(halving_ends_at_the_least),
           TEST(the_largest_size_falls_back_too), TEST(least_above_reserve_is_invalid),
           TEST(least_above_the_default_raises_it), TEST(other_modes_of_huge_pages_are_invalid),
           TEST(an_unaligned_base_is_invalid), TEST(a_base_whose_end_wraps_is_invalid),
           TEST(opens_at_an_exact_base), TEST(an_occupied_base_is_no_address),
           TEST(no_pages_for_records_is_no_memory), TEST(failed_hints_and_names_are_ignored),
           TEST(a_backend_needs_no_hints_and_no_names), TEST(the_name_reaches_the_system),
           TEST(owns_its_reservation_and_nothing_else), TEST(closing_releases_everything),
           TEST(a_closed_arena_answers_every_call), TEST(many_arenas_are_independent))
