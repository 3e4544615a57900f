/*
 * workloads.c -- what the workloads share: texts, documents, numbers and sums.
 */
#include "workloads.h"

#include <stdarg.h>
#include <stdlib.h>

/* The room doubles: it is a power of two, and known from the size. */
static void text_grow(struct text *text, size_t more) {
    size_t room = 64;
    while (room <= text->size) room *= 2;
    size_t wanted = room;
    while (wanted <= text->size + more) wanted *= 2;
    if (text->bytes && wanted == room) return;
    text->bytes = realloc(text->bytes, wanted);
    if (text->bytes == NULL) abort();
}

void text_add(struct text *text, const char *format, ...) {
    char line[1000];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof line) abort();
    text_grow(text, (size_t)length);
    for (int i = 0; i <= length; i++) text->bytes[text->size + (size_t)i] = line[i];
    text->size += (size_t)length;
}

void text_free(struct text *text) {
    free(text->bytes);
    *text = (struct text){0};
}

unsigned next_number(uint32_t *seed, unsigned below) {
    *seed = *seed * 1664525 + 1013904223;
    return (*seed >> 8) % below;
}

uint64_t sum_of(uint64_t sum, const void *bytes, size_t size) {
    const unsigned char *at = bytes;
    for (size_t i = 0; i < size; i++) sum = (sum ^ at[i]) * 0x100000001b3;
    return sum;
}

struct text text_json(unsigned records) {
    struct text text = {0};
    uint32_t seed = 1;
    text_add(&text, "[");
    for (unsigned i = 0; i < records; i++) {
        text_add(&text, "%s{\"id\":%u,\"name\":\"record %u\",\"tags\":[", i ? "," : "", i,
                 next_number(&seed, 100000));
        for (unsigned tag = 0, tags = next_number(&seed, 6); tag < tags; tag++)
            text_add(&text, "%s\"tag-%u\"", tag ? "," : "", next_number(&seed, 1000));
        text_add(&text, "],\"at\":{\"x\":%u.5,\"y\":-%u.25},\"ok\":%s,\"none\":null}",
                 next_number(&seed, 1000), next_number(&seed, 1000), i % 3 ? "true" : "false");
    }
    text_add(&text, "]");
    return text;
}

struct text text_xml(unsigned records) {
    struct text text = {0};
    uint32_t seed = 2;
    text_add(&text, "<?xml version=\"1.0\"?>\n<list kind=\"records\">\n");
    for (unsigned i = 0; i < records; i++) {
        text_add(&text, "<record id=\"%u\" group=\"g%u\"><name>record &lt;%u&gt;</name>", i,
                 next_number(&seed, 20), next_number(&seed, 100000));
        for (unsigned tag = 0, tags = next_number(&seed, 6); tag < tags; tag++)
            text_add(&text, "<tag n=\"%u\">tag %u</tag>", tag, next_number(&seed, 1000));
        text_add(&text, "<text>%0*u</text></record>\n", (int)next_number(&seed, 300) + 1, i);
    }
    text_add(&text, "</list>\n");
    return text;
}
