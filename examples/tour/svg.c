/*
 * svg.c -- the picture: time from left to right, addresses from bottom to top.
 *
 *      phases     |   first build     |e|   second build      |   | give back |
 *      texts      |        _____ _____|_|_____________________| / |___        |
 *                 |   ____|           | |                     | / |   |__     |
 *      lists      |_|________________ | |_____________________| / |______|____|
 *                 0 s                 1 s                   2 s     0 ms    20 ms
 *
 * Each space has a panel; the highest addresses are on top. Because a reservation is far larger
 * than the part that was used, a panel shows that part, and above it a torn edge where the
 * placeholder continues. Releasing memory takes milliseconds and the builds take seconds, so the
 * last phase has a separate time axis.
 */
#include "svg.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "screen.h"
#include "svg_style.h"

enum {
    WIDTH = 1280,
    LEFT = 84,
    RIGHT = WIDTH - 28,
    TOP = 142,
    PANELS_HEIGHT = 560,
    PANEL_GAP = 28, /* room for a heading */
    AXES_GAP = 28,
    TEAR = 16, /* height of the torn edge above the part that is drawn to scale */
    TAIL_WIDTH = 300,
    BOTTOM_HEIGHT = 96,
    MOST_PANELS = 12
};

/* Maps times from begin to end to x coordinates from left to right. */
struct axis {
    uint64_t begin, end;
    double left, right;
};

/* Maps the offsets of a space from 0 to extent to y coordinates from bottom to top. */
struct panel {
    size_t space, extent;
    double top, bottom;
    bool torn; /* the placeholder continues above */
};

struct plot {
    const struct history *history;
    FILE *file;
    struct axis builds, tail; /* tail: the last phase */
    struct panel panels[MOST_PANELS];
    size_t panel_count;
    double bottom; /* of the lowest panel */
};

static void plot_print(const struct plot *plot, const char *format, ...) HF_FORMAT(2, 3);

static void plot_print(const struct plot *plot, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vfprintf(plot->file, format, arguments);
    va_end(arguments);
}

/* Writes a size with at most three digits and without trailing zeros: "28 MiB". */
static void plot_size(const struct plot *plot, size_t bytes) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    double value = (double)bytes / 1024;
    for (; value >= 1000 && unit + 1 < sizeof units / sizeof *units; unit++) value /= 1024;
    plot_print(plot, "%.3g %s", value, bytes ? units[unit] : "");
}

/* ------------------------------------------------------------------- geometry ------------- */

static double x_of(const struct axis *axis, uint64_t time) {
    if (time <= axis->begin) return axis->left;
    if (time >= axis->end) return axis->right;
    double part = (double)(time - axis->begin) / (double)(axis->end - axis->begin);
    return axis->left + part * (axis->right - axis->left);
}

static double y_of(const struct panel *panel, size_t offset) {
    if (offset >= panel->extent) return panel->top;
    double part = (double)offset / (double)panel->extent;
    return panel->bottom - part * (panel->bottom - panel->top);
}

static bool is_within(const struct axis *axis, uint64_t time) {
    return time >= axis->begin && time < axis->end;
}

static const struct recorded_space *space_of(const struct plot *plot, const struct panel *panel) {
    return record_space(plot->history->record, panel->space);
}

/* The relative height of a panel: by the square root of its size, so that small ones are
 * visible. */
static double weight(size_t extent) {
    double root = 1, size = (double)extent / 65536;
    while (root * root < size) root += .25;
    return root + 6;
}

/* Selects the spaces that are drawn, sorted by address, the highest first. */
static void choose_panels(struct plot *plot) {
    const struct record *record = plot->history->record;
    for (size_t i = 0; i < record->spaces.count && plot->panel_count < MOST_PANELS; i++) {
        size_t extent = history_extent(plot->history, i), index = plot->panel_count;
        if (extent == 0) continue;
        while (index > 0 &&
               space_of(plot, &plot->panels[index - 1])->base < record_space(record, i)->base)
            index--;
        memmove(&plot->panels[index + 1], &plot->panels[index],
                (plot->panel_count - index) * sizeof *plot->panels);
        plot->panels[index] = (struct panel){
            .space = i, .extent = extent, .torn = extent < record_space(record, i)->size};
        plot->panel_count++;
    }
}

