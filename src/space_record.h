/*
 * space_record.h -- opens a space whose own pages have room for the record of what lies in it, an
 * arena for example.
 *
 *      | hf_space | record | the first records of the map |        one page
 */
#ifndef HF_SPACE_RECORD_H
#define HF_SPACE_RECORD_H

#include <holdfast/space.h>

typedef struct hf_space_record {
    size_t size;   /* bytes of the record */
    bool is_apart; /* reserves the space apart from the records, so that a space of 2 MiB and more
                    * is aligned to a huge page; true also where options->base is set */
    void *address; /* set by hf_space_open_with: the record, zeroed, aligned for any object */
} hf_space_record;

/* hf_space_open, with a record in the space's own pages. Where the backend can, the pages and the
 * placeholder are one mapping, which is made and released in fewer system calls. hf_space_close
 * frees the record. */
hf_status hf_space_open_with(hf_space **space, size_t size, const hf_space_options *options,
                             hf_space_record *record);

#endif
