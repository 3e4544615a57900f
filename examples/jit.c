/*
 * jit.c -- compiles an expression to machine code and runs it.
 *
 *     jit EXPRESSION X...    prints the value of EXPRESSION (x, numbers, + - * and parentheses) for
 *                            each X
 *
 * The code is in shared memory that is mapped twice. One view can be written, the other one
 * executed, and no page is ever both, as systems that harden programs demand it (W^X):
 *
 *      | code, read-write | code, executable | entries |        placeholder            |
 *      base, a multiple of 4 GiB                                        base + 4 GiB
 *
 * All is in a cage of 4 GiB whose base is a multiple of 4 GiB, so that a pointer into it fits into
 * 32 bits: its upper half is that of the base. The table of entries keeps such pointers.
 *
 * Knows x86-64 and aarch64; on other processors it interprets. Every result is compared with that
 * of the interpreter.
 */
#include <holdfast.h>

#include "platform.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 1000, CODE = 1 << 16, WRITABLE = 0, EXECUTABLE = CODE, ENTRIES = 2 * CODE };

static hf_space *cage;

static void fail(const char *what) {
    fprintf(stderr, "jit: %s\n", what);
    exit(EXIT_FAILURE);
}

/* ---------------------------------------------------------------- expressions ---------------- */

/* An expression in postfix order: 3 + x * 4 is 3 x 4 * +. */
struct step {
    char kind; /* '0': a number; 'x'; '+', '-', '*' */
    uint64_t number;
};

static struct step steps[MOST];
static size_t count;
static const char *text; /* what is left to parse */

static void add(char kind, uint64_t number) {
    if (count == MOST) fail("the expression is too long");
    steps[count++] = (struct step){kind, number};
}

static char next(void) {
    text += strspn(text, " ");
    return *text;
}

static void parse_sum(int depth);

static void parse_operand(int depth) {
    char first = next();
    if (first >= '0' && first <= '9') {
        char *end;
        add('0', strtoull(text, &end, 10));
        text = end;
        return;
    }
    if (*text != '\0') text++;
    if (first == 'x') {
        add('x', 0);
        return;
    }
    if (first != '(' || depth == 100) fail("a number, x or ( is missing, or there are too many (");
    parse_sum(depth + 1);
    if (next() != ')') fail("a ) is missing");
    text++;
}

static void parse_product(int depth) {
    for (parse_operand(depth); next() == '*'; add('*', 0)) text++, parse_operand(depth);
}

static void parse_sum(int depth) {
    parse_product(depth);
    for (char kind; (kind = next()) == '+' || kind == '-'; add(kind, 0))
        text++, parse_product(depth);
}

static uint64_t apply(char kind, uint64_t left, uint64_t right) {
    return kind == '+' ? left + right : kind == '-' ? left - right : left * right;
}

static uint64_t interpret(uint64_t x) {
    uint64_t stack[MOST];
    size_t top = 0;
    for (size_t i = 0; i < count; i++) {
        char kind = steps[i].kind;
        if (kind == '0' || kind == 'x') {
            stack[top++] = kind == 'x' ? x : steps[i].number;
        } else {
            top--;
            stack[top - 1] = apply(kind, stack[top - 1], stack[top]);
        }
    }
    return stack[0];
}

/* ---------------------------------------------------------------- machine code --------------- */

/* x is the first argument on 64-bit Windows and the fourth elsewhere: on x86-64 both are rcx. */
typedef uint64_t code(uint64_t x, uint64_t, uint64_t, uint64_t same_x);

/* Writes code that uses the processor's stack as interpret() uses its own. Returns its end. */
#if defined(__x86_64__) || defined(_M_X64)
enum { CAN_COMPILE = 1 };

static char *emit(char *to, const char *bytes, size_t size) {
    return (char *)memcpy(to, bytes, size) + size;
}

#define EMIT(to, bytes) emit(to, bytes, sizeof(bytes) - 1)

