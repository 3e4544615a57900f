/*
 * replay.c -- runs inputs of a fuzzer from files, for builds without a fuzzing engine.
 *
 *     fuzz_space_replay FILE|FOLDER...
 *
 * Ends by the fuzzer's own abort at the first finding, and names the input. AFL++ takes it for a
 * target, afl-fuzz ... -- fuzz_space_replay @@, or is many times faster with the same sources less
 * this one, compiled by afl-clang-fast -fsanitize=fuzzer.
 */
#include "host.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    LARGEST_INPUT = 1 << 16,
    PATH_BYTES = 4096,
    FEW_INPUTS = 20,
    LEAKED_BYTES = 1 << 20 /* what malloc may take meanwhile */
};

static char current[PATH_BYTES];
static size_t inputs;

/* Each input gives back what it maps: no more is mapped after many than after a few. */
static void check_mapped(void) {
    static size_t mapped_early;
    if (inputs == FEW_INPUTS) mapped_early = host_mapped_bytes();
    if (inputs <= FEW_INPUTS || host_mapped_bytes() < mapped_early + LEAKED_BYTES) return;
    fputs("\nmore and more is mapped\n", stderr);
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
    /* Of exactly this size, so that a sanitizer sees a read past its end. */
    uint8_t *input = malloc(size ? size : 1);
    if (!input) exit(2);
    memcpy(input, bytes, size);
    LLVMFuzzerTestOneInput(input, size);
    free(input);
    inputs++;
    check_mapped();
}

static void replay(const char *path) {
    if (!host_visit(path, replay)) replay_file(path);
}

int main(int count, char **paths) {
    if (count < 2) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", paths[0]);
        return 2;
    }
    host_begin("\ninput: ", current);
    for (int i = 1; i < count; i++) replay(paths[i]);
    printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
