/*
 * screen.h -- what the terminal can do, and a progress bar for those that can.
 *
 * Results go to standard output: in colour on a terminal that understands it, unless NO_COLOR is
 * set; else as plain text. The bar goes to standard error, and only to a terminal.
 */
#ifndef TOUR_SCREEN_H
#define TOUR_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct screen {
    bool colour;
    size_t columns;      /* of standard output, or as many as plain text should have */
    size_t bar_columns;  /* 0: no bar */
    uint64_t next_paint; /* no bar before */
};

void screen_open(struct screen *screen);

/* Shows how far some work is. Cheap to call often: it paints ten times a second at most. */
void screen_progress(struct screen *screen, const char *work, uint64_t done, uint64_t all);

/* Wipes the bar away. */
void screen_end_progress(struct screen *screen);

/* The escape sequence on a screen in colour, else "". */
const char *screen_style(const struct screen *screen, const char *sequence);

#define STYLE_TITLE "\033[1m"
#define STYLE_FAINT "\033[2m"
#define STYLE_COMMITTED "\033[48;5;32m"
#define STYLE_VIEW "\033[48;5;208m"
#define STYLE_PLAIN "\033[0m"

/* A heading, with an empty line before it. */
void screen_heading(const struct screen *screen, const char *text);

/* A size or a time in three digits and a unit, in a buffer of so many bytes. */
enum { QUANTITY_SIZE = 32 };
const char *format_size(char *buffer, uint64_t bytes);
const char *format_time(char *buffer, uint64_t nanoseconds);
/* The ending of a word that is counted: "" for 1, else "s". */
const char *plural(uint64_t count);
/* A count with its thousands apart. */
const char *format_count(char *buffer, uint64_t count);

#endif