static char *compile_step(char *to, struct step step) {
    if (step.kind == 'x') return EMIT(to, "\x51"); /* push rcx */
    if (step.kind == '0') {
        to = EMIT(to, "\x48\xb8"); /* mov rax, number */
        to = emit(to, (const char *)&step.number, sizeof step.number);
        return EMIT(to, "\x50"); /* push rax */
    }
    to = EMIT(to, "\x5a\x58");                               /* pop rdx; pop rax */
    if (step.kind == '+') to = EMIT(to, "\x48\x01\xd0");     /* add rax, rdx */
    if (step.kind == '-') to = EMIT(to, "\x48\x29\xd0");     /* sub rax, rdx */
    if (step.kind == '*') to = EMIT(to, "\x48\x0f\xaf\xc2"); /* imul rax, rdx */
    return EMIT(to, "\x50");                                 /* push rax */
}

static char *compile_end(char *to) { return EMIT(to, "\x58\xc3"); } /* pop rax; ret */

#elif defined(__aarch64__)
enum { CAN_COMPILE = 1 };

static char *emit(char *to, uint32_t instruction) {
    return (char *)memcpy(to, &instruction, sizeof instruction) + sizeof instruction;
}

static char *compile_step(char *to, struct step step) {
    uint32_t part[4];
    for (int i = 0; i < 4; i++) part[i] = (uint32_t)(step.number >> 16 * i & 0xffff) << 5;
    if (step.kind == 'x') return emit(to, 0xf81f0fe3); /* str x3, [sp, #-16]! */
    if (step.kind == '0') {
        to = emit(to, 0xd2800000 | part[0]); /* movz x0, #part */
        to = emit(to, 0xf2a00000 | part[1]); /* movk x0, #part, lsl #16 */
        to = emit(to, 0xf2c00000 | part[2]); /* movk x0, #part, lsl #32 */
        to = emit(to, 0xf2e00000 | part[3]); /* movk x0, #part, lsl #48 */
        return emit(to, 0xf81f0fe0);         /* str x0, [sp, #-16]! */
    }
    to = emit(to, 0xf84107e1);                       /* ldr x1, [sp], #16 */
    to = emit(to, 0xf84107e0);                       /* ldr x0, [sp], #16 */
    if (step.kind == '+') to = emit(to, 0x8b010000); /* add x0, x0, x1 */
    if (step.kind == '-') to = emit(to, 0xcb010000); /* sub x0, x0, x1 */
    if (step.kind == '*') to = emit(to, 0x9b017c00); /* mul x0, x0, x1 */
    return emit(to, 0xf81f0fe0);                     /* str x0, [sp, #-16]! */
}

static char *compile_end(char *to) {
    to = emit(to, 0xf84107e0);   /* ldr x0, [sp], #16 */
    return emit(to, 0xd65f03c0); /* ret */
}

#else
enum { CAN_COMPILE = 0 };
static char *compile_step(char *to, struct step step) {
    (void)step;
    return to;
}
static char *compile_end(char *to) { return to; }
#endif

/* Tells the processor that there is new code: x86-64 sees it by itself. */
static void flush(char *from, char *to) {
#if defined(__GNUC__)
    __builtin___clear_cache(from, to);
#else
    (void)from, (void)to;
#endif
}

/* Writes the code through one view, for the other one. Returns its size. */
static size_t compile(void) {
    char *from = hf_space_base(cage) + WRITABLE, *to = from;
    for (size_t i = 0; i < count; i++) to = compile_step(to, steps[i]);
    size_t size = (size_t)(compile_end(to) - from);
    flush(hf_space_base(cage) + EXECUTABLE, hf_space_base(cage) + EXECUTABLE + size);
    return size;
}

/* ---------------------------------------------------------------- the cage ------------------- */

