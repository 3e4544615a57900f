/** @file
 *  holdfast/types.h: the types and the constants that several headers share.
 *
 *  A space (space.h) is tiled by regions, and each region has one of three kinds:
 *
 *      | committed | view |               placeholder                   |
 *
 *  @code{.c}
 *  #include <holdfast/types.h>
 *
 *  // Returns how many bytes of a region have memory or a file.
 *  size_t used(const hf_region *region) {
 *      return region->kind == HF_PLACEHOLDER ? 0 : region->size;
 *  }
 *  @endcode
 */
#ifndef HOLDFAST_TYPES_H
#define HOLDFAST_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** The address of a reservation is a multiple of this many bytes (64 KiB) on every system. */
#define HF_ALLOCATION_GRANULARITY ((size_t)65536)

/** Bytes of the longest name of shared memory, with its NUL: hf_file_create_named(). */
#define HF_SHARED_NAME_SIZE 201

/** The kind of a region. */
typedef enum hf_kind {
    HF_PLACEHOLDER, /**< reserved addresses: nothing else can take them, touching them faults */
    HF_COMMITTED,   /**< private memory, readable and writable */
    HF_VIEW         /**< a view of a file */
} hf_kind;

/** How a file is opened, and what stores into a view of it do. */
typedef enum hf_access {
    HF_READ_WRITE,   /**< stores reach the file */
    HF_READ_ONLY,    /**< stores fault */
    HF_COPY_ON_WRITE /**< a store makes a private copy of the page; the file stays as it is */
} hf_access;

/** What a program may do with pages: hf_space_protect(). Everything else faults. */
typedef enum hf_protection {
    HF_PROTECT_NONE,        /**< nothing */
    HF_PROTECT_READ,        /**< read */
    HF_PROTECT_READ_WRITE,  /**< read and write; for read-only views not possible */
    HF_PROTECT_READ_EXECUTE /**< read and execute */
} hf_protection;

/** One region of a space, as hf_space_find() and hf_space_next() describe it. */
typedef struct hf_region {
    size_t offset;        /**< where it begins, in bytes from the space's base; whole pages */
    size_t size;          /**< its size in bytes; whole pages */
    hf_kind kind;         /**< its kind */
    hf_access access;     /**< of a view; else HF_READ_WRITE */
    uint64_t file_offset; /**< of a view: where in the file it begins, in bytes; else 0 */
    /** At the byte that was asked for, or at the region's first one (hf_space_next()). Pages of one
     *  region may differ. Of a placeholder: HF_PROTECT_NONE. */
    hf_protection protection;
} hf_region;

/** What the committed memory of a space is like. Zero is ordinary memory. */
typedef struct hf_memory {
    size_t huge_page;  /**< bytes of the huge pages it consists of (2 MiB and 1 GiB on x86-64): then
                        *   they are the space's page size, also of its views, and commit takes them
                        *   from those that the system keeps for it (Linux: vm.nr_hugepages); 0:
                        *   ordinary pages */
    bool lazy;         /**< not charged against the limit on committed memory, so that far more can
                        *   be committed than there is; a store that finds no page ends the process.
                        *   Linux without vm.overcommit_memory=2; elsewhere HF_UNSUPPORTED */
    bool no_dump;      /**< left out of core dumps (Linux, FreeBSD) */
    bool on_numa_node; /**< only from the memory of one NUMA node (Linux, Windows) */
    unsigned numa_node; /**< the number of that node */
} hf_memory;

/** A hint for hf_space_advise(). */
typedef enum hf_advice {
    HF_ADVISE_HUGE,    /**< back these addresses with huge pages where the system can */
    HF_ADVISE_NO_HUGE, /**< never back them with huge pages */
    HF_ADVISE_POPULATE /**< fault the committed pages in now */
} hf_advice;

#endif
