/*
 * hf_space_check finds damage in the space's records: after one value in them is changed it returns
 * HF_CORRUPT, and the error says that the region map is damaged.
 */
#include "check.h"
#include "space_fixture.h"

/* The native backend, which also records where the records of the space are. */
struct watching {
    hf_backend backend;
    void *pages;
    size_t size;
};

static hf_status watch_pages(const hf_backend *self, size_t size, void **address,
                             hf_report *report) {
    struct watching *watching = (struct watching *)(uintptr_t)self;
    hf_status status = hf_backend_native()->allocate_pages(self, size, address, report);
    watching->pages = *address;
    watching->size = size;
    return status;
}

/* Changes each size_t in the records that is `value`, one at a time, to `wrong` and back. Returns
 * for how many of them hf_space_check returned HF_CORRUPT. */
static size_t damage_found(hf_space *space, const struct watching *watching, size_t value,
                           size_t wrong) {
    size_t *values = watching->pages, found = 0;
    for (size_t i = 0; i < watching->size / sizeof *values; i++) {
        if (values[i] != value) continue;
        values[i] = wrong;
        if (hf_space_check(space) == HF_CORRUPT) found++;
        CHECK(found == 0 || strcmp(hf_last_error().reason, "the region map is damaged") == 0);
        values[i] = value;
        CHECK_STATUS(HF_OK, hf_space_check(space));
    }
    return found;
}

/* |      p      |  c  |   v   | p |  with sizes that make all sums different; c is the root. */
static void damaged_records_are_found(void) {
    if (!require_views()) return;
    struct watching watching = {.backend = *hf_backend_native()};
    watching.backend.allocate_pages = watch_pages;
    hf_space_options options = {.backend = &watching.backend};
    hf_file *file;
    hf_space *space;
    size_t g = watching.backend.page_size(&watching.backend);
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 71 * g, &watching.backend));
    CHECK_STATUS(HF_OK, hf_space_open(&space, 1000 * g, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 301 * g, 53 * g));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 354 * g, 71 * g, file, 0, HF_READ_ONLY));
    CHECK_EQUAL(1, damage_found(space, &watching, 53 * g, 54 * g)); /* a sum of the root */
    CHECK_EQUAL(2, damage_found(space, &watching, 71 * g, 70 * g)); /* and of the view's record */
    CHECK_EQUAL(1, damage_found(space, &watching, 876 * g, 0));
    CHECK_EQUAL(2, damage_found(space, &watching, 301 * g, 302 * g)); /* a sum and an offset */
    CHECK_EQUAL(2, damage_found(space, &watching, 301 * g, 354 * g));
    CHECK_EQUAL(2, damage_found(space, &watching, 301 * g, 2000 * g));
    hf_space_close(space);
    hf_file_close(file);
}

CHECK_MAIN(TEST(damaged_records_are_found))
