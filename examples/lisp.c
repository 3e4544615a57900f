/*
 * lisp.c -- a Lisp: a reader, a compiler to bytecode, a machine and a collector, each over the
 * allocator that fits how long its memory lives.
 *
 *     lisp FILE [--stats] [--malloc] [--compare] [--heap=MIB]        FILE -: standard input
 *
 *      program   arena     names, constants, code of functions: until the end
 *      syntax    arena     tree and code of one form: its scope ends when the form has run
 *      scratch   2 arenas  arrays whose length is not known yet: each grows in place as the last
 *                          block, is copied to where it belongs, and is freed with its scope
 *      heap      heap      values of the program: freed one by one, by a collector that marks and
 *                          sweeps; the stack and vectors grow by hf_heap_realloc
 *
 * An arena that cannot grow calls on_failure, which leaves by longjmp, as every error does. So the
 * reader and the compiler check no allocation and free nothing: closing the arenas and the heap
 * frees what a failed program has left.
 *
 * --malloc runs the program over malloc, realloc and free, where a region is a list of its blocks.
 * --compare runs it both ways in turn and prints the median of the processor times.
 *
 * Chapters: regions, values, heap, reader, compiler, machine, builtins, program.
 *
 * The language: define (at the top level), lambda, let, if, begin, set!, quote, integers of 63 bits
 * that wrap, strings, lists, vectors. nil is false. A call in tail position takes no stack.
 */
#include <holdfast.h>

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_NESTED = 200, MOST_STACK = 1 << 20, LEAST_GARBAGE = 1 << 20, MOST_MIB = 2047 };

static const char *path;  /* of the program */
static const char *text;  /* what is left to read of it */
static uint32_t line;     /* of what is read, compiled or run */
static jmp_buf failed;    /* where main() continues after an error */
static bool with_malloc;  /* --malloc */
static bool is_quiet;     /* print prints nothing */
static size_t heap_limit; /* in bytes: --heap */

/* Prints an error and leaves by longjmp. */
HF_FORMAT(1, 2) _Noreturn static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "lisp: %s:", path);
    if (line > 0) fprintf(stderr, "%" PRIu32 ":", line);
    fputc(' ', stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    longjmp(failed, 1);
}

/* ---------------------------------------------------------------- regions -------------------- */

/* Blocks that are freed together, the last ones first. */
struct region {
    hf_arena *arena;
    struct link *last;    /* with_malloc: the last block */
    size_t blocks, bytes; /* allocated so far, for --stats */
};

/* The beginning of a block of malloc in a region. */
struct link {
    _Alignas(16) struct link *below; /* the block before */
};

static hf_arena arenas[2];
static hf_scratch scratch;
static struct region program, syntax, temporary[2];

static struct link *need_link(struct link *link) {
    if (link == NULL) fail("out of memory");
    return link;
}

static void *allocate(struct region *region, size_t size) {
    region->blocks++;
    region->bytes += size;
    if (!with_malloc) return hf_alloc(region->arena, size, 8);
    struct link *link = need_link(malloc(sizeof *link + size));
    link->below = region->last;
    region->last = link;
    return link + 1;
}

/* Makes the last block larger, which an arena does in place. */
static void *grow(struct region *region, void *block, size_t old_size, size_t size) {
    region->bytes += size - old_size;
    if (!with_malloc) return hf_realloc(region->arena, block, old_size, size, 8);
    region->last = need_link(realloc((struct link *)block - 1, sizeof(struct link) + size));
    return region->last + 1;
}

struct scope {
    struct region *region;
    hf_scope scope;
    struct link *last; /* with_malloc: the last block when the scope began */
};

static struct scope begin(struct region *region) {
    struct scope begun = {.region = region, .last = region->last};
    if (!with_malloc) begun.scope = hf_scope_begin(region->arena);
    return begun;
}

/* Begins a scope for temporary arrays, in a region that is not the conflict. */
static struct scope begin_scratch(const struct region *conflict) {
    struct region *region = &temporary[conflict == &temporary[0]];
    struct scope begun = {.region = region, .last = region->last};
    if (!with_malloc) begun.scope = hf_scratch_begin(&scratch, conflict ? conflict->arena : NULL);
    return begun;
}

static void free_links(struct region *region, const struct link *last) {
    for (struct link *link; (link = region->last) != last; free(link)) region->last = link->below;
}

static void end(struct scope scope) {
    if (!with_malloc) hf_scope_end(scope.scope);
    free_links(scope.region, scope.last);
}

/* An array that grows as the last block of a scratch region. Inner scopes may have arrays in the
 * same region, because the outer array grows only when they have ended. */
struct array {
    struct region *region;
    size_t size, count, room; /* bytes of an item; items; items that fit */
    char *items;
};

/* Returns the first of `count` new items. */
static void *append(struct array *array, size_t count) {
    size_t old_size = array->room * array->size, first = array->count;
    array->count += count;
    if (array->count > array->room) {
        array->room = 2 * array->count + 8;
        size_t size = array->room * array->size;
        array->items = old_size == 0 ? allocate(array->region, size)
                                     : grow(array->region, array->items, old_size, size);
    }
    return array->items + first * array->size;
}

/* ---------------------------------------------------------------- values --------------------- */

/* An integer n is 2 n + 1; everything else is the address of an object, or one of these. */
typedef uint64_t value;
enum { NIL = 0, UNBOUND = 2 };

