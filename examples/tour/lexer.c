/*
 * lexer.c -- a C lexer for untrusted bytes.
 *
 * The class of a token's first byte (a table) selects the function that finds the token's end. Such
 * a function takes a position and returns a later one. Bytes are read only by byte_at or after a
 * comparison with the size, so nothing outside the text is read.
 *
 * C removes line splices before it forms tokens, so a splice can be anywhere: within a name,
 * between the two slashes of a comment. Removing them first would copy every file; instead
 * behind_splices skips them wherever the next byte is examined.
 */
#include "lexer.h"

#include <string.h>

/*
 *   ' '  blank                          'a'  begins a name        '"' '\''  quotes
 *   'n'  newline                        '0'  digit                '\\'      backslash
 *   's'  a token of one byte            '\0' above ASCII          '!'       begins no token
 *   'p'  begins a punctuator that may be longer than one byte
 */
static const char classes[256] = "!!!!!!!!! n   !!"
                                 "!!!!!!!!!!!!!!!!"
                                 " p\"papp'ssppsppp"
                                 "0000000000psppps"
                                 "!aaaaaaaaaaaaaaa"
                                 "aaaaaaaaaaas\\spa"
                                 "!aaaaaaaaaaaaaaa"
                                 "aaaaaaaaaaaspss!";

static const char longer_punctuators[][5] = {
    "%:%:", "...", "->*", "<<=", ">>=", "<=>", "->", "++", "--", "<<", ">>",
    "<=",   ">=",  "==",  "!=",  "&&",  "||",  "*=", "/=", "%=", "+=", "-=",
    "&=",   "^=",  "|=",  "##",  "::",  ".*",  "<:", ":>", "<%", "%>", "%:",
};

void lexer_open(struct lexer *lexer, const char *text, size_t size) {
    bool byte_order_mark = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0;
    lexer->text = text;
    lexer->size = size;
    lexer->at = byte_order_mark ? 3 : 0;
    lexer->line_start = true;
    lexer->after_include = false;
    lexer->spliced = false;
}

/* ------------------------------------------------------------------ bytes ---------------- */

/* The byte at a position; -1 behind the end. */
static int byte_at(const struct lexer *lexer, size_t at) {
    return at < lexer->size ? (unsigned char)lexer->text[at] : -1;
}

/* The class of the byte at a position; '!' behind the end. */
static char class_at(const struct lexer *lexer, size_t at) {
    return at < lexer->size ? classes[(unsigned char)lexer->text[at]] : '!';
}

/* The size of the line splice at a position; 0: there is none. */
static size_t splice_size(const struct lexer *lexer, size_t at) {
    if (byte_at(lexer, at) != '\\') return 0;
    if (byte_at(lexer, at + 1) == '\n') return 2;
    return byte_at(lexer, at + 1) == '\r' && byte_at(lexer, at + 2) == '\n' ? 3 : 0;
}

/* The position behind all line splices at a position. */
static size_t behind_splices(const struct lexer *lexer, size_t at) {
    size_t size;
    while ((size = splice_size(lexer, at)) != 0) at += size;
    return at;
}

/* The position of `byte` from `at` on, or the end of the text. */
static size_t find(const struct lexer *lexer, size_t at, char byte) {
    if (at >= lexer->size) return lexer->size;
    const char *found = memchr(lexer->text + at, byte, lexer->size - at);
    return found ? (size_t)(found - lexer->text) : lexer->size;
}

/* The position of the newline that ends the line, or the end of the text. A splice does not end a
 * line. */
static size_t line_end(const struct lexer *lexer, size_t at) {
    for (;; at++) {
        size_t end = find(lexer, at, '\n');
        bool carriage_return = end > at && lexer->text[end - 1] == '\r';
        size_t last = end - (carriage_return ? 1 : 0);
        if (end == lexer->size || last == at || lexer->text[last - 1] != '\\') return end;
        at = end;
    }
}

