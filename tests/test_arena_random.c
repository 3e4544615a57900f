/*
 * Random operations, the same in every run, compared with a model.
 *
 * The model is the list of allocated blocks, in order, each filled with a pattern of its own. After
 * each step: no two blocks overlap, blocks keep their contents, zeroed memory is zero, and the
 * statistics match an independent count.
 */
#include "arena_fixture.h"
#include "random.h"
#include "recorder.h"

#ifdef HOLDFAST_CASES_FEW
enum { SEEDS = 3 };
#else
enum { SEEDS = 12 };
#endif
enum { MOST_BLOCKS = 4000, STEPS = 6000 };

struct block {
    char *bytes;
    size_t size;
    unsigned seed;
    bool is_cut; /* the bytes behind it are not free, even if it is the last block of the list */
};

static struct model {
    struct recorder recorder;
    hf_arena arena;
    struct block blocks[MOST_BLOCKS];
    hf_mark marks[MOST_BLOCKS]; /* the mark before each block */
    size_t count;
    size_t peak;
    struct random random;
    unsigned fills;
} model;

static size_t random_number(size_t limit) { return random_below(&model.random, limit); }

/* Mostly small sizes, now and then one that needs growth. Never 0: with blocks of 0 bytes behind
 * it, the last block is ambiguous. */
static size_t random_size(void) {
    size_t kind = random_number(100);
    return 1 + random_number(kind < 60 ? 64 : kind < 90 ? 3000 : kind < 99 ? 100000 : 3 * MIB);
}

static struct block *last_block(void) { return &model.blocks[model.count - 1]; }

/* Adds a block to the list, above the previous one, and fills it. */
static void add_block(char *bytes, size_t size, hf_mark before) {
    CHECK(bytes != NULL && bytes >= hf_arena_base(&model.arena) + before);
    CHECK(bytes + size <= model.arena.pos);
    if (model.count) CHECK(bytes >= last_block()->bytes + last_block()->size);
    model.marks[model.count] = before;
    model.blocks[model.count++] = (struct block){bytes, size, ++model.fills, false};
    fill(bytes, size, model.fills);
}

static void do_alloc(void) {
    if (model.count == MOST_BLOCKS) return;
    size_t size = random_size(), align = (size_t)1 << random_number(random_number(20) ? 7 : 22);
    bool zeroed = random_number(2);
    hf_mark before = hf_get_mark(&model.arena);
    char *bytes = (zeroed ? hf_alloc_zeroed : hf_alloc)(&model.arena, size, align);
    CHECK(bytes != NULL && is_aligned(bytes, align) && (!zeroed || is_zero(bytes, size)));
    add_block(bytes, size, before);
}

static void do_extend(void) {
    if (model.count == 0 || last_block()->is_cut) return;
    struct block *block = last_block();
    size_t size = random_size();
    bool zeroed = random_number(2);
    CHECK((zeroed ? hf_extend_zeroed : hf_extend)(&model.arena, block->bytes, block->size, size));
    if (zeroed && size > block->size)
        CHECK(is_zero(block->bytes + block->size, size - block->size));
    CHECK(is_filled(block->bytes, size < block->size ? size : block->size, block->seed));
    block->size = size;
    fill(block->bytes, size, block->seed);
}

static void do_realloc(void) {
    if (model.count == 0 || model.count == MOST_BLOCKS) return;
    struct block *block = &model.blocks[random_number(model.count)];
    size_t size = random_size(), kept = size < block->size ? size : block->size;
    hf_mark before = hf_get_mark(&model.arena);
    char *bytes = hf_realloc(&model.arena, block->bytes, block->size, size, 1);
    CHECK(bytes != NULL && is_filled(bytes, kept, block->seed));
    if (bytes == block->bytes) {
        block->is_cut |= size < block->size && block != last_block();
        block->size = size;
        fill(bytes, size, block->seed);
    } else {
        add_block(bytes, size, before);
    }
}

