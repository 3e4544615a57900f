/*
 * rules.c -- one function for each rule, which shows it on a machine; see rules.h.
 *
 * A rule begins with a new placeholder of 16 pages, the reservation; at(3) is the address of its
 * page 3. PREPARE makes a call that must succeed before the rule can be shown. SHOW checks a
 * call against the code that the rule says. It returns false if the machine has a mark for the code
 * that the call returned. To show that a range is exactly one placeholder again, a rule replaces
 * it: only exactly one placeholder can be replaced (rule 2).
 *
 * The pictures: p placeholder, c committed, v view, . free; | where a piece ends.
 */
#include "rules.h"

#include "check.h"

enum { PAGES = 16, RULES = 35, FILL = 0xa5 };

/* The allocation granularity. */
enum { BLOCK = 65536 };

static const struct machine *machine;
static char *reservation;
static size_t reservation_size;
static size_t page;

/* ----------------------------------------------------------------------- marks -------------- */

static struct {
    int rule;
    size_t shown;
    int marked[8]; /* how often each mark of the rule was met */
    bool is_cut;   /* the rule ended early: the system below does not support it */
    jmp_buf not_here;
} now;

static const struct mark *next_mark(const struct mark *mark) {
    while (mark->rule != 0 && mark->rule != now.rule) mark++;
    return mark;
}

static bool has_mark(long instead) {
    size_t i = 0;
    for (const struct mark *mark = next_mark(machine->marks); mark->rule != 0;
         mark = next_mark(mark + 1), i++)
        if (mark->instead == instead) return ++now.marked[i] > 0;
    return false;
}

static const char *describe(long code) {
    static char number[32];
    snprintf(number, sizeof number, "code %ld", code);
    return code == SUCCESS        ? "success"
           : code == NO_SUCH_CALL ? "no such call"
           : code == NO_CODE      ? "a failure without a code"
                                  : number;
}

static void check_code(const char *file, int line, const char *what, const char *expected,
                       long code) {
    char text[400];
    snprintf(text, sizeof text, "%s: %s, not %s", what, describe(code), expected);
    check_fail(file, line, text);
}

static bool show(const char *file, int line, const char *what, long expected, long code) {
    if (code == NOT_HERE) longjmp(now.not_here, 1);
    if (code == expected) return ++now.shown > 0;
    if (!has_mark(code))
        check_code(file, line, what, expected == SUCCESS ? "success" : "the rule's code", code);
    now.shown += code == NO_CODE && expected != SUCCESS;
    return false;
}

#define SHOW(expected, call) show(__FILE__, __LINE__, #call, expected, call)

/* The call must fail; the rule does not say with which code. */
#define SHOW_ERROR(call) show_error(__FILE__, __LINE__, #call, call)

static bool show_error(const char *file, int line, const char *what, long code) {
    if (has_mark(code)) return false;
    return show(file, line, what, code > SUCCESS ? code : NO_CODE, code);
}

/* The call must fail with one of the two codes for lack of memory. */
#define SHOW_STARVED(call) show_starved(__FILE__, __LINE__, #call, call)

static bool show_starved(const char *file, int line, const char *what, long code) {
    long expected = code == NOT_ENOUGH_MEMORY ? NOT_ENOUGH_MEMORY : COMMITMENT_LIMIT;
    return show(file, line, what, expected, code);
}

#define PREPARE(call) prepare(__FILE__, __LINE__, #call, call)

static void prepare(const char *file, int line, const char *what, long code) {
    if (code == NOT_HERE) longjmp(now.not_here, 1);
    if (code != SUCCESS) check_code(file, line, what, "success", code);
}

/* ----------------------------------------------------------------------- the reservation ---- */

static char *at(size_t index) { return reservation + index * page; }

static long reserve(char *base, size_t size, char **address) {
    return machine->allocate(base, size, RESERVE | PLACEHOLDER, NO_ACCESS, address);
}

/* VirtualFree(MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER). */
static long preserve(size_t first, size_t count) {
    return machine->free(at(first), count * page, RELEASE | PRESERVE);
}

static long coalesce(size_t first, size_t count) {
    return machine->free(at(first), count * page, RELEASE | COALESCE);
}

static long replace(size_t first, size_t count) {
    char *address = at(first);
    long code = machine->allocate(at(first), count * page, RESERVE | COMMIT | REPLACE, READ_WRITE,
                                  &address);
    CHECK(address == at(first));
    return code;
}

/* Replaces the range and makes it a placeholder again; succeeds for exactly one placeholder. */
static long turn_round(size_t first, size_t count) {
    long code = replace(first, count);
    return code == SUCCESS ? preserve(first, count) : code;
}

static long release(size_t first, size_t count) {
    return machine->release(at(first), count * page);
}

static void fill(size_t first, size_t count) { memset(at(first), FILL, count * page); }

