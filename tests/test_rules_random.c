/*
 * Compares strict with Windows: makes the same random calls on both.
 *
 * Each sequence begins with one placeholder on each side. Most calls break a rule. Every call must
 * return the same code on both sides, and after it the state of each page and its bytes must be
 * the same. strict calls the native backend, so this also shows that the native backend does to
 * the memory what strict has in its table.
 */
#include "check.h"
#include "random.h"
#include "rules.h"

enum { PAGES = 16, VIEW_PAGES = 16, SEQUENCES = 1000, CALLS = 60 };

struct side {
    const struct machine *machine;
    char *reservation;
    intptr_t section;
};

static struct side windows, strict;
static size_t page;

/* For the page where a view begins, its number of pages; else 0. Windows accepts any address inside
 * a view, strict only its exact range. */
static size_t views[PAGES];

enum operation { SPLIT, JOIN, REPLACE_BY_MEMORY, REPLACE_BY_VIEW, UNMAP, OPERATIONS };

/* For each operation the rule whose code may have a mark, and the code that the rule says. */
static const struct {
    const char *name;
    int rule;
    long expected;
} operations[OPERATIONS] = {
    {"preserve", 9, INVALID_PARAMETER}, {"coalesce", 19, INVALID_PARAMETER},
    {"replace", 2, INVALID_ADDRESS},    {"map", 2, INVALID_ADDRESS},
    {"unmap", 15, INVALID_ADDRESS},
};

struct call {
    enum operation operation;
    size_t first, count, offset;
    unsigned protection;
};

static long replace(const struct side *side, const struct call *call) {
    char *base = side->reservation + call->first * page, *address;
    return side->machine->allocate(base, call->count * page, RESERVE | COMMIT | REPLACE, READ_WRITE,
                                   &address);
}

static long map(const struct side *side, const struct call *call) {
    char *base = side->reservation + call->first * page, *address;
    return side->machine->map(side->section, base, call->offset * page, call->count * page, REPLACE,
                              call->protection, &address);
}

static long make(const struct side *side, const struct call *call) {
    char *base = side->reservation + call->first * page;
    size_t size = call->count * page;
    switch (call->operation) {
    case SPLIT: return side->machine->free(base, size, RELEASE | PRESERVE);
    case JOIN: return side->machine->free(base, size, RELEASE | COALESCE);
    case REPLACE_BY_MEMORY: return replace(side, call);
    case REPLACE_BY_VIEW: return map(side, call);
    default: return side->machine->unmap(base, size, PRESERVE);
    }
}

/* ----------------------------------------------------------------------- codes -------------- */

static size_t calls, marked_calls;

static bool is_marked(const struct call *call, long by_strict, long by_windows) {
    if (by_strict != operations[call->operation].expected) return false;
    const struct mark *mark = windows.machine->marks;
    int rule = operations[call->operation].rule;
    while (mark->rule != 0 && (mark->rule != rule || mark->instead != by_windows)) mark++;
    return mark->rule != 0;
}

static void compare_codes(const struct call *call, long by_strict, long by_windows) {
    bool marked = by_strict != by_windows && is_marked(call, by_strict, by_windows);
    calls++;
    marked_calls += marked;
    if (!marked) CHECK_EQUAL(by_windows, by_strict);
}

/* ----------------------------------------------------------------------- pages -------------- */

enum { IS_COMMITTED = COMMIT, IS_SHARED = 0x40000 };

/* VirtualQuery and the bytes of a page must be the same on both sides. */
static void compare_page(size_t index) {
    struct memory ours, theirs;
    char *our_page = strict.reservation + index * page,
         *their_page = windows.reservation + index * page;
    CHECK_EQUAL(SUCCESS, windows.machine->query(our_page, &ours));
    CHECK_EQUAL(SUCCESS, windows.machine->query(their_page, &theirs));
    CHECK_EQUAL(theirs.state, ours.state);
    CHECK_EQUAL(theirs.type, ours.type);
    CHECK_EQUAL(theirs.protection, ours.protection);
    CHECK_EQUAL(theirs.first_protection, ours.first_protection);
    if (theirs.state == IS_COMMITTED) CHECK(memcmp(our_page, their_page, page) == 0);
}

static void compare_pages(void) {
    for (size_t i = 0; i < PAGES; i++) compare_page(i);
}

