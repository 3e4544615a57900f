/** @file
 *  holdfast/adapt/cxx.hpp: C++ containers in an arena or in a heap.
 *
 *      hf::allocator<T>      for containers of C++11 and later
 *      hf::memory_resource   for those of std::pmr, C++17 and later
 *
 *  @code{.cpp}
 *  #include <holdfast/adapt/cxx.hpp>
 *  #include <string>
 *  #include <unordered_map>
 *  #include <vector>
 *
 *  std::size_t count_words(hf_arena *arena, hf_heap *heap) {
 *      std::vector<int, hf::allocator<int>> numbers(arena);
 *      hf::memory_resource resource(heap);
 *      std::pmr::unordered_map<std::pmr::string, int> words(&resource);
 *      numbers.push_back(7);
 *      words["dwarfs"] = numbers.back();
 *      return words.size();
 *  }
 *  @endcode
 *
 *  An arena is for containers that are filled and then dropped together: it frees only its last
 *  block, so a vector that is the last block grows and shrinks, and what others free stays until
 *  the arena goes back. A heap is for containers that erase and insert for a long time.
 *
 *  hf_reset(), hf_rewind() and hf_heap_reset() free the memory of all containers at once and run no
 *  destructor. A container whose memory is gone must not be used or destroyed: destroy it before,
 *  or construct it in the arena or heap itself, too (by placement new), and never destroy it. That
 *  is allowed if its elements have nothing that a destructor has to free elsewhere.
 *
 *  Errors: an allocation that fails throws std::bad_alloc; hf_last_error() has the details. A
 *  program that is compiled without exceptions is ended by std::abort().
 *
 *  Threads: as for the arena or heap: one at a time.
 */
#ifndef HOLDFAST_ADAPT_CXX_HPP
#define HOLDFAST_ADAPT_CXX_HPP

#include <cstddef>
#include <cstdlib>
#include <new>
#include <type_traits>

#if __cplusplus >= 201703L || (defined(_MSVC_LANG) && _MSVC_LANG >= 201703L)
#if __has_include(<memory_resource>)
#include <memory_resource>
#define HF_HAS_MEMORY_RESOURCE 1 /**< hf::memory_resource exists */
#endif
#endif

#include "../arena.h"
#include "../heap.h"

/** The library's C++ part. */
namespace hf {

/** @cond private */

namespace detail {

[[noreturn]] inline void fail() {
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS) || defined(_CPPUNWIND)
    throw std::bad_alloc();
#else
    std::abort();
#endif
}

/* Where blocks come from: one of the two is not NULL. A size of 0 is allocated as 1 byte, so that
 * each block has an address of its own. */
struct source {
    hf_arena *arena;
    hf_heap *heap;

    void *allocate(std::size_t size, std::size_t align) const {
        std::size_t least = size ? size : 1;
        void *block = arena         ? hf_alloc(arena, least, align)
                      : align <= 16 ? hf_heap_malloc(heap, least)
                                    : hf_heap_aligned_alloc(heap, align, least);
        if (block == nullptr) fail();
        return block;
    }

    void deallocate(void *block, std::size_t size) const noexcept {
        if (arena)
            hf_free(arena, block, size ? size : 1);
        else
            hf_heap_free(heap, block);
    }

    bool operator==(const source &other) const noexcept {
        return arena == other.arena && heap == other.heap;
    }
};

} // namespace detail

/** @endcond */

/** An allocator for containers of C++11 and later. Copies of it share the arena or heap. Containers
 *  that are moved or swapped take their allocators along; one that is assigned a copy keeps its
 *  own. */
template <class T> class allocator {
  public:
    using value_type = T;                                          /**< what is allocated */
    using is_always_equal = std::false_type;                       /**< there are several heaps */
    using propagate_on_container_move_assignment = std::true_type; /**< so that moving is O(1) */
    using propagate_on_container_swap = std::true_type;            /**< so that swapping is valid */

    /** Allocates in an arena.
     *  @param arena  the arena; not NULL; must outlive the containers */
    allocator(hf_arena *arena) noexcept : from{arena, nullptr} {}

    /** Allocates in a heap.
     *  @param heap  the heap; not NULL; must outlive the containers */
    allocator(hf_heap *heap) noexcept : from{nullptr, heap} {}

    /** Allocates where another allocator does.
     *  @param other  the other one, for objects of another type */
    template <class U> allocator(const allocator<U> &other) noexcept : from(other.from) {}

    /** Allocates an array, without constructing its elements.
     *  @param count  elements
     *  @return the array; throws std::bad_alloc if there is no memory */
    T *allocate(std::size_t count) {
        if (count > static_cast<std::size_t>(-1) / sizeof(T)) detail::fail();
        return static_cast<T *>(from.allocate(count * sizeof(T), alignof(T)));
    }

    /** Frees an array.
     *  @param array  from allocate() of an equal allocator
     *  @param count  as it was there */
    void deallocate(T *array, std::size_t count) noexcept {
        from.deallocate(array, count * sizeof(T));
    }

    /** Whether one frees what the other allocated.
     *  @param other  the other one
     *  @return true if both have the same arena or heap */
    template <class U> bool operator==(const allocator<U> &other) const noexcept {
        return from == other.from;
    }

    /** Whether one cannot free what the other allocated.
     *  @param other  the other one
     *  @return false if both have the same arena or heap */
    template <class U> bool operator!=(const allocator<U> &other) const noexcept {
        return !(from == other.from);
    }

  private:
    template <class U> friend class allocator;

    detail::source from;
};

#ifdef HF_HAS_MEMORY_RESOURCE

/** A memory resource for containers of std::pmr. It has no memory of its own: destroying it frees
 *  nothing. Two of them are equal if they have the same arena or heap. */
class memory_resource final : public std::pmr::memory_resource {
  public:
    /** Allocates in an arena.
     *  @param arena  the arena; not NULL; must outlive the containers */
    explicit memory_resource(hf_arena *arena) noexcept : from{arena, nullptr} {}

    /** Allocates in a heap.
     *  @param heap  the heap; not NULL; must outlive the containers */
    explicit memory_resource(hf_heap *heap) noexcept : from{nullptr, heap} {}

  private:
    void *do_allocate(std::size_t size, std::size_t align) override {
        return from.allocate(size, align);
    }

    void do_deallocate(void *block, std::size_t size, std::size_t) override {
        from.deallocate(block, size);
    }

    bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override {
#if defined(__cpp_rtti) || defined(_CPPRTTI)
        const auto *ours = dynamic_cast<const memory_resource *>(&other);
        return ours != nullptr && from == ours->from;
#else
        return this == &other;
#endif
    }

    detail::source from;
};

#endif

} // namespace hf

#endif
