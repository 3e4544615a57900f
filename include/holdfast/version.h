/** @file
 *  holdfast/version.h: the version of these headers and of the library, and what is promised
 *  between versions.
 *
 *      program, compiled for 0.1.0      |  arena options  |
 *      library 0.1.3, linked later      |  arena options  | new |     new: 0, the default
 *
 *  @code{.c}
 *  #include <holdfast.h>
 *  #include <stdio.h>
 *
 *  #if HF_VERSION_MAJOR == 0 && HF_VERSION_MINOR < 1
 *  #error "holdfast 0.1 or newer is needed"
 *  #endif
 *
 *  void print_versions(void) {
 *      printf("compiled for holdfast %s, runs with %s\n", HF_VERSION_STRING, hf_version());
 *  }
 *  @endcode
 *
 *  Versions 0.x: a new minor version may rename, change or remove what these headers declare, and
 *  change the layout of any struct: neither source nor binary compatibility is promised between
 *  minor versions. A new patch version keeps both: programs compile unchanged, and a program that
 *  was linked with libholdfast.so runs with the new one. So the shared library's soname contains
 *  the minor version (libholdfast.so.0.1): another minor version is never loaded instead.
 *
 *  From version 1.0 on, that is promised for all versions with the same major version, and the
 *  soname contains the major version alone.
 *
 *  Within one soname a newer version may
 *  - declare more functions, macros and types;
 *  - append fields to hf_arena_options, hf_space_options and hf_pool_options. The functions that
 *  take options know
 *    the size that the program was compiled with: fields that an older program lacks have their
 *    default; a newer program that sets a field that the library does not know fails with
 *    HF_UNSUPPORTED;
 *  - append optional functions to hf_backend, which has a size (hf_backend::size);
 *  - add values to hf_status, hf_kind and hf_advice: treat an unknown status as a failure, and an
 *    unknown advice, in a backend of your own, as HF_UNSUPPORTED.
 *
 *  It may not change
 *  - a function's parameters, or the value of a constant;
 *  - the size or a field of any other struct. The program provides the memory of what is returned
 *    by value or written through a pointer (hf_error, hf_arena_stats, hf_space_stats,
 *    hf_pool_stats, hf_strict_stats, hf_region, hf_report, hf_mark, hf_scope), so nothing can be
 *    appended to them: what they lack gets a new struct and a new function;
 *  - what the inline functions use, which are compiled into programs: hf_arena, the beginning of
 *    hf_arena_state, hf_ring and the positions of a ring.
 *
 *  The static library is part of the program: compile both with headers of the same version.
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

/** @cond private */

/* Before the declaration of each function that libholdfast.so exports; HF_EXPORTS is defined where
 * that library is compiled, and nowhere else. A program may define HF_API itself, to export the
 * functions from a shared object that it compiles the library into. */
#ifndef HF_API
#if defined(HF_EXPORTS) && defined(__GNUC__)
#define HF_API __attribute__((visibility("default")))
#else
#define HF_API
#endif
#endif

/** @endcond */

#ifdef __cplusplus
extern "C" {
#endif

/** The version of the library that the program runs with. HF_VERSION_STRING is that of the headers
 *  that it was compiled with.
 *  @return a static string, "MAJOR.MINOR.PATCH" */
HF_API const char *hf_version(void);

#ifdef __cplusplus
}
#endif

#endif
