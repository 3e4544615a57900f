/*
 * bench/folder.h -- where workloads create their files: in the folder that the environment variable
 * BENCH_FOLDER names, else in the current one.
 */
#ifndef BENCH_FOLDER_H
#define BENCH_FOLDER_H

enum { FOLDER_PATH = 4096 };

/* Writes a path that contains this process's id and the name, and deletes a file that an earlier
 * process of the same id left there. */
void folder_path(char path[FOLDER_PATH], const char *name);

#endif
