/*
 * lisp.c -- a Lisp: a reader, a compiler and an evaluator. Each piece of memory comes from the
 * allocator that fits how long it lives.
 *
 *     lisp FILE [--malloc | --stats]
 *
 *      program    arena  the text, names, code of functions: until the end
 *      scratch 0  arena  tree and code of one form: its scope ends when the form has run
 *      scratch 1  arena  the list that is read, later the stack: arrays whose length is not known
 *                        yet. Each is the last block of the arena, so it grows in place
 *      heap       heap   pairs, closures and frames: each until nothing refers to it
 *
 * An arena that cannot grow calls on_failure, which leaves by longjmp, as every error does. So the
 * reader and the compiler check no allocation and free nothing: closing the arenas and the heap
 * frees what a failed program has left.
 *
 * --malloc runs the program over malloc, realloc and free. --stats runs it both ways, and prints
 * what memory it took and how long it ran.
 *
 * The language: (define name value) at the top level, (lambda (parameter...) value), (if condition
 * then else), calls, integers of 63 bits that wrap, and pairs. nil is false. Tail calls take no
 * stack. Values never change, so there are no cycles, and counting references finds all garbage.
 */
#include <holdfast.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_NESTED = 200, MOST_DEPTH = 4000, HEAP_SIZE = 16 << 20, ROUNDS = 7 };

static const char *path; /* of the program */
static const char *text; /* what is left to read of it */
static int line;         /* of what is read, compiled or run; 0: none */
static jmp_buf failed;   /* where main() continues after an error */
static bool with_malloc; /* --malloc */
static bool has_stats;   /* --stats */
static bool is_quiet;    /* print prints nothing */

/* Prints an error and leaves by longjmp. */
HF_FORMAT(1, 2) _Noreturn static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "lisp: %s:", path);
    if (line > 0) fprintf(stderr, "%d:", line);
    fputc(' ', stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    longjmp(failed, 1);
}

/* ---------------------------------------------------------------- memory --------------------- */

static hf_arena program;
static hf_scratch scratch;
static hf_heap *heap;

/* with_malloc: the beginning of a block that replaces one of an arena. They are in a ring, and are
 * freed at the end of the program: to free those of a scope earlier would take a list for each. */
struct link {
    _Alignas(16) struct link *before;
    struct link *after;
};
static struct link links = {&links, &links};

/* Allocates a block (NULL) or changes its size. An arena does that in place for its last block. */
static void *resize(hf_arena *arena, void *block, size_t old_size, size_t size) {
    if (!with_malloc) return hf_realloc(arena, block, old_size, size, 8);
    struct link *link =
        realloc(block != NULL ? (struct link *)block - 1 : NULL, sizeof *link + size);
    if (link == NULL) fail("out of memory");
    if (block == NULL) *link = (struct link){links.before, &links};
    link->before->after = link->after->before = link;
    return link + 1;
}

static void *allocate(hf_arena *arena, size_t size) {
    return with_malloc ? resize(arena, NULL, 0, size) : hf_alloc(arena, size, 8);
}

static void free_links(void) {
    for (struct link *link = links.after, *after; link != &links; link = after) {
        after = link->after;
        free(link);
    }
    links = (struct link){&links, &links};
}

/* An array that grows as the last block of its arena. Inner scopes may have arrays in the same
 * arena, because the outer array grows only when they have ended. */
struct array {
    hf_arena *arena;
    size_t size, count, room; /* bytes of an item; items; items that fit */
    void *items;
};

/* Returns a new item. */
static void *append(struct array *array) {
    if (array->count == array->room) {
        size_t old_size = array->room * array->size;
        array->room = 2 * array->room + 8;
        array->items = resize(array->arena, array->items, old_size, array->room * array->size);
    }
    return (char *)array->items + array->count++ * array->size;
}

/* ---------------------------------------------------------------- values --------------------- */

/* An integer n is 2 n + 1; everything else is the address of an object, or one of these. */
typedef uint64_t value;
enum { NIL = 0, UNBOUND = 2 };

enum kind {
    PAIR,    /* first, rest */
    CLOSURE, /* the frame in which it was made; the address of its code, as an integer */
    FRAME    /* the frame of the function around it; the arguments of a call */
};

/* A block of the heap. */
struct object {
    union {
        uint64_t references; /* to it */
        struct object *next; /* when it is dead */
    };
    uint32_t kind, count; /* count: of the slots */
    value slots[];
};

