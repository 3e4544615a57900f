/*
 * space_model.c -- see space_model.h. Everything here counts in pages.
 */
#include "space_model.h"

#include <string.h>

enum { KIND = 3, BEGINS = 4, ACCESS_SHIFT = 3 };

/* A range of pages, the end excluded. */
typedef struct extent {
    size_t first, end;
} extent;

/* ------------------------------------------------------------------ looking --------------- */

static hf_kind kind_at(const struct model_space *space, size_t page_size) {
    return (hf_kind)(space->state[page_size] & KIND);
}

static hf_access access_at(const struct model_space *space, size_t page_size) {
    return (hf_access)(space->state[page_size] >> ACCESS_SHIFT);
}

/* Whether a region begins there; behind the last page, too. */
static bool boundary(const struct model_space *space, size_t page_size) {
    return page_size == space->pages || (space->state[page_size] & BEGINS) != 0;
}

static extent region_at(const struct model_space *space, size_t page_size) {
    extent region = {page_size, page_size + 1};
    while (!boundary(space, region.first)) region.first--;
    while (!boundary(space, region.end)) region.end++;
    return region;
}

static bool all_of_kind(const struct model_space *space, extent range, hf_kind kind) {
    for (size_t i = range.first; i < range.end; i++) {
        if (kind_at(space, i) != kind) return false;
    }
    return true;
}

static bool some_of_kind(const struct model_space *space, extent range, hf_kind kind) {
    for (size_t i = range.first; i < range.end; i++) {
        if (kind_at(space, i) == kind) return true;
    }
    return false;
}

static size_t regions_in(const struct model_space *space, extent range) {
    size_t count = 0;
    for (size_t i = range.first; i < range.end; i = region_at(space, i).end) count++;
    return count;
}

static bool within_one(const struct model_space *space, extent range, hf_kind kind) {
    return kind_at(space, range.first) == kind && region_at(space, range.first).end >= range.end;
}

static bool exactly_one(const struct model_space *space, extent range, hf_kind kind) {
    extent region = region_at(space, range.first);
    return within_one(space, range, kind) && region.first == range.first && region.end == range.end;
}

static extent everything(const struct model_space *space) {
    extent all = {0, space->pages};
    return all;
}

size_t model_regions(const struct model_space *space) {
    return regions_in(space, everything(space));
}

static size_t count_kind(const struct model_space *space, hf_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < space->pages; i++) count += kind_at(space, i) == kind;
    return count;
}

/* ------------------------------------------------------------------ files ----------------- */

/* Which files are in use, by a slot (open) or by views (which stay when the file is closed). */
static void find_used_files(const struct model *model, bool used[MODEL_OPEN_FILES]) {
    for (size_t i = 0; i < MODEL_OPEN_FILES; i++) used[i] = model->files[i].in_slot;
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const struct model_space *space = &model->spaces[slot];
        for (size_t i = 0; space->open && i < space->pages; i++) {
            if (kind_at(space, i) == HF_VIEW) used[space->file[i]] = true;
        }
    }
}

size_t model_open_files(const struct model *model) {
    size_t count = 0;
    for (size_t i = 0; i < MODEL_OPEN_FILES; i++) count += model->files[i].in_slot;
    return count;
}

bool model_files_fit(const struct model *model, const program_subject *subject) {
    for (unsigned slot = 0; slot < PROGRAM_FILES; slot++) {
        const hf_file *file = subject->files[slot];
        if ((model->slots[slot] >= 0) != (file != NULL)) return false;
        if (!file) continue;
        const struct model_file *opened = &model->files[model->slots[slot]];
        if (hf_file_size(file) != model->contents[opened->content].size) return false;
    }
    return true;
}

static size_t pages_of(const struct model *model, const struct model_content *content) {
    return (size_t)((content->size + model->page_size - 1) / model->page_size);
}

static void close_slot(struct model *model, unsigned slot) {
    if (model->slots[slot] >= 0) model->files[model->slots[slot]].in_slot = false;
    model->slots[slot] = -1;
}

/* A new hf_file in the slot. A file without a path has a content of its own. */
static void open_slot(struct model *model, const program_call *call, bool shared) {
    bool used[MODEL_OPEN_FILES];
    size_t file = 0;
    find_used_files(model, used);
    while (used[file]) file++;
    close_slot(model, call->file);
    model->slots[call->file] = (int)file;
    model->files[file].in_slot = true;
    model->files[file].access =
        shared || call->kind == PROGRAM_FILE_CREATE ? HF_READ_WRITE : call->access;
    model->files[file].content = (uint8_t)(shared ? PATHS + file : (size_t)call->path);
}

