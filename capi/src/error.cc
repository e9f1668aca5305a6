#include "error.h"

#include <algorithm>
#include <cstring>

namespace noex::capi {
namespace {

// Copies `text` and a NUL; what does not fit is left out, whole characters at a time.
template <size_t kSize>
void copy_text(char (&out)[kSize], std::string_view text) noexcept {
  size_t size = std::min(text.size(), kSize - 1);
  if (size < text.size()) {
    while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  }
  if (size > 0) std::memcpy(out, text.data(), size);
  out[size] = '\0';
}

// All of it is plain memory, so it is there as long as its thread is.
struct LastError {
  noex_error error;
  char message[2048];
  char address[NOEX_HOST_SIZE_MAX + 1];
  char code[32];
  char syscall[32];
};
static_assert(std::is_trivially_destructible_v<LastError> && std::is_trivially_default_constructible_v<LastError>);

thread_local constinit LastError last_error{};

// The pointers are set at each use: a thread-local's address is no constant that could stand in its initializer.
const noex_error* point(LastError& last) noexcept {
  last.error.struct_size = sizeof last.error;
  last.error.message = last.message;
  last.error.node_id = "";
  last.error.address = last.address;
  last.error.code = last.code;
  last.error.syscall = last.syscall;
  return &last.error;
}

}  // namespace

void clear_last_error() noexcept {
  LastError& last = last_error;
  if (last.error.status == NOEX_OK) return;  // nothing was set since
  last.error.status = NOEX_OK;
  last.error.port = 0;
  last.error.os_error = 0;
  last.message[0] = '\0';
  last.address[0] = '\0';
  last.code[0] = '\0';
  last.syscall[0] = '\0';
}

noex_status set_last_error(noex_status status, std::string_view message) noexcept {
  clear_last_error();
  last_error.error.status = status;
  copy_text(last_error.message, message);
  return status;
}

noex_status set_last_error(const Error& error) noexcept {
  set_last_error(static_cast<noex_status>(error.code), error.message);
  if (error.code == ErrorCode::Bind) {
    LastError& last = last_error;
    last.error.port = error.bind.port;
    last.error.os_error = error.bind.os_error;
    copy_text(last.address, error.bind.address);
    copy_text(last.code, error.bind.code);
    copy_text(last.syscall, error.bind.syscall);
  }
  return last_error.error.status;
}

}  // namespace noex::capi

extern "C" {

const char* noex_last_error(void) { return noex::capi::last_error.message; }

const noex_error* noex_last_error_info(void) { return noex::capi::point(noex::capi::last_error); }

}  // extern "C"