/* Objects are in the heap; constants, symbols, functions and builtins are not. */
enum kind { PAIR, STRING, VECTOR, CLOSURE, FRAME, SYMBOL, FUNCTION, BUILTIN };

/* The beginning of each object. */
struct object {
    _Alignas(value) struct object *next; /* in the heap: the object that was allocated before */
    uint32_t count; /* slots, bytes of a string, items of a vector, parameters of a function */
    uint8_t kind;
    bool is_marked; /* reached by the collector; outside of the heap: always */
};

struct vector {
    struct object head;
    value *items; /* a block of the heap; NULL: none */
    size_t room;  /* items that fit */
};

struct symbol {
    struct object head;
    struct symbol *next;     /* in its bucket */
    const struct form *form; /* NULL: of none */
    value global;            /* the value of the global variable, or UNBOUND */
    char name[];
};

/* Of the values on the stack, the last one is `top`. */
enum operation {
    CONSTANT,    /* push the operand */
    LOCAL,       /* push a variable of the frame that is `depth` frames further out */
    GLOBAL,      /* push the value of a symbol */
    SET_LOCAL,   /* store top, which stays */
    SET_GLOBAL,  /* the same; the symbol has a value */
    DEFINE,      /* the same; the symbol need not have a value */
    POP,         /* drop top */
    JUMP,        /* continue at the instruction with that index */
    JUMP_IF_NIL, /* drop top; if it was nil, jump */
    CLOSE,       /* push a closure of a function and the frame */
    CALL,        /* call with so many arguments what is below them; push the result */
    TAIL_CALL,   /* the same, and return; a builtin does not, so RETURN follows */
    RETURN       /* to the caller, with top */
};

struct instruction {
    uint16_t operation, depth;
    uint32_t line;
    value operand;
};

struct function {
    struct object head;
    const struct instruction *code;
};

struct builtin {
    struct object head;
    const char *name;
    value (*function)(value *arguments);
};

static struct symbol *buckets[256];
static value t;

static bool is_integer(value v) { return v & 1; }
static value from_integer(uint64_t number) { return number << 1 | 1; }
static int64_t to_integer(value v) { return (int64_t)(v - 1) / 2; }
static struct object *to_object(value v) { return (struct object *)(uintptr_t)v; }
static value from_object(const void *object) { return (uintptr_t)object; }
static value from_bool(bool is_true) { return is_true ? t : NIL; }
static bool is_object(value v) { return !is_integer(v) && v != NIL && v != UNBOUND; }
static bool is_kind(value v, enum kind kind) { return is_object(v) && to_object(v)->kind == kind; }

/* Of a pair: first and rest. Of a closure: frame and function. Of a frame: the outer frame, and the
 * variables. */
static value *slots(value v) { return (value *)(void *)(to_object(v) + 1); }
static char *bytes(value string) { return (char *)(to_object(string) + 1); }

static size_t object_size(enum kind kind, size_t count) {
    if (kind == VECTOR) return sizeof(struct vector);
    return sizeof(struct object) + count * (kind == STRING ? 1 : sizeof(value));
}

/* A pair or string in the program's text. */
static value new_constant(enum kind kind, size_t count) {
    struct object *object = allocate(&program, object_size(kind, count));
    *object = (struct object){NULL, (uint32_t)count, (uint8_t)kind, true};
    return from_object(object);
}

static struct symbol *intern(const char *name, size_t length) {
    uint32_t hash = 2166136261;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)name[i]) * 16777619;
    struct symbol **bucket = &buckets[hash % 256], *symbol = *bucket;
    for (; symbol != NULL; symbol = symbol->next)
        if (strncmp(symbol->name, name, length) == 0 && symbol->name[length] == '\0') return symbol;
    symbol = allocate(&program, sizeof *symbol + length + 1);
    *symbol = (struct symbol){{NULL, 0, SYMBOL, true}, *bucket, NULL, UNBOUND};
    memcpy(symbol->name, name, length);
    symbol->name[length] = '\0';
    return *bucket = symbol;
}

/* ---------------------------------------------------------------- the heap ------------------- */

static hf_heap *heap;
static struct object *objects;                      /* the one that was allocated last */
static size_t heap_used, heap_next;                 /* bytes; at heap_next it collects */
static size_t heap_blocks, heap_bytes, collections; /* so far, for --stats */
static value *stack;                                /* a block of the heap */
static size_t stack_count, stack_room;              /* values */
static value frame;                                 /* of the function that runs */

static void *try_block(void *block, size_t size) {
    if (with_malloc) return heap_used > heap_limit ? NULL : realloc(block, size);
    return block != NULL ? hf_heap_realloc(heap, block, size) : hf_heap_malloc(heap, size);
}

static void free_block(void *block) {
    if (with_malloc)
        free(block);
    else
        hf_heap_free(heap, block);
}

/* Marks an object and notes it, so that what it refers to is marked, too. */
static void mark(struct array *noted, value v) {
    if (!is_object(v) || to_object(v)->is_marked) return;
    to_object(v)->is_marked = true;
    *(struct object **)append(noted, 1) = to_object(v);
}

static void mark_inner(struct array *noted, struct object *object) {
    const value *inner = slots(from_object(object));
    if (object->kind == VECTOR) inner = ((struct vector *)object)->items;
    for (uint32_t i = 0; object->kind != STRING && i < object->count; i++) mark(noted, inner[i]);
}

