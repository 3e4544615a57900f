/*
 * front_end_types.h -- what a front end keeps, written over the including file's name_ref: how one
 * name refers to another, 0 being none.
 */
#include <stdint.h>

/* An identifier, kept once. */
struct name {
    name_ref next; /* in its chain of the hash table */
    uint32_t hash;
    uint32_t uses;
    uint32_t keyword : 1, size : 31;
    char text[];
};

/* The hash table: a power of two of chains. */
struct names {
    name_ref *chains;
    size_t chain_count;
    size_t count; /* of names, keywords too */
};

/* A token as a parser wants it; comments are not listed. */
struct listed {
    uint32_t start;
    uint32_t kind : 4, size : 28;
    name_ref name; /* of an identifier */
};

struct list {
    struct listed *tokens;
    size_t count, room;
};
