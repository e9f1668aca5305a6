// The bytes of a fuzzer as a source of decisions: whoever reads past their end gets zeros, so every input means
// something, and a prefix of it means nearly the same.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace noex::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  uint8_t byte() {
    const std::string_view taken = take(1);
    return taken.empty() ? uint8_t{0} : static_cast<uint8_t>(taken.front());
  }
  bool flag() { return (byte() & 1) != 0; }
  uint16_t u16() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  uint64_t u64() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }
  // Up to 255 bytes, as many as the byte before them says.
  std::string_view text() { return take(byte()); }
  std::string_view take(size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return take(rest_.size()); }

  template <typename T, size_t N>
  const T& pick(const std::array<T, N>& choices) {
    return choices[byte() % N];
  }

 private:
  std::string_view rest_;
};

}  // namespace noex::fuzz
