/*
 * sandbox.c -- runs many short-lived instances in a pool of slots, as engines of WebAssembly do.
 *
 *     sandbox INSTANCES    runs them one after the other, each in the next slot
 *
 *      | image | heap |        guard          | image | heap | heap |     guard     | image | ...
 *      slot 0                                   slot 1                                slot 2
 *
 * The image is what every instance starts with: a copy-on-write view of one shared file, so the
 * slots share its pages until they store into them. The heap is committed memory that grows in
 * place, by hf_space_extend: pointers into it stay. The guard is placeholder, which nothing can
 * take; an access there faults. A slot has 8 GiB where pointers have 64 bits and the system has the
 * addresses: then no sum of a 32-bit index and a 32-bit offset leaves it, and the instances' code
 * needs no check of bounds. Where a limit (ulimit -v) makes slots smaller, it needs one.
 *
 * At its end an instance is reset in its slot: what the heap has grown by is released, the image
 * reads as the file again and the rest of the heap as zero. No page is copied or cleared for that
 * on Linux: the system drops the pages that were stored into.
 */
#include <holdfast.h>

#include "platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS = 8, IMAGE = 128 << 10, WASM_PAGE = 64 << 10, FIRST_HEAP = WASM_PAGE };

/* One slot, as the instance in it sees it. */
struct instance {
    char *memory;
    size_t offset; /* of the slot, in the space */
    size_t heap;   /* bytes */
};

static hf_space *space;
static unsigned char image[IMAGE]; /* what the file has */
static const char *trap;           /* where the last access faulted */

static void fail(const char *what) {
    fprintf(stderr, "sandbox: %s\n", what);
    exit(EXIT_FAILURE);
}

/* Windows from before placeholders has no views in a space: there is nothing to show. */
static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    if (status != HF_UNSUPPORTED) {
        fprintf(stderr, "sandbox: %s: %s\n", what, why);
        exit(EXIT_FAILURE);
    }
    printf("not on this system: %s: %s\n", what, why);
    exit(EXIT_SUCCESS);
}

/* ---------------------------------------------------------------- the pool ------------------- */

/* The shared file is written through a view, where the first slot will be. */
static hf_file *make_image(void) {
    hf_file *file;
    for (size_t i = 0; i < IMAGE; i++) image[i] = (unsigned char)(i * 7 + i / 256);
    need(hf_file_create_shared(&file, IMAGE, NULL), "shared memory");
    need(hf_space_map_range(space, 0, IMAGE, file, 0, HF_READ_WRITE), "a view");
    memcpy(hf_space_base(space), image, IMAGE);
    need(hf_space_unmap(space, 0, IMAGE), "unmapping");
    return file;
}

static void open_slot(struct instance *slot, size_t number, hf_file *file) {
    slot->offset = hf_space_size(space) / SLOTS * number;
    slot->memory = hf_space_base(space) + slot->offset;
    slot->heap = FIRST_HEAP;
    need(hf_space_map_range(space, slot->offset, IMAGE, file, 0, HF_COPY_ON_WRITE), "an image");
    need(hf_space_commit_range(space, slot->offset + IMAGE, FIRST_HEAP), "a heap");
}

static void open_pool(struct instance slots[SLOTS]) {
    hf_space_options options = {.name = "sandbox", .least = (size_t)SLOTS << 22};
    uint64_t size = sizeof(void *) > 4 ? (uint64_t)64 << 30 : (uint64_t)128 << 20;
    need(hf_space_open(&space, (size_t)size, &options), "reserving addresses");
    hf_file *file = make_image();
    for (size_t i = 0; i < SLOTS; i++) open_slot(&slots[i], i, file);
    hf_file_close(file);
}

/* memory.grow of WebAssembly. */
static void grow(struct instance *slot, size_t pages) {
    size_t heap = slot->heap + pages * WASM_PAGE;
    need(hf_space_extend(space, slot->offset + IMAGE, slot->heap, heap), "growing");
    slot->heap = heap;
}

static void reset(struct instance *slot) {
    size_t first = IMAGE + FIRST_HEAP, used = IMAGE + slot->heap;
    if (used > first)
        need(hf_space_release_range(space, slot->offset + first, used - first), "shrinking");
    need(hf_space_reset_range(space, slot->offset, first), "a reset");
    slot->heap = FIRST_HEAP;
}

static size_t system_calls(void) {
    hf_space_stats stats = hf_space_get_stats(space);
    size_t calls = 0;
    for (int step = 0; step < HF_STEPS; step++) calls += stats.system_calls[step];
    return calls;
}

/* ---------------------------------------------------------------- an instance ---------------- */

static bool on_fault(const char *address) {
    trap = address;
    return false;
}

static void load(void *address) { (void)*(volatile char *)address; }

/* The byte at this offset of the slot faults. Its page, because some processors tell no more. */
static void must_trap(const struct instance *slot, size_t offset) {
    size_t page = hf_space_page_size(space);
    trap = NULL;
    if (platform_try(load, slot->memory + offset)) fail("an access beyond the end did not fault");
    if (trap == NULL || (size_t)(trap - slot->memory) / page != offset / page)
        fail("the fault was elsewhere");
}

/* What an instance of WebAssembly might do: stores into its image, grows its heap, and fills it.
 * Returns a sum that depends on all of it. */
static size_t run(struct instance *slot, size_t number) {
    size_t pages = number % 5, sum = 0;
    for (size_t i = 0; i < IMAGE; i += 4096) slot->memory[i + number % 4096] ^= (char)number;
    must_trap(slot, IMAGE + slot->heap);
    if (pages > 0) grow(slot, pages);
    for (size_t i = 0; i < slot->heap; i += 1024) slot->memory[IMAGE + i] = (char)(number % 100);
    for (size_t i = 0; i < slot->heap; i += 512) sum += (unsigned char)slot->memory[IMAGE + i];
    must_trap(slot, IMAGE + slot->heap);
    must_trap(slot, hf_space_size(space) / SLOTS - 1);
    return sum;
}

static void must_be_new(const struct instance *slot) {
    if (memcmp(slot->memory, image, IMAGE) != 0) fail("the image is not as new");
    for (size_t i = 0; i < FIRST_HEAP; i++)
        if (slot->memory[IMAGE + i] != 0) fail("the heap is not as new");
}

/* Runs all instances. Returns the system calls of the resets. */
static size_t run_all(struct instance slots[SLOTS], size_t instances, size_t *sum) {
    size_t calls = 0;
    for (size_t i = 0; i < instances; i++) {
        struct instance *slot = &slots[i % SLOTS];
        must_be_new(slot);
        *sum += run(slot, i);
        size_t before = system_calls();
        reset(slot);
        calls += system_calls() - before;
    }
    for (size_t i = 0; i < SLOTS; i++) must_be_new(&slots[i]);
    return calls;
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: sandbox INSTANCES\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    struct instance slots[SLOTS];
    size_t sum = 0, instances = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
    if (instances == 0 || argv[1][0] == '-') return usage(argv[argc - 1]);
    platform_handle_faults(on_fault);
    open_pool(slots);
    printf("%d slots of %zu MiB\n", SLOTS, hf_space_size(space) / SLOTS >> 20);
    size_t calls = run_all(slots, instances, &sum);
    printf("%zu instances, their sum is %zu\n", instances, sum);
    printf("%.1f system calls for a reset; the memory is as new\n",
           (double)calls / (double)instances);
    if (hf_space_check(space) != HF_OK) fail("the space is damaged");
    hf_space_close(space);
    return EXIT_SUCCESS;
}
