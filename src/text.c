/*
 * text.c -- copies and formatted texts in an arena. All of them are aligned to 8, so that an hf_ref
 * can refer to them.
 *
 * The source of a copy and the arguments of a format may lie in the arena, even in the bytes that
 * hf_peek returned last, which the new block overlaps. So a text is formatted before its block is
 * allocated, unless neither the new block nor on_failure can overwrite or free the arguments.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "arena_core.h"
#include "fail.h"
#include "pages.h"
#include "sanitizer.h"

#define TEXT_ALIGNMENT 8

/* Texts up to this size, with their NUL, are formatted once, longer ones twice. */
#define TEXT_SHORT_SIZE 512

/* The most bytes that a block needs beside its own: for its alignment and, under a sanitizer, for
 * the alignment and size of its red zone. */
#define TEXT_MOST_OVERHEAD (TEXT_ALIGNMENT + HF_SANITIZER_ALIGNMENT + HF_RED_ZONE)

void *hf_memdup(hf_arena *arena, const void *bytes, size_t size) {
    if (bytes == NULL && size > 0) return hf_arena_fail(arena, "hf_memdup", size);
    hf_arena_source source = {"hf_memdup", bytes, size};
    return hf_arena_copy(arena, &source, size, TEXT_ALIGNMENT);
}

char *hf_strndup(hf_arena *arena, const char *text, size_t most) {
    if (text == NULL) return hf_arena_fail(arena, "hf_strndup", most);
    size_t length = 0;
    while (length < most && text[length] != '\0') length++;
    hf_arena_source source = {"hf_strndup", text, length};
    char *copy = hf_arena_copy(arena, &source, length + 1, TEXT_ALIGNMENT);
    if (copy) copy[length] = '\0';
    return copy;
}

char *hf_strdup(hf_arena *arena, const char *text) {
    if (text == NULL) return hf_arena_fail(arena, "hf_strdup", 0);
    hf_arena_source source = {"hf_strdup", text, strlen(text) + 1};
    return hf_arena_copy(arena, &source, source.size, TEXT_ALIGNMENT);
}

/* ------------------------------------------------------------- formatted texts ----------- */

/*
 * Pages of the backend in which a long text is formatted before its block is allocated; the text
 * follows this struct. The arena links them until they are freed: if on_failure leaves by longjmp,
 * hf_arena_close frees them.
 */
struct hf_text_pages {
    hf_text_pages *next;
    size_t size; /* in bytes, with this struct */
};

static void text_free_pages_until(hf_arena_core *core, const hf_text_pages *end) {
    while (core->text_pages != end) {
        hf_text_pages *pages = core->text_pages;
        assert(pages != NULL && pages->size > sizeof *pages); /* `end` is in the list */
        core->text_pages = pages->next;
        core->backend->free_pages(core->backend, pages, pages->size);
    }
}

void hf_arena_free_text_pages(hf_arena_core *core) { text_free_pages_until(core, NULL); }

/* NULL if the backend has no pages for it; the last error says why. */
static hf_text_pages *text_allocate_pages(hf_arena_core *core, size_t size) {
    hf_report report = {0};
    size_t bytes = hf_pages_for(core->backend, sizeof(hf_text_pages) + size);
    void *memory;
    hf_status status = core->backend->allocate_pages(core->backend, bytes, &memory, &report);
    core->own_calls += report.system_calls;
    if (status != HF_OK) {
        hf_fail_reported(status, &report, 0, bytes);
        return NULL;
    }
    hf_text_pages *pages = memory;
    *pages = (hf_text_pages){core->text_pages, bytes};
    core->text_pages = pages;
    return pages;
}

/* True if the arena still links the pages: on_failure has not closed it. */
static bool text_has_pages(const hf_arena *arena, const hf_text_pages *pages) {
    if (arena->state == NULL) return false;
    const hf_text_pages *entry = hf_core_of(arena)->text_pages;
    while (entry && entry != pages) entry = entry->next;
    return entry != NULL;
}

/* Where a formatted text goes: behind the bytes of an older text, or into a new block. */
typedef struct text_target {
    const char *call; /* the function that the program called, for errors */
    char *text;       /* NULL: a new block */
    size_t length;    /* of the older text, without its NUL */
} text_target;

/* Makes the older text's block `size` bytes large: in place if it is the last one, else as a copy
 * at the end of the arena. NULL: it failed, and the older text is as it was. */
static char *text_grow(hf_arena *arena, const text_target *target, size_t size) {
    if (target->text == NULL) return hf_alloc(arena, size, TEXT_ALIGNMENT);
    hf_arena_source source = {target->call, target->text, target->length + 1};
    hf_error before = hf_last_error();
    if (hf_extend(arena, target->text, source.size, size)) return target->text;
    hf_fail_with(before);
    return hf_arena_copy(arena, &source, size, TEXT_ALIGNMENT);
}

