/* bench/meter.c -- page faults and resident memory, as Linux counts them; see meter.h. */
#include "meter.h"

#include <stdio.h>
#include <sys/resource.h>

/* Reads a line of /proc/self/status such as "VmHWM:     1234 kB" and returns bytes; 0 if there is
 * no such line. */
static size_t status_bytes(const char *format) {
    char line[256];
    size_t kilobytes = 0;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status) return 0;
    while (fgets(line, sizeof line, status) && sscanf(line, format, &kilobytes) != 1) continue;
    fclose(status);
    return kilobytes << 10;
}

/* Writing 5 to clear_refs sets the peak (VmHWM) to what is resident now, so that it does not
 * include what ran earlier in the process. */
static void reset_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file) return;
    fputs("5", file);
    fclose(file);
}

static long faults_so_far(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static size_t resident_at_first;

void meter_watch_memory(bench_meter *meter) {
    meter->peak = 0;
    reset_peak();
    if (resident_at_first == 0) resident_at_first = status_bytes("VmRSS: %zu");
}

void meter_begin(bench_meter *meter) { meter->faults -= faults_so_far(); }

void meter_end(bench_meter *meter) {
    meter->faults += faults_so_far();
    size_t highest = status_bytes("VmHWM: %zu");
    if (highest > resident_at_first) meter->peak = highest - resident_at_first;
}

size_t meter_resident(void) {
    size_t resident = status_bytes("VmRSS: %zu");
    return resident > resident_at_first ? resident - resident_at_first : 0;
}

void meter_report(const bench_meter *meter, bench_state *state, size_t rounds) {
    bench_counter(state, "faults", (double)meter->faults / (double)rounds);
    bench_counter(state, "peak_MiB", (double)meter->peak / (1 << 20));
}
