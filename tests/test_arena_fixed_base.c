/*
 * Arenas at the same address in every process (HF_BASE_FIXED): pointers stay valid across
 * processes. 64-bit.
 */
#include "arena_fixture.h"
#include "process.h"

enum { NODES = 20000 };

struct node {
    struct node *next;
    size_t value;
};

static hf_arena open_fixed(void) {
    hf_arena arena = fixture_open((hf_arena_options){.base = HF_BASE_FIXED});
    CHECK((void *)hf_arena_base(&arena) == HF_BASE_FIXED);
    return arena;
}

static void only_one_arena_has_the_base_at_a_time(void) {
    hf_arena_options options = {.base = HF_BASE_FIXED};
    hf_arena arena = open_fixed(), second;
    fill(hf_alloc(&arena, 3 * MIB, 1), 3 * MIB, 1);
    memset(&second, 0x5a, sizeof second);
    CHECK_STATUS(HF_NO_ADDRESS, hf_arena_open(&second, &options));
    CHECK_EQUAL(HF_NO_ADDRESS, hf_last_error().status);
    CHECK(second.pos == NULL && second.limit == NULL && second.state == NULL);
    CHECK(is_filled(hf_arena_base(&arena), 3 * MIB, 1));
    hf_arena_close(&arena);
    arena = open_fixed();
    CHECK(hf_alloc(&arena, 3 * MIB, 1) != NULL);
    hf_arena_close(&arena);
}

/* ------------------------------------------------------------ two processes ---------------- */

static FILE *stream;

static void write_all(const void *bytes, size_t size) {
    CHECK_EQUAL(size, fwrite(bytes, 1, size, stream));
}

static void read_all(void *bytes, size_t size) { CHECK_EQUAL(size, fread(bytes, 1, size, stream)); }

static void read_list(void) {
    stream = process_input();
    hf_arena arena = open_fixed();
    size_t size, value = NODES;
    struct node *head;
    read_all(&head, sizeof head);
    read_all(&size, sizeof size);
    char *peeked = hf_peek(&arena, size, NULL);
    CHECK(peeked == hf_arena_base(&arena));
    read_all(peeked, size);
    CHECK(hf_alloc(&arena, size, 1) == peeked);
    for (struct node *node = head; node; node = node->next) CHECK_EQUAL(--value, node->value);
    CHECK_EQUAL(0, value);
    hf_arena_close(&arena);
}

/* Sends a list to another process byte for byte, while both arenas are open. */
static void pointers_mean_the_same_in_two_processes(void) {
    stream = process_start("read_list");
    CHECK(stream != NULL);
    hf_arena arena = open_fixed();
    struct node *nodes = hf_new_array(&arena, struct node, NODES), *head = NULL;
    CHECK((char *)nodes == hf_arena_base(&arena));
    for (size_t i = 0; i < NODES; i++) {
        nodes[i] = (struct node){head, i};
        head = &nodes[i];
    }
    size_t size = NODES * sizeof *nodes;
    write_all(&head, sizeof head);
    write_all(&size, sizeof size);
    write_all(nodes, size);
    CHECK(process_ended_well(stream));
    hf_arena_close(&arena);
}

CHECK_MAIN(TEST(only_one_arena_has_the_base_at_a_time),
           TEST(pointers_mean_the_same_in_two_processes), TEST_BY_NAME(read_list))
