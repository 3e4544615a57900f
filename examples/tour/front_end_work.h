/*
 * front_end_work.h -- the front end's functions. The including file defines the memory under them:
 *
 *   struct memory, name_ref               name_ref 0 refers to no name
 *   memory_open(memory, bytes, backend)          false: no memory
 *   memory_close(memory, names)           frees everything, one by one if necessary
 *   memory_text(memory, old, filled, least, &room)
 *                                         returns room for at least `least` bytes of text, `room`
 *                                         bytes in all; the first `filled` bytes of `old` (NULL in
 *                                         the first call) are kept
 *   memory_keep_text(memory, text, size)  the text is complete and stays
 *   memory_drop_text(memory, text)        frees the text
 *   memory_new_name(memory, size, &ref)   returns `size` bytes and their reference
 *   memory_name(memory, ref)              the address of a name
 *   memory_grow_chains(memory, old, old_count, count)
 *                                         grows the hash table; new chains are zeroed
 *   memory_begin_list(memory)             begins the list of tokens of a file
 *   memory_grow_list(memory, list, old_count, count)
 *   memory_end_list(memory, list)         frees the list
 *
 * and WORK_NAME, the name of the kind of memory, and WORK_KIND, its struct memory_kind, which is
 * all that other files use.
 */
#include "front_end.h"
#include "intern.h"
#include "platform.h"

struct front_end {
    struct memory memory;
    struct names names;
    struct totals totals;
};

/* ------------------------------------------------------------------ reading -------------- */

enum { LARGEST_TEXT = (1 << 28) - 1, READ_STEP = 1 << 16 };

/* Reads to the end of the file, which may have more or fewer bytes than expected. */
static outcome work_read(struct memory *memory, intptr_t file, size_t size, char **text,
                         size_t *filled) {
    size_t room = 0, least = size + 1; /* one more, so that read returns 0 without growing */
    int64_t got;
    do {
        if (*filled == room) {
            char *larger = memory_text(memory, *text, *filled, least, &room);
            if (!larger) return TAKEN_NO_MEMORY;
            *text = larger;
            least = room + READ_STEP;
        }
        got = platform_read(file, *text + *filled, room - *filled);
        if (got < 0) return TAKEN_UNREADABLE;
        *filled += (size_t)got;
        if (*filled > LARGEST_TEXT) return TAKEN_TOO_LARGE;
    } while (got > 0);
    return TAKEN;
}

/* Reads the file into memory that stays. */
static outcome work_keep_file(struct memory *memory, const char *path, size_t size, char **text,
                              size_t *filled) {
    intptr_t file = platform_open(path, false);
    if (file < 0) return TAKEN_UNREADABLE;
    outcome result = work_read(memory, file, size, text, filled);
    platform_close(file);
    if (result != TAKEN) {
        memory_drop_text(memory, *text);
        return result;
    }
    return memory_keep_text(memory, *text, *filled) ? TAKEN : TAKEN_NO_MEMORY;
}

/* ------------------------------------------------------------------- lexing -------------- */

/* Line splices are removed from identifiers of up to this many bytes; longer ones keep them. */
enum { LONGEST_SPLICED = 1024 };

static name_ref work_intern(struct front_end *work, const struct lexer *lexer,
                            const struct token *token) {
    char clean[LONGEST_SPLICED];
    const char *spelling = lexer->text + token->start;
    size_t size = token->size;
    if (token->spliced && size <= sizeof clean) {
        size = lexer_clean(lexer, token, clean);
        spelling = clean;
    }
    return names_intern(&work->memory, &work->names, spelling, size);
}

static bool work_grow_list(struct memory *memory, struct list *list) {
    enum { FIRST_TOKENS = 256 };
    size_t room = list->room ? 2 * list->room : FIRST_TOKENS;
    struct listed *tokens = memory_grow_list(memory, list->tokens, list->room, room);
    if (!tokens) return false;
    list->tokens = tokens;
    list->room = room;
    return true;
}

/* Writes the text's tokens to the list and interns its identifiers. False: no memory. */
static bool work_lex(struct front_end *work, const char *text, size_t size, struct list *list) {
    struct lexer lexer;
    struct token token;
    lexer_open(&lexer, text, size);
    while (lexer_next(&lexer, &token)) {
        work->totals.tokens[token.kind]++;
        if (token.kind == TOKEN_COMMENT) continue;
        name_ref name = 0;
        if (token.kind == TOKEN_IDENTIFIER && !(name = work_intern(work, &lexer, &token)))
            return false;
        if (list->count == list->room && !work_grow_list(&work->memory, list)) return false;
        struct listed *listed = &list->tokens[list->count++];
        listed->start = (uint32_t)token.start;
        listed->kind = (uint32_t)token.kind & 0xF;
        listed->size = (uint32_t)token.size & LARGEST_TEXT;
        listed->name = name;
    }
    return true;
}

