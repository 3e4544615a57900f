/*
 * replay.c -- runs inputs of the space's fuzzer: each is a program of calls on spaces and files
 * (fuzz/space_program.h). Prints what the calls did.
 *
 *     input ---> program ---> native, steps, or strict over native ---> trace
 *
 * "steps" is the native backend with its functions for ranges of several regions left out. So the
 * space does on POSIX what it does on Windows and over strict: it unmaps a whole view and maps the
 * rest again, adds a region instead of making one longer, and stores into pages to reset them. On
 * Windows it is the native backend.
 *
 * A trace is for comparing backends and systems: for one input it is the same, byte for byte, on
 * all that have the same page size; with native only up to the first extension or reset of a range.
 * So it has no addresses, paths or counts of system calls, and treats what may differ as follows:
 *
 *   the system's code    at the end of the line, after " os=", with the function that failed
 *   hints                whether they failed is not printed; no call depends on it
 *   failures on demand   left out unless --fail is given, because only strict can make calls fail
 *
 * After each call the trace lists the regions of its space and a checksum of the contents that can
 * be read: of all committed pages, and of the bytes of views up to the end of their files. (The
 * bytes between the end of a file and the end of its last page are not part of the file.)
 *
 * A strict backend is always open: as the program's backend, or as the other backend that a file
 * can belong to. After each input it must have seen no violation and have nothing left open.
 */
#include "replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"
#include "platform.h"
#include "sources.h"
#include "space_program.h"

static const char usage[] =
    "usage: holdfast replay [--backend native|steps|strict] [--fail] [--trace] FILES...";

enum { PATH_BYTES = 4096, LARGEST_FILE = 1 << 28 };

struct replay {
    bool strict, steps, fail, trace;
    hf_backend in_steps;
    program_host host;
    char folder[PATH_BYTES];
    size_t inputs, calls, failed, failures;
    /* of the current input: */
    program_subject subject;
    /* for each page of a view, how many of its bytes are in the file */
    size_t filled[PROGRAM_SPACES][PROGRAM_PAGES];
};

/* ------------------------------------------------------------------ contents -------------- */

