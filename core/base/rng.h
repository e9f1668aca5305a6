// A small seeded generator (xoshiro256**, Blackman & Vigna 2018): the same seed gives the same run of a node or of a
// whole simulated cluster. Not for secrets: nonces and incarnations of a real node come through crypto/.
#pragma once

#include <array>
#include <cstdint>

namespace noex {

class Rng {
 public:
  explicit Rng(uint64_t seed);

  [[nodiscard]] uint64_t next();
  // Uniform in [0, bound); bound > 0.
  [[nodiscard]] uint64_t below(uint64_t bound);
  // Uniform in [0, 1).
  [[nodiscard]] double unit();
  // True with probability `p`.
  [[nodiscard]] bool chance(double p) { return unit() < p; }

 private:
  std::array<uint64_t, 4> state_;
};

}  // namespace noex
