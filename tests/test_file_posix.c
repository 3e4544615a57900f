/*
 * Paths and descriptors on POSIX that are no regular files, the access modes that holdfast opens
 * files with, and files that other processes receive or find by name.
 */
#define _GNU_SOURCE /* mkdtemp, memfd_create, O_PATH beside ISO C */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "disk.h"
#include "holdfast.h"
#include "process.h"

static const char path[] = "test_file_posix.tmp";

static const hf_access accesses[] = {HF_READ_WRITE, HF_READ_ONLY, HF_COPY_ON_WRITE};

/* A name of shared memory that no other run of this program uses. Forked children have the same. */
static const char *shared_name(void) {
    static char name[64];
    if (name[0] == '\0') snprintf(name, sizeof name, "holdfast-test.posix_%ld", (long)getpid());
    return name;
}

/* The lowest free descriptor; the next open() returns it. */
static int lowest_descriptor(void) {
    int lowest = dup(STDIN_FILENO);
    CHECK(lowest >= 0);
    close(lowest);
    return lowest;
}

/* ----------------------------------------------------------------------- paths -------------- */

static void opens_with_no_more_access_than_needed(void) {
    int lowest = lowest_descriptor();
    disk_close(disk_create(path, 1));
    for (size_t i = 0; i < 3; i++) {
        hf_file *file;
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, accesses[i], NULL));
        CHECK(fcntl(lowest, F_GETFD) & FD_CLOEXEC);
        CHECK_EQUAL(accesses[i] == HF_READ_WRITE ? O_RDWR : O_RDONLY,
                    fcntl(lowest, F_GETFL) & O_ACCMODE);
        hf_file_close(file);
    }
    disk_remove(path);
}

static void expect_open_error(const char *name, hf_status expected, long code) {
    for (size_t i = 0; i < 3; i++) {
        size_t handles = disk_handles();
        hf_file *file = NULL;
        size_t outer = check_enter("opening %s, access %d", name, (int)accesses[i]);
        CHECK_STATUS(expected, hf_file_open(&file, name, accesses[i], NULL));
        if (code != 0) CHECK_EQUAL(code, hf_last_error().os_code);
        CHECK(file == NULL);
        CHECK_EQUAL(handles, disk_handles());
        check_leave(outer);
    }
}

static void missing_paths_are_io(void) {
    expect_open_error("no_such_file", HF_IO, ENOENT);
    expect_open_error("/dev/null/below", HF_IO, ENOTDIR);
}

