/*
 * fuzz_space.c -- runs a program of calls on spaces and files, and compares each call with a model.
 *
 * Both runs of the program must have the same statuses until the first injected failure. After each
 * call the status must be one that the headers allow; regions, statistics and contents must be
 * those of the model; a call that failed must have left a state that the headers allow; and a call
 * with wrong arguments must not have reached the backend.
 *
 *      after each call             of its space: statistics, the regions that overlap or touch its
 *                                  range, and three values of each page in its range
 *      after every 64th operation  everything: both spaces, every byte, hf_space_check
 *      at the end                  the same, and the files on disk
 *
 * The regions are those of tests/space_model.h. To these this file adds the files, and for each
 * page a pattern that stands for its contents:
 *
 *      page         0    1    2    3    4    5    6
 *      kind       |p    p   |c    c   |v    v    v        | a region begins
 *      pattern               0    7    9    0    0        0: zeros, and in a view what the file has
 *
 * A page that hf_space_protect made unreadable keeps its pattern, and is compared when it can be
 * read again.
 *
 *      state of the model
 *      reporting          what is printed when a check fails
 *      files              open files and what they hold
 *      expecting          the statuses of a call that meets no failure
 *      succeeding         the change that a call promises
 *      failing            the states that a failure may leave
 *      comparing          regions, statistics and contents
 *      around each call
 *      around each run
 */
#include "runner.h"
#include "space_program.h"

#include "../tests/space_model.h"

#include <string.h>

enum {
    OPEN_FILES = 160, /* six in slots, and those that only views use */
    CONTENTS = OPEN_FILES + PATHS,
    MOST_FILE_PAGES = PROGRAM_FILE_PAGES + 1,
    CALLS_BETWEEN_CHECKS = 64,
    NOT_RUN = -1
};

/* Patterns besides those that were stored. */
#define UNKNOWN UINT64_MAX /* the page may have been reset while it was not readable */
#define COPY_OF_FILE \
    ((uint64_t)1 << 62) /* and a pattern that the file had when the page was reset:
                                            the page has that, or what the file has now */

_Static_assert(PROGRAM_RELEASE_RANGE - PROGRAM_SPLIT == MODEL_RELEASE_RANGE - MODEL_SPLIT &&
                   PROGRAM_EXTEND - PROGRAM_REMAP_RANGE == MODEL_EXTEND - MODEL_REMAP_RANGE,
               "the steps have the same order in programs and in the model");

/* ------------------------------------------------------------------ state of the model ---- */

struct space {
    bool open;
    uintptr_t base;
    struct space_model model; /* its steps are those of one call */
    struct model_page pages[PROGRAM_PAGES + 1];
    size_t peak_committed, peak_view; /* pages */
    size_t least_peak, most_peak;     /* bounds of the peak of regions: while a composite runs
                                         there may be more than before and after it */
};

/* An hf_file. Views use it even after it was closed. */
struct open_file {
    bool in_slot, is_executable;
    hf_access access;
    uint8_t content;
};

/* What a file holds. Several hf_files can have the same. */
struct content {
    bool exists;
    uint64_t size;
    uint64_t pattern[MOST_FILE_PAGES];
};

static program_subject subject;
static struct space spaces[PROGRAM_SPACES];
static int slots[PROGRAM_FILES]; /* an index of open_files, or -1 */
static struct open_file open_files[OPEN_FILES];
static struct content contents[CONTENTS]; /* first those of the paths, then of shared memory */

static const program_call *call; /* the one under way */
static hf_space_stats stats_before[PROGRAM_SPACES];

/* PROGRAM_FAIL: its last arguments, and the statistics of strict at that time. */
static size_t failing_nth;
static bool failing_from_then_on;
static hf_strict_stats strict_at_failing;

/* Up to here both runs are the same: the first operation that let calls fail, or the one after the
 * first hf_space_extend, which makes one region longer, or adds one; see may_differ. */
static size_t first_difference;
static int native_statuses[MOST_OPERATIONS], statuses[MOST_OPERATIONS];

/* The space of the call, and the pages of its range if that is valid. */
static struct space *space_of_call(void) { return &spaces[call->space]; }

static struct model_range range_of_call(void) {
    return (struct model_range){call->offset / run.page_size,
                                (call->offset + call->size) / run.page_size};
}

/* The page of the space at which the old bytes of hf_space_extend end. */
static size_t old_end_of_call(void) { return (call->offset + call->old_size) / run.page_size; }

static bool spans_regions(void) {
    return run.backend->spans_regions && run.backend->spans_regions(run.backend);
}

/* ------------------------------------------------------------------ reporting ------------- */

static void print_model(const struct space_model *model) {
    for (size_t i = 0; i < model->count; i++) {
        const struct model_page *page = &model->pages[i];
        hf_region region = model_as_region(model, i);
        if (page->begins)
            program_print_region(stderr, &region);
        else if (page->protection != page[-1].protection)
            program_print_page(stderr, i * model->page_size, region.protection);
    }
}

