# environment.sh -- reads `list`, and sets the environment in which programs do the same every time.
# compare.sh and bench.sh source it.
# shellcheck shell=bash

programs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

all_names() { awk '/^[^#]/ { print $1 }' "$programs/list"; }

# find_program NAME: sets these two, of which `eval` expands the command.
# shellcheck disable=SC2034 # used where this file is sourced
processes=() command=()
find_program() {
    local name list rest
    while read -r name _ list rest; do
        [[ $name == "$1" ]] || continue
        # shellcheck disable=SC2034
        IFS=, read -r -a processes <<<"$list"
        eval "command=($rest)"
        return
    done <"$programs/list"
    echo "no program is called $1 in $programs/list" >&2
    return 1
}

# Debian's programs come first: its Python's own tests are those of its Python.
export PATH=/usr/bin:/bin:$PATH
export LC_ALL=C TZ=UTC SOURCE_DATE_EPOCH=1700000000
export PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_OPTIONAL_LOCKS=0 GIT_PAGER=cat
export GIT_AUTHOR_NAME=author GIT_AUTHOR_EMAIL=author@example.org GIT_AUTHOR_DATE="1700000000 +0000"
export GIT_COMMITTER_NAME=author GIT_COMMITTER_EMAIL=author@example.org
export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE CDPATH CPATH C_INCLUDE_PATH LIBRARY_PATH
unset MAKEFLAGS MFLAGS MAKELEVEL CFLAGS LDFLAGS NODE_OPTIONS PYTHONPATH PYTHONMALLOC PERL5LIB LUA_INIT
unset XZ_OPT XZ_DEFAULTS LD_PRELOAD MALLOC_ARENA_MAX GLIBC_TUNABLES HOLDFAST_STATS