static void make_content(struct model_content *content, uint64_t size) {
    memset(content, 0, sizeof *content);
    content->exists = true;
    content->size = size;
}

/* ------------------------------------------------------------------ expecting ------------- */

static bool range_is_valid(const struct model *model, const program_call *call) {
    size_t size = model->spaces[call->space].pages * model->page_size;
    return call->size != 0 && call->offset % model->page_size == 0 &&
           call->size % model->page_size == 0 && call->offset < size &&
           call->size <= size - call->offset;
}

static bool view_is_valid(const struct model *model, const program_call *call) {
    if (call->foreign) return false;
    const struct model_file *file = &model->files[model->slots[call->file]];
    uint64_t room = pages_of(model, &model->contents[file->content]) * model->page_size;
    return call->file_offset % model->page_size == 0 && call->file_offset <= room &&
           call->size <= room - call->file_offset &&
           (file->access == HF_READ_WRITE || call->access != HF_READ_WRITE);
}

static extent range_of(const struct model *model, const program_call *call) {
    extent range = {call->offset / model->page_size,
                    (call->offset + call->size) / model->page_size};
    return range;
}

/* Whether all views in the range are whole. */
static bool views_are_whole(const struct model_space *space, extent range) {
    bool first = kind_at(space, range.first) != HF_VIEW || boundary(space, range.first);
    bool last = kind_at(space, range.end - 1) != HF_VIEW || boundary(space, range.end);
    return first && last;
}

static bool regions_allow(const struct model_space *space, const program_call *call, extent range) {
    switch (call->kind) {
    case PROGRAM_SPLIT:
        return within_one(space, range, HF_PLACEHOLDER) &&
               !exactly_one(space, range, HF_PLACEHOLDER);
    case PROGRAM_COALESCE:
        return all_of_kind(space, range, HF_PLACEHOLDER) && boundary(space, range.first) &&
               boundary(space, range.end) && regions_in(space, range) >= 2;
    case PROGRAM_COMMIT:
    case PROGRAM_MAP: return exactly_one(space, range, HF_PLACEHOLDER);
    case PROGRAM_DECOMMIT: return within_one(space, range, HF_COMMITTED);
    case PROGRAM_UNMAP: return exactly_one(space, range, HF_VIEW);
    case PROGRAM_COMMIT_RANGE:
    case PROGRAM_MAP_RANGE: return within_one(space, range, HF_PLACEHOLDER);
    case PROGRAM_RELEASE_RANGE: return views_are_whole(space, range);
    case PROGRAM_ADVISE:
        if (call->advice == HF_ADVISE_POPULATE) return all_of_kind(space, range, HF_COMMITTED);
        return !some_of_kind(space, range, HF_VIEW);
    default: return true;
    }
}

static bool makes_view(const program_call *call) {
    return call->kind == PROGRAM_MAP || call->kind == PROGRAM_MAP_RANGE;
}

static status_set expect_step(const struct model *model, const program_call *call) {
    if (!range_is_valid(model, call)) return STATUS(INVALID);
    if (makes_view(call) && !view_is_valid(model, call)) return STATUS(INVALID);
    if (!regions_allow(&model->spaces[call->space], call, range_of(model, call))) {
        return STATUS(WRONG_STATE);
    }
    return call->kind == PROGRAM_ADVISE ? STATUS(OK) | STATUS(UNSUPPORTED) : STATUS(OK);
}

static bool overlaps_a_space(const struct model *model, uintptr_t base, size_t size) {
    for (unsigned slot = 0; slot < PROGRAM_SPACES; slot++) {
        const struct model_space *space = &model->spaces[slot];
        if (!space->open) continue;
        if (base < space->base + space->pages * model->page_size && space->base < base + size) {
            return true;
        }
    }
    return false;
}

/* Whether so much can be reserved: more than a program's spaces ever have is more than any
 * system grants, and only the program's own spaces are ever in the way of an exact base. */
static bool can_reserve(const struct model *model, const program_call *call, size_t size) {
    if (size > PROGRAM_GRANULES * model->page_size) return false;
    return !call->base || !overlaps_a_space(model, (uintptr_t)call->base, size);
}