static void place_panels(struct plot *plot) {
    double weights = 0, y = TOP;
    for (size_t i = 0; i < plot->panel_count; i++) weights += weight(plot->panels[i].extent);
    for (size_t i = 0; i < plot->panel_count; i++) {
        struct panel *panel = &plot->panels[i];
        panel->top = y + TEAR;
        panel->bottom = panel->top + PANELS_HEIGHT * weight(panel->extent) / weights;
        y = panel->bottom + PANEL_GAP;
        plot->bottom = panel->bottom;
    }
}

/* The last phase begins where the one before it ended. */
static void place_axes(struct plot *plot) {
    const struct record *record = plot->history->record;
    uint64_t end = plot->history->end, begin = 0, last = 0;
    for (size_t i = 0; i < record->events.count; i++) {
        const struct event *event = record_event(record, i);
        if (event->kind != EVENT_PHASE) continue;
        begin = last;
        last = event->time;
    }
    /* A quarter more than the phase, for text behind its end. */
    plot->tail = (struct axis){begin, end + (end - begin) * 5 / 4 + 1, RIGHT - TAIL_WIDTH, RIGHT};
    plot->builds = (struct axis){0, begin + 1, LEFT, RIGHT - TAIL_WIDTH - AXES_GAP};
}

/* -------------------------------------------------------------------- regions ------------- */

static void draw_placeholder(const struct plot *plot, const struct axis *axis,
                             const struct panel *panel) {
    enum { TOOTH = 7, DEPTH = 5 };
    double top = panel->torn ? panel->top - TEAR + DEPTH : panel->top;
    plot_print(plot, "<path fill=\"url(#hatch)\" d=\"M%.1f %.1fV%.1f", axis->left, panel->bottom,
               top);
    for (double x = axis->left + TOOTH, y = -DEPTH; panel->torn && x < axis->right;
         x += TOOTH, y = -DEPTH - y)
        plot_print(plot, "L%.1f %.1f", x, top + y);
    plot_print(plot, "L%.1f %.1fV%.1fZ\"/>\n", axis->right, top, panel->bottom);
}

static void draw_bands(const struct plot *plot, const struct axis *axis,
                       const struct panel *panel) {
    enum { LEAST_EDGED = 3 };
    for (size_t i = 0; i < plot->history->bands.count; i++) {
        const struct band *band = history_band(plot->history, i);
        if (band->space != panel->space || band->end <= axis->begin || band->begin >= axis->end)
            continue;
        double left = x_of(axis, band->begin), right = x_of(axis, band->end);
        double bottom = y_of(panel, band->offset);
        double height = bottom - y_of(panel, band->offset + band->size);
        if (height < 1) height = 1; /* thinner ones would be invisible */
        plot_print(
            plot, "<rect class=\"%s%s\" x=\"%.1f\" y=\"%.2f\" width=\"%.1f\" height=\"%.2f\"/>\n",
            band->kind == HF_VIEW ? "view" : "committed", height > LEAST_EDGED ? " edge" : "", left,
            bottom - height, right - left, height);
    }
}

/* The most bytes in use in each column of pixels; a column without an event repeats the last
 * value. */
