/*
 * wine_stddef.h -- included before every file that clang compiles as Microsoft's compiler with
 * Wine's headers. Their offsetof is a constant expression for Microsoft's compiler, not for clang.
 */
#include <stddef.h>

#undef offsetof
#define offsetof(type, field) __builtin_offsetof(type, field)
