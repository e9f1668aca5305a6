// NOEX_CHECK: states what cannot happen. It stays on in release builds, because a node that has lost its invariants
// must not go on talking to a cluster. It never guards what a peer, a user or a file can cause: that is Result's job.
#pragma once

namespace noex {

// Prints `expression` with its place to standard error and aborts the process.
[[noreturn]] void check_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace noex

#define NOEX_CHECK(condition) \
  (static_cast<bool>(condition) ? void(0) : ::noex::check_failed(#condition, __FILE__, __LINE__))