void fuzz_print(void) {
    if (call) program_print_call(stderr, call);
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        if (!subject.spaces[slot]) continue;
        fprintf(stderr, "\n  space %u is\n", slot);
        program_print_regions(stderr, subject.spaces[slot]);
        fprintf(stderr, "  and should be\n");
        if (spaces[slot].open) print_model(&spaces[slot].model);
    }
}

/* ------------------------------------------------------------------ files ----------------- */

static bool is_viewed(size_t file) {
    for (const struct space *space = spaces; space < spaces + PROGRAM_SPACES; space++)
        for (size_t i = 0; space->open && i < space->model.count; i++)
            if (space->pages[i].kind == HF_VIEW && space->pages[i].file == file) return true;
    return false;
}

static struct content *content_of_page(const struct model_page *page) {
    return &contents[open_files[page->file].content];
}

static void close_slot(unsigned slot) {
    if (slots[slot] >= 0) open_files[slots[slot]].in_slot = false;
    slots[slot] = -1;
}

/* Puts a new hf_file into the slot of the call. Shared memory has contents of its own. */
static void open_slot(void) {
    bool is_executable = call->kind == PROGRAM_FILE_CREATE_EXECUTABLE;
    bool is_shared = is_executable || call->kind == PROGRAM_FILE_CREATE_SHARED;
    bool is_created = is_shared || call->kind == PROGRAM_FILE_CREATE;
    size_t file = 0;
    while (open_files[file].in_slot || is_viewed(file)) file++;
    close_slot(call->file);
    slots[call->file] = (int)file;
    open_files[file] = (struct open_file){
        .in_slot = true,
        .is_executable = is_executable,
        .access = is_created ? HF_READ_WRITE : call->access,
        .content = (uint8_t)(is_shared ? PATHS + file : (size_t)call->path),
    };
    if (!is_created) return;
    contents[open_files[file].content] = (struct content){.exists = true, .size = call->file_size};
}

static void check_files(void) {
    for (unsigned slot = 0; slot < PROGRAM_FILES; slot++) {
        const hf_file *file = subject.files[slot];
        CHECK((slots[slot] >= 0) == (file != NULL), "file %u is open and should not, or not", slot);
        CHECK(!file || hf_file_size(file) == contents[open_files[slots[slot]].content].size,
              "file %u has another size", slot);
    }
}

/* ------------------------------------------------------------------ expecting ------------- */

static bool is_change(void) {
    return call->kind >= PROGRAM_REMAP_RANGE && call->kind <= PROGRAM_EXTEND;
}

static bool is_step(void) {
    return (call->kind >= PROGRAM_SPLIT && call->kind <= PROGRAM_RELEASE_RANGE) || is_change();
}

static model_step step_of_call(void) {
    return is_change() ? (model_step)(MODEL_REMAP_RANGE + (call->kind - PROGRAM_REMAP_RANGE))
                       : (model_step)(MODEL_SPLIT + (call->kind - PROGRAM_SPLIT));
}

static bool is_step_or_hint(void) { return is_step() || call->kind == PROGRAM_ADVISE; }

static bool makes_view(void) {
    return call->kind == PROGRAM_MAP || call->kind == PROGRAM_MAP_RANGE ||
           call->kind == PROGRAM_REMAP_RANGE;
}

static bool is_range_valid(void) {
    size_t size = space_of_call()->model.count * run.page_size;
    if (call->kind == PROGRAM_EXTEND &&
        (call->old_size == 0 || call->old_size % run.page_size != 0 ||
         call->old_size >= call->size))
        return false;
    return call->size != 0 && call->offset % run.page_size == 0 &&
           call->size % run.page_size == 0 && call->offset < size &&
           call->size <= size - call->offset;
}

static uint64_t count_file_pages(const struct content *content) {
    return (content->size + run.page_size - 1) / run.page_size;
}

static bool is_view_valid(void) {
    if (call->foreign) return false;
    const struct open_file *file = &open_files[slots[call->file]];
    uint64_t room = count_file_pages(&contents[file->content]) * run.page_size;
    return call->file_offset % run.page_size == 0 && call->file_offset <= room &&
           call->size <= room - call->file_offset &&
           (file->access == HF_READ_WRITE || call->access != HF_READ_WRITE);
}

static bool can_populate(const struct space_model *model, struct model_range range) {
    for (size_t i = range.first; i < range.end; i++)
        if (model->pages[i].kind != HF_COMMITTED ||
            model->pages[i].protection != HF_PROTECT_READ_WRITE)
            return false;
    return true;
}

static bool do_regions_allow(void) {
    const struct space_model *model = &space_of_call()->model;
    struct model_range range = range_of_call();
    if (call->kind == PROGRAM_PROTECT) return model_allows_protect(model, range, call->protection);
    if (call->kind == PROGRAM_EXTEND) return model_allows_extend(model, range, old_end_of_call());
    if (is_step()) return model_allows(model, step_of_call(), range);
    return call->advice != HF_ADVISE_POPULATE || can_populate(model, range);
}

