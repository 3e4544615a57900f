/* svg.h -- the picture of a history: address against time. */
#ifndef TOUR_SVG_H
#define TOUR_SVG_H

#include <stdio.h>

#include "history.h"

/* False: it could not be written. */
bool svg_write(const struct history *history, const char *subtitle, FILE *file);

#endif
