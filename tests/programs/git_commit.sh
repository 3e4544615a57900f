#!/bin/sh
# git_commit.sh FOLDER -- makes a repository: SQLite's source in 500 files, of which each of 80
# commits changes ten.
set -eu
: "${sources:?}"
rm -rf "$1"
git init -q -b main "$1"
cd "$1"
split -n l/500 -d -a 3 "$sources/sqlite3.c" part
git add .
git commit -q -m "Add the parts"
commit=1
while [ $commit -le 80 ]; do
    sed -i "s/sqlite[_0-9]*/sqlite_$commit/" part$((commit % 5))?$((commit % 10))
    git commit -q -a -m "Change $commit"
    commit=$((commit + 1))
done
git fsck --strict --no-progress
git rev-parse HEAD