/* -------------------------------------------------------- names and numbers -------------- */

/* The size of a well-formed UTF-8 sequence above ASCII, or 0. */
static size_t utf8_size(const struct lexer *lexer, size_t at) {
    int lead = byte_at(lexer, at), second = byte_at(lexer, at + 1);
    size_t size = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    for (size_t i = 1; i < size; i++)
        if ((byte_at(lexer, at + i) & ~0x3F) != 0x80) return 0;
    bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
    bool no_character = (lead == 0xED && second >= 0xA0) || (lead == 0xF4 && second >= 0x90);
    return overlong || no_character ? 0 : size;
}

/* The size of \u1234 or \U12345678, or 0. */
static size_t universal_name_size(const struct lexer *lexer, size_t at) {
    int letter = byte_at(lexer, at + 1);
    size_t size = letter == 'u' ? 6 : letter == 'U' ? 10 : 0;
    for (size_t i = 2; i < size; i++) {
        int digit = byte_at(lexer, at + i);
        if (digit < 0 || !strchr("0123456789abcdefABCDEF", digit) || digit == 0) return 0;
    }
    return size;
}

/* The size of the character at a position if it can continue a name; else 0. */
static size_t name_character_size(const struct lexer *lexer, size_t at) {
    switch (class_at(lexer, at)) {
    case 'a':
    case '0': return 1;
    case '\0': return utf8_size(lexer, at);
    case '\\': return universal_name_size(lexer, at);
    default: return 0;
    }
}

static size_t name_characters_end(struct lexer *lexer, size_t at) {
    for (;;) {
        while (class_at(lexer, at) == 'a' || class_at(lexer, at) == '0') at++;
        size_t next = behind_splices(lexer, at);
        size_t size = name_character_size(lexer, next);
        if (size == 0) return at;
        lexer->spliced |= next != at;
        at = next + size;
    }
}

/* Whether a byte that is no part of a name continues a number that ended in `last`. */
static bool continues_number(const struct lexer *lexer, size_t at, int last) {
    switch (byte_at(lexer, at)) {
    case '.': return true;
    case '+':
    case '-': return last == 'e' || last == 'E' || last == 'p' || last == 'P';
    case '\'': return name_character_size(lexer, behind_splices(lexer, at + 1)) != 0;
    default: return false;
    }
}

static size_t number_end(struct lexer *lexer, size_t at) {
    for (int last = 0;;) {
        size_t next = behind_splices(lexer, at);
        size_t size = name_character_size(lexer, next);
        if (size == 0 && continues_number(lexer, next, last)) size = 1;
        if (size == 0) return at;
        lexer->spliced |= next != at;
        last = byte_at(lexer, next);
        at = next + size;
    }
}

/* ------------------------------------------------------------------ literals ------------- */

/* The position behind a backslash and the byte that it escapes; a newline is not passed. */
static size_t escape_end(const struct lexer *lexer, size_t at) {
    size_t escaped = behind_splices(lexer, at + 1);
    int byte = byte_at(lexer, escaped);
    return byte < 0 || byte == '\n' ? escaped : escaped + 1;
}

/* The position behind the closing quote; 0: the line ends first. */
static size_t quote_end(struct lexer *lexer, size_t at, int quote) {
    for (;;) {
        int byte = byte_at(lexer, at);
        size_t splice = splice_size(lexer, at);
        if (byte < 0 || byte == '\n') return 0;
        if (byte == quote) return at + 1;
        lexer->spliced |= splice != 0;
        at = splice != 0 ? at + splice : byte == '\\' ? escape_end(lexer, at) : at + 1;
    }
}

/* The end of R"delimiter( ... )delimiter", where `at` is behind the first quote. 0: not a raw
 * string. */
