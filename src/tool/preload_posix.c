/*
 * preload_posix.c -- preload.h: reads ELF headers, and edits the environment.
 *
 * The loader ignores LD_PRELOAD without an error that a program could see. So what makes it do so
 * is looked for before the program starts:
 *
 *   1. a program without PT_INTERP is statically linked: no loader runs
 *   2. a program for other processors, or with 32 instead of 64 bits, cannot load the library
 *   3. a program with another loader than this one's belongs to another C library
 *   4. setuid, setgid and file capabilities make the loader ignore LD_PRELOAD (AT_SECURE)
 *   5. LD_PRELOAD separates paths by spaces and colons, and has no quotes
 */
#define _DEFAULT_SOURCE
#define _POSIX_C_SOURCE 200809L

#include "preload.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/xattr.h>
#endif

#include "run.h"

enum { PRELOAD_PATH_SIZE = 4096 };

/* ------------------------------------------------------------------ the program ---------- */

static int preload_look(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0)
        return errno == ENOENT || errno == ENOTDIR ? RUN_NOT_FOUND : RUN_NOT_EXECUTABLE;
    if (S_ISDIR(status.st_mode)) return errno = EISDIR, RUN_NOT_EXECUTABLE;
    if (!S_ISREG(status.st_mode)) return errno = EACCES, RUN_NOT_EXECUTABLE;
    return access(path, X_OK) == 0 ? 0 : RUN_NOT_EXECUTABLE;
}

static int preload_look_in(const char *folder, size_t length, const char *command, char *path,
                           size_t room) {
    int size = length ? snprintf(path, room, "%.*s/%s", (int)length, folder, command)
                      : snprintf(path, room, "%s", command);
    if (size < 0 || (size_t)size >= room) return errno = ENAMETOOLONG, RUN_NOT_FOUND;
    return preload_look(path);
}

/* A file that cannot be executed does not end the search, but is the reason if none is found. */
int preload_find(const char *command, char *path, size_t room) {
    const char *folders = getenv("PATH");
    int result = RUN_NOT_FOUND, reason = ENOENT;
    if (strchr(command, '/')) return preload_look_in("", 0, command, path, room);
    if (!folders) folders = "/bin:/usr/bin";
    for (const char *end; folders; folders = *end ? end + 1 : NULL) {
        end = folders + strcspn(folders, ":");
        int found = preload_look_in(folders, (size_t)(end - folders), command, path, room);
        if (found == 0) return 0;
        if (found == RUN_NOT_EXECUTABLE && errno != EISDIR) result = found, reason = errno;
    }
    errno = reason;
    return result;
}

/* ------------------------------------------------------------------- ELF headers ---------- */

typedef ElfW(Ehdr) preload_header;
typedef ElfW(Phdr) preload_segment;

struct preload_file {
    unsigned char begin[sizeof(preload_header)]; /* the first bytes of the file */
    size_t size;                                 /* how many there are */
    char loader[PRELOAD_PATH_SIZE]; /* of an ELF program; empty: none, or for other processors */
};

static bool preload_is_elf(const struct preload_file *file) {
    return file->size >= EI_NIDENT && memcmp(file->begin, ELFMAG, SELFMAG) == 0;
}

static preload_header preload_header_of(const struct preload_file *file) {
    preload_header header = {0};
    if (file->size == sizeof header) memcpy(&header, file->begin, sizeof header);
    return header;
}

/* Bits, byte order and processor are the same as of this program. */
static bool preload_is_like(const struct preload_file *file, const struct preload_file *own) {
    preload_header a = preload_header_of(file), b = preload_header_of(own);
    return a.e_ident[EI_CLASS] == b.e_ident[EI_CLASS] && a.e_ident[EI_DATA] == b.e_ident[EI_DATA] &&
           a.e_machine == b.e_machine;
}

static bool preload_read_at(int file, void *bytes, size_t size, uint64_t offset) {
    return pread(file, bytes, size, (off_t)offset) == (ssize_t)size;
}

static void preload_read_loader(int descriptor, struct preload_file *file) {
    preload_header header = preload_header_of(file);
    preload_segment segment;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        uint64_t at = header.e_phoff + (uint64_t)i * header.e_phentsize;
        if (!preload_read_at(descriptor, &segment, sizeof segment, at)) return;
        if (segment.p_type != PT_INTERP) continue;
        if (segment.p_filesz >= sizeof file->loader) return;
        if (!preload_read_at(descriptor, file->loader, segment.p_filesz, segment.p_offset))
            file->loader[0] = '\0';
        return;
    }
}

