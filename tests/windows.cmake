# What only Windows has: its backend's failures, and how it was before placeholders.

# Includes the backend's source, which it needs in the same build as the library's.
holdfast_test(test_windows_failures test_windows_failures.c scene.c probe.c LABELS space)
holdfast_test(test_windows_before_placeholders
              test_windows_before_placeholders.c scene.c probe.c LABELS space)

# What is a file here, and what is not.
holdfast_test(test_file_windows test_file_windows.c disk.c scene.c probe.c LABELS space)
