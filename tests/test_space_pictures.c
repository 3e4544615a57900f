/*
 * Every step between every pair of neighbours: none, a placeholder, committed memory, a view.
 *
 * The pictures are the tests: space_fixture.h says how to read them. In each group the rows differ
 * in the left neighbour and the columns in the right one. After the groups come the states in which
 * a step fails with HF_WRONG_STATE.
 */
#include "check.h"
#include "space_fixture.h"

static void splits_the_head(void) {
    drawing_becomes(&step_split, "p p p     p p p|p     p p p|c     p p p|v\n"
                                 "-         -           -           -      \n"
                                 "p|p p     p|p p|p     p|p p|c     p|p p|v\n");
    drawing_becomes(&step_split, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                 "  -           -             -             -      \n"
                                 "p|p|p p     p|p|p p|p     p|p|p p|c     p|p|p p|v\n");
    drawing_becomes(&step_split, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                 "  -           -             -             -      \n"
                                 "c|p|p p     c|p|p p|p     c|p|p p|c     c|p|p p|v\n");
    drawing_becomes(&step_split, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                 "  -           -             -             -      \n"
                                 "v|p|p p     v|p|p p|p     v|p|p p|c     v|p|p p|v\n");
}

static void splits_the_middle(void) {
    drawing_becomes(&step_split, "p p p     p p p|p     p p p|c     p p p|v\n"
                                 "  -         -           -           -    \n"
                                 "p|p|p     p|p|p|p     p|p|p|c     p|p|p|v\n");
    drawing_becomes(&step_split, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                 "    -           -             -             -    \n"
                                 "p|p|p|p     p|p|p|p|p     p|p|p|p|c     p|p|p|p|v\n");
    drawing_becomes(&step_split, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                 "    -           -             -             -    \n"
                                 "c|p|p|p     c|p|p|p|p     c|p|p|p|c     c|p|p|p|v\n");
    drawing_becomes(&step_split, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                 "    -           -             -             -    \n"
                                 "v|p|p|p     v|p|p|p|p     v|p|p|p|c     v|p|p|p|v\n");
}

static void splits_the_tail(void) {
    drawing_becomes(&step_split, "p p p     p p p|p     p p p|c     p p p|v\n"
                                 "  ---       ---         ---         ---  \n"
                                 "p|p p     p|p p|p     p|p p|c     p|p p|v\n");
    drawing_becomes(&step_split, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                 "    ---         ---           ---           ---  \n"
                                 "p|p|p p     p|p|p p|p     p|p|p p|c     p|p|p p|v\n");
    drawing_becomes(&step_split, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                 "    ---         ---           ---           ---  \n"
                                 "c|p|p p     c|p|p p|p     c|p|p p|c     c|p|p p|v\n");
    drawing_becomes(&step_split, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                 "    ---         ---           ---           ---  \n"
                                 "v|p|p p     v|p|p p|p     v|p|p p|c     v|p|p p|v\n");
}

static void coalesces_two(void) {
    drawing_becomes(&step_coalesce, "p|p p     p|p p|p     p|p p|c     p|p p|v\n"
                                    "-----     -----       -----       -----  \n"
                                    "p p p     p p p|p     p p p|c     p p p|v\n");
    drawing_becomes(&step_coalesce, "p|p|p p     p|p|p p|p     p|p|p p|c     p|p|p p|v\n"
                                    "  -----       -----         -----         -----  \n"
                                    "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n");
    drawing_becomes(&step_coalesce, "c|p|p p     c|p|p p|p     c|p|p p|c     c|p|p p|v\n"
                                    "  -----       -----         -----         -----  \n"
                                    "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n");
    drawing_becomes(&step_coalesce, "v|p|p p     v|p|p p|p     v|p|p p|c     v|p|p p|v\n"
                                    "  -----       -----         -----         -----  \n"
                                    "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n");
}

static void coalesces_three(void) {
    drawing_becomes(&step_coalesce, "p|p p|p     p|p p|p|p     p|p p|p|c     p|p p|p|v\n"
                                    "-------     -------       -------       -------  \n"
                                    "p p p p     p p p p|p     p p p p|c     p p p p|v\n");
    drawing_becomes(&step_coalesce, "p|p|p p|p     p|p|p p|p|p     p|p|p p|p|c     p|p|p p|p|v\n"
                                    "  -------       -------         -------         -------  \n"
                                    "p|p p p p     p|p p p p|p     p|p p p p|c     p|p p p p|v\n");
    drawing_becomes(&step_coalesce, "c|p|p p|p     c|p|p p|p|p     c|p|p p|p|c     c|p|p p|p|v\n"
                                    "  -------       -------         -------         -------  \n"
                                    "c|p p p p     c|p p p p|p     c|p p p p|c     c|p p p p|v\n");
    drawing_becomes(&step_coalesce, "v|p|p p|p     v|p|p p|p|p     v|p|p p|p|c     v|p|p p|p|v\n"
                                    "  -------       -------         -------         -------  \n"
                                    "v|p p p p     v|p p p p|p     v|p p p p|c     v|p p p p|v\n");
}

