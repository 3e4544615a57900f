/*
 * spy.h -- a backend that notes every call and refuses on request.
 *
 * It is what backend.h tells users to do: a copy of another backend with some functions replaced,
 * the first member of a struct with data of its own. A test opens an arena on it and then reads
 * what the arena asked of the system, in which order, and for how many bytes.
 */
#ifndef HOLDFAST_TESTS_SPY_H
#define HOLDFAST_TESTS_SPY_H

#include <stdbool.h>
#include <stddef.h>

#include <holdfast/backend.h>

enum spy_step {
    SPY_RESERVE,
    SPY_RELEASE,
    SPY_SPLIT,
    SPY_COALESCE,
    SPY_COMMIT,
    SPY_DECOMMIT,
    SPY_ADVISE,
    SPY_NAME,
    SPY_TAKE_PAGES,
    SPY_GIVE_PAGES,
    SPY_STEPS
};

struct spy_call {
    enum spy_step step;
    char *address;
    size_t size;
    hf_advice advice; /* of SPY_ADVISE */
    const char *name; /* of SPY_NAME */
    hf_status status;
};

enum { SPY_CALLS = 4096, SPY_REFUSAL = 4711 /* the os_code of a refusal */ };

struct spy {
    hf_backend backend; /* first: a backend's functions get their spy from it */
    const hf_backend *under;

    size_t largest[SPY_STEPS];    /* a step of more bytes is refused; SIZE_MAX: none is */
    hf_status refusal[SPY_STEPS]; /* with this status */
    bool pretends;                /* commits and decommits succeed and do nothing */

    struct spy_call calls[SPY_CALLS]; /* the last ones, in order; older ones are forgotten */
    size_t count;
    size_t system_calls; /* as reported by the backend under it and by the refusals */
};

/* under NULL: the native backend. */
void spy_init(struct spy *spy, const hf_backend *under);

/* Forgets the calls and the count of system calls so far; refusals stay. */
void spy_forget(struct spy *spy);

/* How many calls of a step are noted. */
size_t spy_count(const struct spy *spy, enum spy_step step);

/* The nth call of a step that is noted, from 0; NULL when there are not so many. */
const struct spy_call *spy_nth(const struct spy *spy, enum spy_step step, size_t nth);

/* Committed less decommitted bytes, over the calls noted. */
size_t spy_committed(const struct spy *spy);

#endif
