/* keywords.h -- the keywords of C and C++, which the front end counts apart from identifiers. */
#ifndef TOUR_KEYWORDS_H
#define TOUR_KEYWORDS_H

#include <stddef.h>

extern const char *const keywords[];
extern const size_t keyword_count;

#endif