static void commits(void) {
    drawing_becomes(&step_commit, "p p     p p|p     p p|c     p p|v\n"
                                  "---     ---       ---       ---  \n"
                                  "c c     c c|p     c c|c     c c|v\n");
    drawing_becomes(&step_commit, "p|p p     p|p p|p     p|p p|c     p|p p|v\n"
                                  "  ---       ---         ---         ---  \n"
                                  "p|c c     p|c c|p     p|c c|c     p|c c|v\n");
    drawing_becomes(&step_commit, "c|p p     c|p p|p     c|p p|c     c|p p|v\n"
                                  "  ---       ---         ---         ---  \n"
                                  "c|c c     c|c c|p     c|c c|c     c|c c|v\n");
    drawing_becomes(&step_commit, "v|p p     v|p p|p     v|p p|c     v|p p|v\n"
                                  "  ---       ---         ---         ---  \n"
                                  "v|c c     v|c c|p     v|c c|c     v|c c|v\n");
}

static void decommits_the_whole(void) {
    drawing_becomes(&step_decommit, "c c     c c|p     c c|c     c c|v\n"
                                    "---     ---       ---       ---  \n"
                                    "p p     p p|p     p p|c     p p|v\n");
    drawing_becomes(&step_decommit, "p|c c     p|c c|p     p|c c|c     p|c c|v\n"
                                    "  ---       ---         ---         ---  \n"
                                    "p|p p     p|p p|p     p|p p|c     p|p p|v\n");
    drawing_becomes(&step_decommit, "c|c c     c|c c|p     c|c c|c     c|c c|v\n"
                                    "  ---       ---         ---         ---  \n"
                                    "c|p p     c|p p|p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_decommit, "v|c c     v|c c|p     v|c c|c     v|c c|v\n"
                                    "  ---       ---         ---         ---  \n"
                                    "v|p p     v|p p|p     v|p p|c     v|p p|v\n");
}

static void decommits_the_head(void) {
    drawing_becomes(&step_decommit, "c c c     c c c|p     c c c|c     c c c|v\n"
                                    "---       ---         ---         ---    \n"
                                    "p p|c     p p|c|p     p p|c|c     p p|c|v\n");
    drawing_becomes(&step_decommit, "p|c c c     p|c c c|p     p|c c c|c     p|c c c|v\n"
                                    "  ---         ---           ---           ---    \n"
                                    "p|p p|c     p|p p|c|p     p|p p|c|c     p|p p|c|v\n");
    drawing_becomes(&step_decommit, "c|c c c     c|c c c|p     c|c c c|c     c|c c c|v\n"
                                    "  ---         ---           ---           ---    \n"
                                    "c|p p|c     c|p p|c|p     c|p p|c|c     c|p p|c|v\n");
    drawing_becomes(&step_decommit, "v|c c c     v|c c c|p     v|c c c|c     v|c c c|v\n"
                                    "  ---         ---           ---           ---    \n"
                                    "v|p p|c     v|p p|c|p     v|p p|c|c     v|p p|c|v\n");
}

static void decommits_the_middle(void) {
    drawing_becomes(&step_decommit, "c c c     c c c|p     c c c|c     c c c|v\n"
                                    "  -         -           -           -    \n"
                                    "c|p|c     c|p|c|p     c|p|c|c     c|p|c|v\n");
    drawing_becomes(&step_decommit, "p|c c c     p|c c c|p     p|c c c|c     p|c c c|v\n"
                                    "    -           -             -             -    \n"
                                    "p|c|p|c     p|c|p|c|p     p|c|p|c|c     p|c|p|c|v\n");
    drawing_becomes(&step_decommit, "c|c c c     c|c c c|p     c|c c c|c     c|c c c|v\n"
                                    "    -           -             -             -    \n"
                                    "c|c|p|c     c|c|p|c|p     c|c|p|c|c     c|c|p|c|v\n");
    drawing_becomes(&step_decommit, "v|c c c     v|c c c|p     v|c c c|c     v|c c c|v\n"
                                    "    -           -             -             -    \n"
                                    "v|c|p|c     v|c|p|c|p     v|c|p|c|c     v|c|p|c|v\n");
}

static void decommits_the_tail(void) {
    drawing_becomes(&step_decommit, "c c c     c c c|p     c c c|c     c c c|v\n"
                                    "    -         -           -           -  \n"
                                    "c c|p     c c|p|p     c c|p|c     c c|p|v\n");
    drawing_becomes(&step_decommit, "p|c c c     p|c c c|p     p|c c c|c     p|c c c|v\n"
                                    "      -           -             -             -  \n"
                                    "p|c c|p     p|c c|p|p     p|c c|p|c     p|c c|p|v\n");
    drawing_becomes(&step_decommit, "c|c c c     c|c c c|p     c|c c c|c     c|c c c|v\n"
                                    "      -           -             -             -  \n"
                                    "c|c c|p     c|c c|p|p     c|c c|p|c     c|c c|p|v\n");
    drawing_becomes(&step_decommit, "v|c c c     v|c c c|p     v|c c c|c     v|c c c|v\n"
                                    "      -           -             -             -  \n"
                                    "v|c c|p     v|c c|p|p     v|c c|p|c     v|c c|p|v\n");
}