/* Checks that new private memory is zero, and stores the number of the call into each page. */
static void stamp(const struct call *call, unsigned char number) {
    for (size_t i = call->first; i < call->first + call->count; i++) {
        char *ours = strict.reservation + i * page, *theirs = windows.reservation + i * page;
        CHECK(call->operation == REPLACE_BY_VIEW || (*ours == 0 && *theirs == 0));
        if (call->protection != READ_ONLY) *ours = *theirs = (char)number;
    }
}

/* ----------------------------------------------------------------------- sequences ---------- */

/* Makes the range of an unmap that begins inside a view the whole view. */
static void cover_view(struct call *call) {
    size_t first = call->first;
    while (first > 0 && views[first] == 0) first--;
    bool inside = views[first] > 0 && call->first < first + views[first];
    if (inside) call->first = first;
    call->count = inside ? views[first] : 1;
}

static struct call draw_call(struct random *random) {
    static const unsigned protections[] = {READ_WRITE, READ_ONLY, WRITE_COPY};
    struct call call;
    call.operation = (enum operation)random_below(random, OPERATIONS);
    call.first = random_below(random, PAGES);
    call.count = 1 + random_below(random, PAGES - call.first);
    if (call.operation <= JOIN && random_below(random, 20) == 0) call.count = 0;
    call.offset = random_below(random, VIEW_PAGES - call.count + 1);
    call.protection = protections[random_below(random, 3)];
    if (call.operation != REPLACE_BY_VIEW) call.protection = READ_WRITE;
    if (call.operation == UNMAP) cover_view(&call);
    return call;
}

static void record_result(const struct call *call, unsigned char number) {
    if (call->operation == REPLACE_BY_VIEW) views[call->first] = call->count;
    if (call->operation == UNMAP) views[call->first] = 0;
    if (call->operation == REPLACE_BY_MEMORY || call->operation == REPLACE_BY_VIEW)
        stamp(call, number);
}

static void make_both(struct random *random, unsigned char number) {
    struct call call = draw_call(random);
    size_t outer = check_enter("call %u: %s(%zu, %zu)", number, operations[call.operation].name,
                               call.first, call.count);
    long by_strict = make(&strict, &call), by_windows = make(&windows, &call);
    compare_codes(&call, by_strict, by_windows);
    if (by_windows == SUCCESS) record_result(&call, number);
    compare_pages();
    check_leave(outer);
}

static void open_side(struct side *side) {
    size_t size = PAGES * page;
    CHECK_EQUAL(SUCCESS,
                side->machine->open_section(PAGING_FILE, NULL, VIEW_PAGES * page, &side->section));
    CHECK_EQUAL(SUCCESS, side->machine->allocate(NULL, size, RESERVE | PLACEHOLDER, NO_ACCESS,
                                                 &side->reservation));
}

static void close_side(struct side *side) {
    machine_sweep(side->machine, side->reservation, PAGES * page);
    side->machine->close_section(side->section);
}

static void run_sequence(size_t seed) {
    struct random random = {seed * 0x9e3779b97f4a7c15};
    size_t outer = check_enter("sequence %zu", seed);
    memset(views, 0, sizeof views);
    open_side(&strict);
    open_side(&windows);
    for (unsigned char number = 1; number <= CALLS; number++) make_both(&random, number);
    close_side(&strict);
    close_side(&windows);
    check_leave(outer);
}

static void strict_behaves_as_windows_does(void) {
    for (size_t seed = 1; seed <= SEQUENCES; seed++) run_sequence(seed);
    printf("%zu calls with the same result, %zu of them except for a code with a mark\n", calls,
           marked_calls);
}

CHECK_THREAD_LOCAL struct check_state check_state;

int main(void) {
    static const struct check_test tests[] = {TEST(strict_behaves_as_windows_does)};
    const char *why;
    strict.machine = machine_strict();
    windows.machine = machine_windows(&why);
    CHECK_EQUAL(windows.machine != NULL, strict.machine->has_placeholders);
    if (windows.machine == NULL) {
        printf("%s\n", why);
        return CHECK_SKIPPED;
    }
    page = windows.machine->page();
    int status = check_run(&(struct check_program){.tests = tests, .count = 1}, 0, NULL);
    machine_strict_close();
    return status;
}