/* A folder, a device, a pipe, a socket. Opening the pipe must not wait for a writer. */
static void only_regular_files_are_supported(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    expect_open_error("/", HF_UNSUPPORTED, 0);
    expect_open_error("/dev/null", HF_UNSUPPORTED, 0);
    disk_remove(path);
    CHECK(mkfifo(path, 0666) == 0);
    expect_open_error(path, HF_UNSUPPORTED, 0);
    disk_remove(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(address.sun_path, path, sizeof path);
    CHECK(listener >= 0 && bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
    expect_open_error(path, HF_UNSUPPORTED, 0);
    close(listener);
    disk_remove(path);
}

static void never_follows_a_link_to_create(void) {
    hf_file *file = NULL;
    disk_remove(path);
    CHECK(symlink("nowhere", path) == 0);
    CHECK_STATUS(HF_IO, hf_file_create(&file, path, 100, NULL));
    CHECK(file == NULL && !disk_exists("nowhere"));
    disk_remove(path);
}

/* Runs as a user who is not root. */
static void open_as_nobody(void *argument) {
    hf_file *file = NULL;
    const char *name = argument;
    if (geteuid() == 0) CHECK(setgid(65534) == 0 && setuid(65534) == 0);
    CHECK_STATUS(HF_IO, hf_file_open(&file, name, HF_READ_WRITE, NULL));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
    CHECK_STATUS(HF_OK, hf_file_open(&file, name, HF_COPY_ON_WRITE, NULL));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_open(&file, name, HF_READ_ONLY, NULL));
    hf_file_close(file);
    file = NULL;
    CHECK_STATUS(HF_IO, hf_file_create(&file, "/test_file.tmp", 1, NULL));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
    CHECK(file == NULL);
}

/* In /tmp, because other users may not reach the folder of the test. */
static void permissions_are_checked(void) {
    char folder[] = "/tmp/holdfast-test-XXXXXX", name[64];
    CHECK(mkdtemp(folder) != NULL);
    CHECK(chmod(folder, 0755) == 0);
    snprintf(name, sizeof name, "%s/read_only", folder);
    int descriptor = open(name, O_WRONLY | O_CREAT, 0444);
    CHECK(descriptor >= 0 && write(descriptor, "x", 1) == 1 && close(descriptor) == 0);
    bool passed = process_runs(open_as_nobody, name);
    disk_remove(name);
    rmdir(folder);
    CHECK(passed);
}

/* ----------------------------------------------------------------- descriptors -------------- */

static void expect_handle_error(intptr_t handle, hf_access access, hf_status expected) {
    size_t handles = disk_handles();
    hf_file *file = NULL;
    size_t outer = check_enter("handle %lld, access %d", (long long)handle, (int)access);
    CHECK_STATUS(expected, hf_file_from_handle(&file, handle, access, NULL));
    CHECK(file == NULL);
    CHECK_EQUAL(handles, disk_handles());
    check_leave(outer);
}

/* Also a number whose low 32 bits are an open descriptor. */
static void invalid_descriptors_fail(void) {
    expect_handle_error(INT_MAX, HF_READ_ONLY, HF_INVALID);
    expect_handle_error(lowest_descriptor(), HF_READ_ONLY, HF_INVALID);
    if (sizeof(intptr_t) > 4)
        expect_handle_error((intptr_t)((uint64_t)1 << 32), HF_READ_ONLY, HF_INVALID);
}

static void descriptors_of_other_kinds_are_unsupported(void) {
    int ends[2], folder = open("/", O_RDONLY), device = open("/dev/null", O_RDWR);
    CHECK(pipe(ends) == 0 && folder >= 0 && device >= 0);
    expect_handle_error(ends[0], HF_READ_ONLY, HF_UNSUPPORTED);
    expect_handle_error(folder, HF_READ_ONLY, HF_UNSUPPORTED);
    expect_handle_error(device, HF_READ_WRITE, HF_UNSUPPORTED);
    close(ends[0]);
    close(ends[1]);
    close(folder);
    close(device);
}

/* Files in /proc with bytes and size 0: a view of them would be empty. */
static void files_with_bytes_and_no_size(void) {
    static const char *const names[] = {"/proc/self/maps", "/proc/self/mem", "/proc/version"};
    for (size_t i = 0; i < 3; i++) {
        if (!disk_exists(names[i])) continue;
        hf_file *file = NULL;
        hf_arena arena;
        CHECK_STATUS(HF_UNSUPPORTED, hf_file_open(&file, names[i], HF_READ_ONLY, NULL));
        CHECK_STATUS(HF_UNSUPPORTED, hf_arena_open_file(&arena, names[i], HF_READ_ONLY, NULL));
        CHECK(file == NULL);
    }
    hf_file *file;
    disk_close(disk_create(path, 0));
    CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_READ_ONLY, NULL));
    CHECK_EQUAL(0, hf_file_size(file));
    hf_file_close(file);
    disk_remove(path);
}

/* O_PATH descriptors. */
static void descriptors_without_access_fail(void) {
#ifdef O_PATH
    static const char *const names[] = {"/", "/dev/null"};
    disk_close(disk_create(path, 100));
    int name = open(path, O_PATH);
    CHECK(name >= 0);
    for (size_t i = 0; i < 3; i++) expect_handle_error(name, accesses[i], HF_INVALID);
    close(name);
    for (size_t i = 0; i < 2; i++) {
        name = open(names[i], O_PATH);
        expect_handle_error(name, HF_READ_ONLY, HF_UNSUPPORTED);
        close(name);
    }
    disk_remove(path);
#else
    check_skip("no descriptor without access here");
#endif
}

