// Wire v1's JSON: Message <-> text. Writing spells every byte as ECMAScript would, so that other implementations can
// check our signatures. Reading trusts nothing: the text is checked whole, sizes are bounded by the frame, and whatever
// is not the shape of its type is refused with the reason. Signatures and frames are not known here. Source:
// docs/protocol.md.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "model/message.h"

namespace noex {

// Why a text was refused.
struct DecodeFailure {
  RejectKind kind = RejectKind::Malformed;
  std::string detail;  // what was wrong, printable, without a final stop
};

// Appends the envelope's text, without a signature. The payload must be a Heartbeat or a Goodbye, its strings valid
// UTF-8, its numbers whole and within 2^53; an incarnation in the hello must not be 0.
void append_message(std::string& out, const NodeId& from, int64_t timestamp, const Payload& payload);
// About how long that text will be, for reserving.
[[nodiscard]] size_t message_size_hint(const NodeId& from, const Payload& payload);

// Reads messages. Keeps its buffers between texts, but gives those of a large one back. Who reads one message after the
// other into the same place causes no allocation with texts that are much alike. One thread at a time.
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(Decoder&&) noexcept;
  Decoder& operator=(Decoder&&) noexcept;

  // Reads one envelope into `out`, whose memory is used again; it holds nothing of use on failure.
  // Malformed: not JSON, not UTF-8, not an object, or one of our keys twice. Version: `version` is not 1.
  // InvalidSender: `from` is no id. InvalidMessage: a field is missing or of the wrong shape. UnknownType: all is well
  // but for the type, which nobody knows.
  [[nodiscard]] std::optional<DecodeFailure> decode(std::string_view text, Message* out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace noex