static bool is_integer(value v) { return v & 1; }
static value from_integer(uint64_t number) { return number << 1 | 1; }
static int64_t to_integer(value v) { return (int64_t)(v - 1) / 2; }
static value from_pointer(const void *pointer) { return (uintptr_t)pointer; }
static struct object *to_object(value v) { return (struct object *)(uintptr_t)v; }
static bool is_object(value v) { return !is_integer(v) && v != NIL && v != UNBOUND; }
static bool is_kind(value v, enum kind kind) { return is_object(v) && to_object(v)->kind == kind; }

/* Allocates an object with one reference, the caller's. */
static struct object *new_object(enum kind kind, size_t count) {
    size_t size = sizeof(struct object) + count * sizeof(value);
    struct object *object = with_malloc ? malloc(size) : hf_heap_malloc(heap, size);
    if (object == NULL) fail("out of memory");
    *object = (struct object){.references = 1, .kind = kind, .count = (uint32_t)count};
    return object;
}

static value new_pair(enum kind kind, value first, value second) {
    struct object *object = new_object(kind, 2);
    object->slots[0] = first;
    object->slots[1] = second;
    return from_pointer(object);
}

static value retain(value v) {
    if (is_object(v)) to_object(v)->references++;
    return v;
}

/* Frees the object if this was the last reference to it, and so on for its slots. Dead objects that
 * have slots left are in a list: a recursion could be too deep. */
static void release(value v) {
    struct object *dead = NULL, *next;
    for (;;) {
        if (is_object(v) && --to_object(v)->references == 0) {
            to_object(v)->next = dead;
            dead = to_object(v);
        }
        for (; dead != NULL && dead->count == 0; dead = next) {
            next = dead->next;
            with_malloc ? free(dead) : hf_heap_free(heap, dead);
        }
        if (dead == NULL) return;
        v = dead->slots[--dead->count];
    }
}

/* ---------------------------------------------------------------- the reader ----------------- */

/* A name in the program. */
struct symbol {
    struct symbol *next;
    value global; /* the value of the global variable, or UNBOUND */
    char name[];
};

/* The reader takes each name for GLOBAL and each list for CALL. The compiler knows better. */
enum { CONSTANT, LOCAL, GLOBAL, CALL, DEFINE, LAMBDA, IF };
enum { ADD = IF + 1, SUBTRACT, IS_LESS, IS_SAME, CONS, CAR, CDR, PRINT };

/* A node of the tree that the reader builds, and of the code that the compiler makes of it. */
struct node {
    int kind, line;
    value operand; /* CONSTANT: itself; LOCAL: index; GLOBAL, DEFINE: symbol; LAMBDA: parameters */
    size_t depth;  /* LOCAL: frames further out */
    size_t count;  /* parts that are evaluated first: not the body of LAMBDA, the cases of IF */
    const struct node *parts[];
};

static struct symbol *symbols;

static struct node *new_node(hf_arena *arena, int kind, value operand, size_t count) {
    struct node *node = allocate(arena, sizeof *node + count * sizeof *node->parts);
    *node = (struct node){.kind = kind, .line = line, .operand = operand, .count = count};
    return node;
}

static struct symbol *to_symbol(const struct node *name) {
    return (struct symbol *)(uintptr_t)name->operand;
}

/* Returns the symbol of that name, a new one if there is none. */
static struct symbol *intern(const char *name, size_t length) {
    struct symbol *symbol = symbols;
    for (; symbol != NULL; symbol = symbol->next)
        if (strncmp(symbol->name, name, length) == 0 && symbol->name[length] == '\0') return symbol;
    symbol = allocate(&program, sizeof *symbol + length + 1);
    *symbol = (struct symbol){symbols, UNBOUND};
    memcpy(symbol->name, name, length);
    symbol->name[length] = '\0';
    return symbols = symbol;
}

/* Skips blanks and comments. Returns the next character; 0: the end. */
static char skip(void) {
    for (;; text++) {
        if (*text == ';') text += strcspn(text, "\n");
        if (*text == '\n') line++;
        if (*text == '\0' || strchr(" \t\r\n", *text) == NULL) return *text;
    }
}

static const struct node *read_form(hf_arena *result, int depth);

/* Collects the nodes in scratch memory, above those of the lists around this one. When their number
 * is known, it copies them to the result. */
