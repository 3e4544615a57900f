/*
 * timeline.c -- prints the regions at each label and at the end of each phase, one row for each.
 *
 *                      texts                         table   lists   views
 *     first build      cccccccccccccccccc.........   cc...   c....   vvvvvvvv
 *
 * The spaces are side by side and to the same scale. A cell shows committed memory (c) or a view
 * (v) if any of its bytes are that, else placeholder (.).
 */
#include "timeline.h"

#include <stdio.h>
#include <string.h>

enum { LABEL_COLUMNS = 20, TIME_COLUMNS = 10, GAP = 2, LEAST_CELLS = 5 };

/* ------------------------------------------------------------------- the scale ------------ */

static size_t cells_of(const struct history *history, size_t space, size_t cell) {
    size_t extent = history_extent(history, space);
    size_t cells = extent / cell + (extent % cell != 0);
    return cells > LEAST_CELLS ? cells : LEAST_CELLS;
}

static size_t columns_for(const struct history *history, size_t cell) {
    size_t columns = LABEL_COLUMNS + TIME_COLUMNS;
    for (size_t i = 0; i < history->record->spaces.count; i++)
        if (history_extent(history, i) > 0) columns += cells_of(history, i, cell) + GAP;
    return columns;
}

/* The smallest size of a cell with which all spaces fit into the columns: 4, 5, 6 or 7 times a
 * power of two, in bytes. */
static size_t choose_cell(const struct history *history, size_t columns) {
    size_t unit = 1024, quarters = 4;
    while (columns_for(history, unit * quarters) > columns && unit < SIZE_MAX / 16) {
        quarters++;
        if (quarters == 8) quarters = 4, unit *= 2;
    }
    return unit * quarters;
}

/* ------------------------------------------------------------------- a row ---------------- */

static char letter_of(hf_kind kind) { return kind == HF_VIEW ? 'v' : 'c'; }

/* Stores the cells of a space at this time: a letter for each. */
static void draw(const struct history *history, size_t space, uint64_t time, size_t cell,
                 char *cells, size_t count) {
    memset(cells, '.', count);
    for (size_t i = 0; i < history->bands.count; i++) {
        const struct band *band = history_band(history, i);
        if (band->space != space || time < band->begin || time >= band->end) continue;
        size_t last = (band->offset + band->size - 1) / cell;
        for (size_t at = band->offset / cell; at <= last && at < count; at++)
            cells[at] = letter_of(band->kind);
    }
}

static void print_cells(const struct screen *screen, const char *cells, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const char *style = cells[i] == 'c'   ? STYLE_COMMITTED
                            : cells[i] == 'v' ? STYLE_VIEW
                                              : STYLE_FAINT;
        bool begins = i == 0 || cells[i] != cells[i - 1];
        bool ends = i + 1 == count || cells[i] != cells[i + 1];
        printf("%s%c%s", begins ? screen_style(screen, style) : "",
               screen->colour && cells[i] != '.' ? ' ' : cells[i],
               ends ? screen_style(screen, STYLE_PLAIN) : "");
    }
}

static void print_row(const struct history *history, const struct screen *screen,
                      const struct event *event, size_t cell) {
    char cells[512], time[QUANTITY_SIZE];
    printf("  %-*s%*s", LABEL_COLUMNS - 2, event->label, TIME_COLUMNS - GAP,
           format_time(time, event->time));
    for (size_t i = 0; i < history->record->spaces.count; i++) {
        if (history_extent(history, i) == 0) continue;
        size_t count = cells_of(history, i, cell);
        if (count > sizeof cells) count = sizeof cells;
        draw(history, i, event->time, cell, cells, count);
        printf("%*s", GAP, "");
        print_cells(screen, cells, count);
    }
    printf("\n");
}

/* ------------------------------------------------------------------- the whole ------------ */

static void print_names(const struct history *history, size_t cell) {
    size_t shown = history->record->spaces.count;
    printf("%*s", LABEL_COLUMNS + TIME_COLUMNS - GAP, "");
    for (size_t i = 0; i < shown; i++) {
        if (history_extent(history, i) == 0) continue;
        const char *name = record_space(history->record, i)->name;
        printf("%*s%-*.*s", GAP, "", (int)cells_of(history, i, cell),
               (int)cells_of(history, i, cell), name ? name : "");
    }
    printf("\n");
}

static void print_legend(const struct screen *screen, size_t cell) {
    char size[QUANTITY_SIZE];
    printf("\n  ");
    print_cells(screen, "c", 1);
    printf(" committed   ");
    print_cells(screen, "v", 1);
    printf(" view of a file   ");
    print_cells(screen, ".", 1);
    printf(" placeholder, which goes on to the end of each reservation\n"
           "  A cell is %s; addresses rise to the right, time runs down.\n",
           format_size(size, cell));
}

void timeline_print(const struct history *history, const struct screen *screen) {
    size_t cell = choose_cell(history, screen->columns);
    screen_heading(screen, "The regions of its address space");
    print_names(history, cell);
    for (size_t i = 0; i < history->record->events.count; i++) {
        const struct event *event = record_event(history->record, i);
        if (event->kind == EVENT_LABEL || event->kind == EVENT_PHASE)
            print_row(history, screen, event, cell);
    }
    print_legend(screen, cell);
}