static bool is_all(size_t first, size_t count, unsigned char value) {
    for (char *byte = at(first); byte < at(first + count); byte++)
        if ((unsigned char)*byte != value) return false;
    return true;
}

static bool free_piece(const struct machine *on, char *address, size_t size) {
    return on->release(address, size) == SUCCESS || on->unmap(address, size, 0) == SUCCESS;
}

/* Goes up by address: Windows unmaps a whole view when it is given an address inside the view. */
void machine_sweep(const struct machine *on, char *base, size_t size) {
    size_t step = on->page();
    for (size_t first = 0; first < size; first += step)
        for (size_t piece = step; piece <= size - first; piece += step)
            if (free_piece(on, base + first, piece)) break;
}

static void open_reservation(size_t size) {
    PREPARE(reserve(NULL, size, &reservation));
    reservation_size = size;
}

/* Replaces the reservation by one of several blocks, for rules about holes and about neighbours
 * that were reserved separately. A system from before placeholders supports neither. */
static void change_reservation(size_t blocks) {
    if (!machine->has_placeholders) longjmp(now.not_here, 1);
    PREPARE(machine->release(reservation, reservation_size));
    open_reservation(blocks * BLOCK);
}

static size_t block(size_t count) { return count * (BLOCK / page); }

/* ----------------------------------------------------------------------- sections ----------- */

static intptr_t section;

static void open_pages(size_t count) {
    PREPARE(machine->open_section(PAGING_FILE, NULL, count * page, &section));
}

static const char *file_name(void) {
    static char name[64];
    snprintf(name, sizeof name, "rules_%s.data", machine->name);
    return name;
}

static long map_as(size_t first, size_t count, size_t offset, unsigned protection) {
    char *address = at(first);
    long code = machine->map(section, at(first), offset * page, count * page, REPLACE, protection,
                             &address);
    CHECK(address == at(first));
    return code;
}

static long map(size_t first, size_t count) { return map_as(first, count, 0, READ_WRITE); }

static long unmap(size_t first, size_t count, unsigned flags) {
    return machine->unmap(at(first), count * page, flags);
}

static long protect(size_t first, size_t count, unsigned protection) {
    return machine->protect(at(first), count * page, protection);
}

static void close_section(void) {
    if (section != 0) machine->close_section(section);
    section = 0;
}

/* ----------------------------------------------------------------------- reserving ---------- */

static void rule_1(void) {
    size_t size = BLOCK;
    char *address;
    if (SHOW(SUCCESS, machine->allocate(NULL, size, RESERVE | PLACEHOLDER, NO_ACCESS, &address)))
        PREPARE(machine->release(address, size));
    SHOW(INVALID_PARAMETER, machine->allocate(NULL, size, PLACEHOLDER, NO_ACCESS, &address));
    SHOW(INVALID_PARAMETER,
         machine->allocate(NULL, size, RESERVE | PLACEHOLDER, READ_WRITE, &address));
    SHOW(INVALID_PARAMETER,
         machine->allocate_old(NULL, size, RESERVE | PLACEHOLDER, NO_ACCESS, &address));
}

/* |p p p p|p p p p|p p p p p p p p| */
static void rule_2(void) {
    PREPARE(preserve(4, 4));
    SHOW(INVALID_ADDRESS, replace(4, 3));
    SHOW(INVALID_ADDRESS, replace(5, 3));
    SHOW(INVALID_ADDRESS, replace(5, 2));
    SHOW(INVALID_ADDRESS, replace(4, 5));
    SHOW(INVALID_ADDRESS, replace(3, 2));
    SHOW(INVALID_ADDRESS, replace(0, 8));
    SHOW(INVALID_ADDRESS, replace(0, PAGES));
    SHOW(SUCCESS, replace(4, 4));
    SHOW(INVALID_ADDRESS, replace(4, 4));
    open_pages(8);
    SHOW(INVALID_ADDRESS, map(0, 3));
    SHOW(INVALID_ADDRESS, map(0, 8));
    SHOW(INVALID_ADDRESS, map(4, 4));
    SHOW(SUCCESS, map(0, 4));
}

static void rule_3(void) {
    char *address;
    SHOW(INVALID_PARAMETER,
         machine->allocate(reservation, PAGES * page, REPLACE, READ_WRITE, &address));
    SHOW(INVALID_PARAMETER,
         machine->allocate(reservation, PAGES * page, COMMIT | REPLACE, READ_WRITE, &address));
    PREPARE(turn_round(0, PAGES));
}

static void rule_4(void) {
    size_t size = PAGES * page;
    char *address;
    SHOW(INVALID_ADDRESS, machine->allocate(reservation, size, COMMIT, READ_WRITE, &address));
    SHOW(INVALID_ADDRESS, machine->allocate(reservation, size, RESERVE, NO_ACCESS, &address));
    SHOW(INVALID_ADDRESS,
         machine->allocate(reservation, size, RESERVE | COMMIT, READ_WRITE, &address));
    SHOW(INVALID_ADDRESS, reserve(reservation, size, &address));
    PREPARE(turn_round(0, PAGES));
}

