/*
 * heap_fault.c -- what happens when a heap finds that its program made a mistake.
 *
 * This file alone of the library prints and aborts, and only if the program has set no
 * hf_heap_options::on_fault.
 */
#include <holdfast/heap.h>

#include <stdio.h>
#include <stdlib.h>

#include "heap_core.h"

static const char *heap_fault_text(hf_heap_fault fault) {
    switch (fault) {
    case HF_FAULT_DOUBLE_FREE: return "a block was freed twice";
    case HF_FAULT_WILD_FREE: return "an address was freed that is no block of the heap";
    case HF_FAULT_OVERWRITTEN: return "a block was changed after it was freed";
    }
    return "unknown fault";
}

/* Unless the program has made stderr buffered, this allocates nothing. */
static void heap_abort(const hf_heap_core *core, hf_heap_fault fault, const void *block) {
    const char *name = core->options.name;
    fprintf(stderr, "holdfast: heap%s%s: %s: %p\n", name ? " " : "", name ? name : "",
            heap_fault_text(fault), block);
    fflush(stderr);
    abort();
}

void hf_heap_report(hf_heap_core *core, hf_heap_fault fault, const void *block) {
    size_t offset = (size_t)((uintptr_t)block - (uintptr_t)hf_space_base(core->space));
    hf_fail_because(HF_INVALID, "hf_heap_free", heap_fault_text(fault), offset, 0);
    if (core->options.on_fault)
        core->options.on_fault(&core->heap, fault, (void *)(uintptr_t)block, core->options.user);
    else
        heap_abort(core, fault, block);
}
