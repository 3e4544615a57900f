/* report.h -- prints the results of the builds. */
#ifndef TOUR_REPORT_H
#define TOUR_REPORT_H

#include "build.h"

/* Prints the numbers of files, tokens and names, and the time. */
void report_work(const struct build *build, const struct screen *screen);

/* Prints the statistics of the arenas and of the space of views. */
void report_statistics(const struct build *build, const struct screen *screen);

#endif