static void find_heights(const struct plot *plot, const struct axis *axis,
                         const struct panel *panel, size_t *heights, size_t columns) {
    const struct record *record = plot->history->record;
    size_t used = 0, column = 0;
    memset(heights, 0, columns * sizeof *heights);
    for (size_t i = 0; i < record->events.count; i++) {
        const struct event *event = record_event(record, i);
        if (event->kind != EVENT_USED || event->space != panel->space) continue;
        if (event->time >= axis->end) break;
        size_t at = (size_t)(x_of(axis, event->time) - axis->left);
        while (column < at && column + 1 < columns) heights[++column] = used;
        used = event->size;
        if (used > heights[column] || event->time < axis->begin) heights[column] = used;
    }
    while (column + 1 < columns) heights[++column] = used;
}

/* Draws the allocated bytes of an arena over its committed ones. */
static void draw_used(const struct plot *plot, const struct axis *axis, const struct panel *panel) {
    size_t heights[WIDTH], columns = (size_t)(axis->right - axis->left);
    find_heights(plot, axis, panel, heights, columns);
    plot_print(plot, "<path class=\"used\" d=\"M%.1f %.1f", axis->left, panel->bottom);
    for (size_t i = 0; i < columns; i++) {
        bool same = i > 0 && heights[i] == heights[i - 1];
        if (!same) plot_print(plot, "V%.1f", y_of(panel, heights[i]));
        plot_print(plot, "h1");
    }
    plot_print(plot, "V%.1fZ\"/>\n", panel->bottom);
}

/* --------------------------------------------------------------- what happened ------------ */

/* Writes "+8 MiB" left of each growth that is high enough. */
static void draw_growths(const struct plot *plot, const struct panel *panel) {
    enum { LEAST_HEIGHT = 13, LEAST_ROOM = 60 };
    for (size_t i = 0; i < plot->history->bands.count; i++) {
        const struct band *band = history_band(plot->history, i);
        double x = x_of(&plot->builds, band->begin);
        double top = y_of(panel, band->offset + band->size), bottom = y_of(panel, band->offset);
        bool fits = bottom - top >= LEAST_HEIGHT && x >= LEFT + LEAST_ROOM;
        if (band->space != panel->space || band->kind != HF_COMMITTED || !fits) continue;
        plot_print(plot, "<text class=\"small halo\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">+",
                   x - 5, (top + bottom) / 2 + 4);
        plot_size(plot, band->size);
        plot_print(plot, "</text>\n");
    }
}

/* Writes how often the arena was rewound, if that is too often to see in the picture. */
static void draw_rewinds(const struct plot *plot, const struct panel *panel) {
    enum { MANY = 20 };
    const struct record *record = plot->history->record;
    char count[QUANTITY_SIZE];
    size_t used = 0, rewinds = 0;
    for (size_t i = 0; i < record->events.count; i++) {
        const struct event *event = record_event(record, i);
        if (event->kind != EVENT_USED || event->space != panel->space) continue;
        rewinds += event->size < used;
        used = event->size;
    }
    if (rewinds < MANY) return;
    plot_print(plot, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\">rewound %s times</text>\n",
               plot->builds.left + (plot->builds.right - plot->builds.left) / 3,
               (panel->top + panel->bottom) / 2 - 6, format_count(count, rewinds));
}

/* Draws an arrow from the bottom of the new placeholder to its top. */
static void draw_coalesce(const struct plot *plot, double x, double bottom, double top) {
    plot_print(plot, "<path class=\"coalesce\" d=\"M%.1f %.1fh8m-4 0V%.1fm-4 5l4 -5l4 5\"/>\n",
               x - 4, bottom - 1, top);
}

/* What was released in one panel during one phase. */
struct release {
    size_t decommits, unmaps, coalesces;
    uint64_t last;
    size_t lowest, highest;
};

static void add_release(struct release *release, const struct event *event) {
    release->decommits += event->kind == EVENT_DECOMMIT;
    release->unmaps += event->kind == EVENT_UNMAP;
    release->coalesces += event->kind == EVENT_COALESCE;
    release->last = event->time;
    if (event->kind == EVENT_COALESCE) return;
    if (event->offset < release->lowest) release->lowest = event->offset;
    if (event->offset + event->size > release->highest)
        release->highest = event->offset + event->size;
}

