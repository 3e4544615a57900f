/*
 * arena_allocate.c -- the calls that hand out memory: what each must, may and cannot do.
 */
#include "arena_harness.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RED_ZONE_ALIGNMENT: under a sanitizer a block, and so a peek, begins at a multiple of this. */
enum { RED_ZONE_ALIGNMENT = 8, SHORT_TEXT = 2000 };

/* ------------------------------------------------------------------ allocations ----------- */

bool is_alignment(size_t align) {
    return align != 0 && (align & (align - 1)) == 0 && align <= HF_MAX_ALIGNMENT;
}

void expect(struct harness *harness, struct request *request) {
    struct arena_model *model = model_of(harness);
    request->error = HF_RESERVE_FULL;
    request->fate = FATE_FAILS;
    if (!model->open || !is_alignment(request->align))
        request->error = HF_INVALID;
    else {
        request->fate = arena_model_fate(model, arena_of(harness)->pos, harness->before.reserved,
                                         request->size, request->align);
    }
}

/* A long text may be formatted in pages of the system's before its block is allocated. */
static bool may_allocate_pages(const struct harness *harness, const struct request *request) {
    return harness->operation->kind == ARENA_ASPRINTF && request->size > 512;
}

/* What a growth that could not be undone left behind limit takes a call: see check_unchanged. */
static size_t committed_room(struct harness *harness) {
    if (!model_of(harness)->populating) return harness->before.committed - harness->before.used;
    return (size_t)(harness->struct_before.limit - harness->struct_before.pos);
}

/* What hf_precommit promised, or is committed already, takes no call and cannot fail. */
static bool is_ready(struct harness *harness, struct request *request) {
    struct arena_model *model = model_of(harness);
    const char *pos = harness->struct_before.pos;
    if (model->faulting || model->checked || may_allocate_pages(harness, request)) return false;
    return arena_model_fits(model, pos, model->ensured, request->size, request->align) ||
           arena_model_fits(model, pos, committed_room(harness), request->size, request->align);
}

void check_place(struct harness *harness, struct request *request) {
    hf_arena *arena = arena_of(harness);
    char *block = request->block;
    if (((uintptr_t)block & (request->align - 1)) != 0) fail(harness, "the block is not aligned");
    if (block < harness->struct_before.pos)
        fail(harness, "the block lies below the next free byte");
    if (block + request->size > arena->pos) fail(harness, "the block reaches beyond pos");
    if (arena->pos > model_of(harness)->base + harness->before.reserved)
        fail(harness, "pos is outside");
    if (!hf_owns(arena, block) && request->size != 0) fail(harness, "the block is not owned");
}

void keep_block(struct harness *harness, struct request *request) {
    struct arena_model *model = model_of(harness);
    size_t used = hf_get_mark(arena_of(harness));
    arena_block *block = arena_model_add(model, request->block, request->size, used);
    if (block) arena_block_fill(model, block);
}

/* A request that came back, with or without a block. True: with one, and it is sound. */
bool judge(struct harness *harness, struct request *request) {
    struct arena_model *model = model_of(harness);
    bool was_injected = failure_injected(harness);
    if (!request->block) {
        bool legal =
            request->fate != FATE_SUCCEEDS || (was_injected && !is_ready(harness, request));
        if (!legal)
            fail(harness, "%zu bytes at %zu fit, and were not given", request->size,
                 request->align);
        if (model->open) check_unchanged(harness);
        check_error(harness, request->error);
        return false;
    }
    check_success(harness);
    if (request->fate == FATE_FAILS) fail(harness, "more was given than there is");
    if (is_ready(harness, request) &&
        hf_arena_get_stats(arena_of(harness)).system_calls != harness->before.system_calls) {
        fail(harness, "a system call for bytes that were committed");
    }
    check_place(harness, request);
    check_marks(harness, request->block, request->size);
    if (request->zeroed && !arena_bytes_are_zero(model, request->block, request->size)) {
        fail(harness, "the block is not zero");
    }
    arena_model_use(model, hf_get_mark(arena_of(harness)));
    return true;
}

