/*
 * faults.c -- what libholdfast-malloc.so writes to stderr: one line when a program made a mistake,
 * and one line of statistics at exit if HOLDFAST_STATS=1 is in the environment. By write(2): stdio
 * may call malloc.
 */
#define _GNU_SOURCE

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "malloc_core.h"

typedef struct faults_line {
    char text[256];
    size_t length;
} faults_line;

static void faults_add(faults_line *line, const char *text) {
    while (*text && line->length < sizeof line->text - 1) line->text[line->length++] = *text++;
}

static void faults_add_number(faults_line *line, uintmax_t number, unsigned base) {
    char digits[sizeof number * 3 + 1], *first = &digits[sizeof digits - 1];
    *first = '\0';
    do *--first = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    faults_add(line, first);
}

/* A line that cannot be written is lost: there is nowhere to report that. */
static void faults_write(faults_line *line, int file) {
    line->text[line->length++] = '\n';
    const char *from = line->text, *end = line->text + line->length;
    for (ssize_t done; from < end; from += done) {
        done = write(file, from, (size_t)(end - from));
        if (done <= 0) return;
    }
}

/* ---------------------------------------------------------------------- faults ------------ */

_Noreturn void hf_malloc_abort(const char *text, const void *block) {
    faults_line line = {.length = 0};
    faults_add(&line, "holdfast-malloc: ");
    faults_add(&line, text);
    if (block) faults_add(&line, ": 0x");
    if (block) faults_add_number(&line, (uintptr_t)block, 16);
    faults_write(&line, STDERR_FILENO);
    hf_malloc_unlock_for_abort();
    abort();
}

void hf_malloc_on_fault(hf_heap *heap, hf_heap_fault fault, void *block, void *user) {
    (void)heap, (void)user;
    hf_malloc_abort(fault == HF_FAULT_DOUBLE_FREE ? "a block was freed twice"
                    : fault == HF_FAULT_WILD_FREE ? "an address was freed that is no block"
                                                  : "a block was changed after it was freed",
                    block);
}

/* ------------------------------------------------------------------- statistics ----------- */

static void faults_add_count(faults_line *line, uintmax_t number, const char *text) {
    faults_add_number(line, number, 10);
    faults_add(line, text);
}

static int faults_file = -1;      /* a copy of stderr; -1: no statistics are wanted */
static struct stat faults_opened; /* what it was when it was opened */

/* Many programs close stderr before they exit, to learn whether all was written. */
__attribute__((constructor)) static void faults_start(void) {
    const char *wanted = getenv("HOLDFAST_STATS");
    if (wanted == NULL || strcmp(wanted, "1") != 0) return;
    faults_file = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (faults_file >= 0 && fstat(faults_file, &faults_opened) != 0) faults_file = -1;
}

/* False if the program has closed all descriptors, and perhaps opened a file of its own there. */
static bool faults_is_stderr(void) {
    struct stat now;
    return faults_file >= 0 && fstat(faults_file, &now) == 0 &&
           now.st_dev == faults_opened.st_dev && now.st_ino == faults_opened.st_ino;
}

/* Sizes are in KiB. */
__attribute__((destructor)) static void faults_at_exit(void) {
    faults_line line = {.length = 0};
    size_t heaps, running;
    if (!faults_is_stderr()) return;
    hf_heap_stats stats = hf_malloc_sum(&heaps, &running);
    faults_add(&line, "holdfast-malloc: process ");
    faults_add_count(&line, (uintmax_t)getpid(), ": at most ");
    faults_add_count(&line, stats.peak / 1024, " KiB committed, now ");
    faults_add_count(&line, stats.committed / 1024, " KiB; ");
    faults_add_count(&line, stats.blocks, " blocks of ");
    faults_add_count(&line, stats.used / 1024, " KiB allocated; ");
    faults_add_count(&line, stats.purges, " purges, ");
    faults_add_count(&line, stats.system_calls, " system calls; heaps: ");
    faults_add_number(&line, heaps, 10);
    if (running) faults_add(&line, ", left out because other threads use them: ");
    if (running) faults_add_number(&line, running, 10);
    faults_write(&line, faults_file);
}
