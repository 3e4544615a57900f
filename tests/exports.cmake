# Checks that libholdfast.so exports the functions that the headers declare, and no other name.
#
#   cmake -D LIBRARY=libholdfast.so -D NM=nm -D READELF=readelf -D SONAME=libholdfast.so.0.1
#         -D HEADERS=include/holdfast -P exports.cmake

# A declaration begins in the first column, and is no inline function.
file(GLOB headers ${HEADERS}/*.h)
foreach(header IN LISTS headers)
    file(STRINGS ${header} lines REGEX "^[A-Za-z].*[ *]hf_[a-z0-9_]+\\(")
    list(FILTER lines EXCLUDE REGEX "^(static|typedef) ")
    list(TRANSFORM lines REPLACE "^[^(]*[ *](hf_[a-z0-9_]+)\\(.*" "\\1")
    list(APPEND declared ${lines})
endforeach()
list(REMOVE_ITEM declared hf_backend_before_placeholders) # of Windows alone
list(APPEND declared hf_arena_unopened) # data, of HF_ARENA_LAZY
list(SORT declared)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE table
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \n]+\n" exported "${table}")
list(TRANSFORM exported STRIP)
list(SORT exported)

list(LENGTH declared count)
if(count LESS 50)
    message(FATAL_ERROR "only ${count} functions: the headers in ${HEADERS} were not read")
endif()
if(NOT "${declared}" STREQUAL "${exported}")
    set(extra ${exported})
    list(REMOVE_ITEM extra ${declared})
    list(REMOVE_ITEM declared ${exported})
    message(FATAL_ERROR "declared, but not exported: ${declared}\n"
                        "exported, but not declared: ${extra}")
endif()

execute_process(COMMAND ${READELF} -d ${LIBRARY} OUTPUT_VARIABLE dynamic
                COMMAND_ERROR_IS_FATAL ANY)
if(NOT dynamic MATCHES "SONAME[^\n]*\\[([^]]*)\\]" OR NOT CMAKE_MATCH_1 STREQUAL SONAME)
    message(FATAL_ERROR "the soname is ${CMAKE_MATCH_1}, not ${SONAME}")
endif()
message(STATUS "${count} functions")
