/* Runs the 35 rules of Windows' placeholders on the Windows API. */
#include "check.h"
#include "rules.h"

CHECK_THREAD_LOCAL struct check_state check_state;

int main(int count, char **arguments) {
    const char *why;
    const struct machine *windows = machine_windows(&why);
    if (windows) return rules_run(windows, count, arguments);
    rules_skip(why);
    return CHECK_SKIPPED;
}
