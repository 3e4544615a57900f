/*
 * A program of C on libholdfast-malloc.so that loads a library of C++: the C++ runtime is there
 * only after the malloc.
 */
#include <dlfcn.h>

#include "check.h"

static void a_failed_new_of_a_loaded_library_throws(void) {
    void *plugin = dlopen(PLUGIN, RTLD_NOW | RTLD_LOCAL);
    CHECK(plugin != NULL);
    void *found = dlsym(plugin, "plugin_catches");
    bool (*catches)(size_t size);
    memcpy(&catches, &found, sizeof catches);
    CHECK(catches((size_t)1 << (sizeof(size_t) * 8 - 2)));
    CHECK(!catches(100));
    dlclose(plugin);
}

CHECK_MAIN(TEST(a_failed_new_of_a_loaded_library_throws))
