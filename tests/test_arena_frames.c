/*
 * A steady frame loop makes no system call: observed from outside by strace. Linux.
 *
 * The program runs strace on its own executable with one test, the loop. That test makes a system
 * call that is easy to find (getppid) before and after the loop.
 */
#define _GNU_SOURCE /* declares popen, getppid */

#include <unistd.h>

#include "arena_fixture.h"

static void run_frame(hf_arena *arena, size_t frame) {
    for (size_t i = 0; i < 3000; i++) {
        size_t size = 16 + (frame * 31 + i * 7) % 113;
        memset(hf_alloc(arena, size, 8), 1, size);
    }
    hf_scope scope = hf_scope_begin(arena);
    CHECK(hf_new_array(arena, double, 10000 + frame % 50) != NULL);
    CHECK(hf_asprintf(arena, "frame %zu", frame) != NULL);
    CHECK_STATUS(HF_OK, hf_scope_end(scope));
    char *block = hf_alloc(arena, 100, 8);
    CHECK(hf_extend(arena, block, 100, 200000 + frame % 1000));
    CHECK_STATUS(HF_OK, hf_reset(arena));
}

static void run_frames(hf_arena *arena, size_t first, size_t last) {
    for (size_t frame = first; frame < last; frame++) run_frame(arena, frame);
}

static void a_loop_between_two_marks(void) {
    hf_arena arena = fixture_open((hf_arena_options){0});
    run_frames(&arena, 0, 10);
    size_t calls = hf_arena_get_stats(&arena).system_calls;
    getppid();
    run_frames(&arena, 10, 1000);
    getppid();
    CHECK_EQUAL(calls, hf_arena_get_stats(&arena).system_calls);
    hf_arena_close(&arena);
}

/* Counts the system calls between the first two marks in strace's output; SIZE_MAX if there are no
 * two marks. */
static size_t calls_between_marks(FILE *trace) {
    char line[1000];
    size_t marks = 0, calls = 0;
    while (fgets(line, sizeof line, trace)) {
        bool is_mark = strncmp(line, "getppid(", 8) == 0;
        if (marks == 1 && !is_mark) printf("%s", line);
        calls += marks == 1 && !is_mark;
        marks += is_mark;
    }
    return marks == 2 ? calls : SIZE_MAX;
}

static void skip_without_strace(void) {
    if (system("strace -o /dev/null true 2>/dev/null") == 0) return;
    printf("strace is missing, or may not trace here\n");
    exit(CHECK_SKIPPED);
}

static void strace_sees_no_call_in_it(void) {
    char command[300], program[200] = "";
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    skip_without_strace();
    snprintf(command, sizeof command, "strace '%s' a_loop_between_two_marks 2>&1 >/dev/null",
             program);
    fflush(stdout);
    FILE *trace = popen(command, "r");
    CHECK(trace != NULL);
    size_t calls = calls_between_marks(trace);
    CHECK(pclose(trace) == 0);
    CHECK_EQUAL(0, calls);
}

CHECK_MAIN(TEST(a_loop_between_two_marks), TEST(strace_sees_no_call_in_it))
