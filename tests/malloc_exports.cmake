# Checks that libholdfast-malloc.so exports the functions that allocate, and no other name.
#
#   cmake -D LIBRARY=libholdfast-malloc.so -D NM=nm -D MALLINFO=ON -P malloc_exports.cmake
#
# In mangled names size_t is m or j.
set(expected malloc free free_sized free_aligned_sized calloc realloc reallocarray aligned_alloc
    posix_memalign memalign valloc pvalloc malloc_usable_size malloc_trim)
if(MALLINFO)
    list(APPEND expected mallinfo mallinfo2)
endif()
foreach(kind w a)
    foreach(arguments "" RKSt9nothrow_t St11align_val_t St11align_val_tRKSt9nothrow_t)
        list(APPEND expected _Zn${kind}S${arguments})
    endforeach()
endforeach()
foreach(kind l a)
    foreach(arguments "" S RKSt9nothrow_t St11align_val_t SSt11align_val_t
            St11align_val_tRKSt9nothrow_t)
        list(APPEND expected _Zd${kind}Pv${arguments})
    endforeach()
endforeach()
list(SORT expected)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE table
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \n]+\n" exported "${table}")
list(TRANSFORM exported STRIP)
list(TRANSFORM exported REPLACE "^(_Zn[wa]|_Zd[la]Pv)[mj]" "\\1S")
list(SORT exported)

if(NOT "${expected}" STREQUAL "${exported}")
    set(extra ${exported})
    list(REMOVE_ITEM extra ${expected})
    list(REMOVE_ITEM expected ${exported})
    message(FATAL_ERROR "not exported: ${expected}\nexported, but not wanted: ${extra}")
endif()
