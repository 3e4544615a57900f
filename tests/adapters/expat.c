/*
 * expat.c -- a document parsed in pieces, by ten parsers that are used in turn.
 */
#include <holdfast/adapt/expat.h>

#include "workloads.h"

enum { EXPAT_PARSERS = 10, EXPAT_PIECE = 1000 };

static void expat_start(void *out, const XML_Char *name, const XML_Char **attributes) {
    fprintf(out, "<%s", name);
    for (; *attributes; attributes += 2) fprintf(out, " %s=%s", attributes[0], attributes[1]);
}

static void expat_end(void *out, const XML_Char *name) { fprintf(out, "/%s", name); }

static void expat_characters(void *out, const XML_Char *text, int length) {
    fwrite(text, 1, (size_t)length, out);
}

static bool expat_parse(XML_Parser *parsers, const struct text *text) {
    for (size_t at = 0; at < text->size; at += EXPAT_PIECE) {
        size_t left = text->size - at, size = left < EXPAT_PIECE ? left : EXPAT_PIECE;
        for (int i = 0; i < EXPAT_PARSERS; i++)
            if (XML_Parse(parsers[i], text->bytes + at, (int)size, size == left) != XML_STATUS_OK)
                return false;
    }
    return true;
}

bool workload_expat(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = text_xml(100 * scale);
    XML_Parser parsers[EXPAT_PARSERS] = {0};
    XML_Memory_Handling_Suite suite;
    bool done = true;
    if (heap) suite = hf_expat_suite(heap);
    for (int i = 0; i < EXPAT_PARSERS && done; i++) {
        parsers[i] = XML_ParserCreate_MM(NULL, heap ? &suite : NULL, NULL);
        done = parsers[i] != NULL && XML_SetHashSalt(parsers[i], 1);
        if (!done) break;
        XML_SetUserData(parsers[i], out);
        XML_SetElementHandler(parsers[i], expat_start, expat_end);
        XML_SetCharacterDataHandler(parsers[i], expat_characters);
    }
    done = done && expat_parse(parsers, &text);
    for (int i = 0; i < EXPAT_PARSERS; i++) XML_ParserFree(parsers[i]);
    text_free(&text);
    return done;
}
