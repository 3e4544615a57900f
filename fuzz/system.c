/*
 * system.c -- see system.h.
 */
#include "system.h"

#include "host.h"

#include <stdio.h>

static hf_status try_view(size_t size) {
    hf_space *space = NULL;
    hf_file *file = NULL;
    hf_status status = hf_space_open(&space, size, NULL);
    if (status == HF_OK) status = hf_file_create_shared(&file, size, NULL);
    if (status == HF_OK) status = hf_space_map(space, 0, size, file, 0, HF_READ_WRITE);
    hf_file_close(file);
    hf_space_close(space);
    return status;
}

bool has_views(void) {
    static hf_status tried = HF_INVALID;
    const hf_backend *native = hf_backend_native();
    if (tried != HF_INVALID) return tried != HF_UNSUPPORTED;
    tried = try_view(native->page_size(native));
    if (tried == HF_UNSUPPORTED) fputs("no views here: each has to be UNSUPPORTED\n", stderr);
    return tried != HF_UNSUPPORTED;
}

static size_t granted_at_most;

static hf_status reserve_modestly(const hf_backend *self, void *base, size_t size, void **address,
                                  hf_report *report) {
    const hf_backend *native = hf_backend_native();
    (void)self;
    if (size <= granted_at_most) return native->reserve(native, base, size, address, report);
    report->call = "reserve_modestly";
    return HF_NO_ADDRESS;
}

const hf_backend *system_backend(size_t most) {
    static hf_backend modest;
    granted_at_most = most;
    if (!host_pays_for_addresses()) return hf_backend_native();
    modest = *hf_backend_native();
    modest.reserve = reserve_modestly;
    return &modest;
}