static void mark_all(void) {
    struct scope work = begin_scratch(NULL);
    struct array noted = {work.region, sizeof(struct object *), 0, 0, NULL};
    mark(&noted, frame);
    for (size_t i = 0; i < stack_count; i++) mark(&noted, stack[i]);
    for (size_t i = 0; i < 256; i++)
        for (struct symbol *symbol = buckets[i]; symbol != NULL; symbol = symbol->next)
            mark(&noted, symbol->global);
    while (noted.count > 0)
        mark_inner(&noted, ((struct object **)(void *)noted.items)[--noted.count]);
    end(work);
}

static void free_object(struct object *object) {
    heap_used -= object_size((enum kind)object->kind, object->count);
    if (object->kind == VECTOR) {
        heap_used -= ((struct vector *)object)->room * sizeof(value);
        free_block(((struct vector *)object)->items);
    }
    free_block(object);
}

static void collect(void) {
    mark_all();
    collections++;
    for (struct object **link = &objects, *object; (object = *link) != NULL;) {
        if (object->is_marked) {
            object->is_marked = false;
            link = &object->next;
        } else {
            *link = object->next;
            free_object(object);
        }
    }
    heap_next = 2 * heap_used + LEAST_GARBAGE;
}

/* Allocates a block (block NULL, old_size 0) or resizes one. */
static void *new_block(void *block, size_t old_size, size_t size) {
    heap_blocks += block == NULL;
    heap_bytes += size - old_size;
    heap_used += size - old_size;
    if (heap_used > heap_next) collect();
    void *result = try_block(block, size);
    if (result != NULL) return result;
    collect();
    result = try_block(block, size);
    if (result == NULL) fail("out of memory: the heap has %zu MiB", heap_limit >> 20);
    return result;
}

static value new_object(enum kind kind, size_t count) {
    if (count > INT32_MAX) fail("out of memory: %zu bytes are too large", count);
    struct object *object = new_block(NULL, 0, object_size(kind, count));
    *object = (struct object){objects, (uint32_t)count, (uint8_t)kind, false};
    objects = object;
    return from_object(object);
}

static value new_pair(enum kind kind, value first, value second) {
    value pair = new_object(kind, 2);
    slots(pair)[0] = first;
    slots(pair)[1] = second;
    return pair;
}

static void grow_stack(void) {
    size_t room = stack_room == 0 ? 1024 : 2 * stack_room;
    if (stack_room == MOST_STACK) fail("the recursion is too deep");
    stack = new_block(stack, stack_room * sizeof *stack, room * sizeof *stack);
    stack_room = room;
}

/* There is always room for a value. The stack grows when the value is on it, because that may
 * collect what nothing refers to. */
static void push(value v) {
    stack[stack_count++] = v;
    if (stack_count == stack_room) grow_stack();
}

/* ---------------------------------------------------------------- the reader ----------------- */

/* A form: a list of nodes, or an integer, a symbol or a string. */
struct node {
    uint32_t line, count;
    bool is_list;
    value atom; /* NIL: a list */
    const struct node *list[];
};

static const struct node *new_node(uint32_t first_line, value atom, const struct array *list) {
    size_t count = list != NULL ? list->count : 0, size = count * sizeof(struct node *);
    struct node *node = allocate(&syntax, sizeof *node + size);
    *node = (struct node){first_line, (uint32_t)count, list != NULL, atom};
    if (size > 0) memcpy(node->list, list->items, size);
    return node;
}

/* Skips blanks and comments. Returns the next character; 0: the end. */
static char skip(void) {
    for (;; text++) {
        if (*text == ';') text += strcspn(text, "\n");
        if (*text == '\n') line++;
        if (*text == '\0' || strchr(" \t\r\n", *text) == NULL) return *text;
    }
}

static const struct node *read_form(int depth);

/* The nodes are collected in scratch memory, above those of the lists around this one. */
static const struct node *read_list(int depth) {
    struct scope work = begin_scratch(&syntax);
    struct array list = {work.region, sizeof(struct node *), 0, 0, NULL};
    uint32_t first_line = line;
    for (text++; skip() != ')';) {
        if (*text == '\0') line = first_line, fail("this ( has no )");
        const struct node *node = read_form(depth + 1);
        *(const struct node **)append(&list, 1) = node;
    }
    text++;
    const struct node *node = new_node(first_line, NIL, &list);
    end(work);
    return node;
}

static const struct node *read_string(void) {
    struct scope work = begin_scratch(&program);
    struct array string = {work.region, 1, 0, 0, NULL};
    uint32_t first_line = line;
    for (text++; *text != '"'; text++) {
        bool is_escaped = *text == '\\';
        if (is_escaped) text++;
        if (*text == '\0') line = first_line, fail("this string has no end");
        if (*text == '\n') line++;
        *(char *)append(&string, 1) = is_escaped && *text == 'n' ? '\n' : *text;
    }
    text++;
    value constant = new_constant(STRING, string.count);
    if (string.count > 0) memcpy(bytes(constant), string.items, string.count);
    end(work);
    return new_node(first_line, constant, NULL);
}

/* A number or a name. */
static const struct node *read_word(void) {
    const char *word = text;
    char *number_end;
    errno = 0;
    int64_t number = strtoll(word, &number_end, 10);
    text += strcspn(text, " \t\r\n()\";");
    value atom = from_integer((uint64_t)number);
    if (number_end != text)
        atom = from_object(intern(word, (size_t)(text - word)));
    else if (errno != 0 || to_integer(atom) != number)
        fail("the number is too large");
    return new_node(line, atom, NULL);
}

