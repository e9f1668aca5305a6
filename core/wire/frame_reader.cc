#include "wire/frame_reader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "base/checks.h"

namespace noex {
namespace {

// A buffer that once held a large frame is given back, so that an idle connection stays small.
constexpr size_t kRetainedBufferMax = 4 * 1024;

// What else could have dialled us, by the first four bytes. As a length each of them is far over the protocol's
// maximum.
constexpr std::pair<std::string_view, const char*> kForeignStarts[] = {
    {"GET ", "an HTTP request"},         {"POST", "an HTTP request"},  {"PUT ", "an HTTP request"},
    {"HEAD", "an HTTP request"},         {"DELE", "an HTTP request"},  {"OPTI", "an HTTP request"},
    {"PATC", "an HTTP request"},         {"CONN", "an HTTP request"},  {"TRAC", "an HTTP request"},
    {"PRI ", "an HTTP/2 request"},       {"HTTP", "an HTTP response"}, {"SSH-", "an SSH client or server"},
    {"PROX", "a PROXY protocol header"},
};

}  // namespace

FrameReader::FrameReader(size_t body_size_max, Oversize oversize) : body_size_max_(body_size_max), oversize_(oversize) {
  NOEX_CHECK(body_size_max <= kFrameBodySizeMax);
}

void FrameReader::set_limit(size_t body_size_max, Oversize oversize) {
  NOEX_CHECK(body_size_max <= kFrameBodySizeMax);
  body_size_max_ = body_size_max;
  oversize_ = oversize;
}

FrameReader::Step FrameReader::next(ByteView& input) {
  if (dead_) return Step::TooLarge;
  if (handed_out_) {
    handed_out_ = false;
    buffer_.clear();
    if (buffer_.capacity() > kRetainedBufferMax) buffer_ = std::string();
  }
  if (skip_remaining_ > 0) {
    const size_t size = std::min(skip_remaining_, input.size());
    input = input.subspan(size);
    skip_remaining_ -= size;
    if (skip_remaining_ > 0) return Step::NeedMore;
    header_size_ = 0;
  }
  if (header_size_ == kFrameHeaderSize) return take_body(input);

  const size_t size = std::min(kFrameHeaderSize - header_size_, input.size());
  for (size_t i = 0; i < size; ++i) header_[header_size_ + i] = std::to_integer<uint8_t>(input[i]);
  header_size_ += size;
  input = input.subspan(size);
  if (header_size_ < kFrameHeaderSize) return Step::NeedMore;
  const Step step = begin_frame();
  return step == Step::Frame ? take_body(input) : step;
}

// Judges the header that is now complete. Frame means: go on with its body.
FrameReader::Step FrameReader::begin_frame() {
  announced_size_ =
      uint32_t{header_[0]} << 24 | uint32_t{header_[1]} << 16 | uint32_t{header_[2]} << 8 | uint32_t{header_[3]};
  if (announced_size_ > kFrameBodySizeMax || (announced_size_ > body_size_max_ && oversize_ == Oversize::Refuse)) {
    dead_ = true;
    buffer_ = std::string();
    return Step::TooLarge;
  }
  first_frame_ = false;
  if (announced_size_ > body_size_max_) {
    skip_remaining_ = announced_size_;
    return Step::Skipping;
  }
  return Step::Frame;
}

FrameReader::Step FrameReader::take_body(ByteView& input) {
  const size_t missing = announced_size_ - buffer_.size();
  if (buffer_.empty() && input.size() >= missing) {
    body_ = input.first(missing);
  } else {
    // Grows as bytes come, never by what the header promises; std::string doubles, so each byte is copied a bounded
    // number of times.
    buffer_.append(as_text(input.first(std::min(missing, input.size()))));
    if (buffer_.size() < announced_size_) {
      input = {};
      return Step::NeedMore;
    }
    handed_out_ = true;
    body_ = as_byte_view(buffer_);
  }
  input = input.subspan(missing);
  header_size_ = 0;
  return Step::Frame;
}

std::string FrameReader::explanation() const {
  if (first_frame_) {
    const std::string_view start = as_text(std::as_bytes(std::span(header_)));
    for (const auto& [prefix, what] : kForeignStarts) {
      if (start == prefix) return std::string("this looks like ") + what;
    }
    // A TLS record: type handshake, then a version 3.x.
    if (header_[0] == 0x16 && header_[1] == 0x03) return "this looks like a TLS handshake";
    if (announced_size_ > kFrameBodySizeMax) return "the peer does not speak this protocol";
  }
  return announced_size_ > kFrameBodySizeMax ? "the stream is broken" : "the peer is not identified yet";
}

}  // namespace noex
