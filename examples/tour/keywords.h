/* keywords.h -- the words of C and C++ that are no identifiers. */
#ifndef TOUR_KEYWORDS_H
#define TOUR_KEYWORDS_H

#include <stddef.h>

extern const char *const keywords[];
extern const size_t keyword_count;

#endif