static bool preload_read(const char *path, struct preload_file *file) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    *file = (struct preload_file){.size = 0};
    if (descriptor < 0) return false;
    ssize_t got = read(descriptor, file->begin, sizeof file->begin);
    if (got > 0) file->size = (size_t)got;
    if (preload_is_elf(file)) preload_read_loader(descriptor, file);
    close(descriptor);
    return true;
}

static bool preload_read_own(struct preload_file *own) {
    return preload_read("/proc/self/exe", own) && preload_is_elf(own);
}

/* ------------------------------------------------------------ what makes it impossible ----- */

/* Always false, for the caller to return. */
static bool preload_say(char *why, size_t room, const char *text) {
    snprintf(why, room, "%s", text);
    return false;
}

/* "#!/bin/sh -e": stores "/bin/sh". False: the file is not such a script. */
static bool preload_read_interpreter(const char *script, char *path, size_t room) {
    char line[PRELOAD_PATH_SIZE];
    FILE *file = fopen(script, "r");
    if (!file) return false;
    bool read = fgets(line, sizeof line, file) && line[0] == '#' && line[1] == '!';
    fclose(file);
    if (!read) return false;
    const char *begin = line + 2 + strspn(line + 2, " \t");
    snprintf(path, room, "%.*s", (int)strcspn(begin, " \t\r\n"), begin);
    return true;
}

static bool preload_is_secure(const char *program) {
    struct stat status;
    if (stat(program, &status) != 0) return false;
    if ((status.st_mode & S_ISUID) && status.st_uid != getuid()) return true;
    if ((status.st_mode & S_ISGID) && status.st_gid != getgid()) return true;
#ifdef __linux__
    return getuid() != 0 && getxattr(program, "security.capability", NULL, 0) > 0;
#else
    return false;
#endif
}

static const char *preload_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool preload_fits(const struct preload_file *file, char *why, size_t room) {
    struct preload_file own;
    if (!preload_is_elf(file)) return true; /* execvp may have the shell execute it */
    bool known = preload_read_own(&own);
    if (known && !preload_is_like(file, &own))
        return preload_say(why, room,
                           "it is for other processors than the library, or has not as "
                           "many bits");
    if (!file->loader[0])
        return preload_say(
            why, room,
            "it names no loader (it is statically linked, say), so nothing can be preloaded: "
            "link the library into it");
    if (!known || !own.loader[0] ||
        strcmp(preload_name(file->loader), preload_name(own.loader)) == 0)
        return true;
    snprintf(why, room, "its loader is %s, that of another C library", file->loader);
    return false;
}

static bool preload_can_be_named(const char *library, char *why, size_t room) {
    if (!strpbrk(library, " :\t\n")) return true;
    snprintf(why, room, "LD_PRELOAD cannot name a path with spaces or colons: %s", library);
    return false;
}

bool preload_is_possible(const char *program, const char *library, char *why, size_t room) {
    enum { MOST_SCRIPTS = 4 }; /* as Linux follows */
    struct preload_file file;
    char paths[2][PRELOAD_PATH_SIZE];
    if (!preload_can_be_named(library, why, room)) return false;
    for (size_t i = 0; i < MOST_SCRIPTS; i++, program = paths[i % 2])
        if (!preload_read_interpreter(program, paths[(i + 1) % 2], sizeof paths[0])) break;
    if (preload_is_secure(program))
        return preload_say(why, room,
                           "it is setuid or setgid, or has capabilities, so that the "
                           "loader ignores LD_PRELOAD");
    return !preload_read(program, &file) || preload_fits(&file, why, room);
}

bool preload_is_library(const char *path, char *why, size_t room) {
    struct preload_file file, own;
    if (!preload_can_be_named(path, why, room)) return false;
    if (!preload_read(path, &file)) return preload_say(why, room, strerror(errno));
    if (!preload_is_elf(&file) || preload_header_of(&file).e_type != ET_DYN)
        return preload_say(why, room, "it is no shared library");
    if (preload_read_own(&own) && !preload_is_like(&file, &own))
        return preload_say(why, room, "it is for other processors, or has not as many bits");
    return true;
}

/* ----------------------------------------------------------------- the environment -------- */

bool preload_set(const char *library) {
    const char *others = getenv("LD_PRELOAD");
    bool are_others = others && *others;
    size_t room = strlen(library) + (are_others ? strlen(others) : 0) + 2;
    char *list = malloc(room);
    if (!list) return false;
    snprintf(list, room, "%s%s%s", library, are_others ? ":" : "", are_others ? others : "");
    bool set = setenv("LD_PRELOAD", list, 1) == 0;
    free(list);
    return set;
}
