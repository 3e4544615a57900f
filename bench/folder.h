/*
 * bench/folder.h -- where the workloads with files have them: the folder that BENCH_FOLDER names,
 * else the current one.
 */
#ifndef BENCH_FOLDER_H
#define BENCH_FOLDER_H

enum { FOLDER_PATH = 4096 };

/* The path of a file of this process's own: nothing is there yet, or a dead process left it and it
 * is deleted. */
void folder_path(char path[FOLDER_PATH], const char *name);

#endif
