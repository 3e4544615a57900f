# tests/snippets.awk -- writes the snippets of README.md and the public headers to files, so that the
# tests compile and run them.
#
#     awk -v folder=FOLDER [-v language=cc] -f tests/snippets.awk README.md include/holdfast.h ...
#
# A snippet is the text between @code{.c} and @endcode in a header, or between ```c and ``` in README.
# It is complete: it includes what it needs, and compiles as C11 and as C++11. In an .hpp, it begins
# with @code{.cpp} and is C++.
#
#     FOLDER/NAME_LINE.c   one snippet, or with another `language` NAME_LINE.cc; compilers report
#                          errors at its line in the header or README
#     FOLDER/all.h         all snippets, with static functions, for test_snippets.c: the compiler warns
#                          of a function that the test does not call. The main() of NAME.h is called
#                          main_of_NAME, that of README.md main_of_README.

function fail(reason) {
    print FILENAME ":" FNR ": " reason >"/dev/stderr"
    exit failed = 1
}

function begin() {
    if (file != "") fail("a snippet begins in a snippet")
    file = folder "/" name "_" FNR "." (language ? language : "c")
    printf "#line %d \"%s\"\n", FNR + 1, FILENAME >file
    printf "#line %d \"%s\"\n", FNR + 1, FILENAME >all
    count++
}

BEGIN { all = folder "/all.h"; printf "" >all }

FNR == 1 { name = FILENAME; gsub(/^.*\/|\.[a-z]+$/, "", name); is_header = FILENAME ~ /\.h(pp)?$/ }

is_header ? /^ \*  @code\{\.c(pp)?\}$/ : /^```c$/ { begin(); next }
is_header && /@code/ { fail("a snippet begins with ' *  @code{.c}' or '{.cpp}'") }
file == "" { next }
is_header ? /^ \*  @endcode$/ : /^```$/ { close(file); file = ""; next }
is_header && /\*\// { fail("the snippet has no @endcode") }

{
    if (is_header) $0 = substr($0, 5)
    print >file
    sub(/^int main\(/, "int main_of_" name "(")
    if (/^[A-Za-z_][A-Za-z_0-9 *]*\(/ && !/^(static|extern|typedef) /) $0 = "static " $0
    print >all
}

END {
    if (failed) exit 1
    if (file != "" || !count) fail("the last snippet has no end, or there is none")
    print count
}
