/*
 * emulator.c -- the address space of a machine, as emulators have it.
 *
 *     emulator FRAMES    runs so many frames
 *
 *      | RAM | bank |      ...       | RAM | bank |      ...       | RAM | bank |  ...  | code  |
 *      0                             16 GiB                        32 GiB               48 GiB
 *
 * The machine sees its RAM and a bank of its ROM at three addresses. RAM and ROM are shared memory,
 * and each of the addresses is a view of it: one addition turns an address of the machine into a
 * pointer, and a store through one view is seen through all. Where the system can, the table that
 * finds translated code has an entry for every 8 bytes of an address space and is committed lazily,
 * far beyond what the computer has.
 *
 * In each frame
 * - the machine switches the bank: hf_space_remap_range shows another part of the ROM,
 * - it stores into RAM, which is write-protected: the first store into a page faults, and the
 *   program's handler marks the page dirty and lets it be written (hf_space_protect),
 * - at its end RAM is protected again.
 *
 * Meanwhile a second thread (that of the display, say) reads RAM and bank. It never faults where
 * the system replaces a view in one step. Where it does not (Windows), the bank is missing for a
 * short time, so the thread is paused.
 */
#include <holdfast.h>

#include "platform.h"
#include "sleep.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RAM ((size_t)8 << 20)
#define BANK ((size_t)1 << 20)

enum { MIRRORS = 3, BANKS = 8, STORES = 200, PAGES = 2048, STAMP = 0x40000000 };

static hf_space *space;
static hf_file *memory;                       /* RAM, then all banks */
static size_t page, distance;                 /* from one mirror to the next */
static bool is_dirty[PAGES];                  /* stored into since it was protected */
static size_t stores, dirty_pages;            /* in all frames */
static atomic_size_t faults, reads, is_ended; /* of both threads; of the second one */
static atomic_size_t pause_wanted, is_paused;

static void fail(const char *what) {
    fprintf(stderr, "emulator: %s\n", what);
    exit(EXIT_FAILURE);
}

/* Windows from before placeholders has no views in a space: there is nothing to show. */
static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    if (status != HF_UNSUPPORTED) {
        fprintf(stderr, "emulator: %s: %s\n", what, why);
        exit(EXIT_FAILURE);
    }
    printf("not on this system: %s: %s\n", what, why);
    exit(EXIT_SUCCESS);
}

/* A number of the machine. Both threads use them, and all mirrors show the same ones. */
static _Atomic uint32_t *at(size_t mirror, size_t address) {
    return (_Atomic uint32_t *)(void *)(hf_space_base(space) + mirror * distance + address);
}

static uint32_t load(size_t mirror, size_t address) { return atomic_load(at(mirror, address)); }

/* ---------------------------------------------------------------- the machine ---------------- */

static void protect(size_t address, size_t size, hf_protection protection) {
    for (size_t i = 0; i < MIRRORS; i++)
        need(hf_space_protect(space, i * distance + address, size, protection), "protecting");
}

/* Replaces whatever is in the bank's place: nothing, or another bank. Stores into ROM fault. */
static void show_bank(size_t bank) {
    for (size_t i = 0; i < MIRRORS; i++)
        need(hf_space_remap_range(space, i * distance + RAM, BANK, memory, RAM + bank * BANK,
                                  HF_READ_ONLY),
             "showing a bank");
}

/* Stamps the banks through one large view, of which then only the RAM stays. */
static void make_memory(void) {
    size_t size = RAM + BANKS * BANK;
    need(hf_file_create_shared(&memory, size, NULL), "shared memory");
    need(hf_space_map_range(space, 0, size, memory, 0, HF_READ_WRITE), "a view");
    for (size_t i = 0; i < BANKS; i++) atomic_store(at(0, RAM + i * BANK), STAMP + (uint32_t)i);
    need(hf_space_release_range(space, RAM, BANKS * BANK), "unmapping the banks");
    for (size_t i = 1; i < MIRRORS; i++)
        need(hf_space_map_range(space, i * distance, RAM, memory, 0, HF_READ_WRITE), "a mirror");
    show_bank(0);
    protect(0, RAM, HF_PROTECT_READ);
}

/* Commits the last quarter for the table, or, where memory cannot be lazy, the table's beginning;
 * and uses an entry at each end. */
static void make_table(bool is_lazy) {
    size_t offset = MIRRORS * distance, size = is_lazy ? distance : RAM;
    need(hf_space_commit_range(space, offset, size), "the table");
    uint64_t *table = (uint64_t *)(void *)(hf_space_base(space) + offset);
    size_t last = size / sizeof *table - 1;
    table[0] = table[last] = 1;
    if (table[0] + table[last / 2] + table[last] != 2) fail("the table is not zero");
    printf("%zu MiB for the table, %s\n", size >> 20, is_lazy ? "lazy" : "not lazy");
}