/* How halving rounds is not promised: where only a rounded half would fit, both are right. */
static status_set expect_reserved(const struct model *model, const program_call *call) {
    if (can_reserve(model, call, call->size)) return STATUS(OK);
    if (call->least == 0 || !can_reserve(model, call, call->least)) return STATUS(NO_ADDRESS);
    size_t size = call->size;
    while (size % (2 * model->page_size) == 0 && size / 2 >= call->least) {
        size /= 2;
        if (can_reserve(model, call, size)) return STATUS(OK);
    }
    return STATUS(OK) | STATUS(NO_ADDRESS);
}

static status_set expect_open(const struct model *model, const program_call *call) {
    uintptr_t base = (uintptr_t)call->base;
    bool valid = call->size != 0 && call->size % model->page_size == 0 &&
                 call->least % model->page_size == 0 && call->least <= call->size &&
                 base % HF_ALLOCATION_GRANULARITY == 0 && base <= UINTPTR_MAX - call->size;
    return valid ? expect_reserved(model, call) : STATUS(INVALID);
}

static status_set expect_file_open(const struct model *model, const program_call *call) {
    switch (call->path) {
    case PATH_NULL:
    case PATH_BLANK: return STATUS(INVALID);
    case PATH_FOLDER: return STATUS(UNSUPPORTED);
    default: return model->contents[call->path].exists ? STATUS(OK) : STATUS(IO);
    }
}

static status_set expect_file_create(const struct model *model, const program_call *call) {
    bool huge = call->file_size > (uint64_t)MODEL_FILE_PAGES * model->page_size;
    bool taken = call->path == PATH_FOLDER || call->path == PATH_NO_PARENT ||
                 model->contents[call->path].exists;
    if (call->file_size == 0 || call->path == PATH_NULL || call->path == PATH_BLANK) {
        return STATUS(INVALID);
    }
    if (taken) return huge ? STATUS(IO) | STATUS(NO_SPACE) : STATUS(IO);
    return huge ? STATUS(NO_SPACE) : STATUS(OK);
}

static status_set expect_handle(const struct model *model, const program_call *call) {
    if (call->path == PATH_FOLDER) return STATUS(INVALID) | STATUS(UNSUPPORTED);
    bool enough = call->writable || call->access != HF_READ_WRITE;
    return model->contents[call->path].exists && enough ? STATUS(OK) : STATUS(INVALID);
}

status_set model_expect(const struct model *model, const program_call *call) {
    switch (call->kind) {
    case PROGRAM_OPEN: return expect_open(model, call);
    case PROGRAM_FILE_OPEN: return expect_file_open(model, call);
    case PROGRAM_FILE_CREATE: return expect_file_create(model, call);
    case PROGRAM_FILE_CREATE_SHARED: return call->file_size == 0 ? STATUS(INVALID) : STATUS(OK);
    case PROGRAM_FILE_FROM_HANDLE: return expect_handle(model, call);
    case PROGRAM_SPLIT:
    case PROGRAM_COALESCE:
    case PROGRAM_COMMIT:
    case PROGRAM_DECOMMIT:
    case PROGRAM_MAP:
    case PROGRAM_UNMAP:
    case PROGRAM_COMMIT_RANGE:
    case PROGRAM_MAP_RANGE:
    case PROGRAM_RELEASE_RANGE:
    case PROGRAM_ADVISE: return expect_step(model, call);
    default: return STATUS(OK);
    }
}

bool model_lacks_view(const struct model *model, const program_call *call) {
    return !model->views && makes_view(call) && expect_step(model, call) == STATUS(OK);
}

status_set model_failures(program_kind kind) {
    switch (kind) {
    case PROGRAM_OPEN: return STATUS(NO_ADDRESS) | STATUS(NO_MEMORY) | STATUS(MAP_LIMIT);
    case PROGRAM_ADVISE: return STATUS(NO_MEMORY) | STATUS(UNSUPPORTED);
    case PROGRAM_FILE_CREATE: return STATUS(NO_MEMORY) | STATUS(NO_SPACE) | STATUS(IO);
    case PROGRAM_FILE_CREATE_SHARED: return STATUS(NO_MEMORY) | STATUS(NO_SPACE);
    case PROGRAM_FILE_OPEN:
    case PROGRAM_FILE_FROM_HANDLE: return STATUS(NO_MEMORY) | STATUS(IO);
    default: return STATUS(NO_MEMORY) | STATUS(MAP_LIMIT);
    }
}

