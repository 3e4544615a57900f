/*
 * space_program.c -- see space_program.h.
 *
 * decode splits the bytes of an operation into fields; resolve_* makes the arguments of a call from
 * them, by the slots and regions of the subject, and applies the twist; run_* makes the call.
 */
#include "space_program.h"

#include <string.h>

/* Addresses for exact bases, which nothing else uses. */
#if UINTPTR_MAX > UINT32_MAX
#define FIXED_BASES ((uintptr_t)HF_BASE_FIXED)
#else
#define FIXED_BASES ((uintptr_t)0x30000000)
#endif

enum { FIXED_BASE_COUNT = 16, PATH_BYTES = 512, NO_HANDLE = 0x7ffffff0, EVERY_SECOND = 240 };

_Static_assert(PROGRAM_KINDS <= PROGRAM_KIND_SLOTS, "each kind has a slot of its own");

/* ------------------------------------------------------------------ decoding -------------- */

struct operation {
    const program_subject *subject;
    program_kind kind;
    unsigned space, file; /* slots */
    hf_access access;
    unsigned alignment;                 /* which, of a space */
    unsigned offset, size, file_offset; /* pages */
    program_aim aim;
    program_twist twist;
    unsigned number;
};

static struct operation decode(const program_subject *subject, const uint8_t *bytes) {
    return (struct operation){
        .subject = subject,
        .kind = (program_kind)(bytes[0] % PROGRAM_KIND_SLOTS),
        .space = bytes[1] & 1,
        .file = (bytes[1] >> 1 & 7) % PROGRAM_FILES,
        .access = (hf_access)((bytes[1] >> 4 & 3) % 3),
        .alignment = bytes[1] >> 6,
        .offset = bytes[2],
        .size = bytes[3],
        .file_offset = bytes[4],
        .aim = (program_aim)(bytes[5] % AIMS),
        .twist = bytes[6] < TWISTS ? (program_twist)bytes[6] : TWIST_NONE,
        .number = bytes[7],
    };
}

/* ------------------------------------------------------------------ resolving ------------- */

/* Both choose what is in the slot, or else in the next one where something is. NULL: nothing is. */
static hf_space *choose_space(const program_subject *subject, unsigned *slot) {
    for (unsigned i = 0; i < PROGRAM_SPACES && !subject->spaces[*slot]; i++)
        *slot = (*slot + 1) % PROGRAM_SPACES;
    return subject->spaces[*slot];
}

static hf_file *choose_file(const program_subject *subject, unsigned *slot) {
    for (unsigned i = 0; i < PROGRAM_FILES && !subject->files[*slot]; i++)
        *slot = (*slot + 1) % PROGRAM_FILES;
    return subject->files[*slot];
}

static void aim_at_regions(const hf_space *space, program_aim aim, program_call *call) {
    hf_region first, last;
    if (aim == AIM_GIVEN || !hf_space_find(space, call->offset, &first)) return;
    size_t end = call->offset + call->size;
    if (end > hf_space_size(space)) end = hf_space_size(space);
    last = first;
    if (aim == AIM_REGIONS) hf_space_find(space, end - 1, &last);
    if (aim != AIM_TO_END) call->offset = first.offset;
    call->size = last.offset + last.size - call->offset;
}

/* Except with AIM_GIVEN, the view lies within the file if the file is large enough. */
static void aim_at_file(const hf_file *file, size_t page_size, program_aim aim,
                        program_call *call) {
    uint64_t room = (hf_file_size(file) + page_size - 1) / page_size * page_size;
    if (aim == AIM_GIVEN || call->size > room) return;
    call->file_offset %= room - call->size + page_size;
}

static void twist_range(program_twist twist, size_t space_size, size_t page_size,
                        program_call *call) {
    switch (twist) {
    case TWIST_OFFSET_UNALIGNED: call->offset += 1; break;
    case TWIST_OFFSET_OUTSIDE: call->offset = space_size; break;
    case TWIST_OFFSET_WRAPS: call->offset = SIZE_MAX - page_size + 1; break;
    case TWIST_SIZE_ZERO: call->size = 0; break;
    case TWIST_SIZE_UNALIGNED: call->size += page_size / 2; break;
    case TWIST_SIZE_PAST_END: call->size = space_size - call->offset + page_size; break;
    case TWIST_SIZE_WRAPS: call->size = SIZE_MAX - page_size + 1; break;
    case TWIST_FILE_OFFSET_UNALIGNED: call->file_offset += 1; break;
    case TWIST_FILE_OFFSET_WRAPS: call->file_offset = UINT64_MAX - page_size + 1; break;
    case TWIST_FILE_FOREIGN: call->foreign = true; break;
    default: break;
    }
}

