/*
 * test_pictures.c -- records the steps of a space, makes bands from the record, and draws them.
 */
#include "check.h"

#include <ctype.h>

#include "../history.h"
#include "../record.h"
#include "../svg.h"
#include "holdfast.h"
#include "space_fixture.h"

static struct record record;
static struct history history;
static hf_space *space;
static size_t page;

static void open_record_over(const hf_backend *under) {
    CHECK(record_open(&record, under));
    hf_space_options options = {.name = "test", .backend = &record.backend};
    page = record.backend.page_size(&record.backend);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 16 * page, &options));
}

static void open_record(void) { open_record_over(hf_backend_native()); }

static void close_record(void) {
    hf_space_close(space);
    history_close(&history);
    record_close(&record);
}

static size_t count_events(event_kind kind) {
    size_t count = 0;
    for (size_t i = 0; i < record.events.count; i++)
        count += record_event(&record, i)->kind == kind;
    return count;
}

/* Checks a band: offset and size in pages, and whether it ended before the last event. */
static void check_band(size_t index, hf_kind kind, size_t offset, size_t pages, bool ended) {
    size_t outer = check_enter("band %zu", index);
    CHECK(index < history.bands.count);
    const struct band *band = history_band(&history, index);
    CHECK_EQUAL(kind, band->kind);
    CHECK_EQUAL(offset * page, band->offset);
    CHECK_EQUAL(pages * page, band->size);
    CHECK(band->begin <= band->end);
    CHECK_EQUAL(ended, band->end < history.end);
    check_leave(outer);
}

/* ------------------------------------------------------------------- the record ----------- */

static void every_step_is_recorded(void) {
    open_record();
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, page, 2 * page));
    CHECK_STATUS(HF_OK, hf_space_release_range(space, page, 2 * page));
    CHECK_STATUS(HF_WRONG_STATE, hf_space_decommit(space, page, page));
    static const struct {
        event_kind kind;
        size_t offset, size;
    } steps[] = {{EVENT_RESERVE, 0, 16},
                 {EVENT_SPLIT, 1, 2},
                 {EVENT_COMMIT, 1, 2},
                 {EVENT_DECOMMIT, 1, 2},
                 {EVENT_COALESCE, 0, 16}};
    CHECK_EQUAL(sizeof steps / sizeof *steps, record.events.count);
    for (size_t i = 0; i < record.events.count; i++) {
        const struct event *event = record_event(&record, i);
        CHECK_EQUAL(steps[i].kind, event->kind);
        CHECK_EQUAL(steps[i].offset * page, event->offset);
        CHECK_EQUAL(steps[i].size * page, event->size);
        CHECK_EQUAL(HF_OK, event->status);
        if (i > 0) CHECK(event->time >= record_event(&record, i - 1)->time);
    }
    CHECK_EQUAL(1, record.spaces.count);
    CHECK(record_space(&record, 0)->base == hf_space_base(space));
    CHECK(strcmp(record_space(&record, 0)->name, "test") == 0);
    close_record();
}

static hf_status fail_commit(const hf_backend *self, void *address, size_t size,
                             hf_report *report) {
    (void)self, (void)address, (void)size, (void)report;
    return HF_NO_MEMORY;
}

static void failed_steps_make_no_bands(void) {
    hf_backend failing = *hf_backend_native();
    failing.commit = fail_commit;
    open_record_over(&failing);
    CHECK_STATUS(HF_NO_MEMORY, hf_space_commit_range(space, page, page));
    CHECK_EQUAL(1, count_events(EVENT_COMMIT));
    CHECK_EQUAL(1, count_events(EVENT_COALESCE));
    CHECK(history_open(&history, &record));
    CHECK_EQUAL(0, history.bands.count);
    CHECK_EQUAL(0, history_extent(&history, 0));
    close_record();
}

/* After a space is closed and another opened at the same address, steps belong to the new one. */
static void a_reused_address_belongs_to_the_new_space(void) {
    open_record();
    hf_space_options options = {.base = hf_space_base(space), .backend = &record.backend};
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page));
    hf_space_close(space);
    CHECK_STATUS(HF_OK, hf_space_open(&space, 16 * page, &options));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 2 * page));
    CHECK(history_open(&history, &record));
    CHECK_EQUAL(2, history.bands.count);
    CHECK_EQUAL(page, history_extent(&history, 0));
    CHECK_EQUAL(2 * page, history_extent(&history, 1));
    CHECK_EQUAL(0, history_band(&history, 0)->space);
    CHECK_EQUAL(1, history_band(&history, 1)->space);
    close_record();
}

/* -------------------------------------------------------------------- bands --------------- */

/*
 *      |ccccccccvvvv            |    at first
 *      |cc  cc  vvvv            |    two decommits in the middle of the committed region
 *      |cc  cc                  |    the view unmapped
 */
