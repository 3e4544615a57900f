/*
 * Images on file systems that are full, read-only or size-limited: small file systems mounted in a
 * private mount namespace.
 *
 * The tests need root, or a system on which any user can create a mount namespace; disk file
 * systems also need a loop device and mkfs tools. A test that cannot run says so and is skipped.
 * ext2 is included because it allocates blocks only when they are written; XFS and btrfs because
 * they can write to a copy of a block instead of the block.
 */
#define _GNU_SOURCE /* declares unshare */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "image_fixture.h"
#include "mount_namespace.h"
#include "process.h"

static char folder[64]; /* mount point of the small file system */

static const char *path_of(const char *name) {
    static char path[4][128];
    static int next;
    char *chosen = path[next++ % 4];
    snprintf(chosen, sizeof *path, "%s/%s", folder, name);
    return chosen;
}

/* -------------------------------------------------------------------- mounting ------------- */

static bool mount_memory(void) {
    return enter_mount_namespace() && mount("none", folder, "tmpfs", 0, "size=8m") == 0;
}

/* The file behind the loop device is removed at once; the mount keeps it alive. It is in memory if
 * it can be: filling btrfs on a disk takes half a minute. */
static bool mount_loop(const char *size, const char *make) {
    char command[700];
    snprintf(command, sizeof command,
             "folder=%s; PATH=$PATH:/usr/sbin:/sbin\n"
             "disk=$folder.disk; [ ! -w /dev/shm ] || disk=/dev/shm/${folder##*/}.disk\n"
             "(truncate -s %s $disk && %s $disk && mount -o loop $disk $folder) >$folder.log 2>&1\n"
             "result=$?; rm -f $disk $folder.log; exit $result",
             folder, size, make);
    return enter_mount_namespace() && system(command) == 0;
}

static bool mount_ext4(void) { return mount_loop("16M", "mke2fs -q -t ext4"); }
static bool mount_ext2(void) { return mount_loop("16M", "mke2fs -q -t ext2"); }
static bool mount_xfs(void) { return mount_loop("320M", "mkfs.xfs -q -m reflink=1"); }
static bool mount_btrfs(void) { return mount_loop("120M", "mkfs.btrfs -q"); }

static const struct small_disk {
    const char *name;
    bool (*mount)(void);
} disks[] = {{"tmpfs", mount_memory}, {"ext4", mount_ext4}, {"ext2", mount_ext2}};

enum { DISKS = sizeof disks / sizeof *disks };

static const struct small_disk *disk;
static void (*part)(void);

static void mount_only(void *unused) {
    (void)unused;
    if (!disk->mount()) _exit(EXIT_FAILURE);
}

static void mount_and_run(void *unused) {
    (void)unused;
    CHECK(disk->mount());
    part();
}

