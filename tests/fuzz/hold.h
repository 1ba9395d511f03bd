// What must be true of every input.
#pragma once

#include <cstdio>
#include <cstdlib>

inline void hold(bool property, const char* what) {
  if (property) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}