static bool is_release(const struct event *event, const struct panel *panel) {
    bool released = event->kind == EVENT_DECOMMIT || event->kind == EVENT_UNMAP ||
                    event->kind == EVENT_COALESCE;
    return released && event->status == HF_OK && event->space == panel->space;
}

/* Writes "2 decommits, 1 coalesce" to the right of the last step, if there is room right of *taken,
 * which moves behind the text. */
static void draw_release_text(const struct plot *plot, const struct axis *axis,
                              const struct panel *panel, const struct release *release,
                              double *taken) {
    enum { TEXT_WIDTH = 150 };
    size_t count = release->unmaps ? release->unmaps : release->decommits;
    double x = x_of(axis, release->last) + 9;
    double y = (y_of(panel, release->lowest) + 3 * y_of(panel, release->highest)) / 4 + 4;
    if (count == 0 || x < *taken || x + TEXT_WIDTH > axis->right) return;
    *taken = x + TEXT_WIDTH;
    plot_print(plot,
               "<text class=\"small halo coalesced\" x=\"%.1f\" y=\"%.1f\">%zu %s%s, %zu "
               "coalesce%s</text>\n",
               x, y, count, release->unmaps ? "unmap" : "decommit", plural(count),
               release->coalesces, plural(release->coalesces));
}

static void draw_releases(const struct plot *plot, const struct axis *axis,
                          const struct panel *panel) {
    enum { LEAST_DISTANCE = 12 };
    static const struct release none = {.lowest = SIZE_MAX};
    const struct record *record = plot->history->record;
    struct release release = none;
    double last_x = -LEAST_DISTANCE, taken = 0, end = panel->top - (panel->torn ? TEAR - 6 : 0);
    for (size_t i = 0; i < record->events.count; i++) {
        const struct event *event = record_event(record, i);
        double x = x_of(axis, event->time);
        if (event->kind == EVENT_PHASE) {
            draw_release_text(plot, axis, panel, &release, &taken);
            release = none;
        }
        if (!is_release(event, panel) || !is_within(axis, event->time)) continue;
        add_release(&release, event);
        if (event->kind != EVENT_COALESCE || x - last_x < LEAST_DISTANCE) continue;
        draw_coalesce(plot, x, y_of(panel, event->offset), end);
        last_x = x;
    }
}

/* ---------------------------------------------------------------------- axes -------------- */

/* Writes the panel's name, base address and size. */
static void draw_panel_heading(const struct plot *plot, const struct panel *panel) {
    const struct recorded_space *space = space_of(plot, panel);
    double y = panel->top - TEAR - 5;
    plot_print(plot, "<text x=\"%d\" y=\"%.1f\"><tspan class=\"name\">%s</tspan>", LEFT, y,
               space->name ? space->name : "");
    plot_print(plot, "<tspan class=\"small faint\" dx=\"10\">from %p on</tspan></text>\n",
               (void *)space->base);
    plot_print(plot, "<text class=\"small faint\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">",
               plot->builds.right - 6, y);
    plot_print(plot, panel->torn ? "the placeholder goes on to " : "all of its ");
    plot_size(plot, space->size);
    plot_print(plot, "</text>\n");
}

static void draw_address_axis(const struct plot *plot, const struct panel *panel) {
    enum { LEAST_DISTANCE = 24 };
    size_t step = 1024;
    double height = panel->bottom - panel->top;
    while ((double)step / (double)panel->extent * height < LEAST_DISTANCE) step *= 2;
    plot_print(plot, "<path class=\"axis\" d=\"M%d %.1fV%.1f\"/>\n", LEFT, panel->bottom,
               panel->top);
    for (size_t offset = 0; offset <= panel->extent && offset <= SIZE_MAX - step; offset += step) {
        double y = y_of(panel, offset);
        plot_print(plot, "<path class=\"axis\" d=\"M%d %.1fh-5\"/>", LEFT, y);
        plot_print(plot, "<text class=\"small faint\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">",
                   LEFT - 8, y + 4);
        plot_size(plot, offset);
        plot_print(plot, "</text>\n");
    }
}

