/*
 * system.h -- the system that the fuzzers run on, as the library has it.
 */
#ifndef FUZZ_SYSTEM_H
#define FUZZ_SYSTEM_H

#include <holdfast.h>

#include <stdbool.h>

#if UINTPTR_MAX > UINT32_MAX
#define DEFAULT_RESERVE ((size_t)1 << 36)
#else
#define DEFAULT_RESERVE ((size_t)1 << 28)
#endif

/* Whether there are views in a space, which a Windows from before placeholders does not have: there
 * each of them is UNSUPPORTED. Tried at the first call; strict has those of the system under it. */
bool has_views(void);

/* The native backend; where addresses take memory, one that grants at most so many at once, so that
 * the programs that ask for all there are do not get them. */
const hf_backend *system_backend(size_t most);

#endif