static void rule_5(void) {
    size_t size = PAGES * page;
    char *address;
    if (!SHOW(SUCCESS,
              machine->allocate(reservation, size, RESERVE | REPLACE, READ_WRITE, &address)))
        return;
    SHOW(SUCCESS, machine->allocate(at(4), 2 * page, COMMIT, READ_WRITE, &address));
    CHECK(is_all(4, 2, 0));
    fill(4, 2);
    SHOW(SUCCESS, machine->allocate(reservation, size, COMMIT, READ_WRITE, &address));
    CHECK(is_all(0, 4, 0) && is_all(4, 2, FILL) && is_all(6, PAGES - 6, 0));
}

/* ----------------------------------------------------------------------- splitting ---------- */

/* |p p|p p p p|p p p p|p p p p|p p| */
static void rule_6(void) {
    SHOW(SUCCESS, preserve(0, 2));
    SHOW(SUCCESS, preserve(14, 2));
    SHOW(SUCCESS, preserve(6, 4));
    SHOW(SUCCESS, turn_round(0, 2));
    SHOW(SUCCESS, turn_round(2, 4));
    SHOW(SUCCESS, turn_round(6, 4));
    SHOW(SUCCESS, turn_round(10, 4));
    SHOW(SUCCESS, turn_round(14, 2));
}

/* |p|p|p p ... p| */
static void rule_7(void) {
    CHECK(page < BLOCK);
    SHOW(SUCCESS, preserve(1, 1));
    SHOW(SUCCESS, turn_round(0, 1));
    SHOW(SUCCESS, turn_round(1, 1));
    SHOW(SUCCESS, turn_round(2, PAGES - 2));
}

static void rule_8(void) {
    SHOW(INVALID_ADDRESS, preserve(0, PAGES));
    PREPARE(preserve(4, 4));
    SHOW(INVALID_ADDRESS, preserve(4, 4));
    SHOW(INVALID_ADDRESS, preserve(0, 4));
}

static void rule_9(void) {
    SHOW(INVALID_PARAMETER, preserve(0, 0));
    SHOW(INVALID_PARAMETER, preserve(4, 0));
    PREPARE(replace(0, PAGES));
    SHOW(INVALID_PARAMETER, preserve(0, 0));
}

static void preserve_ordinary(unsigned type, unsigned protection) {
    size_t size = PAGES * page;
    char *address;
    if (!SHOW(SUCCESS, machine->allocate(NULL, size, type, protection, &address))) return;
    SHOW(INVALID_ADDRESS, machine->free(address, size, RELEASE | PRESERVE));
    SHOW(INVALID_ADDRESS, machine->free(address, page, RELEASE | PRESERVE));
    SHOW(INVALID_ADDRESS, machine->free(address + page, page, RELEASE | PRESERVE));
    PREPARE(machine->release(address, size));
}

static void rule_10(void) {
    preserve_ordinary(RESERVE, NO_ACCESS);
    preserve_ordinary(RESERVE | COMMIT, READ_WRITE);
}

/* ----------------------------------------------------------------------- private memory ----- */

static void rule_11(void) {
    PREPARE(replace(0, PAGES));
    fill(0, PAGES);
    SHOW(SUCCESS, preserve(0, PAGES));
    SHOW(SUCCESS, replace(0, PAGES));
    CHECK(is_all(0, PAGES, 0));
}

/* |p p|c c c c|p p p p|c c c c|p p| */
static void rule_12(void) {
    PREPARE(replace(0, PAGES));
    fill(0, PAGES);
    SHOW(SUCCESS, preserve(14, 2));
    SHOW(SUCCESS, preserve(0, 2));
    SHOW(SUCCESS, preserve(6, 4));
    CHECK(is_all(2, 4, FILL) && is_all(10, 4, FILL));
    SHOW(SUCCESS, replace(0, 2));
    SHOW(SUCCESS, replace(6, 4));
    SHOW(SUCCESS, replace(14, 2));
    CHECK(is_all(0, 2, 0) && is_all(6, 4, 0) && is_all(14, 2, 0));
    CHECK(is_all(2, 4, FILL) && is_all(10, 4, FILL));
    SHOW(SUCCESS, preserve(2, 4));
    SHOW(SUCCESS, preserve(10, 4));
}

/* ----------------------------------------------------------------------- views -------------- */

/* |v v v v|p p ... p|, the view filled with FILL. */
static void map_filled_view(void) {
    open_pages(4);
    PREPARE(preserve(0, 4));
    PREPARE(map(0, 4));
    fill(0, 4);
}

