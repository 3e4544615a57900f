/* timeline.h -- the region map in the terminal: a row for each time, a letter for some pages. */
#ifndef TOUR_TIMELINE_H
#define TOUR_TIMELINE_H

#include "history.h"
#include "screen.h"

void timeline_print(const struct history *history, const struct screen *screen);

#endif
