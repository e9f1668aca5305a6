// HMAC-SHA256 (RFC 2104) over libsodium. The two hash states that the key leads to are computed once and kept; a
// signature starts from copies of them, so it costs no key schedule and the secret itself is not kept at all.
#include "crypto/hmac.h"

#include <sodium.h>

#include <new>

#include "base/checks.h"

namespace noex {
namespace {

using State = crypto_auth_hmacsha256_state;

// A copy of a prepared key that is wiped when it goes.
class Signing {
 public:
  explicit Signing(const State& key) : state_(key) {}
  ~Signing() { sodium_memzero(&state_, sizeof state_); }
  Signing(const Signing&) = delete;
  Signing& operator=(const Signing&) = delete;

  [[nodiscard]] HmacTag tag(std::initializer_list<ByteView> parts) {
    for (const ByteView part : parts) {
      crypto_auth_hmacsha256_update(&state_, reinterpret_cast<const unsigned char*>(part.data()), part.size());
    }
    HmacTag tag;
    static_assert(kHmacSize == crypto_auth_hmacsha256_BYTES);
    crypto_auth_hmacsha256_final(&state_, tag.data());
    return tag;
  }

 private:
  State state_;
};

}  // namespace

// Locked, guarded, read-only memory, wiped when freed.
struct SigningKeys::Keys {
  State* states = nullptr;
  size_t count = 0;
  std::string fingerprint;

  Keys() = default;
  ~Keys() { sodium_free(states); }
  Keys(const Keys&) = delete;
  Keys& operator=(const Keys&) = delete;
};

SigningKeys::SigningKeys(const std::vector<std::string_view>& secrets) : keys_(std::make_unique<Keys>()) {
  if (secrets.empty()) return;
  NOEX_CHECK(crypto_ready());
  keys_->states = static_cast<State*>(sodium_allocarray(secrets.size(), sizeof(State)));
  if (keys_->states == nullptr) throw std::bad_alloc();  // as the line before it would, and for the same guard to catch
  for (const std::string_view secret : secrets) {
    NOEX_CHECK(!secret.empty());
    crypto_auth_hmacsha256_init(&keys_->states[keys_->count++], reinterpret_cast<const unsigned char*>(secret.data()),
                                secret.size());
    const HmacTag tag = Signing(keys_->states[keys_->count - 1]).tag({as_byte_view("fingerprint")});
    keys_->fingerprint.append(tag.begin(), tag.end());
  }
  sodium_mprotect_readonly(keys_->states);
}

SigningKeys::~SigningKeys() = default;

bool SigningKeys::empty() const { return keys_->count == 0; }

const std::string& SigningKeys::fingerprint() const { return keys_->fingerprint; }

HmacTag SigningKeys::sign(std::initializer_list<ByteView> parts) const {
  NOEX_CHECK(!empty());
  return Signing(keys_->states[0]).tag(parts);
}

bool SigningKeys::verify(std::initializer_list<ByteView> parts, const HmacTag& tag) const {
  bool right = false;
  for (size_t i = 0; i < keys_->count; ++i) {
    const HmacTag expected = Signing(keys_->states[i]).tag(parts);
    right |=
        sodium_memcmp(expected.data(), tag.data(), tag.size()) == 0;  // every secret is tried: the time tells nothing
  }
  return right;
}

bool crypto_ready() { return sodium_init() >= 0; }

uint64_t random_u64() {
  NOEX_CHECK(crypto_ready());
  uint64_t value = 0;
  randombytes_buf(&value, sizeof value);
  return value;
}

}  // namespace noex
