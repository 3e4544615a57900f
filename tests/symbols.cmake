# What the library promises not to do, proved from its symbols: it calls none of these functions,
# and its only writable memory is each thread's last error and the address budget of the process; on
# POSIX also what a fork needs, on Windows what it found out about the system, once.
#
#   cmake -D LIBRARY=libholdfast.a -D NM=nm -D INSTRUMENTED= -P symbols.cmake
#
# Where INSTRUMENTED names an instrumentation, its own memory is in there too: only the names below
# are looked for.
set(forbidden malloc calloc realloc free posix_memalign aligned_alloc strdup
              printf fprintf vprintf vfprintf puts fputs putchar fputc fwrite perror
              abort exit _exit quick_exit raise kill signal sigaction getenv setenv
              HeapAlloc HeapFree LocalAlloc GlobalAlloc ExitProcess TerminateProcess RaiseException
              LoadLibraryA LoadLibraryW OutputDebugStringA GetEnvironmentVariableA)

function(read_output result)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
    set(${result} "${output}" PARENT_SCOPE)
endfunction()

read_output(symbols ${NM} --undefined-only ${LIBRARY})
if(NOT symbols MATCHES " U (mmap|__imp_VirtualAlloc)")
    message(FATAL_ERROR "no call for memory: the symbols of ${LIBRARY} were not read")
endif()
foreach(name IN LISTS forbidden)
    if(symbols MATCHES " U (__imp_)?${name}(@[^\n]*)?\n")
        message(FATAL_ERROR "the library calls ${name}")
    endif()
endforeach()

# "name  |0000000000000000|   b  |  OBJECT|0000000000000008|  |.bss"; of each thread's own memory
# the section is .tbss or .tls. Sections are symbols too, with names that begin with a dot.
if(INSTRUMENTED STREQUAL "")
    read_output(table ${NM} --format=sysv ${LIBRARY})
    string(REGEX MATCHALL "\n[^.|\n][^|\n]*[^\n]*\\|[ \t]*(\\.data|\\.bss|COMMON|\\*COM\\*)[ \t]*(\n|$)"
           writable "${table}")
    list(FILTER writable EXCLUDE REGEX "^\n(budget_spent|budget_exhausted|forking|gate|late|once[.0-9]*) ")
    if(writable)
        message(FATAL_ERROR "the library has state of its own: ${writable}")
    endif()
    if(NOT table MATCHES "\nlast_error [^\n]*\\|\\.(tbss|tls)")
        message(FATAL_ERROR "no last_error: the symbols of ${LIBRARY} were not read")
    endif()
endif()
