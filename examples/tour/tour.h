/* tour.h -- the verb that shows the library at work. */
#ifndef TOUR_TOUR_H
#define TOUR_TOUR_H

/* The arguments behind the verb. Returns the exit status: 0; 1: an input could not be read; 2:
 * wrong usage. */
int tour(int count, char **arguments);

#endif