static status_set expect_step(void) {
    bool is_wrong = call->kind == PROGRAM_PROTECT && call->protection > HF_PROTECT_READ_EXECUTE;
    if (is_wrong || !is_range_valid() || (makes_view() && !is_view_valid())) return STATUS(INVALID);
    if (!do_regions_allow()) return STATUS(WRONG_STATE);
    return call->kind == PROGRAM_ADVISE ? STATUS(OK) | STATUS(UNSUPPORTED) : STATUS(OK);
}

/* Whether the call fails only because this system has no views: HF_UNSUPPORTED, and everything is
 * as after an injected failure. */
static bool lacks_view(void) {
    return !system_has_views() && makes_view() && expect_step() == STATUS(OK);
}

static bool overlaps_a_space(uintptr_t base, size_t size) {
    for (const struct space *space = spaces; space < spaces + PROGRAM_SPACES; space++)
        if (space->open && base < space->base + space->model.count * run.page_size &&
            space->base < base + size)
            return true;
    return false;
}

/* No system has more addresses than the sizes of programs, but for the largest ones, which none
 * has; and only the other space can be in the way of an exact base. */
static bool can_reserve(size_t size) {
    if (size > PROGRAM_PAGES * run.page_size) return false;
    return !call->base || !overlaps_a_space((uintptr_t)call->base, size);
}

/* The header does not say how halving rounds: if only a rounded half fits, both statuses are
 * right. */
static status_set expect_reserved(void) {
    if (can_reserve(call->size)) return STATUS(OK);
    if (call->least == 0 || !can_reserve(call->least)) return STATUS(NO_ADDRESS);
    size_t size = call->size;
    while (size % (2 * run.page_size) == 0 && size / 2 >= call->least) {
        size /= 2;
        if (can_reserve(size)) return STATUS(OK);
    }
    return STATUS(OK) | STATUS(NO_ADDRESS);
}

static status_set expect_open(void) {
    uintptr_t base = (uintptr_t)call->base;
    bool is_valid = (call->alignment & (call->alignment - 1)) == 0 && call->size != 0 &&
                    call->size % run.page_size == 0 && call->least % run.page_size == 0 &&
                    call->least <= call->size && base % HF_ALLOCATION_GRANULARITY == 0 &&
                    base <= UINTPTR_MAX - call->size;
    return is_valid ? expect_reserved() : STATUS(INVALID);
}

static status_set expect_file_open(void) {
    if (call->path == PATH_NULL || call->path == PATH_BLANK) return STATUS(INVALID);
    if (call->path == PATH_FOLDER) return STATUS(UNSUPPORTED);
    return contents[call->path].exists ? STATUS(OK) : STATUS(IO);
}

static status_set expect_file_create(void) {
    bool is_huge = call->file_size > (uint64_t)MOST_FILE_PAGES * run.page_size;
    bool is_taken =
        call->path == PATH_FOLDER || call->path == PATH_NO_PARENT || contents[call->path].exists;
    if (call->file_size == 0 || call->path == PATH_NULL || call->path == PATH_BLANK)
        return STATUS(INVALID);
    if (is_taken) return is_huge ? STATUS(IO) | STATUS(NO_SPACE) : STATUS(IO);
    return is_huge ? STATUS(NO_SPACE) : STATUS(OK);
}

static status_set expect_handle(void) {
    bool is_enough = call->writable || call->access != HF_READ_WRITE;
    if (call->path == PATH_FOLDER) return STATUS(INVALID) | STATUS(UNSUPPORTED);
    return contents[call->path].exists && is_enough ? STATUS(OK) : STATUS(INVALID);
}

/* The statuses that the headers allow if no call of the system fails. */
static status_set expect(void) {
    switch (call->kind) {
    case PROGRAM_OPEN: return expect_open();
    case PROGRAM_FILE_OPEN: return expect_file_open();
    case PROGRAM_FILE_CREATE: return expect_file_create();
    case PROGRAM_FILE_CREATE_SHARED:
    case PROGRAM_FILE_CREATE_EXECUTABLE: return call->file_size == 0 ? STATUS(INVALID) : STATUS(OK);
    case PROGRAM_FILE_FROM_HANDLE: return expect_handle();
    default: return is_step_or_hint() ? expect_step() : STATUS(OK);
    }
}

/* The statuses that they allow besides if one fails. */
static status_set expect_injected(void) {
    const status_set memory = STATUS(NO_MEMORY) | STATUS(MAP_LIMIT);
    const status_set pages = memory | STATUS(NO_ADDRESS); /* after mlockall */
    const status_set map = pages | STATUS(UNSUPPORTED) | STATUS(IO) | STATUS(NO_SPACE);
    switch (call->kind) {
    case PROGRAM_COALESCE:
    case PROGRAM_COMMIT: return memory;
    case PROGRAM_DECOMMIT: return pages | STATUS(UNSUPPORTED);
    case PROGRAM_PROTECT:
    case PROGRAM_ADVISE: return memory | STATUS(UNSUPPORTED);
    case PROGRAM_MAP:
    case PROGRAM_MAP_RANGE:
    case PROGRAM_REMAP_RANGE:
    case PROGRAM_UNMAP:
    case PROGRAM_RELEASE_RANGE:
    case PROGRAM_FILE_CREATE_SHARED:
    case PROGRAM_FILE_CREATE_EXECUTABLE: return map;
    case PROGRAM_RESET_RANGE: return map & ~STATUS(NO_ADDRESS);
    case PROGRAM_FILE_CREATE: return map | STATUS(BUSY);
    case PROGRAM_FILE_OPEN: return (map | STATUS(BUSY)) & ~STATUS(NO_SPACE);
    case PROGRAM_FILE_FROM_HANDLE: /* INVALID: the system knows no such handle */
        return (map | STATUS(BUSY) | STATUS(INVALID)) & ~STATUS(NO_SPACE);
    default: return pages;
    }
}