/* Grows the block, copies the text into it and frees the pages. If on_failure closes the arena and
 * opens it again, the text is gone with its pages: HF_WRONG_STATE. */
static char *text_copy_from_pages(hf_arena *arena, const text_target *target,
                                  const hf_text_pages *pages, size_t size) {
    char *text = text_grow(arena, target, target->length + size);
    if (!text_has_pages(arena, pages)) {
        if (text)
            hf_fail_because(HF_WRONG_STATE, target->call,
                            "on_failure closed the arena, and the text with it", 0, size);
        return NULL;
    }
    if (text) memcpy(text + target->length, pages + 1, size);
    text_free_pages_until(hf_core_of(arena), pages->next);
    return text;
}

static char *text_format_in_pages(hf_arena *arena, const text_target *target, size_t size,
                                  const char *format, va_list arguments) {
    hf_text_pages *pages = text_allocate_pages(hf_core_of(arena), size);
    if (pages == NULL) return hf_arena_give_up(arena, size);
    vsnprintf((char *)(pages + 1), size, format, arguments);
    return text_copy_from_pages(arena, target, pages, size);
}

/* False if formatting into the new block could overwrite or free the arguments: the block overlaps
 * what hf_peek returned, or hf_alloc may call on_failure because precommit failed. */
static bool text_are_arguments_safe(hf_arena *arena, size_t size) {
    if (arena->state == NULL) return true;
    if (hf_arena_is_peek_current(arena)) return false;
    if (hf_core_of(arena)->options.on_failure == NULL) return true;
    hf_error before = hf_last_error();
    hf_status status = hf_precommit(arena, size + TEXT_MOST_OVERHEAD);
    hf_fail_with(before);
    return status == HF_OK;
}

/*
 * Formats `size` bytes behind the older text. If that is the last block, it grows by one byte more
 * than it needs: the arguments may lie in the older text, whose NUL must stay until they are read.
 *
 *      | older text |\0| new text |\0|      ->      | older text | new text |\0|
 */
static char *text_format_in_place(hf_arena *arena, const text_target *target, size_t size,
                                  const char *format, va_list arguments) {
    char *text = target->text;
    size_t length = target->length, whole = length + size;
    if (text == NULL || !hf_extend(arena, text, length + 1, whole + 1)) return NULL;
    vsnprintf(text + length + 1, size, format, arguments);
    memmove(text + length, text + length + 1, size);
    hf_extend(arena, text, whole + 1, whole);
    return text;
}

/* If the last block cannot grow by that one byte more, it may yet by what is needed. */
static char *text_format_long(hf_arena *arena, const text_target *target, size_t size,
                              const char *format, va_list arguments) {
    hf_error before = hf_last_error();
    size_t whole = target->length + size;
    bool is_safe = text_are_arguments_safe(arena, whole + 1);
    char *text = is_safe ? text_format_in_place(arena, target, size, format, arguments) : NULL;
    if (text) return text;
    bool is_last = target->text && hf_last_error().status != HF_WRONG_STATE;
    hf_fail_with(before);
    if (!is_safe || is_last) return text_format_in_pages(arena, target, size, format, arguments);
    text = text_grow(arena, target, whole);
    if (text) vsnprintf(text + target->length, size, format, arguments);
    return text;
}

/* Short texts are formatted before anything changes. */
static char *text_format(hf_arena *arena, const text_target *target, const char *format,
                         va_list arguments) {
    char buffer[TEXT_SHORT_SIZE];
    va_list copy;
    va_copy(copy, arguments);
    int length = format ? vsnprintf(buffer, sizeof buffer, format, copy) : -1;
    va_end(copy);
    if (length < 0) return hf_arena_fail(arena, target->call, 0);
    size_t size = (size_t)length + 1;
    if (size > sizeof buffer) return text_format_long(arena, target, size, format, arguments);
    char *text = text_grow(arena, target, target->length + size);
    if (text) memcpy(text + target->length, buffer, size);
    return text;
}

char *hf_vasprintf(hf_arena *arena, const char *format, va_list arguments) {
    return text_format(arena, &(text_target){"hf_asprintf", NULL, 0}, format, arguments);
}

char *hf_asprintf(hf_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = hf_vasprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

char *hf_vasprintf_append(hf_arena *arena, char *text, const char *format, va_list arguments) {
    static const char call[] = "hf_asprintf_append";
    text_target target = {call, text, text ? strlen(text) : 0};
    if (text && !hf_arena_is_block(arena, text, target.length + 1))
        return hf_arena_fail(arena, call, 0);
    return text_format(arena, &target, format, arguments);
}

char *hf_asprintf_append(hf_arena *arena, char *text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    text = hf_vasprintf_append(arena, text, format, arguments);
    va_end(arguments);
    return text;
}
