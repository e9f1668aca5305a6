#include "session/session.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
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
  for (const uint8_t byte : tag) append_hex(out, byte, 2);
}

bool parse_tag(std::string_view digits, HmacTag* out) {
  static_assert(kTagDigits % 16 == 0);
  for (size_t word = 0; word < kTagDigits / 16; ++word) {
    uint64_t value = 0;
    if (!from_hex(digits.substr(16 * word, 16), &value)) return false;
    for (size_t byte = 8; byte-- > 0; value >>= 8) (*out)[8 * word + byte] = static_cast<uint8_t>(value);
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

// The frames that were read last, each with what it was: a message.
class FrameMemory {
 public:
  explicit FrameMemory(size_t size) : frames_(size) {}

  // nullptr: not known.
  [[nodiscard]] const Message* find(std::string_view body, std::string_view fingerprint) const {
    const auto found = places_.find(body);
    if (found == places_.end() || frames_[found->second].fingerprint != fingerprint) return nullptr;
    return &frames_[found->second].message;
  }
  void add(std::string_view body, std::string_view fingerprint, const Message& message) {
    // Lists are long, and for one receiver each.
    if (frames_.empty() || body.size() > kBodyMax || places_.contains(body)) return;
    Frame& oldest = frames_[next_];
    places_.erase(oldest.body);
    oldest.body = body;
    oldest.fingerprint = fingerprint;
    oldest.message = message;
    places_.emplace(oldest.body, next_);
    next_ = (next_ + 1) % frames_.size();
  }

 private:
  static constexpr size_t kBodyMax = 4 * 1024;
  struct Frame {
    std::string body;
    std::string fingerprint;
    Message message;
  };
  // Its last bytes, a signature mostly, tell a frame from others; all of them are compared.
  struct HashOfEnd {
    size_t operator()(std::string_view body) const {
      return std::hash<std::string_view>{}(body.substr(body.size() - std::min<size_t>(body.size(), 32)));
    }
  };

  std::vector<Frame> frames_;
  std::unordered_map<std::string_view, size_t, HashOfEnd> places_;  // views of Frame::body
  size_t next_ = 0;
};

}  // namespace

struct SessionBuffers::State {
  explicit State(size_t remembered) : memory(remembered) {}
  Decoder decoder;
  FrameMemory memory;
};

SessionBuffers::SessionBuffers(size_t remembered) : state_(std::make_unique<State>(remembered)) {}
SessionBuffers::~SessionBuffers() = default;

struct Session::State {
  State(const SigningKeys* signing_keys, SessionBuffers* shared_buffers)
      : keys(signing_keys != nullptr && !signing_keys->empty() ? signing_keys : nullptr),
        own_buffers(shared_buffers == nullptr ? std::make_unique<SessionBuffers>() : nullptr),
        buffers(*(shared_buffers == nullptr ? *own_buffers : *shared_buffers).state_) {}

  SessionStep reject(RejectKind kind, std::string detail, SessionReject& rejected) {
    if (!goes_on_after(kind)) dead = true;
    rejected = {kind, std::move(detail)};
    return SessionStep::Reject;
  }
  // Whether the body may be read; else `rejected` says why not.
  [[nodiscard]] bool authenticate(std::string_view body, SessionReject& rejected);
  [[nodiscard]] SessionStep take_frame(std::string_view body, Message& message, SessionReject& rejected);

  const SigningKeys* keys;  // nullptr: no secret
  FrameReader reader{kUnidentifiedFrameMax, FrameReader::Oversize::Refuse};
  const std::unique_ptr<SessionBuffers> own_buffers;
  SessionBuffers::State& buffers;
  bool dead = false;
};

bool Session::State::authenticate(std::string_view body, SessionReject& rejected) {
  if (keys == nullptr) return true;
  std::string_view signed_text;
  HmacTag tag;
  if (!split_signature(body, &signed_text, &tag)) {
    reject(RejectKind::MissingSignature,
           "a secret is set here, and the frame does not end in a signature (has the peer none?)", rejected);
    return false;
  }
  if (keys->verify({as_byte_view(signed_text), as_byte_view("}")}, tag)) return true;
  reject(RejectKind::BadSignature, "the signature is wrong: the peer has another secret, or the frame was changed",
         rejected);
  return false;
}

SessionStep Session::State::take_frame(std::string_view body, Message& message, SessionReject& rejected) {
  const std::string_view fingerprint = keys == nullptr ? std::string_view() : keys->fingerprint();
  if (const Message* const known = buffers.memory.find(body, fingerprint)) {
    message = *known;
    return SessionStep::Message;
  }
  if (!authenticate(body, rejected)) return SessionStep::Reject;
  if (std::optional<DecodeFailure> failure = buffers.decoder.decode(body, &message)) {
    return reject(failure->kind, std::move(failure->detail), rejected);
  }
  buffers.memory.add(body, fingerprint, message);
  return SessionStep::Message;
}

Session::Session(const SigningKeys* keys, SessionBuffers* buffers) : state_(std::make_unique<State>(keys, buffers)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

SessionStep Session::next(ByteView& bytes, Message& message, SessionReject& rejected) {
  if (state_->dead) return SessionStep::NeedMore;
  const FrameReader& reader = state_->reader;
  switch (state_->reader.next(bytes)) {
    case FrameReader::Step::NeedMore:
      return SessionStep::NeedMore;
    case FrameReader::Step::Frame:
      return state_->take_frame(as_text(reader.body()), message, rejected);
    case FrameReader::Step::Skipping:
      return state_->reject(RejectKind::FrameSkipped, describe_size(reader) + " is over the limit and is not read",
                            rejected);
    case FrameReader::Step::TooLarge:
      break;
  }
  return state_->reject(RejectKind::FrameTooLarge,
                        describe_size(reader) + " is over the limit: " + reader.explanation(), rejected);
}

size_t Session::frame_size() const { return state_->reader.announced_size(); }

void Session::receive(ByteView bytes, std::vector<SessionOutput>& out) {
  while (true) {
    SessionMessage read;
    SessionReject rejected;
    const SessionStep step = next(bytes, read.message, rejected);
    if (step == SessionStep::NeedMore) return;
    if (step == SessionStep::Reject) {
      out.emplace_back(std::move(rejected));
      continue;
    }
    read.frame_size = frame_size();
    out.emplace_back(std::move(read));
  }
}

void Session::raise_frame_limit() { state_->reader.set_limit(kIdentifiedFrameMax, FrameReader::Oversize::Skip); }

size_t Session::buffered() const { return state_->reader.buffered(); }

SharedBytes encode_frame(const NodeId& from, int64_t timestamp, const Payload& payload, const SigningKeys* keys) {
  std::string frame;
  frame.reserve(kFrameHeaderSize + message_size_hint(from, payload) + kSignatureSize);
  frame.append(kFrameHeaderSize, '\0');
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
