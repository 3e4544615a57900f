/*
 * msvc_mode.h -- included before all else, to make of clang as much of Microsoft's compiler as can
 * be had without Microsoft's headers.
 *
 * The target is Windows as Microsoft's compiler sees it, with mingw-w64's headers, which only a GNU
 * compiler can read. So they are read here, by a GNU compiler; from then on it is Microsoft's:
 * _MSC_VER is there, __GNUC__ and __clang__ are not, and every word of GNU's that stands anywhere
 * in our sources is an error. With MSVC_MODE_CLANG_CL it is clang-cl: __clang__ stays, and so do
 * the words.
 */
#if defined(_M_IX86)
#define _X86_ /* the GNU compiler's own */
#endif

#pragma push_macro("_MSC_VER")
#undef _MSC_VER
#define __GNUC__ 4
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(MSVC_MODE_WINDOWS_H)
#include <windows.h>
#endif
#undef __GNUC__
#pragma pop_macro("_MSC_VER")

/* clang's own; they go together neither with <windows.h> nor with that declaration. */
#if !defined(MSVC_MODE_WINDOWS_H)
#undef _setjmp
#define _setjmp _setjmp_of_intrin
#include <intrin.h>
#undef _setjmp
#endif

#if !defined(MSVC_MODE_CLANG_CL)
#undef __clang__
#include "gnu_words.h" /* poisons them; made by portability.cmake */
#endif
