/** @file
 *  holdfast/version.h: the version of these headers, and what is promised between versions.
 *
 *  @code{.c}
 *  #include <holdfast/version.h>
 *
 *  #if HF_VERSION_MAJOR == 0 && HF_VERSION_MINOR < 1
 *  #error "holdfast 0.1 or newer is needed"
 *  #endif
 *
 *  const char *built_with(void) { return "holdfast " HF_VERSION_STRING; }
 *  @endcode
 *
 *  Compatibility: before version 1.0 neither source nor binary compatibility is promised. Any
 *  release may rename, change or remove what these headers declare, and change the layout of a
 *  struct, so compile program and library from the same release. Where a header promises more about
 *  one declaration (hf_arena_options: fields are only appended), that holds.
 *
 *  Images carry a format number: an image of a newer format than the library knows fails to open
 *  with HF_UNSUPPORTED.
 */
#ifndef HOLDFAST_VERSION_H
#define HOLDFAST_VERSION_H

/** The major version. 0: the interface is not stable yet. */
#define HF_VERSION_MAJOR 0

/** The minor version. */
#define HF_VERSION_MINOR 1

/** The patch version. */
#define HF_VERSION_PATCH 0

/** The version as a string literal: "MAJOR.MINOR.PATCH". */
#define HF_VERSION_STRING "0.1.0"

#endif
