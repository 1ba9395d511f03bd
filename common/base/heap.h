#pragma once

namespace stox {

// Gives the system back what has been freed: to be called where much was, not often, as it takes some
// milliseconds. By itself the allocator of our programs (jemalloc) does so only as long as it is used.
void return_freed_memory();

}  // namespace stox
