/*
 * libxml2.c -- a document parsed, searched by XPath, changed, copied and serialised.
 */
#include <holdfast/adapt/libxml2.h>

#include <libxml/parser.h>
#include <libxml/xmlmemory.h>
#include <libxml/xpath.h>
#include <stdlib.h>

#include "workloads.h"

static void libxml2_say_nothing(void *context, const char *format, ...) {
    (void)context;
    (void)format;
}

static bool libxml2_dump(xmlDocPtr document, FILE *out) {
    xmlChar *bytes = NULL;
    int size = 0;
    xmlDocDumpFormatMemory(document, &bytes, &size, 1);
    if (bytes == NULL) return false;
    fwrite(bytes, 1, (size_t)size, out);
    xmlFree(bytes);
    return true;
}

/* Unlinks what the expression finds, or sets an attribute of it. */
static bool libxml2_change(xmlDocPtr document, const char *expression, bool unlink) {
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    xmlXPathObjectPtr found =
        context ? xmlXPathEvalExpression((const xmlChar *)expression, context) : NULL;
    bool done = found != NULL;
    for (int i = 0; done && found->nodesetval && i < found->nodesetval->nodeNr; i++) {
        xmlNodePtr node = found->nodesetval->nodeTab[i];
        if (unlink) {
            xmlUnlinkNode(node);
            xmlFreeNode(node);
            found->nodesetval->nodeTab[i] = NULL;
        } else {
            done = xmlNewProp(node, (const xmlChar *)"found", (const xmlChar *)"yes") != NULL;
        }
    }
    xmlXPathFreeObject(found);
    xmlXPathFreeContext(context);
    return done;
}

static bool libxml2_work(const struct text *text, FILE *out) {
    xmlDocPtr document = xmlReadMemory(text->bytes, (int)text->size, NULL, NULL, 0);
    xmlDocPtr copy = document ? xmlCopyDoc(document, 1) : NULL;
    bool done = copy && libxml2_change(copy, "//record[@group='g3']/tag", true) &&
                libxml2_change(copy, "//record[name]/text[string-length() > 200]", false) &&
                libxml2_dump(document, out) && libxml2_dump(copy, out);
    xmlFreeDoc(copy);
    xmlFreeDoc(document);
    return done;
}

bool workload_libxml2(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = text_xml(100 * scale);
    hf_libxml2_use(heap);
    if (heap &&
        xmlMemSetup(hf_libxml2_free, hf_libxml2_malloc, hf_libxml2_realloc, hf_libxml2_strdup) != 0)
        abort();
    xmlInitParser();
    xmlSetGenericErrorFunc(NULL, libxml2_say_nothing);
    bool done = libxml2_work(&text, out);
    xmlCleanupParser();
    if (heap) xmlMemSetup(free, malloc, realloc, strdup);
    text_free(&text);
    return done;
}
