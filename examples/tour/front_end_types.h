/*
 * front_end_types.h -- the data that a front end keeps. The including file defines name_ref, the
 * type of a reference to a name (a pointer or a 32-bit ref); 0 refers to none.
 */
#include <stdint.h>

/* An identifier or a keyword. */
struct name {
    name_ref next; /* in its chain of the hash table */
    uint32_t hash;
    uint32_t uses;
    uint32_t keyword : 1, size : 31;
    char text[]; /* `size` bytes, without a NUL */
};

/* The hash table; the number of chains is a power of two. */
struct names {
    name_ref *chains;
    size_t chain_count;
    size_t count; /* of names, keywords included */
};

/* A token in the list for the parser. Comments are not listed. */
struct listed {
    uint32_t start;
    uint32_t kind : 4, size : 28;
    name_ref name; /* of an identifier */
};

struct list {
    struct listed *tokens;
    size_t count, room;
};
