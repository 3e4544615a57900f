# Tests for Windows only: failures of the backend, and Windows versions before placeholders.

# The first two include the source of the backend.
holdfast_test(test_windows_failures test_windows_failures.c space_fixture.c probe.c LABELS space)
holdfast_test(test_windows_images test_windows_images.c process.c LABELS image)
holdfast_test(test_windows_before_placeholders
              test_windows_before_placeholders.c space_fixture.c probe.c LABELS space)
holdfast_test(test_windows test_windows.c space_fixture.c probe.c LABELS space)

# A program with the library must start on every Windows version: checks what it imports.
add_test(NAME test_windows_imports COMMAND ${CMAKE_COMMAND} -D LIBRARY=$<TARGET_FILE:holdfast>
    -D PROGRAM=$<TARGET_FILE:test_windows> -D NM=${CMAKE_NM} -D OBJDUMP=${CMAKE_OBJDUMP}
    -P ${CMAKE_CURRENT_SOURCE_DIR}/windows_imports.cmake)
set_tests_properties(test_windows_imports PROPERTIES LABELS space)