static const struct node *read_list(hf_arena *result, int depth) {
    hf_scope work = hf_scratch_begin(&scratch, result);
    struct array list = {.arena = work.arena, .size = sizeof(struct node *)};
    int first_line = line;
    for (text++; skip() != ')';) {
        if (*text == '\0') line = first_line, fail("this ( has no )");
        const struct node *node = read_form(result, depth + 1);
        *(const struct node **)append(&list) = node;
    }
    text++;
    struct node *node = new_node(result, CALL, NIL, list.count);
    node->line = first_line;
    if (list.count > 0) memcpy(node->parts, list.items, list.count * list.size);
    hf_scope_end(work);
    return node;
}

/* Reads an integer or a name. */
static const struct node *read_word(hf_arena *result) {
    const char *word = text;
    char *end;
    int64_t number = strtoll(word, &end, 10);
    value integer = from_integer((uint64_t)number);
    text += strcspn(word, " \t\r\n();");
    if (end != text)
        return new_node(result, GLOBAL, from_pointer(intern(word, (size_t)(text - word))), 0);
    if (to_integer(integer) != number) fail("the number is too large");
    return new_node(result, CONSTANT, integer, 0);
}

static const struct node *read_form(hf_arena *result, int depth) {
    char first = skip();
    if (first == ')') fail("this ) has no (");
    if (depth == MOST_NESTED) fail("too many lists within lists");
    return first == '(' ? read_list(result, depth) : read_word(result);
}

/* ---------------------------------------------------------------- the compiler --------------- */

static const struct form {
    const char *name;
    int kind;
    size_t count; /* nodes behind the name */
} forms[] = {
    {"define", DEFINE, 2}, {"lambda", LAMBDA, 2}, {"if", IF, 3},       {"+", ADD, 2},
    {"-", SUBTRACT, 2},    {"<", IS_LESS, 2},     {"=", IS_SAME, 2},   {"cons", CONS, 2},
    {"car", CAR, 1},       {"cdr", CDR, 1},       {"print", PRINT, 1},
};

/* What is being compiled: the form, or a function in it. */
struct target {
    hf_arena *arena;            /* where the code is allocated */
    const struct target *outer; /* what the function is in; NULL: this is the form */
    const struct node *names;   /* the parameters of the function */
};

static const struct node *compile(const struct target *to, const struct node *node);

/* A name is a parameter of this function, or of one around it, or a global variable. */
static const struct node *compile_name(const struct target *to, const struct node *name) {
    struct node *code = new_node(to->arena, LOCAL, NIL, 0);
    for (; to->outer != NULL; to = to->outer, code->depth++)
        for (size_t i = 0; i < to->names->count; i++)
            if (to->names->parts[i]->operand == name->operand) {
                code->operand = i + 1;
                return code;
            }
    code->kind = GLOBAL;
    code->operand = name->operand;
    return code;
}

/* Compiles the parts of a list from `first` on. */
static struct node *compile_parts(const struct target *to, int kind, const struct node *list,
                                  size_t first) {
    struct node *code = new_node(to->arena, kind, NIL, list->count - first);
    for (size_t i = 0; i < code->count; i++) code->parts[i] = compile(to, list->parts[first + i]);
    return code;
}

static const struct node *need_name(const struct node *node) {
    if (node->kind != GLOBAL) fail("a name is missing");
    return node;
}

/* A function may be called when the form has run: its code goes to the program's arena. */
static const struct node *compile_lambda(const struct target *to, const struct node *list) {
    struct target inner = {&program, to, list->parts[1]};
    if (inner.names->kind != CALL) fail("lambda needs a list of names");
    for (size_t i = 0; i < inner.names->count; i++) need_name(inner.names->parts[i]);
    struct node *code = compile_parts(&inner, LAMBDA, list, 2);
    code->operand = inner.names->count;
    code->count = 0;
    return code;
}

static const struct node *compile_define(const struct target *to, const struct node *list) {
    if (to->outer != NULL) fail("define is not at the top level");
    struct node *code = compile_parts(to, DEFINE, list, 2);
    code->operand = need_name(list->parts[1])->operand;
    return code;
}

static const struct node *compile_list(const struct target *to, const struct node *list) {
    size_t i = 0, most = sizeof forms / sizeof *forms;
    if (list->count == 0) fail("() calls nothing");
    const char *name = list->parts[0]->kind == GLOBAL ? to_symbol(list->parts[0])->name : "";
    while (i < most && strcmp(forms[i].name, name) != 0) i++;
    if (i == most) return compile_parts(to, CALL, list, 0);
    if (list->count - 1 != forms[i].count) fail("%zu forms follow %s", list->count - 1, name);
    if (forms[i].kind == LAMBDA) return compile_lambda(to, list);
    if (forms[i].kind == DEFINE) return compile_define(to, list);
    struct node *code = compile_parts(to, forms[i].kind, list, 1);
    if (code->kind == IF) code->count = 1;
    return code;
}