/* ------------------------------------------------------------------ changing -------------- */

static void cut(struct model_space *space, size_t page_size) {
    if (page_size < space->pages) space->state[page_size] |= BEGINS;
}

/* One region of the range. */
static void become(struct model_space *space, extent range, hf_kind kind, hf_access access) {
    cut(space, range.end);
    for (size_t i = range.first; i < range.end; i++) {
        space->state[i] = (uint8_t)((unsigned)kind | (unsigned)access << ACCESS_SHIFT);
        space->pattern[i] = 0;
    }
    cut(space, range.first);
}

static void become_view(struct model_space *space, extent range, const program_call *call,
                        size_t file, size_t page) {
    become(space, range, HF_VIEW, call->access);
    for (size_t i = range.first; i < range.end; i++) {
        space->file[i] = (uint8_t)file;
        space->page[i] = (uint8_t)(page + i - range.first);
    }
}

/* What the range has of each region becomes a placeholder by itself. */
static void release_in_pieces(struct model_space *space, extent range, size_t *steps) {
    for (size_t i = range.first; i < range.end;) {
        extent piece = {i, region_at(space, i).end};
        if (piece.end > range.end) piece.end = range.end;
        steps[HF_STEP_DECOMMIT] += kind_at(space, i) == HF_COMMITTED;
        steps[HF_STEP_UNMAP] += kind_at(space, i) == HF_VIEW;
        if (kind_at(space, i) != HF_PLACEHOLDER) become(space, piece, HF_PLACEHOLDER, 0);
        i = piece.end;
    }
}

/* The range and the placeholders that it is part of, or that touch its ends. */
static extent with_neighbours(const struct model_space *space, extent range) {
    extent wide = {region_at(space, range.first).first, region_at(space, range.end - 1).end};
    if (wide.first == range.first && wide.first > 0 &&
        kind_at(space, wide.first - 1) == HF_PLACEHOLDER) {
        wide.first = region_at(space, wide.first - 1).first;
    }
    if (wide.end == range.end && wide.end < space->pages &&
        kind_at(space, wide.end) == HF_PLACEHOLDER) {
        wide.end = region_at(space, wide.end).end;
    }
    return wide;
}

static void clear(struct model_space *space, extent range, size_t *steps) {
    release_in_pieces(space, range, steps);
    extent whole = with_neighbours(space, range);
    if (regions_in(space, whole) < 2) return;
    become(space, whole, HF_PLACEHOLDER, 0);
    steps[HF_STEP_COALESCE]++;
}

static void note_peaks(struct model_space *space) {
    size_t committed = count_kind(space, HF_COMMITTED);
    size_t view = count_kind(space, HF_VIEW);
    size_t regions = model_regions(space);
    if (committed > space->peak_committed) space->peak_committed = committed;
    if (view > space->peak_view) space->peak_view = view;
    if (regions > space->least_peak) space->least_peak = regions;
    if (regions > space->most_peak) space->most_peak = regions;
}

/* A composite may have cut at both ends of its range. */
static void allow_peak(struct model_space *space) {
    size_t regions = model_regions(space) + 2;
    if (regions > space->most_peak) space->most_peak = regions;
}

static void split_to_place(struct model_space *space, extent range, size_t *steps) {
    steps[HF_STEP_SPLIT] += !exactly_one(space, range, HF_PLACEHOLDER);
    cut(space, range.first);
    cut(space, range.end);
}

static void open_space(struct model *model, const program_call *call, const hf_space *opened) {
    struct model_space *space = &model->spaces[call->space];
    extent all = {0, hf_space_size(opened) / model->page_size};
    memset(space, 0, sizeof *space);
    space->open = true;
    space->base = (uintptr_t)hf_space_base(opened);
    space->pages = all.end;
    become(space, all, HF_PLACEHOLDER, 0);
    note_peaks(space);
}

