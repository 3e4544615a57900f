/* bench/growth.c -- see growth.h. */
#include "growth.h"

#include <sys/mman.h>

#include "meter.h"

void growth_touch(size_t size) {
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    madvise(memory, size, MADV_HUGEPAGE);
    for (size_t offset = 0; offset < size; offset += 4096) memory[offset] = 1;
    BENCH_KEEP(memory);
    munmap(memory, size);
}

/* Runs the work once. The timer is running before and after. False: the contender is not
 * available. */
static bool run_once(bench_state *state, const bench_contender *contender, const growth_work *work,
                     bench_meter *meter) {
    bench_heap heap;
    void *result = NULL;
    bench_pause(state);
    growth_touch(work->memory);
    meter_watch_memory(meter);
    meter_begin(meter);
    bench_resume(state);
    bool opened = contender->open(&heap);
    if (opened) result = work->run(&heap, work->size);
    bench_pause(state);
    meter_end(meter);
    if (opened) {
        work->release(contender, &heap, result);
        contender->close(&heap);
    }
    bench_resume(state);
    return opened;
}

void growth_run(bench_state *state, const bench_contender *contender, const growth_work *work) {
    bench_meter meter = {0};
    size_t rounds = 0;
    for (; bench_next_batch(state, work->iterations); rounds++) {
        if (!run_once(state, contender, work, &meter)) {
            bench_skip(state, "the contender is not available");
            return;
        }
    }
    meter_report(&meter, state, rounds);
}
