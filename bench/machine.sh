# bench/machine.sh -- what a table of results says about the machine. bench/run and `dev adapters-bench`
# source this file.
# shellcheck shell=bash

processor() { sed -n '/^model name/{s/^[^:]*: *//p;q}' /proc/cpuinfo; }
virtual() { if grep -q '^flags.* hypervisor' /proc/cpuinfo; then echo " of a virtual machine"; fi; }
memory() { awk '/^MemTotal/ { printf "%.0f GiB\n", $2 / 2 ^ 20 }' /proc/meminfo; }
huge_pages() { sed -n 's/.*\[\(.*\)\].*/\1/p' /sys/kernel/mm/transparent_hugepage/enabled; }

# The first two lines of a table's head.
machine_and_system() {
    echo "* machine: $(processor), $(nproc) cores$(virtual), $(memory)"
    echo "* system: Linux $(uname -r | sed 's/-.*//'), transparent huge pages: $(huge_pages)"
}
