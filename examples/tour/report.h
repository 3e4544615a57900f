/* report.h -- what the builds did, in words and numbers. */
#ifndef TOUR_REPORT_H
#define TOUR_REPORT_H

#include "build.h"

/* Files, tokens, names. */
void report_work(const struct build *build, const struct screen *screen);

/* The statistics of the arenas and of the space of views. */
void report_statistics(const struct build *build, const struct screen *screen);

#endif