static const struct node *read_form(int depth) {
    char first = skip();
    if (first == '\0') fail("a form is missing");
    if (first == ')') fail("this ) has no (");
    if (depth == MOST_NESTED) fail("too many lists within lists");
    if (first == '(') return read_list(depth);
    return first == '"' ? read_string() : read_word();
}

/* ---------------------------------------------------------------- the compiler --------------- */

/* The variables of a function. */
struct names {
    const struct names *outer; /* of the function around it; NULL: none */
    const struct node *const *list;
    uint32_t count;
};

/* A function that is being compiled. */
struct compiler {
    struct array code;         /* instructions, in scratch memory */
    const struct names *names; /* NULL: a form at the top level */
};

/* A special form. */
struct form {
    const char *name;
    uint32_t least, most; /* nodes of its list */
    void (*compile)(struct compiler *, const struct node *, bool is_tail);
};

static void compile(struct compiler *to, const struct node *node, bool is_tail);

static struct symbol *to_symbol(const struct node *node) {
    if (!is_kind(node->atom, SYMBOL)) fail("a name is missing");
    return (struct symbol *)to_object(node->atom);
}

/* Returns the index of the instruction. */
static size_t emit(struct compiler *to, enum operation operation, size_t depth, value operand) {
    *(struct instruction *)append(&to->code, 1) =
        (struct instruction){(uint16_t)operation, (uint16_t)depth, line, operand};
    return to->code.count - 1;
}

/* Makes a jump end behind the last instruction. */
static void land(struct compiler *to, size_t jump) {
    ((struct instruction *)(void *)to->code.items)[jump].operand = to->code.count;
}

/* Accesses a variable of this function, of one around it, or a global one. */
static void compile_name(struct compiler *to, const struct node *node, enum operation local,
                         enum operation global) {
    value symbol = from_object(to_symbol(node));
    size_t depth = 0;
    for (const struct names *names = to->names; names != NULL; names = names->outer, depth++)
        for (uint32_t i = names->count; i > 0; i--)
            if (names->list[i - 1]->atom == symbol) {
                emit(to, local, depth, i);
                return;
            }
    emit(to, global, 0, symbol);
}

/* Compiles the nodes from `first` on; the last one has the value. */
static void compile_body(struct compiler *to, const struct node *node, uint32_t first,
                         bool is_tail) {
    for (uint32_t i = first; i < node->count; i++) {
        if (i > first) emit(to, POP, 0, 0);
        compile(to, node->list[i], is_tail && i + 1 == node->count);
    }
}

/* Compiles the nodes from `first` on as a function in the region `result`. Its code grows in
 * scratch memory, above that of the functions around it. */
static struct function *compile_function(struct region *result, const struct names *names,
                                         const struct node *node, uint32_t first) {
    struct scope work = begin_scratch(result);
    struct compiler to = {{work.region, sizeof(struct instruction), 0, 0, NULL}, names};
    compile_body(&to, node, first, true);
    emit(&to, RETURN, 0, 0);
    size_t size = to.code.count * sizeof(struct instruction);
    struct function *function = allocate(result, sizeof *function);
    function->head = (struct object){NULL, names != NULL ? names->count : 0, FUNCTION, true};
    function->code = memcpy(allocate(result, size), to.code.items, size);
    end(work);
    return function;
}

static void compile_closure(struct compiler *to, const struct node *const *parameters,
                            uint32_t count, const struct node *node, uint32_t first) {
    struct names names = {to->names, parameters, count};
    for (uint32_t i = 0; i < count; i++) to_symbol(parameters[i]);
    emit(to, CLOSE, 0, from_object(compile_function(&program, &names, node, first)));
}

/* (lambda (name...) body...) */
static void compile_lambda(struct compiler *to, const struct node *node, bool is_tail) {
    (void)is_tail;
    if (!node->list[1]->is_list) fail("lambda needs a list of names");
    compile_closure(to, node->list[1]->list, node->list[1]->count, node, 2);
}

/* (define name value) or (define (name parameter...) body...) */
static void compile_define(struct compiler *to, const struct node *node, bool is_tail) {
    const struct node *name = node->list[1];
    (void)is_tail;
    if (to->names != NULL) fail("define is not at the top level");
    if (name->count > 0) {
        compile_closure(to, name->list + 1, name->count - 1, node, 2);
        name = name->list[0];
    } else {
        compile_body(to, node, 2, false);
    }
    emit(to, DEFINE, 0, from_object(to_symbol(name)));
}

/* (let ((name value)...) body...) is ((lambda (name...) body...) value...). The list of names is
 * temporary, too. It cannot be in the region where the code grows, which is the conflict. */
static void compile_let(struct compiler *to, const struct node *node, bool is_tail) {
    struct scope work = begin_scratch(to->code.region);
    struct array names = {work.region, sizeof(struct node *), 0, 0, NULL};
    const struct node *pairs = node->list[1];
    if (!pairs->is_list) fail("let needs names with values");
    for (uint32_t i = 0; i < pairs->count; i++) {
        if (pairs->list[i]->count != 2) fail("let needs names with values");
        *(const struct node **)append(&names, 1) = pairs->list[i]->list[0];
    }
    compile_closure(to, (const struct node *const *)(void *)names.items, pairs->count, node, 2);
    end(work);
    for (uint32_t i = 0; i < pairs->count; i++) compile(to, pairs->list[i]->list[1], false);
    emit(to, is_tail ? TAIL_CALL : CALL, 0, pairs->count);
}

