/*
 * The contents of hf_last_error() after each failure of an arena: status, call, offset, size and
 * the system's code.
 */
#include "arena_fixture.h"
#include "recorder.h"

enum { RESERVED = 16 * 1024 * 1024 };

static struct recorder recorder;
static hf_arena arena;

/* Checks the last error. os_code is the recorder's if the backend was called. */
#define LAST_ERROR_IS(status, call, offset, size) \
    last_error_is(__LINE__, (status), (call), (offset), (size))

static void last_error_is(int line, hf_status status, const char *call, size_t offset,
                          size_t size) {
    hf_error error = hf_last_error();
    size_t outer = check_enter("line %d", line);
    CHECK_EQUAL(status, error.status);
    CHECK(error.call != NULL && strcmp(call, error.call) == 0);
    CHECK_EQUAL(offset, error.offset);
    CHECK_EQUAL(size, error.size);
    CHECK_EQUAL(strcmp(call, "recorder") == 0 ? RECORDER_ERROR_CODE : 0, error.os_code);
    CHECK(!error.undo_failed);
    check_leave(outer);
}

static void prepare(hf_arena_options options) {
    recorder_init(&recorder, NULL);
    if (options.reserve == 0) options.reserve = RESERVED;
    options.backend = &recorder.backend;
    arena = fixture_open(options);
}

static void opening(void) {
    recorder_init(&recorder, NULL);
    hf_arena_options options = {.reserve = 100, .least_reserve = 101, .backend = &recorder.backend};
    CHECK(hf_arena_open(&arena, &options) != HF_OK);
    LAST_ERROR_IS(HF_INVALID, "hf_arena_open", 0, 100);
    options = (hf_arena_options){.huge_pages = (hf_huge_pages)77};
    CHECK(hf_arena_open(&arena, &options) != HF_OK);
    LAST_ERROR_IS(HF_INVALID, "hf_arena_open", 0, 0);
    options = (hf_arena_options){.reserve = MIB, .base = (void *)(uintptr_t)4096};
    CHECK(hf_arena_open(&arena, &options) != HF_OK);
    LAST_ERROR_IS(HF_INVALID, "hf_arena_open", 0, MIB);
    options = (hf_arena_options){.reserve = MIB, .backend = &recorder.backend};
    options.base = (void *)(0 - (uintptr_t)HF_ALLOCATION_GRANULARITY);
    options.least_reserve = MIB;
    CHECK(hf_arena_open(&arena, &options) != HF_OK);
    LAST_ERROR_IS(HF_INVALID, "hf_space_open", 0, MIB);
    options = (hf_arena_options){
        .reserve = 8 * MIB, .least_reserve = 3 * MIB, .backend = &recorder.backend};
    recorder.largest[RECORDER_RESERVE] = 0;
    CHECK(hf_arena_open(&arena, &options) != HF_OK);
    LAST_ERROR_IS(HF_NO_ADDRESS, "recorder", 0, 3 * MIB);
    recorder.largest[RECORDER_ALLOCATE_PAGES] = 0;
    CHECK(hf_arena_open(&arena, &options) != HF_OK);
    LAST_ERROR_IS(HF_NO_MEMORY, "recorder", 0,
                  recorder_nth(&recorder, RECORDER_ALLOCATE_PAGES,
                               recorder_count(&recorder, RECORDER_ALLOCATE_PAGES) - 1)
                      ->size);
}