/* -------------------------------------------------------------- standard streams ------------ */

static void expect_streams_closed(void) {
    for (int i = 0; i < 3; i++)
        if (fcntl(i, F_GETFD) >= 0) _exit(EXIT_FAILURE);
}

static void expect(bool condition) {
    if (!condition) _exit(EXIT_FAILURE);
    expect_streams_closed();
}

/* Runs in a child whose streams are closed, so it exits instead of using CHECK, which prints. */
static void open_everything(void *argument) {
    const hf_backend *native = hf_backend_native();
    hf_report report = {0};
    hf_arena arena, other;
    hf_file *files[6];
    hf_ring *ring;
    intptr_t opened;
    void *draft, *data;
    size_t size;
    int file_descriptor = *(int *)argument;
    for (int i = 0; i < 3; i++) close(i);
    disk_remove(path);
    expect(hf_file_create(&files[0], path, 200000, NULL) == HF_OK);
    expect(hf_file_open(&files[1], path, HF_READ_WRITE, NULL) == HF_OK);
    expect(hf_file_create_shared(&files[2], 200000, NULL) == HF_OK);
    expect(hf_file_from_handle(&files[3], file_descriptor, HF_READ_WRITE, NULL) == HF_OK);
    expect(hf_ring_open(&ring, 1, NULL) == HF_OK);
    expect(hf_arena_open(&other, NULL) == HF_OK);
    expect(hf_arena_append_file(&other, path, HF_READ_ONLY, &data, &size) == HF_OK);
    expect(hf_file_create_named(&files[4], shared_name(), 200000, NULL) == HF_OK);
    expect(hf_file_open_named(&files[5], shared_name(), HF_READ_WRITE, NULL) == HF_OK);
    expect(hf_file_remove_named(shared_name(), NULL) == HF_OK);
    for (int i = 0; i < 6; i++) hf_file_close(files[i]);
    disk_remove(path);
    expect(hf_arena_open_file(&arena, path, HF_READ_WRITE, NULL) == HF_OK);
    expect(hf_arena_sync(&arena) == HF_OK);
    hf_arena_close(&arena);
    expect(native->draft_open(native, path, 1, &draft, &opened, &report) == HF_OK);
    expect(native->draft_publish(native, draft, &report) == HF_OK);
    native->draft_close(native, draft);
    expect(native->file_open_or_create(native, path, &opened, &(uint64_t){0}, &report) == HF_OK);
    disk_remove(path);
    _exit(EXIT_SUCCESS);
}

/* holdfast must not open files as descriptors 0 to 2: output to a closed stderr would go there. */
static void no_file_takes_the_number_of_a_stream(void) {
    intptr_t file = disk_create("test_file_posix.kept.tmp", 200000);
    int file_descriptor = fcntl((int)file, F_DUPFD, 10);
    CHECK(file_descriptor >= 10);
    CHECK(process_runs(open_everything, &file_descriptor));
    close(file_descriptor);
    disk_close(file);
    disk_remove("test_file_posix.kept.tmp");
}

/* Writes to a closed stream until is_over. */
static void *print(void *is_over) {
    while (!__atomic_load_n((bool *)is_over, __ATOMIC_RELAXED))
        if (write(STDERR_FILENO, "printed", 7) < 0) continue;
    return NULL;
}

