# Tests for POSIX only: failures of the backend, limits of the system, the list of mappings.

# Includes the source of the backend, so it is compiled with the same settings as the library. The
# amalgamation has that source in the same object as all others.
if(NOT HOLDFAST_AMALGAMATION)
    holdfast_test(test_posix_failures test_posix_failures.c space_fixture.c probe.c process.c
                  LABELS space)
    # Drafts lock their folder: another test that saves there at the same time would be seen.
    file(MAKE_DIRECTORY ${HOLDFAST_TEST_FILES}/posix_failures)
    set_tests_properties(test_posix_failures PROPERTIES
                         WORKING_DIRECTORY ${HOLDFAST_TEST_FILES}/posix_failures)
    target_compile_definitions(test_posix_failures PRIVATE
        $<$<BOOL:${HOLDFAST_GENERIC_POSIX}>:HF_GENERIC_POSIX=1>)
endif()

# Only a library that was built without NDEBUG has assertions.
string(TOUPPER "CMAKE_C_FLAGS_${CMAKE_BUILD_TYPE}" flags_of_build_type)
if(NOT "${CMAKE_C_FLAGS} ${${flags_of_build_type}}" MATCHES "-DNDEBUG")
    holdfast_test(test_assertions test_assertions.c LABELS space)
    target_include_directories(test_assertions PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_compile_definitions(test_assertions PRIVATE $<$<BOOL:${HOLDFAST_PROVE}>:HF_PROVE=1>)
else()
    message(STATUS "test_assertions: not built, because NDEBUG removes the assertions")
endif()

# Which kinds of files can be opened and mapped.
holdfast_test(test_file_posix test_file_posix.c disk.c process.c LABELS space)

holdfast_test(test_fork test_fork.c LABELS space tsan)

holdfast_test(test_space_change_posix test_space_change_posix.c probe.c process.c LABELS space)
target_link_libraries(test_space_change_posix PRIVATE Threads::Threads)

# Only Linux has a list of mappings; the generic POSIX backend has no check function.
if(NOT HOLDFAST_GENERIC_POSIX)
    holdfast_test(test_space_check_linux
                  test_space_check_linux.c space_fixture.c probe.c process.c LABELS space)

    # Changes vm.nr_hugepages of the whole machine while it runs.
    holdfast_test(test_hugetlb test_hugetlb.c process.c LABELS space)
    set_tests_properties(test_hugetlb PROPERTIES RUN_SERIAL ON RESOURCE_LOCK hugepages)
endif()

# The library is position-independent: it links into a shared object.
add_library(shared_object SHARED shared_object.c)
target_link_libraries(shared_object PRIVATE holdfast holdfast_warnings)
add_executable(test_shared_object test_shared_object.c)
target_link_libraries(test_shared_object PRIVATE shared_object holdfast_warnings Threads::Threads)
target_include_directories(test_shared_object PRIVATE ${PROJECT_SOURCE_DIR}/include)
set_target_properties(shared_object test_shared_object PROPERTIES
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
add_test(NAME test_shared_object COMMAND test_shared_object)
set_tests_properties(test_shared_object PROPERTIES LABELS space)

# These tests reach real limits of the system. A test that needs root says so where it is skipped.
holdfast_test(test_limits_files test_limits_files.c process.c LABELS space)
holdfast_test(test_limits_disk test_limits_disk.c process.c LABELS space)

# Sanitizers reserve terabytes, so the process is above these limits before main, and they cannot
# release memory at the limit on mappings.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize=")
    holdfast_test(test_limits test_limits.c process.c LABELS space)

    # Where a million mappings are allowed, a 32-bit process has not enough addresses to reach that.
    file(READ /proc/sys/vm/max_map_count max_map_count)
    if(CMAKE_SIZEOF_VOID_P GREATER 4 OR max_map_count LESS 200000)
        holdfast_test(test_limits_mappings test_limits_mappings.c probe.c process.c LABELS space)
        target_compile_definitions(test_limits_mappings PRIVATE
            HOLDFAST_GENERIC_POSIX=$<BOOL:${HOLDFAST_GENERIC_POSIX}>)
    endif()

    # Changes vm.overcommit_memory of the whole machine while it runs. Committing more memory than
    # the machine has needs more addresses than a 32-bit process has.
    if(CMAKE_SIZEOF_VOID_P GREATER 4)
        holdfast_test(test_limits_overcommit test_limits_overcommit.c LABELS space)
        set_tests_properties(test_limits_overcommit PROPERTIES
            RUN_SERIAL ON RESOURCE_LOCK overcommit)
    endif()
endif()
