# amalgamate.awk -- joins files into one; each include of a file of ours becomes that file, once.
#
#     awk -f src/amalgamate.awk include/holdfast.h                     >holdfast.h
#     awk -v header=holdfast.h -f src/amalgamate.awk src/*.c ...       >holdfast.c
#
# With `header` the files under include/ are in that header, which is included first. A backend that
# is for one system alone stands in an #if; it must come after the others, so that no file that they
# need is inside it. Run it at the top of the project.

# A file that is being read is known: reading it here would spoil that.
function exists(path,    line, found) {
    if (path in is_emitted) return 1
    found = (getline line < path) >= 0
    close(path)
    return found
}

function folder_of(path) { sub(/[^\/]*$/, "", path); return path }

# The file of ours that an include names, or "".
function own_file(name, from,    path) {
    path = folder_of(from) name
    while (match(path, /[^\/]+\/\.\.\//)) sub(/[^\/]+\/\.\.\//, "", path)
    if (exists(path)) return path
    if (exists("include/" name)) return "include/" name
    return exists("src/" name) ? "src/" name : ""
}

# holdfast.h does not include stream.h.
function is_in_header(path) {
    return header != "" && path ~ /^include\// && path != "include/holdfast/stream.h"
}

function emit_include(line, from,    name, path) {
    name = line
    sub(/^#include ["<]/, "", name)
    sub(/[">].*/, "", name)
    path = own_file(name, from)
    if (path == "") print line
    else if (!is_in_header(path)) emit(path)
}

function emit(path,    line) {
    if (path in is_emitted) return
    is_emitted[path] = 1
    print "/* ==== " path " ==== */\n"
    while ((getline line < path) > 0) {
        if (line ~ /^#include ["<]/) emit_include(line, path)
        else if (line !~ /^#define (_GNU_SOURCE|_FILE_OFFSET_BITS)/) print line
    }
    close(path)
}

# One system's backend, in an #if.
function emit_for(condition, path) {
    print "#if " condition
    emit(path)
    print "#endif\n"
}

BEGIN {
    if (header != "") {
        print "#ifndef _WIN32\n#ifndef _GNU_SOURCE\n#define _GNU_SOURCE\n#endif"
        print "#ifndef _FILE_OFFSET_BITS\n#define _FILE_OFFSET_BITS 64\n#endif\n#endif"
        print "#include \"" header "\"\n"
    }
    for (i = 1; i < ARGC; i++) {
        if (ARGV[i] ~ /\/windows\.c$/) emit_for("defined(_WIN32)", ARGV[i])
        else if (ARGV[i] ~ /\/posix\.c$/) emit_for("!defined(_WIN32)", ARGV[i])
        else emit(ARGV[i])
    }
}
