#include "base/checks.h"

#include <cstdio>
#include <cstdlib>

namespace noex {

void check_failed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "noex-cluster: internal check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace noex