static void store(struct model *model, const program_call *call) {
    struct model_space *space = &model->spaces[call->space];
    extent range = range_of(model, call);
    for (size_t i = range.first; i < range.end && i < space->pages; i++) {
        uint64_t pattern = program_pattern(call->index, i * model->page_size, model->page_size);
        if (kind_at(space, i) == HF_PLACEHOLDER || access_at(space, i) == HF_READ_ONLY) continue;
        bool shared = kind_at(space, i) == HF_VIEW && access_at(space, i) == HF_READ_WRITE;
        if (!shared)
            space->pattern[i] = pattern;
        else
            model->contents[model->files[space->file[i]].content].pattern[space->page[i]] = pattern;
    }
}

static void succeed_step(struct model *model, const program_call *call, size_t *steps) {
    struct model_space *space = &model->spaces[call->space];
    extent range = range_of(model, call);
    size_t page = (size_t)(call->file_offset / model->page_size);
    switch (call->kind) {
    case PROGRAM_SPLIT: split_to_place(space, range, steps); break;
    case PROGRAM_COALESCE:
        become(space, range, HF_PLACEHOLDER, 0);
        steps[HF_STEP_COALESCE]++;
        break;
    case PROGRAM_COMMIT_RANGE: split_to_place(space, range, steps); /* fall through */
    case PROGRAM_COMMIT:
        become(space, range, HF_COMMITTED, 0);
        steps[HF_STEP_COMMIT]++;
        break;
    case PROGRAM_DECOMMIT: release_in_pieces(space, range, steps); break;
    case PROGRAM_MAP_RANGE: split_to_place(space, range, steps); /* fall through */
    case PROGRAM_MAP:
        become_view(space, range, call, (size_t)model->slots[call->file], page);
        steps[HF_STEP_MAP]++;
        break;
    case PROGRAM_UNMAP: release_in_pieces(space, range, steps); break;
    case PROGRAM_RELEASE_RANGE:
        allow_peak(space);
        clear(space, range, steps);
        break;
    case PROGRAM_ADVISE: steps[HF_STEP_ADVISE]++; break;
    default: break;
    }
    note_peaks(space);
}

void model_succeed(struct model *model, const program_call *call, const program_subject *subject,
                   size_t *steps) {
    switch (call->kind) {
    case PROGRAM_OPEN: open_space(model, call, subject->spaces[call->space]); break;
    case PROGRAM_CLOSE: model->spaces[call->space].open = false; break;
    case PROGRAM_STORE: store(model, call); break;
    case PROGRAM_FILE_CREATE:
        make_content(&model->contents[call->path], call->file_size);
        /* fall through */
    case PROGRAM_FILE_OPEN:
    case PROGRAM_FILE_FROM_HANDLE: open_slot(model, call, false); break;
    case PROGRAM_FILE_CREATE_SHARED:
        open_slot(model, call, true);
        make_content(&model->contents[PATHS + model->slots[call->file]], call->file_size);
        break;
    case PROGRAM_FILE_CLOSE: close_slot(model, call->file); break;
    case PROGRAM_FIND:
    case PROGRAM_CHECK:
    case PROGRAM_FAIL:
    case PROGRAM_TEXT: break;
    default: succeed_step(model, call, steps); break;
    }
}

/* ------------------------------------------------------------------ comparing ------------- */

static bool word_holds(const char *page, uint64_t pattern, size_t size, size_t word) {
    uint64_t bytes = program_pattern_word(pattern, word);
    size_t rest = size - word * 8;
    return memcmp(page + word * 8, &bytes, rest < 8 ? rest : 8) == 0;
}

/* All of its words, or the first, the middle and the last. */
static bool page_holds(const char *page, uint64_t pattern, size_t size, bool every_byte) {
    size_t last = (size - 1) / 8;
    size_t step = every_byte || last < 2 ? 1 : last / 2;
    for (size_t word = 0; word < last; word += step) {
        if (!word_holds(page, pattern, size, word)) return false;
    }
    return word_holds(page, pattern, size, last);
}

/* The bytes of a file's page; the rest of the last one means nothing. */
static size_t bytes_of_page(const struct model *model, const struct model_content *content,
                            size_t page) {
    uint64_t rest = content->size - (uint64_t)page * model->page_size;
    return rest < model->page_size ? (size_t)rest : model->page_size;
}

static bool page_is_right(const struct model *model, const struct model_space *space, size_t number,
                          const char *page, bool every_byte) {
    uint64_t pattern = space->pattern[number];
    size_t size = model->page_size;
    if (kind_at(space, number) == HF_PLACEHOLDER) return true;
    if (kind_at(space, number) == HF_VIEW) {
        const struct model_content *content =
            &model->contents[model->files[space->file[number]].content];
        size = bytes_of_page(model, content, space->page[number]);
        if (pattern == 0) pattern = content->pattern[space->page[number]];
    }
    return page_holds(page, pattern, size, every_byte);
}

