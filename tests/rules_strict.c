/*
 * rules_strict.c -- the strict backend as a machine: each Windows call is made with a function of
 * hf_backend.
 *
 *     VirtualAlloc2(RESERVE | PLACEHOLDER)           reserve
 *     VirtualAlloc2(RESERVE | COMMIT | REPLACE)      commit
 *     VirtualAlloc2(RESERVE | COMMIT)                allocate_pages: memory apart from every space
 *     VirtualFree(RELEASE | PRESERVE)                split and decommit: strict's are one function
 *     VirtualFree(RELEASE | COALESCE)                coalesce
 *     VirtualFree(RELEASE), UnmapViewOfFile          release
 *     MapViewOfFile3(REPLACE)                        map
 *     UnmapViewOfFile2(PRESERVE)                     unmap
 *     VirtualProtect                                 protect
 *
 * A backend has no function for any other call: NO_SUCH_CALL.
 */
#include "check.h"
#include "holdfast/arena.h"
#include "holdfast/backend.h"
#include "rules.h"

static hf_backend *strict;
static hf_report report;

/* The pages from allocate_pages; the rules use one allocation at a time. */
static struct {
    char *address;
    size_t size;
} ordinary;

static size_t page(void) { return strict->page_size(strict); }

static long code_of(hf_status status) {
    if (status == HF_UNSUPPORTED) return NOT_HERE;
    return status == HF_OK ? SUCCESS : report.os_code;
}

/* ----------------------------------------------------------------------- memory ------------- */

static long reserve(char *base, size_t size, char **address) {
    void *reserved;
    hf_status status = strict->reserve(strict, base, size, &reserved, &report);
    if (status == HF_OK) *address = reserved;
    return code_of(status);
}

static long allocate_ordinary(size_t size, char **address) {
    void *pages;
    CHECK(ordinary.address == NULL);
    hf_status status = strict->allocate_pages(strict, size, &pages, &report);
    if (status != HF_OK) return code_of(status);
    *address = ordinary.address = pages;
    ordinary.size = size;
    return SUCCESS;
}

static long free_ordinary(void) {
    strict->free_pages(strict, ordinary.address, ordinary.size);
    ordinary.address = NULL;
    return SUCCESS;
}

static long commit(char *base, size_t size, char **address) {
    hf_status status = strict->commit(strict, base, size, &report);
    if (status == HF_OK) *address = base;
    return code_of(status);
}

static long allocate(char *base, size_t size, unsigned type, unsigned protection, char **address) {
    bool writable = protection == READ_WRITE;
    if (type == (RESERVE | PLACEHOLDER) && protection == NO_ACCESS)
        return reserve(base, size, address);
    if (type == (RESERVE | COMMIT | REPLACE) && writable) return commit(base, size, address);
    if (type == (RESERVE | COMMIT) && writable && base == NULL)
        return allocate_ordinary(size, address);
    return NO_SUCH_CALL;
}

static long allocate_old(char *base, size_t size, unsigned type, unsigned protection,
                         char **address) {
    (void)base, (void)size, (void)type, (void)protection, (void)address;
    return NO_SUCH_CALL;
}

/* strict's release has no status: if it breaks a rule, it does nothing and counts a violation. */
static long release_as(char *address, size_t size, hf_kind kind) {
    size_t before = hf_strict_get_stats(strict).violations;
    strict->release(strict, address, size, kind);
    return hf_strict_get_stats(strict).violations == before ? SUCCESS : NO_CODE;
}

static long release(char *address, size_t size) {
    if (address == ordinary.address) return free_ordinary();
    long code = release_as(address, size, HF_PLACEHOLDER);
    return code == SUCCESS ? code : release_as(address, size, HF_COMMITTED);
}

/* A list of one region, for strict's check function. */
struct question {
    hf_region region;
    bool asked;
};

static bool ask(void *cursor, hf_region *region) {
    struct question *question = cursor;
    bool first = !question->asked;
    question->asked = true;
    *region = question->region;
    return first;
}

/* Asks strict's check function whether exactly this region is there. */
static bool is_piece(char *address, size_t size, hf_kind kind) {
    hf_protection protection = kind == HF_PLACEHOLDER ? HF_PROTECT_NONE : HF_PROTECT_READ_WRITE;
    struct question question = {{0, size, kind, HF_READ_WRITE, 0, protection}, false};
    size_t offset;
    return strict->check(strict, address, ask, &question, &offset, &report) == HF_OK;
}

/* hf_backend's release takes the size of the whole region; any other size breaks a rule. */
static long release_sized(char *address, size_t size) {
    bool whole = is_piece(address, size, HF_PLACEHOLDER) || is_piece(address, size, HF_COMMITTED);
    return whole ? NO_SUCH_CALL : release(address, size);
}

static long free_memory(char *address, size_t size, unsigned type) {
    if (type == (RELEASE | PRESERVE)) {
        hf_status split = strict->split(strict, address, size, &report);
        return code_of(split);
    }
    if (type == (RELEASE | COALESCE))
        return code_of(strict->coalesce(strict, address, size, &report));
    return type == RELEASE ? release_sized(address, size) : NO_SUCH_CALL;
}

static size_t too_much(void) { return 4 * page(); }

static void starve(void) { hf_strict_fail(strict, 1, false); }

/* ----------------------------------------------------------------------- views -------------- */

static hf_access mapped = HF_READ_WRITE; /* the access of the last view */

