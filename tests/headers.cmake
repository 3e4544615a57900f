# The public headers, and the C snippets in their comments and in README.
#
#   test_headers_cxx        a C++11 program
#   test_snippets           calls every function of the snippets; snippets.awk says what a snippet is
#   test_headers_COMPILER_* each header alone, and
#   test_snippets_COMPILER  each snippet alone, with every compiler that is installed

if(CMAKE_CXX_COMPILER)
    holdfast_test(test_headers_cxx test_headers_cxx.cc LABELS arena)
    set_target_properties(test_headers_cxx PROPERTIES CXX_STANDARD 11)
endif()

file(GLOB headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.h
     ${PROJECT_SOURCE_DIR}/include/*/*.h)

# Extracted when CMake runs, which it does again after a change of these files.
set(snippets ${CMAKE_CURRENT_BINARY_DIR}/snippets)
set(files_with_snippets ${PROJECT_SOURCE_DIR}/README.md ${headers})
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files_with_snippets} snippets.awk)
file(REMOVE_RECURSE ${snippets})
file(MAKE_DIRECTORY ${snippets})
execute_process(COMMAND awk -v folder=${snippets} -f ${CMAKE_CURRENT_SOURCE_DIR}/snippets.awk
                        ${files_with_snippets} COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
file(GLOB each_snippet ${snippets}/*.c)
holdfast_test(test_snippets test_snippets.c disk.c LABELS arena)
target_include_directories(test_snippets PRIVATE ${snippets})

# These compilers are the same whatever is built here, so one 64-bit build of a system is enough.
if(HOLDFAST_CASES STREQUAL "FEW" AND CMAKE_SIZEOF_VOID_P EQUAL 8 AND NOT WIN32)
    return()
endif()

# C's {0} initialises all members; g++ and clang++ warn of it.
set(c11 -x c -std=c11)
set(c++11 -x c++ -std=c++11 -Wno-missing-field-initializers)

function(test_compiler name compiler standard)
    add_test(NAME ${name} COMMAND ${path_of_${compiler}} -Wall -Wextra -Wpedantic -Wconversion
             -Wshadow -Werror ${${standard}} -fsyntax-only $<$<NOT:${is_64_bit}>:-m32>
             -I${PROJECT_SOURCE_DIR}/include ${ARGN} COMMAND_EXPAND_LISTS)
    set_tests_properties(${name} PROPERTIES LABELS arena)
endfunction()

# The adapters that include no header of their library.
set(own_adapters libxml2.h lua.h ode.h tree_sitter.h yyjson.h zlib.h)
function(test_headers compiler standard)
    find_program(path_of_${compiler} ${compiler})
    if(NOT path_of_${compiler})
        return()
    endif()
    test_compiler(test_snippets_${compiler} ${compiler} ${standard} ${each_snippet})
    list(TRANSFORM own_adapters PREPEND ${PROJECT_SOURCE_DIR}/include/holdfast/adapt/)
    foreach(path ${headers} ${own_adapters})
        file(RELATIVE_PATH header ${PROJECT_SOURCE_DIR}/include ${path})
        string(MAKE_C_IDENTIFIER "test_headers_${compiler}_${header}" name)
        test_compiler(${name} ${compiler} ${standard}
                      -DHEADER=<${header}> ${CMAKE_CURRENT_SOURCE_DIR}/test_headers_alone.c)
    endforeach()
endfunction()

if(WIN32)
    test_headers(x86_64-w64-mingw32-gcc c11)
    test_headers(x86_64-w64-mingw32-g++ c++11)
elseif(HOLDFAST_CXX)
    test_headers(gcc c11)
    test_headers(clang c11)
    test_headers(g++ c++11)
    test_headers(clang++ c++11)
endif()
