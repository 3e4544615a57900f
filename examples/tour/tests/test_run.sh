#!/bin/sh
# test_run.sh COMMAND [FOLDER] -- the verb run: what it passes on to the program, comparisons, error
# messages, exit status. The folder has programs and libraries that were built for the test.
# shellcheck source-path=SCRIPTDIR source=command.sh
parts=${2-}
. "$(dirname "$0")/command.sh"

# ---- usage, the same on every system

run 0 run --help
is_empty err
has out 'usage: holdfast run [--] COMMAND [ARGUMENTS...]'
run 2 run
has err 'holdfast: name the program to run'
has err 'usage: holdfast run [--] COMMAND [ARGUMENTS...]'
run 2 run --
has err 'holdfast: name the program to run'
run 2 run --nonsense program
has err 'holdfast: unknown option: --nonsense'
for only_compares in --json '--runs 3' '--with a=b'; do
    # shellcheck disable=SC2086 # several arguments
    run 2 run $only_compares program
    has err "holdfast: this option needs --compare: ${only_compares% *}"
done
for number in 0 -1 x 3x 1001 99999999999999999999; do
    run 2 run --compare "--runs=$number" program
    has err "holdfast: --runs needs a whole number from 1 to 1000, not: $number"
done
for pair in a =b a=; do
    run 2 run --compare --with $pair program
    has err "holdfast: --with needs NAME=PATH, not: $pair"
done
run 2 run --compare --with a=1 --with a=2 --with a=3 --with a=4 --with a=5 --with a=6 --with a=7 \
    --with a=8 --with a=9 program
has err 'holdfast: given too many times: --with'

if [ -z "$parts" ]; then
    run 2 run -- program
    is_empty out
    has err 'holdfast: run: program: preloading a malloc needs a system with ELF programs'
    run 2 run --compare -- program
    has err 'needs a system with ELF programs'
    end
fi

subject=$parts/run_subject
export HOLDFAST_MALLOC="$parts/librun_marker.so"
export HOLDFAST_CACHE="$folder/no-cache"

# ---- what the program gets, and what it gives

run 0 run -- "$subject" marker
is_empty err
has out 'preloaded'
run 7 run "$subject" status 7
is_empty out
run 7 run -- "$subject" status 7 --compare --runs
run 0 run -- "$subject" variable LD_PRELOAD
[ "$(cat out)" = "$parts/librun_marker.so" ] || wrong 'LD_PRELOAD is not the library'
LD_PRELOAD=$parts/librun_other.so run 0 run -- "$subject" variable LD_PRELOAD
[ "$(cat out)" = "$parts/librun_marker.so:$parts/librun_other.so" ] || wrong 'LD_PRELOAD is lost'
run 0 run -- "$subject" broken-pipe
has out 'default'
printf 'four' | holdfast run -- "$subject" input >out
has out '4 bytes of input'
"$subject" watch "$command" run -- "$subject" signal 15 >out
has out 'ended by signal 15'
"$subject" watch "$command" run -- "$subject" status 15 >out
has out 'ended with status 15'

# The process itself becomes the program, so that signals reach it.
"$command" run -- "$subject" process >out &
running=$!
wait $running
[ "$(cat out)" = $running ] || wrong 'the program runs in another process'

ln -s "$subject" named
PATH=$folder:$PATH run 0 run named marker
has out 'preloaded'
relative=../$(basename "$folder")/relative.so
cp "$parts/librun_marker.so" relative.so
HOLDFAST_MALLOC=$relative run 0 run -- "$subject" variable LD_PRELOAD
has out "$folder/relative.so"

# ---- programs that cannot be executed

printf 'exit 4\n' >script
mkdir folder
for start in run 'run --compare'; do
    # shellcheck disable=SC2086
    {
        run 127 $start no-such-program
        has err 'holdfast: run: no-such-program: command not found'
        run 127 $start ./no-such-program
        has err 'holdfast: run: ./no-such-program: No such file or directory'
        run 126 $start ./script
        has err 'holdfast: run: ./script: Permission denied'
        run 126 $start ./folder
        has err 'holdfast: run: ./folder: Is a directory'
    }
    is_empty out