static void rule_13(void) {
    map_filled_view();
    SHOW(INVALID_PARAMETER, preserve(0, 4));
    SHOW(INVALID_PARAMETER, preserve(0, 2));
    SHOW(INVALID_PARAMETER, preserve(1, 1));
    SHOW(INVALID_PARAMETER, preserve(3, 1));
    CHECK(is_all(0, 4, FILL));
}

/* Unmapping at an address inside a view unmaps the whole view, or nothing. */
static void rule_14(void) {
    map_filled_view();
    if (unmap(1, 2, PRESERVE) != SUCCESS) {
        CHECK(is_all(0, 4, FILL));
        SHOW(SUCCESS, unmap(0, 4, PRESERVE));
    }
    SHOW(SUCCESS, turn_round(0, 4));
    PREPARE(map(0, 4));
    CHECK(is_all(0, 4, FILL));
    SHOW(SUCCESS, unmap(0, 4, PRESERVE));
    SHOW(SUCCESS, coalesce(0, PAGES));
}

static void rule_15(void) {
    char *address = NULL;
    open_pages(4);
    if (SHOW(SUCCESS, machine->map(section, NULL, 0, 4 * page, 0, READ_WRITE, &address))) {
        SHOW(INVALID_ADDRESS, machine->unmap(address, 4 * page, PRESERVE));
        *address = 1;
        PREPARE(machine->unmap(address, 4 * page, 0));
    }
    PREPARE(preserve(0, 4));
    PREPARE(map(0, 4));
    SHOW(SUCCESS, unmap(0, 4, PRESERVE));
    SHOW(INVALID_ADDRESS, unmap(0, 4, PRESERVE));
}

/* |p ... p|v ... v|p ... p| -> |p ... p|. ... .|p ... p|, a block each */
static void rule_16(void) {
    char *address;
    change_reservation(3);
    open_pages(block(1));
    PREPARE(preserve(block(1), block(1)));
    PREPARE(map(block(1), block(1)));
    SHOW(SUCCESS, unmap(block(1), block(1), 0));
    SHOW(INVALID_ADDRESS, replace(block(1), block(1)));
    SHOW(INVALID_ADDRESS, coalesce(0, block(3)));
    SHOW(SUCCESS, reserve(at(block(1)), BLOCK, &address));
    SHOW(SUCCESS, coalesce(0, block(3)));
}

/* ----------------------------------------------------------------------- coalescing --------- */

/* |p p|p p|p p|p p|p p p p p p p p| */
static void split_in_five(void) {
    for (size_t first = 0; first < 8; first += 2) PREPARE(preserve(first, 2));
}

static void rule_17(void) {
    split_in_five();
    SHOW(SUCCESS, coalesce(0, 4));
    SHOW(SUCCESS, turn_round(0, 4));
    SHOW(SUCCESS, coalesce(0, PAGES));
    SHOW(SUCCESS, turn_round(0, PAGES));
}

static void coalesce_over_a_hole(void) {
    char *address;
    PREPARE(coalesce(0, PAGES));
    change_reservation(3);
    PREPARE(preserve(block(1), block(1)));
    PREPARE(release(block(1), block(1)));
    SHOW(INVALID_ADDRESS, coalesce(0, block(3)));
    PREPARE(reserve(at(block(1)), BLOCK, &address));
}

static void rule_18(void) {
    split_in_five();
    SHOW(INVALID_ADDRESS, coalesce(0, 2));
    SHOW(INVALID_ADDRESS, coalesce(0, 1));
    SHOW(INVALID_ADDRESS, coalesce(0, 3));
    SHOW(INVALID_ADDRESS, coalesce(0, 5));
    SHOW(INVALID_ADDRESS, coalesce(1, 3));
    SHOW(INVALID_ADDRESS, coalesce(1, 4));
    PREPARE(replace(2, 2));
    SHOW(INVALID_ADDRESS, coalesce(0, 4));
    SHOW(INVALID_ADDRESS, coalesce(0, 6));
    SHOW(INVALID_ADDRESS, coalesce(2, 4));
    PREPARE(preserve(2, 2));
    coalesce_over_a_hole();
}

static void rule_19(void) {
    PREPARE(preserve(0, 4));
    SHOW(INVALID_PARAMETER, coalesce(0, 0));
    SHOW(INVALID_PARAMETER, coalesce(1, 0));
    SHOW(INVALID_PARAMETER, machine->free(reservation, PAGES * page, COALESCE));
    SHOW(SUCCESS, turn_round(0, 4));
}

static void rule_20(void) {
    char *lower, *upper;
    change_reservation(2);
    PREPARE(machine->release(reservation, 2 * (size_t)BLOCK));
    SHOW(SUCCESS, reserve(at(block(1)), BLOCK, &upper));
    SHOW(SUCCESS, reserve(reservation, BLOCK, &lower));
    SHOW(SUCCESS, coalesce(0, block(2)));
    SHOW(SUCCESS, turn_round(0, block(2)));
}

