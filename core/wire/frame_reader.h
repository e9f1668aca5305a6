// Cuts a byte stream into frames: 4 bytes big-endian length N, then N bytes of body. Sans-I/O; the stream may come in
// any pieces. A frame that lies whole in the piece at hand is handed out where it is; only an incomplete one is copied,
// and each byte of it once.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace noex {

inline constexpr size_t kFrameHeaderSize = 4;
// The protocol's own maximum: no implementation of v1 takes more.
inline constexpr size_t kFrameBodySizeMax = 16 * 1024 * 1024;

class FrameReader {
 public:
  enum class Step {
    NeedMore,  // the input is used up
    Frame,     // body() is a whole frame
    Skipping,  // a frame of announced_size() bytes begins that is over the limit: it will be read through and dropped
    TooLarge,  // the stream cannot be read on; every later call says the same
  };

  // What happens to a frame over the limit but within the protocol's maximum.
  enum class Oversize { Refuse, Skip };

  // `body_size_max` is at most kFrameBodySizeMax.
  FrameReader(size_t body_size_max, Oversize oversize);
  // Holds for the frames whose header is not complete yet.
  void set_limit(size_t body_size_max, Oversize oversize);

  // Takes bytes from the front of `input` up to the end of one step. Call until NeedMore or TooLarge.
  [[nodiscard]] Step next(ByteView& input);

  // After Frame: the body, borrowed from the input or from the reader; valid until the next call.
  [[nodiscard]] ByteView body() const { return body_; }
  // After Skipping and TooLarge: the length that the frame's header gives.
  [[nodiscard]] uint32_t announced_size() const { return announced_size_; }
  // After TooLarge: one clause that says what the bytes are taken for, such as "this looks like an HTTP request".
  [[nodiscard]] std::string explanation() const;

  // Bytes of body held for an incomplete frame.
  [[nodiscard]] size_t buffered() const { return buffer_.size(); }

 private:
  [[nodiscard]] Step begin_frame();
  [[nodiscard]] Step take_body(ByteView& input);

  size_t body_size_max_;
  Oversize oversize_;
  std::array<uint8_t, kFrameHeaderSize> header_{};
  size_t header_size_ = 0;
  uint32_t announced_size_ = 0;
  bool first_frame_ = true;
  bool dead_ = false;
  bool handed_out_ = false;  // body_ points into buffer_, which the next call may reuse
  size_t skip_remaining_ = 0;
  std::string buffer_;
  ByteView body_;
};

}  // namespace noex
