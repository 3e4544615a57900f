/*
 * build.c -- runs the front end twice and records the steps that the pictures show.
 *
 *      reserve   first build    empty             second build         empty   release
 *      |         grows          unmaps, resets    uses the memory kept         trims, coalesces
 */
#include "build.h"

#include <stdio.h>

#include "platform.h"

/* From LEAST_VIEW bytes on mapping a file is cheaper than reading it. */
enum { LEAST_VIEW = 65536, MOST_VIEWS = 1000 };

static bool fail_for_memory(const char *what) {
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "holdfast: %s: %s\n", what, why);
    return false;
}

/* --------------------------------------------------------------------- opening ------------ */

static size_t round_up(size_t size, size_t page_size) {
    return (size + page_size - 1) & ~(page_size - 1);
}

/* Reserves a space with room for views of all large files. If that fails, large files are read, as
 * small ones are. */
static void open_views(struct build *build) {
    const hf_backend *backend = &build->record.backend;
    hf_space_options options = {.name = "views", .backend = backend};
    size_t page_size = backend->page_size(backend), size = 0, count = 0;
    for (size_t i = 0; i < build->sources->list.count && count < MOST_VIEWS; i++) {
        uint64_t file_size = sources_at(build->sources, i)->size;
        if (file_size < LEAST_VIEW || file_size > SIZE_MAX / 2 - size) continue;
        size += round_up((size_t)file_size, page_size);
        count++;
    }
    if (size > 0) hf_space_open(&build->views, size, &options);
}

static bool open_all(struct build *build, const struct sources *sources, struct screen *screen) {
    *build = (struct build){.sources = sources, .screen = screen};
    hf_arena_options options = {.name = "tour", .reserve = (size_t)1 << 20};
    if (hf_arena_open(&build->memory, &options) != HF_OK ||
        !record_open(&build->record, hf_backend_native()))
        return false;
    build->front_end = hf_alloc_zeroed(&build->memory, on_holdfast.front_end_size, 16);
    if (!build->front_end ||
        !on_holdfast.open(build->front_end, sources->bytes, &build->record.backend))
        return false;
    open_views(build);
    record_phase(&build->record, "reserved");
    return true;
}

/* ------------------------------------------------------------------ one file -------------- */

static const char *reason_of(hf_error error) { return error.reason ? error.reason : error.call; }

/* Maps the file behind the previous views. NULL: it has to be read instead, because it is small,
 * has changed, or cannot be mapped. */
static const char *view(struct build *build, struct built *built, const struct source *source) {
    const hf_backend *backend = &build->record.backend;
    size_t size = round_up((size_t)source->size, backend->page_size(backend));
    hf_file *file;
    if (!build->views || source->size < LEAST_VIEW) return NULL;
    if (size > hf_space_size(build->views) - build->views_used) return NULL;
    if (hf_file_open(&file, source->path, HF_READ_ONLY, backend) != HF_OK) return NULL;
    hf_status status =
        hf_file_size(file) == source->size
            ? hf_space_map_range(build->views, build->views_used, size, file, 0, HF_READ_ONLY)
            : HF_WRONG_STATE;
    hf_file_close(file); /* the view stays */
    if (status == HF_UNSUPPORTED) built->no_views = reason_of(hf_last_error());
    if (status != HF_OK) return NULL;
    const char *text = hf_space_base(build->views) + build->views_used;
    build->views_used += size;
    return text;
}

static outcome take(struct build *build, struct built *built, const struct source *source) {
    const char *text = view(build, built, source);
    if (!text) return on_holdfast.take_file(build->front_end, source->path, source->size);
    built->viewed_files++;
    built->viewed_bytes += source->size;
    return on_holdfast.take_text(build->front_end, text, (size_t)source->size);
}

/* Prints why a file was not processed. False: memory has run out, and the build ends. */
static bool explain(struct build *build, struct source *source, outcome result) {
    if (result == TAKEN_NO_MEMORY) return fail_for_memory(source->path);
    screen_end_progress(build->screen);
    fprintf(stderr, "holdfast: %s: %s\n", source->path,
            result == TAKEN_TOO_LARGE ? "larger than 256 MiB" : platform_error_text());
    source->failed = true;
    build->failures++;
    return true;
}

/* Records how many bytes each arena has allocated. The list of tokens is freed already, so its peak
 * is recorded first. */
static void note_used(struct build *build, struct built *built) {
    struct record *record = &build->record;
    for (front_end_arena i = 0; i < ARENAS; i++) {
        const hf_arena *arena = on_holdfast_arena(build->front_end, i);
        const char *base = hf_arena_base(arena);
        if (i == ARENA_LISTS) {
            size_t peak = on_holdfast_list_peak(build->front_end);
            if (peak > built->list_peak) built->list_peak = peak;
            record_used(record, base, peak);
        }
        record_used(record, base, hf_get_mark(arena));
    }
}