typedef void *allocator(struct harness *, struct request *);

static void *call_alloc(struct harness *harness, struct request *request) {
    return hf_alloc(arena_of(harness), request->size, request->align);
}

static void *call_alloc_zeroed(struct harness *harness, struct request *request) {
    return hf_alloc_zeroed(arena_of(harness), request->size, request->align);
}

/* Calls an allocator, unless on_failure leaves by longjmp. */
void *guarded(struct harness *harness, allocator *allocate, struct request *request) {
    if (setjmp(harness->leave)) return NULL;
    return allocate(harness, request);
}

/* The fate is judged again after on_failure has freed something. */
bool make(struct harness *harness, allocator *allocate, struct request *request) {
    expect(harness, request);
    request->block = guarded(harness, allocate, request);
    if (harness->asked && harness->handling == HANDLE_FREE) expect(harness, request);
    if (harness->asked && request->block == NULL && request->fate == FATE_SUCCEEDS &&
        harness->handling == HANDLE_LEAVE) {
        request->fate = FATE_EITHER;
    }
    return judge(harness, request);
}

void run_alloc(struct harness *harness, size_t size) {
    bool zeroed = harness->operation->kind == ARENA_ALLOC_ZEROED;
    struct request request = {
        .size = size, .align = arena_alignment(harness->operation), .zeroed = zeroed};
    if (make(harness, zeroed ? call_alloc_zeroed : call_alloc, &request))
        keep_block(harness, &request);
}

/* hf_alloc_array: count and size, whose product may wrap. */
static size_t element_size(const arena_operation *operation) {
    static const size_t sizes[] = {1, 3, 8, 24, 4096, 0, SIZE_MAX / 2 + 1, SIZE_MAX};
    return sizes[operation->number % (sizeof sizes / sizeof sizes[0])];
}

static size_t element_count(const arena_operation *operation, size_t total) {
    size_t size = element_size(operation);
    return size == 0 || size > SIZE_MAX / 4 ? operation->value % 8 : total / size;
}

static void *call_alloc_array(struct harness *harness, struct request *request) {
    size_t size = element_size(harness->operation);
    return hf_alloc_array(arena_of(harness), element_count(harness->operation, request->total),
                          size, request->align);
}

/* The product saturates here: it is more than any reservation then, too. */
void run_alloc_array(struct harness *harness, size_t total) {
    size_t size = element_size(harness->operation);
    size_t count = element_count(harness->operation, total);
    size_t product = size != 0 && count > SIZE_MAX / size ? SIZE_MAX : count * size;
    struct request request = {
        .size = product, .align = arena_alignment(harness->operation), .zeroed = true};
    request.total = total;
    if (make(harness, call_alloc_array, &request)) keep_block(harness, &request);
}

struct wide {
    uint64_t words[5];
};

struct cache_line {
    _Alignas(64) char bytes[100];
};

/* The macros, with types of several sizes and alignments. */
static void *call_new(struct harness *harness, struct request *request) {
    hf_arena *arena = arena_of(harness);
    size_t count = harness->operation->value % 300;
    (void)request;
    switch (harness->operation->number % 6) {
    case 0: return hf_new(arena, char);
    case 1: return hf_new(arena, struct wide);
    case 2: return hf_new(arena, struct cache_line);
    case 3: return hf_new_array(arena, uint16_t, count);
    case 4: return hf_new_array(arena, struct wide, count);
    default: return hf_new_array(arena, struct cache_line, count);
    }
}

void run_new(struct harness *harness) {
    static const size_t sizes[] = {1, sizeof(struct wide), sizeof(struct cache_line), 2};
    static const size_t aligns[] = {1, _Alignof(struct wide), 64, _Alignof(uint16_t)};
    unsigned type = harness->operation->number % 6;
    unsigned row = type < 4 ? type : type - 3;
    size_t count = type < 3 ? 1 : harness->operation->value % 300;
    struct request request = {.size = count * sizes[row], .align = aligns[row], .zeroed = true};
    if (make(harness, call_new, &request)) keep_block(harness, &request);
}