static void maps(void) {
    drawing_becomes(&step_map, "p p     p p|p     p p|c     p p|v\n"
                               "---     ---       ---       ---  \n"
                               "v v     v v|p     v v|c     v v|v\n");
    drawing_becomes(&step_map, "p|p p     p|p p|p     p|p p|c     p|p p|v\n"
                               "  ---       ---         ---         ---  \n"
                               "p|v v     p|v v|p     p|v v|c     p|v v|v\n");
    drawing_becomes(&step_map, "c|p p     c|p p|p     c|p p|c     c|p p|v\n"
                               "  ---       ---         ---         ---  \n"
                               "c|v v     c|v v|p     c|v v|c     c|v v|v\n");
    drawing_becomes(&step_map, "v|p p     v|p p|p     v|p p|c     v|p p|v\n"
                               "  ---       ---         ---         ---  \n"
                               "v|v v     v|v v|p     v|v v|c     v|v v|v\n");
}

static void unmaps(void) {
    drawing_becomes(&step_unmap, "v v     v v|p     v v|c     v v|v\n"
                                 "---     ---       ---       ---  \n"
                                 "p p     p p|p     p p|c     p p|v\n");
    drawing_becomes(&step_unmap, "p|v v     p|v v|p     p|v v|c     p|v v|v\n"
                                 "  ---       ---         ---         ---  \n"
                                 "p|p p     p|p p|p     p|p p|c     p|p p|v\n");
    drawing_becomes(&step_unmap, "c|v v     c|v v|p     c|v v|c     c|v v|v\n"
                                 "  ---       ---         ---         ---  \n"
                                 "c|p p     c|p p|p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_unmap, "v|v v     v|v v|p     v|v v|c     v|v v|v\n"
                                 "  ---       ---         ---         ---  \n"
                                 "v|p p     v|p p|p     v|p p|c     v|p p|v\n");
}

static void unmaps_the_head(void) {
    drawing_becomes(&step_unmap, "v v v     v v v|p     v v v|c     v v v|v\n"
                                 "---       ---         ---         ---    \n"
                                 "p p|v     p p|v|p     p p|v|c     p p|v|v\n");
    drawing_becomes(&step_unmap, "p|v v v     p|v v v|p     p|v v v|c     p|v v v|v\n"
                                 "  ---         ---           ---           ---    \n"
                                 "p|p p|v     p|p p|v|p     p|p p|v|c     p|p p|v|v\n");
    drawing_becomes(&step_unmap, "c|v v v     c|v v v|p     c|v v v|c     c|v v v|v\n"
                                 "  ---         ---           ---           ---    \n"
                                 "c|p p|v     c|p p|v|p     c|p p|v|c     c|p p|v|v\n");
    drawing_becomes(&step_unmap, "v|v v v     v|v v v|p     v|v v v|c     v|v v v|v\n"
                                 "  ---         ---           ---           ---    \n"
                                 "v|p p|v     v|p p|v|p     v|p p|v|c     v|p p|v|v\n");
}

static void unmaps_the_middle(void) {
    drawing_becomes(&step_unmap, "v v v     v v v|p     v v v|c     v v v|v\n"
                                 "  -         -           -           -    \n"
                                 "v|p|v     v|p|v|p     v|p|v|c     v|p|v|v\n");
    drawing_becomes(&step_unmap, "p|v v v     p|v v v|p     p|v v v|c     p|v v v|v\n"
                                 "    -           -             -             -    \n"
                                 "p|v|p|v     p|v|p|v|p     p|v|p|v|c     p|v|p|v|v\n");
    drawing_becomes(&step_unmap, "c|v v v     c|v v v|p     c|v v v|c     c|v v v|v\n"
                                 "    -           -             -             -    \n"
                                 "c|v|p|v     c|v|p|v|p     c|v|p|v|c     c|v|p|v|v\n");
    drawing_becomes(&step_unmap, "v|v v v     v|v v v|p     v|v v v|c     v|v v v|v\n"
                                 "    -           -             -             -    \n"
                                 "v|v|p|v     v|v|p|v|p     v|v|p|v|c     v|v|p|v|v\n");
}

static void unmaps_the_tail(void) {
    drawing_becomes(&step_unmap, "v v v     v v v|p     v v v|c     v v v|v\n"
                                 "    -         -           -           -  \n"
                                 "v v|p     v v|p|p     v v|p|c     v v|p|v\n");
    drawing_becomes(&step_unmap, "p|v v v     p|v v v|p     p|v v v|c     p|v v v|v\n"
                                 "      -           -             -             -  \n"
                                 "p|v v|p     p|v v|p|p     p|v v|p|c     p|v v|p|v\n");
    drawing_becomes(&step_unmap, "c|v v v     c|v v v|p     c|v v v|c     c|v v v|v\n"
                                 "      -           -             -             -  \n"
                                 "c|v v|p     c|v v|p|p     c|v v|p|c     c|v v|p|v\n");
    drawing_becomes(&step_unmap, "v|v v v     v|v v v|p     v|v v v|c     v|v v v|v\n"
                                 "      -           -             -             -  \n"
                                 "v|v v|p     v|v v|p|p     v|v v|p|c     v|v v|p|v\n");
}

static void commit_range_of_the_whole(void) {
    drawing_becomes(&step_commit_range, "p p     p p|p     p p|c     p p|v\n"
                                        "---     ---       ---       ---  \n"
                                        "c c     c c|p     c c|c     c c|v\n");
    drawing_becomes(&step_commit_range, "p|p p     p|p p|p     p|p p|c     p|p p|v\n"
                                        "  ---       ---         ---         ---  \n"
                                        "p|c c     p|c c|p     p|c c|c     p|c c|v\n");
    drawing_becomes(&step_commit_range, "c|p p     c|p p|p     c|p p|c     c|p p|v\n"
                                        "  ---       ---         ---         ---  \n"
                                        "c|c c     c|c c|p     c|c c|c     c|c c|v\n");
    drawing_becomes(&step_commit_range, "v|p p     v|p p|p     v|p p|c     v|p p|v\n"
                                        "  ---       ---         ---         ---  \n"
                                        "v|c c     v|c c|p     v|c c|c     v|c c|v\n");
}

