/*
 * version.c -- the version of the library, and how it reads what programs pass that were compiled
 * for another one.
 */
#include <holdfast/version.h>

#include "compatible.h"
#include "fail.h"

#include <string.h>

/* No options and no backend are larger, in bytes; a larger size is a mistake, and is not read. */
enum { VERSION_MOST_BYTES = 4096 };

const char *hf_version(void) { return HF_VERSION_STRING; }

/* ------------------------------------------------------------------ options -------------- */

static bool version_is_zero(const char *bytes, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0) return false;
    return true;
}

hf_status hf_read_options(void *options, size_t known, const void *given, size_t size,
                          const char *call) {
    if (given == NULL) return HF_OK;
    if (size == 0 || size > VERSION_MOST_BYTES)
        return hf_fail_because(HF_INVALID, call, "no options have such a size", 0, size);
    if (size > known && !version_is_zero((const char *)given + known, size - known))
        return hf_fail_because(HF_UNSUPPORTED, call,
                               "the program was compiled for a newer version of holdfast and sets "
                               "an option that this version does not know",
                               0, size);
    memcpy(options, given, size < known ? size : known);
    return HF_OK;
}

/* ------------------------------------------------------------------ backends ------------- */

/* Every version knows the functions up to the first optional one. */
static bool version_is_table_size(size_t size) {
    return size >= offsetof(hf_backend, cheap_reserve) && size <= VERSION_MOST_BYTES &&
           size % sizeof(size_t) == 0;
}

hf_status hf_check_backend(const hf_backend *named, const char *call) {
    if (named == NULL || version_is_table_size(named->size)) return HF_OK;
    return hf_fail_because(HF_INVALID, call, "hf_backend.size is not sizeof(hf_backend)", 0,
                           named->size);
}
