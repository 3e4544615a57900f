# Images, and files appended to arenas.

# ---- The contract, sentence by sentence

holdfast_test(test_image_persistent test_image_persistent.c disk.c process.c LABELS image valgrind)
holdfast_test(test_image_snapshot test_image_snapshot.c disk.c process.c LABELS image valgrind)
holdfast_test(test_image_open test_image_open.c disk.c process.c LABELS image valgrind)