static void commit_range_at_the_head(void) {
    drawing_becomes(&step_commit_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                        "-         -           -           -      \n"
                                        "c|p p     c|p p|p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_commit_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                        "  -           -             -             -      \n"
                                        "p|c|p p     p|c|p p|p     p|c|p p|c     p|c|p p|v\n");
    drawing_becomes(&step_commit_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                        "  -           -             -             -      \n"
                                        "c|c|p p     c|c|p p|p     c|c|p p|c     c|c|p p|v\n");
    drawing_becomes(&step_commit_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                        "  -           -             -             -      \n"
                                        "v|c|p p     v|c|p p|p     v|c|p p|c     v|c|p p|v\n");
}

static void commit_range_in_the_middle(void) {
    drawing_becomes(&step_commit_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                        "  -         -           -           -    \n"
                                        "p|c|p     p|c|p|p     p|c|p|c     p|c|p|v\n");
    drawing_becomes(&step_commit_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                        "    -           -             -             -    \n"
                                        "p|p|c|p     p|p|c|p|p     p|p|c|p|c     p|p|c|p|v\n");
    drawing_becomes(&step_commit_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                        "    -           -             -             -    \n"
                                        "c|p|c|p     c|p|c|p|p     c|p|c|p|c     c|p|c|p|v\n");
    drawing_becomes(&step_commit_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                        "    -           -             -             -    \n"
                                        "v|p|c|p     v|p|c|p|p     v|p|c|p|c     v|p|c|p|v\n");
}

static void commit_range_at_the_tail(void) {
    drawing_becomes(&step_commit_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                        "  ---       ---         ---         ---  \n"
                                        "p|c c     p|c c|p     p|c c|c     p|c c|v\n");
    drawing_becomes(&step_commit_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                        "    ---         ---           ---           ---  \n"
                                        "p|p|c c     p|p|c c|p     p|p|c c|c     p|p|c c|v\n");
    drawing_becomes(&step_commit_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                        "    ---         ---           ---           ---  \n"
                                        "c|p|c c     c|p|c c|p     c|p|c c|c     c|p|c c|v\n");
    drawing_becomes(&step_commit_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                        "    ---         ---           ---           ---  \n"
                                        "v|p|c c     v|p|c c|p     v|p|c c|c     v|p|c c|v\n");
}

static void map_range_of_the_whole(void) {
    drawing_becomes(&step_map_range, "p p     p p|p     p p|c     p p|v\n"
                                     "---     ---       ---       ---  \n"
                                     "v v     v v|p     v v|c     v v|v\n");
    drawing_becomes(&step_map_range, "p|p p     p|p p|p     p|p p|c     p|p p|v\n"
                                     "  ---       ---         ---         ---  \n"
                                     "p|v v     p|v v|p     p|v v|c     p|v v|v\n");
    drawing_becomes(&step_map_range, "c|p p     c|p p|p     c|p p|c     c|p p|v\n"
                                     "  ---       ---         ---         ---  \n"
                                     "c|v v     c|v v|p     c|v v|c     c|v v|v\n");
    drawing_becomes(&step_map_range, "v|p p     v|p p|p     v|p p|c     v|p p|v\n"
                                     "  ---       ---         ---         ---  \n"
                                     "v|v v     v|v v|p     v|v v|c     v|v v|v\n");
}

static void map_range_at_the_head(void) {
    drawing_becomes(&step_map_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                     "-         -           -           -      \n"
                                     "v|p p     v|p p|p     v|p p|c     v|p p|v\n");
    drawing_becomes(&step_map_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                     "  -           -             -             -      \n"
                                     "p|v|p p     p|v|p p|p     p|v|p p|c     p|v|p p|v\n");
    drawing_becomes(&step_map_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                     "  -           -             -             -      \n"
                                     "c|v|p p     c|v|p p|p     c|v|p p|c     c|v|p p|v\n");
    drawing_becomes(&step_map_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                     "  -           -             -             -      \n"
                                     "v|v|p p     v|v|p p|p     v|v|p p|c     v|v|p p|v\n");
}

static void map_range_in_the_middle(void) {
    drawing_becomes(&step_map_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                     "  -         -           -           -    \n"
                                     "p|v|p     p|v|p|p     p|v|p|c     p|v|p|v\n");
    drawing_becomes(&step_map_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                     "    -           -             -             -    \n"
                                     "p|p|v|p     p|p|v|p|p     p|p|v|p|c     p|p|v|p|v\n");
    drawing_becomes(&step_map_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                     "    -           -             -             -    \n"
                                     "c|p|v|p     c|p|v|p|p     c|p|v|p|c     c|p|v|p|v\n");
    drawing_becomes(&step_map_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                     "    -           -             -             -    \n"
                                     "v|p|v|p     v|p|v|p|p     v|p|v|p|c     v|p|v|p|v\n");
}