done
printf '#!/no/such/interpreter\n' >orphan
chmod +x script orphan
run 127 run ./orphan
run 127 run --compare ./orphan
has err 'holdfast: run: ./orphan: No such file or directory'

# ---- programs and libraries that do not go together

printf 'text' >text.so
mkdir 'a b'
cp "$parts/librun_marker.so" 'a b/spaced.so'
HOLDFAST_MALLOC=no.so run 125 run -- "$subject" marker
has err 'holdfast: run: no.so: No such file or directory'
HOLDFAST_MALLOC=text.so run 125 run -- "$subject" marker
has err 'text.so: it is no shared library'
HOLDFAST_MALLOC='a b/spaced.so' run 125 run -- "$subject" marker
has err 'LD_PRELOAD cannot name a path with spaces or colons'
cp "$command" alone
HOLDFAST_MALLOC='' ./alone run -- "$subject" marker >out 2>err
[ $? -eq 125 ] || wrong 'there is no library, and no error'
has err 'libholdfast-malloc.so: not found beside this command, nor in ../lib: set HOLDFAST_MALLOC'
cp "$parts/librun_marker.so" libholdfast-malloc.so
HOLDFAST_MALLOC='' ./alone run -- "$subject" marker >out 2>err || wrong 'it fails'
has out 'preloaded'
if [ -e "${command%/*}/libholdfast-malloc.so" ]; then
    HOLDFAST_MALLOC='' run 0 run -- "$subject" variable LD_PRELOAD
    [ "$(cat out)" = "${command%/*}/libholdfast-malloc.so" ] || wrong 'it is not the one beside it'
fi
if [ -x "$parts/run_subject_static" ]; then
    printf '#!%s\n' "$parts/run_subject_static" >static-script
    chmod +x static-script
    for program in "$parts/run_subject_static" ./static-script; do
        run 125 run "$program" status 0
        has err "holdfast: run: $program: it names no loader"
        run 125 run --compare "$program" status 0
        has err 'it names no loader'
    done
fi
cp "$subject" foreign # the field e_machine becomes that of another processor: RISC-V, 243
cp "$parts/librun_marker.so" foreign.so
for file in foreign foreign.so; do
    printf '\363\000' | dd of=$file bs=1 seek=18 conv=notrunc 2>/dev/null
done
run 125 run ./foreign
has err 'holdfast: run: ./foreign: it is for other processors than the library'
run 125 run --compare --with other=foreign.so "$subject" status 0
has err 'holdfast: run: --with other=foreign.so: it is for other processors'
echo 'int main(void) { return 0; }' >simple.c
if ! grep -q ld-musl "$command" && musl-gcc -o simple simple.c 2>/dev/null; then
    run 125 run ./simple
    has_pattern err 'simple: it(s loader is .*musl.*, that of another C library| is for other)'
fi
if [ "$(id -u)" -eq 0 ]; then
    cp "$subject" secure
    chown 65534 secure
    chmod u+s secure
    run 125 run ./secure marker
    has err 'holdfast: run: ./secure: it is setuid or setgid'
fi

# ---- comparisons. Which other allocators are there depends on the system.

compares() {
    wanted_status=$1
    shift
    run "$wanted_status" run --compare --runs 2 -- "$subject" "$@"
}

mkdir temporary
export TMPDIR="$folder/temporary"
compares 0 status 0
is_plain
is_empty err
has_pattern out '^  glibc +[0-9.]+ [um]?s +1\.00|^  libc '
has_pattern out '^  holdfast +[0-9.]+ [um]?s +[0-9.]+'
has out 'Medians of 2 runs each'
has out 'Standard output is the same in all runs, and so is the end: exit status 0'
compares 3 status 3
has out 'exit status 3'
compares 143 signal 15
has out 'so is the end: signal 15'
compares 1 marker
has_pattern out 'Standard output DIFFERS from that on g?libc: holdfast$'
compares 1 fail-if-marked
has_pattern out 'The exit status DIFFERS from that on g?libc: holdfast$'
compares 1 process
has_pattern out 'Standard output differs from run to run, on g?libc, too$'
holdfast run --compare --runs 1 "$subject" fail-if-input <"$command" >out 2>err ||
    wrong 'standard input is not empty'
