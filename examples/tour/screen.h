/*
 * screen.h -- colour, a progress bar, and formatted quantities.
 *
 * Results go to standard output: in colour on a terminal with escape sequences, unless NO_COLOR is
 * set; else as plain text. The bar goes to standard error if that is such a terminal.
 */
#ifndef TOUR_SCREEN_H
#define TOUR_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screen {
    bool colour;
    size_t columns;      /* the width of standard output; 100 if it is no terminal */
    size_t bar_columns;  /* the width of standard error; 0: no bar */
    uint64_t next_paint; /* a time of platform_now(): the bar is not drawn before */
};

void screen_open(struct screen *screen);

/* Shows progress: done of all. Draws at most ten times a second, so calls are cheap. */
void screen_progress(struct screen *screen, const char *work, uint64_t done, uint64_t all);

/* Erases the bar. */
void screen_end_progress(struct screen *screen);

/* The escape sequence if the screen has colour, else "". */
const char *screen_style(const struct screen *screen, const char *sequence);

#define STYLE_TITLE "\033[1m"
#define STYLE_FAINT "\033[2m"
#define STYLE_COMMITTED "\033[48;5;32m"
#define STYLE_VIEW "\033[48;5;208m"
#define STYLE_PLAIN "\033[0m"

/* Prints a heading between empty lines. */
void screen_heading(const struct screen *screen, const char *text);

/* Format a size or a time with three digits and a unit, and a count with commas, in a buffer of
 * QUANTITY_SIZE bytes, which they return. */
enum { QUANTITY_SIZE = 32 };
const char *format_size(char *buffer, uint64_t bytes);
const char *format_time(char *buffer, uint64_t nanoseconds);
const char *format_count(char *buffer, uint64_t count);

/* The plural ending of a noun: "" for 1, else "s". */
const char *plural(uint64_t count);

#endif
