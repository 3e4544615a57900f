/* What Microsoft's compiler has instead of atomics, counted. */
static int fences, barriers;

static inline void __dmb(unsigned int domain) { fences += domain == 0xb; }
static inline void _ReadWriteBarrier(void) { barriers++; }
