/*
 * zlib.c -- a text compressed at three levels, four streams at a time, and decompressed.
 */
#include <holdfast/adapt/zlib.h>

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "workloads.h"

enum { ZLIB_STREAMS = 4, ZLIB_PIECE = 4000 };

static z_stream zlib_stream(hf_heap *heap) {
    z_stream stream = {0};
    if (heap) {
        stream.zalloc = hf_zlib_alloc;
        stream.zfree = hf_zlib_free;
        stream.opaque = heap;
    }
    return stream;
}

/* Writes what the streams compress; the first one's is kept. */
static bool zlib_compress(z_stream *streams, struct text *text, struct text *packed, FILE *out) {
    unsigned char piece[ZLIB_PIECE];
    for (int i = 0; i < ZLIB_STREAMS; i++) {
        streams[i].next_in = (unsigned char *)text->bytes;
        streams[i].avail_in = (unsigned)text->size;
    }
    for (int ended = 0; ended < ZLIB_STREAMS;) {
        ended = 0;
        for (int i = 0; i < ZLIB_STREAMS; i++) {
            streams[i].next_out = piece;
            streams[i].avail_out = sizeof piece;
            ended += deflate(&streams[i], Z_FINISH) == Z_STREAM_END;
            size_t size = sizeof piece - streams[i].avail_out;
            fwrite(piece, 1, size, out);
            if (i > 0) continue;
            memcpy(packed->bytes + packed->size, piece, size);
            packed->size += size;
        }
    }
    return true;
}

static bool zlib_decompress(hf_heap *heap, const struct text *packed, FILE *out) {
    z_stream stream = zlib_stream(heap);
    unsigned char piece[ZLIB_PIECE];
    int status = inflateInit(&stream);
    stream.next_in = (unsigned char *)packed->bytes;
    stream.avail_in = (unsigned)packed->size;
    while (status == Z_OK) {
        stream.next_out = piece;
        stream.avail_out = sizeof piece;
        status = inflate(&stream, Z_NO_FLUSH);
        fwrite(piece, 1, sizeof piece - stream.avail_out, out);
    }
    inflateEnd(&stream);
    return status == Z_STREAM_END;
}

bool workload_zlib(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = text_xml(100 * scale), packed = {.bytes = malloc(text.size + 1000)};
    z_stream streams[ZLIB_STREAMS];
    bool done = packed.bytes != NULL;
    for (int i = 0; i < ZLIB_STREAMS; i++) {
        streams[i] = zlib_stream(heap);
        done = deflateInit(&streams[i], 1 + 2 * i) == Z_OK && done;
    }
    done =
        done && zlib_compress(streams, &text, &packed, out) && zlib_decompress(heap, &packed, out);
    for (int i = 0; i < ZLIB_STREAMS; i++) deflateEnd(&streams[i]);
    text_free(&packed);
    text_free(&text);
    return done;
}
