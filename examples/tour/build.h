/*
 * build.h -- runs the front end on holdfast, with a backend that records every step.
 *
 * A build runs every source through the front end. Large files are mapped instead of read: as
 * read-only views, one after the other in a separate space. Then the front end is emptied and the
 * build repeated, as in a program that stays (a language server, a game's asset compiler): the
 * second build finds its memory committed. At the end all memory is released.
 */
#ifndef TOUR_BUILD_H
#define TOUR_BUILD_H

#include "front_end.h"
#include "holdfast.h"
#include "on_holdfast.h"
#include "record.h"
#include "screen.h"
#include "sources.h"

enum { MOST_USED_NAMES = 8 };

/* The results of one build. */
struct built {
    struct totals totals;
    uint64_t time; /* nanoseconds */
    size_t viewed_files;
    uint64_t viewed_bytes;
    const char *no_views; /* why this system cannot map views; NULL: it can */
    hf_arena_stats arenas[ARENAS];
    size_t growths, system_calls; /* of all arenas in this build; the first includes opening */
    size_t list_peak;             /* bytes of the largest list of tokens */
    uint64_t page_faults;
};

struct build {
    struct record record;
    struct front_end *front_end;
    hf_space *views;   /* NULL: no file is large, or no addresses were left */
    size_t views_used; /* bytes of the space that views take, from its base on */
    hf_arena memory;   /* for the struct front_end and copies of names */
    const struct sources *sources;
    struct screen *screen;

    struct built first, second;
    hf_space_stats view_stats; /* at the end */
    struct name_count most_used[MOST_USED_NAMES];
    size_t most_used_count;
    const char *deepest_path; /* the file with the deepest nesting of brackets */
    size_t failures;          /* files that could not be read; each was reported on stderr */
};

/* Builds twice and releases all memory. False: no memory; reported on stderr. */
bool build_run(struct build *build, const struct sources *sources, struct screen *screen);
void build_close(struct build *build);

#endif
