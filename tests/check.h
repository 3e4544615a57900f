/*
 * check.h -- a test program in one header.
 *
 *     #include "check.h"
 *
 *     static void adds_up(void) { CHECK_EQUAL(4, 2 + 2); }
 *
 *     CHECK_MAIN(TEST(adds_up))
 *
 * The program runs all of its tests, or those that its command line names, prints a line for each,
 * and its exit status says whether all succeeded. A check that fails prints what it saw and ends
 * its test; the next one runs. In a thread that the test started, or after check_stands_alone()
 * (in a child process), it ends the whole process instead. A test that cannot run on this system,
 * or only in part, prints the reason.
 *
 * Uses only standard C, so it works on every system that the library supports.
 */
#ifndef HOLDFAST_TESTS_CHECK_H
#define HOLDFAST_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdfast/status.h"

#define CHECK(condition) \
    ((condition) ? (void)0 : check_fail(__FILE__, __LINE__, "not so: " #condition))

/* Compares two sizes, offsets or counts; on failure both are printed. */
#define CHECK_EQUAL(expected, actual)                                        \
    check_equal(__FILE__, __LINE__, #actual, (unsigned long long)(expected), \
                (unsigned long long)(actual))

/* Checks the status that a call returned; on failure the thread's last error is printed too. */
#define CHECK_STATUS(expected, expression) \
    check_status(__FILE__, __LINE__, #expression, (expected), (expression))

/* The entry of a test function in the table of CHECK_MAIN. The test has the function's name. */
#define TEST(function) \
    { #function, function, false }

/* A test that runs only if the command line names it: what a second process does in a test, see
 * process_start in process.h. */
#define TEST_BY_NAME(function) \
    { #function, function, true }

#ifdef __cplusplus
#define CHECK_THREAD_LOCAL thread_local
#elif defined(_MSC_VER)
#define CHECK_THREAD_LOCAL __declspec(thread)
#else
#define CHECK_THREAD_LOCAL _Thread_local
#endif

/* May be redefined as a function that is called before each test: it returns whether this system
 * has what all tests of the program need, and calls check_skip if not. */
#define CHECK_NEEDED NULL

/* May be redefined as a function whose result must be the same before and after each test, such as
 * the number of open handles. */
#define CHECK_COUNTED NULL

/* Defines the table of tests, and main. */
#define CHECK_MAIN(...)                                                                   \
    CHECK_THREAD_LOCAL struct check_state check_state;                                    \
    int main(int count, char **names) {                                                   \
        static const struct check_test tests[] = {__VA_ARGS__};                           \
        static const struct check_program program = {tests, sizeof tests / sizeof *tests, \
                                                     CHECK_NEEDED, CHECK_COUNTED};        \
        return check_run(&program, count - 1, names + 1);                                 \
    }

/* The exit status if all tests were skipped; CTest knows it as SKIP_RETURN_CODE. */
enum { CHECK_SKIPPED = 77 };

struct check_test {
    const char *name;
    void (*run)(void);
    bool by_name_only;
};

struct check_program {
    const struct check_test *tests;
    size_t count;
    bool (*needed)(void);
    size_t (*counted)(void);
};

/* Defined by CHECK_MAIN, shared by all files of a test program. */
extern CHECK_THREAD_LOCAL struct check_state {
    jmp_buf *end_of_test; /* NULL: a failed check ends the process */
    char context[1000];
    const char *left_out; /* why the test, or a part of it, could not run; NULL: all of it ran */
    bool is_skipped;      /* no part of the test ran */
} check_state;

/*
 * Describes where the test is (the row of a table, the n of a loop). A check that fails prints it:
 *
 *     size_t outer = check_enter("row %zu", i);
 *     ...
 *     check_leave(outer);
 */
#if defined(__MINGW_PRINTF_FORMAT) /* mingw-w64 has two printf; the compiler does not know which */
__attribute__((format(__MINGW_PRINTF_FORMAT, 1, 2)))
#elif defined(__GNUC__)
__attribute__((format(printf, 1, 2)))
#endif
static inline size_t
check_enter(const char *format, ...) {
    size_t outer = strlen(check_state.context), room = sizeof check_state.context - outer;
    va_list arguments;
    va_start(arguments, format);
    int length = snprintf(check_state.context + outer, room, "\n    at ");
    if (length >= 0 && (size_t)length < room)
        vsnprintf(check_state.context + outer + length, room - (size_t)length, format, arguments);
    va_end(arguments);
    return outer;
}

static inline void check_leave(size_t outer) { check_state.context[outer] = '\0'; }

/* Environment variable with the names of tests to skip, separated by spaces. */
#define CHECK_LEFT_OUT "HOLDFAST_TESTS_LEFT_OUT"

/* Marks the test as skipped: this system lacks what it tests. The test returns after this call. */
static inline void check_skip(const char *reason) {
    check_state.left_out = reason;
    check_state.is_skipped = true;
}

/* Notes that a part of the test cannot run on this system; the other parts run. */
static inline void check_leave_out(const char *reason) { check_state.left_out = reason; }

static inline void check_stands_alone(void) { check_state.end_of_test = NULL; }

static inline void check_fail(const char *file, int line, const char *text) {
    printf("%s:%d: %s%s\n", file, line, text, check_state.context);
    fflush(stdout);
    if (check_state.end_of_test) longjmp(*check_state.end_of_test, 1);
    exit(EXIT_FAILURE);
}

static inline void check_equal(const char *file, int line, const char *what,
                               unsigned long long expected, unsigned long long actual) {
    if (expected == actual) return;
    char text[300];
    snprintf(text, sizeof text, "%s is %llu (%#llx), not %llu (%#llx)", what, actual, actual,
             expected, expected);
    check_fail(file, line, text);
}

static inline void check_status(const char *file, int line, const char *what, hf_status expected,
                                hf_status actual) {
    if (expected == actual) return;
    char text[800], error[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, error, sizeof error);
    snprintf(text, sizeof text, "%s is %s, not %s\n    last error: %s", what,
             hf_status_name(actual), hf_status_name(expected), error);
    check_fail(file, line, text);
}

struct check_counts {
    size_t ran, succeeded;
    size_t skipped, in_part; /* both also count as succeeded */
};

static inline void check_report(const char *name, bool failed, struct check_counts *counts) {
    const char *reason = check_state.left_out;
    bool skipped = !failed && check_state.is_skipped, in_part = !failed && reason && !skipped;
    printf("%s %s", failed ? "FAIL" : skipped ? "skip" : in_part ? "part" : "ok  ", name);
    if (reason) printf(": %s", reason);
    printf("\n");
    fflush(stdout);
    counts->ran++;
    counts->succeeded += !failed;
    counts->in_part += in_part;
    counts->skipped += skipped;
}

static inline void check_run_counted(const struct check_test *test, size_t (*counted)(void)) {
    size_t before = counted ? counted() : 0;
    test->run();
    check_state.context[0] = '\0';
    if (counted) check_equal(__FILE__, __LINE__, "what is left open", before, counted());
}

/* True if the list, whose words are separated by spaces, contains the word. */
static inline bool check_has_word(const char *list, const char *word, size_t length) {
    for (const char *at = list; at && (at = strstr(at, word)) != NULL; at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0')) return true;
    return false;
}

static inline bool check_is_left_out(const char *name) {
    return check_has_word(getenv(CHECK_LEFT_OUT), name, strlen(name));
}

static inline void check_run_one(const struct check_test *test, const struct check_program *program,
                                 struct check_counts *counts) {
    jmp_buf end;
    memset(&check_state, 0, sizeof check_state);
    check_state.end_of_test = &end;
    bool failed = setjmp(end) != 0;
    if (!failed && check_is_left_out(test->name))
        check_skip("left out by " CHECK_LEFT_OUT);
    else if (!failed && (program->needed == NULL || program->needed()))
        check_run_counted(test, program->counted);
    check_state.end_of_test = NULL;
    check_report(test->name, failed, counts);
}

static inline bool check_is_wanted(const struct check_test *test, int count, char **names) {
    for (int i = 0; i < count; i++)
        if (strcmp(test->name, names[i]) == 0) return true;
    return count == 0 && !test->by_name_only;
}

static inline int check_run(const struct check_program *program, int named, char **names) {
    struct check_counts counts = {0, 0, 0, 0};
    for (size_t i = 0; i < program->count; i++)
        if (check_is_wanted(&program->tests[i], named, names))
            check_run_one(&program->tests[i], program, &counts);
    printf("%zu of %zu tests succeeded\n", counts.succeeded - counts.skipped, counts.ran);
    if (counts.skipped) printf("%zu skipped\n", counts.skipped);
    if (counts.in_part) printf("%zu succeeded in part\n", counts.in_part);
    if (counts.ran == 0 || counts.succeeded < counts.ran) return EXIT_FAILURE;
    return counts.skipped == counts.ran ? CHECK_SKIPPED : EXIT_SUCCESS;
}

#endif