/* The distance of marks: 1, 2 or 5 times a power of ten nanoseconds, and wide enough for a
 * label. */
static uint64_t choose_time_step(const struct axis *axis) {
    enum { LEAST_DISTANCE = 60 };
    double width = axis->right - axis->left, time = (double)(axis->end - axis->begin);
    uint64_t power = 1;
    for (;; power *= 10)
        for (uint64_t digit = 1; digit <= 5; digit += digit == 1 ? 1 : 3)
            if ((double)(power * digit) / time * width >= LEAST_DISTANCE) return power * digit;
}

static void draw_time_axis(const struct plot *plot, const struct axis *axis, const char *title) {
    enum { LAST_DISTANCE = 24 };
    uint64_t step = choose_time_step(axis), count = (axis->end - axis->begin) / step;
    double y = plot->bottom + 8;
    bool seconds = step >= 100000000, milliseconds = step >= 100000;
    double unit = seconds ? 1e9 : milliseconds ? 1e6 : 1e3;
    plot_print(plot, "<path class=\"axis\" d=\"M%.1f %.1fH%.1f\"/>\n", axis->left, y, axis->right);
    for (uint64_t i = 0; i <= count; i++) {
        double x = x_of(axis, axis->begin + i * step);
        if (i > 0 && x > axis->right - LAST_DISTANCE) break; /* another axis begins there */
        plot_print(plot, "<path class=\"axis\" d=\"M%.1f %.1fv5\"/>", x, y);
        plot_print(plot,
                   "<text class=\"small faint\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g "
                   "%s</text>\n",
                   x, y + 18, (double)(i * step) / unit,
                   seconds        ? "s"
                   : milliseconds ? "ms"
                                  : "µs");
    }
    plot_print(plot,
               "<text class=\"faint\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%s</text>\n",
               (axis->left + axis->right) / 2, y + 36, title);
}

/* The rows above the panels for the names of phases, the lowest first. */
enum { PHASE_ROWS = 3, PHASE_ROW_HEIGHT = 16 };

struct phase_rows {
    double taken[PHASE_ROWS]; /* x coordinate up to which each row is full */
};

/* The row with room for a name of this width centred at x; moves x if the name would leave the
 * picture. PHASE_ROWS: no row has room. */
static size_t find_row(const struct phase_rows *rows, double *x, double width) {
    size_t row = 0;
    if (*x < LEFT + width / 2) *x = LEFT + width / 2;
    if (*x > RIGHT - width / 2) *x = RIGHT - width / 2;
    while (row < PHASE_ROWS && *x - width / 2 < rows->taken[row]) row++;
    return row;
}

/* Writes the name of a phase centred above its time, or above its end if it is wider; in a higher
 * row if others are in the way. */
static void draw_phase(const struct plot *plot, struct phase_rows *rows, const struct axis *axis,
                       uint64_t begin, const struct event *phase) {
    enum { LETTER = 8, GAP = 8, LEAST_WIDTH = 1, Y = TOP - 34 };
    double left = x_of(axis, begin), right = x_of(axis, phase->time);
    double width = (double)strlen(phase->label) * LETTER;
    double x = right - left >= width ? (left + right) / 2 : right;
    if (right - left < LEAST_WIDTH) return;
    size_t row = find_row(rows, &x, width);
    int y = Y - PHASE_ROW_HEIGHT * (int)(row < PHASE_ROWS ? row : 0);
    plot_print(plot, "<path class=\"phase\" d=\"M%.1f %dV%.1f\"/>\n", right,
               y + (x < right ? -6 : 4), plot->bottom + 8);
    if (row == PHASE_ROWS) return;
    rows->taken[row] = x + width / 2 + GAP;
    plot_print(plot, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", x, y,
               phase->label);
}

