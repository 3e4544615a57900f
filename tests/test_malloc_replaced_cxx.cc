// A program that replaces operator new and delete of one object alone, as the standard permits:
// every other form of the C++ runtime calls these, so no block may reach the malloc's own delete.
#include <algorithm>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#include "check.h"

namespace {

long live;

// What the program puts in front of each block: only its own delete can free it.
constexpr std::size_t header = 32;

} // namespace

void *operator new(std::size_t size) {
    char *block = static_cast<char *>(std::malloc(size + header));
    if (block == nullptr) throw std::bad_alloc();
    live++;
    return block + header;
}

void operator delete(void *block) noexcept {
    if (block == nullptr) return;
    live--;
    std::free(static_cast<char *>(block) - header);
}

namespace {

struct point {
    int values[10];
};

template <class T> T *keep(T *block) {
    static void *volatile hidden;
    hidden = block;
    return static_cast<T *>(hidden);
}

void every_form_calls_the_program_s_own() {
    point *one = keep(new point), *quiet = keep(new (std::nothrow) point);
    point *many = keep(new point[3]), *quiet_many = keep(new (std::nothrow) point[3]);
    CHECK_EQUAL(4, live);
    delete one;
    delete quiet;
    delete[] many;
    delete[] quiet_many;
    CHECK_EQUAL(0, live);
}

void the_runtime_calls_the_program_s_own() {
    {
        std::vector<point> points(1000);
        auto less = [](const point &a, const point &b) { return a.values[0] < b.values[0]; };
        std::stable_sort(points.begin(), points.end(), less);
        CHECK(live > 0);
    }
    CHECK_EQUAL(0, live);
}

} // namespace

CHECK_MAIN(TEST(every_form_calls_the_program_s_own), TEST(the_runtime_calls_the_program_s_own))