/* ------------------------------------------------------------------ succeeding ------------ */

static void raise(size_t *peak, size_t value) {
    if (value > *peak) *peak = value;
}

static void note_peaks(struct space *space) {
    const struct space_model *model = &space->model;
    struct model_range all = model_all(model);
    raise(&space->peak_committed, model_count_pages(model, all, HF_COMMITTED));
    raise(&space->peak_view, model_count_pages(model, all, HF_VIEW));
    raise(&space->least_peak, model_count_regions(model, all));
    raise(&space->most_peak, model_count_regions(model, all));
}

/* A composite may have split at both ends of its range. */
static void allow_peak(struct space *space) {
    raise(&space->most_peak, model_count_regions(&space->model, model_all(&space->model)) + 2);
}

static void open_space(void) {
    const hf_space *opened = subject.spaces[call->space];
    struct space *space = space_of_call();
    *space = (struct space){.open = true, .base = (uintptr_t)hf_space_base(opened)};
    model_open(&space->model, space->pages, hf_space_size(opened) / run.page_size, run.page_size);
    space->model.spans_regions = spans_regions();
    note_peaks(space);
}

static void store(void) {
    struct space *space = space_of_call();
    struct model_range range = range_of_call();
    for (size_t i = range.first; i < range.end && i < space->model.count; i++) {
        struct model_page *page = &space->pages[i];
        uint64_t pattern = program_pattern(call->index, i * run.page_size, run.page_size);
        if (page->protection != HF_PROTECT_READ_WRITE) continue;
        if (page->kind == HF_VIEW && page->access == HF_READ_WRITE)
            content_of_page(page)->pattern[page->page] = pattern;
        else
            page->pattern = pattern;
    }
}

/* What a reset leaves of a copy-on-write view if the backend only stores into it. */
static uint64_t copy_of_file(const struct model_page *page) {
    if (page->kind != HF_VIEW || run.backend->reset) return 0;
    return COPY_OF_FILE | content_of_page(page)->pattern[page->page];
}

static void reset(struct model_range range) {
    struct space *space = space_of_call();
    model_apply(&space->model, MODEL_RESET_RANGE, range, NULL);
    for (size_t i = range.first; i < range.end; i++)
        space->pages[i].pattern = copy_of_file(&space->pages[i]);
}

static void make_step(void) {
    struct space *space = space_of_call();
    const struct model_page view = {
        .kind = HF_VIEW,
        .access = (uint8_t)call->access,
        .file = (uint8_t)slots[call->file],
        .page = (uint32_t)(call->file_offset / run.page_size),
        .is_executable = makes_view() && open_files[slots[call->file]].is_executable,
    };
    if (call->kind == PROGRAM_RELEASE_RANGE || is_change()) allow_peak(space);
    switch (call->kind) {
    case PROGRAM_RESET_RANGE: reset(range_of_call()); break;
    case PROGRAM_PROTECT: model_protect(&space->model, range_of_call(), call->protection); break;
    case PROGRAM_EXTEND: model_extend(&space->model, range_of_call(), old_end_of_call()); break;
    default: model_apply(&space->model, step_of_call(), range_of_call(), &view); break;
    }
    note_peaks(space);
}

static void succeed(void) {
    switch (call->kind) {
    case PROGRAM_OPEN: open_space(); break;
    case PROGRAM_CLOSE: space_of_call()->open = false; break;
    case PROGRAM_STORE: store(); break;
    case PROGRAM_ADVISE: space_of_call()->model.steps[HF_STEP_ADVISE]++; break;
    case PROGRAM_FILE_OPEN:
    case PROGRAM_FILE_CREATE:
    case PROGRAM_FILE_CREATE_SHARED:
    case PROGRAM_FILE_CREATE_EXECUTABLE:
    case PROGRAM_FILE_FROM_HANDLE: open_slot(); break;
    case PROGRAM_FILE_CLOSE: close_slot(call->file); break;
    default:
        if (is_step()) make_step();
        break;
    }
}

/* ------------------------------------------------------------------ comparing ------------- */

static bool has_word(const char *page, uint64_t pattern, size_t size, size_t word) {
    uint64_t bytes = program_pattern_word(pattern, word);
    size_t rest = size - word * 8;
    return memcmp(page + word * 8, &bytes, rest < 8 ? rest : 8) == 0;
}

