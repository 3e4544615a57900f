/*
 * Includes one public header, which the build names, twice and nothing else. Compiled as C and as
 * C++ by every compiler that is installed, with every warning an error; never linked.
 */
#include HEADER
#include HEADER

typedef int not_an_empty_file;
