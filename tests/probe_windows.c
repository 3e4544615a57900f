/*
 * probe_windows.c -- the kernel copies a byte between the address and a pipe: WriteFile and
 * ReadFile fail where a load or store by the program would fault. VirtualQuery is not used: it
 * shows the system's records about the address, not what the processor does there.
 */
#include "probe.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "check.h"

bool probe_copy(const char *from, char *to) {
    HANDLE reads, writes;
    DWORD count;
    CHECK(CreatePipe(&reads, &writes, NULL, 0));
    bool passed = WriteFile(writes, from, 1, &count, NULL) && count == 1 &&
                  ReadFile(reads, to, 1, &count, NULL) && count == 1;
    CloseHandle(reads);
    CloseHandle(writes);
    return passed;
}
