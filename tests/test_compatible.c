/*
 * Plays programs that were compiled for another version of holdfast. An older one passes structs
 * that end earlier, and has anything behind them: here POISON, which no option and no function
 * could be. A newer one passes structs that go on.
 */
#include <holdfast.h>

#include <string.h>

#include "check.h"
#include "disk.h"

enum { POISON = 0xee, MOST_BYTES = 4096 };

#define MIB ((size_t)1 << 20)

static void check_reason(const char *call) {
    CHECK(hf_last_error().reason != NULL);
    CHECK(strcmp(hf_last_error().call, call) == 0);
}

/* ------------------------------------------------------------------ options -------------- */

/* The options of a program, and what lies behind them. */
union arena_memory {
    hf_arena_options options;
    unsigned char bytes[MOST_BYTES + 1];
};

union space_memory {
    hf_space_options options;
    unsigned char bytes[MOST_BYTES + 1];
};

/* Where the fields of hf_arena_options begin: an older version could end before each but the first.
 */
static const size_t arena_ends[] = {
    offsetof(hf_arena_options, least_reserve), offsetof(hf_arena_options, base),
    offsetof(hf_arena_options, retain),        offsetof(hf_arena_options, huge_pages),
    offsetof(hf_arena_options, populate),      offsetof(hf_arena_options, fault_after_rewind),
    offsetof(hf_arena_options, on_failure),    offsetof(hf_arena_options, user),
    offsetof(hf_arena_options, name),          offsetof(hf_arena_options, backend),
    offsetof(hf_arena_options, tag),           offsetof(hf_arena_options, any_base),
    offsetof(hf_arena_options, unused),        sizeof(hf_arena_options)};

enum { ENDS = sizeof arena_ends / sizeof *arena_ends };

/* A program whose options have `size` bytes; it names a reservation. */
static union arena_memory arena_options_of(size_t size) {
    union arena_memory memory;
    memset(&memory, 0, sizeof memory);
    memory.options.reserve = 16 * MIB;
    memset(memory.bytes + size, POISON, sizeof memory - size);
    return memory;
}

static void use_and_close(hf_arena *arena) {
    CHECK(hf_alloc(arena, MIB, 1) != NULL);
    CHECK(hf_alloc(arena, 100 * MIB, 1) == NULL); /* calls an on_failure, if there is one */
    CHECK(hf_owns(arena, hf_arena_base(arena) + 16 * MIB - 1));
    CHECK_STATUS(HF_OK, hf_reset(arena));
    hf_arena_close(arena);
}

static void an_arena_of_an_older_program_has_the_defaults(void) {
    for (size_t i = 0; i < ENDS; i++) {
        size_t outer = check_enter("options of %zu bytes", arena_ends[i]);
        union arena_memory older = arena_options_of(arena_ends[i]);
        hf_arena arena;
        CHECK_STATUS(HF_OK, hf_arena_open_sized(&arena, &older.options, arena_ends[i]));
        use_and_close(&arena);
        check_leave(outer);
    }
}

static void the_scratch_of_an_older_program_has_the_defaults(void) {
    for (size_t i = 0; i < ENDS; i++) {
        union arena_memory older = arena_options_of(arena_ends[i]);
        hf_scratch scratch;
        CHECK_STATUS(HF_OK, hf_scratch_open_sized(&scratch, &older.options, arena_ends[i]));
        use_and_close(&scratch.arenas[0]);
        use_and_close(&scratch.arenas[1]);
    }
}

static bool has_views(void) { return hf_backend_native()->map_free == NULL; }

static void an_image_of_an_older_program_has_the_defaults(void) {
    if (!has_views()) {
        check_skip("this system has no views in a space");
        return;
    }
    for (size_t i = 0; i < ENDS; i++) {
        union arena_memory older = arena_options_of(arena_ends[i]);
        hf_arena arena;
        CHECK_STATUS(HF_OK, hf_arena_open_file_sized(&arena, "compatible.image", HF_READ_WRITE,
                                                     &older.options, arena_ends[i]));
        use_and_close(&arena);
        disk_remove("compatible.image");
    }
}

