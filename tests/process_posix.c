/*
 * process_posix.c -- process.h with fork and /proc (Linux).
 */
#define _GNU_SOURCE /* fork, popen, sigaction, getrusage beside ISO C */

#include "process.h"

#include <inttypes.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

/* ------------------------------------------------------------------- children --------------- */

enum { EXIT_FAULT_EXPECTED = 42 };

static const void *volatile expected_fault;

static int exit_status_of(pid_t child) {
    int status;
    CHECK(child > 0);
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* In the runtime of clang's coverage: the child writes its counters to a separate file. */
__attribute__((weak)) void __llvm_profile_initialize_file(void);
__attribute__((weak)) int __llvm_profile_write_file(void);

_Noreturn static void leave_child(void) {
    fflush(NULL);
    if (__llvm_profile_initialize_file) __llvm_profile_initialize_file();
    if (__llvm_profile_write_file) __llvm_profile_write_file();
    _exit(EXIT_SUCCESS);
}

bool process_runs(void (*function)(void *), void *argument) {
    fflush(NULL);
    pid_t child = fork();
    if (child != 0) return exit_status_of(child) == EXIT_SUCCESS;
    check_stands_alone();
    function(argument);
    leave_child();
}

/* s390x reports only the page of a fault. */
#ifdef __s390x__
#define FAULT_BITS ~(uintptr_t)4095
#else
#define FAULT_BITS ~(uintptr_t)0
#endif

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number, (void)context;
    bool is_expected = (((uintptr_t)info->si_addr ^ (uintptr_t)expected_fault) & FAULT_BITS) == 0;
    _exit(is_expected ? EXIT_FAULT_EXPECTED : EXIT_FAILURE);
}

bool process_faults_at(void (*function)(void *), void *argument, const void *address) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
        expected_fault = address;
        check_stands_alone();
        CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
        function(argument);
        leave_child();
    }
    return exit_status_of(child) == EXIT_FAULT_EXPECTED;
}

/* The command of the emulator that runs this program, if any. */
#ifndef PROCESS_EMULATOR
#define PROCESS_EMULATOR ""
#endif

FILE *process_start(const char *test) {
    char program[4096] = {0}, command[sizeof program + 100];
    CHECK(readlink("/proc/self/exe", program, sizeof program - 1) > 0);
    snprintf(command, sizeof command, "exec " PROCESS_EMULATOR " '%s' %s", program, test);
    fflush(NULL);
    return popen(command, "w");
}

bool process_ended_well(FILE *process) { return pclose(process) == EXIT_SUCCESS; }

FILE *process_input(void) { return stdin; }

/* ---------------------------------------------------------------- memory maps --------------- */

/* The value of the smaps line "Name:    123 kB" in bytes; 0 for other lines. */
static size_t bytes_named(const char *line, const char *name) {
    size_t length = strlen(name);
    if (strncmp(line, name, length) != 0 || line[length] != ':') return 0;
    return (size_t)strtoull(line + length + 1, NULL, 10) * 1024;
}

static void add_line(struct process_memory *sum, const char *line) {
    sum->resident += bytes_named(line, "Rss");
    sum->huge += bytes_named(line, "AnonHugePages");
    if (strncmp(line, "VmFlags:", 8) != 0) return;
    sum->advised_huge |= strstr(line, " hg") != NULL;
    sum->advised_no_huge |= strstr(line, " nh") != NULL;
    sum->not_forked |= strstr(line, " dc") != NULL;
}

struct process_memory process_memory_of(const void *start, size_t size) {
    struct process_memory sum = {0};
    uintptr_t first = (uintptr_t)start, end = first + size, from, to;
    char line[512];
    bool inside = false;
    FILE *smaps = fopen("/proc/self/smaps", "r");
    CHECK(smaps != NULL);
    while (fgets(line, sizeof line, smaps)) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &from, &to) == 2) {
            inside = from < end && to > first;
            sum.mappings += inside;
        } else if (inside) {
            add_line(&sum, line);
        }
    }
    fclose(smaps);
    return sum;
}

bool process_pays_for_addresses(void) { return false; }

size_t process_faults(void) {
    struct rusage usage;
    CHECK(getrusage(RUSAGE_SELF, &usage) == 0);
    return (size_t)usage.ru_minflt;
}
