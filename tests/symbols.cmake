# What the library promises not to do, proved from its symbols: it calls none of these functions,
# and its only writable memory is each thread's last error.
#
#   cmake -D LIBRARY=libholdfast.a -D NM=nm -D OBJDUMP=objdump -D INSTRUMENTED= -P symbols.cmake
#
# Where INSTRUMENTED names an instrumentation, its own memory is in there too: only the names below
# are looked for.
set(forbidden malloc calloc realloc free posix_memalign aligned_alloc strdup
              printf fprintf vprintf vfprintf puts fputs putchar fputc fwrite perror
              abort exit _exit quick_exit raise kill signal sigaction getenv setenv)

function(read_output result)
    execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
    set(${result} "${output}" PARENT_SCOPE)
endfunction()

read_output(symbols ${NM} --undefined-only ${LIBRARY})
if(NOT symbols MATCHES " U mmap")
    message(FATAL_ERROR "no call of mmap: the symbols of ${LIBRARY} were not read")
endif()
foreach(name IN LISTS forbidden)
    if(symbols MATCHES " U ${name}(@[^\n]*)?\n")
        message(FATAL_ERROR "the library calls ${name}")
    endif()
endforeach()

# "0000000000000000 l     O .bss	0000000000000008 name"; .tbss is each thread's own.
if(INSTRUMENTED STREQUAL "")
    read_output(table ${OBJDUMP} --syms ${LIBRARY})
    string(REGEX MATCHALL "[^\n]* O \\.(data|bss|common)[ \t][^\n]*" writable "${table}")
    if(writable)
        message(FATAL_ERROR "the library has state of its own: ${writable}")
    endif()
    if(NOT table MATCHES " \\.tbss[ \t][^\n]* last_error")
        message(FATAL_ERROR "no last_error: the symbols of ${LIBRARY} were not read")
    endif()
endif()