static void map_range_at_the_tail(void) {
    drawing_becomes(&step_map_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                     "  ---       ---         ---         ---  \n"
                                     "p|v v     p|v v|p     p|v v|c     p|v v|v\n");
    drawing_becomes(&step_map_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                     "    ---         ---           ---           ---  \n"
                                     "p|p|v v     p|p|v v|p     p|p|v v|c     p|p|v v|v\n");
    drawing_becomes(&step_map_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                     "    ---         ---           ---           ---  \n"
                                     "c|p|v v     c|p|v v|p     c|p|v v|c     c|p|v v|v\n");
    drawing_becomes(&step_map_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                     "    ---         ---           ---           ---  \n"
                                     "v|p|v v     v|p|v v|p     v|p|v v|c     v|p|v v|v\n");
}

static void releases_committed_memory(void) {
    drawing_becomes(&step_release_range, "c c     c c|p     c c|c     c c|v\n"
                                         "---     ---       ---       ---  \n"
                                         "p p     p p p     p p|c     p p|v\n");
    drawing_becomes(&step_release_range, "p|c c     p|c c|p     p|c c|c     p|c c|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "p p p     p p p p     p p p|c     p p p|v\n");
    drawing_becomes(&step_release_range, "c|c c     c|c c|p     c|c c|c     c|c c|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "c|p p     c|p p p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_release_range, "v|c c     v|c c|p     v|c c|c     v|c c|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "v|p p     v|p p p     v|p p|c     v|p p|v\n");
}

static void releases_the_head_of_committed_memory(void) {
    drawing_becomes(&step_release_range, "c c c     c c c|p     c c c|c     c c c|v\n"
                                         "-         -           -           -      \n"
                                         "p|c c     p|c c|p     p|c c|c     p|c c|v\n");
    drawing_becomes(&step_release_range, "p|c c c     p|c c c|p     p|c c c|c     p|c c c|v\n"
                                         "  -           -             -             -      \n"
                                         "p p|c c     p p|c c|p     p p|c c|c     p p|c c|v\n");
    drawing_becomes(&step_release_range, "c|c c c     c|c c c|p     c|c c c|c     c|c c c|v\n"
                                         "  -           -             -             -      \n"
                                         "c|p|c c     c|p|c c|p     c|p|c c|c     c|p|c c|v\n");
    drawing_becomes(&step_release_range, "v|c c c     v|c c c|p     v|c c c|c     v|c c c|v\n"
                                         "  -           -             -             -      \n"
                                         "v|p|c c     v|p|c c|p     v|p|c c|c     v|p|c c|v\n");
}

static void releases_the_middle_of_committed_memory(void) {
    drawing_becomes(&step_release_range, "c c c     c c c|p     c c c|c     c c c|v\n"
                                         "  -         -           -           -    \n"
                                         "c|p|c     c|p|c|p     c|p|c|c     c|p|c|v\n");
    drawing_becomes(&step_release_range, "p|c c c     p|c c c|p     p|c c c|c     p|c c c|v\n"
                                         "    -           -             -             -    \n"
                                         "p|c|p|c     p|c|p|c|p     p|c|p|c|c     p|c|p|c|v\n");
    drawing_becomes(&step_release_range, "c|c c c     c|c c c|p     c|c c c|c     c|c c c|v\n"
                                         "    -           -             -             -    \n"
                                         "c|c|p|c     c|c|p|c|p     c|c|p|c|c     c|c|p|c|v\n");
    drawing_becomes(&step_release_range, "v|c c c     v|c c c|p     v|c c c|c     v|c c c|v\n"
                                         "    -           -             -             -    \n"
                                         "v|c|p|c     v|c|p|c|p     v|c|p|c|c     v|c|p|c|v\n");
}

static void releases_the_tail_of_committed_memory(void) {
    drawing_becomes(&step_release_range, "c c c     c c c|p     c c c|c     c c c|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "c|p p     c|p p p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_release_range, "p|c c c     p|c c c|p     p|c c c|c     p|c c c|v\n"
                                         "    ---         ---           ---           ---  \n"
                                         "p|c|p p     p|c|p p p     p|c|p p|c     p|c|p p|v\n");
    drawing_becomes(&step_release_range, "c|c c c     c|c c c|p     c|c c c|c     c|c c c|v\n"
                                         "    ---         ---           ---           ---  \n"
                                         "c|c|p p     c|c|p p p     c|c|p p|c     c|c|p p|v\n");
    drawing_becomes(&step_release_range, "v|c c c     v|c c c|p     v|c c c|c     v|c c c|v\n"
                                         "    ---         ---           ---           ---  \n"
                                         "v|c|p p     v|c|p p p     v|c|p p|c     v|c|p p|v\n");
}

static void releases_a_view(void) {
    drawing_becomes(&step_release_range, "v v     v v|p     v v|c     v v|v\n"
                                         "---     ---       ---       ---  \n"
                                         "p p     p p p     p p|c     p p|v\n");
    drawing_becomes(&step_release_range, "p|v v     p|v v|p     p|v v|c     p|v v|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "p p p     p p p p     p p p|c     p p p|v\n");
    drawing_becomes(&step_release_range, "c|v v     c|v v|p     c|v v|c     c|v v|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "c|p p     c|p p p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_release_range, "v|v v     v|v v|p     v|v v|c     v|v v|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "v|p p     v|p p p     v|p p|c     v|p p|v\n");
}

static void releases_the_head_of_a_view(void) {
    drawing_becomes(&step_release_range, "v v v     v v v|p     v v v|c     v v v|v\n"
                                         "---       ---         ---         ---    \n"
                                         "p p|v     p p|v|p     p p|v|c     p p|v|v\n");
    drawing_becomes(&step_release_range, "p|v v v     p|v v v|p     p|v v v|c     p|v v v|v\n"
                                         "  ---         ---           ---           ---    \n"
                                         "p p p|v     p p p|v|p     p p p|v|c     p p p|v|v\n");
    drawing_becomes(&step_release_range, "c|v v v     c|v v v|p     c|v v v|c     c|v v v|v\n"
                                         "  ---         ---           ---           ---    \n"
                                         "c|p p|v     c|p p|v|p     c|p p|v|c     c|p p|v|v\n");
    drawing_becomes(&step_release_range, "v|v v v     v|v v v|p     v|v v v|c     v|v v v|v\n"
                                         "  ---         ---           ---           ---    \n"
                                         "v|p p|v     v|p p|v|p     v|p p|v|c     v|p p|v|v\n");
}

static void releases_the_middle_of_a_view(void) {
    drawing_becomes(&step_release_range, "v v v     v v v|p     v v v|c     v v v|v\n"
                                         "  -         -           -           -    \n"
                                         "v|p|v     v|p|v|p     v|p|v|c     v|p|v|v\n");
    drawing_becomes(&step_release_range, "p|v v v     p|v v v|p     p|v v v|c     p|v v v|v\n"
                                         "    -           -             -             -    \n"
                                         "p|v|p|v     p|v|p|v|p     p|v|p|v|c     p|v|p|v|v\n");
    drawing_becomes(&step_release_range, "c|v v v     c|v v v|p     c|v v v|c     c|v v v|v\n"
                                         "    -           -             -             -    \n"
                                         "c|v|p|v     c|v|p|v|p     c|v|p|v|c     c|v|p|v|v\n");
    drawing_becomes(&step_release_range, "v|v v v     v|v v v|p     v|v v v|c     v|v v v|v\n"
                                         "    -           -             -             -    \n"
                                         "v|v|p|v     v|v|p|v|p     v|v|p|v|c     v|v|p|v|v\n");
}

static void releases_the_tail_of_a_view(void) {
    drawing_becomes(&step_release_range, "v v v     v v v|p     v v v|c     v v v|v\n"
                                         "    -         -           -           -  \n"
                                         "v v|p     v v|p p     v v|p|c     v v|p|v\n");
    drawing_becomes(&step_release_range, "p|v v v     p|v v v|p     p|v v v|c     p|v v v|v\n"
                                         "      -           -             -             -  \n"
                                         "p|v v|p     p|v v|p p     p|v v|p|c     p|v v|p|v\n");
    drawing_becomes(&step_release_range, "c|v v v     c|v v v|p     c|v v v|c     c|v v v|v\n"
                                         "      -           -             -             -  \n"
                                         "c|v v|p     c|v v|p p     c|v v|p|c     c|v v|p|v\n");
    drawing_becomes(&step_release_range, "v|v v v     v|v v v|p     v|v v v|c     v|v v v|v\n"
                                         "      -           -             -             -  \n"
                                         "v|v v|p     v|v v|p p     v|v v|p|c     v|v v|p|v\n");
}

static void releases_a_placeholder(void) {
    drawing_becomes(&step_release_range, "p p     p p|p     p p|c     p p|v\n"
                                         "---     ---       ---       ---  \n"
                                         "p p     p p p     p p|c     p p|v\n");
    drawing_becomes(&step_release_range, "p|p p     p|p p|p     p|p p|c     p|p p|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "p p p     p p p p     p p p|c     p p p|v\n");
    drawing_becomes(&step_release_range, "c|p p     c|p p|p     c|p p|c     c|p p|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "c|p p     c|p p p     c|p p|c     c|p p|v\n");
    drawing_becomes(&step_release_range, "v|p p     v|p p|p     v|p p|c     v|p p|v\n"
                                         "  ---       ---         ---         ---  \n"
                                         "v|p p     v|p p p     v|p p|c     v|p p|v\n");
}

static void releases_the_head_of_a_placeholder(void) {
    drawing_becomes(&step_release_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                         "---       ---         ---         ---    \n"
                                         "p p p     p p p|p     p p p|c     p p p|v\n");
    drawing_becomes(&step_release_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                         "  ---         ---           ---           ---    \n"
                                         "p p p p     p p p p|p     p p p p|c     p p p p|v\n");
    drawing_becomes(&step_release_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                         "  ---         ---           ---           ---    \n"
                                         "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n");
    drawing_becomes(&step_release_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                         "  ---         ---           ---           ---    \n"
                                         "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n");
}

static void releases_the_middle_of_a_placeholder(void) {
    drawing_becomes(&step_release_range, "p p p     p p p|p     p p p|c     p p p|v\n"
                                         "  -         -           -           -    \n"
                                         "p p p     p p p|p     p p p|c     p p p|v\n");
    drawing_becomes(&step_release_range, "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n"
                                         "    -           -             -             -    \n"
                                         "p|p p p     p|p p p|p     p|p p p|c     p|p p p|v\n");
    drawing_becomes(&step_release_range, "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n"
                                         "    -           -             -             -    \n"
                                         "c|p p p     c|p p p|p     c|p p p|c     c|p p p|v\n");
    drawing_becomes(&step_release_range, "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n"
                                         "    -           -             -             -    \n"
                                         "v|p p p     v|p p p|p     v|p p p|c     v|p p p|v\n");
}

static void releases_several_regions(void) {
    drawing_becomes(&step_release_range, "c|v|p|c     c|v|p|c|p     c|v|p|c|c     c|v|p|c|v\n"
                                         "-------     -------       -------       -------  \n"
                                         "p p p p     p p p p p     p p p p|c     p p p p|v\n");
    drawing_becomes(&step_release_range,
                    "p|c|v|p|c     p|c|v|p|c|p     p|c|v|p|c|c     p|c|v|p|c|v\n"
                    "  -------       -------         -------         -------  \n"
                    "p p p p p     p p p p p p     p p p p p|c     p p p p p|v\n");
    drawing_becomes(&step_release_range,
                    "c|c|v|p|c     c|c|v|p|c|p     c|c|v|p|c|c     c|c|v|p|c|v\n"
                    "  -------       -------         -------         -------  \n"
                    "c|p p p p     c|p p p p p     c|p p p p|c     c|p p p p|v\n");
    drawing_becomes(&step_release_range,
                    "v|c|v|p|c     v|c|v|p|c|p     v|c|v|p|c|c     v|c|v|p|c|v\n"
                    "  -------       -------         -------         -------  \n"
                    "v|p p p p     v|p p p p p     v|p p p p|c     v|p p p p|v\n");
}

static void releases_parts_of_regions(void) {
    drawing_becomes(&step_release_range,
                    "c c|p|v|c c     c c|p|v|c c|p     c c|p|v|c c|c     c c|p|v|c c|v\n"
                    "  -------         -------           -------           -------    \n"
                    "c|p p p p|c     c|p p p p|c|p     c|p p p p|c|c     c|p p p p|c|v\n");
    drawing_becomes(&step_release_range,
                    "p|c c|p|v|c c     p|c c|p|v|c c|p     p|c c|p|v|c c|c     p|c c|p|v|c c|v\n"
                    "    -------           -------             -------             -------    \n"
                    "p|c|p p p p|c     p|c|p p p p|c|p     p|c|p p p p|c|c     p|c|p p p p|c|v\n");
    drawing_becomes(&step_release_range,
                    "c|c c|p|v|c c     c|c c|p|v|c c|p     c|c c|p|v|c c|c     c|c c|p|v|c c|v\n"
                    "    -------           -------             -------             -------    \n"
                    "c|c|p p p p|c     c|c|p p p p|c|p     c|c|p p p p|c|c     c|c|p p p p|c|v\n");
    drawing_becomes(&step_release_range,
                    "v|c c|p|v|c c     v|c c|p|v|c c|p     v|c c|p|v|c c|c     v|c c|p|v|c c|v\n"
                    "    -------           -------             -------             -------    \n"
                    "v|c|p p p p|c     v|c|p p p p|c|p     v|c|p p p p|c|c     v|c|p p p p|c|v\n");
}

/* ---------------------------------------------------------------- wrong states ------------- */

/* Not within one placeholder, or all of it. */
static void split_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_split, "p p     c|p p|c     p|p p|p\n"
                                        "---       ---         ---  \n");
    drawing_is_wrong_state(&step_split, "p p|p p     p p|p p     p|p p|p     p p|c     p p|v\n"
                                        "-----         ---       -----         ---       ---\n");
    drawing_is_wrong_state(&step_split, "p|c c|p     p|c c|p     p|v v|p     p|v v|p     c|p p\n"
                                        "  -           ---         ---           -       ---  \n");
}

/* Anything else in the range, a part of a placeholder, or only one. */
static void coalesce_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_coalesce, "p p     p|p p|p     p p p     p p|p p     p p|p p\n"
                                           "---       ---       ---         -----     -----  \n");
    drawing_is_wrong_state(&step_coalesce, "p p|p p     p|c|p     p|v|p     c|p|p     p|p|v\n"
                                           "  ---       -----     -----     -----     -----\n");
    drawing_is_wrong_state(&step_coalesce, "p|p|c c     c c|p|p     c|c     v|v     c c     v v\n"
                                           "-----         -----     ---     ---     ---     -  \n");
}

/* Not exactly one whole placeholder. */
static void commit_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_commit, "p p p     p p p     p p p     p|p     p p|p     p|p p\n"
                                         "-           -         ---     ---     -----     ---  \n");
    drawing_is_wrong_state(&step_commit,
                           "c c     c c     v v     v v     p|c     c|p     p|v     v|p\n"
                           "---     -       ---     -       ---     ---     ---     ---\n");
}

