/*
 * stream.c -- hf_open_memstream: a FILE whose bytes are appended to an array in an arena.
 *
 *      | allocated | hf_stream | bytes |\0|  room  |pos
 */
#include <holdfast/array.h>
#include <holdfast/stream.h>

#include "arena_core.h"
#include "fail.h"
#include "stream_core.h"

/* In the arena, before its bytes. */
struct hf_stream {
    hf_arena *arena;
    char **text;
    size_t *size;
    HF_ARRAY(char) bytes; /* there is always room for a NUL behind them */
    bool is_failed;       /* a write has failed */
};

static void stream_publish(hf_stream *stream) {
    stream->bytes.items[stream->bytes.count] = '\0';
    *stream->text = stream->bytes.items;
    *stream->size = stream->bytes.count;
}

bool hf_stream_write(hf_stream *stream, const char *bytes, size_t size) {
    if (!hf_array_reserve(stream->arena, &stream->bytes, size + 1)) {
        stream->is_failed = true;
        return false;
    }
    hf_array_append(stream->arena, &stream->bytes, bytes, size); /* there is room */
    stream_publish(stream);
    return true;
}

bool hf_stream_close(hf_stream *stream) {
    stream->bytes.count++; /* the NUL stays */
    hf_array_shrink(stream->arena, &stream->bytes);
    stream->bytes.count--;
    return !stream->is_failed;
}

static hf_status stream_fail(hf_status status) {
    const char *reason =
        status == HF_UNSUPPORTED ? "the system has no streams of a program's own" : "malloc failed";
    return hf_fail_because(status, "hf_open_memstream", reason, 0, 0);
}

/* Frees the empty text and the record, which are the last two blocks. */
static void stream_free(hf_stream *stream) {
    hf_arena *arena = stream->arena;
    hf_array_free(arena, &stream->bytes);
    hf_free(arena, stream, sizeof *stream);
}

static FILE *stream_open(hf_stream *stream) {
    FILE *file = NULL;
    if (!hf_stream_write(stream, "", 0)) {
        stream_free(stream);
        return NULL;
    }
    hf_status status = hf_system_stream(stream, &file);
    if (status == HF_OK) return file;
    stream_free(stream);
    stream_fail(status);
    return NULL;
}

FILE *hf_open_memstream(hf_arena *arena, char **text, size_t *size) {
    if (text == NULL || size == NULL) return hf_arena_fail(arena, "hf_open_memstream", 0);
    hf_stream *stream = hf_alloc(arena, sizeof *stream, HF_ALIGNOF(hf_stream));
    if (stream == NULL) return NULL;
    *stream = (hf_stream){.arena = arena, .text = text, .size = size};
    return stream_open(stream);
}