static void draw_phases(const struct plot *plot) {
    const struct record *record = plot->history->record;
    struct phase_rows rows = {{0}};
    uint64_t begin = 0;
    for (size_t i = 0; i < record->events.count; i++) {
        const struct event *event = record_event(record, i);
        if (event->kind != EVENT_PHASE) continue;
        const struct axis *axis = begin < plot->tail.begin ? &plot->builds : &plot->tail;
        draw_phase(plot, &rows, axis, begin, event);
        begin = event->time;
    }
}

/* ------------------------------------------------------------------- the whole ------------ */

static void draw_legend(const struct plot *plot) {
    static const struct {
        const char *class, *text;
    } entries[] = {{"placeholder", "placeholder: reserved, touching it faults"},
                   {"committed", "committed, ready"},
                   {"used", "committed, allocated"},
                   {"view", "view of a file"}};
    double x = LEFT, y = plot->bottom + 74;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        plot_print(plot, "<rect class=\"%s\" x=\"%.0f\" y=\"%.1f\" width=\"14\" height=\"14\"/>",
                   entries[i].class, x, y - 11);
        if (i == 0)
            plot_print(
                plot,
                "<rect fill=\"url(#hatch)\" x=\"%.0f\" y=\"%.1f\" width=\"14\" height=\"14\"/>", x,
                y - 11);
        plot_print(plot, "<text x=\"%.0f\" y=\"%.1f\">%s</text>\n", x + 21, y, entries[i].text);
        x += 50 + 6.6 * (double)strlen(entries[i].text);
    }
    draw_coalesce(plot, x + 4, y + 3, y - 12);
    plot_print(plot, "<text x=\"%.0f\" y=\"%.1f\">coalesce: placeholders become one</text>\n",
               x + 16, y);
}

static void draw_frame(const struct plot *plot, const char *subtitle) {
    int height = (int)plot->bottom + BOTTOM_HEIGHT;
    plot_print(plot, "%s viewBox=\"0 0 %d %d\">\n%s", svg_signature, WIDTH, height, svg_style);
    plot_print(plot,
               "<rect class=\"paper\" x=\".5\" y=\".5\" width=\"%d\" height=\"%d\" rx=\"10\"/>\n",
               WIDTH - 1, height - 1);
    plot_print(
        plot,
        "<text class=\"title\" x=\"24\" y=\"38\">Address against time: the life of a compiler "
        "front end's memory</text>\n");
    plot_print(plot, "<text class=\"faint\" x=\"24\" y=\"60\">%s</text>\n", subtitle);
}

static void draw_panel(const struct plot *plot, const struct panel *panel) {
    const struct axis *const axes[] = {&plot->builds, &plot->tail};
    for (size_t i = 0; i < 2; i++) {
        draw_placeholder(plot, axes[i], panel);
        draw_bands(plot, axes[i], panel);
        draw_used(plot, axes[i], panel);
        draw_releases(plot, axes[i], panel);
    }
    draw_growths(plot, panel);
    draw_rewinds(plot, panel);
    draw_panel_heading(plot, panel);
    draw_address_axis(plot, panel);
}

bool svg_write(const struct history *history, const char *subtitle, FILE *file) {
    struct plot plot = {.history = history, .file = file};
    choose_panels(&plot);
    place_panels(&plot);
    place_axes(&plot);
    draw_frame(&plot, subtitle);
    for (size_t i = 0; i < plot.panel_count; i++) draw_panel(&plot, &plot.panels[i]);
    draw_phases(&plot);
    draw_time_axis(&plot, &plot.builds, "time");
    draw_time_axis(&plot, &plot.tail, "the end, enlarged");
    draw_legend(&plot);
    plot_print(&plot, "</svg>\n");
    return !ferror(file);
}
