/*
 * loader.c -- maps the segments of an ELF file into one placeholder, as a program loader does.
 *
 *     loader FILE    prints the segments, and the regions of the space
 *
 * Code addresses data relative to itself, so the distances between segments are fixed: a loader
 * reserves one range for all of them and maps each at its address in that range. Nothing else can
 * be mapped in between, because the rest stays placeholder.
 *
 *      file    | header, text |rodata|data|                              each at its offset
 *      space   |     view     | view | placeholder | view |  committed  |  at its address
 *                   text       rodata               data 0       bss
 *
 * A segment's address and its file offset are equal modulo the page size, so its pages can be views
 * of the file: read-only or copy-on-write. The bss, which is in memory but not in the file, is
 * zero: the loader zeroes the rest of the last page of the file and commits memory behind it. It
 * relocates and runs nothing; instead it compares every part of the file that has an address with
 * memory.
 */
#include <holdfast.h>

#include <elf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct segment {
    uint64_t offset, address, file_size, memory_size;
    bool is_loaded, is_writable; /* not loaded: it lies within one that is */
};

struct program {
    const char *bytes; /* the contents of the file */
    size_t size, count;
    struct segment *segments;
    uint64_t page;      /* the page size in bytes */
    uint64_t low, high; /* the addresses of all segments, rounded to pages */
    hf_space *space;
};

static const char *path; /* of the file */

static void require(bool condition, const char *what) {
    if (condition) return;
    fprintf(stderr, "loader: %s: %s\n", path, what);
    exit(EXIT_FAILURE);
}

static void need(hf_status status, const char *what) {
    if (status == HF_OK) return;
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    fprintf(stderr, "loader: %s: %s: %s\n", path, what, why);
    exit(EXIT_FAILURE);
}

/* ---- The headers: the fields of the 32-bit and the 64-bit class differ in their widths only. */

static void copy(const struct program *elf, void *to, uint64_t offset, size_t size) {
    require(offset <= elf->size && size <= elf->size - offset, "the file is cut off");
    memcpy(to, elf->bytes + offset, size);
}

#define DEFINE_READ(name, Header, Part)                                             \
    static void name(struct program *elf, hf_arena *arena) {                        \
        Header header;                                                              \
        Part part;                                                                  \
        copy(elf, &header, 0, sizeof header);                                       \
        elf->count = header.e_phnum;                                                \
        elf->segments = hf_new_array(arena, struct segment, elf->count);            \
        if (elf->segments == NULL) need(hf_last_error().status, "the segments");    \
        for (size_t i = 0; i < elf->count; i++) {                                   \
            copy(elf, &part, header.e_phoff + i * sizeof part, sizeof part);        \
            elf->segments[i] = (struct segment){                                    \
                part.p_offset, part.p_vaddr,           part.p_filesz,               \
                part.p_memsz,  part.p_type == PT_LOAD, (part.p_flags & PF_W) != 0}; \
        }                                                                           \
    }

DEFINE_READ(read_64, Elf64_Ehdr, Elf64_Phdr)
DEFINE_READ(read_32, Elf32_Ehdr, Elf32_Phdr)

static void read_segments(struct program *elf, hf_arena *arena) {
    unsigned char identity[EI_NIDENT];
    copy(elf, identity, 0, sizeof identity);
    require(memcmp(identity, ELFMAG, SELFMAG) == 0, "not an ELF file");
    if (identity[EI_CLASS] == ELFCLASS64)
        read_64(elf, arena);
    else
        read_32(elf, arena);
    for (size_t i = 0; i < elf->count; i++) {
        const struct segment *part = &elf->segments[i];
        bool is_sound = part->offset <= elf->size && part->file_size <= elf->size - part->offset;
        require(is_sound, "the file is cut off");
    }
}

/* ---- Mapping */

static uint64_t round_up(const struct program *elf, uint64_t address) {
    return (address + elf->page - 1) / elf->page * elf->page;
}