/* ----------------------------------------------------------------------- releasing ---------- */

/* |p ... p|p ... p|c ... c|, a block each */
static void rule_21(void) {
    char *address;
    change_reservation(3);
    PREPARE(preserve(0, block(1)));
    PREPARE(preserve(block(1), block(1)));
    PREPARE(replace(block(2), block(1)));
    fill(block(2), block(1));
    SHOW(INVALID_ADDRESS, release(block(1) + 1, block(1) - 1));
    SHOW(INVALID_ADDRESS, release(block(2) + 1, 1));
    CHECK(is_all(block(2), block(1), FILL));
    SHOW(SUCCESS, release(block(1), block(1)));
    SHOW(SUCCESS, turn_round(0, block(1)));
    CHECK(is_all(block(2), block(1), FILL));
    SHOW(SUCCESS, reserve(at(block(1)), BLOCK, &address));
    SHOW(SUCCESS, coalesce(0, block(2)));
}

static void rule_22(void) {
    PREPARE(preserve(0, 8));
    PREPARE(replace(0, 8));
    fill(0, 8);
    SHOW(INVALID_PARAMETER, machine->free(at(0), 4 * page, RELEASE));
    SHOW(INVALID_PARAMETER, machine->free(at(0), 8 * page, RELEASE));
    SHOW(INVALID_PARAMETER, machine->free(at(8), 4 * page, RELEASE));
    SHOW(INVALID_PARAMETER, machine->free(at(8), 8 * page, RELEASE));
    CHECK(is_all(0, 8, FILL));
    PREPARE(preserve(0, 8));
    PREPARE(coalesce(0, PAGES));
}

/* |p p|p p ... p|: the range is the last byte of page 0 and the first byte of page 1. */
static void rule_23(void) {
    char *address;
    if (!SHOW(SUCCESS, machine->free(at(1) - 1, 2, RELEASE | PRESERVE))) {
        PREPARE(turn_round(0, PAGES));
        return;
    }
    SHOW(SUCCESS,
         machine->allocate(at(1) - 1, 2, RESERVE | COMMIT | REPLACE, READ_WRITE, &address));
    CHECK(address == reservation && is_all(0, 2, 0));
    SHOW(SUCCESS, machine->free(at(1) - 1, 2, RELEASE | PRESERVE));
    SHOW(SUCCESS, machine->free(at(1) - 1, (PAGES - 2) * page + 2, RELEASE | COALESCE));
}

/* ----------------------------------------------------------------------- alignment ---------- */

static void rule_24(void) {
    char *address;
    open_pages(8);
    PREPARE(preserve(1, 2));
    SHOW(SUCCESS, map_as(1, 2, 1, READ_WRITE));
    PREPARE(unmap(1, 2, PRESERVE));
    SHOW(MAPPED_ALIGNMENT,
         machine->map(section, at(1), page / 2, 2 * page, REPLACE, READ_WRITE, &address));
    SHOW(MAPPED_ALIGNMENT,
         machine->map(section, at(1) + page / 2, 0, 2 * page, REPLACE, READ_WRITE, &address));
    PREPARE(turn_round(1, 2));
    SHOW(MAPPED_ALIGNMENT, machine->map(section, NULL, page, page, 0, READ_WRITE, &address));
    SHOW(MAPPED_ALIGNMENT, machine->map(section, at(1), 0, page, 0, READ_WRITE, &address));
}

static void map_kind(enum section kind, size_t first) {
    if (SHOW(SUCCESS, machine->open_section(kind, file_name(), 4 * page, &section))) {
        SHOW(SUCCESS, map(first, 4));
        close_section();
        fill(first, 4);
    }
}

/* |v v v v|v v v v|p p p p p p p p| */
static void rule_25(void) {
    PREPARE(preserve(0, 4));
    PREPARE(preserve(4, 4));
    map_kind(PAGING_FILE, 0);
    map_kind(DATA_FILE, 4);
    CHECK(is_all(0, 8, FILL));
    if (SHOW(SUCCESS, machine->open_section(IMAGE, NULL, 0, &section)))
        SHOW_ERROR(map_as(8, 8, 0, READ_ONLY));
    PREPARE(turn_round(8, 8));
}

/* |p|.|p p ... p| */
static void rule_26(void) {
    char *address;
    CHECK(page < BLOCK);
    PREPARE(preserve(1, 1));
    PREPARE(release(1, 1));
    SHOW(INVALID_ADDRESS, reserve(at(1), page, &address));
    SHOW(INVALID_ADDRESS, reserve(at(0), 2 * page, &address));
    SHOW(INVALID_ADDRESS, coalesce(0, PAGES));
}

/* ----------------------------------------------------------------------- queries ------------ */

