# tests/lanes/install.sh -- the lane `install`: installs the library, and compiles programs that find it
# through CMake and through pkg-config.
# shellcheck shell=bash

# The build is the plain one of README, without a network where unshare permits that.
lane_install() {
    local place=build/lanes/install
    rm -rf "$place"
    mkdir -p "$place"
    quietly "$place/plain-configure.log" without_network cmake -B "$place/plain"
    quietly "$place/plain-build.log" without_network cmake --build "$place/plain" -j "$cores"
    quietly "$place/install.log" cmake --install "$place/plain" --prefix "$place/prefix"
    is_optimised "$place"
    has_no_path_of_this_machine "$place/prefix"
    write_consumer "$place"
    found_by_cmake "$place"
    found_by_pkg_config "$place"
    shared_is_found "$place"
    malloc_is_found "$place"
    "$place/prefix/bin/holdfast" --help >/dev/null
    note "a C11 and a C++11 program found it, by CMake and by pkg-config, and the shared ones"
}

without_network() {
    local private=(unshare --net)
    [[ $EUID -eq 0 ]] || private+=(--map-root-user)
    "${private[@]}" true 2>/dev/null || private=()
    "${private[@]}" "$@"
}

is_optimised() {
    grep -qx 'CMAKE_BUILD_TYPE:STRING=Release' "$1/plain/CMakeCache.txt" ||
        fail "a plain build is not optimised"
}

has_no_path_of_this_machine() {
    local path found
    for path in "$root" "$cache"; do
        found=$(grep -rlaF -e "$path" "$1" || true)
        [[ -z $found ]] || fail "$path stands in what was installed: $found"
    done
}

write_consumer() {
    tee "$1/consumer.c" >"$1/consumer.cpp" <<'END'
#include <holdfast.h>

int main(void) {
    hf_arena arena;
    if (hf_arena_open(&arena, NULL) != HF_OK) return 1;
    int *numbers = hf_new_array(&arena, int, 1000);
    int sound = numbers && numbers[999] == 0;
    hf_arena_close(&arena);
    return !sound;
}
END
    cat >"$1/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(consumer LANGUAGES C CXX)
set(CMAKE_CXX_STANDARD 11)
find_package(holdfast 0.1 REQUIRED)
foreach(language c cpp)
    add_executable(consumer_${language} consumer.${language})
    target_link_libraries(consumer_${language} holdfast::holdfast)
endforeach()
END
}

found_by_cmake() {
    quietly "$1/configure.log" \
        cmake -G Ninja -S "$1" -B "$1/build" -DCMAKE_PREFIX_PATH="$root/$1/prefix"
    quietly "$1/build.log" cmake --build "$1/build"
    "$1/build/consumer_c"
    "$1/build/consumer_cpp"
}

found_by_pkg_config() {
    local flags
    flags=$(PKG_CONFIG_PATH=$1/prefix/lib/pkgconfig pkg-config --cflags --libs holdfast)
    # shellcheck disable=SC2086 # the flags are words
    gcc -std=c11 -Wall -Wextra -Werror "$1/consumer.c" $flags -o "$1/by_pkg_config" &&
        "$1/by_pkg_config"
    # shellcheck disable=SC2086
    g++ -std=c++11 -Wall -Wextra -Werror "$1/consumer.cpp" $flags -o "$1/by_pkg_config" &&
        "$1/by_pkg_config"
}

# Where both libraries are installed, the linker takes the shared one for -lholdfast.
shared_is_found() {
    local place=$1/with-shared flags
    quietly "$1/shared-configure.log" cmake -B "$place" -DHOLDFAST_SHARED=ON -DHOLDFAST_MALLOC=ON \
        -DHOLDFAST_TOOL=OFF -DHOLDFAST_EXAMPLES=OFF
    quietly "$1/shared-build.log" cmake --build "$place" -j "$cores"
    quietly "$1/shared-install.log" cmake --install "$place" --prefix "$place/prefix"
    has_no_path_of_this_machine "$place/prefix"
    sed 's/holdfast::holdfast/holdfast::shared/' "$1/CMakeLists.txt" >"$place/prefix/CMakeLists.txt"
    cp "$1"/consumer.c* "$place/prefix"
    quietly "$1/shared-consumer.log" \
        cmake -S "$place/prefix" -B "$place/consumer" -DCMAKE_PREFIX_PATH="$root/$place/prefix"
    quietly "$1/shared-consumer.log" cmake --build "$place/consumer"
    "$place/consumer/consumer_c" && "$place/consumer/consumer_cpp"
    readelf -d "$place/consumer/consumer_c" | grep -q 'NEEDED.*libholdfast[.]so[.]' ||
        fail "the program was not linked with libholdfast.so"
    flags=$(PKG_CONFIG_PATH=$place/prefix/lib/pkgconfig pkg-config --cflags --libs holdfast)
    # shellcheck disable=SC2086 # the flags are words
    gcc -std=c11 "$1/consumer.c" $flags -o "$1/by_pkg_config" &&
        LD_LIBRARY_PATH=$place/prefix/lib "$1/by_pkg_config"
}

# A program that links holdfast::malloc runs on it, though it calls no function of it and the linker
# drops libraries that are not needed.
malloc_is_found() {
    local prefix=$1/with-shared/prefix place=$1/malloc said
    mkdir -p "$place"
    printf '#include <stdio.h>\n\nint main(void) { return puts("hello") < 0; }\n' >"$place/consumer.c"
    cat >"$place/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.21)
project(consumer LANGUAGES C)
find_package(holdfast 0.1 REQUIRED)
add_executable(consumer consumer.c)
target_link_libraries(consumer holdfast::malloc)
END
    quietly "$place/configure.log" \
        cmake -S "$place" -B "$place/build" -DCMAKE_PREFIX_PATH="$root/$prefix" \
        -DCMAKE_EXE_LINKER_FLAGS=-Wl,--as-needed
    quietly "$place/build.log" cmake --build "$place/build"
    said=$(HOLDFAST_STATS=1 "$place/build/consumer" 2>&1)
    [[ $said == *"holdfast-malloc: process "* ]] || fail "holdfast::malloc was not linked: $said"
    said=$(LD_PRELOAD=$root/$prefix/lib/libholdfast-malloc.so HOLDFAST_STATS=1 ls "$place" 2>&1)
    [[ $said == *"holdfast-malloc: process "* ]] || fail "holdfast-malloc was not preloaded: $said"
}