static void reserve(struct program *elf) {
    elf->page = hf_backend_native()->page_size(hf_backend_native());
    elf->low = UINT64_MAX;
    for (size_t i = 0; i < elf->count; i++) {
        const struct segment *part = &elf->segments[i];
        if (!part->is_loaded) continue;
        uint64_t end = round_up(elf, part->address + part->memory_size);
        require(end >= part->address && part->file_size <= part->memory_size, "sizes are wrong");
        if (elf->low > part->address) elf->low = part->address / elf->page * elf->page;
        if (elf->high < end) elf->high = end;
    }
    require(elf->low < elf->high, "nothing to load");
    require(elf->high - elf->low <= SIZE_MAX / 2, "more than can be addressed");
    need(hf_space_open(&elf->space, (size_t)(elf->high - elf->low), NULL), "reserving");
}

static char *at(const struct program *elf, uint64_t address) {
    return hf_space_base(elf->space) + (size_t)(address - elf->low);
}

static void map_segment(const struct program *elf, const struct segment *part, hf_file *file) {
    uint64_t skew = part->address % elf->page, start = part->address - skew;
    uint64_t data_end = part->address + part->file_size, view_end = round_up(elf, data_end);
    uint64_t end = round_up(elf, part->address + part->memory_size);
    hf_access access = part->is_writable ? HF_COPY_ON_WRITE : HF_READ_ONLY;
    if (part->file_size == 0) view_end = start;
    require(view_end == start || part->offset % elf->page == skew,
            "a segment's address and offset differ modulo the page size");
    if (start < view_end)
        need(hf_space_map_range(elf->space, (size_t)(start - elf->low), (size_t)(view_end - start),
                                file, part->offset - skew, access),
             "mapping a segment");
    if (part->is_writable && data_end < view_end)
        memset(at(elf, data_end), 0, (size_t)(view_end - data_end));
    if (view_end < end)
        need(hf_space_commit_range(elf->space, (size_t)(view_end - elf->low),
                                   (size_t)(end - view_end)),
             "the bss");
}

static void map_all(const struct program *elf) {
    hf_file *file;
    need(hf_file_open(&file, path, HF_COPY_ON_WRITE, NULL), "opening");
    for (size_t i = 0; i < elf->count; i++)
        if (elf->segments[i].is_loaded) map_segment(elf, &elf->segments[i], file);
    hf_file_close(file); /* the views stay */
}

/* ---- Comparing and printing */

static bool is_mapped(const struct program *elf, const struct segment *part) {
    for (size_t i = 0; i < elf->count; i++) {
        const struct segment *in = &elf->segments[i];
        uint64_t from = part->address - in->address;
        if (in->is_loaded && from <= in->file_size && part->file_size <= in->file_size - from)
            return true;
    }
    return false;
}

static void check(const struct program *elf, const struct segment *part) {
    if (!part->is_loaded && part->file_size == 0) return;
    require(is_mapped(elf, part), "a part lies in no segment");
    const char *memory = at(elf, part->address);
    require(memcmp(memory, elf->bytes + part->offset, (size_t)part->file_size) == 0,
            "memory differs from the file");
    for (uint64_t i = part->file_size; part->is_loaded && i < part->memory_size; i++)
        require(memory[i] == 0, "the bss is not zero");
    printf("%s 0x%06" PRIx64 " 0x%06" PRIx64 " 0x%06" PRIx64 " 0x%06" PRIx64 "\n",
           part->is_loaded ? "segment" : "part", part->offset, part->address, part->file_size,
           part->memory_size);
}

static void print_regions(const hf_space *space) {
    static const char *const kinds[] = {
        [HF_PLACEHOLDER] = "placeholder", [HF_COMMITTED] = "committed", [HF_VIEW] = "view"};
    for (hf_region region = {0}; hf_space_next(space, &region);)
        printf("%s 0x%zx 0x%zx\n", kinds[region.kind], region.offset, region.size);
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: loader FILE\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    hf_arena arena;
    void *bytes;
    struct program elf = {0};
    if (argc != 2 || argv[1][0] == '-') return usage(argv[argc - 1]);
    path = argv[1];
    need(hf_arena_open(&arena, NULL), "opening an arena");
    need(hf_arena_append_file(&arena, path, HF_READ_ONLY, &bytes, &elf.size), "opening");
    elf.bytes = bytes;
    read_segments(&elf, &arena);
    reserve(&elf);
    map_all(&elf);
    for (size_t i = 0; i < elf.count; i++) check(&elf, &elf.segments[i]);
    print_regions(elf.space);
    hf_space_close(elf.space);
    hf_arena_close(&arena);
    return EXIT_SUCCESS;
}