static void rule_27(void) {
    struct memory placeholder, reserved;
    char *address;
    if (!SHOW(SUCCESS, machine->query(reservation, &placeholder))) return;
    PREPARE(machine->allocate(NULL, PAGES * page, RESERVE, NO_ACCESS, &address));
    SHOW(SUCCESS, machine->query(address, &reserved));
    CHECK_EQUAL(RESERVE, placeholder.state);
    CHECK(memcmp(&placeholder, &reserved, sizeof placeholder) == 0);
    PREPARE(machine->release(address, PAGES * page));
}

/* Shows that the range is still one placeholder: it can be split into placeholders. */
static bool show_intact(size_t count) {
    if (!SHOW(SUCCESS, preserve(0, 1))) return false;
    SHOW(SUCCESS, turn_round(0, 1));
    SHOW(SUCCESS, coalesce(0, count));
    return true;
}

static bool starve_private_memory(size_t count) {
    machine->starve();
    bool starved = SHOW_STARVED(replace(0, count));
    if (!starved) PREPARE(preserve(0, count));
    return starved && show_intact(count);
}

/* Where a section is charged when it is made, making it already fails. False: the placeholder is
 * lost. */
static bool starve_view(size_t count, bool must) {
    if (machine->open_section(PAGING_FILE, NULL, count * page, &section) != SUCCESS) return true;
    machine->starve();
    long code = map_as(0, count, 0, WRITE_COPY);
    if (code != SUCCESS || must) return SHOW_STARVED(code) && show_intact(count);
    PREPARE(unmap(0, count, PRESERVE));
    return true;
}

static void rule_28(void) {
    PREPARE(release(0, PAGES));
    size_t size = machine->too_much(), count = size / page;
    PREPARE(reserve(NULL, size, &reservation));
    if (starve_view(count, starve_private_memory(count))) PREPARE(release(0, count));
    open_reservation(PAGES * page);
}

static void rule_29(void) {
    SHOW(SUCCESS, machine->find("kernelbase.dll", "VirtualAlloc2"));
    SHOW(SUCCESS, machine->find("kernelbase.dll", "MapViewOfFile3"));
    SHOW(SUCCESS, machine->find("kernelbase.dll", "UnmapViewOfFile2"));
    SHOW(PROCEDURE_NOT_FOUND, machine->find("kernel32.dll", "MapViewOfFile3"));
}

/* ----------------------------------------------------------------------- files -------------- */

/* Compares the bytes of the file, read with the C library, with the expected ones. */
static bool file_is(const char *expected, size_t size) {
    FILE *file = fopen(file_name(), "rb");
    CHECK(file != NULL);
    bool same = true;
    for (size_t i = 0; i < size && same; i++) same = getc(file) == (unsigned char)expected[i];
    same = same && getc(file) == EOF;
    fclose(file);
    return same;
}

static long open_file(size_t pages) {
    return machine->open_section(DATA_FILE, file_name(), pages * page, &section);
}

/* Extends the file by `count` pages and maps them at the same pages of the reservation. */
static void grow(size_t first, size_t count) {
    PREPARE(open_file(first + count));
    SHOW(SUCCESS, map_as(first, count, first, READ_WRITE));
    close_section();
    memset(at(first), (int)(first + 1), count * page);
}

/* |v|v v|v v v v v|p p p p p p p p|: where a file cannot be extended it is made with all pages. */
static void rule_30(void) {
    PREPARE(preserve(0, 1));
    PREPARE(preserve(1, 2));
    PREPARE(preserve(3, 5));
    PREPARE(open_file(1));
    close_section();
    if (!SHOW(SUCCESS, open_file(2))) {
        remove(file_name());
        PREPARE(open_file(8));
    }
    close_section();
    grow(0, 1);
    grow(1, 2);
    grow(3, 5);
    CHECK(is_all(0, 1, 1) && is_all(1, 2, 2) && is_all(3, 5, 4));
    CHECK(file_is(reservation, 8 * page));
}

/* |v v|v v|p p ... p|: one view is shared, the other copy-on-write. */
static void rule_31(void) {
    open_pages(2);
    PREPARE(preserve(0, 2));
    PREPARE(preserve(2, 2));
    PREPARE(map(0, 2));
    fill(0, 2);
    SHOW(SUCCESS, map_as(2, 2, 0, WRITE_COPY));
    CHECK(is_all(2, 2, FILL));
    memset(at(2), 1, page);
    CHECK(is_all(2, 1, 1) && is_all(3, 1, FILL) && is_all(0, 2, FILL));
    memset(at(0), 2, 2 * page);
    CHECK(is_all(2, 1, 1) && is_all(3, 1, 2));
    SHOW(SUCCESS, unmap(2, 2, PRESERVE));
    SHOW(SUCCESS, map(2, 2));
    CHECK(is_all(2, 2, 2));
}

