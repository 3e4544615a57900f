/*
 * space_fixture.c -- builds a space from a picture and compares a space with a picture; see
 * space_fixture.h.
 */
#include "space_fixture.h"

#include <string.h>

#include "check.h"
#include "probe.h"

/* ------------------------------------------------------------------- pictures --------------- */

static bool is_letter(char letter) { return letter != '\0' && strchr("pcvrw", letter) != NULL; }

struct picture picture_parse(const char *text, size_t length) {
    struct picture picture = {0};
    size_t outer = check_enter("the picture \"%.*s\"", (int)length, text);
    CHECK(length % 2 == 1 && length / 2 < PICTURE_PAGES);
    for (size_t column = 0; column < length; column += 2) {
        bool begins = column == 0 || text[column - 1] == '|';
        CHECK(is_letter(text[column]));
        CHECK(begins || (text[column - 1] == ' ' && text[column - 2] == text[column]));
        if (begins) picture.starts[picture.regions++] = picture.pages;
        picture.letters[picture.pages++] = text[column];
    }
    picture.starts[picture.regions] = picture.pages;
    check_leave(outer);
    return picture;
}

static hf_kind kind_of(char letter) {
    return letter == 'p' ? HF_PLACEHOLDER : letter == 'c' ? HF_COMMITTED : HF_VIEW;
}

static hf_access access_of(char letter) {
    return letter == 'r' ? HF_READ_ONLY : letter == 'w' ? HF_COPY_ON_WRITE : HF_READ_WRITE;
}

/* ----------------------------------------------------- building a space from a picture ----- */

static uint64_t file_offset_of(const struct space_fixture *fixture, size_t offset) {
    return (uint64_t)offset + fixture->page_size;
}

static unsigned char file_fill(size_t page) { return (unsigned char)(0x80 + page); }

static unsigned char first_fill(size_t page) { return (unsigned char)(0x10 + page); }

/* Makes the file and, if views are supported, fills each page of it with a different byte. */
static void make_file(struct space_fixture *fixture) {
    size_t pages = PICTURE_PAGES + 1, size = pages * fixture->page_size;
    hf_space_options options = {.backend = fixture->backend};
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&fixture->file, size, fixture->backend));
    if (!backend_has_views(fixture->backend)) return;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, &options));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, size, fixture->file, 0, HF_READ_WRITE));
    for (size_t page = 0; page < pages; page++)
        memset(hf_space_base(space) + page * fixture->page_size, file_fill(page),
               fixture->page_size);
    hf_space_close(space);
}

static void build_region(struct space_fixture *fixture, size_t offset, size_t size, char letter) {
    hf_space *space = fixture->space;
    if (offset + size < hf_space_size(space))
        CHECK_STATUS(HF_OK, hf_space_split(space, offset, size));
    if (kind_of(letter) == HF_COMMITTED) CHECK_STATUS(HF_OK, hf_space_commit(space, offset, size));
    if (kind_of(letter) == HF_VIEW)
        CHECK_STATUS(HF_OK, hf_space_map(space, offset, size, fixture->file,
                                         file_offset_of(fixture, offset), access_of(letter)));
}

static void fill_committed(struct space_fixture *fixture) {
    for (size_t i = 0; i < fixture->now.pages; i++) {
        if (fixture->now.letters[i] != 'c') continue;
        fixture->filled[i] = first_fill(i);
        memset(hf_space_base(fixture->space) + i * fixture->page_size, fixture->filled[i],
               fixture->page_size);
    }
}

void space_fixture_open(struct space_fixture *fixture, const hf_backend *backend,
                        hf_backend *strict, const struct picture *picture) {
    hf_space_options options = {.backend = backend};
    *fixture = (struct space_fixture){.backend = backend, .strict = strict, .now = *picture};
    fixture->page_size = backend->page_size(backend);
    make_file(fixture);
    CHECK_STATUS(HF_OK,
                 hf_space_open(&fixture->space, picture->pages * fixture->page_size, &options));
    for (size_t i = 0; i < picture->regions; i++) {
        size_t start = picture->starts[i], end = picture->starts[i + 1];
        build_region(fixture, start * fixture->page_size, (end - start) * fixture->page_size,
                     picture->letters[start]);
    }
    fill_committed(fixture);
}