static const struct node *compile(const struct target *to, const struct node *node) {
    line = node->line;
    if (node->kind == CALL) return compile_list(to, node);
    if (node->kind == GLOBAL) return compile_name(to, node);
    return new_node(to->arena, CONSTANT, node->operand, 0);
}

/* ---------------------------------------------------------------- the evaluator -------------- */

static struct array stack; /* values; an error leaves them for free_all() */
static value frame;        /* of the function that runs; NIL: of the form */

static void push(value v) { *(value *)append(&stack) = v; }

/* Returns the last `count` values. */
static value *last(size_t count) { return (value *)stack.items + stack.count - count; }

static void drop(size_t count) {
    for (; count > 0; count--) release(*last(1)), stack.count--;
}

static const value *need_pair(value v) {
    if (!is_kind(v, PAIR)) fail("a pair is needed");
    return to_object(v)->slots;
}

static int64_t need_integer(value v) {
    if (!is_integer(v)) fail("an integer is needed");
    return to_integer(v);
}

static value find_local(const struct node *code) {
    const struct object *found = to_object(frame);
    for (size_t i = 0; i < code->depth; i++) found = to_object(found->slots[0]);
    return found->slots[code->operand];
}

/* Returns the value of what is neither IF nor CALL. The last values on the stack are its parts'. */
static value compute(const struct node *code) {
    const value *v = code->count > 0 ? last(code->count) : NULL;
    struct symbol *symbol = to_symbol(code);
    switch (code->kind) {
    case LOCAL: return retain(find_local(code));
    case GLOBAL:
        if (symbol->global == UNBOUND) fail("%s has no value", symbol->name);
        return retain(symbol->global);
    case DEFINE:
        release(symbol->global);
        symbol->global = retain(v[0]);
        return NIL;
    case LAMBDA: return new_pair(CLOSURE, retain(frame), from_integer((uintptr_t)code));
    case ADD: return from_integer((uint64_t)need_integer(v[0]) + (uint64_t)need_integer(v[1]));
    case SUBTRACT: return from_integer((uint64_t)need_integer(v[0]) - (uint64_t)need_integer(v[1]));
    case IS_LESS: return need_integer(v[0]) < need_integer(v[1]) ? from_integer(1) : NIL;
    case IS_SAME: return v[0] == v[1] ? from_integer(1) : NIL;
    case CONS: return new_pair(PAIR, retain(v[0]), retain(v[1]));
    case CAR: return retain(need_pair(v[0])[0]);
    case CDR: return retain(need_pair(v[0])[1]);
    case PRINT:
        if (!is_quiet) printf("%lld\n", (long long)need_integer(v[0]));
        return retain(v[0]);
    default: return code->operand;
    }
}

/* Moves the arguments from the stack to a frame in the heap, because closures may refer to them
 * later. The caller's frame replaces the callee on the stack. Returns the callee's body. */
static const struct node *enter(size_t count) {
    const struct object *callee = to_object(*last(count + 1));
    if (!is_kind(*last(count + 1), CLOSURE)) fail("a function is needed");
    const struct node *code = (const struct node *)(uintptr_t)to_integer(callee->slots[1]);
    if (code->operand != count)
        fail("the function has %d parameters, not %zu", (int)code->operand, count);
    struct object *entered = new_object(FRAME, count + 1);
    entered->slots[0] = retain(callee->slots[0]);
    memcpy(entered->slots + 1, last(count), count * sizeof(value));
    stack.count -= count;
    release(*last(1));
    *last(1) = frame;
    frame = from_pointer(entered);
    return code->parts[0];
}

/* Pushes the value of the code. The body of a function that is called takes the place of the call,
 * so a tail call needs no recursion, and the caller's frame is restored once. */
static void eval(const struct node *code, int depth) {
    bool has_entered = false;
    if (depth == MOST_DEPTH) fail("the recursion is too deep");
    for (;;) {
        for (size_t i = 0; i < code->count; i++) eval(code->parts[i], depth + 1);
        line = code->line; /* the parts have changed it */
        if (code->kind == IF) {
            code = code->parts[*last(1) == NIL ? 2 : 1];
            drop(1);
        } else if (code->kind == CALL) {
            code = enter(code->count - 1);
            if (has_entered) drop(1);
            has_entered = true;
        } else {
            break;
        }
    }
    value result = compute(code);
    drop(code->count);
    if (has_entered) {
        release(frame);
        frame = *last(1);
        stack.count--;
    }
    push(result);
}