static void rule_32(void) {
    char *base = (char *)(uintptr_t)machine->exact_base, *address = NULL;
    size_t size = (size_t)machine->exact_size;
    SHOW(SUCCESS, reserve(base, size, &address));
    CHECK(address == base);
    SHOW(SUCCESS, machine->free(base + size - page, page, RELEASE | PRESERVE));
    SHOW(SUCCESS, machine->free(base, size, RELEASE | COALESCE));
    PREPARE(machine->release(base, size));
}

/* ----------------------------------------------------------------------- protecting --------- */

/* |c c|c c|p p ... p| */
static void rule_33(void) {
    PREPARE(preserve(0, 2));
    PREPARE(preserve(2, 2));
    PREPARE(replace(0, 2));
    PREPARE(replace(2, 2));
    SHOW(SUCCESS, protect(1, 1, READ_ONLY));
    SHOW(SUCCESS, protect(0, 2, READ_WRITE));
    SHOW(INVALID_ADDRESS, protect(0, 4, READ_ONLY));
    SHOW(INVALID_ADDRESS, protect(1, 2, READ_ONLY));
    SHOW(INVALID_ADDRESS, protect(3, 2, READ_ONLY));
    SHOW(INVALID_ADDRESS, protect(4, 1, READ_ONLY));
    fill(0, 4);
    CHECK(is_all(0, 4, FILL));
}

/* |v v|w w|r r|p p ... p| */
static void rule_34(void) {
    for (size_t i = 0; i < 6; i += 2) PREPARE(preserve(i, 2));
    open_pages(2);
    PREPARE(map_as(0, 2, 0, READ_WRITE));
    SHOW(SUCCESS, protect(0, 1, READ_ONLY));
    SHOW(SUCCESS, protect(0, 2, READ_WRITE));
    SHOW(INVALID_PARAMETER, protect(0, 2, EXECUTE_READ));
    fill(0, 2);
    PREPARE(map_as(2, 2, 0, WRITE_COPY));
    SHOW(SUCCESS, protect(2, 1, NO_ACCESS));
    SHOW(SUCCESS, protect(2, 2, WRITE_COPY));
    PREPARE(map_as(4, 2, 0, READ_ONLY));
    SHOW(SUCCESS, protect(4, 1, NO_ACCESS));
    SHOW(SUCCESS, protect(4, 2, READ_ONLY));
    SHOW(INVALID_PARAMETER, protect(4, 2, READ_WRITE));
    CHECK(is_all(4, 2, FILL));
}

/* |v v|w w|p p ... p|: only page 2 is copied before it is protected. */
static void rule_35(void) {
    PREPARE(preserve(0, 2));
    PREPARE(preserve(2, 2));
    open_pages(2);
    PREPARE(map(0, 2));
    fill(0, 2);
    PREPARE(map_as(2, 2, 0, WRITE_COPY));
    memset(at(2), 1, page);
    SHOW(SUCCESS, protect(2, 2, READ_ONLY));
    SHOW(SUCCESS, protect(2, 2, WRITE_COPY));
    CHECK(is_all(2, 1, 1) && is_all(3, 1, FILL));
    memset(at(2), 2, 2 * page);
    CHECK(is_all(2, 2, 2) && is_all(0, 2, FILL));
}

/* ----------------------------------------------------------------------- all of them -------- */

static const struct rule {
    void (*show)(void);
    const char *sentence;
} rules[RULES] = {
    {rule_1, "RESERVE_PLACEHOLDER needs MEM_RESERVE, PAGE_NOACCESS and VirtualAlloc2, else 87"},
    {rule_2, "REPLACE matches one placeholder exactly, base and size, else 487"},
    {rule_3, "REPLACE without MEM_RESERVE is 87"},
    {rule_4, "MEM_COMMIT, MEM_RESERVE, a second placeholder on a placeholder are 487"},
    {rule_5, "REPLACE with MEM_RESERVE alone, and MEM_COMMIT later"},
    {rule_6, "RELEASE | PRESERVE splits at the start, the end, in the middle"},
    {rule_7, "A split's granularity is the page, not 64 KiB"},
    {rule_8, "A split of the exact whole placeholder is 487"},
    {rule_9, "PRESERVE with size 0 is 87"},
    {rule_10, "PRESERVE on an ordinary region is 487"},
    {rule_11, "PRESERVE makes a placeholder of private memory; the next replacement is zero"},
    {rule_12, "PRESERVE on a part of private memory; the rest keeps its bytes"},
    {rule_13, "VirtualFree with PRESERVE on a view, or a part of one, is 87"},
    {rule_14, "A view is unmapped only whole"},
    {rule_15, "Unmapping with PRESERVE twice, or where no placeholder was, is 487"},
    {rule_16, "Unmapping without PRESERVE leaves a hole"},
    {rule_17, "COALESCE takes two or more adjacent placeholders, any number in one call"},
    {rule_18, "COALESCE of one, of a wrong extent, over a hole or private memory is 487"},
    {rule_19, "COALESCE with size 0, or without MEM_RELEASE, is 87"},
    {rule_20, "COALESCE of neighbours from different calls"},
    {rule_21, "MEM_RELEASE with size 0 frees one piece by its base, else 487"},
    {rule_22, "MEM_RELEASE with a size and no flag of placeholders is 87"},
    {rule_23, "The kernel rounds unaligned ranges outward"},
    {rule_24, "A view over a placeholder: base and offset by the page, else 1132"},
    {rule_25, "Views are of data files or the paging file, not of images"},
    {rule_26, "A small hole that does not begin at 64 KiB can't be reserved again: 487"},
    {rule_27, "VirtualQuery shows a placeholder as it does a PAGE_NOACCESS reservation"},
    {rule_28, "A replacement that fails for lack of memory leaves the placeholder intact"},
    {rule_29, "kernelbase.dll exports the functions; kernel32.dll lacks MapViewOfFile3"},
    {rule_30, "A larger section extends its file; each step maps its own at its own offset"},
    {rule_31, "PAGE_WRITECOPY views over placeholders are copy-on-write"},
    {rule_32, "A large placeholder at an exact base"},
    {rule_33, "VirtualProtect over two allocations, or on a placeholder, is 487"},
    {rule_34, "A view's protection cannot exceed the one that it was mapped with: 87"},
    {rule_35, "Pages of a PAGE_WRITECOPY view that were copied stay copies when protected"},
};

