// The frame reader: whatever the bytes, and however they are cut, it finds the frames that a plain reading of the whole
// stream finds, and never holds more than its limit allows.
#include "wire/frame_reader.h"

#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checks.h"
#include "support/input.h"

namespace {

using noex::FrameReader;

struct Limit {
  size_t size = 0;
  FrameReader::Oversize oversize = FrameReader::Oversize::Refuse;
};

struct Found {
  FrameReader::Step step;
  std::string body;        // of a frame
  uint32_t announced = 0;  // of one that is skipped or refused
  friend bool operator==(const Found&, const Found&) = default;
};

struct Plan {
  std::string stream;
  Limit first;
  Limit later;            // from the second frame on that is handed out or skipped
  std::string_view cuts;  // sizes of the pieces, in turn
};

// What the stream says, by the definition: 4 bytes big-endian, then so many of body.
std::vector<Found> by_definition(const Plan& plan) {
  std::vector<Found> found;
  std::string_view rest = plan.stream;
  while (rest.size() >= noex::kFrameHeaderSize) {
    uint32_t size = 0;
    for (size_t i = 0; i < noex::kFrameHeaderSize; ++i) size = size << 8 | static_cast<uint8_t>(rest[i]);
    rest.remove_prefix(noex::kFrameHeaderSize);
    const Limit& limit = found.empty() ? plan.first : plan.later;
    if (size > noex::kFrameBodySizeMax || (size > limit.size && limit.oversize == FrameReader::Oversize::Refuse)) {
      found.push_back({FrameReader::Step::TooLarge, {}, size});
      return found;
    }
    if (size > limit.size) {
      found.push_back({FrameReader::Step::Skipping, {}, size});
    } else if (size <= rest.size()) {
      found.push_back({FrameReader::Step::Frame, std::string(rest.substr(0, size)), 0});
    }
    rest.remove_prefix(std::min<size_t>(size, rest.size()));
  }
  return found;
}

// Feeds the reader piece by piece. `see` is called for each step but NeedMore, `rest` after each piece.
template <typename See, typename Rest>
void feed(const Plan& plan, std::string_view cuts, See see, Rest after_piece) {
  FrameReader reader(plan.first.size, plan.first.oversize);
  std::string_view rest = plan.stream;
  size_t cut = 0;
  while (!rest.empty()) {
    const size_t wanted = cuts.empty() ? rest.size() : static_cast<uint8_t>(cuts[cut++ % cuts.size()]) + 1u;
    noex::ByteView piece = noex::as_byte_view(rest.substr(0, wanted));
    rest.remove_prefix(piece.size());
    while (true) {
      const FrameReader::Step step = reader.next(piece);
      if (step == FrameReader::Step::NeedMore) break;
      see(step, reader);
      reader.set_limit(plan.later.size, plan.later.oversize);
      if (step == FrameReader::Step::TooLarge) {
        NOEX_CHECK(!reader.explanation().empty());
        NOEX_CHECK(reader.next(piece) == FrameReader::Step::TooLarge);
        return;
      }
    }
    NOEX_CHECK(piece.empty());
    NOEX_CHECK(reader.buffered() <= std::max(plan.first.size, plan.later.size));
    after_piece(plan.stream.size() - rest.size());
  }
}

std::vector<Found> by_reader(const Plan& plan, std::string_view cuts) {
  std::vector<Found> found;
  feed(
      plan, cuts,
      [&found](FrameReader::Step step, const FrameReader& reader) {
        const bool is_frame = step == FrameReader::Step::Frame;
        found.push_back({step, is_frame ? std::string(noex::as_text(reader.body())) : std::string(),
                         is_frame ? 0 : reader.announced_size()});
      },
      [](size_t) {});
  return found;
}

// A buffer that grows by doubling holds twice the body at most, and thrice while it moves; it never grows by what a
// header promises.
void check_memory(const Plan& plan) {
  const size_t before = __sanitizer_get_current_allocated_bytes();
  const size_t limit = std::max(plan.first.size, plan.later.size);
  feed(
      plan, plan.cuts, [](FrameReader::Step, const FrameReader&) {},
      [&](size_t fed) {
        const size_t held = __sanitizer_get_current_allocated_bytes() - before;
        NOEX_CHECK(held <= 2 * std::min(fed, limit) + 64);
      });
}

Plan plan_of(noex::fuzz::Input& in) {
  constexpr std::array<size_t, 8> kLimits = {0, 1, 3, 16, 100, 1000, 70'000, noex::kFrameBodySizeMax};
  Plan plan;
  const uint8_t limits = in.byte();
  const auto oversize = [](bool skip) { return skip ? FrameReader::Oversize::Skip : FrameReader::Oversize::Refuse; };
  plan.first = {kLimits[limits & 7], oversize((limits & 64) != 0)};
  plan.later = {kLimits[limits >> 3 & 7], oversize((limits & 128) != 0)};
  plan.cuts = in.take(in.byte() % 8);
  // Either the bytes as they come, or frames made of them: a size, then one byte so many times.
  if (in.flag()) {
    plan.stream = in.rest();
    return plan;
  }
  while (!in.empty() && plan.stream.size() < 300'000) {
    const uint8_t kind = in.byte();
    const uint32_t size = (kind & 1) != 0 ? uint32_t{in.byte()} : uint32_t{in.u16()} << (kind >> 6);
    for (int shift = 24; shift >= 0; shift -= 8) plan.stream += static_cast<char>(static_cast<uint8_t>(size >> shift));
    plan.stream.append(size, static_cast<char>(kind));
  }
  if (in.flag() && !plan.stream.empty()) plan.stream.pop_back();
  return plan;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  noex::fuzz::Input in(data, size);
  const Plan plan = plan_of(in);
  const std::vector<Found> expected = by_definition(plan);
  NOEX_CHECK(by_reader(plan, {}) == expected);
  NOEX_CHECK(by_reader(plan, plan.cuts) == expected);
  if (plan.stream.size() < 5000) NOEX_CHECK(by_reader(plan, std::string_view("\0", 1)) == expected);
  check_memory(plan);
  return 0;
}