static bool makes_view(program_kind kind) {
    return kind == PROGRAM_MAP || kind == PROGRAM_MAP_RANGE || kind == PROGRAM_REMAP_RANGE;
}

static bool resolve_range(const struct operation *operation, program_call *call) {
    hf_space *space = choose_space(operation->subject, &call->space);
    if (!space) return false;
    size_t page_size = operation->subject->page_size;
    size_t pages = hf_space_size(space) / page_size;
    call->offset = operation->offset % pages * page_size;
    call->size = (1 + operation->size % PROGRAM_PAGES) * page_size;
    aim_at_regions(space, operation->aim, call);
    call->file_offset = (uint64_t)(operation->file_offset % (PROGRAM_FILE_PAGES + 1)) * page_size;
    call->advice = (hf_advice)(operation->number % 3);
    if (makes_view(operation->kind))
        aim_at_file(operation->subject->files[call->file], page_size, operation->aim, call);
    twist_range(operation->twist, hf_space_size(space), page_size, call);
    return true;
}

static bool resolve_protect(const struct operation *operation, program_call *call) {
    bool is_wrong = operation->twist == TWIST_FILE_OFFSET_UNALIGNED;
    call->protection = is_wrong ? (hf_protection)77 : (hf_protection)(operation->number % 4);
    return resolve_range(operation, call);
}

/* The aim and most twists apply to the old bytes, whose size is the field of the file offset. */
static bool resolve_extend(const struct operation *operation, program_call *call) {
    struct operation old = *operation;
    size_t page_size = operation->subject->page_size;
    old.size = operation->file_offset;
    if (!resolve_range(&old, call)) return false;
    call->old_size = call->size;
    call->size += (1 + operation->size % PROGRAM_PAGES) * page_size;
    if (operation->twist == TWIST_LEAST_UNALIGNED) call->size += 1;
    if (operation->twist == TWIST_LEAST_ABOVE) call->size = call->old_size;
    return true;
}

/* A store outside of the space would fault. */
static bool resolve_store(const struct operation *operation, program_call *call) {
    struct operation plain = *operation;
    plain.twist = TWIST_NONE;
    return resolve_range(&plain, call);
}

static bool resolve_range_and_file(const struct operation *operation, program_call *call) {
    return choose_file(operation->subject, &call->file) && resolve_range(operation, call);
}

/* More addresses than any system has. Only with a base does the sum wrap. */
static void make_huge(size_t page_size, program_call *call) {
    call->size = SIZE_MAX - page_size + 1;
    if (call->least != 0) call->least = (call->size - call->size / 4) & ~(page_size - 1);
}

/* One that is wrong, or, where the backend can align, a valid one. Traces do not show that, because
 * they shall be the same on all systems. */
static size_t choose_alignment(const struct operation *operation, const void *base) {
    const size_t alignments[] = {0, HF_ALLOCATION_GRANULARITY, 1 << 20, 0};
    if (operation->twist == TWIST_FILE_OFFSET_UNALIGNED) return 3 * HF_ALLOCATION_GRANULARITY;
    bool can_align = operation->subject->backend->reserve_aligned != NULL;
    return base || !can_align ? 0 : alignments[operation->alignment];
}

