/*
 * Spaces and rings in a forked child process. POSIX only.
 */
#define _GNU_SOURCE /* fork, alarm */

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "holdfast/ring.h"
#include "holdfast/space.h"

#ifdef HOLDFAST_CASES_FEW
enum { FORKS = 50 };
#else
enum { FORKS = 200 };
#endif
enum { SPACES = 4, PAGES = 64, TIME_LIMIT = 240 /* seconds for a child */ };

static hf_space *spaces[SPACES];
static size_t page_size;

/* True if the function succeeds in a child. A child that hangs is killed by SIGALRM: false. */
static bool child_runs(void (*function)(void)) {
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(TIME_LIMIT);
        check_stands_alone();
        function();
        _exit(EXIT_SUCCESS);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS;
}

static void use_space(hf_space *space) {
    size_t offset = (PAGES / 2 + 1) * page_size;
    CHECK_STATUS(HF_OK, hf_space_check(space));
    CHECK_STATUS(HF_OK, hf_space_commit_range(space, offset, 3 * page_size));
    hf_space_base(space)[offset] = 'x';
    CHECK_STATUS(HF_OK, hf_space_release_range(space, offset, 3 * page_size));
    CHECK_STATUS(HF_OK, hf_space_check(space));
}

static void use_all_spaces(void) {
    for (size_t i = 0; i < SPACES; i++) use_space(spaces[i]);
}

/* -------------------------------------------------------------------- busy threads ---------- */

static bool is_over; /* atomic */

/* Commits and releases in the lower half of the space. */
static void *hammer(void *space) {
    for (size_t i = 0; !__atomic_load_n(&is_over, __ATOMIC_RELAXED); i++) {
        size_t offset = i % (PAGES / 4) * page_size, size = (1 + i % 5) * page_size;
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, offset, size));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, offset, size));
    }
    return NULL;
}

/* strict has a lock too, and locks it while the space is locked. */
static void open_spaces(const hf_backend *strict) {
    page_size = strict->page_size(strict);
    for (size_t i = 0; i < SPACES; i++) {
        hf_space_options options = {.backend = i % 2 ? strict : NULL};
        CHECK_STATUS(HF_OK, hf_space_open(&spaces[i], PAGES * page_size, &options));
    }
}

static void a_child_of_busy_threads_can_use_every_space(void) {
    hf_backend *strict;
    pthread_t threads[SPACES];
    bool succeeded = true;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    open_spaces(strict);
    is_over = false;
    for (size_t i = 0; i < SPACES; i++)
        CHECK(pthread_create(&threads[i], NULL, hammer, spaces[i]) == 0);
    for (size_t i = 0; i < FORKS && succeeded; i++) succeeded = child_runs(use_all_spaces);
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < SPACES; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(succeeded);
    use_all_spaces();
    for (size_t i = 0; i < SPACES; i++) hf_space_close(spaces[i]);
    hf_strict_close(strict);
}

/* The child starts a thread and forks while it runs. */
static void fork_once_more(void) {
    pthread_t thread;
    is_over = false;
    CHECK(pthread_create(&thread, NULL, hammer, spaces[0]) == 0);
    for (size_t i = 0; i < FORKS / 10; i++) CHECK(child_runs(use_all_spaces));
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    CHECK(pthread_join(thread, NULL) == 0);
}

static void a_child_can_fork(void) {
    hf_backend *strict;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, NULL));
    open_spaces(strict);
    CHECK(child_runs(fork_once_more));
    for (size_t i = 0; i < SPACES; i++) hf_space_close(spaces[i]);
    hf_strict_close(strict);
}

/* ------------------------------------------------------------- other fork handlers ---------- */

static bool handlers_use_spaces;

static void use_new_space(void) {
    hf_space *space;
    if (!handlers_use_spaces) return;
    CHECK_STATUS(HF_OK, hf_space_open(&space, PAGES * page_size, NULL));
    use_space(space);
    hf_space_close(space);
}

/* Registers fork handlers before the library does, so that they run between the library's. */
__attribute__((constructor(101))) static void register_before_the_library(void) {
    if (pthread_atfork(use_new_space, use_new_space, use_new_space) != 0) abort();
}

static void handlers_can_use_spaces(void) {
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&spaces[0], PAGES * page_size, NULL));
    handlers_use_spaces = true;
    for (int i = 0; i < 10; i++) CHECK(child_runs(use_new_space));
    handlers_use_spaces = false;
    hf_space_close(spaces[0]);
}

