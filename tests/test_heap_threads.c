/*
 * Blocks that other threads free while the owner of a heap uses it.
 */
#include <pthread.h>

#include "heap_fixture.h"

enum { THREADS = 4, BLOCKS = 2000 };

typedef struct freer {
    pthread_t thread;
    hf_heap *heap;
    char *blocks[BLOCKS];
} freer;

static freer freers[THREADS];

static size_t size_of(unsigned i) { return 16 + i % 300 * (i % 7 ? 1 : 300); }

static void *free_all(void *of) {
    freer *own = of;
    for (unsigned i = 0; i < BLOCKS; i++) {
        CHECK(is_filled(own->blocks[i], 16, i));
        size_t size = size_of(i), usable = hf_heap_usable_size_remote(own->heap, own->blocks[i]);
        CHECK(usable >= size && usable <= 2 * size + 64 * KIB);
        hf_heap_free_remote(own->heap, own->blocks[i]);
    }
    return NULL;
}

static void blocks_are_freed_by_any_thread(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 512 * MIB});
    for (int round = 0; round < 5; round++) {
        for (int n = 0; n < THREADS; n++) {
            freers[n].heap = heap;
            for (unsigned i = 0; i < BLOCKS; i++)
                freers[n].blocks[i] = filled_block(heap, size_of(i), i);
        }
        for (int n = 0; n < THREADS; n++)
            CHECK(pthread_create(&freers[n].thread, NULL, free_all, &freers[n]) == 0);
        for (unsigned i = 0; i < BLOCKS; i++) {
            char *own = filled_block(heap, i, i);
            CHECK(is_filled(own, i, i));
            hf_heap_free(heap, own);
        }
        for (int n = 0; n < THREADS; n++) CHECK(pthread_join(freers[n].thread, NULL) == 0);
        CHECK_STATUS(HF_OK, hf_heap_trim(heap, SIZE_MAX)); /* collects what was freed */
        CHECK_EQUAL(0, count_blocks(heap));
        CHECK_STATUS(HF_OK, hf_heap_check(heap));
    }
    check_and_close(heap);
}

static void a_reset_forgets_blocks_that_were_not_collected(void) {
    hf_heap *heap = open_heap((hf_heap_options){.reserve = 64 * MIB});
    for (int i = 0; i < 100; i++) hf_heap_free_remote(heap, hf_heap_malloc(heap, 2000));
    CHECK_STATUS(HF_OK, hf_heap_reset(heap));
    char *block = filled_block(heap, 2000, 1);
    CHECK_STATUS(HF_OK, hf_heap_trim(heap, 0));
    CHECK_EQUAL(1, count_blocks(heap));
    CHECK(is_filled(block, 2000, 1));
    check_and_close(heap);
}

CHECK_MAIN(TEST(blocks_are_freed_by_any_thread),
           TEST(a_reset_forgets_blocks_that_were_not_collected))
