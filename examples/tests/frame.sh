#!/bin/sh
# frame.sh EXAMPLE -- compares the example with the same game in awk.
# shellcheck source-path=SCRIPTDIR source=example.sh
. "$(dirname "$0")/example.sh"
has_usage image "image a b" "-x a" "image -x"
needs_views level.snapshot '[]'

cat >game.awk <<'END'
# Each key is a frame; [ keeps the state, and ] goes back to it three times.
function show(    text, i) {
    text = frames ":"
    for (i = balls; i > 0; i--) text = text " " height[i]
    print text
}
function halved(speed) { return speed < 0 ? -int(-speed / 2) : int(speed / 2) }
function play(key, edited,    i) {
    if (key == "j") { balls++; height[balls] = 0; speed[balls] = 9 }
    for (i = 1; i <= balls; i++) {
        speed[i]--
        height[i] += speed[i]
        if (height[i] >= 0) continue
        height[i] = 0
        speed[i] = edited ? halved(-speed[i]) : -speed[i]
    }
    frames++
    show()
}
function keep(    i) {
    kept_balls = balls; kept_frames = frames
    for (i = 1; i <= balls; i++) { kept_height[i] = height[i]; kept_speed[i] = speed[i] }
}
function go_back(    i) {
    balls = kept_balls; frames = kept_frames
    for (i = 1; i <= balls; i++) { height[i] = kept_height[i]; speed[i] = kept_speed[i] }
}
function loop(title, edited,    i) {
    go_back()
    print title
    for (i = 1; i <= length(recorded); i++) play(substr(recorded, i, 1), edited)
}
BEGIN {
    for (k = 1; k <= length(keys); k++) {
        key = substr(keys, k, 1)
        if (key == "[") { print "recording"; keep(); recorded = ""; recording = 1 }
        else if (key == "]") {
            loop("looping"); loop("looping"); loop("looping edited code", 1)
            recording = 0
        } else { if (recording) recorded = recorded key; play(key) }
    }
}
END

# plays KEYS: the example prints what awk prints, also when it overwrites an older snapshot.
plays() {
    awk -v keys="$1" -f game.awk >expected
    example level.snapshot "$1" >found
    same expected found
    example level.snapshot "$1" >found
    same expected found
}

plays 'j..........................................'
plays 'j..[..j....................]j.'
plays 'j.j.j...............[j.j.j.j................................................]j....'
plays 'j...[j.............]....[...........j..............]..[]..'
for left in *.saving*; do [ ! -e "$left" ] || wrong "$left is left"; done

# The edited code must change the output; otherwise the test above would prove little.
plays 'j..[.......................]'
[ "$(sed -n '/edited/,$p' found | sed 1d)" != "$(sed -n '/^looping$/,/edited/p' found |
    sed -n '2,24p')" ] || wrong "the edited code makes no difference"