/* (if condition value [value]) */
static void compile_if(struct compiler *to, const struct node *node, bool is_tail) {
    compile(to, node->list[1], false);
    size_t if_nil = emit(to, JUMP_IF_NIL, 0, 0);
    compile(to, node->list[2], is_tail);
    size_t behind = emit(to, JUMP, 0, 0);
    land(to, if_nil);
    if (node->count == 3) emit(to, CONSTANT, 0, NIL);
    compile_body(to, node, 3, is_tail);
    land(to, behind);
}

static void compile_begin(struct compiler *to, const struct node *node, bool is_tail) {
    compile_body(to, node, 1, is_tail);
}

/* (set! name value) */
static void compile_set(struct compiler *to, const struct node *node, bool is_tail) {
    (void)is_tail;
    compile(to, node->list[2], false);
    compile_name(to, node->list[1], SET_LOCAL, SET_GLOBAL);
}

static value quote(const struct node *node) {
    value list = NIL;
    for (uint32_t i = node->count; i > 0; i--) {
        value pair = new_constant(PAIR, 2);
        slots(pair)[0] = quote(node->list[i - 1]);
        slots(pair)[1] = list;
        list = pair;
    }
    return node->is_list ? list : node->atom;
}

static void compile_quote(struct compiler *to, const struct node *node, bool is_tail) {
    (void)is_tail;
    emit(to, CONSTANT, 0, quote(node->list[1]));
}

static const struct form forms[] = {
    {"define", 3, UINT32_MAX, compile_define},
    {"lambda", 3, UINT32_MAX, compile_lambda},
    {"let", 3, UINT32_MAX, compile_let},
    {"begin", 2, UINT32_MAX, compile_begin},
    {"if", 3, 4, compile_if},
    {"set!", 3, 3, compile_set},
    {"quote", 2, 2, compile_quote},
};

static void compile_list(struct compiler *to, const struct node *node, bool is_tail) {
    if (node->count == 0) fail("() calls nothing");
    value first = node->list[0]->atom;
    const struct form *form = is_kind(first, SYMBOL) ? to_symbol(node->list[0])->form : NULL;
    if (form == NULL) {
        for (uint32_t i = 0; i < node->count; i++) compile(to, node->list[i], false);
        line = node->line;
        emit(to, is_tail ? TAIL_CALL : CALL, 0, node->count - 1);
        return;
    }
    if (node->count < form->least || node->count > form->most)
        fail("%s is followed by %" PRIu32 " forms", form->name, node->count - 1);
    form->compile(to, node, is_tail);
}

static void compile(struct compiler *to, const struct node *node, bool is_tail) {
    line = node->line;
    if (node->is_list)
        compile_list(to, node, is_tail);
    else if (is_kind(node->atom, SYMBOL))
        compile_name(to, node, LOCAL, GLOBAL);
    else
        emit(to, CONSTANT, 0, node->atom);
}

/* ---------------------------------------------------------------- the machine ---------------- */

/* The arguments of a call move to a frame. What RETURN restores replaces the function called:
 *
 *      | caller's values | called | arguments |
 *      | caller's values | frame | running | next | values of the function called
 */
static const struct function *running;
static const struct instruction *next;
static const struct builtin *calling; /* the last builtin, for errors */

static const char *const kind_names[] = {"a pair",  "a string", "a vector",   "a function",
                                         "a frame", "a symbol", "a function", "a function"};

static const char *kind_name(value v) {
    if (is_integer(v)) return "an integer";
    return v == NIL ? "nil" : kind_names[to_object(v)->kind];
}

/* Whatever is allocated here can be found by the collector before the next allocation. */
static void enter(value callee, uint32_t count, bool is_tail) {
    value outer = frame, function = slots(callee)[1], entered = new_object(FRAME, count + 1);
    slots(entered)[0] = slots(callee)[0];
    for (uint32_t i = count; i > 0; i--) slots(entered)[i] = stack[--stack_count];
    frame = entered;
    if (is_tail) {
        stack_count--;
    } else {
        stack[stack_count - 1] = outer;
        push(from_object(running));
        push(from_integer((uint64_t)(next - running->code)));
    }
    running = (struct function *)to_object(function);
    next = running->code;
}

static void call(uint32_t count, bool is_tail) {
    value callee = stack[stack_count - count - 1];
    bool is_builtin = is_kind(callee, BUILTIN);
    if (!is_builtin && !is_kind(callee, CLOSURE)) fail("%s is no function", kind_name(callee));
    value function = is_builtin ? callee : slots(callee)[1];
    if (to_object(function)->count != count)
        fail("the function has %" PRIu32 " parameters, not %" PRIu32, to_object(function)->count,
             count);
    if (!is_builtin) {
        enter(callee, count, is_tail);
        return;
    }
    calling = (const struct builtin *)to_object(callee);
    value result = calling->function(stack + stack_count - count);
    stack_count -= count;
    stack[stack_count - 1] = result;
}

static void return_to_caller(void) {
    value *restored = stack + stack_count - 4, result = restored[3];
    frame = restored[0];
    running = (const struct function *)to_object(restored[1]);
    next = running->code + to_integer(restored[2]);
    restored[0] = result;
    stack_count -= 3;
}

