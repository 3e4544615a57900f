/*
 * on_holdfast.c -- the front end on holdfast.
 *
 *   texts   |text|text|text| ...       read in place
 *   names   |name|name|name| ...       referred to by 32-bit refs
 *   table   |chain|chain| ...          one block, which grows in place
 *   lists   |token|token| ...          a scratch arena, rewound after each file
 *
 * Each kind of data has an arena: that costs addresses only, and keeps the names, which every
 * identifier reads, close together in memory. No object is freed by itself; closing frees all.
 */
#include "on_holdfast.h"

#include "holdfast.h"

typedef hf_ref name_ref;

#include "front_end_types.h"

struct memory {
    hf_arena texts, names, table;
    hf_scratch scratch;
    hf_scope list;
    size_t list_peak;
};

static inline struct name *memory_name(const struct memory *memory, name_ref ref) {
    return hf_from_ref(&memory->names, ref);
}

static struct name *memory_new_name(struct memory *memory, size_t size, name_ref *ref) {
    struct name *name = hf_alloc(&memory->names, size, 8);
    *ref = hf_to_ref(&memory->names, name);
    return *ref ? name : NULL;
}

/* The table is the only block of its arena, so it can always be extended and is never copied. */
static name_ref *memory_grow_chains(struct memory *memory, name_ref *chains, size_t old,
                                    size_t count) {
    if (!chains) return hf_new_array(&memory->table, name_ref, count);
    bool grown =
        hf_extend_zeroed(&memory->table, chains, old * sizeof *chains, count * sizeof *chains);
    return grown ? chains : NULL;
}

/* hf_peek returns the same address again while the arena grows, so `filled` bytes need no copy. */
static char *memory_text(struct memory *memory, char *text, size_t filled, size_t least,
                         size_t *room) {
    (void)text, (void)filled;
    return hf_peek(&memory->texts, least, room);
}

static bool memory_keep_text(struct memory *memory, char *text, size_t size) {
    return hf_alloc(&memory->texts, size, 1) == text;
}

static void memory_drop_text(struct memory *memory, char *text) { (void)memory, (void)text; }

static void memory_begin_list(struct memory *memory) {
    memory->list = hf_scratch_begin(&memory->scratch, &memory->names);
}

static struct listed *memory_grow_list(struct memory *memory, struct listed *tokens, size_t old,
                                       size_t count) {
    return hf_realloc(memory->list.arena, tokens, old * sizeof *tokens, count * sizeof *tokens, 8);
}

static void memory_end_list(struct memory *memory, struct listed *tokens) {
    size_t used = hf_get_mark(memory->list.arena);
    (void)tokens;
    if (used > memory->list_peak) memory->list_peak = used;
    hf_scope_end(memory->list);
}

static void memory_close(struct memory *memory, struct names *names) {
    (void)names;
    hf_scratch_close(&memory->scratch);
    hf_arena_close(&memory->table);
    hf_arena_close(&memory->names);
    hf_arena_close(&memory->texts);
}

/* Reservations: names take the 32 GiB that refs can address, texts more, the others less. */
static const size_t mebibyte = (size_t)1 << 20;
static const size_t text_mebibytes = sizeof(void *) > 4 ? 65536 : 256;
static const size_t name_mebibytes = sizeof(void *) > 4 ? 32768 : 128;
static const size_t other_mebibytes = sizeof(void *) > 4 ? 8192 : 64;

static hf_arena_options reserve(size_t size, const char *name, const hf_backend *backend) {
    return (hf_arena_options){
        .reserve = size, .least_reserve = size, .name = name, .backend = backend};
}

static bool memory_open_part(struct memory *memory, size_t part, hf_huge_pages huge_pages,
                             const hf_backend *backend) {
    size_t unit = mebibyte / part;
    hf_arena_options texts = reserve(text_mebibytes * unit, "texts", backend);
    hf_arena_options names = reserve(name_mebibytes * unit, "names", backend);
    hf_arena_options table = reserve(other_mebibytes * unit, "table", backend);
    hf_arena_options lists = reserve(other_mebibytes * unit, "lists", backend);
    texts.huge_pages = names.huge_pages = table.huge_pages = lists.huge_pages = huge_pages;
    return hf_arena_open(&memory->texts, &texts) == HF_OK &&
           hf_arena_open(&memory->names, &names) == HF_OK &&
           hf_arena_open(&memory->table, &table) == HF_OK &&
           hf_scratch_open(&memory->scratch, &lists) == HF_OK;
}

/*
 * If addresses are limited (ulimit -v), halves all reservations together until they fit: if each
 * took what it can get, the first would leave nothing for the last. Then halves once more, to leave
 * addresses for the rest of the program.
 *
 * HF_HUGE_AUTO gives an arena that grows by small blocks small pages up to 20 MiB. If there is more
 * than that to read, the arenas take huge pages from the start.
 */
static bool memory_open(struct memory *memory, uint64_t bytes, const hf_backend *backend) {
    enum { SMALLEST_PART = 1024, LARGE_WORK = 20 << 20 };
    hf_huge_pages huge_pages = bytes >= LARGE_WORK ? HF_HUGE_ALWAYS : HF_HUGE_AUTO;
    for (size_t part = 1; part <= SMALLEST_PART; part *= 2) {
        bool opened = memory_open_part(memory, part, huge_pages, backend);
        if (opened && part == 1) return true;
        memory_close(memory, NULL);
        if (opened) return memory_open_part(memory, 2 * part, huge_pages, backend);
        if (hf_last_error().status != HF_NO_ADDRESS) return false;
    }
    return false;
}

#define WORK_NAME "holdfast"
#define WORK_KIND on_holdfast
#include "front_end_work.h"

hf_arena *on_holdfast_arena(struct front_end *front_end, front_end_arena arena) {
    struct memory *memory = &front_end->memory;
    switch (arena) {
    case ARENA_TEXTS: return &memory->texts;
    case ARENA_NAMES: return &memory->names;
    case ARENA_TABLE: return &memory->table;
    default: return &memory->scratch.arenas[0];
    }
}

bool on_holdfast_empty(struct front_end *front_end) {
    bool reset = true;
    for (front_end_arena arena = 0; arena < ARENAS; arena++)
        reset &= hf_reset(on_holdfast_arena(front_end, arena)) == HF_OK;
    return work_start(front_end) && reset;
}

size_t on_holdfast_list_peak(struct front_end *front_end) {
    size_t peak = front_end->memory.list_peak;
    front_end->memory.list_peak = 0;
    return peak;
}
