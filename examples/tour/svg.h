/* svg.h -- the picture of a history: address against time. */
#ifndef TOUR_SVG_H
#define TOUR_SVG_H

#include <stdio.h>

#include "history.h"

/* The first bytes of each picture: tour --svg overwrites only files that begin with them. */
static const char svg_signature[] = "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
                                    "aria-label=\"Addresses of a program's arenas against time\"";

/* Writes the picture. False: a write failed. */
bool svg_write(const struct history *history, const char *subtitle, FILE *file);

#endif