void space_fixture_close(struct space_fixture *fixture) {
    hf_space_close(fixture->space);
    hf_file_close(fixture->file);
}

/* ------------------------------------------------------------- systems without views ------- */

static const char no_views[] = "this system has no views in a space";

static void expect_views_unsupported(hf_status status) {
    hf_error error = hf_last_error();
    CHECK_STATUS(HF_UNSUPPORTED, status);
    CHECK_EQUAL(HF_UNSUPPORTED, error.status);
    CHECK(error.reason != NULL && strstr(error.reason, "1803") != NULL);
}

static bool try_view(hf_space *space, hf_file *file) {
    size_t page_size = hf_space_page_size(space);
    hf_status mapped = hf_space_map(space, 0, 2 * page_size, file, 0, HF_READ_WRITE);
    if (mapped == HF_OK) return true;
    expect_views_unsupported(mapped);
    expect_views_unsupported(hf_space_map_range(space, 0, page_size, file, 0, HF_READ_ONLY));
    CHECK_EQUAL(1, hf_space_get_stats(space).regions);
    CHECK_EQUAL(2 * page_size, hf_space_get_stats(space).placeholder_bytes);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    return false;
}

bool backend_has_views(const hf_backend *backend) {
    hf_space_options options = {.backend = backend ? backend : hf_backend_native()};
    size_t size = 2 * options.backend->page_size(options.backend);
    hf_space *space;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, size, backend));
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, &options));
    bool has_views = try_view(space, file);
    hf_space_close(space);
    hf_file_close(file);
    return has_views;
}

bool require_views(void) {
    bool has_views = backend_has_views(NULL);
    if (!has_views) check_skip(no_views);
    return has_views;
}

struct picture picture_supported(const char *text) {
    struct picture picture = picture_parse(text, strlen(text));
    if (backend_has_views(NULL)) return picture;
    check_leave_out(no_views);
    for (size_t i = 0; i < picture.pages; i++)
        if (kind_of(picture.letters[i]) == HF_VIEW) picture.letters[i] = 'c';
    return picture;
}

static bool shows_view(const struct picture *picture) {
    for (size_t i = 0; i < picture->pages; i++)
        if (kind_of(picture->letters[i]) == HF_VIEW) return true;
    return false;
}

/* ----------------------------------------------------- comparing with a picture ------------ */

static void expect_region(const struct space_fixture *fixture, const struct picture *picture,
                          size_t index, const hf_region *region) {
    size_t start = picture->starts[index], count = picture->starts[index + 1] - start;
    char letter = picture->letters[start];
    bool is_view = kind_of(letter) == HF_VIEW;
    CHECK_EQUAL(start * fixture->page_size, region->offset);
    CHECK_EQUAL(count * fixture->page_size, region->size);
    CHECK_EQUAL(kind_of(letter), region->kind);
    CHECK_EQUAL(access_of(letter), region->access);
    CHECK_EQUAL(is_view ? file_offset_of(fixture, region->offset) : 0, region->file_offset);
}

static void expect_regions(const struct space_fixture *fixture, const struct picture *picture) {
    hf_region region = {0}, found;
    for (size_t i = 0; i < picture->regions; i++) {
        CHECK(hf_space_next(fixture->space, &region));
        expect_region(fixture, picture, i, &region);
        for (size_t at = picture->starts[i]; at < picture->starts[i + 1]; at++) {
            CHECK(hf_space_find(fixture->space, at * fixture->page_size + at % 3, &found));
            expect_region(fixture, picture, i, &found);
        }
    }
    CHECK(!hf_space_next(fixture->space, &region));
    CHECK(!hf_space_find(fixture->space, picture->pages * fixture->page_size, &found));
}