static size_t raw_string_end(const struct lexer *lexer, size_t at) {
    enum { LONGEST_DELIMITER = 16 };
    size_t size = 0;
    while (size < LONGEST_DELIMITER && name_character_size(lexer, at + size) == 1) size++;
    if (byte_at(lexer, at + size) != '(') return 0;
    for (size_t close = find(lexer, at, ')'); close < lexer->size;) {
        const char *delimiter = lexer->text + close + 1;
        size_t quote = close + 1 + size;
        bool ends = byte_at(lexer, quote) == '"' && memcmp(delimiter, lexer->text + at, size) == 0;
        if (ends) return quote + 1;
        close = find(lexer, close + 1, ')');
    }
    return 0;
}

/* The end of a literal whose opening quote is at `at`. If its line has no closing quote, the rest
 * of the line is one stray token. */
static size_t literal_end(struct lexer *lexer, size_t at, token_kind *kind) {
    int quote = byte_at(lexer, at);
    size_t end = quote_end(lexer, at + 1, quote);
    *kind = end == 0 ? TOKEN_STRAY : quote == '"' ? TOKEN_STRING : TOKEN_CHARACTER;
    return end == 0 ? line_end(lexer, at) : end;
}

static bool is_encoding(const char *name, size_t size) {
    static const char encodings[][3] = {"L", "u", "U", "u8"};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++)
        if (strlen(encodings[i]) == size && memcmp(name, encodings[i], size) == 0) return true;
    return size == 0;
}

/* The end of a name, or of a literal with an encoding prefix. */
static size_t name_end(struct lexer *lexer, size_t at, token_kind *kind) {
    size_t end = name_characters_end(lexer, at), size = end - at;
    const char *name = lexer->text + at;
    int quote = byte_at(lexer, end);
    *kind = end == at ? TOKEN_STRAY : TOKEN_IDENTIFIER;
    if (end == at) return at + 1;
    if ((quote != '"' && quote != '\'') || size > 3) return end;
    if (is_encoding(name, size)) return literal_end(lexer, end, kind);
    if (quote == '\'' || name[size - 1] != 'R' || !is_encoding(name, size - 1)) return end;
    size_t raw_end = raw_string_end(lexer, end + 1);
    if (raw_end == 0) return end;
    *kind = TOKEN_STRING;
    return raw_end;
}

/* ---------------------------------------------- comments, lines, punctuators -------------- */

static size_t block_comment_end(const struct lexer *lexer, size_t at) {
    for (size_t star = find(lexer, at, '*'); star < lexer->size;) {
        size_t next = behind_splices(lexer, star + 1);
        if (byte_at(lexer, next) == '/') return next + 1;
        star = find(lexer, star + 1, '*');
    }
    return lexer->size;
}

/* The position behind `spelling`, which splices may interrupt; 0: the text differs. */
static size_t behind(const struct lexer *lexer, size_t at, const char *spelling) {
    for (; *spelling; spelling++) {
        at = behind_splices(lexer, at);
        if (byte_at(lexer, at) != *spelling) return 0;
        at++;
    }
    return at;
}

static size_t punctuator_end(const struct lexer *lexer, size_t at) {
    size_t count = sizeof longer_punctuators / sizeof *longer_punctuators;
    char next = class_at(lexer, at + 1);
    if (next != 'p' && next != '\\') return at + 1;
    for (size_t i = 0; i < count; i++) {
        if (longer_punctuators[i][0] != lexer->text[at]) continue;
        size_t end = behind(lexer, at, longer_punctuators[i]);
        if (end != 0) return end;
    }
    return at + 1;
}

static size_t blanks_end(const struct lexer *lexer, size_t at) {
    for (;;) {
        size_t splice = splice_size(lexer, at);
        if (splice == 0 && class_at(lexer, at) != ' ') return at;
        at += splice != 0 ? splice : 1;
    }
}

