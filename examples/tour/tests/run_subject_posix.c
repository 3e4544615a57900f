/*
 * run_subject_posix.c -- a program that test_run.sh runs: it does what its first argument says. It
 * is built for the same processor as the command, which the system's programs may not be, and
 * statically, too.
 */
#define _GNU_SOURCE /* RTLD_DEFAULT */

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "json.h"

static const char *marker(void) {
#ifdef RUN_SUBJECT_STATIC
    return NULL;
#else
    const char *(*function)(void);
    void *symbol = dlsym(RTLD_DEFAULT, "run_marker");
    memcpy(&function, &symbol, sizeof symbol);
    return symbol ? function() : NULL;
#endif
}

static int say(const char *text) { return puts(text) < 0; }

/* Prints how a command ends. */
static int watch(char **command) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) execv(command[0], command), _exit(99);
    waitpid(child, &status, 0);
    if (WIFSIGNALED(status)) return printf("ended by signal %d\n", WTERMSIG(status)) < 0;
    return printf("ended with status %d\n", WEXITSTATUS(status)) < 0;
}

/* Two processes that wait for a signal, each of which writes its number into a file. The child
 * ignores SIGTERM. */
static int linger(void) {
    const char *name = fork() == 0 ? "child.new" : "parent.new";
    if (*name == 'c') signal(SIGTERM, SIG_IGN);
    FILE *file = fopen(name, "w");
    if (!file) return 1;
    fprintf(file, "%ld\n", (long)getpid());
    fclose(file);
    rename(name, *name == 'c' ? "child" : "parent");
    for (;;) pause();
}

static int ignore_signals(void) {
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    return linger();
}

/* Leaves a process behind that keeps standard output open, and may write to it, until `file`
 * exists. */
static int leave(const char *file, bool writes) {
    say("left");
    fflush(stdout);
    if (fork() == 0) {
        signal(SIGPIPE, SIG_IGN);
        while (access(file, F_OK) != 0 && (!writes || write(STDOUT_FILENO, "more", 4) > 0))
            if (!writes) usleep(10000);
        _exit(0);
    }
    return 0;
}

/* Becomes this program again, without an environment. */
static int bare(char *program, char *what) {
    char *arguments[] = {program, what, NULL}, *nothing[] = {NULL};
    execve(program, arguments, nothing);
    return 99;
}

static int bare_child(char *program) {
    pid_t child = fork();
    if (child == 0) _exit(bare(program, "nothing"));
    return waitpid(child, NULL, 0) != child;
}

static void *exit_with_9(void *unused) {
    (void)unused;
    exit(9);
}

/* Another thread than the first one ends the process. */
static int end_in_thread(void) {
    pthread_t thread;
    return pthread_create(&thread, NULL, exit_with_9, NULL) ? 1 : pause();
}

/* Prints many bytes, one of which depends on the library that is preloaded. */
static int print_much(const char *preloaded) {
    static char much[300000];
    memset(much, 'x', sizeof much);
    if (preloaded) much[100001] = 'y';
    return fwrite(much, 1, sizeof much, stdout) != sizeof much;
}

static int check_json(void) {
    static char text[1 << 20];
    text[fread(text, 1, sizeof text - 1, stdin)] = '\0';
    return !json_is_valid(text);
}

static int count_input(void) {
    int count = 0;
    while (getchar() != EOF) count++;
    return printf("%d bytes of input\n", count) < 0;
}

static int act(const char *what, int count, char **arguments) {
    const char *preloaded = marker(), *argument = count > 2 ? arguments[2] : "";
    if (strcmp(what, "status") == 0) return atoi(argument);
    if (strcmp(what, "signal") == 0) return raise(atoi(argument));
    if (strcmp(what, "marker") == 0) return say(preloaded ? preloaded : "none");
    if (strcmp(what, "fail-if-marked") == 0) return preloaded ? 5 : 0;
    if (strcmp(what, "variable") == 0) return say(getenv(argument) ? getenv(argument) : "unset");
    if (strcmp(what, "broken-pipe") == 0)
        return say(signal(SIGPIPE, SIG_DFL) == SIG_DFL ? "default" : "ignored");
    if (strcmp(what, "process") == 0) return printf("%ld\n", (long)getpid()) < 0;
    if (strcmp(what, "input") == 0) return count_input();
    if (strcmp(what, "fail-if-input") == 0) return getchar() == EOF ? 0 : 6;
    if (strcmp(what, "much") == 0) return print_much(preloaded);
    if (strcmp(what, "complain") == 0) return fprintf(stderr, "a complaint\n") < 0;
    if (strcmp(what, "watch") == 0) return watch(arguments + 2);
    if (strcmp(what, "linger") == 0) return linger();
    if (strcmp(what, "stubborn") == 0) return ignore_signals();
    if (strcmp(what, "leave") == 0) return leave(argument, false);
    if (strcmp(what, "leave-writing") == 0) return leave(argument, true);
    if (strcmp(what, "bare") == 0) return bare(arguments[0], "nothing");
    if (strcmp(what, "bare-child") == 0) return bare_child(arguments[0]);
    if (strcmp(what, "thread") == 0) return end_in_thread();
    if (strcmp(what, "json") == 0) return check_json();
    return strcmp(what, "nothing") != 0;
}

int main(int count, char **arguments) {
    return act(count > 1 ? arguments[1] : "", count, arguments);
}
