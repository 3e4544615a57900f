# The arena tests. Tests with the label valgrind also run under Valgrind, in the build without a
# sanitizer that `dev` chooses. Tests that commit gigabytes do not: Valgrind needs minutes for them.

set(is_64_bit $<EQUAL:${CMAKE_SIZEOF_VOID_P},8>)
string(REGEX MATCH "sanitize=[a-z,-]*(address|thread)" sanitizer "${CMAKE_C_FLAGS}")

# ---- The contract of every function

holdfast_test(test_arena_open test_arena_open.c recorder.c process.c LABELS arena valgrind tsan)
holdfast_test(test_arena_budget test_arena_budget.c disk.c LABELS arena valgrind)
holdfast_test(test_arena_errors test_arena_errors.c recorder.c LABELS arena valgrind)
holdfast_test(test_arena_lazy test_arena_lazy.c disk.c LABELS arena valgrind)
holdfast_test(test_arena_alloc test_arena_alloc.c LABELS arena valgrind)
holdfast_test(test_arena_extend test_arena_extend.c recorder.c LABELS arena valgrind)
holdfast_test(test_arena_free test_arena_free.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena valgrind)
holdfast_test(test_arena_peek test_arena_peek.c recorder.c LABELS arena valgrind)
holdfast_test(test_arena_text test_arena_text.c LABELS arena valgrind)
holdfast_test(test_arena_rewind test_arena_rewind.c recorder.c probe.c process.c
              LABELS arena valgrind)
holdfast_test(test_arena_scopes test_arena_scopes.c LABELS arena valgrind)
holdfast_test(test_array test_array.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena valgrind)
holdfast_test(test_stream test_stream.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena valgrind)
holdfast_test(test_scratch test_scratch.c recorder.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena valgrind)
holdfast_test(test_arena_reset test_arena_reset.c recorder.c disk.c LABELS arena)
if(UNIX) # where a split is bookkeeping, so that memory can be committed in pretence
    holdfast_test(test_arena_patterns test_arena_patterns.c recorder.c LABELS arena)
endif()
holdfast_test(test_arena_growth test_arena_growth.c recorder.c LABELS arena)
holdfast_test(test_arena_on_failure test_arena_on_failure.c recorder.c LABELS arena valgrind)
if(CMAKE_CXX_COMPILER)
    holdfast_test(test_arena_exception test_arena_exception.cc LABELS arena valgrind)
endif()
holdfast_test(test_arena_refs test_arena_refs.c recorder.c LABELS arena valgrind)
holdfast_test(test_arena_stats test_arena_stats.c recorder.c LABELS arena valgrind)
holdfast_test(test_arena_random test_arena_random.c recorder.c LABELS arena valgrind)
holdfast_test(test_arena_threads test_arena_threads.c LABELS arena valgrind tsan)
holdfast_test(test_arena_defer test_arena_defer.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena valgrind)
holdfast_test(test_pool test_pool.c recorder.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena valgrind tsan)

# ---- With the n-th call failing

holdfast_test(test_arena_failures test_arena_failures.c nth_failure.c disk.c space_fixture.c probe.c
              LABELS arena)

# ---- Resident pages, as the system reports them

holdfast_test(test_arena_pages test_arena_pages.c process.c LABELS arena)

# HF_BASE_FIXED exists on 64 bits only.
if(CMAKE_SIZEOF_VOID_P EQUAL 8)
    holdfast_test(test_arena_fixed_base test_arena_fixed_base.c process.c LABELS arena valgrind)
endif()

# ---- POSIX and Linux: fork, the list of mappings, resource limits, strace

if(UNIX)
    holdfast_test(test_arena_fork test_arena_fork.c process.c LABELS arena valgrind)
    holdfast_test(test_arena_mappings test_arena_mappings.c process.c LABELS arena)

    # Not with a sanitizer, which causes page faults itself; nor with the generic POSIX backend,
    # which has no hints.
    if(NOT sanitizer AND NOT HOLDFAST_GENERIC_POSIX)
        holdfast_test(test_arena_faults test_arena_faults.c process.c LABELS arena)
    endif()

    # Not with a sanitizer: its reservations exceed the limits, and it makes system calls itself.
    if(NOT sanitizer)
        holdfast_test(test_arena_limits test_arena_limits.c process.c LABELS arena)
        holdfast_test(test_arena_frames test_arena_frames.c LABELS arena)
    endif()
endif()

# ---- Sanitizers: what the arena poisons, and deliberate errors that they must report. POSIX only.

if(NOT UNIX)
    return()
endif()

# Defines the symbols of AddressSanitizer's runtime.
if(NOT sanitizer MATCHES "address")
    holdfast_test(test_arena_sanitizer test_arena_sanitizer.c LABELS arena)
endif()

