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
list(APPEND expected _ZnwS _ZnwSSt11align_val_t _ZdlPv _ZdlPvSt11align_val_t)
list(SORT expected)

execute_process(COMMAND ${NM} -D --defined-only ${LIBRARY} OUTPUT_VARIABLE table
                COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^ \n]+\n" exported "${table}")
list(TRANSFORM exported STRIP)
list(TRANSFORM exported REPLACE "^(_Znw)[mj]" "\\1S")
list(SORT exported)

if(NOT "${expected}" STREQUAL "${exported}")
    set(extra ${exported})
    list(REMOVE_ITEM extra ${expected})
    list(REMOVE_ITEM expected ${exported})
    message(FATAL_ERROR "not exported: ${expected}\nexported, but not wanted: ${extra}")
endif()
