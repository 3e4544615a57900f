/*
 * The library's assertions fire: each of the errors below breaks one precondition or invariant, by
 * a call of an internal function or by a store into the library's own records, and must end its
 * process with SIGABRT and the assertion's text. The same calls without the error must not.
 *
 * Built only where the library has assertions, that is, without NDEBUG. POSIX only, because each
 * error is made in a forked child.
 */
#define _GNU_SOURCE /* fork, pipe beside ISO C */

#ifdef NDEBUG
#error "without assertions there is nothing to test"
#endif

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena_core.h"
#include "check.h"
#include "holdfast/backend.h"
#include "holdfast/ring.h"
#include "image_header.h"
#include "region_map.h"

/* ---------------------------------------------------------------- children ------------------ */

static void run_in_child(void (*error)(void), int report) {
    struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    check_stands_alone();
    dup2(report, STDERR_FILENO);
    error();
    _exit(EXIT_SUCCESS);
}

/* Reads what the child writes to stderr, until it ends. */
static void read_report(int from, char *text, size_t room) {
    size_t length = 0;
    for (ssize_t got; (got = read(from, text + length, room - 1 - length)) > 0;)
        length += (size_t)got;
    text[length] = '\0';
}

/* Runs the function in a forked child; returns its wait status. */
static int status_of_child(void (*function)(void), char *text, size_t room) {
    int ends[2], status;
    fflush(NULL);
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) run_in_child(function, ends[1]);
    close(ends[1]);
    read_report(ends[0], text, room);
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child);
    return status;
}

/* The error aborts, and the message has this text: a part of the assertion's condition. */
static void expect_assertion(const char *name, void (*error)(void), const char *condition) {
    char text[4096];
    int status = status_of_child(error, text, sizeof text);
    size_t outer = check_enter("%s: status %#x, \"%.600s\"", name, (unsigned)status, text);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    CHECK(strstr(text, "ssertion") && strstr(text, condition));
    check_leave(outer);
}

#define ASSERTS(error, condition) expect_assertion(#error, error, condition)

static void expect_nothing(void (*function)(void)) {
    char text[4096];
    int status = status_of_child(function, text, sizeof text);
    size_t outer = check_enter("status %#x, \"%.600s\"", (unsigned)status, text);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS);
    CHECK_EQUAL('\0', text[0]);
    check_leave(outer);
}

/* ---------------------------------------------------------------- region map ---------------- */

enum { SIZE = 1000 };

static _Alignas(hf_node) char records[4096];

static hf_region_map map;

/* Regions at 0, 100, 200 ... 900. */
static void open_map(void) {
    memset(records, 0, sizeof records);
    hf_region_map_open(&map, hf_backend_native(), SIZE, records, sizeof records);
    for (size_t offset = 100; offset < SIZE; offset += 100)
        hf_region_map_cut(&map, hf_region_map_find(&map, offset), offset);
}

static hf_node *node_at(size_t offset) { return hf_region_map_find(&map, offset); }

static void edits_of_a_sound_map(void) {
    open_map();
    hf_region_map_cut(&map, node_at(400), 450);
    hf_region_map_absorb_next(&map, node_at(400));
    hf_region_map_close(&map);
}

static void cut_without_a_record(void) {
    open_map();
    map.free_count = 0;
    hf_region_map_cut(&map, node_at(400), 450);
}

static void cut_at_the_end_of_a_region(void) {
    open_map();
    hf_region_map_cut(&map, node_at(400), 500);
}

static void absorption_up_to_the_middle_of_a_region(void) {
    open_map();
    hf_region_map_absorb_until(&map, node_at(0), 450);
}

static void absorption_of_what_lies_below(void) {
    open_map();
    hf_region_map_absorb_until(&map, node_at(400), 300);
}

static void edit_of_a_map_with_a_wrong_sum(void) {
    open_map();
    map.root->sums.bytes[HF_COMMITTED]++;
    hf_region_map_cut(&map, node_at(400), 450);
}

static void absorption_of_nothing(void) {
    open_map();
    hf_region_map_absorb_next(&map, node_at(900));
}

static void search_behind_the_end(void) {
    open_map();
    node_at(SIZE);
}

static void edit_beside_a_wrong_link(void) {
    open_map();
    node_at(500)->previous = node_at(300);
    hf_region_map_cut(&map, node_at(400), 450);
}

static void edit_of_a_region_out_of_order(void) {
    open_map();
    hf_node *node = node_at(400);
    node->offset = 250;
    hf_region_map_absorb_next(&map, node);
}

