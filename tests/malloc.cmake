# The tests of libholdfast-malloc.so. ELF systems only. Labels as in arena.cmake.
#
# malloc_small is its code with small heaps, without the names: it is used beside a program's malloc.

add_library(malloc_small STATIC ${PROJECT_SOURCE_DIR}/src/malloc/blocks.c
            ${PROJECT_SOURCE_DIR}/src/malloc/faults.c ${PROJECT_SOURCE_DIR}/src/malloc/huge_pages.c
            ${PROJECT_SOURCE_DIR}/src/malloc/owners.c)
target_link_libraries(malloc_small PUBLIC holdfast PRIVATE holdfast_warnings)
target_include_directories(malloc_small PUBLIC ${PROJECT_SOURCE_DIR}/src/malloc)
target_compile_definitions(malloc_small PUBLIC
    HF_MALLOC_MAIN_RESERVE=\(\(size_t\)1<<28\) HF_MALLOC_SHARED_RESERVE=\(\(size_t\)1<<28\)
    HF_MALLOC_SLOT_SHIFT=25 HF_MALLOC_SLOTS_EACH=1 HF_MALLOC_MOST_SLOTS=16
    HF_MALLOC_ADDRESS_BITS=$<IF:$<EQUAL:${CMAKE_SIZEOF_VOID_P},8>,48,32>)

holdfast_test(test_malloc test_malloc.c LABELS heap tsan)
target_link_libraries(test_malloc PRIVATE malloc_small)

holdfast_test(test_malloc_stress_small test_malloc_stress.c LABELS heap tsan)
target_compile_definitions(test_malloc_stress_small PRIVATE MALLOC_STRESS_SMALL)
target_link_libraries(test_malloc_stress_small PRIVATE malloc_small)
# Its last line are the statistics.
set_tests_properties(test_malloc_stress_small PROPERTIES ENVIRONMENT HOLDFAST_STATS=1)

holdfast_test(test_malloc_huge_pages test_malloc_huge_pages.c process.c LABELS heap)
target_sources(test_malloc_huge_pages PRIVATE ${PROJECT_SOURCE_DIR}/src/malloc/huge_pages.c)
target_include_directories(test_malloc_huge_pages PRIVATE ${PROJECT_SOURCE_DIR}/src/malloc)
target_compile_definitions(test_malloc_huge_pages PRIVATE HF_MALLOC_CLOCK=huge_pages_test_clock)

# ---- The library itself

if(NOT HOLDFAST_MALLOC)
    return()
endif()

function(holdfast_malloc_test name source)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE holdfast-malloc holdfast_warnings ${CMAKE_DL_LIBS})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    add_test(NAME ${name} COMMAND ${name})
    set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 LABELS heap)
endfunction()

holdfast_malloc_test(test_malloc_names test_malloc_names.c)
target_compile_options(test_malloc_names PRIVATE -fno-builtin)
holdfast_malloc_test(test_malloc_stress test_malloc_stress.c)
if(CMAKE_CXX_COMPILER)
    holdfast_malloc_test(test_malloc_names_cxx test_malloc_names_cxx.cc)
    target_compile_options(test_malloc_names_cxx PRIVATE -Wno-mismatched-new-delete
                           -fsized-deallocation)
    holdfast_malloc_test(test_malloc_replaced_cxx test_malloc_replaced_cxx.cc)
    target_compile_options(test_malloc_replaced_cxx PRIVATE
        $<$<CXX_COMPILER_ID:GNU>:-Wno-sized-deallocation>)
    add_library(malloc_plugin MODULE malloc_plugin.cc)
    target_link_libraries(malloc_plugin PRIVATE holdfast_warnings)
    holdfast_malloc_test(test_malloc_plugin test_malloc_plugin.c)
    target_compile_definitions(test_malloc_plugin PRIVATE PLUGIN="$<TARGET_FILE:malloc_plugin>")
    add_dependencies(test_malloc_plugin malloc_plugin)
endif()

include(CheckSymbolExists)
check_symbol_exists(mallinfo malloc.h HOLDFAST_HAS_MALLINFO)
add_test(NAME test_malloc_exports COMMAND ${CMAKE_COMMAND} -D LIBRARY=$<TARGET_FILE:holdfast-malloc>
    -D NM=${CMAKE_NM} -D MALLINFO=${HOLDFAST_HAS_MALLINFO}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/malloc_exports.cmake)
add_test(NAME test_malloc_preload COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/malloc_preload.sh
         $<TARGET_FILE:holdfast-malloc> ${CMAKE_CURRENT_BINARY_DIR}/malloc_preload)
set_tests_properties(test_malloc_exports test_malloc_preload PROPERTIES LABELS heap
                     SKIP_RETURN_CODE 77)
