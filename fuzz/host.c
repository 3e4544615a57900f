/*
 * host.c -- see host.h.
 */
#include "host.h"

#include <stdlib.h>

static char folder[HOST_FOLDER_BYTES];
static const char *death_label, *death_text;

static void remove_file(const char *path) { remove(path); }

void host_end(void) {
    if (!folder[0]) return;
    host_visit(folder, remove_file);
    host_remove_folder(folder);
}

static void make_empty_file(void) {
    char path[HOST_FOLDER_BYTES + 16];
    snprintf(path, sizeof path, "%s/empty", folder);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        exit(2);
    }
    fclose(file);
}

const program_host *host_get(void) {
    static const program_host host = {folder, host_open_handle, host_close_handle};
    if (folder[0]) return &host;
    host_make_folder(folder);
    make_empty_file();
    atexit(host_end);
    return &host;
}

void host_begin(const char *label, const char *text) {
    death_label = label;
    death_text = text;
    host_watch();
}

void host_print_death(void) {
    host_write(death_label);
    host_write(death_text);
    host_write("\n");
}
