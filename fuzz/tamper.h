/*
 * tamper.h -- a backend over the native one that damages a file while the library opens it, and
 * lets syncs fail.
 *
 *      the library:   measure   read   read   map           a countdown of these calls
 *                                    ^ the damage
 *
 * What the library looked at before the damage, and what after it, says what it had to notice.
 */
#ifndef FUZZ_TAMPER_H
#define FUZZ_TAMPER_H

#include "image_file.h"

enum {
    LOOKED_AT_SIZE = 1,
    LOOKED_AT_BYTES = 2,
    MAPPED_IT = 4,
    MODEST_RESERVE = 1 << 28 /* where reserving addresses costs memory: what an arena gets */
};

extern struct tamper {
    image_damage plan;     /* for the next opening */
    size_t plan_countdown; /* calls until it is done; 0: nothing is planned */
    size_t countdown;      /* the same, in the opening under way */
    const char *path;      /* of the file that is opened */
    bool has_struck;
    unsigned looks_before, looks_after; /* before and after it struck */
    bool was_blind;          /* the library resized the file without having seen the damage */
    struct image_bytes file; /* as the damage left it */
    size_t sync_countdown;   /* calls of file_sync until one fails; 0: none */
    hf_status sync_status;   /* which that one returns */
} tamper;

const hf_backend *tamper_backend(void);

/* Before an opening: lets the planned damage happen to the file. NULL: to none. */
void tamper_begin(const char *path);

/* Ends what is planned. */
void tamper_end(void);

#endif
