/*
 * The adapters compile as C++11.
 */
#include <holdfast.h>

static hf_heap *images;
#define HF_STB_HEAP images

#include <holdfast/adapt/cjson.h>
#include <holdfast/adapt/cxx.hpp>
#include <holdfast/adapt/expat.h>
#include <holdfast/adapt/libxml2.h>
#include <holdfast/adapt/lua.h>
#include <holdfast/adapt/ode.h>
#include <holdfast/adapt/png.h>
#include <holdfast/adapt/sqlite.h>
#include <holdfast/adapt/stb.h>
#include <holdfast/adapt/tree_sitter.h>
#include <holdfast/adapt/yyjson.h>
#include <holdfast/adapt/zlib.h>

void *adapters_compile(size_t size);

void *adapters_compile(size_t size) { return STBI_MALLOC(size); }
