#include "secret.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace noex_cli {
namespace {

constexpr size_t kSecretFileSizeMax = 64 * 1024;

std::string read_file(const std::string& path, std::string& secret) {
  const std::string what = "the secret file '" + path + "' ";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"), &std::fclose);
  if (file == nullptr) return what + "cannot be opened: " + std::strerror(errno);
  secret.resize(kSecretFileSizeMax + 1);
  secret.resize(std::fread(secret.data(), 1, secret.size(), file.get()));
  if (std::ferror(file.get()) != 0) return what + "cannot be read: " + std::strerror(errno);
  if (secret.size() > kSecretFileSizeMax) return what + "is larger than 64 KiB";
  // The newline that editors and `echo` leave at the end is not part of it.
  if (!secret.empty() && secret.back() == '\n') secret.pop_back();
  if (!secret.empty() && secret.back() == '\r') secret.pop_back();
  if (secret.empty()) return what + "is empty";
  if (secret.find('\0') != std::string::npos) return what + "holds a NUL byte";
  return {};
}

}  // namespace

std::string read_secret(const SecretSource& source, std::optional<std::string>& secret) {
  if (source.file) return read_file(*source.file, secret.emplace());
  const char* const name = source.variable ? source.variable->c_str() : kSecretVariable;
  const char* const value = std::getenv(name);
  if (value == nullptr) {
    // Whoever names a variable wants a secret: a misspelt name must not switch authentication off.
    return source.variable ? "the environment variable '" + *source.variable + "' is not set" : std::string();
  }
  if (*value == '\0') {
    return "the environment variable '" + std::string(name) + "' is empty: set it to the secret, or unset it";
  }
  secret = value;
  return {};
}

}  // namespace noex_cli