/* Shown in full, in part, not at all; ABSENT: the system below does not support it. */
enum outcome { FULL, PART, NONE, ABSENT, FAILED, OUTCOMES };

static enum outcome outcome;

static size_t check_marks(void) {
    size_t i = 0;
    for (const struct mark *mark = next_mark(machine->marks); mark->rule != 0;
         mark = next_mark(mark + 1), i++)
        if (mark->count > 0) CHECK_EQUAL(mark->count, now.marked[i]);
    return i;
}

/* Runs the current rule on a new reservation. */
static void show_rule(void) {
    memset(now.marked, 0, sizeof now.marked);
    now.shown = 0;
    open_reservation(PAGES * page);
    now.is_cut = false;
    if (setjmp(now.not_here) != 0) {
        now.is_cut = true;
        outcome = now.shown > 0 ? PART : ABSENT;
        return;
    }
    rules[now.rule - 1].show();
    size_t marks = check_marks();
    CHECK(now.shown > 0 || marks > 0);
    outcome = marks == 0 ? FULL : now.shown > 0 ? PART : NONE;
}

static void print_reasons(void) {
    const char *what = outcome == PART ? "shown in part" : "not shown";
    size_t i = 0;
    if (now.is_cut) printf("     %s: the backend below cannot do it\n", what);
    for (const struct mark *mark = next_mark(machine->marks); mark->rule != 0;
         mark = next_mark(mark + 1), i++)
        if (now.marked[i] > 0) printf("     %s: %s\n", what, mark->why);
}

/* Runs the current rule; a failed check ends only this rule. */
static void try_rule(void) {
    jmp_buf failed;
    check_state.context[0] = '\0';
    check_state.end_of_test = &failed;
    outcome = FAILED;
    if (setjmp(failed) == 0) show_rule();
    check_state.end_of_test = NULL;
}

static void print_rule(void) {
    static const char *const labels[] = {"ok  ", "part", "none", "none", "FAIL"};
    printf("%s rule %d on %s: %s\n", labels[outcome], now.rule, machine->name,
           rules[now.rule - 1].sentence);
    if (outcome != FULL && outcome != FAILED) print_reasons();
    fflush(stdout);
}

static enum outcome run_rule(int number) {
    now.rule = number;
    try_rule();
    print_rule();
    return outcome;
}

static void clean_up(void) {
    close_section();
    machine_sweep(machine, reservation, reservation_size);
    remove(file_name());
}

static bool is_wanted(int number, int count, char **numbers) {
    for (int i = 1; i < count; i++)
        if (atoi(numbers[i]) == number) return true;
    return count <= 1;
}

int rules_run(const struct machine *on, int argument_count, char **arguments) {
    size_t counts[OUTCOMES] = {0}, ran = 0;
    machine = on;
    page = machine->page();
    for (int number = 1; number <= RULES; number++) {
        if (!is_wanted(number, argument_count, arguments)) continue;
        ran++;
        counts[run_rule(number)]++;
        clean_up();
    }
    printf("%zu rules, a test each, on %s: %zu shown in full, %zu in part, %zu not, %zu not here; "
           "%zu failed\n",
           ran, machine->name, counts[FULL], counts[PART], counts[NONE], counts[ABSENT],
           counts[FAILED]);
    return ran > 0 && counts[FAILED] == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

void rules_skip(const char *why) {
    for (int number = 1; number <= RULES; number++)
        printf("rule %d, not here: %s\n", number, rules[number - 1].sentence);
    printf("%d rules, none shown: %s\n", RULES, why);
}
