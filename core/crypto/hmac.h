// HMAC-SHA256 as wire v1 uses it, over libsodium. Keys live in locked memory that is wiped when freed. The API takes a
// list of secrets (the first signs, any verifies), so that secrets can be rotated; the configuration gives one today.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace noex {

inline constexpr size_t kHmacSize = 32;
using HmacTag = std::array<uint8_t, kHmacSize>;

// The cluster secrets, prepared. Immutable after construction; may be shared between threads.
class SigningKeys {
 public:
  explicit SigningKeys(const std::vector<std::string_view>& secrets);
  ~SigningKeys();
  SigningKeys(const SigningKeys&) = delete;
  SigningKeys& operator=(const SigningKeys&) = delete;

  [[nodiscard]] bool empty() const;
  // Equal for equal lists of secrets; the secrets cannot be had from it.
  [[nodiscard]] const std::string& fingerprint() const;
  // HMAC-SHA256 of the concatenation of `parts`, with the first secret.
  [[nodiscard]] HmacTag sign(std::initializer_list<ByteView> parts) const;
  // Whether `tag` is right under any of the secrets, in time that does not depend on where it differs.
  [[nodiscard]] bool verify(std::initializer_list<ByteView> parts, const HmacTag& tag) const;

 private:
  struct Keys;
  std::unique_ptr<Keys> keys_;
};

// Initialises libsodium; idempotent, any thread. False if the system has no random source.
[[nodiscard]] bool crypto_ready();
// Unpredictable bytes for nonces, incarnations and seeds.
[[nodiscard]] uint64_t random_u64();

}  // namespace noex
