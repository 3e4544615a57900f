/*
 * lexer.h -- splits a C source into tokens, where it lies.
 *
 *     struct lexer lexer;
 *     struct token token;
 *     lexer_open(&lexer, text, size);
 *     while (lexer_next(&lexer, &token)) ...   // text + token.start, token.size bytes
 *
 * Nothing is copied and nothing allocated. A token may be interrupted by line splices (a backslash
 * at the end of a line); token.spliced says so, and lexer_clean copies its spelling without them.
 *
 * Any bytes are a source: what fits nothing comes out as stray tokens, one for each byte, and a
 * literal that its line does not end as one stray token. Not a byte outside the text is read.
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
    TOKEN_HEADER,    /* <stdio.h>, behind a directive that includes */
    TOKEN_COMMENT,
    TOKEN_STRAY,
    TOKEN_KINDS
} token_kind;

struct token {
    size_t start, size; /* bytes of the text */
    token_kind kind;
    bool spliced;
};

struct lexer {
    const char *text;
    size_t size, at;
    bool line_start;    /* nothing but blanks and comments in this line so far */
    bool after_include; /* a header name may follow */
    bool spliced;       /* the token at hand is */
};

void lexer_open(struct lexer *lexer, const char *text, size_t size);

/* False at the end of the text. */
bool lexer_next(struct lexer *lexer, struct token *token);

/* Copies the token's bytes without its splices to `spelling`, which has room for token->size bytes.
 * Returns how many there are. */
size_t lexer_clean(const struct lexer *lexer, const struct token *token, char *spelling);

#endif
