/* timeline.h -- prints the regions over time as text: a row for each time, a letter for each
 * cell. */
#ifndef TOUR_TIMELINE_H
#define TOUR_TIMELINE_H

#include "history.h"
#include "screen.h"

void timeline_print(const struct history *history, const struct screen *screen);

#endif