/* Not within one committed region. */
static void decommit_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_decommit, "p p     p p     v v     v v     c|c     c c|c c\n"
                                           "---     -       ---     -       ---       ---  \n");
    drawing_is_wrong_state(&step_decommit, "p|c     c|p     c c|v     c|p|c     v|c c     c|c|c\n"
                                           "---     ---       ---     -----     ---       -----\n");
}

/* Not exactly one whole placeholder. */
static void map_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_map, "p p p     p p p     p p p     p|p     p p|p     p|p p\n"
                                      "-           -         ---     ---     -----     ---  \n");
    drawing_is_wrong_state(&step_map,
                           "c c     c c     v v     v v     p|c     c|p     p|v     v|p\n"
                           "---     -       ---     -       ---     ---     ---     ---\n");
}

/* Not within one view. */
static void unmap_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_unmap, "v|v     v v|v     v|v v     v v|v v     r|w\n"
                                        "---     -----     ---         ---       ---\n");
    drawing_is_wrong_state(&step_unmap,
                           "c c     c c     p p     p p     p|v     v|p     c|v     v|c\n"
                           "---     -       ---     -       ---     ---     ---     ---\n");
}

/* Not within one placeholder. */
static void commit_range_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_commit_range, "p|p     p p|p p     c c     c c     v v     v v\n"
                                               "---       ---       ---     -       ---     -  \n");
    drawing_is_wrong_state(&step_commit_range,
                           "p p|c     c|p p     p p|v     v|p p     p|c|p     p|p|p\n"
                           "  ---     ---         ---     ---       -----     -----\n");
}