/* Looks at every eight bytes, or at the first, the middle and the last ones. */
static bool has_pattern(const char *page, uint64_t pattern, size_t size, bool every_byte) {
    size_t last = (size - 1) / 8, step = every_byte || last < 2 ? 1 : last / 2;
    for (size_t word = 0; word < last; word += step)
        if (!has_word(page, pattern, size, word)) return false;
    return has_word(page, pattern, size, last);
}

/* The bytes after the end of a file, in its last page, are not compared. */
static size_t count_page_bytes(const struct content *content, size_t page) {
    uint64_t rest = content->size - (uint64_t)page * run.page_size;
    return rest < run.page_size ? (size_t)rest : run.page_size;
}

static bool is_page_right(const struct model_page *page, const char *bytes, bool every_byte) {
    uint64_t pattern = page->pattern;
    size_t size = run.page_size;
    if (page->protection == HF_PROTECT_NONE || pattern == UNKNOWN) return true;
    if (page->kind == HF_VIEW) {
        const struct content *content = content_of_page(page);
        uint64_t of_file = content->pattern[page->page];
        size = count_page_bytes(content, page->page);
        if (pattern == 0) pattern = of_file;
        if (pattern & COPY_OF_FILE && has_pattern(bytes, of_file, size, every_byte)) return true;
    }
    return has_pattern(bytes, pattern & ~COPY_OF_FILE, size, every_byte);
}

static void check_pages(const struct space *space, const hf_space *opened, struct model_range range,
                        bool every_byte) {
    for (size_t i = range.first; i < range.end; i++)
        CHECK(
            is_page_right(&space->pages[i], hf_space_base(opened) + i * run.page_size, every_byte),
            "the contents of page %zu differ", i);
}

static bool is_open(unsigned slot) {
    const hf_space *opened = subject.spaces[slot];
    CHECK(spaces[slot].open == (opened != NULL), "space %u is open and should not, or not", slot);
    return opened != NULL;
}

static void check_numbers(const struct space *space, const hf_space *opened) {
    hf_space_stats stats = hf_space_get_stats(opened);
    CHECK((uintptr_t)hf_space_base(opened) == space->base, "the base has moved");
    CHECK(stats.peak_committed_bytes == space->peak_committed * run.page_size &&
              stats.peak_view_bytes == space->peak_view * run.page_size &&
              stats.peak_regions >= space->least_peak && stats.peak_regions <= space->most_peak,
          "a peak is wrong");
}

static void check_space(unsigned slot) {
    const struct space *space = &spaces[slot];
    const hf_space *opened = subject.spaces[slot];
    if (!is_open(slot)) return;
    const char *difference = model_compare(&space->model, opened);
    CHECK(!difference, "space %u: %s", slot, difference);
    check_numbers(space, opened);
    check_pages(space, opened, model_all(&space->model), true);
    CHECK(hf_space_check(opened) == HF_OK, "space %u: hf_space_check failed", slot);
}

static void check_spaces(void) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) check_space(slot);
}

/* The regions that the range touches. */
static struct model_range widen(const struct space_model *model, struct model_range range) {
    return (struct model_range){model_region(model, range.first).first,
                                model_region(model, range.end - 1).end};
}

/* What is left of a view may have been mapped again. */
static bool leaves_parts(void) {
    return call->kind == PROGRAM_UNMAP || call->kind == PROGRAM_RELEASE_RANGE ||
           call->kind == PROGRAM_REMAP_RANGE;
}

/* The pages of a call that has a range, all of a space that was opened, or none. */
static struct model_range find_touched(const struct space_model *model) {
    struct model_range all = model_all(model), range = range_of_call();
    if (call->kind == PROGRAM_OPEN) return all;
    if (call->offset >= all.end * run.page_size || range.first == range.end)
        return (struct model_range){0, 0};
    if (call->size > all.end * run.page_size - call->offset) range.end = all.end;
    if (!leaves_parts()) return range;
    if (range.first > 0) range.first--;
    if (range.end < all.end) range.end++;
    return widen(model, range);
}

static void check_touched(void) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) is_open(slot);
    const hf_space *opened = subject.spaces[call->space];
    if (!opened) return;
    struct model_range range = find_touched(&space_of_call()->model);
    const char *difference = model_compare_near(&space_of_call()->model, opened, range);
    CHECK(!difference, "space %u: %s", call->space, difference);
    check_numbers(space_of_call(), opened);
    check_pages(space_of_call(), opened, range, false);
}

static void check_file_on_disk(const struct content *content, FILE *file) {
    char page[65536];
    for (size_t i = 0; i < count_file_pages(content); i++) {
        size_t size = count_page_bytes(content, i);
        CHECK(fread(page, 1, size, file) == size, "a file on disk is too short");
        CHECK(has_pattern(page, content->pattern[i], size, true), "a file on disk differs");
    }
    CHECK(fgetc(file) == EOF, "a file on disk is too long");
}