static void a_space_of_an_older_program_has_the_defaults(void) {
    static const size_t ends[] = {offsetof(hf_space_options, least),
                                  offsetof(hf_space_options, name),
                                  offsetof(hf_space_options, backend), sizeof(hf_space_options)};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        union space_memory older;
        memset(&older, POISON, sizeof older);
        memset(&older, 0, ends[i]);
        hf_space *space;
        CHECK_STATUS(HF_OK, hf_space_open_sized(&space, MIB, &older.options, ends[i]));
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB));
        hf_space_close(space);
    }
}

/* The status of each function that takes options, all of which the library reads alike. */
static hf_status open_all(const union arena_memory *options, size_t size) {
    hf_arena arena;
    hf_scratch scratch;
    hf_status status = hf_arena_open_sized(&arena, &options->options, size);
    if (status == HF_OK) hf_arena_close(&arena);
    CHECK_EQUAL(status, hf_scratch_open_sized(&scratch, &options->options, size));
    if (status == HF_OK) hf_scratch_close(&scratch);
    if (status == HF_OK) return HF_OK;
    CHECK(arena.state == NULL && scratch.arenas[0].state == NULL);
    check_reason("hf_scratch_open");
    CHECK_STATUS(status, hf_arena_open_file_sized(&arena, "compatible.image", HF_READ_WRITE,
                                                  &options->options, size));
    check_reason("hf_arena_open_file");
    CHECK(!disk_exists("compatible.image"));
    return status;
}

static void an_option_of_a_newer_program_is_unsupported(void) {
    const size_t known = sizeof(hf_arena_options), sizes[] = {known + 1, known + 8, MOST_BYTES};
    for (size_t i = 0; i < 3; i++) {
        union arena_memory newer = arena_options_of(sizes[i]);
        CHECK_STATUS(HF_OK, open_all(&newer, sizes[i])); /* all 0: the defaults */
        newer.bytes[sizes[i] - 1] = 1;
        CHECK_STATUS(HF_UNSUPPORTED, open_all(&newer, sizes[i]));
        newer.bytes[sizes[i] - 1] = 0;
        newer.bytes[known] = 1;
        CHECK_STATUS(HF_UNSUPPORTED, open_all(&newer, sizes[i]));
    }
}

static void an_option_in_place_of_padding_is_unsupported(void) {
    for (size_t i = offsetof(hf_arena_options, unused); i < sizeof(hf_arena_options); i++) {
        union arena_memory newer = arena_options_of(sizeof(hf_arena_options));
        newer.bytes[i] = 1;
        CHECK_STATUS(HF_UNSUPPORTED, open_all(&newer, sizeof(hf_arena_options)));
        hf_arena arena;
        CHECK_STATUS(HF_UNSUPPORTED, hf_arena_open(&arena, &newer.options));
    }
}

static void a_space_option_of_a_newer_program_is_unsupported(void) {
    union space_memory newer;
    size_t size = sizeof(hf_space_options) + sizeof(void *);
    hf_space *space;
    memset(&newer, 0, sizeof newer);
    CHECK_STATUS(HF_OK, hf_space_open_sized(&space, MIB, &newer.options, size));
    hf_space_close(space);
    newer.bytes[size - 1] = 1;
    CHECK_STATUS(HF_UNSUPPORTED, hf_space_open_sized(&space, MIB, &newer.options, size));
    check_reason("hf_space_open");
}

static void a_size_that_no_options_have_is_invalid(void) {
    static const size_t sizes[] = {0, MOST_BYTES + 1, SIZE_MAX};
    for (size_t i = 0; i < 3; i++) {
        union arena_memory memory = arena_options_of(MOST_BYTES + 1);
        hf_space *space;
        hf_arena arena;
        CHECK_STATUS(HF_INVALID, open_all(&memory, sizes[i]));
        CHECK_STATUS(HF_INVALID,
                     hf_space_open_sized(&space, MIB, &(hf_space_options){0}, sizes[i]));
        check_reason("hf_space_open");
        CHECK_STATUS(HF_OK, hf_arena_open_sized(&arena, NULL, sizes[i]));
        hf_arena_close(&arena);
    }
}

/* They are functions: a program can pass their addresses on. */
static void the_functions_that_open_have_addresses(void) {
    hf_status (*open_arena)(hf_arena *, const hf_arena_options *) = hf_arena_open;
    hf_status (*open_space)(hf_space **, size_t, const hf_space_options *) = hf_space_open;
    hf_arena arena;
    hf_space *space;
    CHECK_STATUS(HF_OK, open_arena(&arena, &(hf_arena_options){.reserve = MIB, .name = "a"}));
    CHECK_STATUS(HF_OK, open_space(&space, MIB, &(hf_space_options){.least = 0, .name = "s"}));
    hf_arena_close(&arena);
    hf_space_close(space);
}

