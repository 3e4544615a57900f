# Images, and files appended to arenas.

holdfast_test(test_image_persistent test_image_persistent.c disk.c process.c LABELS image valgrind)
