/*
 * tail.c -- lines from one process to another through a ring that lies in a file.
 *
 *     tail RING            prints what arrives, until a writer comes to the end of its input
 *     tail RING --write    hands over its input, line by line, and says how many lines so far
 *
 *      writer:  stdin ----> | free |      the ring: both have the file mapped, each twice in a row
 *      reader:              | ready | ----> stdout
 *
 * No line is copied on the way: the writer reads its input into the ring, the reader writes from
 * it, and where the ring's end is, neither knows. No system call and no lock lies between the two;
 * who finds nothing to do sleeps for a moment.
 *
 * A line becomes the reader's as a whole, when hf_ring_write_end says so. So a writer may be killed
 * at any moment, and the next one goes on: no line arrives in half. A zero byte, which no line has,
 * ends the stream. The reader makes the file; one writer at a time.
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

/* A reader that died left the file, and in it what it had not printed: HF_IO, it is there. */
static hf_file *make_or_open(const char *path) {
    hf_file *file;
    hf_status status = hf_file_create(&file, path, HF_RING_POSITIONS + CAPACITY, NULL);
    if (status == HF_IO) status = hf_file_open(&file, path, HF_READ_WRITE, NULL);
    need(status, path);
    return file;
}

/* True when this was the end. */
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
    hf_ring *ring = open_ring(make_or_open(path), path);
    while (!print_ready(ring)) continue;
    hf_ring_close(ring);
}

/* --help and -h are answered; any other `word` is wrong. Returns the exit status. */
static int usage(const char *word) {
    bool is_help = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
    fputs("usage: tail RING [--write]\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int words, char **word) {
    bool writes = words == 3 && strcmp(word[2], "--write") == 0;
    bool is_sound = (words == 2 || writes) && word[1][0] != '-';
    if (!is_sound) return usage(word[words - 1]);
    if (writes)
        write_lines(word[1]);
    else
        print_lines(word[1]);
    return EXIT_SUCCESS;
}
