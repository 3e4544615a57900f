/* Runs the 35 rules of Windows' placeholders on the strict backend, on any system. */
#include "check.h"
#include "rules.h"

CHECK_THREAD_LOCAL struct check_state check_state;

int main(int count, char **arguments) {
    int status = rules_run(machine_strict(), count, arguments);
    machine_strict_close();
    return status;
}