static bool resolve_open(const struct operation *operation, program_call *call) {
    size_t page_size = operation->subject->page_size;
    uintptr_t fixed =
        FIXED_BASES + operation->offset % FIXED_BASE_COUNT * HF_ALLOCATION_GRANULARITY;
    call->size = (1 + operation->size % PROGRAM_PAGES) * page_size;
    call->least = operation->file_offset % PROGRAM_PAGES * page_size;
    if (call->least > call->size) call->least = page_size;
    call->base = operation->offset < 128 ? NULL : (void *)fixed;
    call->alignment = choose_alignment(operation, call->base);
    call->named = operation->number & 1;
    switch (operation->twist) {
    case TWIST_SIZE_ZERO: call->size = 0; break;
    case TWIST_SIZE_UNALIGNED: call->size += page_size / 2; break;
    case TWIST_SIZE_WRAPS: make_huge(page_size, call); break;
    case TWIST_LEAST_UNALIGNED: call->least = 1; break;
    case TWIST_LEAST_ABOVE: call->least = call->size + page_size; break;
    case TWIST_BASE_UNALIGNED: call->base = (void *)(fixed + HF_ALLOCATION_GRANULARITY / 2); break;
    case TWIST_BASE_WRAPS:
        call->base = (void *)(UINTPTR_MAX - HF_ALLOCATION_GRANULARITY + 1);
        call->size = HF_ALLOCATION_GRANULARITY + 32 * page_size;
        break;
    default: break;
    }
    return true;
}

static bool resolve_file(const struct operation *operation, program_call *call) {
    const size_t rests[] = {0, 0, 1, 511, operation->subject->page_size - 1};
    size_t pages = 1 + operation->size % (PROGRAM_FILE_PAGES - 1);
    size_t rest = rests[operation->number / PATHS % (sizeof rests / sizeof rests[0])];
    call->path = (program_path)(operation->number % PATHS);
    if (call->path == PATH_MISSING && call->kind == PROGRAM_FILE_CREATE) call->path = PATH_FIRST;
    call->writable = operation->file_offset & 1;
    call->file_size = pages * operation->subject->page_size + rest;
    if (operation->twist == TWIST_SIZE_ZERO) call->file_size = 0;
    if (operation->twist == TWIST_SIZE_WRAPS) call->file_size = (uint64_t)1 << 62;
    return true;
}

/* Some systems create huge shared memory, because it costs nothing until it is used. */
static bool resolve_shared_file(const struct operation *operation, program_call *call) {
    struct operation small = *operation;
    if (small.twist == TWIST_SIZE_WRAPS) small.twist = TWIST_NONE;
    return resolve_file(&small, call);
}

static bool resolve_space(const struct operation *operation, program_call *call) {
    return choose_space(operation->subject, &call->space) != NULL;
}

static bool resolve_failure(const struct operation *operation, program_call *call) {
    call->nth = operation->number / 2;
    call->from_then_on = operation->number & 1;
    call->way = operation->aim;
    return operation->subject->failing != NULL;
}

static bool resolve_nothing(const struct operation *operation, program_call *call) {
    call->nth = operation->number;
    return true;
}

/* ------------------------------------------------------------------ running --------------- */

const char *program_path_text(const program_host *host, program_path path, char *text,
                              size_t size) {
    static const char *const names[PATHS] = {
        [PATH_FIRST] = "/first",         [PATH_SECOND] = "/second", [PATH_THIRD] = "/third",
        [PATH_EMPTY_FILE] = "/empty",    [PATH_FOLDER] = "",        [PATH_MISSING] = "/missing",
        [PATH_NO_PARENT] = "/no/parent",
    };
    if (path == PATH_NULL) return NULL;
    if (path == PATH_BLANK) return "";
    snprintf(text, size, "%s%s", host->folder, names[path]);
    return text;
}

/* NULL stands for the native backend, too: every second operation passes it. */
static const hf_backend *backend_of(const program_subject *subject, const program_call *call) {
    bool nameless = subject->backend == hf_backend_native() && call->index % 2 == 1;
    return nameless ? NULL : subject->backend;
}

static hf_status run_open(program_subject *subject, program_call *call) {
    hf_space *space = NULL;
    hf_space_options options = {0};
    options.base = call->base;
    options.least = call->least;
    options.name = call->named ? "program" : NULL;
    options.backend = backend_of(subject, call);
    options.alignment = call->alignment;
    bool plain =
        !call->base && call->least == 0 && !call->named && !options.backend && call->alignment == 0;
    hf_status status = hf_space_open(&space, call->size, plain ? NULL : &options);
    if (status != HF_OK) return status;
    hf_space_close(subject->spaces[call->space]);
    subject->spaces[call->space] = space;
    return HF_OK;
}

static hf_status run_close(program_subject *subject, program_call *call) {
    hf_space_close(subject->spaces[call->space]);
    subject->spaces[call->space] = NULL;
    return HF_OK;
}