static void run_on_disk(const struct small_disk *wanted, void (*wanted_part)(void),
                        const char *why) {
    disk = wanted;
    part = wanted_part;
    strcpy(folder, "/tmp/holdfast-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    bool can_mount = process_runs(mount_only, NULL);
    bool passed = can_mount && process_runs(mount_and_run, NULL);
    rmdir(folder);
    if (can_mount) CHECK(passed);
    if (!can_mount) check_leave_out(why);
}

/* Runs the part on every file system that can be mounted; skips the test if there is none. */
static void run_on_all(void (*wanted_part)(void)) {
    for (size_t i = 0; i < DISKS; i++) {
        AT("%s", disks[i].name);
        bool was_left_out = check_state.left_out != NULL;
        run_on_disk(&disks[i], wanted_part, "not every file system can be mounted here");
        if (i == 0 && !was_left_out && check_state.left_out) {
            check_skip("no file system can be mounted here (it takes root)");
            return;
        }
    }
}

static size_t free_bytes(void) {
    struct statvfs now;
    CHECK(statvfs(folder, &now) == 0);
    return (size_t)now.f_bfree * now.f_frsize;
}

/* -------------------------------------------------------------------- full disk ------------ */

enum { STEP = 300000, BALLAST = 3 << 20 };

static void write_filler(void) {
    static unsigned char bytes[BALLAST];
    write_content(path_of("filler"), bytes, sizeof bytes);
}

static hf_arena open_image(void) {
    return image_open(path_of("image"), HF_READ_WRITE, (hf_arena_options){0});
}

static bool add(hf_arena *arena, size_t seed) {
    char *block = hf_alloc(arena, STEP, 8);
    if (block) fill(block, STEP, (unsigned)seed);
    return block != NULL;
}

static void check_blocks(const hf_arena *arena, size_t count) {
    size_t stride = hf_get_mark(arena) / count; /* including red zones */
    CHECK(stride >= STEP && stride < STEP + 100);
    for (size_t i = 0; i < count; i++)
        CHECK(is_filled(hf_arena_base(arena) + i * stride, STEP, (unsigned)i));
}

/* The call fails with HF_NO_SPACE and allocates nothing: the file keeps its length, the disk its
 * free blocks. */
static void expect_no_space(hf_status status, size_t free_before, uint64_t length) {
    CHECK_STATUS(HF_NO_SPACE, status);
    CHECK_EQUAL(HF_NO_SPACE, hf_last_error().status);
    CHECK_EQUAL(ENOSPC, hf_last_error().os_code);
    CHECK_EQUAL(length, disk_size(path_of("image")));
    CHECK(free_bytes() >= free_before);
}

/* Adds blocks until the disk is full; returns their number. */
static size_t fill_the_disk(hf_arena *arena, size_t count) {
    for (;;) {
        size_t before = free_bytes();
        uint64_t length = disk_size(path_of("image"));
        if (add(arena, count)) {
            count++;
            continue;
        }
        expect_no_space(hf_last_error().status, before, length);
        expect_no_space(hf_precommit(arena, 2 * STEP), before, length);
        return count;
    }
}

static void fill_up_and_continue(void) {
    write_filler();
    hf_arena arena = open_image();
    size_t count = fill_the_disk(&arena, 0);
    CHECK(count > 5);
    check_blocks(&arena, count);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena)); /* its blocks were allocated at opening */
    disk_remove(path_of("filler"));
    size_t more = fill_the_disk(&arena, count);
    CHECK(more > count + 5);
    check_blocks(&arena, more);
    hf_arena_close(&arena);
    arena = open_image();
    check_blocks(&arena, more);
    CHECK(!add(&arena, 0));
    CHECK_STATUS(HF_OK, hf_rewind(&arena, hf_get_mark(&arena) / more * 2));
    hf_arena_close(&arena);
    CHECK(free_bytes() > BALLAST); /* closing truncated the file */
    arena = open_image();
    check_blocks(&arena, 2);
    CHECK(add(&arena, 2));
    hf_arena_close(&arena);
}

static void a_full_disk_is_no_space(void) { run_on_all(fill_up_and_continue); }

/* Fills the disk to the last block. */
static void fill_the_rest(void) {
    static const char bytes[4096];
    int file = open(path_of("rest"), O_WRONLY | O_CREAT, 0666);
    CHECK(file >= 0);
    while (write(file, bytes, sizeof bytes) > 0) continue;
    CHECK_EQUAL(ENOSPC, errno);
    close(file);
}

/* True if there was enough space for the image. */
static bool make_new_one(void) {
    hf_arena arena;
    hf_arena_options options = {.reserve = IMAGE_RESERVE};
    hf_status status = hf_arena_open_file(&arena, path_of("new"), HF_READ_WRITE, &options);
    if (status != HF_OK) {
        CHECK(status == HF_NO_SPACE || status == HF_IO); /* no space for its name */
        CHECK_EQUAL(ENOSPC, hf_last_error().os_code);
        CHECK(!disk_exists(path_of("new")) || disk_size(path_of("new")) == 0);
        disk_remove(path_of("new"));
        return false;
    }
    char *block = hf_alloc(&arena, 200000, 8);
    if (block) fill(block, 200000, 3);
    if (!block) CHECK_EQUAL(HF_NO_SPACE, hf_last_error().status);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    CHECK_EQUAL(image_size(block ? 200000 : 0), disk_size(path_of("new")));
    disk_remove(path_of("new"));
    return block != NULL;
}

/* Frees block after block: space for a part of the header, for all of it, for a part of the first
 * step. */
static void make_new_ones(void) {
    write_filler();
    fill_the_rest();
    intptr_t filler = disk_open(path_of("filler"), DISK_BOTH);
    size_t left = BALLAST, attempts = 0;
    for (;; attempts++) {
        size_t before = free_bytes();
        if (make_new_one()) break;
        CHECK(free_bytes() >= before);
        CHECK(left > BALLAST / 2);
        disk_resize(filler, left -= 4096);
    }
    CHECK(attempts >= 65);
    disk_close(filler);
}