static pthread_mutex_t guard = PTHREAD_MUTEX_INITIALIZER;

static void lock_guard(void) { pthread_mutex_lock(&guard); }
static void unlock_guard(void) { pthread_mutex_unlock(&guard); }

static void *hammer_guarded(void *space) {
    while (!__atomic_load_n(&is_over, __ATOMIC_RELAXED)) {
        lock_guard();
        CHECK_STATUS(HF_OK, hf_space_commit_range(space, 0, page_size));
        CHECK_STATUS(HF_OK, hf_space_release_range(space, 0, page_size));
        unlock_guard();
    }
    return NULL;
}

static void use_guarded_space(void) {
    lock_guard();
    use_space(spaces[0]);
    unlock_guard();
}

/* The program protects a space with a mutex and locks the mutex in fork handlers, which it
 * registers before it uses the library. */
static void fork_with_a_guard(void) {
    pthread_t thread;
    CHECK(pthread_atfork(lock_guard, unlock_guard, unlock_guard) == 0);
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_space_open(&spaces[0], PAGES * page_size, NULL));
    is_over = false;
    CHECK(pthread_create(&thread, NULL, hammer_guarded, spaces[0]) == 0);
    for (size_t i = 0; i < FORKS; i++) CHECK(child_runs(use_guarded_space));
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    CHECK(pthread_join(thread, NULL) == 0);
    hf_space_close(spaces[0]);
}

static void the_program_can_lock_a_mutex_over_a_fork(void) { CHECK(child_runs(fork_with_a_guard)); }

/* ----------------------------------------------------------- a fork under a lock ------------ */

static void use_second_space(void) { use_space(spaces[1]); }

static void use_second_space_and_fork(void) {
    use_second_space();
    CHECK(child_runs(use_second_space));
}

static hf_status commit_and_fork(const hf_backend *self, void *address, size_t size,
                                 hf_report *report) {
    (void)self;
    CHECK(child_runs(use_second_space_and_fork));
    return hf_backend_native()->commit(hf_backend_native(), address, size, report);
}

/* A backend call forks while its thread has locked the space, as a signal handler could. */
static void a_fork_does_not_wait_for_its_own_thread(void) {
    hf_backend forking = *hf_backend_native();
    forking.commit = commit_and_fork;
    hf_space_options options = {.backend = &forking};
    page_size = forking.page_size(&forking);
    CHECK_STATUS(HF_OK, hf_space_open(&spaces[0], PAGES * page_size, &options));
    CHECK_STATUS(HF_OK, hf_space_open(&spaces[1], PAGES * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(spaces[0], 0, page_size));
    CHECK(child_runs(use_second_space_and_fork));
    hf_space_close(spaces[0]);
    hf_space_close(spaces[1]);
}

/* ------------------------------------------------------------- closing in a child ----------- */

static hf_ring *ring;

static void close_all(void) {
    hf_space_close(spaces[0]);
    hf_ring_close(ring);
}

static void a_child_that_closes_only_unmaps(void) {
    static const char text[] = "still here";
    hf_file *file;
    page_size = hf_backend_native()->page_size(hf_backend_native());
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_open(&spaces[0], PAGES * page_size, NULL));
    CHECK_STATUS(HF_OK, hf_space_commit_range(spaces[0], 0, page_size));
    CHECK_STATUS(HF_OK,
                 hf_space_map_range(spaces[0], page_size, page_size, file, 0, HF_READ_WRITE));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_ring_open(&ring, 65536, NULL));
    char *base = hf_space_base(spaces[0]);
    memcpy(base, text, sizeof text);
    memcpy(base + page_size, text, sizeof text);
    CHECK(hf_ring_write(ring, text, sizeof text));
    CHECK(child_runs(close_all));
    char read[sizeof text];
    CHECK(hf_ring_read(ring, read, sizeof read));
    CHECK(memcmp(read, text, sizeof text) == 0);
    CHECK(memcmp(base, text, sizeof text) == 0 && memcmp(base + page_size, text, sizeof text) == 0);
    use_space(spaces[0]);
    close_all();
}

CHECK_MAIN(TEST(the_program_can_lock_a_mutex_over_a_fork), TEST(handlers_can_use_spaces),
           TEST(a_child_of_busy_threads_can_use_every_space), TEST(a_child_can_fork),
           TEST(a_fork_does_not_wait_for_its_own_thread), TEST(a_child_that_closes_only_unmaps))