/* ---------------------------------------------------------------- the program ---------------- */

static void need_ok(hf_status status) {
    char why[HF_ERROR_TEXT_SIZE];
    hf_error_text(NULL, why, sizeof why);
    if (status != HF_OK) fail("%s", why);
}

/* Called when an allocation in an arena fails. */
static bool on_failure(hf_arena *arena, hf_status status, size_t size, void *user) {
    (void)arena, (void)size, (void)user;
    need_ok(status);
    return false;
}

static void open_all(void) {
    hf_arena_options options = {.on_failure = on_failure};
    hf_heap_options heap_options = {.reserve = HEAP_SIZE};
    need_ok(hf_arena_open(&program, &options));
    need_ok(hf_scratch_open(&scratch, &options));
    need_ok(hf_heap_open(&heap, &heap_options));
}

/* Frees what a run has allocated: holdfast's at once, so that the memory stays for the next run;
 * malloc's block by block. */
static void free_all(void) {
    if (!with_malloc) {
        hf_heap_reset(heap);
        hf_reset(&program);
        return;
    }
    drop(stack.count);
    release(frame);
    frame = NIL;
    for (; symbols != NULL; symbols = symbols->next) release(symbols->global);
    free_links();
}

static void read_text(void) {
    struct array read = {.arena = &program, .size = 1};
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail("%s", strerror(errno));
    for (int c; (c = getc(file)) != EOF;) *(char *)append(&read) = (char)c;
    *(char *)append(&read) = '\0';
    int code = ferror(file) ? errno : 0;
    fclose(file);
    if (code != 0) fail("%s", strerror(code));
    text = read.items;
}

/* Reads, compiles and runs a form. Its tree and its code are in one scratch arena; the stack grows
 * in the other one. */
static void run_form(void) {
    hf_scope form = hf_scratch_begin(&scratch, NULL);
    const struct node *node = read_form(form.arena, 0);
    int next_line = line;
    const struct node *code = compile(&(struct target){form.arena, NULL, NULL}, node);
    hf_scope work = hf_scratch_begin(&scratch, form.arena);
    stack = (struct array){.arena = work.arena, .size = sizeof(value)};
    eval(code, 0);
    drop(1);
    hf_scope_end(work);
    hf_scope_end(form);
    line = next_line;
}

static void run_program(void) {
    symbols = NULL;
    read_text();
    intern("nil", 3)->global = NIL;
    line = 1;
    while (skip() != '\0') run_form();
    line = 0;
}

/* Returns the least processor time of a few runs, in seconds. Only the first one prints. */
static double measure(void) {
    clock_t least = 0;
    for (int i = 0; i < ROUNDS; i++) {
        clock_t begun = clock();
        run_program();
        free_all();
        clock_t spent = clock() - begun;
        if (i == 0 || spent < least) least = spent;
        is_quiet = true;
    }
    return (double)least / CLOCKS_PER_SEC;
}

static void print_arena(const char *name, const hf_arena *arena) {
    hf_arena_stats stats = hf_arena_get_stats(arena);
    printf("%-10s %10zu %10zu %13zu\n", name, stats.peak, stats.committed, stats.system_calls);
}

static void compare(void) {
    double of_holdfast = measure();
    puts("            most used  committed  system calls");
    print_arena("program", &program);
    print_arena("scratch 0", &scratch.arenas[0]);
    print_arena("scratch 1", &scratch.arenas[1]);
    hf_heap_stats stats = hf_heap_get_stats(heap);
    printf("%-10s %10s %10zu %13zu\n", "heap", "", stats.peak, stats.system_calls);
    with_malloc = true;
    printf("%.6f s over holdfast, %.6f s over malloc\n", of_holdfast, measure());
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: lisp FILE [--malloc | --stats]\n", is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    static int status = EXIT_FAILURE;
    has_stats = argc == 3 && strcmp(argv[2], "--stats") == 0;
    with_malloc = argc == 3 && strcmp(argv[2], "--malloc") == 0;
    if (argc != 2 + (has_stats || with_malloc) || argv[1][0] == '-') return usage(argv[argc - 1]);
    path = argv[1];
    if (setjmp(failed) == 0) {
        open_all();
        has_stats ? compare() : run_program();
        status = EXIT_SUCCESS;
    }
    if (with_malloc) free_all(); /* closing frees what is holdfast's */
    hf_heap_close(heap);
    hf_scratch_close(&scratch);
    hf_arena_close(&program);
    return status;
}
