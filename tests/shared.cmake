# Tests of libholdfast.so: what it exports, and that programs run with it.

# version.h promises this soname.
set(soname libholdfast.so.${holdfast_VERSION_MAJOR})
if(holdfast_VERSION_MAJOR EQUAL 0)
    string(APPEND soname .${holdfast_VERSION_MINOR})
endif()
add_test(NAME test_exports COMMAND ${CMAKE_COMMAND} -D LIBRARY=$<TARGET_FILE:holdfast-shared>
    -D NM=${CMAKE_NM} -D READELF=${CMAKE_READELF} -D SONAME=${soname}
    -D HEADERS=${PROJECT_SOURCE_DIR}/include/holdfast
    -P ${CMAKE_CURRENT_SOURCE_DIR}/exports.cmake)
set_tests_properties(test_exports PROPERTIES LABELS space)

# In a separate folder: the same tests with the static library use the same file names.
file(MAKE_DIRECTORY ${HOLDFAST_TEST_FILES}/shared)
foreach(test test_version test_compatible test_arena_alloc test_ring test_threads test_fork)
    get_target_property(sources ${test} SOURCES)
    get_target_property(definitions ${test} COMPILE_DEFINITIONS)
    add_executable(shared_${test} ${sources})
    target_compile_definitions(shared_${test} PRIVATE ${definitions})
    target_link_libraries(shared_${test} PRIVATE holdfast-shared holdfast_warnings)
    set_target_properties(shared_${test} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/shared)
    add_test(NAME shared_${test} COMMAND shared_${test}
             WORKING_DIRECTORY ${HOLDFAST_TEST_FILES}/shared)
    set_tests_properties(shared_${test} PROPERTIES SKIP_RETURN_CODE 77 LABELS space)
endforeach()
