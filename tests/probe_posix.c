/*
 * The system copies a byte between the address and a pipe, and answers EFAULT where a load or a
 * store of the program's own would have died.
 */
#include "probe.h"

#include <unistd.h>

#include "check.h"

/* A byte from `from` through a pipe to `to`; false when the system could not copy it. */
static bool passes_through_pipe(const char *from, char *to) {
    int ends[2];
    CHECK(pipe(ends) == 0);
    bool passed = write(ends[1], from, 1) == 1 && read(ends[0], to, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return passed;
}

bool probe_readable(const char *address) {
    char byte;
    return passes_through_pipe(address, &byte);
}

bool probe_writable(char *address) {
    char byte;
    return passes_through_pipe(address, &byte) && passes_through_pipe(&byte, address);
}
