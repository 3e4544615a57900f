/*
 * space_fixture.h -- spaces drawn as pictures.
 *
 * A picture has a letter for each page, two columns apart, and bars between regions:
 *
 *     "p|c c c|v|p p"      a placeholder, a committed region of three pages, a view, and a
 *                          placeholder of two
 *
 *     p  placeholder       v  view, read-write        r  view, read-only
 *     c  committed         w  view, copy-on-write
 *
 * A struct space_fixture is a space that was built from a picture. It knows the expected contents
 * of every page: space_fixture_open fills each committed page with a different byte; a page that is
 * committed later must be zero; page n, if it is a view, shows page n + 1 of the file.
 *
 * A drawing shows one or more steps side by side, at least two spaces apart. Its lines are: the
 * space before the step, the range of the step, and the space after it. Each page stays in its
 * column:
 *
 *     drawing_becomes(&step_decommit, "c c c         c c c|p \n"
 *                                     "  -           ---     \n"
 *                                     "c|p|c         p p|c|p \n");
 */
#ifndef HOLDFAST_TESTS_SPACE_FIXTURE_H
#define HOLDFAST_TESTS_SPACE_FIXTURE_H

#include "holdfast/space.h"

enum { PICTURE_PAGES = 40 };

struct picture {
    size_t pages, regions;
    char letters[PICTURE_PAGES];      /* one for each page */
    size_t starts[PICTURE_PAGES + 1]; /* the first page of each region, then the end */
};

/* Parses the picture in the first `length` columns of text. A malformed picture fails the test. */
struct picture picture_parse(const char *text, size_t length);

struct space_fixture {
    const hf_backend *backend;
    hf_backend *strict; /* the backend if it is a strict one, else NULL */
    hf_space *space;
    hf_file *file;
    size_t page_size;
    struct picture now;
    unsigned char filled[PICTURE_PAGES]; /* the byte that fills each committed page */
};

/*
 * Whether this backend can map views into a space; NULL: the native backend. Where it cannot (a
 * Windows from before placeholders), this function also checks that mapping fails as documented:
 * HF_UNSUPPORTED, a reason that names the Windows version needed, and nothing changed.
 */
bool backend_has_views(const hf_backend *backend);

/* For a test that needs views. Where the native backend has none: skips the test and returns
 * false. */
bool require_views(void);

/* Parses a picture for a test that can do without its views: where there are none they become
 * committed memory, and the test counts as run in part. */
struct picture picture_supported(const char *text);

/* Builds the space on a backend; `strict` is the same backend if it is a strict one, else NULL. */
void space_fixture_open(struct space_fixture *fixture, const hf_backend *backend,
                        hf_backend *strict, const struct picture *picture);
void space_fixture_close(struct space_fixture *fixture);

/* Checks that the space is as in the picture: regions, hf_space_find, hf_space_next, statistics,
 * hf_space_check, protection and contents. */
void space_fixture_expect(struct space_fixture *fixture, const struct picture *picture);

/* space_fixture_expect with the text of a picture. */
void space_fixture_expect_text(struct space_fixture *fixture, const char *text);

/* Builds the picture on a backend and changes a page behind the library's back, by system calls.
 * Checks that hf_space_check then fails with HF_CORRUPT, and reports the page `found`. */
void expect_check_finds(const hf_backend *backend, const char *text, size_t page,
                        void (*change)(char *address, size_t size), size_t found);

/* One step on the space; offset and size in bytes. A view shows the file from offset plus one page
 * on. */
struct step {
    const char *name;
    hf_status (*run)(struct space_fixture *fixture, size_t offset, size_t size);
};

extern const struct step step_split, step_coalesce, step_commit, step_decommit, step_map,
    step_unmap, step_commit_range, step_map_range, step_release_range, step_remap_range;

/* One step of a drawing. */
struct drawn {
    const struct step *step;
    struct picture before;
    size_t first, count; /* the range, in pages */
    bool has_after, has_undo_failed;
    struct picture after;       /* the third line */
    struct picture undo_failed; /* the fourth: after the step failed and its undo failed too */
};

/* Calls visit for each step of a drawing, from left to right. Where there are no views, steps on a
 * space with a view are left out, and steps that would map one must fail as documented. */
void drawing_each(const struct step *step, const char *drawing,
                  void (*visit)(const struct drawn *));

/* Runs the step on the space. */
hf_status drawn_run(const struct drawn *drawn, struct space_fixture *fixture);

/* Checks that each step succeeds and leaves what the third line shows; on the native backend and on
 * strict. */
void drawing_becomes(const struct step *step, const char *drawing);

/* Checks that each step fails with HF_WRONG_STATE, makes no system call and changes nothing; on the
 * native backend and on strict. */
void drawing_is_wrong_state(const struct step *step, const char *drawing);

/* Checks that a strict backend saw no violation and has no region, page, file or lock left. */
void check_nothing_left(const hf_backend *strict);

#endif