static void the_region_map(void) {
    expect_nothing(edits_of_a_sound_map);
    ASSERTS(cut_without_a_record, "map->free_count > 0");
    ASSERTS(cut_at_the_end_of_a_region, "offset < hf_node_end(map, node)");
    ASSERTS(absorption_up_to_the_middle_of_a_region, "behind->offset == end");
    ASSERTS(absorption_of_what_lies_below, "end >= hf_node_end(map, node)");
    ASSERTS(edit_of_a_map_with_a_wrong_sum, "map_is_sum_right(map)");
    ASSERTS(absorption_of_nothing, "node->next != NULL");
    ASSERTS(search_behind_the_end, "offset < map->size");
    ASSERTS(edit_beside_a_wrong_link, "map_is_linked(map, node)");
    ASSERTS(edit_of_a_region_out_of_order, "map_is_linked(map, node)");
}

/* Far from the edit: only a proof of the whole map finds these. */
static void edit_of_a_map_with_a_wrong_height(void) {
    open_map();
    node_at(900)->height++;
    hf_region_map_cut(&map, node_at(0), 50);
}

static void edit_of_a_map_with_a_wrong_free_count(void) {
    open_map();
    map.free_count--;
    hf_region_map_cut(&map, node_at(0), 50);
}

static void the_whole_region_map(void) {
#ifdef HF_PROVE
    ASSERTS(edit_of_a_map_with_a_wrong_height, "map_is_proven(map)");
    ASSERTS(edit_of_a_map_with_a_wrong_free_count, "map_is_proven(map)");
#else
    expect_nothing(edit_of_a_map_with_a_wrong_height);
    expect_nothing(edit_of_a_map_with_a_wrong_free_count);
#endif
}

/* --------------------------------------------------------------------- space ---------------- */

/* The native backend, which also records where the records of the space are. */
static hf_backend watching;
static size_t *pages, page_bytes;

static hf_status watch_pages(const hf_backend *self, size_t size, void **address,
                             hf_report *report) {
    hf_status status = hf_backend_native()->allocate_pages(self, size, address, report);
    pages = *address;
    page_bytes = size;
    return status;
}

static hf_space *open_watched(size_t page_count) {
    hf_space *space;
    watching = *hf_backend_native();
    watching.allocate_pages = watch_pages;
    hf_space_options options = {.backend = &watching};
    CHECK_STATUS(HF_OK,
                 hf_space_open(&space, page_count * watching.page_size(&watching), &options));
    return space;
}

/* Replaces a value that the records contain once. */
static void replace_record(size_t value, size_t wrong) {
    size_t found = 0;
    for (size_t i = 0; i < page_bytes / sizeof *pages; i++) {
        if (pages[i] != value) continue;
        pages[i] = wrong;
        found++;
    }
    CHECK_EQUAL(1, found);
}

static void step_with_a_wrong_sum(void) {
    hf_space *space = open_watched(1000);
    size_t g = hf_space_page_size(space);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 301 * g, 53 * g));
    replace_record(947 * g, 946 * g); /* the sum of the placeholders */
    hf_space_commit_range(space, 400 * g, g);
}

static hf_status keep_committed(const hf_backend *self, void *address, size_t size,
                                hf_report *report) {
    (void)self, (void)address, (void)size, (void)report;
    return (hf_status)77;
}

static void backend_with_an_unknown_status(void) {
    hf_space *space = open_watched(10);
    watching.split = keep_committed;
    hf_space_commit_range(space, 0, hf_space_page_size(space));
}

static void spaces(void) {
    ASSERTS(step_with_a_wrong_sum, "map_is_sum_right(map)");
    ASSERTS(backend_with_an_unknown_status, "status <= HF_UNSUPPORTED");
}

/* --------------------------------------------------------------------- arena ---------------- */

enum { RESERVED = 1 << 20, USED = 1000 };

static hf_arena arena;

static hf_arena_core *open_arena(void) {
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &(hf_arena_options){.reserve = RESERVED}));
    CHECK(hf_alloc(&arena, USED, 1) != NULL);
    return hf_core_of(&arena);
}

static void calls_on_a_sound_arena(void) {
    open_arena();
    CHECK_STATUS(HF_OK, hf_precommit(&arena, RESERVED / 2));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, 0));
    CHECK_STATUS(HF_OK, hf_trim(&arena, 0));
    CHECK_STATUS(HF_OK, hf_reset(&arena));
    hf_arena_close(&arena);
}

static void pos_above_limit(void) {
    open_arena();
    arena.pos = arena.limit + 1;
    hf_reset(&arena);
}

