# Checks for Microsoft's compiler without having it: clang in its compatibility mode (msvc_mode.h)
# with mingw-w64's headers and linker. So this is a part of the build for Windows.
#
#   msvc_mode_*   compiles each source of the library and of the command as C11, and the public
#                 headers as C11 and C++14: as Microsoft's compiler and as clang-cl; for x64, x86
#                 and arm64
#   msvc_run_*    runs tests with a library that was compiled in that mode

find_program(HOLDFAST_CLANG clang REQUIRED)
find_path(HOLDFAST_MINGW_INCLUDE windows.h NO_DEFAULT_PATH NO_CMAKE_FIND_ROOT_PATH REQUIRED
          PATHS ${CMAKE_C_IMPLICIT_INCLUDE_DIRECTORIES})
file(GLOB plain_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.c)
list(APPEND plain_sources ${PROJECT_SOURCE_DIR}/src/backend/strict.c)
set(windows_source ${PROJECT_SOURCE_DIR}/src/backend/windows.c)
file(GLOB tool_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/examples/tour/*.c
     ${PROJECT_SOURCE_DIR}/src/tool/*.c)
list(FILTER tool_sources EXCLUDE REGEX "/platform_windows[.]c$|_posix[.]c$")
set(tool_windows_source ${PROJECT_SOURCE_DIR}/examples/tour/platform_windows.c)
set(tool_options -I${PROJECT_SOURCE_DIR}/fuzz -I${PROJECT_SOURCE_DIR}/examples/tour
    -I${PROJECT_SOURCE_DIR}/src/tool -DHOLDFAST_VERSION="")

# ---- Every GNU keyword in the sources is poisoned for that compiler

set(gnu_words _Atomic _Thread_local typeof "__(asm|attribute|extension|inline|thread|typeof)(__)?"
              "__(builtin|atomic|sync)_[a-z0-9_]+")
list(JOIN gnu_words | gnu_words)
file(GLOB_RECURSE scanned CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/*.h
     ${PROJECT_SOURCE_DIR}/src/*.[ch])
foreach(source ${scanned})
    file(READ ${source} text)
    string(REGEX MATCHALL "[A-Za-z0-9_]+" words "${text}")
    list(FILTER words INCLUDE REGEX "^(${gnu_words})$")
    list(APPEND poison ${words})
endforeach()
list(REMOVE_DUPLICATES poison)
list(JOIN poison " " poison)
file(CONFIGURE OUTPUT gnu_words.h CONTENT "#pragma GCC poison @poison@\n" @ONLY)

# ---- The commands

# msvc_mode(RESULT PROCESSOR options...): the command that acts as Microsoft's compiler, version
# 2019 16.8. It assumes SSE2 on x86 too.
function(msvc_mode result processor)
    set(${result} ${HOLDFAST_CLANG} --target=${processor}-pc-windows-msvc
        -fms-compatibility-version=19.28 $<$<STREQUAL:${processor},i686>:-msse2>
        -idirafter ${HOLDFAST_MINGW_INCLUDE} -I${PROJECT_SOURCE_DIR}/include
        -I${CMAKE_CURRENT_BINARY_DIR} -include ${CMAKE_CURRENT_SOURCE_DIR}/msvc_mode.h
        -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wvla -Werror ${ARGN} PARENT_SCOPE)
endfunction()

function(clang_cl result processor)
    set(${result} ${HOLDFAST_CLANG} --driver-mode=cl --target=${processor}-pc-windows-msvc
        -fmsc-version=1928 /clang:-idirafter${HOLDFAST_MINGW_INCLUDE}
        -I${PROJECT_SOURCE_DIR}/include /FI${CMAKE_CURRENT_SOURCE_DIR}/msvc_mode.h
        -DMSVC_MODE_CLANG_CL /W4 /WX ${ARGN} PARENT_SCOPE)
endfunction()

# ---- Compiling

function(test_compiles name)
    add_test(NAME msvc_mode_${name} COMMAND ${ARGN} COMMAND_EXPAND_LISTS)
    set_tests_properties(msvc_mode_${name} PROPERTIES LABELS msvc)
endfunction()

set(headers -DHEADER=<holdfast.h> -- ${CMAKE_CURRENT_SOURCE_DIR}/test_headers_alone.c)
foreach(processor x86_64 i686 aarch64)
    msvc_mode(msvc ${processor} -fsyntax-only)
    if(NOT processor STREQUAL "x86_64") # which the build compiles for msvc_run_*
        test_compiles(${processor}_library ${msvc} -std=c11 ${plain_sources})
        test_compiles(${processor}_backend ${msvc} -std=c11 -DMSVC_MODE_WINDOWS_H
                      ${windows_source})
    endif()
    test_compiles(${processor}_tool ${msvc} -std=c11 ${tool_options} ${tool_sources})
    test_compiles(${processor}_tool_host ${msvc} -std=c11 -DMSVC_MODE_WINDOWS_H
                  ${tool_windows_source})
    test_compiles(${processor}_headers_c ${msvc} -std=c11 ${headers})
    test_compiles(${processor}_headers_cxx ${msvc} -std=c++14 -x c++ ${headers})

    clang_cl(clang_cl ${processor} /Zs)
    test_compiles(${processor}_clang_cl_library ${clang_cl} /std:c11 -- ${plain_sources})
    test_compiles(${processor}_clang_cl_backend ${clang_cl} /std:c11 -DMSVC_MODE_WINDOWS_H
                  -- ${windows_source})
    test_compiles(${processor}_clang_cl_headers_cxx ${clang_cl} /std:c++14 /TP ${headers})
endforeach()

# ---- Running

msvc_mode(msvc x86_64 -std=c11 -O2 -MD)
foreach(source ${plain_sources} ${windows_source})
    cmake_path(GET source STEM name)
    set(object ${CMAKE_CURRENT_BINARY_DIR}/msvc_mode_${name}.obj)
    add_custom_command(OUTPUT ${object} DEPENDS ${source} msvc_mode.h DEPFILE ${object}.d
        COMMAND ${msvc} $<$<STREQUAL:${name},windows>:-DMSVC_MODE_WINDOWS_H>
                -MF ${object}.d -c ${source} -o ${object} COMMAND_EXPAND_LISTS)
    list(APPEND objects ${object})
endforeach()
# The compilers' functions that probe large stack frames do the same; mingw-w64's has another name.
add_library(holdfast_msvc STATIC ${objects})
target_link_options(holdfast_msvc INTERFACE -Wl,--defsym=__chkstk=___chkstk_ms)
set_target_properties(holdfast_msvc PROPERTIES LINKER_LANGUAGE C)
target_include_directories(holdfast_msvc INTERFACE ${PROJECT_SOURCE_DIR}/include)

foreach(test test_status test_space test_file test_region_map test_strict test_threads
        test_ring test_arena_alloc test_arena_extend test_arena_text test_arena_random
        test_arena_threads)
    get_target_property(sources ${test} SOURCES)
    add_executable(msvc_run_${test} ${sources})
    target_include_directories(msvc_run_${test} PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(msvc_run_${test} PRIVATE
        holdfast_msvc holdfast_warnings Threads::Threads)
    # In a separate folder: the same test of the normal build uses the same file names.
    file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/msvc)
    add_test(NAME msvc_run_${test} COMMAND msvc_run_${test}
             WORKING_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/msvc)
    set_tests_properties(msvc_run_${test} PROPERTIES SKIP_RETURN_CODE 77 LABELS msvc)
endforeach()
