/*
 * run_without_elf.c -- the verb run on Windows and macOS, whose loaders have no LD_PRELOAD.
 */
#include <stdio.h>

#include "options.h"
#include "run.h"

int run_request(const struct run_request *request) {
    fprintf(stderr,
            "holdfast: run: %s: preloading a malloc needs a system with ELF programs, such as "
            "Linux\n",
            request->command[0]);
    return WRONG_USAGE;
}
