#include "keygen.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

#include "exit_codes.h"

namespace noex_cli {
namespace {

constexpr size_t kKeySize = 32;  // 256 bits, as much as HMAC-SHA256 can use

std::string base64(const std::array<unsigned char, kKeySize>& bytes) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = bytes.size() - i;
    const unsigned group = static_cast<unsigned>(bytes[i] << 16) |
                           (left > 1 ? static_cast<unsigned>(bytes[i + 1] << 8) : 0u) | (left > 2 ? bytes[i + 2] : 0u);
    for (size_t digit = 0; digit < 4; ++digit) {
      text += digit <= left ? kDigits[(group >> (18 - 6 * digit)) & 0x3F] : '=';
    }
  }
  return text;
}

int complain(const std::string& what) {
  std::fprintf(stderr, "noex-cluster: %s: %s\n", what.c_str(), std::strerror(errno));
  return kFailure;
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) return false;
    if (written > 0) text.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

// A file for its owner alone, that was not there before: nobody's secret is overwritten, and no link is followed.
int write_file(const std::string& path, std::string_view text) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) return complain("'" + path + "' cannot be made");
  // Closed in any case; a full disk may be told only then.
  const bool written = fchmod(fd, 0600) == 0 && write_all(fd, text) && fsync(fd) == 0;
  const int error = errno;
  if (close(fd) == 0 && written) return kSuccess;
  if (!written) errno = error;
  const int outcome = complain("'" + path + "' cannot be written");
  unlink(path.c_str());
  return outcome;
}

}  // namespace

int keygen(const KeygenOptions& options) {
  std::array<unsigned char, kKeySize> key;
  // At most 256 bytes are never given in parts once the kernel has its randomness.
  if (getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) return complain("no random bytes");
  const std::string text = base64(key) + "\n";
  if (options.out) return write_file(*options.out, text);
  return write_all(STDOUT_FILENO, text) ? kSuccess : complain("standard output");
}

}  // namespace noex_cli
