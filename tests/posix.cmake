# What only POSIX systems have: their backend's failures, their limits, their list of mappings.

# Includes the backend's source, which it needs in the same build as the library's.
holdfast_test(test_posix_failures test_posix_failures.c scene.c probe.c LABELS space)
target_compile_definitions(test_posix_failures PRIVATE
    $<$<BOOL:${HOLDFAST_GENERIC_POSIX}>:HF_GENERIC_POSIX=1>)

# What is a file here, and what is not.
holdfast_test(test_file_posix test_file_posix.c disk.c process.c LABELS space)

holdfast_test(test_fork test_fork.c LABELS space tsan)

# Only Linux tells its mappings: on any POSIX system hf_space_check has no such list.
if(NOT HOLDFAST_GENERIC_POSIX)
    holdfast_test(test_space_check_linux
                  test_space_check_linux.c scene.c probe.c process.c LABELS space)

    # Sets vm.nr_hugepages, which is the whole machine's, for a moment.
    holdfast_test(test_hugetlb test_hugetlb.c LABELS space)
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

# Limits of the system, reached for real. What takes root says so where it may not run.
holdfast_test(test_limits_files test_limits_files.c process.c LABELS space)
holdfast_test(test_limits_disk test_limits_disk.c process.c LABELS space)

# Sanitizers reserve terabytes for themselves: the process is over such limits before it begins;
# and at the limit on mappings they cannot give back what they took.
if(NOT CMAKE_C_FLAGS MATCHES "-fsanitize=")
    holdfast_test(test_limits test_limits.c process.c LABELS space)

    # Where a million mappings are allowed, 32 bits have not the addresses to reach that.
    file(READ /proc/sys/vm/max_map_count max_map_count)
    if(CMAKE_SIZEOF_VOID_P GREATER 4 OR max_map_count LESS 200000)
        holdfast_test(test_limits_mappings test_limits_mappings.c process.c LABELS space)
        target_compile_definitions(test_limits_mappings PRIVATE
            HOLDFAST_GENERIC_POSIX=$<BOOL:${HOLDFAST_GENERIC_POSIX}>)
    endif()

    # Sets vm.overcommit_memory, which is the whole machine's, for a moment. To commit more than a
    # machine has takes more addresses than 32 bits are.
    if(CMAKE_SIZEOF_VOID_P GREATER 4)
        holdfast_test(test_limits_overcommit test_limits_overcommit.c LABELS space)
        set_tests_properties(test_limits_overcommit PROPERTIES
            RUN_SERIAL ON RESOURCE_LOCK overcommit)
    endif()
endif()
