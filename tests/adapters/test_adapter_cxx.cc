/*
 * Tests hf::allocator and hf::memory_resource with the containers of the standard library. Compiled
 * as C++11, where only the allocator exists, and as C++17.
 */
#include <holdfast/adapt/cxx.hpp>

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "../check.h"

static hf_heap *open_heap(size_t reserve) {
    hf_heap *heap;
    hf_heap_options options = hf_heap_options();
    options.reserve = options.least_reserve = reserve;
    CHECK_STATUS(HF_OK, hf_heap_open(&heap, &options));
    return heap;
}

static void close_heap(hf_heap *heap) {
    CHECK_STATUS(HF_OK, hf_heap_check(heap));
    CHECK_EQUAL(0, hf_heap_get_stats(heap).blocks);
    hf_heap_close(heap);
}

/* Inserts, overwrites and erases; returns what is left. */
template <class Map, class Vector> static std::string work(Map &map, Vector &vector) {
    std::string result;
    uint32_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        seed = seed * 1664525 + 1013904223;
        int key = static_cast<int>(seed >> 20);
        if (i % 3 == 2)
            map.erase(key);
        else
            map[key] = i;
        vector.push_back(key);
    }
    for (const auto &entry : map)
        result += std::to_string(entry.first) + "=" + std::to_string(entry.second) + " ";
    for (int number : vector) result += std::to_string(number) + " ";
    return result;
}

static std::string work_of_std() {
    std::map<int, int> map;
    std::vector<int> vector;
    return work(map, vector);
}

template <class T> using vector_of = std::vector<T, hf::allocator<T>>;
using map_of_int = std::map<int, int, std::less<int>, hf::allocator<std::pair<const int, int>>>;

template <class Source> static std::string work_of_allocators(Source *source) {
    map_of_int map{hf::allocator<std::pair<const int, int>>(source)};
    vector_of<int> vector{hf::allocator<int>(source)};
    return work(map, vector);
}

static void allocator_gives_the_same_results(void) {
    hf_heap *heap = open_heap(0);
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    CHECK(work_of_allocators(heap) == work_of_std());
    CHECK(work_of_allocators(&arena) == work_of_std());
    CHECK(hf_heap_get_stats(heap).peak > 0);
    CHECK(hf_arena_get_stats(&arena).peak > 100000);
    hf_arena_close(&arena);
    close_heap(heap);
}

static void vector_grows_in_place_of_the_arena(void) {
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    {
        vector_of<int> vector{hf::allocator<int>(&arena)};
        vector.reserve(1000);
    }
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).used); /* the last block was freed */
    hf_arena_close(&arena);
}

static void containers_move_and_swap_with_their_allocators(void) {
    hf_heap *one = open_heap(0), *other = open_heap(0);
    {
        vector_of<int> a(1000, 1, hf::allocator<int>(one)), b(10, 2, hf::allocator<int>(other));
        const int *first = a.data();
        std::swap(a, b);
        CHECK(b.data() == first && hf_heap_owns(one, b.data()) && hf_heap_owns(other, a.data()));
        a = std::move(b);
        CHECK(a.data() == first && a.get_allocator() == hf::allocator<int>(one));
        vector_of<int> copy{hf::allocator<int>(other)};
        copy = a;
        CHECK(hf_heap_owns(other, copy.data()) && copy == a);
        CHECK(a.get_allocator() != copy.get_allocator());
        CHECK(hf::allocator<char>(one) == hf::allocator<int>(one));
    }
    close_heap(one);
    close_heap(other);
}

