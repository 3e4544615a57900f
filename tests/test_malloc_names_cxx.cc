// operator new and delete in all forms, in a program that links holdfast::malloc and calls no
// malloc itself.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <dlfcn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

namespace {

struct alignas(256) wide {
    char bytes[300];
};

// The compiler may leave out a new whose result is not used.
void *volatile hidden;
std::size_t volatile hidden_size;

template <class T> T *keep(T *block) {
    hidden = block;
    return static_cast<T *>(hidden);
}

std::size_t too_much() {
    hidden_size = SIZE_MAX / 2 + 1;
    return hidden_size;
}

void new_is_ours() {
    Dl_info where;
    void *(*function)(std::size_t) = operator new;
    CHECK(dladdr(reinterpret_cast<void *>(function), &where) != 0);
    void *found = dlsym(RTLD_DEFAULT, "_ZdlPv");
    CHECK(found != nullptr && dladdr(found, &where) != 0);
    CHECK(strstr(where.dli_fname, "libholdfast-malloc") != nullptr);
}

void every_form_allocates_and_frees() {
    const auto align = std::align_val_t(128);
    for (std::size_t size = 0; size < 100000; size += 1 + size / 2) {
        operator delete(keep(operator new(size)));
        operator delete(keep(operator new(size)), size);
        operator delete[](keep(operator new[](size)));
        operator delete[](keep(operator new[](size)), size);
        operator delete(keep(operator new(size, std::nothrow)), std::nothrow);
        operator delete[](keep(operator new[](size, std::nothrow)), std::nothrow);
        void *block = keep(operator new(size, align));
        CHECK(reinterpret_cast<std::uintptr_t>(block) % 128 == 0);
        operator delete(block, align);
        operator delete(keep(operator new(size, align)), size, align);
        operator delete[](keep(operator new[](size, align)), align);
        operator delete[](keep(operator new[](size, align)), size, align);
        operator delete(keep(operator new(size, align, std::nothrow)), align, std::nothrow);
        operator delete[](keep(operator new[](size, align, std::nothrow)), align, std::nothrow);
    }
}

void containers() {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 10000; i++) texts.push_back(std::string(i % 200, 'x'));
    for (std::size_t i = 0; i < 10000; i++) CHECK_EQUAL(i % 200, texts[i].size());
    auto aligned = std::make_unique<wide>();
    CHECK(reinterpret_cast<std::uintptr_t>(aligned.get()) % 256 == 0);
    std::unique_ptr<int[]> of_thread;
    std::thread([&] { of_thread = std::make_unique<int[]>(1000); }).join();
}

bool throws_bad_alloc(std::size_t size) {
    try {
        operator delete(keep(operator new(size)));
    } catch (const std::bad_alloc &) {
        return true;
    }
    return false;
}

int handled;

void give_up_later() {
    if (++handled == 3) std::set_new_handler(nullptr);
}

void throw_bad_alloc() { throw std::bad_alloc(); }

struct given_up {};

void throw_another() { throw given_up(); }

void failures_call_the_handler_and_throw() {
    CHECK(throws_bad_alloc(too_much()));
    CHECK(keep(operator new(too_much(), std::nothrow)) == nullptr);
    CHECK(keep(operator new[](too_much(), std::align_val_t(64), std::nothrow)) == nullptr);
    std::set_new_handler(give_up_later);
    CHECK(throws_bad_alloc(too_much()));
    CHECK_EQUAL(3, handled);
    std::set_new_handler(throw_bad_alloc);
    CHECK(keep(operator new(too_much(), std::nothrow)) == nullptr);
    std::set_new_handler(throw_another);
    bool is_caught = false;
    try {
        keep(operator new(too_much()));
    } catch (const given_up &) {
        is_caught = true;
    }
    std::set_new_handler(nullptr);
    CHECK(is_caught);
}

struct link {
    link *next;
};

link *links;

link *add_link() {
    links = new (keep(operator new(sizeof(link)))) link{links};
    return links;
}

void release_a_link() {
    handled++;
    std::set_new_handler(nullptr);
    link *first = links;
    links = first->next;
    operator delete(first);
}

// Blocks of all small sizes, so that nothing else in the process finds memory either.
void use_all_small_blocks() {
    for (std::size_t size = 65536; size > sizeof(link); size -= size > 1024 ? 1024 : 16)
        while (keep(std::malloc(size)) != nullptr) continue;
}

// In a child process, without memory even for the smallest block.
void use_all_memory() {
    const struct rlimit limit = {64 << 20, 64 << 20};
    bool is_caught = false;
    handled = 0;
    add_link();
    CHECK(setrlimit(RLIMIT_DATA, &limit) == 0);
    use_all_small_blocks();
    std::set_new_handler(release_a_link);
    try {
        for (;;) add_link();
    } catch (const std::bad_alloc &) {
        is_caught = true;
    }
    CHECK(is_caught && handled == 1);
    CHECK(keep(operator new(sizeof(link), std::nothrow)) == nullptr);
}

void without_any_memory_the_handler_is_called_too() {
    std::fflush(nullptr);
    pid_t child = fork();
    if (child == 0) {
        use_all_memory();
        _exit(0);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

} // namespace

// The first one first: it needs a process that has not looked for libstdc++ yet.
CHECK_MAIN(TEST(without_any_memory_the_handler_is_called_too), TEST(new_is_ours),
           TEST(every_form_allocates_and_frees), TEST(containers),
           TEST(failures_call_the_handler_and_throw))
