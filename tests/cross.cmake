# The toolchain of the presets for other processors: Debian's cross compilers, with or without a
# version in their name. The packages without a version conflict with gcc-multilib.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR ${HOLDFAST_PROCESSOR})
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES HOLDFAST_PROCESSOR)

set(compiler ${HOLDFAST_PROCESSOR}-linux-gnu-gcc)
find_program(HOLDFAST_CROSS_GCC REQUIRED
             NAMES ${compiler} ${compiler}-14 ${compiler}-13 ${compiler}-12)
set(CMAKE_C_COMPILER ${HOLDFAST_CROSS_GCC})