static long map(intptr_t section, char *base, uint64_t offset, size_t size, unsigned type,
                unsigned protection, char **address) {
    hf_access access = protection == READ_WRITE   ? HF_READ_WRITE
                       : protection == WRITE_COPY ? HF_COPY_ON_WRITE
                                                  : HF_READ_ONLY;
    if (type != REPLACE) return NO_SUCH_CALL;
    hf_status status = strict->map(strict, base, size, section, offset, access, &report);
    if (status == HF_OK) {
        *address = base;
        mapped = access;
    }
    return code_of(status);
}

/* Of committed memory, or of the last view. */
static long protect(char *address, size_t size, unsigned protection) {
    hf_protection wanted = protection == NO_ACCESS   ? HF_PROTECT_NONE
                           : protection == READ_ONLY ? HF_PROTECT_READ
                                                     : HF_PROTECT_READ_WRITE;
    if (protection == EXECUTE_READ) return NO_SUCH_CALL;
    return code_of(strict->protect(strict, address, size, mapped, wanted, &report));
}

static long unmap(char *address, size_t size, unsigned flags) {
    return flags == PRESERVE ? code_of(strict->unmap(strict, address, size, &report))
                             : release_as(address, size, HF_VIEW);
}

static long open_file(const char *path, uint64_t size, intptr_t *section) {
    uint64_t found;
    intptr_t file;
    if (strict->file_open(strict, path, HF_READ_WRITE, &file, &found, &report) != HF_OK)
        return code_of(strict->file_create(strict, path, size, section, &report));
    if (found < size) {
        strict->file_close(strict, file);
        return NO_SUCH_CALL;
    }
    *section = file;
    return SUCCESS;
}

static long open_section(enum section kind, const char *path, uint64_t size, intptr_t *section) {
    if (kind == PAGING_FILE)
        return code_of(strict->file_create_shared(strict, size, section, &report));
    return kind == DATA_FILE ? open_file(path, size, section) : NO_SUCH_CALL;
}

static void close_section(intptr_t section) { strict->file_close(strict, section); }

/* ----------------------------------------------------------------------- the rest ----------- */

static long query(char *address, struct memory *memory) {
    (void)address, (void)memory;
    return NO_SUCH_CALL;
}

static long find(const char *library, const char *function) {
    (void)library, (void)function;
    return NO_SUCH_CALL;
}

static const struct mark marks[] = {
    {1, NO_SUCH_CALL, 3, "reserve has no flags and no protection, and has no predecessor"},
    {3, NO_SUCH_CALL, 2, "commit is always RESERVE | COMMIT | REPLACE"},
    {4, NO_SUCH_CALL, 3, "commit always replaces, reserve always makes a placeholder"},
    {5, NO_SUCH_CALL, 1, "commit reserves and commits in one"},
    {10, NO_SUCH_CALL, 1, "memory without a placeholder comes from allocate_pages, committed"},
    {15, NO_SUCH_CALL, 1, "map always replaces a placeholder"},
    {19, NO_SUCH_CALL, 1, "coalesce is always RELEASE | COALESCE"},
    {21, NO_CODE, 2, "release returns no code: it does nothing and counts a violation"},
    {22, NO_CODE, 2, "release of a part returns no code: it does nothing and counts a violation"},
    {22, NO_SUCH_CALL, 2, "release takes the size of the whole region"},
    {23, INVALID_PARAMETER, 1, "strict fails with 87: a space checks before the kernel rounds"},
    {24, NO_SUCH_CALL, 2, "map always replaces a placeholder"},
    {25, NO_SUCH_CALL, 1, "no function of hf_backend opens a file as an image"},
    {27, NO_SUCH_CALL, 1, "hf_backend has no query: a space knows its map"},
    {29, NO_SUCH_CALL, 4, "strict is not a system library"},
    {30, NO_SUCH_CALL, 1, "no function of hf_backend extends a file"},
    {34, NO_SUCH_CALL, 1, "a space asks only for views that may become executable"},
    {0, 0, 0, NULL},
};

static struct machine calls = {
    .name = "strict",
    .marks = marks,
    .page = page,
    .allocate = allocate,
    .allocate_old = allocate_old,
    .free = free_memory,
    .release = release,
    .unmap = unmap,
    .map = map,
    .protect = protect,
    .open_section = open_section,
    .close_section = close_section,
    .query = query,
    .find = find,
    .too_much = too_much,
    .starve = starve,
    .exact_base = sizeof(void *) > 4 ? 0x7e8000000000 : 0x50000000,
    .exact_size = sizeof(void *) > 4 ? (uint64_t)64 << 30 : (uint64_t)64 << 20,
};

/* Whether mapping a view works; a system from before placeholders does not support it. */
static bool tries_a_view(void) {
    intptr_t section;
    char *base = NULL;
    CHECK_EQUAL(SUCCESS, reserve(NULL, page(), &base));
    CHECK_EQUAL(SUCCESS, open_section(PAGING_FILE, NULL, page(), &section));
    long code = map(section, base, 0, page(), REPLACE, READ_WRITE, &base);
    close_section(section);
    CHECK_EQUAL(SUCCESS, code == SUCCESS ? unmap(base, page(), 0) : release(base, page()));
    return code != NOT_HERE;
}

/* strict over the native backend without its check function: is_piece asks only strict's table. */
const struct machine *machine_strict(void) {
    static hf_backend below;
    below = *hf_backend_native();
    below.check = NULL;
    CHECK_STATUS(HF_OK, hf_strict_open(&strict, &below));
    calls.has_placeholders = tries_a_view();
    return &calls;
}

void machine_strict_close(void) {
    hf_strict_stats stats = hf_strict_get_stats(strict);
    hf_strict_close(strict);
    CHECK_EQUAL(0, stats.regions);
    CHECK_EQUAL(0, stats.files);
    CHECK_EQUAL(0, stats.pages);
}
