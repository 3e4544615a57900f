/*
 * replay.c -- runs each input as a program of calls on spaces and files (fuzz/space_program.h) and
 * shows what the calls did.
 *
 *     input ---> program ---> native, or strict over native ---> trace
 *
 * The trace of an input is the same, byte for byte, on every backend and every system whose page is
 * as large: that is what it is for. So it has no address, no path and no statistics of system
 * calls, and of these, where systems may differ:
 *
 *   the system's code    stands last in its line, behind " os=", with the function that failed
 *   hints                did they fail or not: no call depends on it
 *   failures on demand   what an input says of them is left out unless --fail is given, for only
 *                        strict can fail on demand
 *
 * Behind each call stand the regions of its space, and a sum of the contents of its memory: of all
 * pages that were committed, and of the bytes that views have of their files. What lies behind a
 * file's end in its last page means nothing.
 *
 * There is a strict backend in either case, under the program or beside it, as the other backend
 * that a file can be of. Nothing may be left in it at the end of an input, and no rule be broken.
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
    "usage: holdfast replay [--backend native|strict] [--fail] [--trace] FILES...";

enum { PATH_BYTES = 4096, LARGEST_FILE = 1 << 28 };

struct replay {
    bool strict, fail, trace;
    program_host host;
    char folder[PATH_BYTES];
    size_t inputs, calls, failed, failures;
    /* of the input being run: */
    program_subject subject;
    size_t filled[PROGRAM_SPACES][PROGRAM_GRANULES]; /* of a view's page, the bytes in its file */
};

/* ------------------------------------------------------------------ contents -------------- */

static uint64_t mix(uint64_t sum, uint64_t word) {
    sum = (sum ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 29;
}

static uint64_t sum_bytes(uint64_t sum, const char *bytes, size_t size) {
    uint64_t word;
    for (; size >= sizeof word; bytes += sizeof word, size -= sizeof word) {
        memcpy(&word, bytes, sizeof word);
        sum = mix(sum, word);
    }
    word = 0;
    memcpy(&word, bytes, size);
    return mix(sum, word);
}

static uint64_t sum_region(const struct replay *replay, unsigned slot, const hf_region *region,
                           uint64_t sum) {
    const char *base = hf_space_base(replay->subject.spaces[slot]);
    size_t page_size = replay->subject.page_size;
    for (size_t at = region->offset; at < region->offset + region->size; at += page_size) {
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

/* After a view was made: how much of each page is the file's. */
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

/* Whether the system took a hint, or knows it at all, is its own business. */
static bool is_hint(const program_call *call, hf_status status) {
    return call->kind == PROGRAM_ADVISE && status != HF_INVALID && status != HF_WRONG_STATE;
}

static bool changes_space(program_kind kind) {
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
    bool makes_view = call->kind == PROGRAM_MAP || call->kind == PROGRAM_MAP_RANGE;
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

static void run_program(struct replay *replay, hf_backend *strict, const void *bytes, size_t size) {
    const program_observer observer = {replay, before, after};
    replay->subject = (program_subject){
        .backend = replay->strict ? strict : hf_backend_native(),
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

/* No more than a program can have. False: platform_error_text(). */
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

/* As they are named, and in a folder in the order of the names' bytes, which is every system's. */
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

/* The folder for files has a file of size 0 in it. */
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
    if (!replay->strict && strcmp(backend, "native") != 0)
        return options_wrong(options, "unknown backend, neither native nor strict: ", backend);
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
        {"--backend", .value = &backend, .what = "native or strict"},
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