static void expect_stats(const struct space_fixture *fixture, const struct picture *picture) {
    hf_space_stats stats = hf_space_get_stats(fixture->space);
    size_t bytes[HF_VIEW + 1] = {0};
    for (size_t i = 0; i < picture->pages; i++)
        bytes[kind_of(picture->letters[i])] += fixture->page_size;
    CHECK_EQUAL(bytes[HF_PLACEHOLDER], stats.placeholder_bytes);
    CHECK_EQUAL(bytes[HF_COMMITTED], stats.committed_bytes);
    CHECK_EQUAL(bytes[HF_VIEW], stats.view_bytes);
    CHECK_EQUAL(picture->regions, stats.regions);
    CHECK(stats.peak_committed_bytes >= stats.committed_bytes);
    CHECK(stats.peak_view_bytes >= stats.view_bytes);
    CHECK(stats.peak_regions >= stats.regions);
}

static void expect_full_of(const char *bytes, unsigned char fill, size_t size) {
    CHECK_EQUAL(fill, (unsigned char)bytes[0]);
    CHECK(memcmp(bytes, bytes + 1, size - 1) == 0);
}

static void expect_page(const struct space_fixture *fixture, size_t index) {
    char *address = hf_space_base(fixture->space) + index * fixture->page_size;
    char letter = fixture->now.letters[index];
    size_t outer = check_enter("page %zu, '%c'", index, letter);
    CHECK(probe_readable(address) == (letter != 'p'));
    CHECK(probe_writable(address) == (letter != 'p' && letter != 'r'));
    if (letter == 'c') expect_full_of(address, fixture->filled[index], fixture->page_size);
    if (kind_of(letter) == HF_VIEW)
        expect_full_of(address, file_fill(index + 1), fixture->page_size);
    check_leave(outer);
}

static void expect_zero_after_release(struct space_fixture *fixture,
                                      const struct picture *picture) {
    for (size_t i = 0; i < picture->pages; i++)
        if (picture->letters[i] != 'c' || fixture->now.letters[i] != 'c') fixture->filled[i] = 0;
    fixture->now = *picture;
}

void space_fixture_expect(struct space_fixture *fixture, const struct picture *picture) {
    CHECK_EQUAL(picture->pages * fixture->page_size, hf_space_size(fixture->space));
    expect_regions(fixture, picture);
    expect_stats(fixture, picture);
    CHECK_STATUS(HF_OK, hf_space_check(fixture->space));
    expect_zero_after_release(fixture, picture);
    for (size_t i = 0; i < picture->pages; i++) expect_page(fixture, i);
    if (fixture->strict) CHECK_EQUAL(0, hf_strict_get_stats(fixture->strict).violations);
}

void space_fixture_expect_text(struct space_fixture *fixture, const char *text) {
    struct picture picture = picture_parse(text, strlen(text));
    space_fixture_expect(fixture, &picture);
}

void expect_check_finds(const hf_backend *backend, const char *text, size_t page,
                        void (*change)(char *address, size_t size), size_t found) {
    struct picture picture = picture_parse(text, strlen(text));
    struct space_fixture fixture;
    size_t outer = check_enter("\"%s\", page %zu", text, page);
    space_fixture_open(&fixture, backend, NULL, &picture);
    CHECK_STATUS(HF_OK, hf_space_check(fixture.space));
    change(hf_space_base(fixture.space) + page * fixture.page_size, fixture.page_size);
    CHECK_STATUS(HF_CORRUPT, hf_space_check(fixture.space));
    CHECK_EQUAL(found * fixture.page_size, hf_last_error().offset);
    CHECK(strcmp("hf_space_check", hf_last_error().call) == 0);
    CHECK(strstr(hf_last_error().reason, "the system's mappings") != NULL);
    space_fixture_close(&fixture);
    check_leave(outer);
}

/* ---------------------------------------------------------------------- steps --------------- */