static void check_disk(void) {
    for (program_path path = PATH_FIRST; path <= PATH_EMPTY_FILE; path++) {
        FILE *file = fopen(run_path(path), "rb");
        CHECK(!file == !contents[path].exists, "a file is on disk and should not, or not");
        if (!file) continue;
        check_file_on_disk(&contents[path], file);
        fclose(file);
    }
}

/* ------------------------------------------------------------------ failing --------------- */

/* The pattern of a page that is as it was. UNKNOWN if it may be a copy with the same bytes: then a
 * later store into the file may be seen or not. */
static uint64_t either_of(struct model_page *page, const char *bytes, uint64_t copy) {
    struct model_page other = *page;
    other.pattern = copy;
    return is_page_right(&other, bytes, true) ? UNKNOWN : page->pattern;
}

/* A page that the failed call may have reset, which the model does not know yet. */
static void accept_reset_page(struct model_page *page, const char *bytes) {
    uint64_t old = page->pattern;
    if (page->kind == HF_PLACEHOLDER || (page->kind == HF_VIEW && page->access != HF_COPY_ON_WRITE))
        return;
    if (page->protection == HF_PROTECT_NONE)
        page->pattern = UNKNOWN;
    else if (!is_page_right(page, bytes, true))
        page->pattern = copy_of_file(page);
    else if (copy_of_file(page) != old)
        page->pattern = either_of(page, bytes, copy_of_file(page));
    CHECK(is_page_right(page, bytes, true),
          "a page has neither the old contents nor new ones (%#llx)", (unsigned long long)old);
}

static void accept_reset(struct space *space, struct model_range range) {
    const char *base = hf_space_base(subject.spaces[call->space]);
    for (size_t i = range.first; i < range.end; i++)
        accept_reset_page(&space->pages[i], base + i * run.page_size);
}

static bool is_kept_page(const struct model_page *page, const hf_region *region, size_t offset) {
    uint64_t file_offset = region->file_offset + (offset - region->offset);
    return region->kind == (hf_kind)page->kind && region->access == (hf_access)page->access &&
           (page->kind != HF_VIEW || file_offset == (uint64_t)page->page * run.page_size);
}

/* What an undo that failed may leave: as before, as commit and map make it, readable for a copy, as
 * hf_space_protect wanted it, or writable for a reset. */
static bool is_protection_allowed(const struct model_page *page, const hf_region *region) {
    return (hf_protection)page->protection == region->protection || program_is_natural(region) ||
           (page->protection == HF_PROTECT_NONE && region->protection == HF_PROTECT_READ) ||
           (call->kind == PROGRAM_PROTECT && region->protection == call->protection);
}

/* After an undo failed: each page of the range is what it was, or placeholder if the call can make
 * placeholders; and regions begin anywhere in it. */
static bool adopt(struct space *space, struct model_range range, bool may_be_gone) {
    for (size_t i = range.first; i < range.end; i++) {
        struct model_page *page = &space->pages[i];
        size_t offset = i * run.page_size;
        hf_region region;
        if (!hf_space_find(subject.spaces[call->space], offset, &region)) return false;
        if (region.kind == HF_PLACEHOLDER && may_be_gone)
            *page = (struct model_page){.kind = HF_PLACEHOLDER};
        else if (!is_kept_page(page, &region, offset) || !is_protection_allowed(page, &region))
            return false;
        page->begins = region.offset == offset;
        page->protection = (uint8_t)region.protection;
    }
    return true;
}

/* And the placeholders beside them, with which they may have been coalesced. */
static struct model_range widen_further(const struct space_model *model, struct model_range range) {
    range = widen(model, range);
    if (range.first > 0 && model->pages[range.first - 1].kind == HF_PLACEHOLDER)
        range.first = model_region(model, range.first - 1).first;
    if (range.end < model->count && model->pages[range.end].kind == HF_PLACEHOLDER)
        range.end = model_region(model, range.end).end;
    return range;
}

static bool fits(const struct space *space) {
    return model_compare_regions(&space->model, subject.spaces[call->space]) == NULL;
}

/* Either all up to the offset of the error is placeholder, or the whole range is, and only the
 * coalesce is missing. */
static bool is_partly_released(struct space *space, struct model_range range, size_t offset) {
    struct model_range done = {range.first, offset / run.page_size};
    struct space before = *space;
    if (done.end > range.end) return false;
    model_release_pieces(&space->model, done);
    if (fits(space)) return true;
    *space = before;
    model_release_pieces(&space->model, range);
    return fits(space);
}

/* Splitting has an undo: if it fails, the range stays a region of its own. */
static bool accept_split(struct space *space, struct model_range range) {
    if (model_is_one(&space->model, range, HF_PLACEHOLDER)) return false;
    model_split_off(&space->model, range);
    return true;
}

static bool accept_failed_undo(struct space *space, struct model_range range) {
    const struct space_model *model = &space->model;
    switch (call->kind) {
    case PROGRAM_COMMIT_RANGE:
    case PROGRAM_MAP_RANGE: return accept_split(space, range);
    case PROGRAM_EXTEND:
        return accept_split(space, (struct model_range){old_end_of_call(), range.end});
    case PROGRAM_PROTECT:
    case PROGRAM_RESET_RANGE: return adopt(space, range, false);
    case PROGRAM_UNMAP:
    case PROGRAM_RELEASE_RANGE: return adopt(space, widen(model, range), true);
    case PROGRAM_REMAP_RANGE: return adopt(space, widen_further(model, range), true);
    default: return false;
    }
}

