# Checks the symbols of the library: it calls none of the functions below (heap_fault.c: two), and its only writable
# static memory is the last error of each thread and the address budget of the process; on POSIX
# also the state for fork and, on Linux, whether it has met a file of huge pages; on Windows the
# functions that it looked up. (hf_arena_unopened is a byte that is never written.)
#
#   cmake -D LIBRARY=libholdfast.a -D NM=nm -D INSTRUMENTED= -P symbols.cmake
#
# If INSTRUMENTED is not empty, the instrumentation has static memory too: then only the calls are
# compared.
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
# heap_fault.c prints and aborts if a program sets no on_fault. In one file with all sources it is no
# member of its own.
string(REGEX REPLACE "\nheap_fault[^\n]*:\n(  [^\n]*\n)*" "\n" symbols "${symbols}")
if(symbols MATCHES "\nholdfast[.]c[^\n]*:\n")
    list(REMOVE_ITEM forbidden fprintf abort)
endif()
foreach(name IN LISTS forbidden)
    if(symbols MATCHES " U (__imp_)?${name}(@[^\n]*)?\n")
        message(FATAL_ERROR "the library calls ${name}")
    endif()
endforeach()

# A line of nm is "name  |0000000000000000|   b  |  OBJECT|0000000000000008|  |.bss". Thread-local
# memory is in the section .tbss or .tls. Sections are symbols too; their names begin with a dot.
if(INSTRUMENTED STREQUAL "")
    read_output(table ${NM} --format=sysv ${LIBRARY})
    string(REGEX MATCHALL "\n[^.|\n][^|\n]*[^\n]*\\|[ \t]*(\\.data|\\.bss|COMMON|\\*COM\\*)[ \t]*(\n|$)"
           writable "${table}")
    list(FILTER writable EXCLUDE REGEX
         "^\n(hf_arena_unopened|budget_(spent|exhausted)|posix_(fork_mutex|gate|met_huge_file)|win_api|once[.0-9]*) ")
    if(writable)
        message(FATAL_ERROR "the library has state of its own: ${writable}")
    endif()
    if(NOT table MATCHES "\nstatus_last_error [^\n]*\\|\\.(tbss|tls)")
        message(FATAL_ERROR "no status_last_error: the symbols of ${LIBRARY} were not read")
    endif()
endif()
