// A library of C++ that a program of C loads: it catches the std::bad_alloc of a new that fails.
#include <new>

extern "C" __attribute__((visibility("default"))) bool plugin_catches(std::size_t size);

bool plugin_catches(std::size_t size) {
    try {
        char *volatile block = new char[size];
        delete[] block;
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}
