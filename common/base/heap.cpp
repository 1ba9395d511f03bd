#include "common/base/heap.h"

#include <cstddef>

// Not there in tests and with sanitizers, which have an allocator of their own.
extern "C" int mallctl(const char*, void*, std::size_t*, void*, std::size_t) __attribute__((weak));

namespace stox {

void return_freed_memory() {
  if (mallctl != nullptr) mallctl("arena.4096.purge", nullptr, nullptr, nullptr, 0);  // 4096: of all arenas
}

}  // namespace stox