static uint64_t mix(uint64_t sum, uint64_t value) {
    sum = (sum ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 29;
}

static uint64_t sum_bytes(uint64_t sum, const char *bytes, size_t size) {
    uint64_t value;
    for (; size >= sizeof value; bytes += sizeof value, size -= sizeof value) {
        memcpy(&value, bytes, sizeof value);
        sum = mix(sum, value);
    }
    value = 0;
    memcpy(&value, bytes, size);
    return mix(sum, value);
}

static uint64_t sum_region(const struct replay *replay, unsigned slot, const hf_region *region,
                           uint64_t sum) {
    const char *base = hf_space_base(replay->subject.spaces[slot]);
    size_t page_size = replay->subject.page_size;
    for (size_t at = region->offset; at < region->offset + region->size; at += page_size) {
        hf_region page;
        if (!hf_space_find(replay->subject.spaces[slot], at, &page)) return sum;
        if (page.protection == HF_PROTECT_NONE) continue;
        size_t filled = region->kind == HF_VIEW ? replay->filled[slot][at / page_size] : page_size;
        sum = sum_bytes(sum, base + at, filled);
    }
    return sum;
}

static void print_contents(const struct replay *replay, unsigned slot) {
    hf_region region = {0};
    uint64_t sum = 0;
    bool any = false;
    while (hf_space_next(replay->subject.spaces[slot], &region)) {
        if (region.kind == HF_PLACEHOLDER) continue;
        sum = sum_region(replay, slot, &region, sum);
        any = true;
    }
    if (any) printf("    contents %016" PRIx64 "\n", sum);
}

/* Called after a view was mapped: stores how many bytes of each page are in the file. */
static void note_filled(struct replay *replay, const program_call *call) {
    uint64_t file_size = hf_file_size(replay->subject.files[call->file]);
    size_t page_size = replay->subject.page_size;
    for (size_t done = 0; done < call->size; done += page_size) {
        uint64_t left = file_size - (call->file_offset + done);
        size_t filled = left < page_size ? (size_t)left : page_size;
        replay->filled[call->space][(call->offset + done) / page_size] = filled;
    }
}

/* ------------------------------------------------------------------ each call ------------- */

/* Whether this is the result of a hint, which may differ between systems. */
static bool is_hint(const program_call *call, hf_status status) {
    return call->kind == PROGRAM_ADVISE && status != HF_INVALID && status != HF_WRONG_STATE;
}

static bool changes_space(program_kind kind) {
    if (kind >= PROGRAM_REMAP_RANGE && kind <= PROGRAM_EXTEND) return true;
    return kind <= PROGRAM_STORE && kind != PROGRAM_CLOSE && kind != PROGRAM_ADVISE;
}

static void print_status(hf_status status) {
    hf_error error = hf_last_error();
    printf(": %s", program_status_name(status));
    if (status == HF_OK) return;
    printf(" at %#zx size %#zx os=%ld %s", error.offset, error.size, error.os_code, error.call);
}

static void print_found(const program_call *call) {
    if (call->found)
        printf(": %#zx %#zx", call->region.offset, call->region.size);
    else
        printf(": nothing");
}

static void print_call(const program_call *call, hf_status status) {
    program_print_call(stdout, call);
    if (is_hint(call, status))
        printf(": a hint");
    else if (call->kind == PROGRAM_FIND)
        print_found(call);
    else
        print_status(status);
    printf("\n");
}

static void before(void *user, const program_call *call) { (void)user, (void)call; }

static void after(void *user, const program_call *call, hf_status status) {
    struct replay *replay = user;
    const hf_space *space = replay->subject.spaces[call->space];
    bool makes_view = call->kind == PROGRAM_MAP || call->kind == PROGRAM_MAP_RANGE ||
                      call->kind == PROGRAM_REMAP_RANGE;
    replay->calls++;
    replay->failed += status != HF_OK && !is_hint(call, status);
    if (makes_view && status == HF_OK) note_filled(replay, call);
    if (!replay->trace) return;
    print_call(call, status);
    if (!space || !changes_space(call->kind)) return;
    program_print_regions(stdout, space);
    print_contents(replay, call->space);
}

/* ------------------------------------------------------------------ each input ------------ */

static void remove_files(const struct replay *replay, program_path last) {
    char path[PATH_BYTES + 16];
    for (program_path which = PATH_FIRST; which <= last; which++)
        platform_remove(program_path_text(&replay->host, which, path, sizeof path));
}

static hf_backend make_backend_in_steps(void) {
    hf_backend backend = *hf_backend_native();
    backend.spans_regions = NULL;
    backend.release_run = NULL;
    backend.reset = NULL;
    backend.remap = NULL;
    return backend;
}

static void run_program(struct replay *replay, hf_backend *strict, const void *bytes, size_t size) {
    const program_observer observer = {replay, before, after};
    replay->subject = (program_subject){
        .backend = replay->strict  ? strict
                   : replay->steps ? &replay->in_steps
                                   : hf_backend_native(),
        .foreign = replay->strict ? hf_backend_native() : strict,
        .failing = replay->fail ? strict : NULL,
        .host = &replay->host,
    };
    replay->subject.page_size = strict->page_size(strict);
    program_run(&replay->subject, bytes, size, &observer);
    program_finish(&replay->subject);
    remove_files(replay, PATH_THIRD);
}

static bool is_clean(const char *name, const hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    if (!(stats.violations | stats.regions | stats.pages | stats.files | stats.locks)) return true;
    fprintf(stderr,
            "holdfast: %s: a finding: %zu rules broken; left %zu regions, %zu bytes of records, "
            "%zu files, %zu locks\n",
            name, stats.violations, stats.regions, stats.pages, stats.files, stats.locks);
    return false;
}

static bool run_input(struct replay *replay, const char *name, const void *bytes, size_t size) {
    size_t calls = replay->calls, failed = replay->failed;
    hf_backend *strict;
    if (hf_strict_open(&strict, NULL) != HF_OK) {
        char why[HF_ERROR_TEXT_SIZE];
        hf_error_text(NULL, why, sizeof why);
        fprintf(stderr, "holdfast: %s: %s\n", name, why);
        return false;
    }
    if (replay->trace) printf("input %s\n", name);
    run_program(replay, strict, bytes, size);
    bool clean = is_clean(name, strict);
    hf_strict_close(strict);
    replay->inputs++;
    if (!replay->trace)
        printf("%s: %zu calls, %zu failed\n", name, replay->calls - calls, replay->failed - failed);
    return clean;
}

/* Reads up to `room` bytes, the most that a program can have. False: platform_error_text(). */
static bool read_input(const char *path, void *bytes, size_t room, size_t *size) {
    intptr_t file = platform_open(path, false);
    int64_t got = file == -1 ? -1 : 1;
    *size = 0;
    while (got > 0 && *size < room) {
        got = platform_read(file, (char *)bytes + *size, room - *size);
        if (got > 0) *size += (size_t)got;
    }
    if (file != -1) platform_close(file);
    return got >= 0;
}

static bool run_file(struct replay *replay, const char *path) {
    uint8_t bytes[OPERATION_BYTES * MOST_OPERATIONS];
    size_t size;
    if (read_input(path, bytes, sizeof bytes, &size))
        return run_input(replay, platform_name(path), bytes, size);
    fprintf(stderr, "holdfast: %s: %s\n", path, platform_error_text());
    return false;
}

/* ------------------------------------------------------------------ all inputs ------------ */

static bool is_input(const char *name) { return name[0] != '.'; }

/* Runs the inputs in the order of the arguments; within a folder sorted by the bytes of the names,
 * so that the order is the same on every system. */
static bool run_all(struct replay *replay, const struct options *options) {
    struct sources sources;
    bool opened = sources_open(&sources, is_input);
    if (!opened) fprintf(stderr, "holdfast: no memory for a list of files\n");
    for (int i = 0; opened && i < options->file_count; i++) {
        size_t first = sources.list.count;
        sources_add(&sources, options->files[i]);
        sources_sort(&sources, first);
    }
    for (size_t i = 0; i < sources.list.count; i++)
        replay->failures += !run_file(replay, sources_at(&sources, i)->path);
    replay->failures += sources.failures;
    sources_close(&sources);
    if (opened && replay->inputs == 0 && replay->failures == 0)
        fprintf(stderr, "holdfast: no inputs there\n");
    return replay->inputs > 0 && replay->failures == 0;
}

/* Creates the folder for the programs' files, and in it a file of size 0. */
static bool open_host(struct replay *replay) {
    char path[PATH_BYTES + 16];
    if (!platform_make_folder(replay->folder, sizeof replay->folder)) {
        fprintf(stderr, "holdfast: a temporary folder: %s\n", platform_error_text());
        return false;
    }
    replay->host = (program_host){replay->folder, platform_open, platform_close};
    FILE *empty =
        platform_create(program_path_text(&replay->host, PATH_EMPTY_FILE, path, sizeof path));
    if (empty)
        fclose(empty);
    else
        fprintf(stderr, "holdfast: %s: cannot be written\n", path);
    platform_limit_files(LARGEST_FILE);
    return empty != NULL;
}

static void close_host(const struct replay *replay) {
    if (!replay->host.folder) return;
    remove_files(replay, PATH_EMPTY_FILE);
    platform_remove(replay->folder);
}

static int print_help(void) {
    printf("%s\n\n"
           "Runs inputs of the space's fuzzer: any bytes are a program of calls on two spaces and\n"
           "six files. Says of each input how many calls it made and how many failed, or\n"
           "with --trace what each call did.\n\n"
           "  FILES         inputs, or folders of them, such as fuzz/corpus/space\n"
           "  --backend     native: the system's own memory (by default)\n"
           "                steps: the same without calls that span regions or a part of a view\n"
           "                strict: that under the rules of Windows' placeholders, in software\n"
           "  --trace       prints each call, its status, and the regions and a sum of the\n"
           "                contents of its space: the same on every system, but for what follows\n"
           "                \" os=\" at a line's end, the system's code and its function\n"
           "  --fail        lets calls fail where an input says so; strict alone can do it\n\n"
           "The exit status is 1 when an input could not be read, broke a rule or left anything\n"
           "behind, and 2 for wrong usage.\n",
           usage);
    return EXIT_SUCCESS;
}

static bool check_options(struct replay *replay, const struct options *options,
                          const char *backend) {
    replay->strict = strcmp(backend, "strict") == 0;
    replay->steps = strcmp(backend, "steps") == 0;
    replay->in_steps = make_backend_in_steps();
    if (!replay->strict && !replay->steps && strcmp(backend, "native") != 0)
        return options_wrong(options, "unknown backend, not native, steps or strict: ", backend);
    if (replay->fail && !replay->strict)
        return options_wrong(options, "--fail needs --backend strict", "");
    if (options->file_count == 0)
        return options_wrong(options, "name inputs, or folders of them: fuzz/corpus/space", "");
    return true;
}

int replay(int count, char **arguments) {
    static struct replay replay;
    const char *backend = "native";
    const struct option known[] = {
        {"--backend", .value = &backend, .what = "native, steps or strict"},
        {"--fail", .given = &replay.fail},
        {"--trace", .given = &replay.trace},
    };
    struct options options = {.usage = usage, .known = known, .known_count = 3};
    if (!options_take(&options, count, arguments)) return WRONG_USAGE;
    if (options.help) return print_help();
    if (!check_options(&replay, &options, backend)) return WRONG_USAGE;
    bool whole = open_host(&replay) && run_all(&replay, &options);
    close_host(&replay);
    if (!replay.trace && replay.inputs > 0)
        printf("%zu inputs, %zu calls, %zu failed\n", replay.inputs, replay.calls, replay.failed);
    return whole ? EXIT_SUCCESS : EXIT_FAILURE;
}
