/* strip.h -- the region map in the terminal: a row for each moment, a letter for some addresses. */
#ifndef TOUR_STRIP_H
#define TOUR_STRIP_H

#include "history.h"
#include "screen.h"

void strip_print(const struct history *history, const struct screen *screen);

#endif
