/*
 * cjson.c -- a document parsed, changed, duplicated and printed.
 */
#include <holdfast/adapt/cjson.h>

#include "workloads.h"

static bool cjson_print(const cJSON *tree, cJSON_bool formatted, FILE *out) {
    char *printed = formatted ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    if (printed == NULL) return false;
    fputs(printed, out);
    cJSON_free(printed);
    return true;
}

/* Every third record goes, every fifth gets more members. */
static bool cjson_change(cJSON *list) {
    int number = 0;
    for (cJSON *next, *record = list->child; record; record = next, number++) {
        next = record->next;
        if (number % 3 == 0) {
            cJSON_Delete(cJSON_DetachItemViaPointer(list, record));
        } else if (number % 5 == 0) {
            cJSON *more = cJSON_AddArrayToObject(record, "more");
            for (int i = 0; i < 10; i++)
                if (!cJSON_AddItemToArray(more, cJSON_CreateNumber(i * number))) return false;
            if (!cJSON_AddStringToObject(record, "note", "changed")) return false;
        }
    }
    return true;
}

bool workload_cjson(hf_heap *heap, unsigned scale, FILE *out) {
    struct text text = text_json(200 * scale);
    cJSON_Hooks hooks = {0};
    if (heap) hooks = hf_cjson_hooks(heap);
    cJSON_InitHooks(&hooks);
    cJSON *tree = cJSON_Parse(text.bytes);
    cJSON *copy = tree ? cJSON_Duplicate(tree, 1) : NULL;
    bool done =
        copy && cjson_change(tree) && cjson_print(tree, 1, out) && cjson_print(copy, 0, out);
    cJSON_Delete(tree);
    cJSON_Delete(copy);
    cJSON_InitHooks(NULL);
    text_free(&text);
    return done;
}
