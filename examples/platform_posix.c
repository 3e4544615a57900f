/*
 * platform_posix.c -- platform.h on POSIX systems: SIGSEGV, and SIGBUS, which macOS sends for
 * protected pages.
 */
#define _POSIX_C_SOURCE 200809L

#include "platform.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>

static platform_fault_handler *platform_handler;
static sigjmp_buf platform_end;
static volatile sig_atomic_t platform_is_trying; /* platform_end is set */
static pthread_t platform_trier, platform_thread;

/* Without the handler the access faults again and ends the process. */
static void platform_on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    if (platform_handler(info->si_addr)) return;
    if (platform_is_trying && pthread_equal(platform_trier, pthread_self()))
        siglongjmp(platform_end, 1);
    signal(number, SIG_DFL);
}

void platform_handle_faults(platform_fault_handler *handler) {
    struct sigaction action = {.sa_sigaction = platform_on_fault, .sa_flags = SA_SIGINFO};
    platform_handler = handler;
    sigemptyset(&action.sa_mask);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* The second argument restores the signal mask, in which SIGSEGV is blocked during the handler. */
bool platform_try(void (*function)(void *), void *data) {
    bool is_first = sigsetjmp(platform_end, 1) == 0;
    platform_trier = pthread_self();
    platform_is_trying = is_first;
    if (is_first) function(data);
    platform_is_trying = false;
    return is_first;
}

static void *platform_run(void *function) {
    (*(void (**)(void))function)();
    return NULL;
}

bool platform_start_thread(void (*function)(void)) {
    static void (*started)(void);
    started = function;
    return pthread_create(&platform_thread, NULL, platform_run, (void *)&started) == 0;
}

void platform_join_thread(void) { pthread_join(platform_thread, NULL); }