static void open_while_a_thread_prints(void *unused) {
    (void)unused;
    bool is_over = false;
    pthread_t thread;
    char begin[7];
    close(STDERR_FILENO);
    if (pthread_create(&thread, NULL, print, &is_over) != 0) _exit(EXIT_FAILURE);
    for (int i = 0; i < 2000; i++) {
        hf_file *file;
        if (hf_file_open(&file, path, HF_READ_WRITE, NULL) != HF_OK) _exit(EXIT_FAILURE);
        hf_file_close(file);
    }
    __atomic_store_n(&is_over, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    int file = open(path, O_RDONLY);
    bool was_read = read(file, begin, sizeof begin) == sizeof begin;
    _exit(was_read && memcmp(begin, "printed", 7) != 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* A file must not have the number of a stream even for a short time. */
static void output_to_a_closed_stream_reaches_no_file(void) {
    disk_close(disk_create(path, 200000));
    CHECK(process_runs(open_while_a_thread_prints, NULL));
    disk_remove(path);
}

/* -------------------------------------------------------------------- signals --------------- */

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals = signals + 1;
}

static void ring_every(suseconds_t microseconds) {
    struct itimerval timer = {{0, microseconds}, {0, microseconds}};
    struct sigaction action = {.sa_handler = count_signal}; /* no SA_RESTART */
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* Signals interrupt the calls on files. On tmpfs an interrupted allocation starts over. */
static void use_files_under_signals(void *argument) {
    const char *name = argument;
    static char bytes[100000];
    ring_every(500);
    for (int i = 0; i < 20 || signals < 20; i++) {
        hf_file *file;
        hf_arena arena;
        disk_remove(name);
        CHECK_STATUS(HF_OK, hf_file_create(&file, name, 16 << 20, NULL));
        hf_file_close(file);
        disk_remove(name);
        hf_arena_options options = {.reserve = 64 << 20, .any_base = true};
        CHECK_STATUS(HF_OK, hf_arena_open_file(&arena, name, HF_READ_WRITE, &options));
        CHECK(hf_memdup(&arena, bytes, sizeof bytes) != NULL);
        CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
        CHECK(hf_alloc(&arena, 8 << 20, 8) != NULL);
        hf_arena_close(&arena);
        CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
        CHECK(hf_memdup(&arena, bytes, sizeof bytes) != NULL);
        CHECK_STATUS(HF_OK, hf_arena_save(&arena, name));
        hf_arena_close(&arena);
    }
    ring_every(0);
    disk_remove(name);
}

static void a_timer_makes_nothing_fail(void) {
    char memory[] = "/dev/shm/test_file_posix.tmp", disk[] = "test_file_posix.signals.tmp";
    CHECK(process_runs(use_files_under_signals, disk));
    if (access("/dev/shm", W_OK) == 0)
        CHECK(process_runs(use_files_under_signals, memory));
    else
        check_leave_out("no /dev/shm");
}

/* ------------------------------------------------------------ other processes --------------- */

static size_t page_size(void) { return (size_t)sysconf(_SC_PAGESIZE); }

static hf_space *view_of(hf_file *file, hf_access access) {
    hf_space *space;
    size_t size = (size_t)hf_file_size(file);
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    CHECK_STATUS(HF_OK, hf_space_map(space, 0, size, file, 0, access));
    return space;
}

/* The data of one message; a descriptor is sent with it. */
union control_message {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

static struct msghdr message_with(union control_message *control, struct iovec *data) {
    memset(control, 0, sizeof *control);
    return (struct msghdr){.msg_iov = data,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control->bytes};
}

static void send_handle(int through, intptr_t handle) {
    union control_message control;
    char byte = 'h';
    int descriptor = (int)handle;
    struct msghdr message = message_with(&control, &(struct iovec){&byte, 1});
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof descriptor);
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    CHECK(sendmsg(through, &message, 0) == 1);
}

static int receive_handle(int through) {
    union control_message control;
    char byte;
    int descriptor = -1;
    struct msghdr message = message_with(&control, &(struct iovec){&byte, 1});
    CHECK(recvmsg(through, &message, MSG_CMSG_CLOEXEC) == 1);
    CHECK(CMSG_FIRSTHDR(&message) != NULL);
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    return descriptor;
}

/* Maps what it receives, stores into it, and tries to make it shorter. */
static void use_received(void *argument) {
    int descriptor = receive_handle(*(int *)argument);
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, descriptor, HF_READ_WRITE, NULL));
    CHECK(close(descriptor) == 0);
    if (hf_backend_native()->file_seal != NULL) {
        CHECK(hf_file_is_sealed(file));
        CHECK(ftruncate((int)hf_file_handle(file), 0) == -1 && errno == EPERM);
        CHECK(ftruncate((int)hf_file_handle(file), 1 << 20) == -1 && errno == EPERM);
    }
    hf_space *space = view_of(file, HF_READ_WRITE);
    hf_file_close(file);
    CHECK_EQUAL('p', hf_space_base(space)[0]);
    hf_space_base(space)[1] = 'c';
    hf_space_close(space);
}

/* The child is forked before the memory exists, so it has only what it receives. */
static void a_sealed_memory_is_sent_to_another_process(void) {
    int ends[2];
    hf_file *file;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        check_stands_alone();
        close(ends[0]); /* so that the child ends if the test fails before it sends */
        use_received(&ends[1]);
        _exit(EXIT_SUCCESS);
    }
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 3 * page_size(), NULL));
    if (hf_backend_native()->file_seal != NULL) CHECK_STATUS(HF_OK, hf_file_seal(file));
    hf_space *space = view_of(file, HF_READ_WRITE);
    hf_space_base(space)[0] = 'p';
    send_handle(ends[0], hf_file_handle(file));
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_EQUAL(0, status);
    CHECK_EQUAL('c', hf_space_base(space)[1]);
    hf_space_close(space);
    hf_file_close(file);
    close(ends[0]);
    close(ends[1]);
}

