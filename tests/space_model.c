/*
 * space_model.c -- see space_model.h. Counts in pages.
 */
#include "space_model.h"

#include <string.h>

static const struct model_page placeholder = {.kind = HF_PLACEHOLDER};
static const struct model_page committed = {.kind = HF_COMMITTED,
                                            .protection = HF_PROTECT_READ_WRITE};

/* ------------------------------------------------------------------ looking --------------- */

struct model_range model_region(const struct space_model *model, size_t page) {
    struct model_range region = {page, page + 1};
    while (!model->pages[region.first].begins) region.first--;
    while (!model->pages[region.end].begins) region.end++;
    return region;
}

struct model_range model_all(const struct space_model *model) {
    return (struct model_range){0, model->count};
}

size_t model_count_regions(const struct space_model *model, struct model_range range) {
    size_t count = 1;
    for (size_t i = range.first + 1; i < range.end; i++) count += model->pages[i].begins;
    return count;
}

size_t model_count_pages(const struct space_model *model, struct model_range range, hf_kind kind) {
    size_t count = 0;
    for (size_t i = range.first; i < range.end; i++) count += model->pages[i].kind == kind;
    return count;
}

static bool is_within_one(const struct space_model *model, struct model_range range, hf_kind kind) {
    return model->pages[range.first].kind == kind && model_count_regions(model, range) == 1;
}

/* Whether regions begin at both ends. */
static bool is_whole(const struct space_model *model, struct model_range range) {
    return model->pages[range.first].begins && model->pages[range.end].begins;
}

bool model_is_one(const struct space_model *model, struct model_range range, hf_kind kind) {
    return is_within_one(model, range, kind) && is_whole(model, range);
}

static bool can_reset(const struct space_model *model, struct model_range range) {
    for (size_t i = range.first; i < range.end; i++) {
        const struct model_page *page = &model->pages[i];
        if (page->kind == HF_PLACEHOLDER) return false;
        if (page->kind == HF_VIEW && page->access != HF_COPY_ON_WRITE) return false;
    }
    return true;
}

bool model_allows(const struct space_model *model, model_step step, struct model_range range) {
    switch (step) {
    case MODEL_SPLIT: return is_within_one(model, range, HF_PLACEHOLDER) && !is_whole(model, range);
    case MODEL_COALESCE:
        return is_whole(model, range) && model_count_regions(model, range) >= 2 &&
               model_count_pages(model, range, HF_PLACEHOLDER) == range.end - range.first;
    case MODEL_COMMIT:
    case MODEL_MAP: return model_is_one(model, range, HF_PLACEHOLDER);
    case MODEL_DECOMMIT: return is_within_one(model, range, HF_COMMITTED);
    case MODEL_UNMAP: return is_within_one(model, range, HF_VIEW);
    case MODEL_COMMIT_RANGE:
    case MODEL_MAP_RANGE: return is_within_one(model, range, HF_PLACEHOLDER);
    case MODEL_RESET_RANGE: return can_reset(model, range);
    default: return true;
    }
}

static bool allows_protection(const struct model_page *page, hf_protection protection) {
    if (page->kind == HF_PLACEHOLDER) return false;
    if (page->kind == HF_COMMITTED) return true;
    if (protection == HF_PROTECT_READ_WRITE) return page->access != HF_READ_ONLY;
    return protection != HF_PROTECT_READ_EXECUTE || page->is_executable;
}

bool model_allows_protect(const struct space_model *model, struct model_range range,
                          hf_protection protection) {
    for (size_t i = range.first; i < range.end; i++)
        if (!allows_protection(&model->pages[i], protection)) return false;
    return true;
}

bool model_allows_extend(const struct space_model *model, struct model_range range,
                         size_t old_end) {
    struct model_range old = {range.first, old_end}, added = {old_end, range.end};
    return is_whole(model, old) && is_within_one(model, added, HF_PLACEHOLDER) &&
           model_count_pages(model, old, HF_COMMITTED) == old_end - range.first;
}

/* ------------------------------------------------------------------ changing -------------- */

/* The range becomes one region of pages like this one; a region begins after it. */
static void become(struct space_model *model, struct model_range range,
                   const struct model_page *like) {
    for (size_t i = range.first; i < range.end; i++) {
        model->pages[i] = *like;
        model->pages[i].page += (uint32_t)(i - range.first);
        model->pages[i].begins = i == range.first;
    }
    model->pages[range.end].begins = true;
}

static void become_view(struct space_model *model, struct model_range range,
                        const struct model_page *view) {
    struct model_page like = *view;
    like.protection = view->access == HF_READ_ONLY ? HF_PROTECT_READ : HF_PROTECT_READ_WRITE;
    become(model, range, &like);
    model->steps[HF_STEP_MAP]++;
}

void model_open(struct space_model *model, struct model_page *pages, size_t count,
                size_t page_size) {
    *model = (struct space_model){.page_size = page_size, .count = count, .pages = pages};
    become(model, model_all(model), &placeholder);
}

void model_split_off(struct space_model *model, struct model_range range) {
    model->steps[HF_STEP_SPLIT] += !model_is_one(model, range, HF_PLACEHOLDER);
    model->pages[range.first].begins = model->pages[range.end].begins = true;
}

