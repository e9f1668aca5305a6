#include "session/session.h"

#include <utility>

#include "base/checks.h"
#include "wire/codec.h"
#include "wire/frame_reader.h"

namespace noex {
namespace {

constexpr size_t kUnidentifiedFrameMax = 256 * 1024;
constexpr size_t kIdentifiedFrameMax = 1024 * 1024;

// The one form that a signed body ends in: `,"signature":"<64 lower-case hex digits>"}`.
constexpr std::string_view kSignatureStart = ",\"signature\":\"";
constexpr std::string_view kSignatureEnd = "\"}";
constexpr size_t kTagDigits = 2 * kHmacSize;
constexpr size_t kSignatureSize = kSignatureStart.size() + kTagDigits + kSignatureEnd.size();

void append_tag(std::string& out, const HmacTag& tag) {
  for (const uint8_t byte : tag) out += to_hex(byte, 2);
}

bool parse_tag(std::string_view digits, HmacTag* out) {
  for (size_t i = 0; i < kHmacSize; ++i) {
    uint64_t byte = 0;
    if (!from_hex(digits.substr(2 * i, 2), &byte)) return false;
    (*out)[i] = static_cast<uint8_t>(byte);
  }
  return true;
}

// Splits a signed body into the text before the signature and the tag. False if it does not end in a signature of the
// one form.
bool split_signature(std::string_view body, std::string_view* signed_text, HmacTag* tag) {
  if (body.size() < kSignatureSize) return false;
  *signed_text = body.substr(0, body.size() - kSignatureSize);
  const std::string_view suffix = body.substr(signed_text->size());
  return suffix.substr(0, kSignatureStart.size()) == kSignatureStart &&
         suffix.substr(suffix.size() - kSignatureEnd.size()) == kSignatureEnd &&
         parse_tag(suffix.substr(kSignatureStart.size(), kTagDigits), tag);
}

std::string describe_size(const FrameReader& reader) {
  return "a frame of " + std::to_string(reader.announced_size()) + " bytes";
}

// After these the stream is still in step and the sender no liar: the connection goes on.
bool goes_on_after(RejectKind kind) { return kind == RejectKind::FrameSkipped || kind == RejectKind::UnknownType; }

}  // namespace

struct Session::State {
  explicit State(const SigningKeys* signing_keys)
      : keys(signing_keys != nullptr && !signing_keys->empty() ? signing_keys : nullptr) {}

  void reject(RejectKind kind, std::string detail, std::vector<SessionOutput>& out) {
    out.push_back(SessionReject{kind, std::move(detail)});
    if (!goes_on_after(kind)) dead = true;
  }
  [[nodiscard]] bool is_authentic(std::string_view body, std::vector<SessionOutput>& out);
  void take_frame(std::string_view body, std::vector<SessionOutput>& out);

  const SigningKeys* keys;  // nullptr: no secret
  FrameReader reader{kUnidentifiedFrameMax, FrameReader::Oversize::Refuse};
  Decoder decoder;
  bool dead = false;
};

bool Session::State::is_authentic(std::string_view body, std::vector<SessionOutput>& out) {
  if (keys == nullptr) return true;
  std::string_view signed_text;
  HmacTag tag;
  if (!split_signature(body, &signed_text, &tag)) {
    reject(RejectKind::MissingSignature,
           "a secret is set here, and the frame does not end in a signature (has the peer none?)", out);
    return false;
  }
  if (!keys->verify({as_byte_view(signed_text), as_byte_view("}")}, tag)) {
    reject(RejectKind::BadSignature, "the signature is wrong: the peer has another secret, or the frame was changed",
           out);
    return false;
  }
  return true;
}

void Session::State::take_frame(std::string_view body, std::vector<SessionOutput>& out) {
  if (!is_authentic(body, out)) return;
  SessionMessage received;
  received.frame_size = body.size();
  if (std::optional<DecodeFailure> failure = decoder.decode(body, &received.message)) {
    reject(failure->kind, std::move(failure->detail), out);
  } else {
    out.push_back(std::move(received));
  }
}

Session::Session(const SigningKeys* keys) : state_(std::make_unique<State>(keys)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

void Session::receive(ByteView bytes, std::vector<SessionOutput>& out) {
  while (!state_->dead) {
    switch (state_->reader.next(bytes)) {
      case FrameReader::Step::NeedMore:
        return;
      case FrameReader::Step::Frame:
        state_->take_frame(as_text(state_->reader.body()), out);
        break;
      case FrameReader::Step::Skipping:
        state_->reject(RejectKind::FrameSkipped, describe_size(state_->reader) + " is over the limit and is not read",
                       out);
        break;
      case FrameReader::Step::TooLarge:
        state_->reject(RejectKind::FrameTooLarge,
                       describe_size(state_->reader) + " is over the limit: " + state_->reader.explanation(), out);
        break;
    }
  }
}

void Session::raise_frame_limit() { state_->reader.set_limit(kIdentifiedFrameMax, FrameReader::Oversize::Skip); }

size_t Session::buffered() const { return state_->reader.buffered(); }

SharedBytes encode_frame(const NodeId& from, int64_t timestamp, const Payload& payload, const SigningKeys* keys) {
  std::string frame(kFrameHeaderSize, '\0');
  append_message(frame, from, timestamp, payload);
  if (keys != nullptr && !keys->empty()) {
    const HmacTag tag = keys->sign({as_byte_view(frame).subspan(kFrameHeaderSize)});
    frame.pop_back();  // the signature goes before the last brace
    frame += kSignatureStart;
    append_tag(frame, tag);
    frame += kSignatureEnd;
  }
  const size_t size = frame.size() - kFrameHeaderSize;
  NOEX_CHECK(size <= kFrameBodySizeMax);
  for (size_t i = 0; i < kFrameHeaderSize; ++i)
    frame[i] = static_cast<char>(static_cast<uint8_t>(size >> (8 * (3 - i))));
  return std::make_shared<const std::string>(std::move(frame));
}

}  // namespace noex