static const char *compare_contents(const struct model *model, const struct model_space *space,
                                    const char *base, bool every_byte) {
    for (size_t i = 0; i < space->pages; i++) {
        if (!page_is_right(model, space, i, base + i * model->page_size, every_byte)) {
            return "the contents differ";
        }
    }
    return NULL;
}

static hf_region region_of(const struct model *model, const struct model_space *space,
                           size_t page_size) {
    extent range = region_at(space, page_size);
    hf_region region = {
        .offset = range.first * model->page_size,
        .size = (range.end - range.first) * model->page_size,
        .kind = kind_at(space, page_size),
        .access = access_at(space, page_size),
    };
    if (region.kind == HF_VIEW) {
        region.file_offset = (uint64_t)space->page[range.first] * model->page_size;
    }
    return region;
}

static bool same_region(const hf_region *a, const hf_region *b) {
    return a->offset == b->offset && a->size == b->size && a->kind == b->kind &&
           a->access == b->access && a->file_offset == b->file_offset;
}

static const char *compare_regions(const struct model *model, const struct model_space *space,
                                   const hf_space *opened) {
    hf_region region = {0};
    for (size_t i = 0; i < space->pages; i = region_at(space, i).end) {
        hf_region expected = region_of(model, space, i);
        if (!hf_space_next(opened, &region)) return "a region is missing";
        if (!same_region(&region, &expected)) return "the regions differ";
    }
    return hf_space_next(opened, &region) ? "there is a region behind the last" : NULL;
}

static const char *compare_statistics(const struct model *model, const struct model_space *space,
                                      const hf_space_stats *stats) {
    size_t page_size = model->page_size;
    if (stats->placeholder_bytes != count_kind(space, HF_PLACEHOLDER) * page_size ||
        stats->committed_bytes != count_kind(space, HF_COMMITTED) * page_size ||
        stats->view_bytes != count_kind(space, HF_VIEW) * page_size ||
        stats->regions != model_regions(space)) {
        return "the statistics are not the sums of the regions";
    }
    if (stats->peak_committed_bytes != space->peak_committed * page_size ||
        stats->peak_view_bytes != space->peak_view * page_size ||
        stats->peak_regions < space->least_peak || stats->peak_regions > space->most_peak) {
        return "a peak is wrong";
    }
    return NULL;
}

const char *model_compare(const struct model *model, unsigned slot, const hf_space *opened,
                          bool every_byte) {
    const struct model_space *space = &model->spaces[slot];
    if (space->open != (opened != NULL)) return "a space is open that should not, or the reverse";
    if (!opened) return NULL;
    hf_space_stats stats = hf_space_get_stats(opened);
    if (hf_space_size(opened) != space->pages * model->page_size) return "the size is wrong";
    if ((uintptr_t)hf_space_base(opened) != space->base) return "the base has moved";
    if (hf_space_page_size(opened) != model->page_size) return "the page size has changed";
    const char *difference = compare_regions(model, space, opened);
    if (!difference) difference = compare_statistics(model, space, &stats);
    if (!difference) {
        difference = compare_contents(model, space, hf_space_base(opened), every_byte);
    }
    return difference;
}

bool model_opened_well(const struct model *model, const program_call *call, const hf_space *opened,
                       bool injected) {
    size_t size = hf_space_size(opened);
    uintptr_t base = (uintptr_t)hf_space_base(opened);
    size_t least = call->least == 0 ? call->size : call->least;
    if (!injected && can_reserve(model, call, call->size)) least = call->size;
    return size >= least && size <= call->size && size % model->page_size == 0 &&
           base % HF_ALLOCATION_GRANULARITY == 0 && (!call->base || base == (uintptr_t)call->base);
}

bool model_found_well(const struct model *model, const program_call *call) {
    const struct model_space *space = &model->spaces[call->space];
    size_t page_size = call->offset / model->page_size;
    if (page_size >= space->pages) return !call->found;
    hf_region expected = region_of(model, space, page_size);
    return call->found && same_region(&call->region, &expected);
}

