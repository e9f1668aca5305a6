// The bytes of one connection <-> authenticated messages (wire v1). Sans-I/O: bytes in, values out; the driver owns the
// socket. The order is frame bounds, then signature over the exact bytes, then JSON: nothing unauthenticated reaches
// the parser when a secret is set.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "crypto/hmac.h"
#include "model/message.h"

namespace noex {

// What bytes have come to.
enum class SessionStep {
  NeedMore,  // they are used up
  Message,
  Reject,
};

struct SessionReject {
  RejectKind kind = RejectKind::Malformed;
  std::string detail;  // what was wrong, printable, without a final stop
};

struct SessionMessage {
  Message message;
  size_t frame_size = 0;  // bytes of the body
};

using SessionOutput = std::variant<SessionMessage, SessionReject>;

// What reading a frame needs and a connection between two frames does not: the parser and its buffers. The sessions of
// one thread share one, so that a connection stays small.
class SessionBuffers {
 public:
  // `remembered`: of so many frames it is kept what they were, so that equal bytes under equal secrets are verified and
  // read once. For who runs many nodes in one thread, as the simulator does, where one beat comes to all peers; to one
  // node no frame comes twice.
  explicit SessionBuffers(size_t remembered = 0);
  ~SessionBuffers();
  SessionBuffers(const SessionBuffers&) = delete;
  SessionBuffers& operator=(const SessionBuffers&) = delete;

 private:
  friend class Session;
  struct State;
  std::unique_ptr<State> state_;
};

// The reading side of one connection.
class Session {
 public:
  // `keys` is borrowed and outlives the session; null or empty = no secret (signatures are then ignored).
  // `buffers` is borrowed likewise; null = the session has its own.
  explicit Session(const SigningKeys* keys, SessionBuffers* buffers = nullptr);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Takes bytes from the front of `bytes` until they complete a message or a reject, or all of them. What it means for
  // the connection (it is closed, its frames may be larger) then holds for the bytes after it. `message` is storage
  // that may be lent to one call after the other, of any session: beats that are read into it again and again allocate
  // nothing. After a Reject of any kind but FrameSkipped and UnknownType the session is dead: later bytes are ignored.
  [[nodiscard]] SessionStep next(ByteView& bytes, Message& message, SessionReject& rejected);
  // After Message: bytes of its frame's body.
  [[nodiscard]] size_t frame_size() const;
  // All that `bytes` complete, in order, for who has nothing to decide in between.
  void receive(ByteView bytes, std::vector<SessionOutput>& out);

  // The peer is identified: frames up to 1 MiB are read (before: 256 KiB; the tighter bound for peers with hello is
  // membership's); larger ones up to 16 MiB are read through and dropped (FrameSkipped). Before, anything over the
  // limit is FrameTooLarge.
  void raise_frame_limit();

  // Bytes held for an incomplete frame.
  [[nodiscard]] size_t buffered() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Encodes and signs one frame: length prefix, JSON envelope, signature if `keys` holds a secret. `timestamp` is ms
// since the epoch.
[[nodiscard]] SharedBytes encode_frame(const NodeId& from, int64_t timestamp, const Payload& payload,
                                       const SigningKeys* keys);

}  // namespace noex