static value *find_local(const struct instruction *at) {
    value found = frame;
    for (uint16_t i = 0; i < at->depth; i++) found = slots(found)[0];
    return slots(found) + at->operand;
}

static value *find_global(const struct instruction *at) {
    struct symbol *symbol = (struct symbol *)to_object(at->operand);
    if (symbol->global == UNBOUND && at->operation != DEFINE) fail("%s has no value", symbol->name);
    return &symbol->global;
}

static void run(const struct function *function) {
    running = function;
    next = function->code;
    for (;;) {
        const struct instruction *at = next++;
        line = at->line;
        switch ((enum operation)at->operation) {
        case CONSTANT: push(at->operand); break;
        case LOCAL: push(*find_local(at)); break;
        case GLOBAL: push(*find_global(at)); break;
        case SET_LOCAL: *find_local(at) = stack[stack_count - 1]; break;
        case SET_GLOBAL:
        case DEFINE: *find_global(at) = stack[stack_count - 1]; break;
        case POP: stack_count--; break;
        case JUMP: next = running->code + at->operand; break;
        case JUMP_IF_NIL:
            if (stack[--stack_count] == NIL) next = running->code + at->operand;
            break;
        case CLOSE: push(new_pair(CLOSURE, frame, at->operand)); break;
        case CALL: call((uint32_t)at->operand, false); break;
        case TAIL_CALL: call((uint32_t)at->operand, running != function); break;
        case RETURN:
            if (running == function) {
                stack_count = 0;
                return;
            }
            return_to_caller();
        }
    }
}

/* ---------------------------------------------------------------- builtins ------------------- */

static void *need(value v, enum kind kind) {
    if (!is_kind(v, kind))
        fail("%s needs %s, not %s", calling->name, kind_names[kind], kind_name(v));
    return to_object(v);
}

static int64_t need_integer(value v) {
    if (!is_integer(v)) fail("%s needs an integer, not %s", calling->name, kind_name(v));
    return to_integer(v);
}

/* The name of the builtin is the operator. */
static value calculate(value *arguments) {
    int64_t a = need_integer(arguments[0]), b = need_integer(arguments[1]);
    switch (*calling->name) {
    case '<': return from_bool(a < b);
    case '+': return from_integer((uint64_t)(a + b));
    case '-': return from_integer((uint64_t)(a - b));
    case '*': return from_integer((uint64_t)a * (uint64_t)b);
    }
    if (b == 0) fail("%s by 0", calling->name);
    return from_integer((uint64_t)(*calling->name == '/' ? a / b : a % b));
}

static value is_equal(value *arguments) {
    value a = arguments[0], b = arguments[1];
    if (!is_kind(a, STRING) || !is_kind(b, STRING)) return from_bool(a == b);
    uint32_t size = to_object(a)->count;
    return from_bool(size == to_object(b)->count && memcmp(bytes(a), bytes(b), size) == 0);
}

static value cons(value *arguments) { return new_pair(PAIR, arguments[0], arguments[1]); }
static value car(value *arguments) { return need(arguments[0], PAIR), slots(arguments[0])[0]; }
static value cdr(value *arguments) { return need(arguments[0], PAIR), slots(arguments[0])[1]; }

static value new_vector(value *arguments) {
    value vector = new_object(VECTOR, 0);
    (void)arguments;
    ((struct vector *)to_object(vector))->items = NULL;
    ((struct vector *)to_object(vector))->room = 0;
    return vector;
}

/* (push! vector value) */
static value vector_push(value *arguments) {
    struct vector *vector = need(arguments[0], VECTOR);
    if (vector->head.count == vector->room) {
        size_t room = 2 * vector->room + 4, size = sizeof(value);
        if (room > INT32_MAX) fail("out of memory: the vector is too large");
        vector->items = new_block(vector->items, vector->room * size, room * size);
        vector->room = room;
    }
    return vector->items[vector->head.count++] = arguments[1];
}

static value *find_item(value *arguments) {
    struct vector *vector = need(arguments[0], VECTOR);
    int64_t index = need_integer(arguments[1]);
    if (index < 0 || index >= vector->head.count)
        fail("%s: the vector has no item %" PRId64, calling->name, index);
    return vector->items + index;
}

static value vector_get(value *arguments) { return *find_item(arguments); }
static value vector_set(value *arguments) { return *find_item(arguments) = arguments[2]; }

static value length(value *arguments) {
    if (!is_kind(arguments[0], STRING)) need(arguments[0], VECTOR);
    return from_integer(to_object(arguments[0])->count);
}

static void write_bytes(struct array *to, const char *from, size_t size) {
    if (size > 0) memcpy(append(to, size), from, size);
}

static void write_text(struct array *to, const char *from) { write_bytes(to, from, strlen(from)); }

static void write_value(struct array *to, value v, int depth) {
    char number[32];
    if (depth == MOST_NESTED) fail("too many lists within lists");
    if (is_integer(v)) {
        snprintf(number, sizeof number, "%" PRId64, to_integer(v));
        write_text(to, number);
    } else if (is_kind(v, STRING)) {
        write_bytes(to, bytes(v), to_object(v)->count);
    } else if (is_kind(v, SYMBOL)) {
        write_text(to, ((struct symbol *)to_object(v))->name);
    } else if (is_kind(v, PAIR)) {
        for (const char *before = "("; is_kind(v, PAIR); v = slots(v)[1], before = " ") {
            write_text(to, before);
            write_value(to, slots(v)[0], depth + 1);
        }
        if (v != NIL) write_text(to, " . "), write_value(to, v, depth + 1);
        write_text(to, ")");
    } else {
        write_text(to, kind_name(v));
    }
}