static const char *compare_file(const struct model *model, const struct model_content *content,
                                FILE *file) {
    char page[65536];
    size_t pages = pages_of(model, content);
    for (size_t i = 0; i < pages; i++) {
        size_t size = bytes_of_page(model, content, i);
        if (fread(page, 1, size, file) != size) return "a file on disk is too short";
        if (!page_holds(page, content->pattern[i], size, true)) return "a file on disk differs";
    }
    return fgetc(file) == EOF ? NULL : "a file on disk is too long";
}

const char *model_compare_disk(const struct model *model, const program_host *host) {
    char text[512];
    const char *difference = NULL;
    for (program_path path = PATH_FIRST; !difference && path <= PATH_EMPTY_FILE; path++) {
        FILE *file = fopen(program_path_text(host, path, text, sizeof text), "rb");
        const struct model_content *content = &model->contents[path];
        if (!file != !content->exists)
            difference = "a file is on disk that should not, or not";
        else if (file)
            difference = compare_file(model, content, file);
        if (file) fclose(file);
    }
    return difference;
}

/* ------------------------------------------------------------------ after a failure ------- */

/* A decommit that met MAP_LIMIT may have given the pages back: what reads as zero is. */
static void forgive_zero_pages(struct model *model, const program_call *call,
                               const hf_space *opened) {
    struct model_space *space = &model->spaces[call->space];
    extent range = range_of(model, call);
    for (size_t i = range.first; i < range.end; i++) {
        const char *page = hf_space_base(opened) + i * model->page_size;
        if (kind_at(space, i) != HF_COMMITTED) continue;
        if (page_holds(page, 0, model->page_size, true)) space->pattern[i] = 0;
    }
}

static bool fits(const struct model *model, const program_call *call, const hf_space *opened) {
    return compare_regions(model, &model->spaces[call->space], opened) == NULL;
}

/* Up to the error's offset all is placeholder, or all of it is and only the coalesce is missing. */
static bool fail_release_range(struct model *model, const program_call *call,
                               const hf_space *opened, const hf_error *error) {
    size_t steps[HF_STEPS] = {0};
    extent range = range_of(model, call);
    extent done = {range.first, error->offset / model->page_size};
    struct model_space *space = &model->spaces[call->space];
    struct model_space before = *space;
    if (done.end > range.end) return false;
    release_in_pieces(space, done, steps);
    if (fits(model, call, opened)) return true;
    *space = before;
    release_in_pieces(space, range, steps);
    return fits(model, call, opened);
}

bool model_fail(struct model *model, const program_call *call, const program_subject *subject,
                const hf_error *error) {
    size_t steps[HF_STEPS] = {0};
    struct model_space *space = &model->spaces[call->space];
    const hf_space *opened = subject->spaces[call->space];
    bool undo_failed = error->undo_failed;
    bool placing = call->kind == PROGRAM_COMMIT_RANGE || call->kind == PROGRAM_MAP_RANGE;
    bool giving = call->kind == PROGRAM_DECOMMIT || call->kind == PROGRAM_RELEASE_RANGE;
    if (!placing && undo_failed) return false;
    if (placing && undo_failed) split_to_place(space, range_of(model, call), steps);
    if (undo_failed && steps[HF_STEP_SPLIT] == 0) return false;
    if (giving && error->status == HF_MAP_LIMIT) forgive_zero_pages(model, call, opened);
    if (placing || call->kind == PROGRAM_RELEASE_RANGE) allow_peak(space);
    if (call->kind == PROGRAM_RELEASE_RANGE) return fail_release_range(model, call, opened, error);
    note_peaks(space);
    return true;
}

/* ------------------------------------------------------------------ the rest -------------- */

void model_begin(struct model *model, size_t page_size, bool views) {
    memset(model, 0, sizeof *model);
    model->page_size = page_size;
    model->views = views;
    model->contents[PATH_EMPTY_FILE].exists = true;
    for (unsigned slot = 0; slot < PROGRAM_FILES; slot++) model->slots[slot] = -1;
}

void model_print(FILE *stream, const struct model *model, unsigned slot) {
    static const char *const kinds[] = {"placeholder", "committed", "view"};
    const struct model_space *space = &model->spaces[slot];
    for (size_t i = 0; space->open && i < space->pages; i = region_at(space, i).end) {
        hf_region region = region_of(model, space, i);
        fprintf(stream, "    %#zx %#zx %s\n", region.offset, region.size, kinds[region.kind]);
    }
}
