/*
 * front_end_work.h -- the work itself, written once over the memory that the including file defines:
 *
 *   struct memory, name_ref                    (name_ref 0: none)
 *   memory_open, memory_close                  close: everything, piece by piece where it must be
 *   memory_text(memory, old, filled, least, &room)
 *                                              room for a text of unknown size: at least `least`
 *                                              bytes, of which `filled` are those of `old` (NULL)
 *   memory_keep_text(memory, text, size)       the text is complete
 *   memory_drop_text(memory, text)             the text is not wanted
 *   memory_new_name(memory, size, &ref), memory_name(memory, ref)
 *   memory_grow_chains(memory, old, old_count, count)   the new ones zeroed
 *   memory_begin_list(memory), memory_end_list(memory, list)
 *   memory_grow_list(memory, list, old_count, count)
 *
 * and WORK_NAME, how the memory kind is called, and WORK_KIND, its variable. All of it is reached
 * through that variable alone.
 */
#include "front_end.h"
#include "host.h"

/* A token as the parser wants it; comments are not listed. */
struct listed {
    uint32_t start;
    uint32_t kind : 4, size : 28;
    name_ref name; /* of an identifier */
};

struct list {
    struct listed *tokens;
    size_t count, room;
};

#include "names.h"

struct front_end {
    struct memory memory;
    struct names names;
    struct totals totals;
};

