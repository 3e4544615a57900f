# The tests of heaps. Labels as in arena.cmake.

holdfast_test(test_heap test_heap.c recorder.c LABELS heap valgrind)
holdfast_test(test_heap_faults test_heap_faults.c process.c LABELS heap valgrind)
holdfast_test(test_heap_fuzzed test_heap_fuzzed.c LABELS heap valgrind)
holdfast_test(test_heap_failures test_heap_failures.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS heap)
holdfast_test(test_heap_threads test_heap_threads.c LABELS heap valgrind tsan)

# ---- Sanitizers: deliberate errors that they must report. POSIX only. See arena.cmake.

if(NOT UNIX)
    return()
endif()

# Defines the symbols of AddressSanitizer's runtime.
if(NOT sanitizer MATCHES "address")
    holdfast_test(test_heap_sanitizer test_heap_sanitizer.c LABELS heap)
    return()
endif()

add_executable(negative_heap negative_heap.c)
target_link_libraries(negative_heap PRIVATE holdfast holdfast_warnings)
set_target_properties(negative_heap PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
foreach(error overflow overflow_of_a_medium_block overflow_of_a_large_block
        overflow_of_a_zeroed_block overflow_after_shrinking use_after_free
        use_after_free_of_a_medium_block use_after_free_of_a_large_block use_after_growing
        use_after_other_frees)
    add_test(NAME negative_heap_${error} COMMAND negative_heap ${error})
    set_tests_properties(negative_heap_${error} PROPERTIES LABELS heap
                         PASS_REGULAR_EXPRESSION "use-after-poison.*of size 1"
                         ENVIRONMENT ASAN_OPTIONS=symbolize=0)
endforeach()
add_test(NAME negative_heap_none COMMAND negative_heap none)
set_tests_properties(negative_heap_none PROPERTIES LABELS heap)