/* ------------------------------------------------------------------ top and ensure -------- */

static void *call_peek(struct harness *harness, struct request *request) {
    return hf_peek(arena_of(harness), request->size, request->room);
}

/* Fills what was shown: all of a little, else the ends. */
static void fill_shown(char *shown, size_t least, size_t room) {
    size_t size = least < 4096 ? least : 4096;
    memset(shown, 0xa5, size);
    if (room > least) shown[room - 1] = 0x5a;
}

static void take_shown(struct harness *harness, char *shown, size_t size) {
    hf_arena *arena = arena_of(harness);
    struct arena_model *model = model_of(harness);
    harness->struct_before = *arena;
    char *block = hf_alloc(arena, size, 1);
    if (block != shown) fail(harness, "hf_alloc gave other bytes than hf_peek showed");
    for (size_t i = 0; i < size && i < 4096; i++) {
        if (block[i] != (char)0xa5) fail(harness, "the bytes shown were lost");
    }
    check_marks(harness, block, size);
    arena_model_use(model, hf_get_mark(arena));
    struct request request = {.size = size, .align = 1, .block = block};
    keep_block(harness, &request);
}

void run_peek(struct harness *harness, size_t size) {
    hf_arena *arena = arena_of(harness);
    struct arena_model *model = model_of(harness);
    size_t room = size;
    struct request request = {.size = size, .align = 1};
    if (harness->operation->number & 1) request.room = &room;
    expect(harness, &request);
    char *shown = guarded(harness, call_peek, &request);
    if (harness->asked && harness->handling == HANDLE_FREE) expect(harness, &request);
    if (!shown) {
        if (harness->asked && harness->handling == HANDLE_LEAVE) request.fate = FATE_EITHER;
        request.block = NULL;
        judge(harness, &request);
        return;
    }
    check_success(harness);
    if (request.fate == FATE_FAILS) fail(harness, "more was shown than there is");
    if (room < size) fail(harness, "less room than asked for");
    if (shown < arena->pos) fail(harness, "what is shown is allocated");
    if (shown + room > model->base + harness->before.reserved)
        fail(harness, "room outside the arena");
    size_t moved = hf_get_mark(arena) - harness->before.used;
    if (moved >= (model->checked ? RED_ZONE_ALIGNMENT : 1)) fail(harness, "looking moved pos");
    arena_model_use(model, hf_get_mark(arena));
    if (is_poisoned(shown, room)) fail(harness, "the room is poisoned");
    fill_shown(shown, size, room);
    if (harness->operation->flags & 1)
        take_shown(harness, shown, size - size * (harness->operation->flags / 2 % 4) / 4);
}

void run_precommit(struct harness *harness, size_t size) {
    hf_arena *arena = arena_of(harness);
    struct arena_model *model = model_of(harness);
    struct request request = {.size = size, .align = 1};
    hf_status status = hf_precommit(arena, size);
    expect(harness, &request);
    if (harness->asked) fail(harness, "hf_precommit asked on_failure");
    if (status == HF_OK) {
        check_success(harness);
        if (request.fate == FATE_FAILS) fail(harness, "more was ensured than there is");
        if (hf_get_mark(arena) != harness->before.used) fail(harness, "ensuring moved pos");
        if (model->ensured < size) model->ensured = size;
        return;
    }
    if (request.fate == FATE_SUCCEEDS && !failure_injected(harness))
        fail(harness, "there is room, and it failed");
    if (status != hf_last_error().status) fail(harness, "the last error is another one");
    check_unchanged(harness);
    check_error(harness, request.error);
}

/* ------------------------------------------------------------------ texts ----------------- */

static char text[TEXT_BYTES];

static void *call_strdup(struct harness *harness, struct request *request) {
    (void)request;
    return hf_strdup(arena_of(harness), harness->operation->flags == 63 ? NULL : text);
}

