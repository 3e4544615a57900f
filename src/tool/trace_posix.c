/*
 * trace_posix.c -- trace.h by ptrace(2) on Linux. Elsewhere nothing is watched.
 *
 *   watcher   fork --> seize --> open the gate --> wait for stops, continue, ... --> report
 *   program            gate ------------------> exec ...   end: stops, and its maps are read
 *
 * PTRACE_SEIZE, unlike PTRACE_TRACEME, changes neither exec nor SIGSTOP for the program. When the
 * watcher ends, the kernel detaches all processes that it still watches.
 */
#define _GNU_SOURCE

#include "trace.h"

#ifdef __linux__

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* These numbers are the kernel's interface, and not in the headers of every C library. */
enum {
    TRACE_EVENT_EXIT = 6,
    TRACE_EVENT_STOP = 128,
    TRACE_OPTIONS = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 6 /* fork, vfork, clone, exit */
};

static const char *const trace_allocators[] = {"/libholdfast-malloc", "/libmimalloc",
                                               "/libjemalloc", "/libtcmalloc"};

static const char *trace_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ----------------------------------------------------------- what a process has mapped ----- */

static bool trace_lists(const char *list, const char *name) {
    for (const char *at = list; (at = strstr(at, name)) != NULL; at++) {
        char behind = at[strlen(name)];
        if ((at == list || at[-1] == ' ') && (behind == ',' || behind == '\0')) return true;
    }
    return false;
}

/* Adds a name to the list, once; the list is cut short by "...". */
static void trace_add_name(struct compare_sight *sight, const char *name) {
    char *list = sight->names;
    size_t length = strlen(list), room = sizeof sight->names - length;
    if (trace_lists(list, name)) return;
    if (strlen(name) + 8 < room)
        snprintf(list + length, room, "%s%s", length ? ", " : "", name);
    else if (length < 3 || strcmp(list + length - 3, "...") != 0)
        snprintf(list + length, room, ", ...");
}

static void trace_note_allocator(struct compare_sight *sight, const char *line) {
    for (size_t i = 0; i < sizeof trace_allocators / sizeof *trace_allocators; i++) {
        const char *found = strstr(line, trace_allocators[i]);
        if (found) trace_add_name(sight, found + 1);
    }
}

static bool trace_ends_in(const char *line, const char *name) {
    size_t length = strlen(line), tail = strlen(name);
    return tail < length && line[length - tail - 1] == '/' &&
           strcmp(line + length - tail, name) == 0;
}

/* Reads the maps of a process. True: the library, by its file name, is one of them. */
static bool trace_has(pid_t process, const char *library, struct compare_sight *sight) {
    char path[64], line[COMPARE_PATH_SIZE + 200];
    bool has = false;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)process);
    FILE *maps = fopen(path, "r");
    while (maps && !has && fgets(line, sizeof line, maps)) {
        line[strcspn(line, "\n")] = '\0';
        if (*library)
            has = trace_ends_in(line, library);
        else
            trace_note_allocator(sight, line);
    }
    if (maps) fclose(maps);
    return has;
}

static void trace_add_program(pid_t process, struct compare_sight *sight) {
    char path[64], program[COMPARE_PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%ld/exe", (long)process);
    ssize_t size = readlink(path, program, sizeof program - 1);
    if (size <= 0) return;
    program[size] = '\0';
    trace_add_name(sight, trace_name(program));
}

/* ------------------------------------------------------------------- the watcher ---------- */

struct trace {
    pid_t first;         /* the program itself */
    const char *library; /* the name of its file */
    struct compare_sight *sight;
    bool thread_seen, thread_has; /* what the last thread of the first one that ended had mapped */
};

/* The process of a thread; 0: unknown. */
static pid_t trace_process_of(pid_t thread) {
    char path[64], line[200];
    long process = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)thread);
    FILE *status = fopen(path, "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "Tgid: %ld", &process) == 1) break;
    if (status) fclose(status);
    return (pid_t)process;
}

static void trace_count(struct trace *trace, bool is_first, bool has) {
    struct compare_sight *sight = trace->sight;
    sight->processes++;
    sight->is_known |= is_first;
    sight->without += !has;
    sight->first_without |= is_first && !has;
}

/* Looks at a thread that ends. The first thread of a process stands for it. But if another thread
 * ends the process, the kernel kills the first one, which then may not stop. */
static void trace_look(struct trace *trace, pid_t thread) {
    pid_t process = trace_process_of(thread);
    if (process != thread && process != trace->first) return;
    bool has = trace_has(thread, trace->library, trace->sight) || !*trace->library;
    if (process != thread) {
        trace->thread_seen = true, trace->thread_has = has;
        return;
    }
    if (!has) trace_add_program(thread, trace->sight);
    trace_count(trace, process == trace->first, has);
}

/* Lets a stopped process continue. Group stops (SIGTSTP, say) last until SIGCONT. */
static void trace_continue(struct trace *trace, pid_t process, int status) {
    int event = status >> 16, signal = WSTOPSIG(status);
    if (event == TRACE_EVENT_EXIT) trace_look(trace, process);
    if (event == TRACE_EVENT_STOP && signal != SIGTRAP)
        ptrace(PTRACE_LISTEN, process, NULL, NULL);
    else
        ptrace(PTRACE_CONT, process, NULL, (void *)(uintptr_t)(event ? 0 : signal));
}

static void trace_watch(struct trace *trace) {
    for (bool ended = false; !ended;) {
        int status;
        pid_t process = waitpid(-1, &status, __WALL);
        if (process > 0 && WIFSTOPPED(status))
            trace_continue(trace, process, status);
        else
            ended = process == trace->first || (process < 0 && errno != EINTR);
    }
    if (!trace->sight->is_known && trace->thread_seen) trace_count(trace, true, trace->thread_has);
}

/* Waits at the gate, which the watcher opens by closing its end. */
static void trace_start(const int gate[2], void (*execute)(void *user), void *user) {
    char byte;
    close(gate[1]);
    while (read(gate[0], &byte, 1) < 0 && errno == EINTR) {
    }
    close(gate[0]);
    execute(user);
    _exit(EXIT_FAILURE);
}

/* In the watcher, which outlives signals to the session: the program decides how it ends. */
static void trace_seize(struct trace *trace, int descriptor) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    close(descriptor);
    ptrace(PTRACE_SEIZE, trace->first, NULL, (void *)(uintptr_t)TRACE_OPTIONS);
}

bool trace_run(const char *library, void (*execute)(void *user), void *user, int descriptor,
               struct compare_sight *sight) {
    char real[COMPARE_PATH_SIZE]; /* /proc has the paths without links */
    char *whole = *library ? realpath(library, NULL) : NULL;
    snprintf(real, sizeof real, "%s", whole ? whole : library);
    free(whole);
    struct trace trace = {.library = trace_name(real), .sight = sight};
    int gate[2];
    *sight = (struct compare_sight){.is_known = false};
    if (pipe(gate) != 0) return false;
    trace.first = fork();
    if (trace.first == 0) trace_start(gate, execute, user);
    if (trace.first > 0) trace_seize(&trace, descriptor);
    close(gate[0]);
    close(gate[1]);
    if (trace.first > 0) trace_watch(&trace);
    return trace.first > 0;
}

#else

bool trace_run(const char *library, void (*execute)(void *user), void *user, int descriptor,
               struct compare_sight *sight) {
    (void)library, (void)execute, (void)user, (void)descriptor;
    *sight = (struct compare_sight){.is_known = false};
    return false;
}

#endif