static void open_and_store(void *unused) {
    (void)unused;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_open_named(&file, shared_name(), HF_READ_WRITE, NULL));
    hf_space *space = view_of(file, HF_READ_WRITE);
    CHECK_EQUAL('p', hf_space_base(space)[0]);
    hf_space_base(space)[1] = 'c';
    hf_space_close(space);
    hf_file_close(file);
    file = NULL;
    CHECK_STATUS(HF_IO, hf_file_create_named(&file, shared_name(), 1, NULL));
    CHECK_EQUAL(EEXIST, hf_last_error().os_code);
    CHECK_STATUS(HF_OK, hf_file_remove_named(shared_name(), NULL));
    CHECK(file == NULL);
}

static void a_name_is_known_to_other_processes(void) {
    hf_file *file, *none = NULL;
    CHECK_STATUS(HF_OK, hf_file_create_named(&file, shared_name(), 2 * page_size(), NULL));
    hf_space *space = view_of(file, HF_READ_WRITE);
    hf_space_base(space)[0] = 'p';
    bool passed = process_runs(open_and_store, NULL);
    CHECK_STATUS(HF_IO, hf_file_open_named(&none, shared_name(), HF_READ_ONLY, NULL));
    CHECK_EQUAL(ENOENT, hf_last_error().os_code);
    CHECK_STATUS(HF_IO, hf_file_remove_named(shared_name(), NULL));
    CHECK_EQUAL(ENOENT, hf_last_error().os_code);
    CHECK(passed && none == NULL);
    CHECK_EQUAL('c', hf_space_base(space)[1]);
    hf_space_close(space);
    hf_file_close(file);
}

static void fail_to_open_as_nobody(void *unused) {
    (void)unused;
    hf_file *file = NULL;
    if (setgid(65534) != 0 || setuid(65534) != 0) _exit(EXIT_FAILURE);
    CHECK_STATUS(HF_IO, hf_file_open_named(&file, shared_name(), HF_READ_ONLY, NULL));
    CHECK_EQUAL(EACCES, hf_last_error().os_code);
    CHECK(file == NULL);
}

static void other_users_cannot_open_a_name(void) {
    struct stat status;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_named(&file, shared_name(), 1, NULL));
    CHECK(fstat((int)hf_file_handle(file), &status) == 0);
    CHECK_EQUAL(0600, status.st_mode & 0777);
    bool passed = geteuid() != 0 || process_runs(fail_to_open_as_nobody, NULL);
    CHECK_STATUS(HF_OK, hf_file_remove_named(shared_name(), NULL));
    CHECK(passed);
    hf_file_close(file);
}

