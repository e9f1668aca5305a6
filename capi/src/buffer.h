// Text into a buffer of the caller's.
#pragma once

#include <cstring>
#include <string>

#include "error.h"

namespace noex::capi {

// Writes `text` and a NUL, or nothing at all. Errors: InvalidArgument, BufferTooSmall (the message says what is
// needed).
[[nodiscard]] inline Status write_text(const std::string& text, char* buffer, size_t buffer_size) {
  if (Status status = require(buffer, "buffer"); !status) return status;
  if (buffer_size <= text.size()) {
    return Error{
        ErrorCode::BufferTooSmall,
        "the buffer has " + std::to_string(buffer_size) + " bytes, " + std::to_string(text.size() + 1) + " are needed",
        {}};
  }
  std::memcpy(buffer, text.c_str(), text.size() + 1);
  return {};
}

}  // namespace noex::capi