static hf_status run_split(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_split(fixture->space, offset, size);
}
static hf_status run_coalesce(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_coalesce(fixture->space, offset, size);
}
static hf_status run_commit(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_commit(fixture->space, offset, size);
}
static hf_status run_decommit(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_decommit(fixture->space, offset, size);
}
static hf_status run_map(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_map(fixture->space, offset, size, fixture->file,
                        file_offset_of(fixture, offset), HF_READ_WRITE);
}
static hf_status run_unmap(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_unmap(fixture->space, offset, size);
}
static hf_status run_commit_range(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_commit_range(fixture->space, offset, size);
}
static hf_status run_map_range(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_map_range(fixture->space, offset, size, fixture->file,
                              file_offset_of(fixture, offset), HF_READ_WRITE);
}
static hf_status run_release_range(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_release_range(fixture->space, offset, size);
}
static hf_status run_remap_range(struct space_fixture *fixture, size_t offset, size_t size) {
    return hf_space_remap_range(fixture->space, offset, size, fixture->file,
                                file_offset_of(fixture, offset), HF_READ_WRITE);
}

const struct step step_split = {"split", run_split}, step_coalesce = {"coalesce", run_coalesce},
                  step_commit = {"commit", run_commit}, step_decommit = {"decommit", run_decommit},
                  step_map = {"map", run_map}, step_unmap = {"unmap", run_unmap},
                  step_commit_range = {"commit_range", run_commit_range},
                  step_map_range = {"map_range", run_map_range},
                  step_release_range = {"release_range", run_release_range},
                  step_remap_range = {"remap_range", run_remap_range};

/* ------------------------------------------------------------------- drawings -------------- */

enum { DRAWING_LINES = 4 };

struct lines {
    const char *text[DRAWING_LINES];
    size_t length[DRAWING_LINES];
};

static struct lines split_lines(const char *drawing) {
    struct lines lines = {{NULL}, {0}};
    for (size_t i = 0; *drawing; i++) {
        CHECK(i < DRAWING_LINES);
        lines.text[i] = drawing;
        lines.length[i] = strcspn(drawing, "\n");
        drawing += lines.length[i] + (drawing[lines.length[i]] == '\n');
    }
    return lines;
}

/* The end of the picture that begins at this column: before two spaces, or at the line's end. */
static size_t picture_end(const char *line, size_t length, size_t start) {
    size_t end = start;
    while (end < length && !(line[end] == ' ' && (end + 1 == length || line[end + 1] == ' ')))
        end++;
    return end;
}

static bool parse_line(const struct lines *lines, size_t line, size_t start, size_t end,
                       struct picture *picture) {
    if (!lines->text[line]) return false;
    CHECK(lines->length[line] >= end);
    *picture = picture_parse(lines->text[line] + start, end - start);
    return true;
}

static void parse_range(const struct lines *lines, size_t start, size_t end, struct drawn *drawn) {
    const char *line = lines->text[1];
    size_t first = start, last = lines->length[1] < end ? lines->length[1] : end;
    CHECK(line != NULL);
    while (first < end && line[first] != '-') first++;
    while (last > first && line[last - 1] != '-') last--;
    CHECK(first < last && (first - start) % 2 == 0 && (last - first) % 2 == 1);
    drawn->first = (first - start) / 2;
    drawn->count = (last - first) / 2 + 1;
}

hf_status drawn_run(const struct drawn *drawn, struct space_fixture *fixture) {
    return drawn->step->run(fixture, drawn->first * fixture->page_size,
                            drawn->count * fixture->page_size);
}

static void on_both_backends(const struct drawn *drawn,
                             void (*visit)(const struct drawn *, struct space_fixture *)) {
    struct space_fixture fixture;
    hf_backend *strict;
    space_fixture_open(&fixture, hf_backend_native(), NULL, &drawn->before);
    visit(drawn, &fixture);
    space_fixture_close(&fixture);
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    space_fixture_open(&fixture, strict, strict, &drawn->before);
    visit(drawn, &fixture);
    space_fixture_close(&fixture);
    check_nothing_left(strict);
    hf_strict_close(strict);
}

