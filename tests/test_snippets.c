/*
 * Runs the code of README.md and of the comments in the public headers. snippets.awk writes it to
 * all.h, where each function is static: the compiler warns of one that no test here calls.
 */
#include "all.h"

#include "arena_fixture.h"
#include "disk.h"

enum { PAGE = 65536 }; /* a multiple of every page size */

/* README.md, holdfast.h, arena.h */

static void programs_succeed(void) {
    CHECK_EQUAL(0, main_of_README());
    CHECK_EQUAL(0, main_of_holdfast());
    CHECK_EQUAL(0, main_of_arena());
    CHECK_EQUAL(0, main_of_heap());
}

static void open_small_opens_what_it_asks_for(void) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, open_small(&arena));
    CHECK(hf_arena_get_stats(&arena).reserved >= 64 * MIB);
    hf_arena_close(&arena);
}

static void read_all_reads_a_file(void) {
    disk_close(disk_create("snippets.file", 10000));
    FILE *stream = fopen("snippets.file", "rb");
    CHECK(stream != NULL);
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    size_t size = 0;
    const char *text = read_all(&arena, stream, &size);
    fclose(stream);
    disk_remove("snippets.file");
    CHECK(text != NULL);
    CHECK_EQUAL(10000, size);
    for (size_t i = 0; i < size; i++) CHECK_EQUAL(i % 256, (unsigned char)text[i]);
    hf_arena_close(&arena);
}

static void push_greet_and_print_allocate(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    struct node *first = push(&arena, NULL), *second = push(&arena, first);
    CHECK(first && second && second->next == first && first->next == NULL);
    const char *greeting = greet(&arena, "snippet");
    CHECK(greeting && strcmp(greeting, "hello, snippet") == 0);
    CHECK(strcmp(list(&arena, (const int[]){1, 22, 333}, 3), "1, 22, 333") == 0);
    size_t used = hf_arena_get_stats(&arena).used;
    print(&arena, 42);
    CHECK_EQUAL(used, hf_arena_get_stats(&arena).used);
    hf_arena_close(&arena);
}

static void after_follows_a_ref(void) {
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB});
    struct item *second = hf_alloc(&arena, sizeof *second, 8), first = {hf_to_ref(&arena, second)};
    CHECK(second && after(&arena, &first) == second);
    CHECK(committed_but_unused(&arena) < MIB);
    hf_arena_close(&arena);
}

/* scratch.h, image.h */

static void join_keeps_only_its_result(void) {
    hf_scratch scratch;
    CHECK_STATUS(HF_OK, hf_scratch_open(&scratch, NULL));
    hf_arena *result = &scratch.arenas[0];
    const char *joined = join(&scratch, result, "snip", "pet");
    CHECK(joined && strcmp(joined, "snip, pet") == 0);
    CHECK_EQUAL(0, hf_arena_get_stats(&scratch.arenas[1]).used);
    hf_scratch_close(&scratch);
}

static void the_image_counts_its_visits(void) {
    disk_remove("world.image");
    for (int visits = 1; visits <= 2; visits++) CHECK_EQUAL(0, main_of_image());
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, "world.image", HF_READ_ONLY, NULL));
    CHECK_EQUAL(2, ((struct world *)hf_arena_root(&arena))->visits);
    hf_arena_close(&arena);
    disk_remove("world.image");
}

/* space.h, file.h, types.h, status.h */

static void spaces_are_split_and_committed(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 16 * PAGE, NULL));
    CHECK_STATUS(HF_OK, two(space, PAGE));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 4 * PAGE));
    CHECK_STATUS(HF_OK, set_limit(space, 0, 4 * PAGE));
    CHECK_STATUS(HF_OK, set_limit(space, 4 * PAGE, PAGE));
    CHECK_STATUS(HF_OK, begin_again(space, 0, PAGE, PAGE));
    CHECK_EQUAL(PAGE, used(&(hf_region){.size = PAGE, .kind = HF_COMMITTED}));
    CHECK_EQUAL(0, used(&(hf_region){.size = PAGE, .kind = HF_PLACEHOLDER}));
    hf_space_close(space);
}

static void open_large_takes_less_where_addresses_are_few(void) {
    hf_space *space;
    CHECK_STATUS(HF_OK, open_large(&space));
    CHECK(hf_space_size(space) >= 64 * MIB);
    hf_space_close(space);
}

