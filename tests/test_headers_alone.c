/*
 * One public header, alone and twice; the build names it. Compiled as C and as C++ by every
 * compiler there is, with every warning an error; never linked.
 */
#include HEADER
#include HEADER

typedef int not_an_empty_file;