/* Without an end where it is not needed, so that a sanitizer sees a read past it. */
static void *call_strndup(struct harness *harness, struct request *request) {
    size_t length = request->size - 1;
    bool exact = harness->operation->number % 2;
    if (harness->operation->flags == 63) return hf_strndup(arena_of(harness), NULL, length);
    request->copy = malloc(length + 1);
    if (!request->copy) abort();
    memcpy(request->copy + exact, text, length + !exact);
    return hf_strndup(arena_of(harness), request->copy + exact, exact ? length : SIZE_MAX);
}

static void *call_memdup(struct harness *harness, struct request *request) {
    return hf_memdup(arena_of(harness), text, request->size);
}

HF_FORMAT(2, 3)
static char *print_list(hf_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *printed = hf_vasprintf(arena, format, arguments);
    va_end(arguments);
    return printed;
}

/* A wide character that no locale of one byte has. */
static const wchar_t unprintable[] = {0x2603, 0};

static void *call_asprintf(struct harness *harness, struct request *request) {
    hf_arena *arena = arena_of(harness);
    int width = (int)(request->size - 1);
    switch (harness->operation->number % 4) {
    case 0: return hf_asprintf(arena, "%s", text);
    case 1: return print_list(arena, "%.*s", width, text);
    case 2: return hf_asprintf(arena, "%*d", width, 7);
    default: return hf_asprintf(arena, "%ls", unprintable);
    }
}

/* A text of this length, in `text`. */
static void write_text(size_t length) {
    static size_t written;
    if (written == 0) {
        for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 23);
    }
    text[written] = (char)('a' + written % 23);
    text[length] = '\0';
    written = length;
}

static void check_text(struct harness *harness, struct request *request, size_t shown) {
    const char *copy = request->block;
    bool number = harness->operation->kind == ARENA_ASPRINTF && harness->operation->number % 4 == 2;
    if (number) {
        if (copy[shown - 2] != '7' || copy[0] != (shown > 2 ? ' ' : '7'))
            fail(harness, "not printed");
    } else if (memcmp(copy, text, shown) != 0)
        fail(harness, "the text is another one");
    if ((copy - model_of(harness)->base) % 8 != 0) fail(harness, "the text cannot have a ref");
}

static void run_text(struct harness *harness, size_t size, allocator *allocate) {
    const arena_operation *operation = harness->operation;
    bool bytes = operation->kind == ARENA_MEMDUP, print = operation->kind == ARENA_ASPRINTF;
    bool cannot_print =
        print && operation->number % 4 == 3 && snprintf(NULL, 0, "%ls", unprintable) < 0;
    size_t length = size % (operation->number < 224 ? SHORT_TEXT : TEXT_BYTES - 2);
    if (print && length == 0) length = 1;
    struct request request = {.size = length + !bytes, .align = 8};
    if (print && operation->number % 4 == 3 && !cannot_print) return;
    write_text(length);
    expect(harness, &request);
    if (cannot_print || (operation->flags == 63 && !bytes && !print)) {
        request.fate = FATE_FAILS;
        request.error = HF_INVALID;
    }
    arena_fate fate = request.fate;
    hf_status error = request.error;
    request.block = guarded(harness, allocate, &request);
    free(request.copy);
    if (harness->asked && harness->handling == HANDLE_FREE && error != HF_INVALID)
        expect(harness, &request);
    if (!request.block && harness->asked && fate != FATE_FAILS) request.fate = FATE_EITHER;
    if (!judge(harness, &request)) return;
    check_text(harness, &request, request.size);
    keep_block(harness, &request);
}

void run_strdup(struct harness *harness, size_t size) { run_text(harness, size, call_strdup); }

void run_strndup(struct harness *harness, size_t size) { run_text(harness, size, call_strndup); }

void run_memdup(struct harness *harness, size_t size) { run_text(harness, size, call_memdup); }

void run_asprintf(struct harness *harness, size_t size) { run_text(harness, size, call_asprintf); }