static void a_new_image_on_a_full_disk(void) { run_on_all(make_new_ones); }

/* A save over an existing image fails, and the image stays. */
static void save_into_nothing(void) {
    write_filler();
    hf_arena arena = fixture_open((hf_arena_options){.reserve = IMAGE_RESERVE});
    add(&arena, 0);
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path_of("image")));
    struct content saved = content_of(path_of("image"));
    for (size_t i = 1; i < 100; i++) add(&arena, i);
    for (int round = 0; round < 3; round++) {
        size_t before = free_bytes();
        expect_no_space(hf_arena_save(&arena, path_of("image")), before, saved.size);
        check_content(path_of("image"), &saved);
        CHECK(!disk_exists(path_of("image.saving00")));
    }
    CHECK_STATUS(HF_OK, hf_rewind(&arena, BALLAST));
    CHECK_STATUS(HF_OK, hf_arena_save(&arena, path_of("image")));
    CHECK_EQUAL(image_size(BALLAST), disk_size(path_of("image")));
    free(saved.bytes);
    hf_arena_close(&arena);
}

static void a_save_on_a_full_disk(void) { run_on_all(save_into_nothing); }

/* ------------------------------------------------------------------- read-only ------------- */

static void read_what_is_read_only(void) {
    image_make(path_of("image"), STEP, 1, (hf_arena_options){0});
    CHECK(mount(NULL, folder, NULL, MS_REMOUNT | MS_RDONLY, NULL) == 0);
    hf_arena arena;
    CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, path_of("image"), HF_READ_WRITE, NULL));
    CHECK_EQUAL(EROFS, hf_last_error().os_code);
    CHECK_STATUS(HF_IO, hf_arena_open_file(&arena, path_of("new"), HF_READ_WRITE, NULL));
    CHECK_EQUAL(EROFS, hf_last_error().os_code);
    arena = image_open(path_of("image"), HF_READ_ONLY, (hf_arena_options){0});
    CHECK(is_filled(hf_arena_root(&arena), STEP, 1));
    hf_arena_close(&arena);
    arena = image_open(path_of("image"), HF_COPY_ON_WRITE, (hf_arena_options){0});
    fill(hf_arena_root(&arena), STEP, 2);
    CHECK(hf_alloc(&arena, MIB, 8) != NULL);
    CHECK_STATUS(HF_IO, hf_arena_save(&arena, path_of("image")));
    CHECK_EQUAL(EROFS, hf_last_error().os_code);
    CHECK(is_filled(hf_arena_root(&arena), STEP, 2));
    hf_arena_close(&arena);
}

static void a_read_only_disk_can_be_read(void) { run_on_all(read_what_is_read_only); }

/* ---------------------------------------------------------------- limit on sizes ----------- */

enum { LIMIT = 2000000 };

/* A write past RLIMIT_FSIZE would raise SIGXFSZ; the call must fail instead. */
static void grow_to_the_limit(void *unused) {
    (void)unused;
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    hf_arena arena = open_image();
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){LIMIT, limit.rlim_max}) == 0);
    size_t count = 0;
    while (add(&arena, count)) count++;
    CHECK_EQUAL(HF_NO_SPACE, hf_last_error().status);
    CHECK_EQUAL(EFBIG, hf_last_error().os_code);
    CHECK(count >= 5 && disk_size(path_of("image")) <= LIMIT);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    CHECK_STATUS(HF_NO_SPACE, hf_precommit(&arena, LIMIT));
    hf_arena plain = fixture_open((hf_arena_options){.reserve = IMAGE_RESERVE});
    CHECK(hf_alloc(&plain, LIMIT, 8) != NULL);
    CHECK_STATUS(HF_NO_SPACE, hf_arena_save(&plain, path_of("saved")));
    CHECK_EQUAL(EFBIG, hf_last_error().os_code);
    CHECK(!disk_exists(path_of("saved")) && !disk_exists(path_of("saved.saving00")));
    hf_arena_close(&plain);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(add(&arena, count));
    check_blocks(&arena, count + 1);
    hf_arena_close(&arena);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1000, limit.rlim_max}) == 0);
    CHECK_STATUS(HF_NO_SPACE, hf_arena_open_file(&arena, path_of("new"), HF_READ_WRITE, NULL));
    CHECK_EQUAL(0, disk_size(path_of("new")));
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    arena = open_image();
    check_blocks(&arena, count + 1);
    hf_arena_close(&arena);
}