static void fails_without_views(const struct drawn *drawn, struct space_fixture *fixture) {
    expect_views_unsupported(drawn_run(drawn, fixture));
    space_fixture_expect(fixture, &drawn->before);
}

static void visit_where_possible(const struct drawn *drawn, void (*visit)(const struct drawn *)) {
    bool begins_with = shows_view(&drawn->before), makes = shows_view(&drawn->after);
    if ((!begins_with && !makes) || backend_has_views(NULL)) {
        visit(drawn);
        return;
    }
    check_leave_out(no_views);
    if (!begins_with) on_both_backends(drawn, fails_without_views);
}

void drawing_each(const struct step *step, const char *drawing,
                  void (*visit)(const struct drawn *)) {
    struct lines lines = split_lines(drawing);
    for (size_t start = 0, end; start < lines.length[0]; start = end) {
        start += strspn(lines.text[0] + start, " ");
        end = picture_end(lines.text[0], lines.length[0], start);
        if (start == end) break;
        struct drawn drawn = {.step = step};
        parse_line(&lines, 0, start, end, &drawn.before);
        parse_range(&lines, start, end, &drawn);
        drawn.has_after = parse_line(&lines, 2, start, end, &drawn.after);
        drawn.has_undo_failed = parse_line(&lines, 3, start, end, &drawn.undo_failed);
        size_t outer = check_enter("%s of %zu pages from %zu in \"%.*s\"", step->name, drawn.count,
                                   drawn.first, (int)(end - start), lines.text[0] + start);
        visit_where_possible(&drawn, visit);
        check_leave(outer);
    }
}

static void becomes(const struct drawn *drawn, struct space_fixture *fixture) {
    CHECK(drawn->has_after);
    space_fixture_expect(fixture, &drawn->before);
    CHECK_STATUS(HF_OK, drawn_run(drawn, fixture));
    space_fixture_expect(fixture, &drawn->after);
}

static void becomes_on_both(const struct drawn *drawn) { on_both_backends(drawn, becomes); }

void drawing_becomes(const struct step *step, const char *drawing) {
    drawing_each(step, drawing, becomes_on_both);
}

/* The error is holdfast's: no system call was made. */
static void expect_own_error(const struct drawn *drawn, const struct space_fixture *fixture) {
    hf_error error = hf_last_error();
    char call[64];
    snprintf(call, sizeof call, "hf_space_%s", drawn->step->name);
    CHECK_EQUAL(0, strcmp(call, error.call));
    CHECK_EQUAL(0, error.os_code);
    CHECK_EQUAL(drawn->first * fixture->page_size, error.offset);
    CHECK_EQUAL(drawn->count * fixture->page_size, error.size);
}

static void is_wrong_state(const struct drawn *drawn, struct space_fixture *fixture) {
    hf_space_stats before = hf_space_get_stats(fixture->space), after;
    size_t calls = fixture->strict ? hf_strict_get_stats(fixture->strict).calls : 0;
    CHECK(!drawn->has_after);
    CHECK_STATUS(HF_WRONG_STATE, drawn_run(drawn, fixture));
    CHECK_EQUAL(HF_WRONG_STATE, hf_last_error().status);
    expect_own_error(drawn, fixture);
    after = hf_space_get_stats(fixture->space);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    if (fixture->strict) CHECK_EQUAL(calls, hf_strict_get_stats(fixture->strict).calls);
    space_fixture_expect(fixture, &drawn->before);
}

static void is_wrong_state_on_both(const struct drawn *drawn) {
    on_both_backends(drawn, is_wrong_state);
}

void drawing_is_wrong_state(const struct step *step, const char *drawing) {
    drawing_each(step, drawing, is_wrong_state_on_both);
}

void check_nothing_left(const hf_backend *strict) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    CHECK_EQUAL(0, stats.violations);
    CHECK_EQUAL(0, stats.regions);
    CHECK_EQUAL(0, stats.pages);
    CHECK_EQUAL(0, stats.files);
    CHECK_EQUAL(0, stats.locks);
}
