/*
 * status.c -- the sentences of the statuses, and each thread's last error.
 *
 * The last error is the library's only state outside of spaces, arenas and files.
 */
#include <holdfast/status.h>

#include "backend/thread_local.h"
#include "fail.h"

static HF_THREAD_LOCAL hf_error last_error;

static const char *const sentences[] = {
    [HF_OK] = "The call succeeded.",
    [HF_INVALID] = "An argument is wrong by itself: check zeros, alignment, ranges and access.",
    [HF_STATE] =
        "The regions in that range are not of the kind or extent that the step needs: look "
        "at them with hf_space_find().",
    [HF_NO_ADDRESS] = "The addresses are taken or there are not so many: ask for less, allow a "
                      "smaller reservation, or name no base.",
    [HF_NO_MEMORY] = "The system commits no more memory: release some, or raise its limit.",
    [HF_MAP_LIMIT] = "The process has as many mappings as the system allows: release or join "
                     "regions, or raise the limit (Linux: vm.max_map_count).",
    [HF_RESERVE_FULL] = "The arena met the end of its reservation: reserve more when opening it.",
    [HF_NO_SPACE] =
        "The disk, the quota or the file-size limit has no room: free some, or raise it.",
    [HF_IO] = "The system refused a file operation: its code in hf_last_error() says why.",
    [HF_CORRUPT] = "The contents are not what they should be: don't use them.",
    [HF_BUSY] = "Another process is writing the file: try again when it is done.",
    [HF_UNSUPPORTED] = "This system, or this kind of file, cannot do that: do without it.",
};

const char *hf_status_text(hf_status status) {
    size_t index = (size_t)status;
    return index < sizeof sentences / sizeof *sentences ? sentences[index]
                                                        : "This is no status of holdfast's.";
}

static hf_error *own_error(void) { return HF_OF_THIS_THREAD(last_error); }

hf_error hf_last_error(void) { return *own_error(); }

hf_status hf_fail_again(hf_error error) {
    *own_error() = error;
    return error.status;
}

hf_status hf_fail(hf_status status, const char *call, size_t offset, size_t size) {
    return hf_fail_again((hf_error){status, 0, call, offset, size});
}

hf_status hf_fail_reported(hf_status status, const hf_report *report, size_t offset, size_t size) {
    return hf_fail_again((hf_error){status, report->os_code, report->call, offset, size});
}