static void do_peek(void) {
    if (model.count == MOST_BLOCKS) return;
    size_t size = random_size(), used = 1 + random_number(size), room;
    hf_mark before = hf_get_mark(&model.arena);
    char *peeked = hf_peek(&model.arena, size, &room);
    CHECK(peeked != NULL && room >= size);
    fill(peeked, size, 1);
    if (random_number(3) == 0) return; /* peeked at, but not allocated */
    char *bytes = hf_alloc(&model.arena, used, 1);
    CHECK(bytes == peeked && is_filled(bytes, used, 1));
    add_block(bytes, used, before);
}

static void do_text(void) {
    if (model.count == MOST_BLOCKS) return;
    int width = 1 + (int)random_number(700);
    hf_mark before = hf_get_mark(&model.arena);
    char *text = hf_asprintf(&model.arena, "%*d", width, 7);
    CHECK(text != NULL && strlen(text) == (size_t)width && text[width - 1] == '7');
    add_block(text, (size_t)width + 1, before);
}

static void note_peak(void) {
    size_t used = hf_get_mark(&model.arena);
    if (used > model.peak) model.peak = used;
}

static void do_rewind(void) {
    if (model.count == 0) return;
    size_t back = 1 + random_number(model.count < 50 || random_number(10) == 0 ? model.count : 50);
    CHECK_STATUS(HF_OK, hf_rewind(&model.arena, model.marks[model.count - back]));
    model.count -= back;
}

/* If there was padding before the block, the one before it is not the last one. */
static void do_free(void) {
    if (model.count == 0 || last_block()->is_cut) return;
    struct block *block = last_block();
    hf_free(&model.arena, block->bytes, block->size);
    CHECK(model.arena.pos == block->bytes);
    model.count--;
    if (model.count) last_block()->is_cut |= model.marks[model.count] != hf_get_mark(&model.arena);
}

static void do_trim(void) {
    size_t keep = random_number(2) ? random_size() : 0;
    CHECK_STATUS(HF_OK, hf_trim(&model.arena, keep));
}

static void do_reset(void) {
    if (random_number(10)) return;
    CHECK_STATUS(HF_OK, hf_reset(&model.arena));
    model.count = 0;
}

static void do_failing(void) {
    struct snapshot before = snapshot_of(&model.arena);
    CHECK(hf_alloc(&model.arena, SIZE_MAX - random_number(100), 1) == NULL);
    CHECK(hf_rewind(&model.arena, hf_get_mark(&model.arena) + 1) == HF_INVALID);
    CHECK(!hf_extend(&model.arena, model.arena.pos, 1, random_size()));
    check_unchanged(&model.arena, &before);
}

static void check_stats(void) {
    hf_arena_stats stats = hf_arena_get_stats(&model.arena);
    CHECK_EQUAL(hf_get_mark(&model.arena), stats.used);
    CHECK_EQUAL(model.peak, stats.peak);
    CHECK(stats.high_water >= stats.used && stats.high_water <= stats.committed);
    CHECK(stats.committed >= stats.used && stats.committed <= stats.reserved);
}

static void check_blocks(void) {
    for (size_t i = 0; i < model.count; i++)
        CHECK(is_filled(model.blocks[i].bytes, model.blocks[i].size, model.blocks[i].seed));
}

static void (*const operations[])(void) = {do_alloc,   do_alloc,   do_alloc, do_alloc,  do_extend,
                                           do_realloc, do_peek,    do_text,  do_rewind, do_trim,
                                           do_reset,   do_failing, do_free};

static void run(unsigned seed) {
    memset(&model, 0, sizeof model);
    recorder_init(&model.recorder, NULL);
    model.random.state = seed;
    model.arena = fixture_open((hf_arena_options){.reserve = IS_64_BIT ? 1024 * MIB : 512 * MIB,
                                                  .backend = &model.recorder.backend});
    for (size_t step = 0; step < STEPS; step++) {
        AT("seed %u, step %zu", seed, step);
        operations[random_number(sizeof operations / sizeof *operations)]();
        note_peak();
        check_stats();
        if (step % 500 == 499) check_blocks();
    }
    hf_arena_close(&model.arena);
}

static void random_operations_agree_with_the_model(void) {
    for (unsigned seed = 1; seed <= SEEDS; seed++) run(seed);
}

CHECK_MAIN(TEST(random_operations_agree_with_the_model))