static void a_file_is_shown(void) {
    disk_close(disk_create("snippets.file", PAGE));
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, 16 * PAGE, NULL));
    CHECK_STATUS(HF_OK, show(space, "snippets.file", PAGE));
    CHECK_EQUAL(1, count_views(space));
    CHECK_EQUAL(7, hf_space_base(space)[7]);
    hf_space_close(space);
    hf_file *file = open_or_explain("snippets.file");
    CHECK(file != NULL && show_two(file) == 0);
    hf_file_close(file);
    disk_remove("snippets.file");
    CHECK(open_or_explain("snippets.file") == NULL);
}

/* ring.h */

static void the_ring_copies_its_input(void) {
    static const char line[] = "a line of the standard input\n";
    intptr_t file = disk_create("snippets.file", sizeof line - 1);
    disk_store(file, 0, line, sizeof line - 1);
    disk_close(file);
    CHECK(freopen("snippets.file", "rb", stdin) != NULL);
    CHECK_EQUAL(0, main_of_ring());
    CHECK_EQUAL(sizeof line - 1, ftell(stdin));
    fclose(stdin);
    disk_remove("snippets.file");
}

static void two_rings_share_a_path(void) {
    disk_remove("snippets.ring");
    hf_ring *producer, *consumer;
    CHECK_STATUS(HF_OK, open_shared(&producer, "snippets.ring"));
    CHECK_STATUS(HF_OK, open_shared(&consumer, "snippets.ring"));
    int sum = 0;
    CHECK(!receive_sum(consumer, &sum));
    CHECK(send_pair(producer, 40, 2));
    CHECK(receive_sum(consumer, &sum));
    CHECK_EQUAL(42, sum);
    hf_ring_close(consumer);
    hf_ring_close(producer);
    disk_remove("snippets.ring");
}

/* backend.h, strict.h, atomic.h, version.h */

static void a_backend_counts_what_is_committed(void) {
    hf_backend backend = counting();
    hf_arena arena = fixture_open((hf_arena_options){.reserve = MIB, .backend = &backend});
    CHECK(hf_alloc(&arena, 1, 1) != NULL);
    CHECK_EQUAL(hf_arena_get_stats(&arena).committed, committed);
    hf_arena_close(&arena);
}

static bool allocate(hf_arena *arena) { return hf_alloc(arena, 1000, 8) != NULL; }

static void a_request_has_an_arena(void) {
    hf_pool *pool;
    CHECK_STATUS(HF_OK, hf_pool_open(&pool, NULL));
    CHECK(answer(pool, allocate));
    CHECK_EQUAL(0, hf_pool_get_stats(pool).open);
    hf_pool_close(pool);
}

static size_t runs;

static hf_status open_and_close(const hf_backend *backend) {
    runs++;
    hf_arena arena;
    hf_arena_options options = {.reserve = MIB, .least_reserve = MIB, .backend = backend};
    hf_status status = hf_arena_open(&arena, &options);
    hf_arena_close(&arena);
    return status;
}

static void every_call_fails_once(void) {
    runs = 0;
    fail_everywhere(open_and_close);
    CHECK(runs > 1);
}

static void a_name_is_kept(void) {
    char name[] = "name";
    const char *kept = intern(name);
    CHECK(kept != name && strcmp(kept, "name") == 0);
    hf_arena_close(&interned);
}

static void a_stream_counts(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    char *text = count_to(&arena, 5);
    if (text == NULL && hf_last_error().status == HF_UNSUPPORTED)
        check_skip("the C library has no streams of a program's own");
    else
        CHECK(text && strcmp(text, "1 2 3 4 5 ") == 0);
    hf_arena_close(&arena);
}

static void the_array_has_all_primes(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    int_array primes = primes_below(&arena, 1000);
    CHECK_EQUAL(168, primes.count);
    CHECK(primes.capacity == 168 && primes.items[167] == 997);
    hf_arena_close(&arena);
}

static void numbers_are_counted_from_0(void) {
    CHECK_EQUAL(0, next_number());
    CHECK_EQUAL(1, next_number());
    print_versions();
}

CHECK_MAIN(TEST(programs_succeed), TEST(open_small_opens_what_it_asks_for),
           TEST(read_all_reads_a_file), TEST(push_greet_and_print_allocate),
           TEST(the_array_has_all_primes), TEST(a_name_is_kept), TEST(a_stream_counts),
           TEST(after_follows_a_ref), TEST(join_keeps_only_its_result),
           TEST(the_image_counts_its_visits), TEST(spaces_are_split_and_committed),
           TEST(open_large_takes_less_where_addresses_are_few), TEST(a_file_is_shown),
           TEST(the_ring_copies_its_input), TEST(two_rings_share_a_path),
           TEST(a_backend_counts_what_is_committed), TEST(a_request_has_an_arena),
           TEST(every_call_fails_once), TEST(numbers_are_counted_from_0))
