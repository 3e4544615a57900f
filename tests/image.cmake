# Images, and files appended to arenas.

# ---- The contract of every function

holdfast_test(test_image_read_write test_image_read_write.c disk.c process.c LABELS image valgrind)
target_compile_definitions(test_image_read_write PRIVATE
    HOLDFAST_GENERIC_POSIX=$<BOOL:${HOLDFAST_GENERIC_POSIX}>)
holdfast_test(test_image_snapshot test_image_snapshot.c disk.c process.c LABELS image valgrind)
holdfast_test(test_image_open test_image_open.c disk.c process.c LABELS image valgrind tsan)
holdfast_test(test_image_save test_image_save.c disk.c process.c LABELS image valgrind)
holdfast_test(test_image_golden test_image_golden.c disk.c LABELS image valgrind)
holdfast_test(test_append test_append.c disk.c process.c LABELS image valgrind)

# ---- Damaged and foreign files

holdfast_test(test_image_damage test_image_damage.c disk.c space_fixture.c probe.c LABELS image)

# ---- System crashes

holdfast_test(test_image_crash test_image_crash.c disk_model.c disk.c space_fixture.c probe.c
              LABELS image)

# ---- With the n-th call failing

holdfast_test(test_image_failures test_image_failures.c disk.c nth_failure.c space_fixture.c probe.c
              LABELS image)

if(UNIX)
    holdfast_test(test_image_fork test_image_fork.c disk.c process.c LABELS image valgrind)
    holdfast_test(test_image_posix test_image_posix.c disk.c process.c LABELS image valgrind)

    # Saving: modes, owners, links, folders, names, and the drafts of dead processes.
    holdfast_test(test_image_drafts_posix test_image_drafts_posix.c disk.c process.c LABELS image)
    target_compile_definitions(test_image_drafts_posix PRIVATE
        HOLDFAST_GENERIC_POSIX=$<BOOL:${HOLDFAST_GENERIC_POSIX}>)

    # Real file systems, and limits. A test that needs root and cannot run says so.
    holdfast_test(test_image_disk test_image_disk.c disk.c process.c LABELS image)
    target_compile_definitions(test_image_disk PRIVATE
        HOLDFAST_GENERIC_POSIX=$<BOOL:${HOLDFAST_GENERIC_POSIX}>)
endif()

# ---- What an image poisons for AddressSanitizer

# Defines the symbols of AddressSanitizer's runtime, so the platform must have weak symbols.
if(UNIX AND NOT sanitizer MATCHES "address")
    holdfast_test(test_image_sanitizer
                  test_image_sanitizer.c disk.c nth_failure.c space_fixture.c probe.c LABELS image)
endif()
