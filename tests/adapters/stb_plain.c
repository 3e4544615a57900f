/*
 * stb_plain.c -- the work of stb_work.h with malloc.
 */
#include <stdlib.h>
#include <string.h>

#define STB_NAME(name) stb_plain_##name
#include "stb_work.h"

bool stb_plain(unsigned scale, FILE *out);

bool stb_plain(unsigned scale, FILE *out) { return stb_work(scale, out); }