static bool take_one(struct build *build, struct built *built, struct source *source) {
    uint64_t nesting = on_holdfast.totals(build->front_end)->nesting;
    outcome result = take(build, built, source);
    if (result != TAKEN && !explain(build, source, result)) return false;
    if (on_holdfast.totals(build->front_end)->nesting > nesting) build->deepest_path = source->path;
    note_used(build, built);
    return true;
}

/* --------------------------------------------------------------------- a build ------------ */

enum { QUARTERS = 4 };

static bool take_all(struct build *build, struct built *built, const char *const labels[QUARTERS]) {
    const struct sources *sources = build->sources;
    uint64_t done = 0, quarter = 1;
    for (size_t i = 0; i < sources->list.count; i++) {
        struct source *source = sources_at(sources, i);
        if (!source->failed && !take_one(build, built, source)) return false;
        done += source->size;
        for (; quarter < QUARTERS && done * QUARTERS >= sources->bytes * quarter; quarter++)
            record_label(&build->record, labels[quarter - 1]);
        screen_progress(build->screen, labels[QUARTERS - 1], done, sources->bytes);
    }
    record_phase(&build->record, labels[QUARTERS - 1]);
    return true;
}

struct growth {
    size_t growths, system_calls;
};

static struct growth get_growth(struct build *build) {
    struct growth sum = {0};
    for (front_end_arena i = 0; i < ARENAS; i++) {
        hf_arena_stats stats = hf_arena_get_stats(on_holdfast_arena(build->front_end, i));
        sum.growths += stats.growths;
        sum.system_calls += stats.system_calls;
    }
    return sum;
}

static bool build_once(struct build *build, struct built *built,
                       const char *const labels[QUARTERS]) {
    uint64_t start = platform_now(), faults = platform_get_usage().page_faults;
    /* The first build includes the growth and system calls of opening the arenas. */
    bool is_first = built == &build->first;
    struct growth before = is_first ? (struct growth){0} : get_growth(build);
    bool taken = take_all(build, built, labels);
    struct growth after = get_growth(build);
    built->time = platform_now() - start;
    built->page_faults = platform_get_usage().page_faults - faults;
    built->growths = after.growths - before.growths;
    built->system_calls = after.system_calls - before.system_calls;
    built->totals = *on_holdfast.totals(build->front_end);
    for (front_end_arena i = 0; i < ARENAS; i++)
        built->arenas[i] = hf_arena_get_stats(on_holdfast_arena(build->front_end, i));
    screen_end_progress(build->screen);
    return taken;
}

/* Copies the names that are used most: emptying the front end frees the originals. */
static bool copy_most_used(struct build *build) {
    struct name_count *names = build->most_used;
    build->most_used_count = on_holdfast.most_used(build->front_end, names, MOST_USED_NAMES);
    for (size_t i = 0; i < build->most_used_count; i++) {
        names[i].text = hf_strndup(&build->memory, names[i].text, names[i].size);
        if (!names[i].text) return fail_for_memory("names");
    }
    return true;
}

static bool unmap_views(struct build *build) {
    size_t used = build->views_used;
    build->views_used = 0;
    return used == 0 || hf_space_release_range(build->views, 0, used) == HF_OK ||
           fail_for_memory("unmapping the views");
}

static bool empty(struct build *build) {
    if (!unmap_views(build)) return false;
    if (!on_holdfast_empty(build->front_end)) return fail_for_memory("emptying the arenas");
    for (front_end_arena i = 0; i < ARENAS; i++)
        record_used(&build->record, hf_arena_base(on_holdfast_arena(build->front_end, i)), 0);
    record_phase(&build->record, "emptied");
    if (build->views) build->view_stats = hf_space_get_stats(build->views);
    return true;
}

static bool release_all(struct build *build) {
    for (front_end_arena i = 0; i < ARENAS; i++) {
        hf_arena *arena = on_holdfast_arena(build->front_end, i);
        if (hf_rewind(arena, 0) != HF_OK || hf_trim(arena, 0) != HF_OK)
            return fail_for_memory("trimming an arena");
    }
    record_phase(&build->record, "trimmed");
    return true;
}

bool build_run(struct build *build, const struct sources *sources, struct screen *screen) {
    static const char *const first[QUARTERS] = {"first build, 25 %", "first build, 50 %",
                                                "first build, 75 %", "first build"};
    static const char *const second[QUARTERS] = {"second build, 25 %", "second build, 50 %",
                                                 "second build, 75 %", "second build"};
    if (!open_all(build, sources, screen)) return fail_for_memory("opening the arenas");
    return build_once(build, &build->first, first) && copy_most_used(build) && empty(build) &&
           build_once(build, &build->second, second) && empty(build) && release_all(build);
}

void build_close(struct build *build) {
    if (build->front_end) on_holdfast.close(build->front_end);
    hf_space_close(build->views);
    hf_arena_close(&build->memory);
    record_close(&build->record);
}