static void allocating(void) {
    prepare((hf_arena_options){0});
    size_t used = 1000;
    if (!fixture_is_exact()) check_leave_out("under a checker positions are no sums of sizes");
    CHECK(hf_alloc(&arena, used, 1) != NULL);
    used = hf_get_mark(&arena);
    CHECK(hf_alloc(&arena, 10, 3) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_alloc", used, 10);
    CHECK(hf_alloc(&arena, 10, 2 * HF_MAX_ALIGNMENT) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_alloc", used, 10);
    CHECK(hf_alloc(&arena, RESERVED, 1) == NULL);
    LAST_ERROR_IS(HF_RESERVE_FULL, "hf_alloc", used, RESERVED);
    CHECK(hf_alloc_zeroed(&arena, SIZE_MAX, 1) == NULL);
    LAST_ERROR_IS(HF_RESERVE_FULL, "hf_alloc", used, SIZE_MAX);
    CHECK(hf_alloc_array(&arena, SIZE_MAX / 2, 3, 1) == NULL);
    LAST_ERROR_IS(HF_RESERVE_FULL, "hf_alloc", used, SIZE_MAX);
    CHECK(hf_memdup(&arena, NULL, 5) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_memdup", used, 5);
    CHECK(hf_memdup(&arena, "bytes", RESERVED) == NULL);
    LAST_ERROR_IS(HF_RESERVE_FULL, "hf_alloc", used, RESERVED);
    CHECK(hf_strdup(&arena, NULL) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_strdup", used, 0);
    CHECK(hf_strndup(&arena, NULL, 7) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_strndup", used, 7);
    const char *volatile no_format = NULL;
    va_list none;
    memset(&none, 0, sizeof none);
    CHECK(hf_vasprintf(&arena, no_format, none) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_asprintf", used, 0);
    CHECK_STATUS(HF_RESERVE_FULL, hf_precommit(&arena, RESERVED));
    LAST_ERROR_IS(HF_RESERVE_FULL, "hf_precommit", used, RESERVED);
    if (fixture_is_exact()) {
        CHECK(hf_peek(&arena, RESERVED, NULL) == NULL);
        LAST_ERROR_IS(HF_RESERVE_FULL, "hf_peek", used, RESERVED);
    }
    hf_arena_close(&arena);
}

/* The offset is limit, the size exactly what was needed. */
static void growing(void) {
    prepare((hf_arena_options){0});
    CHECK_STATUS(HF_OK, hf_precommit(&arena, 100000));
    size_t limit = hf_arena_get_stats(&arena).committed, page = fixture_page_size();
    recorder.largest[RECORDER_COMMIT] = 0;
    CHECK_STATUS(HF_NO_MEMORY, hf_precommit(&arena, limit + 3 * page - 5));
    LAST_ERROR_IS(HF_NO_MEMORY, "recorder", limit, 3 * page);
    recorder.error[RECORDER_COMMIT] = HF_MAP_LIMIT;
    CHECK(hf_alloc(&arena, limit + page - 100, 1) == NULL);
    LAST_ERROR_IS(HF_MAP_LIMIT, "recorder", limit, page);
    hf_arena_close(&arena);
}

static void extending(void) {
    prepare((hf_arena_options){0});
    char *first = hf_alloc(&arena, 64, 8), *last = hf_alloc(&arena, 64, 8);
    size_t offset = (size_t)(last - hf_arena_base(&arena)), used = hf_get_mark(&arena);
    char stranger[8];
    CHECK(!hf_extend(&arena, stranger, 8, 16));
    LAST_ERROR_IS(HF_INVALID, "hf_extend", used, 16);
    CHECK(!hf_extend(&arena, first, 64, 65));
    LAST_ERROR_IS(HF_WRONG_STATE, "hf_extend", 0, 65);
    if (fixture_is_exact()) {
        CHECK(!hf_extend(&arena, last, 64, RESERVED));
        LAST_ERROR_IS(HF_RESERVE_FULL, "hf_extend", offset, RESERVED);
    }
    CHECK(hf_realloc(&arena, stranger, 8, 16, 8) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_realloc", used, 16);
    CHECK(hf_realloc(&arena, first, 64, 128, 3) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_realloc", used, 128);
    CHECK(hf_realloc(&arena, first, 64, RESERVED, 8) == NULL);
    LAST_ERROR_IS(HF_RESERVE_FULL, "hf_alloc", used, RESERVED);
    hf_arena_close(&arena);
}

static bool free_all(hf_arena *failed, hf_status status, size_t size, void *user) {
    (void)status, (void)size, (void)user;
    CHECK_STATUS(HF_OK, hf_rewind(failed, 0));
    return true;
}

static void copying(void) {
    prepare((hf_arena_options){.on_failure = free_all});
    CHECK(hf_alloc(&arena, 1000, 8) != NULL);
    char *block = hf_alloc(&arena, 9 * MIB, 8);
    size_t offset = (size_t)(block - hf_arena_base(&arena));
    memset(block, 'x', 9 * MIB - 1);
    block[9 * MIB - 1] = '\0';
    CHECK(hf_memdup(&arena, block, 9 * MIB) == NULL);
    LAST_ERROR_IS(HF_WRONG_STATE, "hf_memdup", offset, 9 * MIB);
    hf_arena_close(&arena);
}

static void going_back(void) {
    prepare((hf_arena_options){0});
    CHECK(hf_alloc(&arena, 9 * MIB / 2, 1) != NULL);
    size_t used = hf_get_mark(&arena);
    CHECK_STATUS(HF_INVALID, hf_rewind(&arena, used + 1));
    LAST_ERROR_IS(HF_INVALID, "hf_rewind", used + 1, 0);
    hf_scope scope = hf_scope_begin(&arena);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(scope));
    LAST_ERROR_IS(HF_WRONG_STATE, "hf_scope_end", used, 0);
    recorder.largest[RECORDER_DECOMMIT] = 0;
    CHECK_STATUS(HF_NO_MEMORY, hf_trim(&arena, 0));
    size_t end = hf_arena_get_stats(&arena).committed;
    size_t keep = round_up(used, fixture_page_size());
    LAST_ERROR_IS(HF_NO_MEMORY, "recorder", keep, end - keep);
    hf_arena_close(&arena);
}

static void refs_and_roots(void) {
    prepare((hf_arena_options){0});
    char *block = hf_alloc(&arena, 64, 8);
    CHECK_EQUAL(0, hf_to_ref(&arena, block + 4));
    LAST_ERROR_IS(HF_INVALID, "hf_to_ref", 4, 0);
    CHECK_STATUS(HF_INVALID, hf_arena_set_root(&arena, block + RESERVED));
    LAST_ERROR_IS(HF_INVALID, "hf_arena_set_root", RESERVED, 0);
    hf_arena_close(&arena);
}

static void files_and_images(void) {
    prepare((hf_arena_options){0});
    void *data;
    size_t size;
    CHECK_STATUS(HF_INVALID, hf_arena_append_file(&arena, "none", HF_READ_WRITE, &data, &size));
    LAST_ERROR_IS(HF_INVALID, "hf_arena_append_file", 0, 0);
    CHECK_STATUS(HF_WRONG_STATE, hf_arena_sync(&arena));
    LAST_ERROR_IS(HF_WRONG_STATE, "hf_arena_sync", 0, 0);
    CHECK_STATUS(HF_INVALID, hf_arena_save(&arena, ""));
    LAST_ERROR_IS(HF_INVALID, "hf_arena_save", 0, 0);
    hf_arena other;
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&other, NULL, HF_READ_WRITE, NULL));
    LAST_ERROR_IS(HF_INVALID, "hf_arena_open_file", 0, 0);
    hf_arena_options options = {.reserve = MIB, .least_reserve = 2 * MIB};
    CHECK_STATUS(HF_INVALID, hf_arena_open_file(&other, "none", HF_READ_ONLY, &options));
    LAST_ERROR_IS(HF_INVALID, "hf_arena_open_file", 0, MIB);
    hf_arena_close(&arena);
}

static void calls_on_a_closed_arena(void) {
    hf_arena closed = {0};
    CHECK(hf_alloc(&closed, 10, 1) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_alloc", 0, 10);
    CHECK(hf_peek(&closed, 10, NULL) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_peek", 0, 10);
    CHECK(hf_strdup(&closed, "text") == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_strdup", 0, 5);
    CHECK(hf_memdup(&closed, "text", 3) == NULL);
    LAST_ERROR_IS(HF_INVALID, "hf_memdup", 0, 3);
    CHECK_STATUS(HF_INVALID, hf_precommit(&closed, 10));
    LAST_ERROR_IS(HF_INVALID, "hf_precommit", 0, 10);
    CHECK_STATUS(HF_INVALID, hf_rewind(&closed, 10));
    LAST_ERROR_IS(HF_INVALID, "hf_rewind", 10, 0);
    CHECK_STATUS(HF_INVALID, hf_reset(&closed));
    LAST_ERROR_IS(HF_INVALID, "hf_reset", 0, 0);
    CHECK_STATUS(HF_INVALID, hf_trim(&closed, 10));
    LAST_ERROR_IS(HF_INVALID, "hf_trim", 0, 10);
    CHECK_STATUS(HF_WRONG_STATE, hf_scope_end(hf_scope_begin(&closed)));
    LAST_ERROR_IS(HF_WRONG_STATE, "hf_scope_end", 0, 0);
}

CHECK_MAIN(TEST(opening), TEST(allocating), TEST(growing), TEST(extending), TEST(copying),
           TEST(going_back), TEST(refs_and_roots), TEST(files_and_images),
           TEST(calls_on_a_closed_arena))