static void the_rest_of_a_region_is_a_new_band(void) {
    hf_file *file;
    if (!require_views()) return;
    open_record();
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 4 * page, &record.backend));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 8 * page));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 8 * page, 4 * page, file, 0, HF_READ_ONLY));
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 2 * page, 2 * page));
    CHECK_STATUS(HF_OK, hf_space_decommit(space, 6 * page, 2 * page));
    CHECK_STATUS(HF_OK, hf_space_unmap(space, 8 * page, 4 * page));
    hf_file_close(file);
    record_phase(&record, "end");
    CHECK(history_open(&history, &record));
    CHECK_EQUAL(5, history.bands.count);
    check_band(0, HF_COMMITTED, 0, 8, true);
    check_band(1, HF_VIEW, 8, 4, true);
    check_band(2, HF_COMMITTED, 0, 2, false);
    check_band(3, HF_COMMITTED, 4, 4, true);
    check_band(4, HF_COMMITTED, 4, 2, false);
    CHECK_EQUAL(12 * page, history_extent(&history, 0));
    close_record();
}

/* ------------------------------------------------------------------ the drawing ----------- */

/* Copies the name of a tag and returns the position behind the tag. NULL: not well formed. */
static const char *read_tag(const char *at, char *name, size_t room, bool *empty) {
    size_t size = 0;
    while (isalnum((unsigned char)at[size])) size++;
    if (size == 0 || size >= room) return NULL;
    memcpy(name, at, size);
    name[size] = '\0';
    for (at += size; *at && *at != '>' && *at != '<'; at++)
        if (*at == '"' && !(at = strchr(at + 1, '"'))) return NULL;
    *empty = at[-1] == '/';
    return *at == '>' ? at + 1 : NULL;
}

/* Whether tags are nested correctly, attributes are quoted, and one element encloses all. */
static bool is_well_formed(const char *text) {
    char open[16][32], name[32];
    size_t depth = 0, roots = 0;
    bool empty;
    while ((text = strchr(text, '<'))) {
        bool closes = text[1] == '/';
        text = read_tag(text + 1 + closes, name, sizeof name, &empty);
        if (!text || (closes && (depth == 0 || strcmp(open[--depth], name) != 0))) return false;
        if (closes || empty) continue;
        roots += depth == 0;
        if (depth == sizeof open / sizeof *open) return false;
        strcpy(open[depth++], name);
    }
    return depth == 0 && roots == 1;
}

static size_t count_of(const char *text, const char *part) {
    size_t count = 0;
    while ((text = strstr(text, part))) count++, text++;
    return count;
}

static const char *draw(void) {
    static char text[200000];
    FILE *file = tmpfile();
    CHECK(file != NULL && history_open(&history, &record));
    CHECK(svg_write(&history, "a title", file));
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void malformed_drawings_are_detected(void) {
    CHECK(is_well_formed("<a><b c=\"<\"/>d</a>"));
    CHECK(!is_well_formed("<a><b></a></b>"));
    CHECK(!is_well_formed("<a>"));
    CHECK(!is_well_formed("<a/>"));
    CHECK(!is_well_formed("<a></a><b></b>"));
    CHECK(!is_well_formed("<a b=\"c></a>"));
    CHECK(!is_well_formed("<a b</a>"));
}

static void regions_rewinds_and_coalesces_are_drawn(void) {
    hf_file *file;
    if (!require_views()) return;
    open_record();
    record_phase(&record, "reserved");
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 4 * page, &record.backend));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, 4 * page));
    CHECK_STATUS(HF_OK, hf_space_map_range(space, 4 * page, 4 * page, file, 0, HF_READ_ONLY));
    for (size_t i = 0; i < 50; i++) record_used(&record, hf_space_base(space), i % 2 * page);
    record_phase(&record, "built");
    CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, 8 * page));
    record_phase(&record, "released");
    hf_file_close(file);
    const char *text = draw();
    CHECK(is_well_formed(text));
    CHECK_EQUAL(1, count_of(text, ">a title<"));
    CHECK_EQUAL(1, count_of(text, ">rewound 24 times<"));
    CHECK(count_of(text, "<rect class=\"committed") >= 2); /* and one in the legend */
    CHECK(count_of(text, "<rect class=\"view") >= 2);
    CHECK_EQUAL(1 + 1, count_of(text, "class=\"coalesce\""));
    close_record();
}

/* Nothing committed; no phase; one phase with all events at one time. */
static void a_short_record_is_drawn(void) {
    open_record();
    CHECK(is_well_formed(draw()));
    history_close(&history);
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page));
    CHECK(is_well_formed(draw()));
    history_close(&history);
    record_phase(&record, "end");
    CHECK(is_well_formed(draw()));
    close_record();
}

CHECK_MAIN(TEST(every_step_is_recorded), TEST(failed_steps_make_no_bands),
           TEST(a_reused_address_belongs_to_the_new_space),
           TEST(the_rest_of_a_region_is_a_new_band), TEST(malformed_drawings_are_detected),
           TEST(regions_rewinds_and_coalesces_are_drawn), TEST(a_short_record_is_drawn))