/* As another program leaves it that ends between shm_open and ftruncate. */
static void memory_without_a_size_is_busy(void) {
    char system_name[70];
    hf_file *file = NULL;
    size_t handles = disk_handles();
    snprintf(system_name, sizeof system_name, "/%s", shared_name());
    int made = shm_open(system_name, O_RDWR | O_CREAT | O_EXCL, 0600);
    CHECK(made >= 0);
    for (size_t i = 0; i < 3; i++) {
        CHECK_STATUS(HF_BUSY, hf_file_open_named(&file, shared_name(), accesses[i], NULL));
        CHECK(hf_last_error().reason != NULL);
        CHECK_EQUAL(handles + 1, disk_handles());
    }
    CHECK(file == NULL && ftruncate(made, 100) == 0);
    CHECK_STATUS(HF_OK, hf_file_open_named(&file, shared_name(), HF_READ_WRITE, NULL));
    CHECK_EQUAL(100, hf_file_size(file));
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_remove_named(shared_name(), NULL));
    CHECK(shm_unlink(system_name) == -1 && errno == ENOENT);
    close(made);
}

/* ---------------------------------------------------------------------- views --------------- */

#if defined(__linux__) && SIZE_MAX > UINT32_MAX

static hf_status view(hf_file *file, size_t size, hf_access access) {
    hf_space *space;
    CHECK_STATUS(HF_OK, hf_space_open(&space, size, NULL));
    hf_status status = hf_space_map(space, 0, size, file, 0, access);
    CHECK_STATUS(HF_OK, hf_space_check(space));
    if (status == HF_OK && access != HF_READ_ONLY) hf_space_base(space)[size / 2] = 'x';
    hf_space_close(space);
    return status;
}

static size_t memory_of_machine(void) {
    return (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
}

static bool charges_in_full(void) {
    FILE *file = fopen("/proc/sys/vm/overcommit_memory", "r");
    int mode = file ? fgetc(file) : '0';
    if (file) fclose(file);
    return mode == '2';
}

/* Only the pages that are stored into take memory; here one. */
static void a_copy_on_write_view_can_be_larger_than_memory(void) {
    size_t size = (2 * memory_of_machine() + ((size_t)16 << 30)) & ~(((size_t)1 << 30) - 1);
    if (charges_in_full()) {
        check_skip("vm.overcommit_memory is 2: private views are charged in full");
        return;
    }
    hf_file *file;
    intptr_t handle = disk_create(path, 0);
    if (ftruncate((int)handle, (off_t)size) != 0) {
        check_skip("no file can be so large here");
    } else {
        CHECK_STATUS(HF_OK, hf_file_open(&file, path, HF_COPY_ON_WRITE, NULL));
        CHECK_STATUS(HF_OK, view(file, size, HF_COPY_ON_WRITE));
        hf_file_close(file);
    }
    disk_close(handle);
    disk_remove(path);
}

/* sysfs attributes have a size and bytes, but mmap fails with ENODEV. */
static void a_file_that_cannot_be_mapped_is_unsupported(void) {
    static const char attribute[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    hf_file *file;
    if (access(attribute, R_OK) != 0) {
        check_skip("no "
                   "/sys/kernel/mm");
        return;
    }
    CHECK_STATUS(HF_OK, hf_file_open(&file, attribute, HF_READ_ONLY, NULL));
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    CHECK_STATUS(HF_UNSUPPORTED, view(file, page, HF_READ_ONLY));
    CHECK_EQUAL(ENODEV, hf_last_error().os_code);
    hf_file_close(file);
}

/* The descriptor is writable, but the memfd is sealed against writing. */
static void a_sealed_file_cannot_be_stored_into(void) {
    hf_file *file;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(sealed >= 0 && ftruncate(sealed, (off_t)page) == 0);
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, sealed, HF_READ_WRITE, NULL));
    close(sealed);
    CHECK_STATUS(HF_IO, view(file, page, HF_READ_WRITE));
    CHECK_EQUAL(EPERM, hf_last_error().os_code);
    CHECK_STATUS(HF_OK, view(file, page, HF_COPY_ON_WRITE));
    if (hf_backend_native()->file_punch_hole != NULL) {
        CHECK_STATUS(HF_IO, hf_file_punch_hole(file, 0, page));
        CHECK_EQUAL(EPERM, hf_last_error().os_code);
    }
    CHECK(!hf_file_is_sealed(file));
    hf_file_close(file);
}

