/*
 * lexer.h -- splits a C source into tokens without copying it.
 *
 *     struct lexer lexer;
 *     struct token token;
 *     lexer_open(&lexer, text, size);
 *     while (lexer_next(&lexer, &token)) ...   // text + token.start, token.size bytes
 *
 * It allocates nothing. Line splices (a backslash at the end of a line) may interrupt a token; then
 * token.spliced is true, and lexer_clean copies the spelling without them.
 *
 * Any bytes are valid input: a byte that can begin no token is a stray token, and so is a literal
 * without a closing quote in its line. No byte outside the text is read.
 */
#ifndef TOUR_LEXER_H
#define TOUR_LEXER_H

#include <stdbool.h>
#include <stddef.h>

typedef enum token_kind {
    TOKEN_IDENTIFIER, /* keywords too; with UTF-8, universal character names and $ */
    TOKEN_NUMBER,     /* any preprocessing number */
    TOKEN_STRING,     /* with its prefix; C++'s raw strings too */
    TOKEN_CHARACTER,
    TOKEN_PUNCTUATOR,
    TOKEN_DIRECTIVE, /* # and its name, first in a line */
    TOKEN_HEADER,    /* <stdio.h>, after a directive such as #include */
    TOKEN_COMMENT,
    TOKEN_STRAY, /* fits no other kind */
    TOKEN_KINDS  /* how many kinds there are */
} token_kind;

struct token {
    size_t start, size; /* offset in the text, and size, in bytes */
    token_kind kind;
    bool spliced; /* line splices interrupt it */
};

struct lexer {
    const char *text;
    size_t size, at;    /* size of the text; the current position */
    bool line_start;    /* only blanks and comments in this line so far */
    bool after_include; /* a header name may follow */
    bool spliced;       /* line splices interrupt the current token */
};

/* The text must stay valid while the lexer is used. A UTF-8 byte order mark is skipped. */
void lexer_open(struct lexer *lexer, const char *text, size_t size);

/* Stores the next token. False: the end of the text. */
bool lexer_next(struct lexer *lexer, struct token *token);

/* Copies the token's bytes without line splices to `spelling`, which has room for token->size
 * bytes. Returns how many it copied. */
size_t lexer_clean(const struct lexer *lexer, const struct token *token, char *spelling);

#endif
