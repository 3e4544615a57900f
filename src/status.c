/*
 * status.c -- the names and sentences of the statuses, each thread's last error, and its text.
 *
 * The library has no other state outside of spaces, arenas, files and rings than the last error,
 * the address budget (budget.c) and the native backend's state (in posix.c the gate that a fork
 * closes, in windows.c the functions that are looked up at run time).
 */
#include <holdfast/status.h>

#include <assert.h>
#include <stdint.h>

#include "backend/thread_local.h"
#include "fail.h"

static HF_THREAD_LOCAL hf_error status_last_error;

#define STATUS_UNKNOWN_NAME "HF_(unknown)"

static const struct status_entry {
    const char *name, *text;
} status_entries[] = {
    [HF_OK] = {"HF_OK", "The call succeeded."},
    [HF_INVALID] = {"HF_INVALID", "An argument is wrong by itself: check zeros, NULL, alignment, "
                                  "ranges and access."},
    [HF_WRONG_STATE] = {"HF_WRONG_STATE",
                        "The arguments are sound, but what is there is not of the kind that "
                        "this call needs: check what was done before."},
    [HF_NO_ADDRESS] = {"HF_NO_ADDRESS",
                       "The addresses are taken or there are not so many: ask for less, allow a "
                       "smaller reservation, or name no base."},
    [HF_NO_MEMORY] = {"HF_NO_MEMORY",
                      "The system commits no more memory: free some, or raise its limit."},
    [HF_MAP_LIMIT] = {"HF_MAP_LIMIT",
                      "The process has as many memory mappings as the system allows: give some "
                      "back, or raise the limit (Linux: vm.max_map_count)."},
    [HF_RESERVE_FULL] = {"HF_RESERVE_FULL",
                         "The reservation has no room for that: reserve more when opening. What is "
                         "read-only does not grow at all."},
    [HF_NO_SPACE] = {"HF_NO_SPACE", "The disk, the quota or the file-size limit has no room: free "
                                    "some, or raise it."},
    [HF_IO] = {"HF_IO", "A file operation failed: check the path, the permissions and the device."},
    [HF_CORRUPT] = {"HF_CORRUPT", "The contents are not what they should be: don't use them."},
    [HF_BUSY] = {"HF_BUSY",
                 "The file is open elsewhere, and only readers share it: try again when it is "
                 "closed."},
    [HF_UNSUPPORTED] = {"HF_UNSUPPORTED",
                        "This system, this kind of file, or this version of holdfast cannot do "
                        "that: do without it."},
};

static const struct status_entry *status_find(hf_status status) {
    size_t index = (size_t)status;
    return index < sizeof status_entries / sizeof *status_entries ? &status_entries[index] : NULL;
}

const char *hf_status_name(hf_status status) {
    const struct status_entry *found = status_find(status);
    return found ? found->name : STATUS_UNKNOWN_NAME;
}

const char *hf_status_text(hf_status status) {
    const struct status_entry *found = status_find(status);
    return found ? found->text : "This number is no status of holdfast: check where it came from.";
}

/* ------------------------------------------------------------- the last error ------------ */

static hf_error *status_error(void) { return HF_OF_THIS_THREAD(status_last_error); }

hf_error hf_last_error(void) { return *status_error(); }

hf_status hf_fail_with(hf_error error) {
    *status_error() = error;
    return error.status;
}

hf_status hf_fail(hf_status status, const char *call, size_t offset, size_t size) {
    return hf_fail_because(status, call, NULL, offset, size);
}

hf_status hf_fail_because(hf_status status, const char *call, const char *reason, size_t offset,
                          size_t size) {
    assert(status > HF_OK && status <= HF_UNSUPPORTED && call != NULL);
    return hf_fail_with((hf_error){
        .status = status, .call = call, .reason = reason, .offset = offset, .size = size});
}

hf_status hf_fail_reported(hf_status status, const hf_report *report, size_t offset, size_t size) {
    assert(status > HF_OK && status <= HF_UNSUPPORTED);
    return hf_fail_with((hf_error){.status = status,
                                   .os_code = report->os_code,
                                   .call = report->call,
                                   .reason = report->reason,
                                   .offset = offset,
                                   .size = size});
}

/* ----------------------------------------------------------- the text of an error -------- */

/* The text so far. The buffer contains as much of it as fits. */
typedef struct status_line {
    char *buffer;
    size_t size;   /* of the buffer, in bytes */
    size_t length; /* of the whole text */
} status_line;

static void status_add(status_line *line, const char *text) {
    for (; *text; text++, line->length++)
        if (line->size > 0 && line->length < line->size - 1) line->buffer[line->length] = *text;
}

static void status_add_number(status_line *line, uintmax_t number) {
    char digits[24];
    char *first = &digits[sizeof digits - 1];
    *first = '\0';
    do *--first = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    status_add(line, first);
}

static void status_add_code(status_line *line, long code) {
    status_add(line, code < 0 ? ", code -" : ", code ");
    status_add_number(line, code < 0 ? (uintmax_t)0 - (uintmax_t)code : (uintmax_t)code);
}

static void status_add_cause(status_line *line, const hf_error *error) {
    char system[256];
    status_add(line, error->call ? error->call : "The call");
    status_add(line, " failed");
    if (error->offset > 0 || error->size > 0) {
        status_add(line, " at offset ");
        status_add_number(line, error->offset);
        status_add(line, ", size ");
        status_add_number(line, error->size);
    }
    if (error->reason) status_add(line, ": "), status_add(line, error->reason);
    if (error->os_code != 0 && hf_system_message(error->os_code, system, sizeof system) > 0)
        status_add(line, ": "), status_add(line, system);
}

static void status_add_error(status_line *line, const hf_error *error) {
    status_add_cause(line, error);
    status_add(line, " (");
    status_add(line, hf_status_name(error->status));
    if (error->os_code != 0) status_add_code(line, error->os_code);
    status_add(line, "). ");
    status_add(line, hf_status_text(error->status));
    if (error->undo_failed)
        status_add(line, " A step before it could not be undone: hf_space_find() tells which "
                         "regions and protections there are now.");
}

size_t hf_error_text(const hf_error *error, char *buffer, size_t size) {
    status_line line = {buffer, size, 0};
    if (error == NULL) error = status_error();
    if (error->status == HF_OK)
        status_add(&line, hf_status_text(HF_OK));
    else
        status_add_error(&line, error);
    if (size > 0) buffer[line.length < size ? line.length : size - 1] = '\0';
    return line.length;
}
