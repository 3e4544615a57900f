/*
 * The system copies a byte between the address and a pipe, and refuses where a load or a store of
 * the program's own would have died. VirtualQuery would tell what the system has noted down about
 * the address, and not what the processor does there.
 */
#include "probe.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "check.h"

/* A byte from `from` through a pipe to `to`; false when the system could not copy it. */
static bool passes_through_pipe(const char *from, char *to) {
    HANDLE reads, writes;
    DWORD count;
    CHECK(CreatePipe(&reads, &writes, NULL, 0));
    bool passed = WriteFile(writes, from, 1, &count, NULL) && count == 1 &&
                  ReadFile(reads, to, 1, &count, NULL) && count == 1;
    CloseHandle(reads);
    CloseHandle(writes);
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
