/* on_mimalloc.h -- which mimalloc there is. */
#ifndef TOUR_ON_MIMALLOC_H
#define TOUR_ON_MIMALLOC_H

/* As mi_version() says it; 0 when there is none. */
int on_mimalloc_version(void);

#endif
