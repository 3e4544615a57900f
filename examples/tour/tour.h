/* tour.h -- the verb tour, which shows the library at work. */
#ifndef TOUR_TOUR_H
#define TOUR_TOUR_H

/* Runs the verb with the arguments after it. Returns the exit status: 0; 1: an input could not be
 * read, or something else failed; 2: wrong usage. */
int tour(int count, char **arguments);

#endif
