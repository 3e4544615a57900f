/*
 * build.h -- the work on holdfast, with every step of memory recorded.
 *
 * A build takes every source through the front end. Large files are not read but mapped, as
 * compilers do: read-only views, side by side in a space of their own, so that all that is mapped
 * lies in one range of addresses. Then the front end is emptied and the same is built again, as a
 * program that stays (a language server, a game's asset compiler) does all day: now the memory is
 * there already. At the end everything is given back.
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

/* What one build left behind, before it was emptied. */
struct built {
    struct totals totals;
    uint64_t time; /* nanoseconds */
    size_t viewed_files;
    uint64_t viewed_bytes;
    const char *no_views; /* what this system lacks for views; NULL: nothing */
    hf_arena_stats arenas[ARENAS];
    size_t growths, system_calls; /* of all arenas, for this build; the first: since they opened */
    size_t list_peak;
    uint64_t page_faults;
};

struct build {
    struct record record;
    struct front_end *front_end;
    hf_space *views; /* NULL: no file is large, or there was no address space */
    size_t views_used;
    hf_arena memory; /* for the front end's own record, and copies of names */
    const struct sources *sources;
    struct screen *screen;

    struct built first, second;
    hf_space_stats view_stats; /* at the end */
    struct name_count most_used[MOST_USED_NAMES];
    size_t most_used_count;
    const char *deepest_path; /* the file with the deepest nesting of brackets */
    size_t failures;          /* files that could not be read; each was told on stderr */
};

/* Builds twice and gives everything back. False: no memory, as stderr was told. */
bool build_run(struct build *build, const struct sources *sources, struct screen *screen);
void build_close(struct build *build);

#endif