static void open_machine(void) {
    uint64_t size = sizeof(void *) > 4 ? (uint64_t)64 << 30 : (uint64_t)128 << 20;
    hf_space_options options = {.name = "emulator", .memory.lazy = true};
    hf_status status = hf_space_open(&space, (size_t)size, &options);
    bool is_lazy = status == HF_OK;
    options.memory.lazy = false;
    if (status == HF_UNSUPPORTED) status = hf_space_open(&space, (size_t)size, &options);
    need(status, "reserving addresses");
    page = hf_space_page_size(space);
    distance = hf_space_size(space) / (MIRRORS + 1);
    printf("%zu MiB of addresses, 8 MiB of RAM in %zu pages\n", hf_space_size(space) >> 20,
           RAM / page);
    make_memory();
    make_table(is_lazy);
}

/* ---------------------------------------------------------------- tracking stores ------------ */

/* A view that can be written was so only after the fault: another thread's remap was not finished.
 * Any other fault but that of a store into protected RAM is an error. */
static bool on_fault(const char *address) {
    size_t offset = (size_t)(address - hf_space_base(space));
    hf_region region;
    atomic_fetch_add(&faults, 1);
    if (!hf_space_find(space, offset, &region) || region.kind != HF_VIEW) return false;
    if (region.protection == HF_PROTECT_READ_WRITE) return true;
    if (region.access == HF_READ_ONLY) return false;
    size_t number = offset % distance / page;
    is_dirty[number] = true;
    dirty_pages++;
    protect(number * page, page, HF_PROTECT_READ_WRITE);
    return true;
}

static void store_into_rom(void *number) { *(volatile uint32_t *)number = 0; }

/* The stores of a frame, and the same into the model: the first number of a page tells in which
 * frame the page was stored into last. */
static void run_frame(uint32_t frame, uint32_t model[PAGES]) {
    static uint32_t random = 1;
    for (size_t i = 0; i < STORES; i++) {
        random = random * 75 % 65537;
        size_t number = random % (RAM / page);
        atomic_store(at(i % MIRRORS, number * page), frame);
        model[number] = frame;
    }
    stores += STORES;
}

/* Dirty must be what was stored into and nothing else; all mirrors show it. */
static void check_frame(uint32_t frame, const uint32_t model[PAGES]) {
    for (size_t i = 0; i < RAM / page; i++) {
        if (is_dirty[i] != (model[i] == frame)) fail("a page is dirty, or clean, by mistake");
        for (size_t mirror = 0; mirror < MIRRORS; mirror++)
            if (load(mirror, i * page) != model[i]) fail("a mirror shows another number");
        is_dirty[i] = false;
    }
    protect(0, RAM, HF_PROTECT_READ);
}

/* ---------------------------------------------------------------- the second thread ---------- */

static void stop_while_wanted(void) {
    for (; atomic_load(&pause_wanted); sleep_a_millisecond()) atomic_store(&is_paused, 1);
    atomic_store(&is_paused, 0);
}

/* Numbers only become greater, so of two mirrors the one that is read later cannot be behind. */
static void read_memory(void) {
    for (size_t i = 0; !atomic_load(&is_ended); i++) {
        stop_while_wanted();
        size_t address = i * 7 % (RAM / page) * page;
        uint32_t before = load(i % MIRRORS, address), after = load((i + 1) % MIRRORS, address);
        if (after < before) fail("a mirror is behind");
        if (load(i % MIRRORS, RAM) - STAMP >= BANKS) fail("the bank shows something else");
        atomic_fetch_add(&reads, 1);
    }
}

static bool can_remap_in_one_step(void) { return hf_backend_native()->remap != NULL; }

static void switch_bank(size_t bank) {
    atomic_store(&pause_wanted, !can_remap_in_one_step());
    while (atomic_load(&pause_wanted) && !atomic_load(&is_paused)) sleep_a_millisecond();
    show_bank(bank);
    for (size_t mirror = 0; mirror < MIRRORS; mirror++)
        if (load(mirror, RAM) != STAMP + bank) fail("the bank is another one");
    atomic_store(&pause_wanted, 0);
}

static void run(uint32_t frames) {
    static uint32_t model[PAGES];
    for (uint32_t frame = 1; frame <= frames; frame++) {
        switch_bank(frame % BANKS);
        run_frame(frame, model);
        check_frame(frame, model);
    }
    for (size_t i = 0; i < MIRRORS; i++)
        if (platform_try(store_into_rom, hf_space_base(space) + i * distance + RAM))
            fail("a store into the ROM did not fault");
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: emulator FRAMES\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    uint32_t frames = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
    if (frames == 0 || argv[1][0] == '-') return usage(argv[argc - 1]);
    platform_handle_faults(on_fault);
    open_machine();
    if (!platform_start_thread(read_memory)) fail("no second thread");
    while (atomic_load(&reads) == 0) sleep_a_millisecond();
    run(frames);
    atomic_store(&is_ended, 1);
    platform_join_thread();
    printf("%zu stores, %zu dirty pages\n", stores, dirty_pages);
    size_t others = atomic_load(&faults) - dirty_pages - MIRRORS;
    printf("the second thread %s and met %zu faults\n",
           can_remap_in_one_step() ? "read all the time" : "was paused during remaps", others);
    if (others != 0) fail("a thread faulted by mistake");
    if (hf_space_check(space) != HF_OK) fail("the space is damaged");
    hf_file_close(memory);
    hf_space_close(space);
    return EXIT_SUCCESS;
}
