/*
 * replay.c -- runs inputs of a fuzzer from files, in builds without a fuzzing engine.
 *
 *     fuzz_space_replay [--one-of N] FILE|FOLDER...
 *
 * With --one-of N about every N-th input is run, chosen by its name, so that the choice is the same
 * everywhere. The first failed check aborts, and the input is named. For AFL++ this is a target:
 * afl-fuzz ... -- fuzz_space_replay @@. It is much faster with the same sources without this file,
 * compiled by afl-clang-fast -fsanitize=fuzzer.
 */
#include "host.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    LARGEST_INPUT = 1 << 16,
    PATH_BYTES = 4096,
    FEW_INPUTS = 20,
    LEAKED_BYTES = 1 << 20 /* malloc may map so much meanwhile */
};

/* In the runtime of the sanitizers; NULL without them. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

static char current[PATH_BYTES]; /* path of the input that runs */
static size_t inputs;
static unsigned one_of = 1;

static void print_current(void) { fprintf(stderr, "\ninput: %s\n", current); }

static void on_signal(int number) {
    signal(number, SIG_DFL);
    print_current();
    raise(number);
}

/* Names the input when the process dies. A sanitizer has handlers for faults, and calls back. */
static void watch(void) {
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(print_current);
        return;
    }
    signal(SIGSEGV, on_signal);
#ifdef SIGBUS
    signal(SIGBUS, on_signal);
#endif
}

static bool is_chosen(const char *path) {
    unsigned sum = 0;
    for (; *path; path++) sum = *path == '/' || *path == '\\' ? 0 : sum * 31 + (unsigned char)*path;
    return sum % one_of == 0;
}

/* After many inputs no more is mapped than after a few. */
static void check_mapped(void) {
    static size_t mapped_early;
    if (inputs == FEW_INPUTS) mapped_early = host_mapped_bytes();
    if (inputs <= FEW_INPUTS || host_mapped_bytes() < mapped_early + LEAKED_BYTES) return;
    fputs("\nthe inputs leak mappings\n", stderr);
    abort();
}

static void replay_file(const char *path) {
    static uint8_t bytes[LARGEST_INPUT];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(2);
    }
    size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    snprintf(current, sizeof current, "%s", path);
    /* An allocation of exactly this size, so that a sanitizer reports a read past its end. */
    uint8_t *input = malloc(size ? size : 1);
    if (!input) exit(2);
    memcpy(input, bytes, size);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    inputs++;
    check_mapped();
}

static void replay(const char *path) {
    if (!host_visit(path, replay) && is_chosen(path)) replay_file(path);
}

/* Returns the index of the first path. */
static int read_options(int count, char **arguments) {
    if (count < 3 || strcmp(arguments[1], "--one-of") != 0) return 1;
    one_of = (unsigned)strtoul(arguments[2], NULL, 10);
    return one_of > 0 ? 3 : count;
}

int main(int count, char **arguments) {
    int first = read_options(count, arguments);
    if (first >= count) {
        fprintf(stderr, "usage: %s [--one-of N] FILE|FOLDER...\n", arguments[0]);
        return 2;
    }
    watch();
    for (int i = first; i < count; i++) replay(arguments[i]);
    printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
