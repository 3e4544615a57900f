/*
 * tail.c -- sends lines from one process to another through a ring in a file.
 *
 *     tail RING            prints the lines that arrive, until a writer's input ends
 *     tail RING --write    sends its input line by line, and prints the number of lines so far
 *
 *      writer:  stdin ----> | free |      the ring: both have the file mapped, each twice in a row
 *      reader:              | ready | ----> stdout
 *
 * No line is copied in between: the writer reads its input into the ring, and the reader prints
 * from it; neither has to handle a wrap-around. The ring makes no system call and has no lock; a
 * process that finds the ring full or empty sleeps for a millisecond.
 *
 * hf_ring_write_end makes a line visible to the reader as a whole. So a writer may be killed at any
 * time and another one may continue: no part of a line arrives. A NUL, which no line contains, ends
 * the stream. The reader creates the file. There may be one writer at a time.
 */
#include <holdfast.h>

#include "sleep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CAPACITY = 1 << 16, LONGEST = 4096 };

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "tail: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

static hf_ring *open_ring(hf_file *file, const char *path) {
    hf_ring *ring;
    need(hf_ring_open_file(&ring, file), path);
    hf_file_close(file);
    return ring;
}

static char *wait_for_room(hf_ring *ring) {
    size_t room;
    for (;; sleep_a_millisecond()) {
        char *into = hf_ring_write_begin(ring, &room);
        if (room >= LONGEST) return into;
    }
}

static void write_lines(const char *path) {
    hf_file *file;
    need(hf_file_open(&file, path, HF_READ_WRITE, NULL), path);
    hf_ring *ring = open_ring(file, path);
    const char *line;
    for (unsigned long lines = 1; (line = fgets(wait_for_room(ring), LONGEST, stdin)); lines++) {
        hf_ring_write_end(ring, strlen(line));
        printf("%lu\n", lines);
        fflush(stdout);
    }
    *wait_for_room(ring) = '\0';
    hf_ring_write_end(ring, 1);
    hf_ring_close(ring);
}

/* Creates the file, or opens the one that an earlier reader left (HF_IO), which may contain lines
 * that it has not printed. */
static hf_file *create_or_open(const char *path) {
    hf_file *file;
    hf_status status = hf_file_create(&file, path, HF_RING_POSITIONS + CAPACITY, NULL);
    if (status == HF_IO) status = hf_file_open(&file, path, HF_READ_WRITE, NULL);
    need(status, path);
    return file;
}

/* Prints the lines that are ready, or sleeps if there are none. True: the stream has ended. */
static bool print_ready(hf_ring *ring) {
    size_t ready;
    const char *from = hf_ring_read_begin(ring, &ready);
    const char *end = memchr(from, '\0', ready);
    if (ready == 0) return sleep_a_millisecond(), false;
    fwrite(from, 1, end ? (size_t)(end - from) : ready, stdout);
    fflush(stdout);
    hf_ring_read_end(ring, end ? (size_t)(end - from) + 1 : ready);
    return end != NULL;
}

static void print_lines(const char *path) {
    hf_ring *ring = open_ring(create_or_open(path), path);
    while (!print_ready(ring)) continue;
    hf_ring_close(ring);
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: tail RING [--write]\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    bool writes = argc == 3 && strcmp(argv[2], "--write") == 0;
    bool is_sound = (argc == 2 || writes) && argv[1][0] != '-';
    if (!is_sound) return usage(argv[argc - 1]);
    if (writes)
        write_lines(argv[1]);
    else
        print_lines(argv[1]);
    return EXIT_SUCCESS;
}