static hf_status run_step(program_subject *subject, program_call *call) {
    static hf_status (*const steps[])(hf_space *, size_t offset, size_t size) = {
        [PROGRAM_SPLIT] = hf_space_split,
        [PROGRAM_COALESCE] = hf_space_coalesce,
        [PROGRAM_COMMIT] = hf_space_commit,
        [PROGRAM_DECOMMIT] = hf_space_decommit,
        [PROGRAM_UNMAP] = hf_space_unmap,
        [PROGRAM_COMMIT_RANGE] = hf_space_commit_range,
        [PROGRAM_RELEASE_RANGE] = hf_space_release_range,
        [PROGRAM_RESET_RANGE] = hf_space_reset_range,
    };
    return steps[call->kind](subject->spaces[call->space], call->offset, call->size);
}

static hf_file *file_of(program_subject *subject, const program_call *call) {
    if (!call->foreign) return subject->files[call->file];
    if (!subject->foreign_file) {
        hf_file_create_shared(&subject->foreign_file, PROGRAM_PAGES * subject->page_size,
                              subject->foreign);
    }
    return subject->foreign_file;
}

static hf_status run_map(program_subject *subject, program_call *call) {
    return (call->kind == PROGRAM_MAP ? hf_space_map
            : call->kind == PROGRAM_MAP_RANGE
                ? hf_space_map_range
                : hf_space_remap_range)(subject->spaces[call->space], call->offset, call->size,
                                        file_of(subject, call), call->file_offset, call->access);
}

static hf_status run_protect(program_subject *subject, program_call *call) {
    return hf_space_protect(subject->spaces[call->space], call->offset, call->size,
                            call->protection);
}

static hf_status run_extend(program_subject *subject, program_call *call) {
    return hf_space_extend(subject->spaces[call->space], call->offset, call->old_size, call->size);
}

static hf_status run_advise(program_subject *subject, program_call *call) {
    return hf_space_advise(subject->spaces[call->space], call->offset, call->size, call->advice);
}

uint64_t program_pattern(size_t index, size_t offset, size_t page_size) {
    return (index + 1) << 16 | offset / page_size;
}

uint64_t program_pattern_word(uint64_t pattern, size_t word) {
    return pattern == 0 ? 0 : (pattern + word) * UINT64_C(0x9e3779b97f4a7c15);
}

static void store_page(char *page, size_t page_size, uint64_t pattern) {
    for (size_t i = 0; i < page_size / 8; i++) {
        uint64_t word = program_pattern_word(pattern, i);
        memcpy(page + i * 8, &word, 8);
    }
}

/* Stores into whole pages, also where a file ends in its last page: the bytes after the end of the
 * file can be written, and are lost. */
static hf_status run_store(program_subject *subject, program_call *call) {
    hf_space *space = subject->spaces[call->space];
    size_t page_size = subject->page_size;
    hf_region region;
    for (size_t done = 0; done < call->size; done += page_size) {
        size_t offset = call->offset + done;
        if (!hf_space_find(space, offset, &region)) break;
        if (region.protection != HF_PROTECT_READ_WRITE) continue;
        store_page(hf_space_base(space) + offset, page_size,
                   program_pattern(call->index, offset, page_size));
    }
    return HF_OK;
}

static hf_status run_find(program_subject *subject, program_call *call) {
    call->found = hf_space_find(subject->spaces[call->space], call->offset, &call->region);
    return HF_OK;
}

static hf_status run_check(program_subject *subject, program_call *call) {
    return hf_space_check(subject->spaces[call->space]);
}

static hf_status from_handle(program_subject *subject, const program_call *call, const char *path,
                             hf_file **file) {
    intptr_t handle = path ? subject->host->open_handle(path, call->writable) : NO_HANDLE;
    hf_status status = hf_file_from_handle(file, handle, call->access, backend_of(subject, call));
    if (path && handle != -1) subject->host->close_handle(handle);
    return status;
}