/* ------------------------------------------------------------------ backends ------------- */

/* The table of a program, and what lies behind it. */
union table_memory {
    hf_backend table;
    unsigned char bytes[MOST_BYTES + sizeof(void *)];
};

/* The functions that every version has; the optional ones follow. */
enum { REQUIRED_BYTES = offsetof(hf_backend, cheap_reserve) };

/* A program whose table has `size` bytes: a copy of the native backend. */
static union table_memory table_of(size_t size) {
    union table_memory memory;
    memset(&memory, POISON, sizeof memory);
    memcpy(&memory, hf_backend_native(), size < sizeof(hf_backend) ? size : sizeof(hf_backend));
    memory.table.size = size;
    return memory;
}

/* The size in a copy says what an older program copied, not what the library has. */
static void a_copy_of_the_native_backend_has_the_size_of_the_first_version(void) {
    CHECK_EQUAL(offsetof(hf_backend, file_remove_named) + sizeof(void *),
                hf_backend_native()->size);
}

/* Steps for which a space uses optional functions: name, advise, release_run, check. */
static void use_space(const hf_backend *backend) {
    size_t page_size = backend->page_size(backend);
    hf_space_options options = {.name = "older", .backend = backend};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB, &options));
    for (size_t i = 0; i < 3; i++)
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, i * page_size, page_size));
    CHECK_STATUS(HF_UNSUPPORTED, hf_space_advise(space, 0, page_size, HF_ADVISE_POPULATE));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 3 * page_size));
    hf_space_close(space);
}

/* cheap_reserve, advise, file_granularity, file_flush. */
static void use_arenas(const hf_backend *backend) {
    hf_arena_options options = {.backend = backend, .huge_pages = HF_HUGE_ALWAYS, .any_base = true};
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    CHECK(hf_alloc(&arena, 5 * MIB, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    hf_arena_close(&arena);
    if (!has_views()) return;
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, "older.image", HF_READ_WRITE, &options));
    CHECK(hf_alloc(&arena, 100000, 1) != NULL);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    disk_remove("older.image");
}

/* map_free. */
static void use_ring(const hf_backend *backend) {
    hf_ring *ring;
    CHECK_STATUS(has_views() ? HF_OK : HF_UNSUPPORTED, hf_ring_open(&ring, 65536, backend));
    if (has_views()) hf_ring_close(ring);
}

static void the_backend_of_an_older_program_works(void) {
    union table_memory older = table_of(REQUIRED_BYTES);
    hf_backend *strict;
    use_space(&older.table);
    use_arenas(&older.table);
    use_ring(&older.table);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &older.table));
    CHECK(strict->pause == NULL && strict->file_forget == NULL && strict->file_seal == NULL);
    use_space(strict);
    use_arenas(strict);
    use_ring(strict);
    CHECK_EQUAL(0, hf_strict_get_stats(strict).violations);
    hf_strict_close(strict);
}

static hf_status fail_transiently(const hf_backend *self, void *address, size_t size,
                                  hf_report *report) {
    (void)self, (void)address, (void)size;
    report->is_transient = true;
    return HF_NO_MEMORY;
}

static hf_status fail_to_sync(const hf_backend *self, intptr_t file, hf_report *report) {
    (void)self, (void)file;
    report->call = "fsync";
    return HF_IO;
}

/* file_seal, file_is_sealed, file_punch_hole, file_create_named, file_open_named,
 * file_remove_named. */
static void use_files(const hf_backend *backend) {
    hf_file *file, *none = NULL;
    size_t page_size = backend->page_size(backend);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size, backend));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_seal(file));
    check_reason("hf_file_seal");
    CHECK(!hf_file_is_sealed(file));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_punch_hole(file, 0, page_size));
    check_reason("hf_file_punch_hole");
    hf_file_close(file);
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_create_named(&none, "compatible", 1, backend));
    check_reason("hf_file_create_named");
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_open_named(&none, "compatible", HF_READ_ONLY, backend));
    check_reason("hf_file_open_named");
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_remove_named("compatible", backend));
    check_reason("hf_file_remove_named");
    CHECK(none == NULL);
}