/* (concat value value): the text grows in scratch memory. */
static value concat(value *arguments) {
    struct scope work = begin_scratch(NULL);
    struct array written = {work.region, 1, 0, 0, NULL};
    write_value(&written, arguments[0], 0);
    write_value(&written, arguments[1], 0);
    value string = new_object(STRING, written.count);
    if (written.count > 0) memcpy(bytes(string), written.items, written.count);
    end(work);
    return string;
}

static value print(value *arguments) {
    struct scope work = begin_scratch(NULL);
    struct array written = {work.region, 1, 0, 0, NULL};
    write_value(&written, arguments[0], 0);
    write_text(&written, "\n");
    if (!is_quiet) fwrite(written.items, 1, written.count, stdout);
    end(work);
    return arguments[0];
}

static const struct builtin builtins[] = {
    {{NULL, 2, BUILTIN, true}, "+", calculate},
    {{NULL, 2, BUILTIN, true}, "-", calculate},
    {{NULL, 2, BUILTIN, true}, "*", calculate},
    {{NULL, 2, BUILTIN, true}, "/", calculate},
    {{NULL, 2, BUILTIN, true}, "%", calculate},
    {{NULL, 2, BUILTIN, true}, "<", calculate},
    {{NULL, 2, BUILTIN, true}, "=", is_equal},
    {{NULL, 2, BUILTIN, true}, "cons", cons},
    {{NULL, 1, BUILTIN, true}, "car", car},
    {{NULL, 1, BUILTIN, true}, "cdr", cdr},
    {{NULL, 0, BUILTIN, true}, "vector", new_vector},
    {{NULL, 2, BUILTIN, true}, "push!", vector_push},
    {{NULL, 2, BUILTIN, true}, "get", vector_get},
    {{NULL, 3, BUILTIN, true}, "set-item!", vector_set},
    {{NULL, 1, BUILTIN, true}, "length", length},
    {{NULL, 2, BUILTIN, true}, "concat", concat},
    {{NULL, 1, BUILTIN, true}, "print", print},
};

/* ---------------------------------------------------------------- the program ---------------- */

enum phase { COMPILING, RUNNING, FREEING, TOTAL, PHASES };
enum { ROUNDS = 7 };

static hf_arena source; /* the text of the program */
static clock_t lap, spent[PHASES];

static void count_time(enum phase phase) {
    clock_t now = clock();
    spent[phase] += now - lap;
    spent[TOTAL] += now - lap;
    lap = now;
}

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

/* The text is the only block of its arena, so that it grows in place. */
static void read_text(void) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    hf_arena_options options = {.on_failure = on_failure};
    size_t room = 1 << 16, size = 0;
    if (file == NULL) fail("%s", strerror(errno));
    need_ok(hf_arena_open(&source, &options));
    char *block = hf_alloc(&source, room, 1);
    for (size_t got; (got = fread(block + size, 1, room - size, file)) > 0;) {
        size += got;
        if (size == room) block = hf_realloc(&source, block, room, 2 * room, 1), room *= 2;
    }
    bool is_read = !ferror(file);
    if (file != stdin) fclose(file);
    if (!is_read) fail("%s", strerror(errno));
    block[size] = '\0';
    if (strlen(block) < size) fail("the file has a character 0");
}

static void open_all(void) {
    hf_arena_options options = {.on_failure = on_failure};
    hf_heap_options heap_options = {.reserve = heap_limit};
    for (int i = 0; i < 2; i++) need_ok(hf_arena_open(&arenas[i], &options));
    need_ok(hf_scratch_open(&scratch, &options));
    need_ok(hf_heap_open(&heap, &heap_options));
}

static void close_all(void) {
    hf_heap_close(heap);
    hf_scratch_close(&scratch);
    for (int i = 0; i < 2; i++) hf_arena_close(&arenas[i]);
    hf_arena_close(&source);
}

/* Frees all that a run has allocated, also if it failed: holdfast's at once, and its memory stays
 * committed for the next run; malloc's block by block. */
static void free_all(void) {
    struct region *regions[] = {&program, &syntax, &temporary[0], &temporary[1]};
    for (int i = 0; i < 4; i++) {
        if (regions[i]->arena != NULL) hf_reset(regions[i]->arena);
        free_links(regions[i], NULL);
    }
    if (heap != NULL) hf_heap_reset(heap);
    for (struct object *object; with_malloc && (object = objects) != NULL; free_object(object))
        objects = object->next;
    if (with_malloc) free(stack);
    objects = NULL, stack = NULL;
}

/* Forgets the last run, and defines what each program has. */
static void begin_run(void) {
    text = hf_arena_base(&source);
    line = 1;
    program = (struct region){.arena = &arenas[0]};
    syntax = (struct region){.arena = &arenas[1]};
    for (int i = 0; i < 2; i++) temporary[i] = (struct region){.arena = &scratch.arenas[i]};
    heap_blocks = heap_bytes = heap_used = collections = stack_count = stack_room = 0;
    heap_next = LEAST_GARBAGE;
    frame = NIL;
    memset(buckets, 0, sizeof buckets);
    grow_stack();
    t = from_object(intern("t", 1));
    intern("t", 1)->global = t;
    intern("nil", 3)->global = NIL;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        intern(forms[i].name, strlen(forms[i].name))->form = &forms[i];
    for (size_t i = 0; i < sizeof builtins / sizeof *builtins; i++)
        intern(builtins[i].name, strlen(builtins[i].name))->global = from_object(&builtins[i]);
}

