/*
 * hf_space_check finds lies in the library's own books: a word of its records that is changed
 * behind its back is CORRUPT, and the error says which proof failed.
 */
#include "check.h"
#include "scene.h"

/* A native backend that tells where a space keeps its records. */
struct telling {
    hf_backend backend;
    void *pages;
    size_t size;
};

static hf_status tell_pages(const hf_backend *self, size_t size, void **address,
                            hf_report *report) {
    struct telling *telling = (struct telling *)(uintptr_t)self;
    hf_status status = hf_backend_native()->allocate_pages(self, size, address, report);
    telling->pages = *address;
    telling->size = size;
    return status;
}

/* Changes each word of the records that holds `value` to a lie, one at a time, and puts it back;
 * returns how often the check said CORRUPT for this reason. */
static size_t lies_found(hf_space *space, const struct telling *telling, size_t value, size_t lie,
                         const char *proof) {
    size_t *words = telling->pages, found = 0;
    for (size_t i = 0; i < telling->size / sizeof *words; i++) {
        if (words[i] != value) continue;
        words[i] = lie;
        if (hf_space_check(space) == HF_CORRUPT && strcmp(proof, hf_last_error().call) == 0)
            found++;
        words[i] = value;
        CHECK_STATUS(HF_OK, hf_space_check(space));
    }
    return found;
}

/* |      p      |  c  |   v   | p |  with four sums that occur nowhere else. */
static void books_that_lie_are_found(void) {
    if (!scene_needs_views()) return;
    struct telling telling = {.backend = *hf_backend_native()};
    telling.backend.allocate_pages = tell_pages;
    hf_space_options options = {.backend = &telling.backend};
    hf_file *file;
    hf_space *space;
    size_t g = telling.backend.page_size(&telling.backend);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 71 * g, &telling.backend));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 1000 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 301 * g, 53 * g));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 354 * g, 71 * g, file, 0, HF_READ_ONLY));
    static const char sums[] = "the statistics", map[] = "the region map";
    CHECK_EQUAL(1, lies_found(space, &telling, 53 * g, 54 * g, sums));
    CHECK_EQUAL(1, lies_found(space, &telling, 71 * g, 70 * g, sums));
    CHECK_EQUAL(1, lies_found(space, &telling, 876 * g, 0, sums));
    CHECK_EQUAL(1, lies_found(space, &telling, 301 * g, 302 * g, sums)); /* where it begins */
    CHECK_EQUAL(1, lies_found(space, &telling, 301 * g, 354 * g, map));
    CHECK_EQUAL(1, lies_found(space, &telling, 301 * g, 2000 * g, map));
    hf_space_close(space);
    hf_file_close(file);
}

CHECK_MAIN(TEST(books_that_lie_are_found))
