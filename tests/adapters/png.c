/*
 * png.c -- a picture written with libpng, and read again.
 */
#include <holdfast/adapt/png.h>

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "workloads.h"

enum { PNG_SIDE = 100 };

/* Bytes of a file, in memory that libpng does not know. */
struct png_file {
    unsigned char bytes[1 << 20];
    size_t size, at;
};

static void png_write_bytes(png_structp png, png_bytep bytes, size_t size) {
    struct png_file *file = png_get_io_ptr(png);
    if (size > sizeof file->bytes - file->size) png_error(png, "the file is full");
    memcpy(file->bytes + file->size, bytes, size);
    file->size += size;
}

static void png_read_bytes(png_structp png, png_bytep bytes, size_t size) {
    struct png_file *file = png_get_io_ptr(png);
    if (size > file->size - file->at) png_error(png, "the file is at its end");
    memcpy(bytes, file->bytes + file->at, size);
    file->at += size;
}

static void png_fail(png_structp png, const char *text) {
    (void)text;
    png_longjmp(png, 1);
}

static void png_say_nothing(png_structp png, const char *text) {
    (void)png;
    (void)text;
}

static void png_make_row(unsigned char *row, unsigned y) {
    for (unsigned x = 0; x < PNG_SIDE * 4; x++) row[x] = (unsigned char)(x * y + (x ^ y));
}

static bool png_write_picture(png_structp png, struct png_file *file, unsigned height) {
    png_infop volatile info = png_create_info_struct(png);
    png_infop freed;
    unsigned char row[PNG_SIDE * 4];
    bool volatile done = false;
    if (info != NULL && setjmp(png_jmpbuf(png)) == 0) {
        png_set_write_fn(png, file, png_write_bytes, NULL);
        png_set_IHDR(png, info, PNG_SIDE, height, 8, PNG_COLOR_TYPE_RGBA, PNG_INTERLACE_NONE,
                     PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
        png_write_info(png, info);
        for (unsigned y = 0; y < height; y++) {
            png_make_row(row, y);
            png_write_row(png, row);
        }
        png_write_end(png, info);
        done = true;
    }
    freed = info;
    png_destroy_write_struct(&png, &freed);
    return done;
}

static bool png_read_picture(png_structp png, struct png_file *file, FILE *out) {
    png_infop volatile info = png_create_info_struct(png);
    png_infop freed;
    bool volatile done = false;
    if (info != NULL && setjmp(png_jmpbuf(png)) == 0) {
        png_set_read_fn(png, file, png_read_bytes);
        png_read_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
        png_bytepp rows = png_get_rows(png, info);
        for (unsigned y = 0; y < png_get_image_height(png, info); y++)
            fwrite(rows[y], 1, png_get_rowbytes(png, info), out);
        done = true;
    }
    freed = info;
    png_destroy_read_struct(&png, &freed, NULL);
    return done;
}

bool workload_png(hf_heap *heap, unsigned scale, FILE *out) {
    struct png_file *file = calloc(1, sizeof *file);
    if (file == NULL) abort();
    png_malloc_ptr allocate = heap ? hf_png_malloc : NULL;
    png_free_ptr release = heap ? hf_png_free : NULL;
    png_structp writer = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, NULL, png_fail,
                                                   png_say_nothing, heap, allocate, release);
    bool done = writer && png_write_picture(writer, file, PNG_SIDE * scale);
    if (done) fwrite(file->bytes, 1, file->size, out);
    png_structp reader = done ? png_create_read_struct_2(PNG_LIBPNG_VER_STRING, NULL, png_fail,
                                                         png_say_nothing, heap, allocate, release)
                              : NULL;
    done = reader && png_read_picture(reader, file, out);
    free(file);
    return done;
}
