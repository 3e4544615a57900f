#!/bin/sh
# test_replay.sh COMMAND CORPUS -- the verb replay: output, error messages, exit status.
# test_traces.sh compares its traces between backends and systems.
corpus=$2
# shellcheck source-path=SCRIPTDIR source=command.sh
. "$(dirname "$0")/command.sh"

# ---- an input, byte by byte: kind, slots, offset, size - 1, file offset, aim, twist, number

mkdir inputs inputs/below
{
    printf '\000\000\000\007\000\000\000\000' # open eight pages
    printf '\010\000\002\001\000\000\000\000' # commit two
    printf '\014\000\000\007\000\000\000\000' # store
    printf '\003\000\000\003\000\000\000\000' # coalesce a range that is not all placeholder
    printf '\013\000\000\000\000\000\000\001' # advise
    printf '\024\000\000\000\000\000\000\003' # fail the next call
    printf '\010\000\006\000\000\000\000\000' # commit another
    printf '\020\000\000\000\000\000\000\004' # create a file at the path of the folder ...
    printf '\016\000\000\000\000\000\000\000' # ... and a check, of which head cuts 4 bytes off
} | head -c 68 >inputs/b
: >inputs/a
printf '\001' >inputs/below/c
printf 'hidden' >inputs/.hidden

run 0 replay --trace inputs
is_plain
is_empty err
grep '^input ' out >names
printf 'input a\ninput b\ninput c\n' | cmp -s - names || wrong 'the inputs are not in order'
has_pattern out '^0 open space 0 size 0x8000 least 0: OK$'
has_pattern out '^    0x2000 0x2000 committed$'
has_pattern out '^    contents 0000000000000000$'
has_pattern out '^    contents [0-9a-f]{16}$'
has_pattern out '^3 coalesce .*: WRONG_STATE at 0 size 0x4000 os=0 hf_space_coalesce$'
has_pattern out '^4 advise .*: a hint$'
has_pattern out '^6 commit_range .*: OK$'
has_pattern out '^7 file_create file 0 folder size .*: IO at 0 size 0x1000 os=[0-9]+ [A-Za-z]+$'
lacks out 'fail '
lacks out '8 '
lacks out "$folder"
mv out native
run 0 replay --backend strict --trace inputs
sed 's/ os=.*//' out >strict.plain
sed 's/ os=.*//' native | cmp -s - strict.plain || wrong 'strict traces something else'
run 0 replay --backend=strict --fail --trace inputs/b
has out '5 fail call 1 and all after it: OK'
has_pattern out '^6 commit_range .*: NO_MEMORY at .* os=8 VirtualFree$'
run 0 replay inputs inputs/b
has out 'a: 0 calls, 0 failed'
has out 'b: 7 calls, 2 failed'
has out '3 inputs, 7 calls, 2 failed'

# ---- strict with --fail: nothing is left open. Natively only: an emulator takes long, and strict
# fails alike on every system.

if ! $foreign; then
    run 0 replay --backend strict --fail "$corpus/space"
    is_empty err
    has_pattern out '^[0-9]+ inputs, [0-9]+ calls, [0-9]+ failed$'
fi

# ---- errors

run 1 replay missing inputs/a
says err 'holdfast: missing: No such file or directory'
has out '1 inputs, 0 calls, 0 failed'
mkdir nothing
run 1 replay nothing
has err 'holdfast: no inputs there'
is_empty out
if ! $foreign && [ "$(id -u)" -ne 0 ]; then
    chmod 0 inputs/a
    run 1 replay inputs
    has err 'a: Permission denied'
fi
run 2 replay
has err 'holdfast: name inputs, or folders of them'
run 2 replay --backend windows inputs
has err 'unknown backend, not native, steps or strict: windows'
run 2 replay --fail inputs
has err '--fail needs --backend strict'
for wrong_usage in 'replay --trace' 'replay --backend' 'replay inputs --backend' 'replay -x'; do
    # shellcheck disable=SC2086 # several arguments each
    run 2 $wrong_usage
    is_empty out
    has err 'usage: holdfast replay [--backend native|steps|strict] [--fail] [--trace] FILES...'
done
run 0 replay --help
has out 'usage: holdfast replay'
end