static void the_limit_on_sizes_is_no_space(void) {
    strcpy(folder, "/tmp/holdfast-test-XXXXXX");
    CHECK(mkdtemp(folder) != NULL);
    bool passed = process_runs(grow_to_the_limit, NULL);
    disk_remove(path_of("image"));
    disk_remove(path_of("new"));
    rmdir(folder);
    CHECK(passed);
}

/* ----------------------------------------------------------------------- holes ------------ */

static void run_command(const char *format) {
    char command[400];
    snprintf(command, sizeof command, format, folder, folder);
    CHECK(system(command) == 0);
}

/* A sparse copy, as a backup restores it. */
static void make_sparse_copy(size_t size) {
    hf_arena arena = image_open(path_of("whole"), HF_READ_WRITE, (hf_arena_options){0});
    CHECK(hf_alloc_zeroed(&arena, size, 8) != NULL);
    fill(hf_arena_base(&arena) + size / 2, 1000, 7);
    hf_arena_close(&arena);
    run_command("cp --sparse=always %s/whole %s/image");
    CHECK(disk_allocated(path_of("image")) < size / 2);
    disk_remove(path_of("whole"));
}

static void store_everywhere(hf_arena *arena, size_t size) {
    fill(hf_arena_base(arena), size, 3);
    CHECK_STATUS(HF_OK, hf_arena_sync(arena));
    CHECK(is_filled(hf_arena_base(arena), size, 3));
}

/* A store into a hole on a full disk would raise SIGBUS. */
static void open_a_sparse_copy(void) {
    size_t size = 4 * MIB;
    make_sparse_copy(size);
    struct content before = content_of(path_of("image"));
    uint64_t allocated = disk_allocated(path_of("image"));
    fill_the_rest();
    hf_arena arena;
    hf_arena_options anywhere = {.any_base = true}; /* on 32 bits no address is sure to stay free */
    CHECK_STATUS(HF_NO_SPACE,
                 hf_arena_open_file(&arena, path_of("image"), HF_READ_WRITE, &anywhere));
    CHECK_EQUAL(ENOSPC, hf_last_error().os_code);
    check_content(path_of("image"), &before);
    CHECK(disk_allocated(path_of("image")) < allocated + 2 * MIB);
    disk_remove(path_of("rest"));
    arena = image_open(path_of("image"), HF_READ_WRITE, anywhere);
    CHECK(disk_allocated(path_of("image")) >= size);
    check_content(path_of("image"), &before);
    free(before.bytes);
    fill_the_rest();
    store_everywhere(&arena, size);
    hf_arena_close(&arena);
}

static void a_sparse_copy_is_filled_when_it_opens(void) { run_on_all(open_a_sparse_copy); }

/* Writing zeros into a hole above RLIMIT_FSIZE would raise SIGXFSZ. */
static void open_a_sparse_copy_above_the_limit(void) {
    struct rlimit limit;
    make_sparse_copy(4 * MIB);
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(setrlimit(RLIMIT_FSIZE, &(struct rlimit){LIMIT, limit.rlim_max}) == 0);
    hf_arena arena;
    hf_arena_options anywhere = {.any_base = true};
    hf_status status = hf_arena_open_file(&arena, path_of("image"), HF_READ_WRITE, &anywhere);
    CHECK(status == HF_OK || (status == HF_NO_SPACE && hf_last_error().os_code == EFBIG));
    if (status == HF_OK) hf_arena_close(&arena);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    arena = image_open(path_of("image"), HF_READ_WRITE, anywhere);
    hf_arena_close(&arena);
}

static void a_sparse_copy_above_the_limit_raises_no_signal(void) {
    run_on_all(open_a_sparse_copy_above_the_limit);
}

/* ------------------------------------------------------------ blocks that are copied ------- */

static void open_a_copy_that_shares_blocks(void) {
    hf_arena arena = open_image();
    CHECK(hf_alloc_zeroed(&arena, 8 * MIB, 8) != NULL);
    hf_arena_close(&arena);
    run_command("cp --reflink=always %s/image %s/copy");
    arena = image_open(path_of("copy"), HF_READ_WRITE, (hf_arena_options){.any_base = true});
    fill_the_rest();
    store_everywhere(&arena, 8 * MIB);
    hf_arena_close(&arena);
    arena = open_image();
    CHECK(is_zero(hf_arena_base(&arena), 8 * MIB));
    hf_arena_close(&arena);
}