/* The generic POSIX backend can be tested on Linux, too. */
static bool require_linux_backend(void) {
    bool has_seals = hf_backend_native()->file_seal != NULL;
    if (!has_seals) check_skip("the backend has no seals");
    return has_seals;
}

/* Seals of another program: one against shrinking is enough. */
static void seals_of_another_program_count(void) {
    if (!require_linux_backend()) return;
    hf_file *file;
    int plain = memfd_create("plain", MFD_CLOEXEC);
    int sealed = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(plain >= 0 && ftruncate(plain, 4096) == 0 && sealed >= 0 && ftruncate(sealed, 4096) == 0);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, plain, HF_READ_WRITE, NULL));
    CHECK(!hf_file_is_sealed(file));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_seal(file)); /* permits no seals */
    CHECK(hf_last_error().reason != NULL && hf_last_error().os_code == EPERM);
    hf_file_close(file);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&file, sealed, HF_READ_WRITE, NULL));
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_GROW) == 0 && !hf_file_is_sealed(file));
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && hf_file_is_sealed(file));
    CHECK(fcntl(sealed, F_ADD_SEALS, F_SEAL_SEAL) == 0 && hf_file_is_sealed(file));
    CHECK_STATUS(HF_OK, hf_file_seal(file));
    hf_file_close(file);
    close(plain);
    close(sealed);
}

/* The sender makes the memory shorter after the receiver has opened it, and seals it then. */
static void memory_that_was_shortened_before_is_not_sealed(void) {
    if (!require_linux_backend()) return;
    hf_file *file, *longer;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 8192, NULL));
    CHECK_STATUS(HF_OK, hf_file_from_handle(&longer, hf_file_handle(file), HF_READ_WRITE, NULL));
    CHECK(ftruncate((int)hf_file_handle(file), 8191) == 0);
    CHECK_STATUS(HF_WRONG_STATE, hf_file_seal(file));
    CHECK(hf_last_error().reason != NULL);
    CHECK_EQUAL(8192, hf_file_size(longer));
    CHECK(!hf_file_is_sealed(longer));
    hf_file_close(longer);
    CHECK_STATUS(HF_OK, hf_file_from_handle(&longer, hf_file_handle(file), HF_READ_WRITE, NULL));
    CHECK(hf_file_is_sealed(longer));
    hf_file_close(longer);
    hf_file_close(file);
}

static long blocks_of(hf_file *file) {
    struct stat status;
    CHECK(fstat((int)hf_file_handle(file), &status) == 0);
    return (long)status.st_blocks;
}

static void a_hole_gives_memory_back(void) {
    if (!require_linux_backend()) return;
    hf_file *file;
    CHECK_STATUS(HF_OK, hf_file_create_shared(&file, 64 * page_size(), NULL));
    hf_space *space = view_of(file, HF_READ_WRITE);
    memset(hf_space_base(space), 'x', 64 * page_size());
    CHECK_EQUAL(64 * page_size() / 512, blocks_of(file));
    CHECK_STATUS(HF_OK, hf_file_punch_hole(file, 16 * page_size(), 40 * page_size()));
    CHECK_EQUAL(24 * page_size() / 512, blocks_of(file));
    CHECK(hf_space_base(space)[16 * page_size() - 1] == 'x');
    CHECK(hf_space_base(space)[16 * page_size()] == 0);
    hf_space_close(space);
    hf_file_close(file);
}

