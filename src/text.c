/*
 * text.c -- copies and formatted texts in an arena. All are aligned to 8, so that they can have
 * a ref.
 */
#include <stdio.h>
#include <string.h>

#include "arena.h"

#define TEXT_ALIGNMENT 8

/* Formatted texts up to this size are formatted once, longer ones twice. */
#define SHORT_TEXT 512

void *hf_memdup(hf_arena *arena, const void *bytes, size_t size) {
    if (bytes == NULL && size > 0) return hf_arena_fail(arena, "hf_memdup", size);
    void *copy = hf_alloc(arena, size, TEXT_ALIGNMENT);
    if (copy && size > 0) memcpy(copy, bytes, size);
    return copy;
}

char *hf_strndup(hf_arena *arena, const char *text, size_t most) {
    if (text == NULL) return hf_arena_fail(arena, "hf_strndup", most);
    size_t length = 0;
    while (length < most && text[length] != '\0') length++;
    char *copy = hf_alloc(arena, length + 1, TEXT_ALIGNMENT);
    if (copy == NULL) return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return copy;
}

char *hf_strdup(hf_arena *arena, const char *text) {
    if (text == NULL) return hf_arena_fail(arena, "hf_strdup", 0);
    return hf_memdup(arena, text, strlen(text) + 1);
}

char *hf_vprintf(hf_arena *arena, const char *format, va_list arguments) {
    char brief[SHORT_TEXT];
    va_list again;
    va_copy(again, arguments);
    int length = format ? vsnprintf(brief, sizeof brief, format, again) : -1;
    va_end(again);
    if (length < 0) return hf_arena_fail(arena, "hf_printf", 0);
    size_t size = (size_t)length + 1;
    if (size <= sizeof brief) return hf_memdup(arena, brief, size);
    char *text = hf_alloc(arena, size, TEXT_ALIGNMENT);
    if (text) vsnprintf(text, size, format, arguments);
    return text;
}

char *hf_printf(hf_arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = hf_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}
