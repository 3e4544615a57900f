/*
 * run_marker.c -- a library to be preloaded in test_run.sh: a program that looks for this function
 * knows whether it was.
 */
const char *run_marker(void);

const char *run_marker(void) { return RUN_MARKER; }