set(errors overflow overflow_by_a_load underflow underflow_of_the_first_block use_after_rewind
    load_after_rewind use_after_reset use_after_scope use_of_scratch_after_its_scope touch_beyond_pos
    touch_the_end_of_what_is_committed touch_what_grew use_after_shrinking overflow_after_extending
    overflow_after_reallocating use_of_peeked_bytes_that_were_not_taken
    use_of_peeked_bytes_after_a_rewind overflow_of_a_text overflow_of_an_array use_after_trimming
    overflow_after_saving overflow_after_copying_peeked_bytes use_after_free
    use_after_freeing_another_block)

# test_errors(PREFIX REPORT command...): the command with each error must print that report; with
# `none` it must succeed. Naming the lines of the stack would take most of the time.
function(test_errors prefix report)
    foreach(error ${errors})
        add_test(NAME ${prefix}_${error} COMMAND ${ARGN} ${error})
        set_tests_properties(${prefix}_${error} PROPERTIES LABELS arena
                             PASS_REGULAR_EXPRESSION "${report}"
                             ENVIRONMENT ASAN_OPTIONS=symbolize=0)
    endforeach()
    add_test(NAME ${prefix}_none COMMAND ${ARGN} none)
    set_tests_properties(${prefix}_none PROPERTIES LABELS arena)
endfunction()

function(negative_program name library)
    add_executable(${name} negative_arena.c)
    target_link_libraries(${name} PRIVATE ${library} holdfast_warnings)
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
endfunction()

negative_program(negative_arena holdfast)

if(sanitizer MATCHES "address")
    test_errors(negative_asan "use-after-poison.*of size 1" negative_arena)

    # The same program with a library that was built without AddressSanitizer.
    get_target_property(sources holdfast SOURCES)
    list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/ REGEX "^src/")
    add_library(holdfast_plain STATIC ${sources})
    target_compile_options(holdfast_plain PRIVATE -fno-sanitize=all)
    target_include_directories(holdfast_plain PRIVATE ${PROJECT_SOURCE_DIR}/src
                               PUBLIC ${PROJECT_SOURCE_DIR}/include)
    negative_program(negative_arena_plain holdfast_plain)
    test_errors(negative_plain "use-after-poison.*of size 1" $<TARGET_FILE:negative_arena_plain>)

    # AddressSanitizer includes LeakSanitizer.
    holdfast_test(test_arena_leaks test_arena_leaks.c LABELS arena)

    # Objects with and without AddressSanitizer in one program.
    holdfast_test(test_arena_mixed test_arena_mixed.c test_arena_mixed_plain.c LABELS arena)
    set_source_files_properties(test_arena_mixed_plain.c PROPERTIES COMPILE_OPTIONS
                                -fno-sanitize=all)
endif()

# MemorySanitizer needs the whole program instrumented, so the library is built once more. One build
# type is enough.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_SYSTEM_NAME STREQUAL "Linux" AND is_64_bit
   AND CMAKE_BUILD_TYPE STREQUAL "Debug" AND CMAKE_C_FLAGS STREQUAL "")
    get_target_property(sources holdfast SOURCES)
    list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/ REGEX "^src/")
    add_library(holdfast_msan STATIC ${sources})
    target_compile_options(holdfast_msan PUBLIC -O1 -fsanitize=memory)
    target_link_options(holdfast_msan PUBLIC -fsanitize=memory)
    target_include_directories(holdfast_msan PRIVATE ${PROJECT_SOURCE_DIR}/src
                               PUBLIC ${PROJECT_SOURCE_DIR}/include)
    target_link_libraries(holdfast_msan PUBLIC Threads::Threads)
    negative_program(negative_arena_msan holdfast_msan)
    foreach(error use_of_a_value_never_written use_of_a_rewound_value)
        add_test(NAME negative_msan_${error} COMMAND negative_arena_msan ${error})
        set_tests_properties(negative_msan_${error} PROPERTIES LABELS arena
                             PASS_REGULAR_EXPRESSION "use-of-uninitialized-value")
    endforeach()
    add_test(NAME negative_msan_none COMMAND negative_arena_msan none)
    set_tests_properties(negative_msan_none PROPERTIES LABELS arena)
    add_executable(test_arena_msan test_arena_msan.c disk_posix.c)
    target_link_libraries(test_arena_msan PRIVATE holdfast_msan holdfast_warnings)
    set_target_properties(test_arena_msan PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
    add_test(NAME test_arena_msan COMMAND test_arena_msan)
    set_tests_properties(test_arena_msan PROPERTIES LABELS arena)
endif()

# Valgrind cannot run a program with a sanitizer. One build type, with debugging information, is
# enough.
find_program(valgrind valgrind)
if(valgrind AND NOT sanitizer AND CMAKE_BUILD_TYPE STREQUAL "Debug")
    test_errors(negative_valgrind "Invalid (read|write) of size 1"
                ${valgrind} --error-exitcode=1 $<TARGET_FILE:negative_arena>)
    add_test(NAME negative_valgrind_use_of_a_value_never_written COMMAND ${valgrind}
             $<TARGET_FILE:negative_arena> use_of_a_value_never_written)
    set_tests_properties(negative_valgrind_use_of_a_value_never_written PROPERTIES LABELS arena
                         PASS_REGULAR_EXPRESSION "depends on uninitialised value")
endif()