/* Reads, compiles and runs a form. The tree and the code of the form are in one scope; the code of
 * functions within it is in `program`, because closures may be called later. */
static void run_form(void) {
    struct scope work = begin(&syntax);
    const struct node *node = read_form(0);
    uint32_t next_line = line;
    struct array body = {NULL, sizeof node, 1, 1, (char *)&node};
    const struct function *function =
        compile_function(&syntax, NULL, new_node(line, NIL, &body), 0);
    count_time(COMPILING);
    run(function);
    end(work);
    line = next_line;
    count_time(RUNNING);
}

/* What is known of malloc is what the program allocates. */
static void print_row(const char *name, size_t blocks, size_t size, size_t committed,
                      size_t calls) {
    printf("%-10s %12zu %14zu", name, blocks, size);
    if (!with_malloc) printf(" %14zu %8zu", committed, calls);
    puts("");
}

static void print_region(const char *name, const struct region *region) {
    hf_arena_stats stats = hf_arena_get_stats(region->arena);
    print_row(name, region->blocks, region->bytes, stats.committed, stats.system_calls);
}

static void print_stats(void) {
    hf_heap_stats stats = hf_heap_get_stats(heap);
    printf("%-10s %12s %14s%s\n", with_malloc ? "malloc" : "holdfast", "blocks", "bytes",
           with_malloc ? "" : "      committed    calls");
    print_region("program", &program);
    print_region("syntax", &syntax);
    print_region("scratch 1", &temporary[0]);
    print_region("scratch 2", &temporary[1]);
    print_row("heap", heap_blocks, heap_bytes, stats.peak, stats.system_calls);
    printf("%zu collections\n", collections);
}

static void run_program(bool has_stats) {
    memset(spent, 0, sizeof spent);
    lap = clock();
    begin_run();
    while (skip() != '\0') run_form();
    line = 0;
    count_time(COMPILING);
    if (has_stats) print_stats();
    lap = clock();
    free_all();
    count_time(FREEING);
}

static int compare_times(const void *a, const void *b) {
    clock_t left = *(const clock_t *)a, right = *(const clock_t *)b;
    return (left > right) - (left < right);
}

static void print_times(const char *name, clock_t of_holdfast, clock_t of_malloc) {
    printf("%-10s %12.6f %14.6f\n", name, (double)of_holdfast / CLOCKS_PER_SEC,
           (double)of_malloc / CLOCKS_PER_SEC);
}

/* Runs the program over holdfast and over malloc in turn. Prints the times of the first two runs,
 * in which each takes its memory from the system, and the medians of all runs. */
static void compare(void) {
    static const char *const names[PHASES] = {"compiling", "running", "freeing", "total"};
    clock_t times[PHASES][2][ROUNDS], first[2];
    for (int i = 0; i < 2 * ROUNDS; i++) {
        with_malloc = i % 2 == 1;
        is_quiet = i > 0;
        run_program(i < 2);
        if (i < 2) first[i] = spent[TOTAL];
        for (int phase = 0; phase < PHASES; phase++) times[phase][i % 2][i / 2] = spent[phase];
    }
    printf("%-10s %12s %14s  processor time in seconds\n", "", "holdfast", "malloc");
    print_times("first run", first[0], first[1]);
    for (int phase = 0; phase < PHASES; phase++) {
        for (int i = 0; i < 2; i++) qsort(times[phase][i], ROUNDS, sizeof(clock_t), compare_times);
        print_times(names[phase], times[phase][0][ROUNDS / 2], times[phase][1][ROUNDS / 2]);
    }
}

/* Prints the usage: on stdout for --help and -h, else on stderr. Returns the exit status. */
static int usage(const char *argument) {
    bool is_help = strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
    fputs("usage: lisp FILE [--stats] [--malloc] [--compare] [--heap=MIB]\n",
          is_help ? stdout : stderr);
    return is_help ? EXIT_SUCCESS : 2;
}

int main(int argc, char **argv) {
    static bool has_stats, is_compared;
    static int status = EXIT_FAILURE;
    unsigned long mib = 256;
    if (argc < 2 || (argv[1][0] == '-' && argv[1][1] != '\0')) return usage(argv[argc - 1]);
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "--stats") == 0)
            has_stats = true;
        else if (strcmp(argv[i], "--malloc") == 0)
            with_malloc = true;
        else if (strcmp(argv[i], "--compare") == 0)
            is_compared = true;
        else if (strncmp(argv[i], "--heap=", 7) == 0)
            mib = strtoul(argv[i] + 7, NULL, 10);
        else
            return usage(argv[i]);
    }
    if (mib < 1 || mib > MOST_MIB) return usage("");
    path = argv[1];
    heap_limit = (size_t)mib << 20;
    if (setjmp(failed) == 0) {
        read_text();
        open_all();
        if (is_compared)
            compare();
        else
            run_program(has_stats);
        status = EXIT_SUCCESS;
    }
    free_all();
    close_all();
    return status;
}
