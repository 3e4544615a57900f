/*
 * screen.c -- the only file that writes escape sequences and carriage returns.
 */
#include "screen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "platform.h"

enum { PLAIN_COLUMNS = 100, MOST_COLUMNS = 140 };

void screen_open(struct screen *screen) {
    const char *no_color = getenv("NO_COLOR");
    size_t columns = platform_terminal_columns(stdout);
    screen->colour = columns > 0 && !(no_color && *no_color);
    screen->columns = columns == 0             ? PLAIN_COLUMNS
                      : columns < MOST_COLUMNS ? columns
                                               : MOST_COLUMNS;
    screen->bar_columns = platform_terminal_columns(stderr);
    screen->next_paint = 0;
}

const char *screen_style(const struct screen *screen, const char *sequence) {
    return screen->colour ? sequence : "";
}

void screen_heading(const struct screen *screen, const char *text) {
    printf("\n%s%s%s\n\n", screen_style(screen, STYLE_TITLE), text,
           screen_style(screen, STYLE_PLAIN));
}

/* --------------------------------------------------------------- the progress bar --------- */

static void paint(const struct screen *screen, const char *work, uint64_t done, uint64_t all) {
    char bar[101];
    size_t room = screen->bar_columns > 40 ? screen->bar_columns - 40 : 0;
    size_t width = room < sizeof bar ? room : sizeof bar - 1;
    size_t filled = all ? (size_t)(done * width / all) : width;
    for (size_t i = 0; i < width; i++) bar[i] = i < filled ? '#' : '-';
    bar[width] = '\0';
    fprintf(stderr, "\r\033[K%-24.24s [%s] %3u %%", work, bar,
            all ? (unsigned)(done * 100 / all) : 100);
    fflush(stderr);
}

void screen_progress(struct screen *screen, const char *work, uint64_t done, uint64_t all) {
    enum { INTERVAL = 100000000 };
    if (screen->bar_columns == 0) return;
    uint64_t now = platform_now();
    if (now < screen->next_paint) return;
    screen->next_paint = now + INTERVAL;
    paint(screen, work, done, all);
}

void screen_end_progress(struct screen *screen) {
    if (screen->bar_columns > 0 && screen->next_paint > 0) fprintf(stderr, "\r\033[K");
    screen->next_paint = 0;
}

/* ---------------------------------------------------------------- quantities -------------- */

static const char *format_scaled(char *buffer, double value, const char *unit) {
    int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
    snprintf(buffer, QUANTITY_SIZE, "%.*f %s", decimals, value, unit);
    return buffer;
}

const char *format_size(char *buffer, uint64_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    double value = (double)bytes / 1024;
    if (bytes < 1024) {
        snprintf(buffer, QUANTITY_SIZE, "%" PRIu64 " B", bytes);
        return buffer;
    }
    for (; value >= 1024 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1024;
    return format_scaled(buffer, value, units[unit]);
}

const char *format_time(char *buffer, uint64_t nanoseconds) {
    double value = (double)nanoseconds;
    if (value < 1e6) return format_scaled(buffer, value / 1e3, "us");
    if (value < 1e9) return format_scaled(buffer, value / 1e6, "ms");
    return format_scaled(buffer, value / 1e9, "s");
}

const char *format_count(char *buffer, uint64_t count) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%" PRIu64, count), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}

const char *plural(uint64_t count) { return count == 1 ? "" : "s"; }