static void shared_blocks_are_parted_when_an_image_opens(void) {
    run_on_disk(&(struct small_disk){"xfs", mount_xfs}, open_a_copy_that_shares_blocks,
                "XFS cannot be mounted here");
}

/* On Linux, an ioctl (FS_IOC_SETFLAGS) on the empty file turns off copy-on-write on btrfs. */
static void store_again_and_again(void) {
    hf_arena arena = open_image();
    CHECK(hf_alloc_zeroed(&arena, 8 * MIB, 8) != NULL);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    fill_the_rest();
    for (int i = 0; i < 3; i++) store_everywhere(&arena, 8 * MIB);
    hf_arena_close(&arena);
}

static void btrfs_stores_in_place(void) {
    if (HOLDFAST_GENERIC_POSIX) {
        check_skip("only Linux has the call for it");
        return;
    }
    run_on_disk(&(struct small_disk){"btrfs", mount_btrfs}, store_again_and_again,
                "btrfs cannot be mounted here");
}

/* ------------------------------------------------------------- a disk that fails ----------- */

/* A thin-provisioned disk, with more blocks than its backing file: ext4 allocates blocks for the
 * file, but writing the pages back fails. */
static bool mount_pool(void) {
    char command[600];
    snprintf(command, sizeof command,
             "folder=%s; PATH=$PATH:/usr/sbin:/sbin; mkdir $folder/pool $folder/disk &&\n"
             "mount -t tmpfs -o size=24m none $folder/pool &&\n"
             "truncate -s 64M $folder/pool/disk && mke2fs -q -t ext4 $folder/pool/disk &&\n"
             "mount -o loop,errors=continue $folder/pool/disk $folder/disk",
             folder);
    return mount_memory() && system(command) == 0;
}

static size_t length_of_folder;

static void enter_folder(const char *below) { strcpy(folder + length_of_folder, below); }

/* Once a sync has failed, every later sync fails too; what was durable is still there. */
static void sync_into_a_full_pool(void) {
    length_of_folder = strlen(folder);
    enter_folder("/disk");
    hf_arena arena = open_image();
    fill(hf_alloc(&arena, 2 * MIB, 8), 2 * MIB, 1);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    size_t synced = hf_get_mark(&arena);
    enter_folder("/pool");
    fill_the_rest();
    enter_folder("/disk");
    char *lost = hf_alloc(&arena, 8 * MIB, 8);
    CHECK(lost != NULL);
    fill(lost, 8 * MIB, 2);
    hf_status first = hf_arena_sync(&arena);
    CHECK(first == HF_IO || first == HF_NO_SPACE);
    for (int i = 0; i < 3; i++) CHECK_STATUS(first, hf_arena_sync(&arena));
    enter_folder("/pool");
    disk_remove(path_of("rest"));
    enter_folder("/disk");
    CHECK_STATUS(first, hf_arena_sync(&arena));
    hf_arena_close(&arena);
    enter_folder("");
    run_command("cd %s && umount disk && mount -o loop %s/pool/disk disk");
    enter_folder("/disk");
    arena = open_image();
    CHECK_EQUAL(synced, hf_get_mark(&arena));
    CHECK(is_filled(hf_arena_base(&arena), 2 * MIB, 1));
    fill(hf_alloc(&arena, 2 * MIB, 8), 2 * MIB, 3);
    CHECK_STATUS(HF_OK, hf_arena_sync(&arena));
    hf_arena_close(&arena);
}

static void a_failed_sync_stays_failed(void) {
    run_on_disk(&(struct small_disk){"pool", mount_pool}, sync_into_a_full_pool,
                "no ext4 can be mounted in a tmpfs here");
}

CHECK_MAIN(TEST(a_full_disk_is_no_space), TEST(a_new_image_on_a_full_disk),
           TEST(a_save_on_a_full_disk), TEST(a_read_only_disk_can_be_read),
           TEST(the_limit_on_sizes_is_no_space), TEST(a_sparse_copy_is_filled_when_it_opens),
           TEST(a_sparse_copy_above_the_limit_raises_no_signal),
           TEST(shared_blocks_are_parted_when_an_image_opens), TEST(btrfs_stores_in_place),
           TEST(a_failed_sync_stays_failed))
