/*
 * text.c -- copies and formatted texts in an arena. All are aligned to 8, so that they can have
 * a ref.
 *
 * What is copied or formatted may lie in the arena, and even be bytes that hf_peek has just shown,
 * which the new block overlaps. So a text is complete before its block is allocated, except where
 * neither the block nor on_failure can touch the arguments.
 */
#include <stdio.h>
#include <string.h>

#include "arena.h"
#include "fail.h"
#include "marking.h"
#include "pages.h"

#define TEXT_ALIGNMENT 8

/* Formatted texts up to this size are formatted once, longer ones twice. */
#define SHORT_TEXT 512

/* What a block takes at most beside its bytes: its alignment; in a checked process a red zone. */
#define MOST_OVERHEAD (TEXT_ALIGNMENT + HF_MARKING_ALIGNMENT + HF_RED_ZONE)

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
 * Pages of the backend in which a long text is complete before its block is allocated. They are
 * linked in the arena until they are freed: where on_failure leaves by longjmp, closing the arena
 * frees them.
 */
struct hf_text_pages {
    hf_text_pages *next;
    size_t size; /* in bytes, this record included */
};

static void free_pages_until(hf_arena_core *core, const hf_text_pages *end) {
    while (core->text_pages != end) {
        hf_text_pages *pages = core->text_pages;
        core->text_pages = pages->next;
        core->backend->free_pages(core->backend, pages, pages->size);
    }
}

void hf_arena_free_text_pages(hf_arena_core *core) { free_pages_until(core, NULL); }

/* NULL: the system has none, and the last error says so. */
static hf_text_pages *allocate_pages(hf_arena_core *core, size_t size) {
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

static bool has_pages(const hf_arena *arena, const hf_text_pages *pages) {
    if (arena->state == NULL) return false;
    const hf_text_pages *listed = hf_core_of(arena)->text_pages;
    while (listed && listed != pages) listed = listed->next;
    return listed != NULL;
}

/* on_failure may close the arena, and open it again: the pages are free then. */
static char *copy_from_pages(hf_arena *arena, const hf_text_pages *pages, size_t size) {
    char *text = hf_alloc(arena, size, TEXT_ALIGNMENT);
    if (!has_pages(arena, pages)) {
        if (text) hf_fail(HF_WRONG_STATE, "hf_asprintf", 0, size);
        return NULL;
    }
    if (text) memcpy(text, pages + 1, size);
    free_pages_until(hf_core_of(arena), pages->next);
    return text;
}

static char *format_in_pages(hf_arena *arena, size_t size, const char *format, va_list arguments) {
    hf_text_pages *pages = allocate_pages(hf_core_of(arena), size);
    if (pages == NULL) return hf_arena_give_up(arena, size);
    vsnprintf((char *)(pages + 1), size, format, arguments);
    return copy_from_pages(arena, pages, size);
}

/* The block can overlap what hf_peek has shown, and on_failure can free any argument. */
static bool are_arguments_safe(hf_arena *arena, size_t size) {
    if (arena->state == NULL) return true;
    if (hf_arena_shows(arena)) return false;
    if (hf_core_of(arena)->options.on_failure == NULL) return true;
    hf_error before = hf_last_error();
    hf_status status = hf_precommit(arena, size + MOST_OVERHEAD);
    hf_fail_again(before);
    return status == HF_OK;
}

char *hf_vasprintf(hf_arena *arena, const char *format, va_list arguments) {
    char brief[SHORT_TEXT];
    va_list again;
    va_copy(again, arguments);
    int length = format ? vsnprintf(brief, sizeof brief, format, again) : -1;
    va_end(again);
    if (length < 0) return hf_arena_fail(arena, "hf_asprintf", 0);
    size_t size = (size_t)length + 1;
    if (size <= sizeof brief) return hf_memdup(arena, brief, size);
    if (!are_arguments_safe(arena, size)) return format_in_pages(arena, size, format, arguments);
    char *text = hf_alloc(arena, size, TEXT_ALIGNMENT);
    if (text) vsnprintf(text, size, format, arguments);
    return text;
}

char *hf_asprintf(hf_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = hf_vasprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}
