/*
 * arena.h -- what the texts need of an arena, beyond the public holdfast/arena.h.
 */
#ifndef HF_ARENA_H
#define HF_ARENA_H

#include <holdfast/arena.h>

/* Fails with INVALID: notes it, tells on_failure, returns NULL. No second try could help. */
void *hf_arena_fail(hf_arena *arena, const char *call, size_t size);

#endif
