/*
 * prove.h -- assertions that take time for each region: proofs of a whole map or table, made after
 * its edits.
 *
 * The other assertions of the library look at the edited entries only, and every build without
 * NDEBUG has them. These need HF_PROVE as well: the CMake option HOLDFAST_PROVE.
 *
 * With fewer than HF_PROVE_ALWAYS entries a proof is made after every edit. A larger table is
 * proved after some edits only, those that leave it with certain counts of entries, so that the
 * average edit costs no more.
 */
#ifndef HF_PROVE_H
#define HF_PROVE_H

#include <assert.h>

#define HF_PROVE_ALWAYS 256

#define HF_IS_PROOF_DUE(count) ((count) % (1 + (count) / HF_PROVE_ALWAYS) == 0)

#if defined(HF_PROVE) && !defined(NDEBUG)
#define HF_PROVES 1
#define HF_PROVE_THAT(count, condition) assert(!HF_IS_PROOF_DUE(count) || (condition))
#else
#define HF_PROVES 0
#define HF_PROVE_THAT(count, condition) ((void)0)
#endif

#endif
