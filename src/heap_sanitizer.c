/*
 * heap_sanitizer.c -- a heap in a process under AddressSanitizer, MemorySanitizer or Valgrind.
 *
 *      | block: `size` bytes |      poisoned      | size |
 *
 * What is not allocated is poisoned. The last bytes of each block contain the size that was
 * allocated, so that nothing behind it can be used, not even what hf_heap_usable_size would tell
 * elsewhere. A freed block waits in the quarantine before it is used again: until then every access
 * to it is reported, later those to the bytes behind its first two pointers. No function is inline
 * in such a process.
 */
#include <holdfast/heap.h>

#include <string.h>

#include "heap_core.h"
#include "sanitizer.h"

size_t hf_heap_sanitized_size(size_t size) {
    size_t more = HF_RED_ZONE + HF_SANITIZER_ALIGNMENT + sizeof(size_t);
    return size < SIZE_MAX - more ? size + more : SIZE_MAX;
}

/* Where the size of a block is. */
static char *sanitized_size_at(const void *block, size_t whole) {
    return (char *)(uintptr_t)block + whole - sizeof(size_t);
}

void hf_heap_sanitize_allocated(hf_heap_core *core, void *block, size_t size, bool is_zero) {
    size_t whole = hf_heap_block_size(core, block);
    char *at = sanitized_size_at(block, whole);
    hf_unpoison_uninitialized(at, sizeof size);
    memcpy(at, &size, sizeof size);
    hf_poison((char *)block + size, whole - size);
    if (is_zero)
        hf_unpoison_initialized(block, size);
    else
        hf_unpoison_uninitialized(block, size);
}

size_t hf_heap_sanitized_usable(const void *block, size_t whole) {
    size_t size;
    hf_copy_unsanitized(&size, sanitized_size_at(block, whole), sizeof size);
    return size;
}

/* The first bytes of a free block link it to the next one. Large blocks may go back to the system,
 * which may use the addresses for something else once the heap is closed. */
static void sanitized_release(hf_heap_core *core, void *block) {
    size_t size = hf_heap_block_size(core, block);
    bool is_large = !heap_is_in_units(core, block);
    hf_unpoison_initialized(block, is_large ? size : sizeof(hf_heap_block));
    hf_heap_free_block(core, block);
}

void hf_heap_sanitize_freed(hf_heap_core *core, void *block) {
    void *oldest = core->quarantine[core->quarantined];
    hf_poison(block, hf_heap_block_size(core, block));
    core->quarantine[core->quarantined] = block;
    core->quarantined = (core->quarantined + 1) % HEAP_QUARANTINE;
    if (oldest) sanitized_release(core, oldest);
}

bool hf_heap_empty_quarantine(hf_heap_core *core) {
    bool was_empty = true;
    for (size_t i = 0; i < HEAP_QUARANTINE; i++) {
        void *block = core->quarantine[i];
        core->quarantine[i] = NULL;
        if (block == NULL) continue;
        sanitized_release(core, block);
        was_empty = false;
    }
    return !was_empty;
}

void hf_heap_subtract_quarantine(const hf_heap_core *core, hf_heap_stats *stats) {
    for (size_t i = 0; i < HEAP_QUARANTINE; i++) {
        const void *block = core->quarantine[i];
        if (block == NULL) continue;
        stats->blocks--;
        stats->used -= hf_heap_block_size(core, block);
        stats->large_blocks -= !heap_is_in_units(core, block);
    }
}

bool hf_heap_is_quarantined(const hf_heap_core *core, const void *block) {
    for (size_t i = 0; i < HEAP_QUARANTINE; i++)
        if (core->quarantine[i] == block) return true;
    return false;
}

void hf_heap_sanitize_reset(hf_heap_core *core) {
    size_t from = core->units_offset;
    hf_region region;
    for (bool found = hf_space_find(core->space, from, &region); found;
         found = hf_space_next(core->space, &region))
        if (region.kind == HF_COMMITTED)
            hf_unpoison_initialized(hf_space_base(core->space) + region.offset, region.size);
    memset(core->quarantine, 0, sizeof core->quarantine);
    core->quarantined = 0;
}

void hf_heap_sanitize_unused(const hf_heap_core *core, const heap_unit *unit) {
    hf_poison(heap_address_of(core, unit), unit->units * HF_HEAP_UNIT);
}

void hf_heap_sanitize_link(void *block) { hf_unpoison_initialized(block, sizeof(hf_heap_block)); }
