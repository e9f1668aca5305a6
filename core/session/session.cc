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

struct SessionBuffers::State {
  Decoder decoder;
};

SessionBuffers::SessionBuffers() : state_(std::make_unique<State>()) {}
SessionBuffers::~SessionBuffers() = default;

struct Session::State {
  State(const SigningKeys* signing_keys, SessionBuffers* shared_buffers)
      : keys(signing_keys != nullptr && !signing_keys->empty() ? signing_keys : nullptr),
        own_buffers(shared_buffers == nullptr ? std::make_unique<SessionBuffers>() : nullptr),
        decoder((shared_buffers == nullptr ? *own_buffers : *shared_buffers).state_->decoder) {}

  SessionReject reject(RejectKind kind, std::string detail) {
    if (!goes_on_after(kind)) dead = true;
    return {kind, std::move(detail)};
  }
  [[nodiscard]] std::optional<SessionReject> authenticate(std::string_view body);
  [[nodiscard]] SessionOutput take_frame(std::string_view body);

  const SigningKeys* keys;  // nullptr: no secret
  FrameReader reader{kUnidentifiedFrameMax, FrameReader::Oversize::Refuse};
  const std::unique_ptr<SessionBuffers> own_buffers;
  Decoder& decoder;
  bool dead = false;
};

std::optional<SessionReject> Session::State::authenticate(std::string_view body) {
  if (keys == nullptr) return std::nullopt;
  std::string_view signed_text;
  HmacTag tag;
  if (!split_signature(body, &signed_text, &tag)) {
    return reject(RejectKind::MissingSignature,
                  "a secret is set here, and the frame does not end in a signature (has the peer none?)");
  }
  if (!keys->verify({as_byte_view(signed_text), as_byte_view("}")}, tag)) {
    return reject(RejectKind::BadSignature,
                  "the signature is wrong: the peer has another secret, or the frame was changed");
  }
  return std::nullopt;
}

SessionOutput Session::State::take_frame(std::string_view body) {
  if (std::optional<SessionReject> refused = authenticate(body)) return *std::move(refused);
  SessionMessage received;
  received.frame_size = body.size();
  if (std::optional<DecodeFailure> failure = decoder.decode(body, &received.message)) {
    return reject(failure->kind, std::move(failure->detail));
  }
  return received;
}

Session::Session(const SigningKeys* keys, SessionBuffers* buffers) : state_(std::make_unique<State>(keys, buffers)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::optional<SessionOutput> Session::next(ByteView& bytes) {
  if (state_->dead) return std::nullopt;
  const FrameReader& reader = state_->reader;
  switch (state_->reader.next(bytes)) {
    case FrameReader::Step::NeedMore:
      return std::nullopt;
    case FrameReader::Step::Frame:
      return state_->take_frame(as_text(reader.body()));
    case FrameReader::Step::Skipping:
      return state_->reject(RejectKind::FrameSkipped, describe_size(reader) + " is over the limit and is not read");
    case FrameReader::Step::TooLarge:
      break;
  }
  return state_->reject(RejectKind::FrameTooLarge,
                        describe_size(reader) + " is over the limit: " + reader.explanation());
}

void Session::receive(ByteView bytes, std::vector<SessionOutput>& out) {
  while (std::optional<SessionOutput> output = next(bytes)) out.push_back(*std::move(output));
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
