/*
 * huge_pages.c -- huge pages for the heaps, as long as the system has them at hand.
 *
 * A huge page saves 512 page faults and makes addresses cheaper to translate. But where the system
 * has to move other memory away first, or where the host of a virtual machine has taken free memory
 * back and has to find some again, it takes longer than the faults that it saves: up to 100 times
 * as long as usual. So the first huge page is touched here, before the program does, and the time
 * is taken; then one whenever a quarter more was asked for, because a page that the program never
 * stores into is resident in vain. What follows one that took too long is left in small pages;
 * after three of them this process asks for no more.
 */
#define _GNU_SOURCE

#include <holdfast/atomic.h>

#include <time.h>

#include "../numbers.h"
#include "malloc_core.h"

#define HUGE_PAGES_SIZE HF_MIB(2)

/* In nanoseconds: about what 512 page faults take on a virtual machine. A huge page at hand takes
 * 100,000 to 300,000. */
#define HUGE_PAGES_MOST_TIME 2000000

/* Some pages are slow and others not while the host takes memory back. */
#define HUGE_PAGES_MOST_SLOW 3

#ifdef HF_MALLOC_CLOCK /* a test has its own */
uint64_t HF_MALLOC_CLOCK(void);
#else
#define HF_MALLOC_CLOCK huge_pages_clock
/* Processor time of the thread, in nanoseconds: it does not run while others do. */
static uint64_t huge_pages_clock(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
#endif

/* Atomic. Of two threads that advise at the same time, both may touch a page. */
static size_t huge_pages_slow;  /* how many took too long */
static size_t huge_pages_asked; /* bytes that the system was asked for so far, in huge pages */
static size_t huge_pages_next;  /* as many when one is touched again */

static bool huge_pages_is_time(size_t size) {
    size_t asked = hf_load_acquire(&huge_pages_asked) + size;
    hf_store_release(&huge_pages_asked, asked);
    if (asked < hf_load_acquire(&huge_pages_next)) return false;
    hf_store_release(&huge_pages_next, asked + asked / 4);
    return true;
}

static bool huge_pages_is_slow(void *page) {
    uint64_t start = HF_MALLOC_CLOCK();
    *(volatile char *)page = 0;
    return HF_MALLOC_CLOCK() - start > HUGE_PAGES_MOST_TIME;
}

/* hf_backend.advise. With HF_HUGE_AUTO a heap advises memory that was committed just now. */
static hf_status huge_pages_advise(const hf_backend *self, void *address, size_t size,
                                   hf_advice advice, hf_report *report) {
    (void)self;
    const hf_backend *native = hf_backend_native();
    size_t before = (0 - (uintptr_t)address) & (HUGE_PAGES_SIZE - 1);
    size_t slow = hf_load_acquire(&huge_pages_slow);
    if (slow >= HUGE_PAGES_MOST_SLOW) return HF_OK;
    hf_status status = native->advise(native, address, size, advice, report);
    if (status != HF_OK || size < before + HUGE_PAGES_SIZE) return status;
    char *page = (char *)address + before, *end = (char *)address + size;
    if (!huge_pages_is_time(size) || !huge_pages_is_slow(page)) return HF_OK;
    hf_store_release(&huge_pages_slow, slow + 1);
    hf_store_release(&huge_pages_next, 0); /* the next one is touched, too */
    size_t rest = (size_t)(end - page) - HUGE_PAGES_SIZE;
    if (rest == 0) return HF_OK;
    return native->advise(native, page + HUGE_PAGES_SIZE, rest, HF_ADVISE_NO_HUGE, report);
}

const hf_backend *hf_malloc_backend(void) {
    static hf_backend backend;
    if (backend.size == 0) {
        backend = *hf_backend_native();
        backend.advise = huge_pages_advise;
    }
    return &backend;
}