/* Calls that release pages before they fail with HF_MAP_LIMIT. */
static bool may_reset(const hf_error *error) {
    bool releases = call->kind == PROGRAM_RELEASE_RANGE || call->kind == PROGRAM_REMAP_RANGE ||
                    call->kind == PROGRAM_DECOMMIT || call->kind == PROGRAM_UNMAP;
    return call->kind == PROGRAM_RESET_RANGE || (releases && error->status == HF_MAP_LIMIT);
}

/* Makes the model what the failed call may have left. */
static bool accept_failure(const hf_error *error) {
    struct space *space = space_of_call();
    struct model_range range = range_of_call();
    bool releases = call->kind == PROGRAM_RELEASE_RANGE;
    if (call->kind != PROGRAM_SPLIT) allow_peak(space);
    if (error->undo_failed && !accept_failed_undo(space, range)) return false;
    if (releases && !error->undo_failed && !is_partly_released(space, range, error->offset))
        return false;
    if (may_reset(error)) accept_reset(space, range);
    if (!releases) note_peaks(space);
    return true;
}

/* ------------------------------------------------------------------ around each call ------ */

static void before(void *user, const program_call *next) {
    (void)user;
    call = next;
    run_begin();
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++)
        if (subject.spaces[slot]) stats_before[slot] = hf_space_get_stats(subject.spaces[slot]);
    memset(space_of_call()->model.steps, 0, sizeof space_of_call()->model.steps);
}

/* What is wrong with the arguments or the regions is found before the backend is called. */
static void check_rejected(hf_status status) {
    hf_error error = hf_last_error();
    if (!is_step_or_hint() || (status != HF_INVALID && status != HF_WRONG_STATE)) return;
    CHECK(run_strict_stats().calls == run.strict_before.calls, "called the backend");
    CHECK(error.os_code == 0, "an error of the arguments has a code of the system");
    if (status == HF_WRONG_STATE && call->kind == PROGRAM_RELEASE_RANGE) return;
    CHECK(error.offset == call->offset && error.size == call->size,
          "the error has another offset or size than the call");
}

static void check_steps(hf_status status) {
    const hf_space_stats *old = &stats_before[call->space];
    const size_t *expected = space_of_call()->model.steps;
    hf_space_stats now = hf_space_get_stats(subject.spaces[call->space]);
    for (hf_step step = HF_STEP_SPLIT; step < HF_STEPS; step++)
        CHECK(step == HF_STEP_RECORDS || now.steps[step] - old->steps[step] == expected[step],
              "step %d counted %zu times and not %zu times", (int)step,
              now.steps[step] - old->steps[step], expected[step]);
    CHECK(now.failures == old->failures || status == HF_UNSUPPORTED, "a failure was counted");
}

/* With an injected failure the space may be smaller, down to `least`. */
static void check_opened(size_t failures) {
    const hf_space *opened = subject.spaces[call->space];
    size_t size = hf_space_size(opened), least = call->least ? call->least : call->size;
    uintptr_t base = (uintptr_t)hf_space_base(opened);
    if (failures == 0 && can_reserve(call->size)) least = call->size;
    CHECK(size >= least && size <= call->size && size % run.page_size == 0, "another size");
    CHECK(!call->alignment || base % call->alignment == 0, "not aligned");
    CHECK(base % HF_ALLOCATION_GRANULARITY == 0 && (!call->base || base == (uintptr_t)call->base),
          "another base");
}

static void check_found(void) {
    const struct space_model *model = &space_of_call()->model;
    bool is_inside = call->offset / run.page_size < model->count;
    CHECK(call->found == is_inside, "found a region outside, or none inside");
    if (!is_inside) return;
    hf_region expected = model_as_region(model, call->offset / run.page_size);
    CHECK(model_is_same_region(&call->region, &expected), "found another region");
}

static void judge_expected(hf_status status, size_t failures) {
    if (status == HF_OK && call->kind == PROGRAM_OPEN) check_opened(failures);
    if (status == HF_OK)
        succeed();
    else
        check_rejected(status);
    if (is_step_or_hint()) check_steps(status);
    if (call->kind == PROGRAM_FIND) check_found();
}

static void judge_failure(size_t failures) {
    hf_error error = hf_last_error();
    if (!is_step_or_hint()) return;
    hf_space_stats now = hf_space_get_stats(subject.spaces[call->space]);
    size_t counted = now.failures - stats_before[call->space].failures;
    CHECK(counted >= 1 && counted <= failures, "%zu failures counted of %zu", counted, failures);
    CHECK(accept_failure(&error), "left a state that the headers do not allow");
}

