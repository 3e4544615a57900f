/*
 * The version is the same wherever it is told: in the macros, by the library, and in the build.
 */
#include <holdfast/version.h>

#include <stdio.h>
#include <string.h>

#include "check.h"

static void the_library_has_the_version_of_the_headers(void) {
    CHECK(strcmp(HF_VERSION_STRING, hf_version()) == 0);
}

static void the_string_is_made_of_the_numbers(void) {
    char numbers[40];
    snprintf(numbers, sizeof numbers, "%d.%d.%d", HF_VERSION_MAJOR, HF_VERSION_MINOR,
             HF_VERSION_PATCH);
    CHECK(strcmp(numbers, HF_VERSION_STRING) == 0);
}

static void the_build_has_the_version_of_the_headers(void) {
    CHECK(strcmp(CMAKE_VERSION_OF_HOLDFAST, HF_VERSION_STRING) == 0);
}

CHECK_MAIN(TEST(the_library_has_the_version_of_the_headers),
           TEST(the_string_is_made_of_the_numbers), TEST(the_build_has_the_version_of_the_headers))
