/*
 * wine_headers.h -- included before the Windows backend when it is compiled with Wine's headers:
 * what Microsoft's <windows.h> declares and Wine's does not.
 */
#include <windows.h>
#include <winioctl.h>

typedef struct _FILE_ALLOCATED_RANGE_BUFFER {
    LARGE_INTEGER FileOffset;
    LARGE_INTEGER Length;
} FILE_ALLOCATED_RANGE_BUFFER;

typedef struct _FILE_SET_SPARSE_BUFFER {
    BOOLEAN SetSparse;
} FILE_SET_SPARSE_BUFFER;

WINBASEAPI BOOL WINAPI GetNumaHighestNodeNumber(ULONG *);