/* ------------------------------------------------------------------ parsing -------------- */

static size_t work_nest(size_t nesting, char bracket) {
    bool opens = bracket == '(' || bracket == '[' || bracket == '{';
    bool closes = bracket == ')' || bracket == ']' || bracket == '}';
    return opens ? nesting + 1 : closes && nesting > 0 ? nesting - 1 : nesting;
}

/* Reads the list as a parser does: counts the uses of each name and the nesting of brackets. */
static void work_parse(struct front_end *work, const char *text, const struct list *list) {
    size_t nesting = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct listed *token = &list->tokens[i];
        if (token->kind == TOKEN_PUNCTUATOR) {
            nesting = work_nest(nesting, text[token->start]);
            if (nesting > work->totals.nesting) work->totals.nesting = nesting;
        } else if (token->name) {
            struct name *name = memory_name(&work->memory, token->name);
            name->uses++;
            work->totals.uses += !name->keyword;
        }
    }
}

/* ------------------------------------------------------------------ the whole ------------ */

static bool work_start(struct front_end *work) {
    work->names = (struct names){0};
    work->totals = (struct totals){0};
    return names_open(&work->memory, &work->names);
}

static bool work_open(struct front_end *work, uint64_t bytes, const hf_backend *backend) {
    return memory_open(&work->memory, bytes, backend) && work_start(work);
}

static void work_close(struct front_end *work) { memory_close(&work->memory, &work->names); }

static outcome work_take_text(struct front_end *work, const char *text, size_t size) {
    struct list list = {0};
    if (size > LARGEST_TEXT) return TAKEN_TOO_LARGE;
    memory_begin_list(&work->memory);
    bool listed = work_lex(work, text, size, &list);
    if (listed) work_parse(work, text, &list);
    memory_end_list(&work->memory, list.tokens);
    work->totals.files++;
    work->totals.bytes += size;
    work->totals.names = work->names.count - keyword_count;
    return listed ? TAKEN : TAKEN_NO_MEMORY;
}

static outcome work_take_file(struct front_end *work, const char *path, uint64_t size) {
    char *text = NULL;
    size_t filled = 0;
    if (size > LARGEST_TEXT) return TAKEN_TOO_LARGE;
    outcome result = work_keep_file(&work->memory, path, (size_t)size, &text, &filled);
    return result == TAKEN ? work_take_text(work, text, filled) : result;
}

static const struct totals *work_totals(const struct front_end *work) { return &work->totals; }

/* ------------------------------------------------------------ the names used most -------- */

struct work_ranking {
    struct name_count *names;
    size_t count, room;
};

static bool work_ranks_before(const struct name *name, const struct name_count *other) {
    if (name->uses != other->uses) return name->uses > other->uses;
    size_t size = name->size < other->size ? name->size : other->size;
    int order = memcmp(name->text, other->text, size);
    return order < 0 || (order == 0 && name->size < other->size);
}

static void work_rank(struct memory *memory, struct name *name, void *user) {
    struct work_ranking *ranking = user;
    size_t position = ranking->count;
    (void)memory;
    if (name->keyword || name->uses == 0) return;
    while (position > 0 && work_ranks_before(name, &ranking->names[position - 1])) position--;
    if (position == ranking->room) return;
    ranking->count += ranking->count < ranking->room;
    size_t behind = ranking->count - position - 1;
    memmove(&ranking->names[position + 1], &ranking->names[position],
            behind * sizeof *ranking->names);
    ranking->names[position] = (struct name_count){name->text, name->size, name->uses};
}

static size_t work_most_used(struct front_end *work, struct name_count *names, size_t room) {
    struct work_ranking ranking = {names, 0, room};
    names_each(&work->memory, &work->names, work_rank, &ranking);
    return ranking.count;
}

const struct memory_kind WORK_KIND = {
    .name = WORK_NAME,
    .front_end_size = sizeof(struct front_end),
    .open = work_open,
    .close = work_close,
    .take_file = work_take_file,
    .take_text = work_take_text,
    .totals = work_totals,
    .most_used = work_most_used,
};
