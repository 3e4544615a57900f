/* bench/folder.c -- see folder.h. */
#include "folder.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void folder_path(char path[FOLDER_PATH], const char *name) {
    const char *folder = getenv("BENCH_FOLDER");
    snprintf(path, FOLDER_PATH, "%s/holdfast-bench-%ld-%s", folder ? folder : ".", (long)getpid(),
             name);
    unlink(path);
}
