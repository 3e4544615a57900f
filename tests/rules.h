/*
 * rules.h -- the rules of Windows' placeholders, and the machines that they are held against.
 *
 * A rule is a sentence about VirtualAlloc2, VirtualFree, MapViewOfFile3 and UnmapViewOfFile2, and a
 * function that shows it with those calls (rules.c). It makes them on a machine: on Windows' own
 * interface (rules_windows.c), or on the strict backend, where each combination of flags stands
 * for the function of hf_backend that does the same (rules_strict.c). So one text says what holds,
 * and that strict behaves as the real thing is not an opinion.
 *
 *                    rules.c, one function for each rule
 *                                  |
 *                           struct machine
 *                          /              \
 *           rules_windows.c                rules_strict.c
 *           kernelbase.dll                 hf_backend -> strict.c
 *
 * Where a machine cannot show a rule, or does otherwise, it has a mark for that: what its calls
 * give instead, how often in that rule, and why. A mark is printed with its rule; a difference
 * without a mark fails, and so does a mark without its difference. Nothing is skipped in silence.
 */
#ifndef HOLDFAST_TESTS_RULES_H
#define HOLDFAST_TESTS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Windows' flags and codes, by their numbers: rules.c is compiled where no windows.h is. */
enum allocation {
    COMMIT = 0x1000,
    RESERVE = 0x2000,
    REPLACE = 0x4000, /* MEM_REPLACE_PLACEHOLDER */
    RELEASE = 0x8000,
    PLACEHOLDER = 0x40000, /* MEM_RESERVE_PLACEHOLDER */
    COALESCE = 0x1,        /* MEM_COALESCE_PLACEHOLDERS */
    PRESERVE = 0x2         /* MEM_PRESERVE_PLACEHOLDER */
};

enum protection { NO_ACCESS = 1, READ_ONLY = 2, READ_WRITE = 4, WRITE_COPY = 8 };

enum code {
    SUCCESS = 0,
    NOT_ENOUGH_MEMORY = 8,
    INVALID_PARAMETER = 87,
    PROCEDURE_NOT_FOUND = 127,
    INVALID_ADDRESS = 487,
    MAPPED_ALIGNMENT = 1132,
    COMMITMENT_LIMIT = 1455,

    NOT_SAYABLE = -1, /* the machine has no such call: nothing was done */
    REFUSED = -2,     /* nothing was done, and no code says why */
    NOT_HERE = -3     /* the system below has nothing of the kind */
};

enum section { PAGING_FILE, DATA_FILE, IMAGE };

/* What VirtualQuery says of a page. */
struct memory {
    unsigned long state, type, protection, first_protection;
};

struct mark {
    int rule;
    long instead;
    int count; /* 0: as the machine's settings have it */
    const char *why;
};

/* Each call gives a code: Windows' GetLastError(), or one of the three above. */
struct machine {
    const char *name;
    const struct mark *marks; /* ends with rule 0 */
    size_t (*page)(void);
    bool has_placeholders; /* or the system below plays them as well as it can */

    /* VirtualAlloc2; its predecessor; VirtualFree with a size or a flag of placeholders. */
    long (*allocate)(char *base, size_t size, unsigned type, unsigned protection, char **address);
    long (*allocate_old)(char *base, size_t size, unsigned type, unsigned protection,
                         char **address);
    long (*free)(char *address, size_t size, unsigned type);
    /* VirtualFree(address, 0, MEM_RELEASE). The caller says how large it thinks the piece is;
     * Windows does not ask. Likewise UnmapViewOfFile2, with PRESERVE or without. */
    long (*release)(char *address, size_t size);
    long (*unmap)(char *address, size_t size, unsigned flags);
    /* MapViewOfFile3, with REPLACE or without. */
    long (*map)(intptr_t section, char *base, uint64_t offset, size_t size, unsigned type,
                unsigned protection, char **address);

    /* A file is made where there is none, and grows to the section's size. An image is any. */
    long (*open_section)(enum section, const char *path, uint64_t size, intptr_t *section);
    void (*close_section)(intptr_t section);

    long (*query)(char *address, struct memory *);
    long (*find)(const char *library, const char *function); /* is exported */
    /* After starve, the next call that replaces a placeholder of this size gets no memory. */
    size_t (*too_much)(void);
    void (*starve)(void);

    /* Addresses that stay free, for a large placeholder exactly there. */
    uint64_t exact_base, exact_size;
};

/* Runs the rules that the command line names by number, or all, a line for each, and counts what
 * was shown. The exit status of the test. */
int rules_run(const struct machine *, int argument_count, char **arguments);

/* Says of each rule that there is nothing here to show it on, and why. */
void rules_decline(const char *why);

/* Frees every piece that lies in the range, whatever it is; nothing else may lie there. */
void machine_sweep(const struct machine *, char *base, size_t size);

#ifdef _WIN32
/* NULL: there are no placeholders here, and *why says so. */
const struct machine *machine_windows(const char **why);
#endif

const struct machine *machine_strict(void);
void machine_strict_close(void); /* checks that no piece and no file is left */

#endif
