/*
 * scene.h -- spaces drawn as pictures.
 *
 * A picture has a letter for each page size, two columns apart, and bars between regions:
 *
 *     "p|c c c|v|p p"      a placeholder, a committed region of three pages, a view, and a
 *                          placeholder of two
 *
 *     p  placeholder       v  view, read-write        r  view, read-only
 *     c  committed         w  view, copy-on-write
 *
 * A scene is a space that was built from a picture. It knows what every page size must hold: each
 * committed one was filled with a byte of its own when the scene was built; a page size that is
 * committed later must be zero; a view of page size n shows page n + 1 of the scene's file.
 *
 * A drawing shows steps, one or several side by side, two spaces or more apart: before, the
 * range, and after. Since the letters keep their columns, one can see what happened:
 *
 *     drawing_becomes(&step_decommit, "c c c         c c c|p \n"
 *                                     "  -           ---     \n"
 *                                     "c|p|c         p p|c|p \n");
 */
#ifndef HOLDFAST_TESTS_SCENE_H
#define HOLDFAST_TESTS_SCENE_H

#include "holdfast/space.h"

enum { PICTURE_GRANULES = 40 };

struct picture {
    size_t pages, regions;
    char letters[PICTURE_GRANULES];      /* one for each page size */
    size_t starts[PICTURE_GRANULES + 1]; /* the first page size of each region, and the end */
};

/* One picture: `length` columns from text on. Ends the test when it is malformed. */
struct picture picture_parse(const char *text, size_t length);

struct scene {
    const hf_backend *backend;
    hf_backend *strict; /* the backend when it is a strict one, else NULL */
    hf_space *space;
    hf_file *file;
    size_t page_size;
    struct picture now;
    unsigned char filled[PICTURE_GRANULES]; /* what each committed page size is full of */
};

/*
 * Whether a space on this backend has views; NULL: the native one. Where it has not (a Windows from
 * before placeholders), this has seen that a view is refused as documented: UNSUPPORTED, in words
 * that name the version needed, and nothing changed.
 */
bool scene_has_views(const hf_backend *backend);

/* For a test that is about views: false, and the test counts as skipped, where there are none. */
bool scene_needs_views(void);

/* The picture of a text, for a test in which views are some regions among others: where there are
 * none they are committed memory, and a part of the test is left out. */
struct picture scene_picture(const char *text);

/* Builds the scene on a backend; `strict` is the same backend if it is a strict one, else NULL. */
void scene_open(struct scene *scene, const hf_backend *backend, hf_backend *strict,
                const struct picture *picture);
void scene_close(struct scene *scene);

/* Everything is as in the picture: regions, find, next, statistics, check, protection, contents. */
void scene_expect(struct scene *scene, const struct picture *picture);

/* The same with a picture written on the spot. */
void scene_expect_text(struct scene *scene, const char *text);

/* One step on a scene; offset and size in bytes. A map shows the page of the file that belongs
 * to the page size. */
struct step {
    const char *name;
    hf_status (*run)(struct scene *scene, size_t offset, size_t size);
};

extern const struct step step_split, step_coalesce, step_commit, step_decommit, step_map,
    step_unmap, step_commit_range, step_map_range, step_release_range;

/* A step out of a drawing. */
struct drawn {
    const struct step *step;
    struct picture before;
    size_t first, count; /* the range, in pages */
    bool has_after, has_refused;
    struct picture after;   /* the third line */
    struct picture refused; /* the fourth: where the system refuses the undo too */
};

/* Calls visit for each step of a drawing, from left to right. Where there are no views, what begins
 * with one is left out, and what would make one is refused as documented. */
void drawing_each(const struct step *step, const char *drawing,
                  void (*visit)(const struct drawn *));

/* Runs a drawn step on a scene. */
hf_status drawn_run(const struct drawn *drawn, struct scene *scene);

/* Each step succeeds and leaves what the third line shows; on the native backend and on strict. */
void drawing_becomes(const struct step *step, const char *drawing);

/* Each step is STATE, makes no system call, and changes nothing; on both backends. */
void drawing_is_refused(const struct step *step, const char *drawing);

/* A strict backend has seen no violation, and nothing on it is left alive. */
void check_nothing_left(const hf_backend *strict);

#endif
