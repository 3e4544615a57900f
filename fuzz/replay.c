/*
 * replay.c -- runs inputs of a fuzzer from files, for builds without a fuzzing engine.
 *
 *     fuzz_space_replay FILE|FOLDER...
 *
 * Ends by the fuzzer's own abort at the first finding, and names the input. AFL++ takes it for a
 * target, afl-fuzz ... -- fuzz_space_replay @@, or is many times faster with the same sources less
 * this one, compiled by afl-clang-fast -fsanitize=fuzzer.
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In the sanitizers' runtime, where there is one. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)(void));

enum {
    LARGEST_INPUT = 1 << 16,
    PATH_BYTES = 4096,
    FEW_INPUTS = 20,
    LEAKED_BYTES = 1 << 20 /* what malloc may take meanwhile */
};

static char current[PATH_BYTES];
static size_t inputs;

static void name_input(void) {
    static const char text[] = "\ninput: ";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) return;
    if (write(STDERR_FILENO, current, strlen(current)) < 0) return;
    if (write(STDERR_FILENO, "\n", 1) < 0) return;
}

static void on_signal(int number) {
    signal(number, SIG_DFL);
    name_input();
    raise(number);
}

/* Where a sanitizer has handlers of its own, it calls back instead. */
static void watch(void) {
    signal(SIGABRT, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(name_input);
        return;
    }
    signal(SIGSEGV, on_signal);
    signal(SIGBUS, on_signal);
}

/* Bytes of addresses that this process has mapped; 0 where the system does not tell. */
static size_t mapped_bytes(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    if (fscanf(file, "%lu", &pages) != 1) pages = 0;
    fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* Each input gives back what it maps: no more is mapped after many than after a few. A sanitizer
 * maps more and more for itself. */
static void check_mapped(void) {
    static size_t mapped_early;
    if (__sanitizer_set_death_callback) return;
    if (inputs == FEW_INPUTS) mapped_early = mapped_bytes();
    if (inputs <= FEW_INPUTS || mapped_bytes() < mapped_early + LEAKED_BYTES) return;
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
    char entry_path[PATH_BYTES];
    DIR *folder = opendir(path);
    if (!folder) {
        replay_file(path);
        return;
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (entry->d_name[0] == '.') continue;
        snprintf(entry_path, sizeof entry_path, "%s/%s", path, entry->d_name);
        replay(entry_path);
    }
    closedir(folder);
}

int main(int count, char **paths) {
    if (count < 2) {
        fprintf(stderr, "usage: %s FILE|FOLDER...\n", paths[0]);
        return 2;
    }
    watch();
    for (int i = 1; i < count; i++) replay(paths[i]);
    printf("%zu inputs\n", inputs);
    return inputs > 0 ? 0 : 1;
}