/* The position behind the directive's name; `hash_end` is behind its #. */
static size_t directive_end(struct lexer *lexer, size_t hash_end) {
    size_t name = blanks_end(lexer, hash_end);
    return class_at(lexer, name) == 'a' ? name_characters_end(lexer, name) : hash_end;
}

/* Whether a header name may follow this directive. */
static bool includes(const struct lexer *lexer, const struct token *directive) {
    static const char names[][13] = {"include", "include_next", "import", "embed"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t size = strlen(names[i]), name = directive->start + directive->size - size;
        if (size >= directive->size || class_at(lexer, name - 1) == 'a') continue;
        if (memcmp(lexer->text + name, names[i], size) == 0) return true;
    }
    return false;
}

/* The position behind <name>; 0: no > in this line. */
static size_t header_end(const struct lexer *lexer, size_t at) {
    size_t close = find(lexer, at, '>');
    return close < find(lexer, at, '\n') ? close + 1 : 0;
}

/* The end of a token that begins with a byte of class 'p'. */
static size_t symbol_end(struct lexer *lexer, size_t at, token_kind *kind) {
    size_t end = punctuator_end(lexer, at);
    int first = lexer->text[at], second = byte_at(lexer, behind_splices(lexer, at + 1));
    bool hash = first == '#' ? second != '#' : first == '%' && end == behind(lexer, at, "%:");
    *kind = TOKEN_COMMENT;
    if (first == '/' && second == '/') return line_end(lexer, at);
    if (first == '/' && second == '*') return block_comment_end(lexer, behind(lexer, at, "/*"));
    *kind = TOKEN_NUMBER;
    if (first == '.' && second >= '0' && second <= '9') return number_end(lexer, at);
    *kind = TOKEN_DIRECTIVE;
    if (lexer->line_start && hash) return directive_end(lexer, end);
    size_t header = first == '<' && lexer->after_include ? header_end(lexer, at) : 0;
    *kind = header != 0 ? TOKEN_HEADER : TOKEN_PUNCTUATOR;
    return header != 0 ? header : end;
}

/* -------------------------------------------------------------------- tokens ------------- */

static void skip_blanks(struct lexer *lexer) {
    lexer->at = blanks_end(lexer, lexer->at);
    while (class_at(lexer, lexer->at) == 'n') {
        lexer->line_start = true;
        lexer->after_include = false;
        lexer->at = blanks_end(lexer, lexer->at + 1);
    }
}

/* Returns the end of the token at lexer->at and stores its kind. */
static size_t token_end(struct lexer *lexer, token_kind *kind) {
    size_t at = lexer->at;
    switch (class_at(lexer, at)) {
    case 'a':
    case '\\':
    case '\0': return name_end(lexer, at, kind);
    case '0': *kind = TOKEN_NUMBER; return number_end(lexer, at);
    case '"':
    case '\'': return literal_end(lexer, at, kind);
    case 's': *kind = TOKEN_PUNCTUATOR; return at + 1;
    case 'p': return symbol_end(lexer, at, kind);
    default: *kind = TOKEN_STRAY; return at + 1;
    }
}

bool lexer_next(struct lexer *lexer, struct token *token) {
    skip_blanks(lexer);
    if (lexer->at >= lexer->size) return false;
    lexer->spliced = false;
    token->start = lexer->at;
    lexer->at = token_end(lexer, &token->kind);
    token->size = lexer->at - token->start;
    token->spliced = lexer->spliced;
    if (token->kind == TOKEN_COMMENT) return true; /* counts as a blank */
    lexer->line_start = false;
    lexer->after_include = token->kind == TOKEN_DIRECTIVE && includes(lexer, token);
    return true;
}

size_t lexer_clean(const struct lexer *lexer, const struct token *token, char *spelling) {
    size_t size = 0, end = token->start + token->size;
    for (size_t at = token->start; at < end; at++) {
        at = behind_splices(lexer, at);
        if (at < end) spelling[size++] = lexer->text[at];
    }
    return size;
}
