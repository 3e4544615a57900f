#!/bin/sh
# make.sh -- builds Lua with its own Makefile, and runs what was built.
set -eu
: "${sources:?}" "${programs:?}"
rm -rf lua
cp -r "$sources/lua" lua
make -C lua/src -s -j2 linux
lua/src/lua -v
lua/src/lua "$programs/words.lua" lua/src/lparser.c
