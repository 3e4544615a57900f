/*
 * intern.h -- interning: stores each identifier once and returns a reference to it.
 *
 * It calls the memory functions that the including file defines; see front_end_work.h. A name_ref
 * is a 32-bit ref in an arena and a pointer on other memory.
 *
 * The hash table is an array of chains. When it doubles, chain i of n is split into the chains i
 * and i + n, so the array can grow in place and no name moves.
 *
 *     n = 2:   [0] a c e      [1] b d
 *     n = 4:   [0] a e        [1] b        [2] c        [3] d
 */
#include <string.h>

#include "keywords.h"

enum { FIRST_CHAINS = 1024 };

/* Reads four bytes as a number in the machine's byte order. */
static inline uint64_t name_load(const char *text) {
    uint32_t value;
    memcpy(&value, text, sizeof value);
    return value;
}

static inline uint64_t name_mix(uint64_t hash, uint64_t value) {
    hash = (hash ^ value) * 0x9E3779B97F4A7C15;
    return hash ^ hash >> 32;
}

/* Hashes eight bytes at a time. The last eight may overlap the ones before: no loop over a rest. */
static inline uint32_t name_hash(const char *text, size_t size) {
    const char *end = text + size;
    uint64_t hash = size;
    for (; end - text > 8; text += 8)
        hash = name_mix(hash, name_load(text) | name_load(text + 4) << 32);
    if (size >= 8) return (uint32_t)name_mix(hash, name_load(end - 8) | name_load(end - 4) << 32);
    if (size >= 4) return (uint32_t)name_mix(hash, name_load(text) | name_load(end - 4) << 32);
    for (; text < end; text++) hash = name_mix(hash, (unsigned char)*text);
    return (uint32_t)hash;
}

static inline void names_split_chain(struct memory *memory, struct names *names, size_t chain) {
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
    for (size_t chain = 0; chain < old; chain++) names_split_chain(memory, names, chain);
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

/* Returns the reference of the name, which is added if it is new; 0: no memory for it. */
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

/* Calls `each` with each name, which it may free. */
static inline void names_each(struct memory *memory, struct names *names,
                              void (*each)(struct memory *, struct name *, void *), void *user) {
    for (size_t chain = 0; chain < names->chain_count; chain++)
        for (name_ref ref = names->chains[chain], next; ref; ref = next) {
            struct name *name = memory_name(memory, ref);
            next = name->next;
            each(memory, name, user);
        }
}