void model_release_pieces(struct space_model *model, struct model_range range) {
    for (size_t i = range.first, end; i < range.end; i = end) {
        hf_kind kind = (hf_kind)model->pages[i].kind;
        end = model_region(model, i).end;
        if (end > range.end) end = range.end;
        if (kind == HF_PLACEHOLDER) continue;
        model->steps[kind == HF_VIEW ? HF_STEP_UNMAP : HF_STEP_DECOMMIT]++;
        become(model, (struct model_range){i, end}, &placeholder);
    }
}

/* Whether a placeholder ends at `at` (before) or begins there. */
static bool touches(const struct space_model *model, size_t at, bool before) {
    if (before ? at == 0 : at == model->count) return false;
    return model->pages[before ? at - 1 : at].kind == HF_PLACEHOLDER;
}

/* The pieces become one placeholder with those that overlap or touch the range. */
static void release(struct space_model *model, struct model_range range) {
    model_release_pieces(model, range);
    struct model_range wide = {model_region(model, range.first).first,
                               model_region(model, range.end - 1).end};
    if (wide.first == range.first && touches(model, wide.first, true))
        wide.first = model_region(model, wide.first - 1).first;
    if (wide.end == range.end && touches(model, wide.end, false))
        wide.end = model_region(model, wide.end).end;
    if (model_count_regions(model, wide) < 2) return;
    become(model, wide, &placeholder);
    model->steps[HF_STEP_COALESCE]++;
}

/* The pages read as zero, or as the file. */
static void reset(struct space_model *model, struct model_range range) {
    for (size_t i = range.first; i < range.end; i++) model->pages[i].pattern = 0;
    model->steps[HF_STEP_RESET] += model_count_regions(model, range);
}

void model_apply(struct space_model *model, model_step step, struct model_range range,
                 const struct model_page *view) {
    switch (step) {
    case MODEL_SPLIT: model_split_off(model, range); break;
    case MODEL_COALESCE:
        become(model, range, &placeholder);
        model->steps[HF_STEP_COALESCE]++;
        break;
    case MODEL_COMMIT_RANGE: model_split_off(model, range); /* fall through */
    case MODEL_COMMIT:
        become(model, range, &committed);
        model->steps[HF_STEP_COMMIT]++;
        break;
    case MODEL_MAP_RANGE: model_split_off(model, range); /* fall through */
    case MODEL_MAP: become_view(model, range, view); break;
    case MODEL_RELEASE_RANGE: release(model, range); break;
    case MODEL_REMAP_RANGE:
        model_release_pieces(model, range);
        become_view(model, range, view);
        break;
    case MODEL_RESET_RANGE: reset(model, range); break;
    default: model_release_pieces(model, range); break;
    }
}

void model_protect(struct space_model *model, struct model_range range, hf_protection protection) {
    for (size_t i = range.first; i < range.end; i++)
        model->pages[i].protection = (uint8_t)protection;
    model->steps[HF_STEP_PROTECT] += model_count_regions(model, range);
}

void model_extend(struct space_model *model, struct model_range range, size_t old_end) {
    struct model_range added = {old_end, range.end};
    model_split_off(model, added);
    become(model, added, &committed);
    model->steps[HF_STEP_COMMIT]++;
    if (model->spans_regions) model->pages[old_end].begins = false;
}

/* ------------------------------------------------------------------ comparing ------------- */

hf_region model_as_region(const struct space_model *model, size_t page) {
    struct model_range range = model_region(model, page);
    const struct model_page *first = &model->pages[range.first];
    return (hf_region){
        .offset = range.first * model->page_size,
        .size = (range.end - range.first) * model->page_size,
        .kind = (hf_kind)first->kind,
        .access = (hf_access)first->access,
        .file_offset = first->kind == HF_VIEW ? (uint64_t)first->page * model->page_size : 0,
        .protection = (hf_protection)model->pages[page].protection,
    };
}

bool model_is_same_region(const hf_region *a, const hf_region *b) {
    return a->offset == b->offset && a->size == b->size && a->kind == b->kind &&
           a->access == b->access && a->file_offset == b->file_offset &&
           a->protection == b->protection;
}

const char *model_compare_regions(const struct space_model *model, const hf_space *space) {
    hf_region region = {0};
    for (size_t i = 0; i < model->count; i = model_region(model, i).end) {
        hf_region expected = model_as_region(model, i);
        if (!hf_space_next(space, &region)) return "a region is missing";
        if (!model_is_same_region(&region, &expected)) return "the regions differ";
    }
    return hf_space_next(space, &region) ? "there is a region after the last" : NULL;
}

const char *model_compare(const struct space_model *model, const hf_space *space) {
    hf_space_stats stats = hf_space_get_stats(space);
    struct model_range all = model_all(model);
    size_t page_size = model->page_size;
    if (hf_space_size(space) != model->count * page_size) return "the size differs";
    if (hf_space_page_size(space) != page_size) return "the page size has changed";
    if (stats.placeholder_bytes != model_count_pages(model, all, HF_PLACEHOLDER) * page_size ||
        stats.committed_bytes != model_count_pages(model, all, HF_COMMITTED) * page_size ||
        stats.view_bytes != model_count_pages(model, all, HF_VIEW) * page_size ||
        stats.regions != model_count_regions(model, all))
        return "the statistics are not the sums of the regions";
    return model_compare_regions(model, space);
}