/* HF_UNSUPPORTED: Windows from before placeholders has no views in a space. */
static hf_status open_cage(void) {
    uint64_t size = sizeof(void *) > 4 ? (uint64_t)4 << 30 : 64 << 20;
    hf_space_options options = {.name = "jit", .alignment = (size_t)((uint64_t)4 << 30)};
    hf_file *file;
    hf_status status = hf_space_open(&cage, (size_t)size, &options);
    options.alignment = 0;
    if (status == HF_UNSUPPORTED) status = hf_space_open(&cage, (size_t)size, &options);
    if (status != HF_OK) return status;
    status = hf_file_create_executable(&file, CODE, NULL);
    if (status != HF_OK) return status;
    status = hf_space_map_range(cage, WRITABLE, CODE, file, 0, HF_READ_WRITE);
    if (status == HF_OK)
        status = hf_space_map_range(cage, EXECUTABLE, CODE, file, 0, HF_READ_WRITE);
    if (status == HF_OK) status = hf_space_protect(cage, EXECUTABLE, CODE, HF_PROTECT_READ_EXECUTE);
    hf_file_close(file);
    if (status == HF_OK) status = hf_space_commit_range(cage, ENTRIES, 1 << 16);
    return status;
}

static uint32_t shorten(const char *pointer) { return (uint32_t)(uintptr_t)pointer; }

/* With an aligned base, the same as setting its upper half; where the system cannot align, it is
 * right for any base. */
static char *lengthen(uint32_t pointer) {
    return hf_space_base(cage) + (size_t)(pointer - shorten(hf_space_base(cage)));
}

struct call {
    uint32_t entry;
    uint64_t x, value;
};

static void call(void *data) {
    struct call *call = data;
    code *function = (code *)(uintptr_t)lengthen(call->entry);
    call->value = function(call->x, 0, 0, call->x);
}

static void store(void *address) { *(volatile char *)address = 0; }

static bool on_fault(const char *address) {
    (void)address;
    return false;
}

/* The opposite of what each view is for must fault. */
static void check_views(const uint32_t entries[2]) {
    struct call wrong = {entries[1], 0, 0};
    if (platform_try(call, &wrong)) fail("the writable view can be executed");
    if (platform_try(store, lengthen(entries[0]))) fail("the executable view can be written");
}

/* Returns where the code is, in 32 bits. */
static uint32_t enter(void) {
    uint32_t *entries = (uint32_t *)(void *)(hf_space_base(cage) + ENTRIES);
    size_t size = compile();
    entries[0] = shorten(hf_space_base(cage) + EXECUTABLE);
    entries[1] = shorten(hf_space_base(cage) + WRITABLE);
    platform_handle_faults(on_fault);
    check_views(entries);
    printf("%zu bytes of code at %p, in 32 bits 0x%" PRIx32 "\n", size,
           (void *)lengthen(entries[0]), entries[0]);
    return entries[0];
}

/* ---------------------------------------------------------------- the program ---------------- */

/* True if the expression is compiled; false if this system or processor can only interpret. */
static bool can_compile(void) {
    char why[HF_ERROR_TEXT_SIZE] = "another processor";
    hf_status status = CAN_COMPILE ? open_cage() : HF_UNSUPPORTED;
    if (status == HF_OK) return true;
    if (CAN_COMPILE) hf_error_text(NULL, why, sizeof why);
    if (status != HF_UNSUPPORTED) fail(why);
    printf("interpreted: %s\n", why);
    return false;
}

static void print_value(uint64_t x, uint32_t entry) {
    uint64_t value = interpret(x);
    struct call compiled = {entry, x, value};
    if (entry != 0 && !platform_try(call, &compiled)) fail("the code faulted");
    if (compiled.value != value) fail("code and interpreter do not agree");
    printf("%" PRId64 "\n", (int64_t)value);
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: jit EXPRESSION X...\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    if (argc < 3 || argv[1][0] == '-') return usage(argv[argc - 1]);
    text = argv[1];
    parse_sum(0);
    if (next() != '\0') fail("the expression has something behind its end");
    uint32_t entry = can_compile() ? enter() : 0;
    for (int i = 2; i < argc; i++) print_value((uint64_t)strtoll(argv[i], NULL, 10), entry);
    hf_space_close(cage);
    return EXIT_SUCCESS;
}