/* Not within one placeholder. */
static void map_range_in_a_wrong_state(void) {
    drawing_is_wrong_state(&step_map_range, "p|p     p p|p p     c c     c c     v v     v v\n"
                                            "---       ---       ---     -       ---     -  \n");
    drawing_is_wrong_state(&step_map_range, "p p|c     c|p p     p p|v     v|p p     p|c|p\n"
                                            "  ---     ---         ---     ---       -----\n");
}

/* ------------------------------------------------- other accesses, equal neighbours --------- */

static void releases_views_of_every_access(void) {
    drawing_becomes(&step_unmap, "r r     w w     r|v v|w     v|r r|v     v|w w|v\n"
                                 "---     ---       ---         ---         ---  \n"
                                 "p p     p p     r|p p|w     v|p p|v     v|p p|v\n");
    drawing_becomes(&step_release_range, "r|v|w|v|r     w|r|w     c|r|w|c     p|r|w|p\n"
                                         "---------       -         ---         ---  \n"
                                         "p p p p p     w|p|w     c|p p|c     p p p p\n");
}

static void releases_parts_of_views_of_every_access(void) {
    drawing_becomes(&step_unmap, "r r r     r r r     r r r     w w w     w w w     w w w\n"
                                 "-           -         ---     -           -         ---\n"
                                 "p|r r     r|p|r     r|p p     p|w w     w|p|w     w|p p\n");
    drawing_becomes(&step_release_range, "r r|v v     w w|r r     v v|w w     w w w     r r r\n"
                                         "  ---         ---         ---       -           -  \n"
                                         "r|p p|v     w|p p|r     v|p p|w     p|w w     r|p|r\n");
    drawing_becomes(&step_release_range, "c c|p|c|w w     v v|c|p|c c     r r|c c|w w     w w|p\n"
                                         "  -------         -------         -------         -  \n"
                                         "c|p p p p|w     v|p p p p|c     r|p p p p|w     w|p p\n");
}