template <class Call> static bool throws_bad_alloc(Call call) {
    try {
        call();
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

static void allocator_throws_bad_alloc(void) {
    hf_heap *heap = open_heap(1 << 20);
    hf::allocator<uint64_t> allocator(heap);
    CHECK(throws_bad_alloc([&] { (void)allocator.allocate(SIZE_MAX / 8); }));
    CHECK(throws_bad_alloc([&] { (void)allocator.allocate(SIZE_MAX / 8 + 2); })); /* would wrap */
    CHECK(throws_bad_alloc([&] { (void)allocator.allocate(1 << 20); }));
    CHECK(throws_bad_alloc([&] {
        std::list<std::string, hf::allocator<std::string>> list{hf::allocator<std::string>(heap)};
        for (;;) list.emplace_back();
    }));
    close_heap(heap);
}

struct alignas(256) wide {
    char bytes[300];
};

static void allocator_aligns(void) {
    hf_heap *heap = open_heap(0);
    {
        std::list<wide, hf::allocator<wide>> list{hf::allocator<wide>(heap)};
        for (int i = 0; i < 100; i++) {
            list.emplace_back();
            CHECK_EQUAL(0, reinterpret_cast<uintptr_t>(&list.back()) % 256);
        }
    }
    close_heap(heap);
}

#ifdef HF_HAS_MEMORY_RESOURCE

static void resource_gives_the_same_results(void) {
    hf_heap *heap = open_heap(0);
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    hf::memory_resource in_heap(heap), in_arena(&arena);
    for (std::pmr::memory_resource *resource : {&in_heap, &in_arena}) {
        std::pmr::map<int, int> map(resource);
        std::pmr::vector<int> vector(resource);
        CHECK(work(map, vector) == work_of_std());
        std::pmr::unordered_map<std::pmr::string, std::pmr::string> texts(resource);
        for (int i = 0; i < 1000; i++)
            texts[std::pmr::string(std::to_string(i))].append(static_cast<size_t>(i), 'x');
        CHECK_EQUAL(999, texts["999"].size());
    }
    hf_arena_close(&arena);
    close_heap(heap);
}

static void resource_gives_distinct_blocks_of_no_bytes(void) {
    hf_heap *heap = open_heap(0);
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    hf::memory_resource in_heap(heap), in_arena(&arena);
    for (std::pmr::memory_resource *resource : {&in_heap, &in_arena}) {
        void *one = resource->allocate(0), *other = resource->allocate(0, 1);
        CHECK(one != nullptr && other != nullptr && one != other);
        resource->deallocate(other, 0, 1);
        resource->deallocate(one, 0);
    }
    CHECK_EQUAL(0, hf_arena_get_stats(&arena).used);
    hf_arena_close(&arena);
    close_heap(heap);
}

static void resource_aligns_and_throws(void) {
    hf_heap *heap = open_heap(4 << 20);
    hf_arena arena;
    hf_arena_options options = hf_arena_options();
    options.reserve = options.least_reserve = 4 << 20;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, &options));
    hf::memory_resource in_heap(heap), in_arena(&arena);
    for (std::pmr::memory_resource *resource : {&in_heap, &in_arena}) {
        for (size_t align = 1; align <= 65536; align *= 2) {
            void *block = resource->allocate(3, align);
            CHECK_EQUAL(0, reinterpret_cast<uintptr_t>(block) % align);
            resource->deallocate(block, 3, align);
        }
        for (size_t size : {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 15, SIZE_MAX / 2, size_t(8) << 20})
            for (size_t align : {size_t(1), size_t(8), size_t(64)})
                CHECK(throws_bad_alloc([&] { (void)resource->allocate(size, align); }));
    }
    hf_arena_close(&arena);
    close_heap(heap);
}

static void resources_of_one_heap_are_equal(void) {
    hf_heap *heap = open_heap(0), *other = open_heap(0);
    hf_arena arena;
    CHECK_STATUS(HF_OK, hf_arena_open(&arena, NULL));
    hf::memory_resource one(heap), same(heap), different(other), in_arena(&arena);
    CHECK(one == same && one != different && one != in_arena);
    CHECK(!one.is_equal(*std::pmr::new_delete_resource()));
    hf_arena_close(&arena);
    hf_heap_close(other);
    hf_heap_close(heap);
}

CHECK_MAIN(TEST(allocator_gives_the_same_results), TEST(vector_grows_in_place_of_the_arena),
           TEST(containers_move_and_swap_with_their_allocators), TEST(allocator_throws_bad_alloc),
           TEST(allocator_aligns), TEST(resource_gives_the_same_results),
           TEST(resource_gives_distinct_blocks_of_no_bytes), TEST(resource_aligns_and_throws),
           TEST(resources_of_one_heap_are_equal))

#else

CHECK_MAIN(TEST(allocator_gives_the_same_results), TEST(vector_grows_in_place_of_the_arena),
           TEST(containers_move_and_swap_with_their_allocators), TEST(allocator_throws_bad_alloc),
           TEST(allocator_aligns))

#endif