static hf_status make_file(program_subject *subject, const program_call *call, hf_file **file) {
    char text[PATH_BYTES];
    const char *path = program_path_text(subject->host, call->path, text, sizeof text);
    const hf_backend *backend = backend_of(subject, call);
    switch (call->kind) {
    case PROGRAM_FILE_OPEN: return hf_file_open(file, path, call->access, backend);
    case PROGRAM_FILE_CREATE: return hf_file_create(file, path, call->file_size, backend);
    case PROGRAM_FILE_CREATE_SHARED: return hf_file_create_shared(file, call->file_size, backend);
    case PROGRAM_FILE_CREATE_EXECUTABLE:
        return hf_file_create_executable(file, call->file_size, backend);
    default: return from_handle(subject, call, path, file);
    }
}

/* The file that was in the slot is closed after the new one was made. */
static hf_status run_file(program_subject *subject, program_call *call) {
    hf_file *file = NULL;
    hf_status status = make_file(subject, call, &file);
    if (status != HF_OK) return status;
    hf_file_close(subject->files[call->file]);
    subject->files[call->file] = file;
    return HF_OK;
}

static hf_status run_file_close(program_subject *subject, program_call *call) {
    hf_file_close(subject->files[call->file]);
    subject->files[call->file] = NULL;
    return HF_OK;
}

static hf_status run_failure(program_subject *subject, program_call *call) {
    hf_strict_fail_as(subject->failing, call->way);
    hf_strict_fail(subject->failing, call->nth, call->from_then_on);
    return HF_OK;
}

static hf_status run_text(program_subject *subject, program_call *call) {
    (void)subject;
    const char *text = hf_status_text((hf_status)call->nth);
    return text && *text ? HF_OK : HF_CORRUPT;
}

#define COMMAND(kind, name, parts, resolve, run) {name, parts, resolve, run},
static const struct command {
    const char *name, *parts;
    bool (*resolve)(const struct operation *, program_call *);
    hf_status (*run)(program_subject *, program_call *);
} commands[] = {PROGRAM_COMMANDS(COMMAND)};

static void make_call(program_subject *subject, program_call *call,
                      const program_observer *observer) {
    observer->before(observer->user, call);
    hf_status status = commands[call->kind].run(subject, call);
    observer->after(observer->user, call, status);
}

static void call_every_second(program_subject *subject, program_call *call,
                              const program_observer *observer) {
    size_t space_size = hf_space_size(subject->spaces[call->space]);
    size_t end = call->offset + call->size;
    if (end > space_size) end = space_size;
    call->size = subject->page_size;
    for (; call->offset < end; call->offset += 2 * subject->page_size) {
        make_call(subject, call, observer);
    }
}

static void run_operation(program_subject *subject, size_t index, const uint8_t *bytes,
                          const program_observer *observer) {
    struct operation operation = decode(subject, bytes);
    if (operation.kind >= PROGRAM_KINDS) return;
    program_call call = {
        .index = index,
        .kind = operation.kind,
        .space = operation.space,
        .file = operation.file,
        .access = operation.access,
    };
    if (!commands[operation.kind].resolve(&operation, &call)) return;
    bool is_step = operation.kind >= PROGRAM_SPLIT && operation.kind <= PROGRAM_RELEASE_RANGE;
    bool is_change = operation.kind >= PROGRAM_REMAP_RANGE && operation.kind <= PROGRAM_PROTECT;
    if ((is_step || is_change) && operation.number >= EVERY_SECOND && operation.twist == TWIST_NONE)
        call_every_second(subject, &call, observer);
    else
        make_call(subject, &call, observer);
}

void program_run(program_subject *subject, const uint8_t *bytes, size_t size,
                 const program_observer *observer) {
    size_t operations = size / OPERATION_BYTES;
    if (operations > MOST_OPERATIONS) operations = MOST_OPERATIONS;
    for (size_t i = 0; i < operations; i++) {
        run_operation(subject, i, bytes + i * OPERATION_BYTES, observer);
    }
}

void program_finish(program_subject *subject) {
    if (subject->failing) hf_strict_fail(subject->failing, 0, false);
    for (unsigned i = 0; i < PROGRAM_FILES; i++) hf_file_close(subject->files[i]);
    for (unsigned i = 0; i < PROGRAM_SPACES; i++) hf_space_close(subject->spaces[i]);
    hf_file_close(subject->foreign_file);
    memset(subject->files, 0, sizeof subject->files);
    memset(subject->spaces, 0, sizeof subject->spaces);
    subject->foreign_file = NULL;
}

/* ------------------------------------------------------------------ printing -------------- */

