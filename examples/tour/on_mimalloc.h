/* on_mimalloc.h -- the version of mimalloc that was found. */
#ifndef TOUR_ON_MIMALLOC_H
#define TOUR_ON_MIMALLOC_H

/* The result of mi_version(); 0: no mimalloc was found. */
int on_mimalloc_version(void);

#endif
