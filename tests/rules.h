/*
 * rules.h -- the rules of Windows' placeholders, and the machines that they are tested on.
 *
 * A rule is a sentence about VirtualAlloc2, VirtualFree, VirtualProtect, MapViewOfFile3 and
 * UnmapViewOfFile2, and a function that shows it with those calls (rules.c). The calls go to a
 * machine: to the Windows API (rules_windows.c), or to the strict backend, where each combination
 * of flags stands for the function of hf_backend that does the same (rules_strict.c). So the same
 * tests run on both, and show that strict behaves as Windows does.
 *
 *                    rules.c, one function for each rule
 *                                  |
 *                           struct machine
 *                          /              \
 *           rules_windows.c                rules_strict.c
 *           kernelbase.dll                 hf_backend -> strict.c
 *
 * Where a machine cannot show a rule, or behaves differently, it has a mark: the code that its
 * calls return instead, how often this happens in the rule, and why. A mark is printed with its
 * rule. A difference without a mark fails, and so does a mark without a difference.
 */
#ifndef HOLDFAST_TESTS_RULES_H
#define HOLDFAST_TESTS_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Flags and codes of Windows, by number: rules.c is also compiled where there is no windows.h. */
enum allocation {
    COMMIT = 0x1000,
    RESERVE = 0x2000,
    REPLACE = 0x4000, /* MEM_REPLACE_PLACEHOLDER */
    RELEASE = 0x8000,
    PLACEHOLDER = 0x40000, /* MEM_RESERVE_PLACEHOLDER */
    COALESCE = 0x1,        /* MEM_COALESCE_PLACEHOLDERS */
    PRESERVE = 0x2         /* MEM_PRESERVE_PLACEHOLDER */
};

enum protection { NO_ACCESS = 1, READ_ONLY = 2, READ_WRITE = 4, WRITE_COPY = 8, EXECUTE_READ = 32 };

enum code {
    SUCCESS = 0,
    NOT_ENOUGH_MEMORY = 8,
    INVALID_PARAMETER = 87,
    PROCEDURE_NOT_FOUND = 127,
    INVALID_ADDRESS = 487,
    MAPPED_ALIGNMENT = 1132,
    COMMITMENT_LIMIT = 1455,

    NO_SUCH_CALL = -1, /* the machine has no such call: nothing was done */
    NO_CODE = -2,      /* the call failed without a code */
    NOT_HERE = -3      /* the system below the machine does not support this */
};

enum section { PAGING_FILE, DATA_FILE, IMAGE };

/* What VirtualQuery returns for a page. */
struct memory {
    unsigned long state, type, protection, first_protection;
};

struct mark {
    int rule;
    long instead;
    int count; /* 0: depends on the settings of the system */
    const char *why;
};

/* Each call returns a code: SUCCESS, GetLastError() of Windows, or one of the three above. */
struct machine {
    const char *name;
    const struct mark *marks; /* ends with rule 0 */
    size_t (*page)(void);
    bool has_placeholders; /* false: the system below has none, the backend imitates them */

    /* VirtualAlloc2; VirtualAlloc; VirtualFree with a size or a placeholder flag. */
    long (*allocate)(char *base, size_t size, unsigned type, unsigned protection, char **address);
    long (*allocate_old)(char *base, size_t size, unsigned type, unsigned protection,
                         char **address);
    long (*free)(char *address, size_t size, unsigned type);
    /* VirtualFree(address, 0, MEM_RELEASE), and UnmapViewOfFile2 with or without PRESERVE. size is
     * what the caller takes for the size of the piece; Windows has no such parameter. */
    long (*release)(char *address, size_t size);
    long (*unmap)(char *address, size_t size, unsigned flags);
    /* MapViewOfFile3, with or without REPLACE. */
    long (*map)(intptr_t section, char *base, uint64_t offset, size_t size, unsigned type,
                unsigned protection, char **address);

    long (*protect)(char *address, size_t size, unsigned protection); /* VirtualProtect */

    /* DATA_FILE: creates the file if there is none, and extends it to the size of the section.
     * IMAGE: any executable, the path is not used. */
    long (*open_section)(enum section, const char *path, uint64_t size, intptr_t *section);
    void (*close_section)(intptr_t section);

    long (*query)(char *address, struct memory *);
    long (*find)(const char *library, const char *function); /* the library exports the function */
    /* After starve, the next call that replaces a placeholder of too_much bytes fails for lack of
     * memory. */
    size_t (*too_much)(void);
    void (*starve)(void);

    /* A range of addresses that nothing uses, for reserving a large placeholder at a given base. */
    uint64_t exact_base, exact_size;
};

/* Runs the rules whose numbers are on the command line, or all. Prints a line for each and how many
 * were shown. Returns the exit status of the test. */
int rules_run(const struct machine *, int argument_count, char **arguments);

/* Prints for each rule that it cannot be shown on this system, and why. */
void rules_skip(const char *why);

/* Releases every placeholder, allocation and view in the range. */
void machine_sweep(const struct machine *, char *base, size_t size);

#ifdef _WIN32
/* NULL: this Windows has no placeholders, and *why says why. */
const struct machine *machine_windows(const char **why);
#endif

const struct machine *machine_strict(void);
void machine_strict_close(void); /* checks that no region, page or file is left */

#endif
