/*
 * intern.h -- interning: each identifier is kept once, and known by a reference from then on.
 *
 * Written once over the memory that the including file defines, see front_end_work.h: a name_ref is
 * 32 bits in an arena and a pointer elsewhere.
 *
 * The hash table is an array of chains and doubles where it lies: a chain i of n parts into the
 * chains i and i + n, so nothing is rebuilt, and an array that can grow in place is never copied.
 *
 *     n = 2:   [0] a c e      [1] b d
 *     n = 4:   [0] a e        [1] b        [2] c        [3] d
 */
#include <string.h>

#include "keywords.h"

enum { FIRST_CHAINS = 1024 };

/* Four bytes as a number, in whatever order. */
static inline uint64_t name_word(const char *text) {
    uint32_t word;
    memcpy(&word, text, sizeof word);
    return word;
}

static inline uint64_t name_mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * 0x9E3779B97F4A7C15;
    return hash ^ hash >> 32;
}

/* Eight bytes at a time; the last ones may be read twice, so that no byte costs a branch. */
static inline uint32_t name_hash(const char *text, size_t size) {
    const char *end = text + size;
    uint64_t hash = size;
    for (; end - text > 8; text += 8)
        hash = name_mix(hash, name_word(text) | name_word(text + 4) << 32);
    if (size >= 8) return (uint32_t)name_mix(hash, name_word(end - 8) | name_word(end - 4) << 32);
    if (size >= 4) return (uint32_t)name_mix(hash, name_word(text) | name_word(end - 4) << 32);
    for (; text < end; text++) hash = name_mix(hash, (unsigned char)*text);
    return (uint32_t)hash;
}

static inline void names_part_chain(struct memory *memory, struct names *names, size_t chain) {
    name_ref *low = &names->chains[chain], *high = &names->chains[chain + names->chain_count];
    for (name_ref ref = *low; ref;) {
        struct name *name = memory_name(memory, ref);
        name_ref **tail = name->hash & names->chain_count ? &high : &low;
        **tail = ref;
        *tail = &name->next;
        ref = name->next;
    }
    *low = *high = 0;
}

static inline bool names_grow(struct memory *memory, struct names *names) {
    size_t old = names->chain_count, count = old ? 2 * old : FIRST_CHAINS;
    name_ref *chains = memory_grow_chains(memory, names->chains, old, count);
    if (!chains) return false;
    names->chains = chains;
    for (size_t chain = 0; chain < old; chain++) names_part_chain(memory, names, chain);
    names->chain_count = count;
    return true;
}

static inline name_ref names_add(struct memory *memory, struct names *names, const char *text,
                                 size_t size, uint32_t hash) {
    name_ref ref;
    if (names->count == names->chain_count && !names_grow(memory, names)) return 0;
    struct name *name = memory_new_name(memory, sizeof *name + size, &ref);
    if (!name) return 0;
    name_ref *chain = &names->chains[hash & (names->chain_count - 1)];
    name->next = *chain;
    name->hash = hash;
    name->uses = 0;
    name->keyword = 0;
    name->size = (uint32_t)size & 0x7FFFFFFF;
    memcpy(name->text, text, size);
    names->count++;
    *chain = ref;
    return ref;
}

/* The name's reference; 0 when there is no memory for a new one. */
static inline name_ref names_intern(struct memory *memory, struct names *names, const char *text,
                                    size_t size) {
    uint32_t hash = name_hash(text, size);
    name_ref ref = names->chain_count ? names->chains[hash & (names->chain_count - 1)] : 0;
    while (ref) {
        struct name *name = memory_name(memory, ref);
        bool equal = name->hash == hash && name->size == size && !memcmp(name->text, text, size);
        if (equal) return ref;
        ref = name->next;
    }
    return names_add(memory, names, text, size, hash);
}

static inline bool names_open(struct memory *memory, struct names *names) {
    for (size_t i = 0; i < keyword_count; i++) {
        name_ref ref = names_intern(memory, names, keywords[i], strlen(keywords[i]));
        if (!ref) return false;
        memory_name(memory, ref)->keyword = 1;
    }
    return true;
}

/* Calls back with each name. The callback may free it. */
static inline void names_each(struct memory *memory, struct names *names,
                              void (*each)(struct memory *, struct name *, void *), void *user) {
    for (size_t chain = 0; chain < names->chain_count; chain++)
        for (name_ref ref = names->chains[chain], next; ref; ref = next) {
            struct name *name = memory_name(memory, ref);
            next = name->next;
            each(memory, name, user);
        }
}