/* Committed regions never merge, nor do views; decommitting one leaves the other whole. */
static void neighbours_of_one_kind_stay_apart(void) {
    drawing_becomes(&step_commit, "c|p|c     c c|p|c     c|p|p|c\n"
                                  "  -           -         -    \n"
                                  "c|c|c     c c|c|c     c|c|p|c\n");
    drawing_becomes(&step_map, "v|p|v     v v|p|v     v|p|p|v\n"
                               "  -           -           -  \n"
                               "v|v|v     v v|v|v     v|p|v|v\n");
    drawing_becomes(&step_decommit, "c|c|c     c|c c|c     c|c|c\n"
                                    "  -           -           -\n"
                                    "c|p|c     c|c|p|c     c|c|p\n");
}

CHECK_MAIN(
    TEST(splits_the_head), TEST(splits_the_middle), TEST(splits_the_tail), TEST(coalesces_two),
    TEST(coalesces_three), TEST(commits), TEST(decommits_the_whole), TEST(decommits_the_head),
    TEST(decommits_the_middle), TEST(decommits_the_tail), TEST(maps), TEST(unmaps),
    TEST(unmaps_the_head), TEST(unmaps_the_middle), TEST(unmaps_the_tail),
    TEST(commit_range_of_the_whole), TEST(commit_range_at_the_head),
    TEST(commit_range_in_the_middle), TEST(commit_range_at_the_tail), TEST(map_range_of_the_whole),
    TEST(map_range_at_the_head), TEST(map_range_in_the_middle), TEST(map_range_at_the_tail),
    TEST(releases_committed_memory), TEST(releases_the_head_of_committed_memory),
    TEST(releases_the_middle_of_committed_memory), TEST(releases_the_tail_of_committed_memory),
    TEST(releases_a_view), TEST(releases_the_head_of_a_view), TEST(releases_the_middle_of_a_view),
    TEST(releases_the_tail_of_a_view), TEST(releases_a_placeholder),
    TEST(releases_the_head_of_a_placeholder), TEST(releases_the_middle_of_a_placeholder),
    TEST(releases_several_regions), TEST(releases_parts_of_regions), TEST(split_in_a_wrong_state),
    TEST(coalesce_in_a_wrong_state), TEST(commit_in_a_wrong_state), TEST(decommit_in_a_wrong_state),
    TEST(map_in_a_wrong_state), TEST(unmap_in_a_wrong_state), TEST(commit_range_in_a_wrong_state),
    TEST(map_range_in_a_wrong_state), TEST(releases_views_of_every_access),
    TEST(releases_parts_of_views_of_every_access), TEST(neighbours_of_one_kind_stay_apart))
