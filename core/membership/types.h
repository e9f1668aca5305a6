// The inputs and outputs of the membership machine: plain values, comparable and printable, so that a run can be
// recorded, replayed and checked. Connections and queries are opaque numbers here.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/time.h"
#include "model/address.h"
#include "model/event.h"
#include "model/message.h"

namespace noex {

// Dialled connections get odd numbers from the machine, accepted ones even numbers from the driver. Never reused within
// a run.
using ConnectionId = uint64_t;
using QueryId = uint64_t;

// ----------------------------------------------------------------------------------------------------------------
// events (inputs)

// Time has come. The driver feeds everything readable before it, so that a node that was paused judges nobody by its
// own pause.
struct Tick {};

// An accepted connection.
struct ConnectionAccepted {
  ConnectionId connection = 0;
  Endpoint remote;
  bool remote_is_local = false;  // the peer is on this machine: its address is one of ours
};

// A dial of ours reached TCP's "connected".
struct ConnectionOpened {
  ConnectionId connection = 0;
  bool remote_is_local = false;
};

struct DialFailed {
  ConnectionId connection = 0;
  std::string reason;  // "connection refused", "timed out after 5 s", "no route to host", ...
};

// The answer to Resolve: every address, or none and the reason.
struct Resolved {
  QueryId query = 0;
  std::vector<IpAddress> addresses;
  std::string reason;  // with no addresses: "unknown host", ...
};

struct MessageReceived {
  ConnectionId connection = 0;
  Message message;
  size_t frame_size = 0;  // bytes of the body
};

// A frame that the session refused. After FrameSkipped the connection goes on; after any other kind the machine answers
// with Close.
struct FrameRejected {
  ConnectionId connection = 0;
  RejectKind kind = RejectKind::Malformed;
  std::string detail;
};

enum class CloseCause { EndOfStream, Reset, WriteFailed, SlowReader };

// The connection is gone; nothing more comes from it. Never sent for a connection that the machine itself closed.
struct ConnectionClosed {
  ConnectionId connection = 0;
  CloseCause cause = CloseCause::EndOfStream;
};

struct ProcessCountChanged {
  int64_t count = 0;
};

// stop(): say goodbye to everyone and be done.
struct LeaveRequested {};

using Event = std::variant<Tick, ConnectionAccepted, ConnectionOpened, DialFailed, Resolved, MessageReceived,
                           FrameRejected, ConnectionClosed, ProcessCountChanged, LeaveRequested>;

// ---------------------------------------------------------------------------------------------------------------
// effects (outputs)

struct Dial {
  ConnectionId connection = 0;
  Endpoint endpoint;
};

// Look `host` up (a DNS name, never a literal, never "localhost"). Answered by exactly one Resolved.
struct Resolve {
  QueryId query = 0;
  std::string host;
};

// Send one payload to all of `to`, in order: encoded and signed once. `from` and `timestamp` are filled in by the
// driver.
struct Send {
  std::vector<ConnectionId> to;
  Payload payload;
};

enum class CloseMode {
  Abort,          // drop at once what is queued
  Flush,          // send what is queued (1 s at most), then close
  ShutdownWrite,  // send what is queued, then FIN; reading goes on, and ConnectionClosed comes at the end of the stream
};

// After Abort or Flush the machine hears nothing more of that connection. For a dial in progress Abort cancels it.
struct Close {
  ConnectionId connection = 0;
  CloseMode mode = CloseMode::Abort;
};

// The peer on this connection is identified: larger frames may come.
struct RaiseFrameLimit {
  ConnectionId connection = 0;
};

// Every seed's first attempt has ended (or 2 s have passed): start() may resolve.
struct JoinSettled {};

// All goodbyes are handed over: once they are flushed the node is stopped.
struct Left {};

using Notification = std::variant<NodeUp, NodeDown, ErrorReport, LogRecord, JoinSettled, Left>;

struct Notify {
  Notification notification;
};

using Effect = std::variant<Dial, Resolve, Send, Close, RaiseFrameLimit, Notify>;
using Effects = std::vector<Effect>;

}  // namespace noex
