/*
 * msvc_mode.h -- included first, makes clang behave like Microsoft's compiler as far as that is
 * possible without Microsoft's headers.
 *
 * The headers are mingw-w64's, which only a GNU compiler can read. So this file includes them with
 * __GNUC__ defined. After it _MSC_VER is defined, __GNUC__ and __clang__ are not, and every GNU
 * keyword that occurs anywhere in the sources is poisoned. With MSVC_MODE_CLANG_CL the compiler
 * acts as clang-cl: __clang__ stays defined and the GNU keywords stay allowed.
 */
#if defined(_M_IX86)
#define _X86_ /* a GNU compiler predefines it */
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

/* clang's <intrin.h> conflicts with mingw-w64's <windows.h> and with its declaration of _setjmp. */
#if !defined(MSVC_MODE_WINDOWS_H)
#undef _setjmp
#define _setjmp _setjmp_of_intrin
#include <intrin.h>
#undef _setjmp
#endif

#if !defined(MSVC_MODE_CLANG_CL)
#undef __clang__
#include "gnu_words.h" /* poisons the GNU keywords; written by portability.cmake */
#endif