compares 1 much
has_pattern out 'Standard output DIFFERS from that on g?libc: holdfast$'
compares 0 complain
[ "$(grep -c 'a complaint' err)" = 1 ] || wrong 'standard error is not shown once'
run 0 run --compare --runs=1 --with "other=$parts/librun_other.so" "$subject" status 0
has_pattern out '^  other +[0-9.]+ '
run 1 run --compare --runs=1 --with "holdfast=$parts/librun_other.so" --json "$subject" marker
has out "\"library\": \"$parts/librun_other.so\""
lacks out 'librun_marker.so'
run 125 run --compare --with other=no.so "$subject" status 0
has err 'holdfast: run: --with other=no.so: No such file or directory'
run 125 run --compare --with other=text.so "$subject" status 0
has err 'holdfast: run: --with other=text.so: it is no shared library'
HOLDFAST_MALLOC=no.so run 0 run --compare --runs 1 "$subject" status 0
has out 'holdfast: not measured: No such file or directory'

# A process that is left behind, and keeps standard output open, is not waited for. What it writes
# depends on chance.
compares 0 leave "$folder/may-end"
holdfast run --compare --runs 2 "$subject" leave-writing "$folder/may-end" >out 2>err
has out 'Medians of 2 runs each'
: >may-end

# JSON
run 3 run --compare --json --runs 3 "$subject" status 3 'a "quoted" one'
is_empty err
"$subject" json <out || wrong 'that is no JSON'
has out '"runs": 3'
has out '\"quoted\"'
has_pattern out '"name": "holdfast", "library": "/.*librun_marker.so"'
has_pattern out '"processor_time_ns": \{"median": [0-9]+, "min": [0-9]+'
if command -v python3 >/dev/null; then
    python3 -m json.tool <out >/dev/null || wrong 'python reads no JSON'
fi

# What did not load an allocator is said.
if grep -q '"processes": null' out; then
    echo 'left out: this system permits no tracing'
else
    compares 0 bare-child
    has out 'holdfast: 1 of 2 processes ran without it: run_subject'
    compares 125 bare
    has out 'holdfast: not measured: the program ended without having loaded '
    run 9 run --compare --json --runs 1 "$subject" thread
    has out '"processes": 1, "processes_without": 0'
fi

# A signal reaches all processes of the program, and ends the command. A second one kills them.
# interrupted STATUS PROGRAM SIGNAL...: starts the program, and sends the signals.
interrupted() {
    wanted_status=$1
    program=$2
    shift 2
    rm -f parent child
    "$command" run --compare --runs 2 "$subject" "$program" >out 2>err &
    running=$!
    while kill -0 $running 2>/dev/null && { [ ! -s parent ] || [ ! -s child ]; }; do sleep 1; done
    for signal; do kill "-$signal" $running; done
    wait $running
    status=$?
    [ $status -eq "$wanted_status" ] || wrong "it ends with $status, not $wanted_status"
    is_empty out
    cat parent child | while read -r process; do
        while kill -0 "$process" 2>/dev/null; do sleep 1; done # until init has reaped it
    done
}

arguments='run --compare, interrupted'
interrupted 143 linger TERM
interrupted 129 stubborn HUP TERM
[ -z "$(ls temporary)" ] || wrong 'temporary files are left'

if [ -w /dev/full ]; then
    holdfast run --compare --runs 1 "$subject" status 0 >/dev/full 2>err && wrong 'a full disk'
    has err 'standard output: cannot be written'
fi
holdfast run --compare --runs 1 "$subject" status 0 >&- 2>err && wrong 'a closed standard output'
has err 'cannot be written'

# ---- a terminal, if script(1) can make one

if command -v script >/dev/null && script -qec true /dev/null >/dev/null 2>&1; then
    arguments='run --compare on a terminal'
    : >err
    line="'$command' run --compare --runs 2 '$subject' status 0"
    TERM=xterm script -qec "$line" /dev/null >out </dev/null
    has out 'warm-up, '
    LC_ALL=C grep -q "$(printf '\033\\[1m')" out || wrong 'the best is not in bold'
    TERM=dumb script -qec "$line" /dev/null >out </dev/null
    lacks out 'warm-up, '
fi

end
