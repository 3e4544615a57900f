/*
 * stb_work.h -- a picture written as PNG and JPEG and read again by stb_image, and arrays and
 * tables of stb_ds. stb.c compiles this with the adapter, stb_plain.c without it: these libraries
 * choose their allocator when they are compiled.
 */
#ifndef HOLDFAST_TESTS_STB_WORK_H
#define HOLDFAST_TESTS_STB_WORK_H

#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#endif
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define STBI_NO_STDIO
#include <stb/stb_image.h>
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STBI_WRITE_NO_STDIO
#include <stb/stb_image_write.h>
#define STB_DS_IMPLEMENTATION
#define stbds_hash_string STB_NAME(hash_string)
#define stbds_hash_bytes STB_NAME(hash_bytes)
#define stbds_arrgrowf STB_NAME(arrgrowf)
#define stbds_arrfreef STB_NAME(arrfreef)
#define stbds_hmfree_func STB_NAME(hmfree_func)
#define stbds_hmget_key STB_NAME(hmget_key)
#define stbds_hmget_key_ts STB_NAME(hmget_key_ts)
#define stbds_hmput_default STB_NAME(hmput_default)
#define stbds_hmput_key STB_NAME(hmput_key)
#define stbds_hmdel_key STB_NAME(hmdel_key)
#define stbds_shmode_func STB_NAME(shmode_func)
#define stbds_rand_seed STB_NAME(rand_seed)
#define stbds_stralloc STB_NAME(stralloc)
#define stbds_strreset STB_NAME(strreset)
#define stbds_unit_tests STB_NAME(unit_tests)
#define typeof __typeof__ /* which C11 does not have */
#include <stb/stb_ds.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "workloads.h"

enum { STB_SIDE = 100 };

struct stb_file {
    unsigned char bytes[1 << 20];
    size_t size;
};

static void stb_append(void *context, void *bytes, int size) {
    struct stb_file *file = context;
    if ((size_t)size > sizeof file->bytes - file->size) abort();
    memcpy(file->bytes + file->size, bytes, (size_t)size);
    file->size += (size_t)size;
}

static bool stb_read(const struct stb_file *file, FILE *out) {
    int width, height, channels;
    unsigned char *picture =
        stbi_load_from_memory(file->bytes, (int)file->size, &width, &height, &channels, 4);
    if (picture == NULL) return false;
    fprintf(out, "%d x %d, %d channels\n", width, height, channels);
    fwrite(picture, 4, (size_t)(width * height), out);
    stbi_image_free(picture);
    return true;
}

static bool stb_pictures(unsigned scale, struct stb_file *file, FILE *out) {
    static unsigned char picture[STB_SIDE * STB_SIDE * 20 * 4];
    int height = (int)(STB_SIDE * scale);
    for (unsigned i = 0; i < (unsigned)(STB_SIDE * height * 4); i++)
        picture[i] = (unsigned char)(i / 7 * (i >> 9) + (i ^ (i >> 8)));
    if (!stbi_write_png_to_func(stb_append, file, STB_SIDE, height, 4, picture, STB_SIDE * 4) ||
        !stb_read(file, out))
        return false;
    file->size = 0;
    return stbi_write_jpg_to_func(stb_append, file, STB_SIDE, height, 4, picture, 80) &&
           stb_read(file, out);
}

/* stb_ds has no way to report that there is no memory. */
static void stb_tables(unsigned scale, FILE *out) {
    struct {
        unsigned key, value;
    } *map = NULL;
    unsigned *array = NULL;
    uint32_t seed = 9;
    for (unsigned i = 0; i < 2000 * scale; i++) {
        unsigned key = next_number(&seed, 1000 * scale);
        arrput(array, key);
        if (i % 4 == 3)
            (void)hmdel(map, key);
        else
            hmput(map, key, i);
    }
    fprintf(out, "%u keys\n", (unsigned)hmlen(map));
    for (int i = 0; i < arrlen(array); i++) fprintf(out, "%u ", hmget(map, array[i]));
    hmfree(map);
    arrfree(array);
}

static bool stb_work(unsigned scale, FILE *out) {
    struct stb_file *file = calloc(1, sizeof *file);
    if (file == NULL) abort();
    bool done = stb_pictures(scale < 20 ? scale : 20, file, out);
    stb_tables(scale, out);
    free(file);
    return done;
}

#endif