/* All of the memory is there before the name is: nobody sees it smaller, and a full /dev/shm makes
 * the creation fail, not a store. */
static void a_name_is_complete_from_the_beginning(void) {
    if (!require_linux_backend()) return;
    hf_file *file, *found;
    size_t opened = 0;
    pid_t child = fork();
    while (child == 0) {
        if (hf_file_create_named(&file, shared_name(), 1 << 16, NULL) != HF_OK) _exit(1);
        if (hf_file_remove_named(shared_name(), NULL) != HF_OK) _exit(1);
        hf_file_close(file);
    }
    while (opened < 20 && waitpid(child, NULL, WNOHANG) == 0) {
        hf_status status = hf_file_open_named(&found, shared_name(), HF_READ_ONLY, NULL);
        if (status != HF_OK) {
            CHECK_EQUAL(ENOENT, hf_last_error().os_code);
            continue;
        }
        opened++;
        CHECK_EQUAL(1 << 16, hf_file_size(found));
        CHECK((1 << 16) / 512 <= blocks_of(found));
        hf_file_close(found);
    }
    CHECK_EQUAL(20, opened);
    kill(child, SIGKILL);
    CHECK(waitpid(child, NULL, 0) == child);
    hf_file_remove_named(shared_name(), NULL); /* if the child had no time to */
}

static void a_name_of_something_else_is_unsupported(void) {
    if (!require_linux_backend()) return;
    char full[80];
    hf_file *file = NULL;
    snprintf(full, sizeof full, "/dev/shm/%s", shared_name());
    CHECK(mkdir(full, 0700) == 0);
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_open_named(&file, shared_name(), HF_READ_WRITE, NULL));
    CHECK_STATUS(HF_UNSUPPORTED, hf_file_remove_named(shared_name(), NULL));
    CHECK(rmdir(full) == 0 && symlink("/etc/passwd", full) == 0);
    CHECK_STATUS(HF_IO, hf_file_open_named(&file, shared_name(), HF_READ_ONLY, NULL));
    CHECK_EQUAL(ELOOP, hf_last_error().os_code);
    CHECK_STATUS(HF_IO, hf_file_create_named(&file, shared_name(), 1, NULL));
    CHECK_STATUS(HF_OK, hf_file_remove_named(shared_name(), NULL));
    CHECK(file == NULL);
}

#define LINUX_TESTS                                                                           \
    , TEST(a_copy_on_write_view_can_be_larger_than_memory),                                   \
        TEST(a_file_that_cannot_be_mapped_is_unsupported),                                    \
        TEST(a_sealed_file_cannot_be_stored_into), TEST(seals_of_another_program_count),      \
        TEST(memory_that_was_shortened_before_is_not_sealed), TEST(a_hole_gives_memory_back), \
        TEST(a_name_is_complete_from_the_beginning), TEST(a_name_of_something_else_is_unsupported)

#else
#define LINUX_TESTS
#endif

CHECK_MAIN(TEST(opens_with_no_more_access_than_needed), TEST(missing_paths_are_io),
           TEST(only_regular_files_are_supported), TEST(never_follows_a_link_to_create),
           TEST(permissions_are_checked), TEST(invalid_descriptors_fail),
           TEST(descriptors_of_other_kinds_are_unsupported), TEST(files_with_bytes_and_no_size),
           TEST(descriptors_without_access_fail), TEST(no_file_takes_the_number_of_a_stream),
           TEST(output_to_a_closed_stream_reaches_no_file), TEST(a_timer_makes_nothing_fail),
           TEST(a_sealed_memory_is_sent_to_another_process),
           TEST(a_name_is_known_to_other_processes), TEST(other_users_cannot_open_a_name),
           TEST(memory_without_a_size_is_busy) LINUX_TESTS)
