#!/bin/sh
# git_gc.sh -- packs the repository. The name of the pack is a hash of its bytes; one thread, because
# with several the pack depends on their order.
set -eu
: "${sources:?}"
rm -rf repository
cp -r "$sources/repository" repository
cd repository
git -c pack.threads=1 gc -q --prune=now
git count-objects -v
ls .git/objects/pack