/* An opening with `least` may succeed with less after a failure. */
static void judge(hf_status status) {
    size_t failures = run_failures();
    bool no_view = lacks_view(), is_smaller = call->kind == PROGRAM_OPEN && call->least != 0;
    status_set allowed = no_view ? STATUS(UNSUPPORTED) : expect();
    CHECK(failures == 0 || status != HF_OK || is_smaller, "succeeded in spite of a failure");
    run.injectable = expect_injected();
    check_status(status, allowed);
    if (has_status(allowed, status) && !no_view)
        judge_expected(status, failures);
    else
        judge_failure(failures + no_view);
}

/* Since the last PROGRAM_FAIL exactly the calls that it names have failed. */
static void check_failing(void) {
    hf_strict_stats now = run_strict_stats();
    size_t calls = now.calls - strict_at_failing.calls, failures = 0;
    if (failing_nth > 0 && calls >= failing_nth)
        failures = failing_from_then_on ? calls - failing_nth + 1 : 1;
    CHECK(now.failures - strict_at_failing.failures == failures,
          "%zu calls were made to fail, and %zu failed", failures,
          now.failures - strict_at_failing.failures);
}

/* Strict counts a piece for each region. A file that was closed stays open while it is viewed. */
static void check_backend(void) {
    hf_strict_stats stats = run_strict_stats();
    size_t regions = 0, files = 0;
    check_strict();
    if (!run.strict) return;
    for (size_t i = 0; i < OPEN_FILES; i++) files += open_files[i].in_slot || is_viewed(i);
    for (const struct space *space = spaces; space < spaces + PROGRAM_SPACES; space++)
        if (space->open) regions += model_count_regions(&space->model, model_all(&space->model));
    CHECK(stats.regions == regions, "strict has %zu regions, the space %zu", stats.regions,
          regions);
    CHECK(stats.files == files, "%zu files open and not %zu", stats.files, files);
}

/* Whether the regions may be others on native than over strict. A system without views finds on
 * native before it releases the range that it cannot map, and over strict after it. */
static bool may_differ(hf_status status) {
    return call->kind == PROGRAM_EXTEND ? status == HF_OK
                                        : call->kind == PROGRAM_REMAP_RANGE && !system_has_views();
}

/* Systems may differ in whether they follow a hint. */
static void after(void *user, const program_call *done, hf_status status) {
    (void)user, (void)done;
    judge(status);
    check_backend();
    check_failing();
    check_files();
    check_touched();
    if (call->index % CALLS_BETWEEN_CHECKS == CALLS_BETWEEN_CHECKS - 1) check_spaces();
    statuses[call->index] = call->kind == PROGRAM_ADVISE ? NOT_RUN : (int)status;
    if (may_differ(status) && first_difference == SIZE_MAX) first_difference = call->index + 1;
    if (call->kind != PROGRAM_FAIL) return;
    failing_nth = call->nth;
    failing_from_then_on = call->from_then_on;
    strict_at_failing = run_strict_stats();
    if (failing_nth != 0 && first_difference == SIZE_MAX) first_difference = call->index;
}

/* ------------------------------------------------------------------ around each run ------- */

const hf_backend *fuzz_backend(void) { return hf_backend_native(); }

static void start(hf_backend *foreign) {
    call = NULL;
    subject = (program_subject){
        .backend = run.backend,
        .failing = run.strict,
        .foreign = foreign,
        .host = run_host(),
        .page_size = run.page_size,
    };
    memset(spaces, 0, sizeof spaces);
    memset(open_files, 0, sizeof open_files);
    memset(contents, 0, sizeof contents);
    contents[PATH_EMPTY_FILE].exists = true;
    for (unsigned slot = 0; slot < PROGRAM_FILES; slot++) slots[slot] = -1;
    for (size_t i = 0; i < MOST_OPERATIONS; i++) statuses[i] = NOT_RUN;
    first_difference = SIZE_MAX;
    failing_nth = 0;
    strict_at_failing = run_strict_stats();
}

/* PROGRAM_FAIL is not run on native. */
static void compare_statuses(void) {
    for (size_t i = 0; i < MOST_OPERATIONS && i < first_difference; i++)
        CHECK(native_statuses[i] == statuses[i] ||
                  (native_statuses[i] == NOT_RUN && statuses[i] == HF_OK),
              "operation %zu: status %d on native, %d on strict", i, native_statuses[i],
              statuses[i]);
}

/* On native, files of another backend are those of a strict one. */
void fuzz_run(const uint8_t *data, size_t size) {
    const program_observer observer = {NULL, before, after};
    hf_backend *foreign = NULL;
    CHECK(run.strict || hf_strict_open(&foreign, NULL) == HF_OK, "hf_strict_open failed");
    start(foreign);
    program_run(&subject, data, size, &observer);
    call = NULL;
    check_spaces();
    program_finish(&subject);
    check_disk();
    for (program_path path = PATH_FIRST; path <= PATH_THIRD; path++) remove(run_path(path));
    if (run.strict) {
        compare_statuses();
        return;
    }
    check_nothing_left(foreign);
    hf_strict_close(foreign);
    memcpy(native_statuses, statuses, sizeof statuses);
}