static void the_files_of_an_older_program_lack_what_is_newer(void) {
    union table_memory older = table_of(REQUIRED_BYTES);
    hf_backend *strict;
    use_files(&older.table);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &older.table));
    use_files(strict);
    hf_strict_close(strict);
}

/* pause, file_forget. */
static void the_failing_backend_of_an_older_program_works(void) {
    union table_memory older = table_of(REQUIRED_BYTES);
    hf_arena_options options = {.backend = &older.table, .any_base = true};
    hf_arena arena;
    older.table.commit = fail_transiently;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    CHECK(hf_alloc(&arena, MIB, 1) == NULL);
    hf_arena_close(&arena);
    if (!has_views()) return;
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, "older.image", HF_READ_WRITE, &options));
    older.table.file_sync = fail_to_sync;
    CHECK_STATUS(HF_IO, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    disk_remove("older.image");
}

static void the_backend_of_a_newer_program_works(void) {
    union table_memory newer = table_of(MOST_BYTES);
    hf_space_options options = {.name = "newer", .backend = &newer.table};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, MIB, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, MIB));
    CHECK_STATUS(HF_OK, hf_space_check(space));
    hf_space_close(space);
}

static void check_invalid(const char *call, hf_status status) {
    CHECK_STATUS(HF_INVALID, status);
    check_reason(call);
}

/* Every function that takes a backend, by itself or in options. */
static void check_all_invalid(const hf_backend *backend) {
    hf_arena_options options = {.backend = backend};
    hf_arena arena;
    hf_scratch scratch;
    hf_space *space;
    hf_file *file;
    hf_ring *ring;
    hf_backend *strict;
    check_invalid("hf_arena_open", hf_arena_open(&arena, &options));
    check_invalid("hf_arena_open", hf_scratch_open(&scratch, &options));
    check_invalid("hf_arena_open_file",
                  hf_arena_open_file(&arena, "compatible.image", HF_READ_WRITE, &options));
    check_invalid("hf_space_open",
                  hf_space_open(&space, MIB, &(hf_space_options){.backend = backend}));
    check_invalid("hf_file_open", hf_file_open(&file, "none", HF_READ_ONLY, backend));
    check_invalid("hf_file_create", hf_file_create(&file, "compatible.file", 1, backend));
    check_invalid("hf_file_create_shared", hf_file_create_shared(&file, 1, backend));
    check_invalid("hf_file_from_handle", hf_file_from_handle(&file, 0, HF_READ_ONLY, backend));
    check_invalid("hf_file_create_named", hf_file_create_named(&file, "compatible", 1, backend));
    check_invalid("hf_file_open_named",
                  hf_file_open_named(&file, "compatible", HF_READ_ONLY, backend));
    check_invalid("hf_file_remove_named", hf_file_remove_named("compatible", backend));
    check_invalid("hf_ring_open", hf_ring_open(&ring, 1, backend));
    check_invalid("hf_strict_open", hf_strict_open(&strict, backend));
}

static void a_size_that_no_backend_has_is_invalid(void) {
    static const size_t sizes[] = {0, REQUIRED_BYTES - sizeof(void *), sizeof(hf_backend) - 1,
                                   MOST_BYTES + sizeof(void *), SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t outer = check_enter("a table of %zu bytes", sizes[i]);
        hf_backend backend = *hf_backend_native();
        backend.size = sizes[i];
        check_all_invalid(&backend);
        check_leave(outer);
    }
}

CHECK_MAIN(TEST(an_arena_of_an_older_program_has_the_defaults),
           TEST(the_scratch_of_an_older_program_has_the_defaults),
           TEST(an_image_of_an_older_program_has_the_defaults),
           TEST(a_space_of_an_older_program_has_the_defaults),
           TEST(an_option_of_a_newer_program_is_unsupported),
           TEST(an_option_in_place_of_padding_is_unsupported),
           TEST(a_space_option_of_a_newer_program_is_unsupported),
           TEST(a_size_that_no_options_have_is_invalid),
           TEST(the_functions_that_open_have_addresses),
           TEST(a_copy_of_the_native_backend_has_the_size_of_the_first_version),
           TEST(the_backend_of_an_older_program_works),
           TEST(the_files_of_an_older_program_lack_what_is_newer),
           TEST(the_failing_backend_of_an_older_program_works),
           TEST(the_backend_of_a_newer_program_works), TEST(a_size_that_no_backend_has_is_invalid))