const char *program_status_name(hf_status status) { return hf_status_name(status) + strlen("HF_"); }

static const char *const protection_names[] = {"none", "read", "read_write", "read_execute"};
static const char *const access_names[] = {"read_write", "read_only", "copy_on_write"};

static void print_open(FILE *stream, const program_call *call) {
    fprintf(stream, " size %#zx least %#zx", call->size, call->least);
    if (call->base)
        fprintf(stream, " at fixed%+td", (ptrdiff_t)((uintptr_t)call->base - FIXED_BASES));
    if ((call->alignment & (call->alignment - 1)) != 0) fputs(" wrong alignment", stream);
    if (call->named) fputs(" named", stream);
}

/* `part` is one of the letters in the table of commands. */
static void print_part(FILE *stream, const program_call *call, char part) {
    static const char *const paths[PATHS] = {"first",   "second",    "third", "empty", "folder",
                                             "missing", "no_parent", "blank", "null"};
    switch (part) {
    case 's': fprintf(stream, " space %u", call->space); break;
    case 'r': fprintf(stream, " offset %#zx size %#zx", call->offset, call->size); break;
    case 'o': print_open(stream, call); break;
    case 'f': fprintf(stream, " file %u", call->file); break;
    case 'F':
        if (call->foreign) fputs(" foreign file", stream);
        if (!call->foreign) print_part(stream, call, 'f');
        break;
    case '@': fprintf(stream, " at %#llx", (unsigned long long)call->file_offset); break;
    case 'a': fprintf(stream, " %s", access_names[call->access]); break;
    case 'p': fprintf(stream, " %s", paths[call->path]); break;
    case 'h': fprintf(stream, " %s handle", call->writable ? "writable" : "readable"); break;
    case 'z': fprintf(stream, " size %#llx", (unsigned long long)call->file_size); break;
    case 'v': fprintf(stream, " advice %d", (int)call->advice); break;
    case 'P':
        fprintf(stream, " %s",
                call->protection > HF_PROTECT_READ_EXECUTE ? "wrong"
                                                           : protection_names[call->protection]);
        break;
    case 'e': fprintf(stream, " old size %#zx", call->old_size); break;
    case 'n': fprintf(stream, " call %zu", call->nth); break;
    case '+':
        fputs(call->from_then_on ? " and all after it" : "", stream);
        if (call->way) fprintf(stream, " in way %zu", call->way);
        break;
    default: fprintf(stream, " of status %zu", call->nth); break;
    }
}

void program_print_call(FILE *stream, const program_call *call) {
    fprintf(stream, "%zu %s", call->index, commands[call->kind].name);
    for (const char *part = commands[call->kind].parts; *part; part++)
        print_part(stream, call, *part);
}

bool program_is_natural(const hf_region *region) {
    if (region->kind == HF_PLACEHOLDER) return true;
    bool is_read_only = region->kind == HF_VIEW && region->access == HF_READ_ONLY;
    return region->protection == (is_read_only ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE);
}

void program_print_region(FILE *stream, const hf_region *region) {
    static const char *const kinds[] = {"placeholder", "committed", "view"};
    fprintf(stream, "    %#zx %#zx %s", region->offset, region->size, kinds[region->kind]);
    if (region->kind == HF_VIEW)
        fprintf(stream, " %s at %#llx", access_names[region->access],
                (unsigned long long)region->file_offset);
    if (!program_is_natural(region))
        fprintf(stream, " protected %s", protection_names[region->protection]);
    fputc('\n', stream);
}

void program_print_page(FILE *stream, size_t offset, hf_protection protection) {
    fprintf(stream, "      from %#zx %s\n", offset, protection_names[protection]);
}

static void print_changes(FILE *stream, const hf_space *space, hf_region region) {
    hf_protection before = region.protection;
    size_t page_size = hf_space_page_size(space), end = region.offset + region.size;
    for (size_t at = region.offset; at < end; at += page_size) {
        if (!hf_space_find(space, at, &region)) return;
        if (region.protection != before) program_print_page(stream, at, region.protection);
        before = region.protection;
    }
}

void program_print_regions(FILE *stream, const hf_space *space) {
    hf_region region = {0};
    while (hf_space_next(space, &region)) {
        program_print_region(stream, &region);
        print_changes(stream, space, region);
    }
}
