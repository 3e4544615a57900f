/** @file
 *  holdfast/array.h: growing arrays in an arena, by macros.
 *
 *      | allocated | item 0 | item 1 |  ...  |  room  |pos        the last block: grows in place
 *                   items             count   capacity
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *
 *  typedef HF_ARRAY(int) int_array;
 *
 *  // The prime numbers below a limit, in an array whose items are NULL if there is no memory.
 *  int_array primes_below(hf_arena *arena, int limit) {
 *      int_array primes = {0, 0, 0};
 *      for (int number = 2; number < limit; number++) {
 *          size_t i = 0;
 *          while (i < primes.count && number % primes.items[i] != 0) i++;
 *          if (i == primes.count && !hf_array_push(arena, &primes, number)) break;
 *      }
 *      hf_array_shrink(arena, &primes);
 *      return primes;
 *  }
 *  @endcode
 *
 *  An array that is the last block of its arena grows in place, without a copy: it doubles, and
 *  from 64 KiB on it grows by 64 KiB. Another one is copied to the end of the arena, with twice the
 *  capacity. So n items are pushed in O(n). The old block stays allocated until the arena is
 *  rewound.
 *
 *  Items are aligned to the largest power of two that divides their size, up to HF_MAX_ALIGNMENT,
 *  which is enough for every type.
 *
 *  Arguments: `array` is evaluated several times, so pass the address of a variable. The others are
 *  evaluated once, or not at all if they are not needed.
 *
 *  An array belongs to one arena. Rewinding the arena below the array frees its items: zero the
 *  struct then. Pointers to items are valid until the array grows.
 */
#ifndef HOLDFAST_ARRAY_H
#define HOLDFAST_ARRAY_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

#ifdef __cplusplus
extern "C" {
#endif

/** @cond private */

/* What the macros call. `items` is the address of the field, whose type each array has its own of:
 * the pointer is copied from and to there as bytes. */
HF_API HF_COLD bool hf_array_grow(hf_arena *arena, void *items, size_t count, size_t *capacity,
                                  size_t more, size_t size);
HF_API bool hf_array_append_items(hf_arena *arena, void *items, size_t *count, size_t *capacity,
                                  const void *from, size_t more, size_t size);
HF_API void hf_array_shrink_items(hf_arena *arena, void *items, size_t count, size_t *capacity,
                                  size_t size);

/** @endcond */

#ifdef __cplusplus
}
#endif

/** The type of an array of T: a struct without a name, so give it one by a typedef. A zeroed one is
 *  empty. The items are items[0] to items[count - 1]; `capacity` is how many there can be before
 *  the array grows. The fields may be read, and `count` may be made smaller.
 *  @param T  the type of the items; in C++ one that memcpy can copy */
#define HF_ARRAY(T)             \
    struct {                    \
        T *items;               \
        size_t count, capacity; \
    }

/** Makes room for more items, so that adding them cannot fail and makes no call.
 *  @param arena  the arena, an hf_arena *
 *  @param array  the address of an HF_ARRAY()
 *  @param more   how many items, beside those that there are
 *  @return true: there is room for them; false: it failed and on_failure is NULL or returned false:
 *          the array is unchanged, unless on_failure freed it; hf_last_error().status is
 *  - HF_INVALID: the arena is closed, or the items are not in its allocated bytes
 *  - HF_WRONG_STATE: on_failure freed the items, or a forked child cannot grow the read-write image
 *    of its parent
 *  - HF_RESERVE_FULL: the size wraps, the reservation has no room for it, or the arena is a
 *    read-only image
 *  - HF_NO_MEMORY, HF_MAP_LIMIT: the system commits no more memory, or allows no more mappings
 *  - HF_NO_ADDRESS: after mlockall(MCL_FUTURE), RLIMIT_MEMLOCK allows no more (EAGAIN)
 *  - HF_NO_SPACE, HF_IO: the file of a read-write image cannot grow */
#define hf_array_reserve(arena, array, more)                                            \
    hf_array_grow((arena), &(array)->items, (array)->count, &(array)->capacity, (more), \
                  sizeof *(array)->items)

/** Appends an item.
 *  @param arena  the arena, an hf_arena *
 *  @param array  the address of an HF_ARRAY()
 *  @param item   its value; may be an item of the array. It is evaluated when there is room for it
 *  @return true: it is the last item; false: it failed, as hf_array_reserve() does */
#define hf_array_push(arena, array, item)                                             \
    (((array)->count < (array)->capacity || hf_array_reserve((arena), (array), 1)) && \
     ((array)->items[(array)->count] = (item), (array)->count++, true))

/** Appends an item whose bytes are not set.
 *  @param arena  the arena, an hf_arena *
 *  @param array  the address of an HF_ARRAY()
 *  @return its address; NULL: it failed, as hf_array_reserve() does */
#define hf_array_add(arena, array)                                               \
    ((array)->count < (array)->capacity || hf_array_reserve((arena), (array), 1) \
         ? &(array)->items[(array)->count++]                                     \
         : NULL)

/** Appends copies of many items.
 *  @param arena  the arena, an hf_arena *
 *  @param array  the address of an HF_ARRAY()
 *  @param from   the first of them; they may be items of the array. NULL only if there are none
 *  @param more   how many items
 *  @return true: they are the last items; false: it failed, as hf_array_reserve() does */
#define hf_array_append(arena, array, from, more)                                        \
    hf_array_append_items((arena), &(array)->items, &(array)->count, &(array)->capacity, \
                          ((void)sizeof((array)->items == (from)), (from)), (more),      \
                          sizeof *(array)->items)

/** Removes the last item.
 *  @param array  the address of an HF_ARRAY(); its count must not be 0
 *  @return the item's value; to ignore it, make `count` smaller instead */
#define hf_array_pop(array) ((array)->items[--(array)->count])

/** Gives the room behind the last item back, if the array is the last block of its arena;
 *  otherwise, and in a forked child of the process that opened the read-write image, nothing
 *  happens. An array without items is freed: `items` is NULL then.
 *  @param arena  the arena, an hf_arena *
 *  @param array  the address of an HF_ARRAY() */
#define hf_array_shrink(arena, array)                                                   \
    hf_array_shrink_items((arena), &(array)->items, (array)->count, &(array)->capacity, \
                          sizeof *(array)->items)

/** Frees the items, as hf_free() does, and makes the array empty.
 *  @param arena  the arena, an hf_arena *
 *  @param array  the address of an HF_ARRAY() */
#define hf_array_free(arena, array)                                                \
    (hf_free((arena), (array)->items, (array)->capacity * sizeof *(array)->items), \
     (array)->items = NULL, (array)->count = (array)->capacity = 0, (void)0)

#endif
