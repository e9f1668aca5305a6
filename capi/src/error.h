// The calling thread's last error, and the guard that every exported call goes through. The error lives in plain
// thread-local memory without a destructor: it may be used by destructors of other thread-locals at thread exit, in any
// order, and by a call that failed for want of memory.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "noex_cluster.h"

namespace noex::capi {

void clear_last_error() noexcept;
// Makes `error` the calling thread's last error and returns its status.
noex_status set_last_error(const Error& error) noexcept;
noex_status set_last_error(noex_status status, std::string_view message) noexcept;

[[nodiscard]] inline Error invalid_argument(std::string message) {
  return Error{ErrorCode::InvalidArgument, std::move(message), {}};
}

// Ok if `pointer` is there, else InvalidArgument "`name` must not be NULL".
[[nodiscard]] inline Status require(const void* pointer, const char* name) {
  if (pointer != nullptr) return {};
  return invalid_argument(std::string(name) + " must not be NULL");
}

// Runs `body`, which returns a noex::Status, as the inside of an exported call: nothing is thrown into the caller's C,
// and whatever went wrong becomes the status and the thread's last error.
template <typename Body>
[[nodiscard]] noex_status guard(Body&& body) noexcept {
  static_assert(std::is_same_v<decltype(body()), Status>);
  clear_last_error();
  try {
    const Status status = std::forward<Body>(body)();
    return status.ok() ? NOEX_OK : set_last_error(status.error());
  } catch (const std::bad_alloc&) {
    return set_last_error(NOEX_ENOMEM, "out of memory");
  } catch (const std::exception& exception) {
    return set_last_error(NOEX_EINTERNAL, exception.what());
  } catch (...) {
    return set_last_error(NOEX_EINTERNAL, "an exception of unknown type");
  }
}

}  // namespace noex::capi