static void pos_below_base(void) {
    open_arena();
    arena.pos = arena.state->base - 1;
    hf_peek(&arena, 1, NULL);
}

static void limit_above_what_is_committed(void) {
    hf_arena_core *core = open_arena();
    arena.limit = arena.state->base + core->limit + 1;
    hf_precommit(&arena, 1);
}

static void committed_above_what_is_reserved(void) {
    hf_arena_core *core = open_arena();
    core->limit = core->reserved + core->page_size;
    hf_trim(&arena, 0);
}

static void high_water_above_limit(void) {
    hf_arena_core *core = open_arena();
    core->high_water = core->limit + 1;
    hf_rewind(&arena, 0);
}

static void root_above_pos(void) {
    hf_arena_core *core = open_arena();
    core->root = hf_get_mark(&arena) + 1;
    hf_extend(&arena, arena.state->base, 0, 0);
}

static void pos_moved_above_limit(void) {
    hf_arena_core *core = open_arena();
    hf_arena_set_pos(&arena, core->limit + 1);
}

static void going_back_upwards(void) {
    open_arena();
    hf_arena_go_back(&arena, hf_get_mark(&arena) + 1);
}

static void release_of_a_part_of_a_page(void) {
    open_arena();
    hf_arena_release_beyond(&arena, USED);
}

static void arenas(void) {
    expect_nothing(calls_on_a_sound_arena);
    ASSERTS(pos_above_limit, "arena_is_sound(arena)");
    ASSERTS(pos_below_base, "arena_is_sound(arena)");
    ASSERTS(limit_above_what_is_committed, "arena_is_sound(arena)");
    ASSERTS(committed_above_what_is_reserved, "arena_is_sound(arena)");
    ASSERTS(high_water_above_limit, "arena_is_sound(arena)");
    ASSERTS(root_above_pos, "arena_is_sound(arena)");
    ASSERTS(pos_moved_above_limit, "arena_is_sound(arena)");
    ASSERTS(going_back_upwards, "offset <= arena_used(arena)");
    ASSERTS(release_of_a_part_of_a_page, "keep & (core->page_size - 1)");
}

/* ------------------------------------------------- errors, images, rings, backends ---------- */

static void failure_with_success(void) { hf_fail(HF_OK, "hf_reset", 0, 0); }

static void failure_without_a_call(void) { hf_fail(HF_INVALID, NULL, 0, 0); }

static void header_with_a_root_above_its_end(void) {
    unsigned char slot[HF_IMAGE_SLOT];
    hf_image_encode(slot, &(hf_image_header){.used = 7, .root = 8});
}

static void ring_without_a_capacity(void) {
    hf_ring *ring;
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 1, NULL));
    ring->capacity--;
    hf_ring_close(ring);
}

static void commit_of_a_part_of_a_page(void) {
    hf_report report = {0};
    void *address;
    const hf_backend *native = hf_backend_native();
    CHECK_STATUS(HF_OK, native->reserve(native, NULL, 65536, &address, &report));
    native->commit(native, address, 100, &report);
}

/* A backend below that returns the same addresses twice. */
static hf_backend repeating;
static void *first_address;

static hf_status reserve_again(const hf_backend *self, void *base, size_t size, void **address,
                               hf_report *report) {
    if (first_address == NULL)
        return hf_backend_native()->reserve(self, base, size, &first_address, report);
    *address = first_address;
    return HF_OK;
}

static void strict_over_a_backend_that_repeats(void) {
    hf_backend *strict;
    hf_report report = {0};
    void *address;
    repeating = *hf_backend_native();
    repeating.reserve = reserve_again;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &repeating));
    CHECK_STATUS(HF_OK, repeating.reserve(&repeating, NULL, 65536, &address, &report));
    CHECK_STATUS(HF_OK, strict->reserve(strict, NULL, 65536, &address, &report));
    strict->reserve(strict, NULL, 65536, &address, &report);
}

static void other_parts(void) {
    ASSERTS(failure_with_success, "status > HF_OK");
    ASSERTS(failure_without_a_call, "call != NULL");
    ASSERTS(header_with_a_root_above_its_end, "header->root <= header->used");
    ASSERTS(ring_without_a_capacity, "ring_is_capacity(ring->capacity)");
    ASSERTS(commit_of_a_part_of_a_page, "hf_is_whole_pages");
    ASSERTS(strict_over_a_backend_that_repeats, "strict_is_sound(strict, index)");
}

CHECK_MAIN(TEST(the_region_map), TEST(the_whole_region_map), TEST(spaces), TEST(arenas),
           TEST(other_parts))
