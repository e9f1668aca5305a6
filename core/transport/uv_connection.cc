#include "transport/uv_connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/checks.h"
#include "transport/socket_address.h"
#include "transport/uv_context.h"

namespace noex {
namespace {

constexpr unsigned int kKeepAliveSeconds = 30;

UvConnection* self_of(const uv_handle_t* handle) { return static_cast<UvConnection*>(handle->data); }

std::string duration_text(Duration duration) {
  const int64_t ms = duration.ms();
  return ms % 1000 == 0 ? std::to_string(ms / 1000) + " s" : std::to_string(ms) + " ms";
}

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

struct UvConnection::WriteRequest {
  explicit WriteRequest(PageBuffer the_bytes) : bytes(std::move(the_bytes)) { request.data = this; }
  uv_write_t request{};
  const PageBuffer bytes;
};

void UvConnection::open_handles() {
  NOEX_CHECK(uv_tcp_init(&context_.loop, &tcp_) == 0);
  NOEX_CHECK(uv_timer_init(&context_.loop, &timer_) == 0);
  tcp_.data = this;
  timer_.data = this;
  handles_ = 2;
}

void UvConnection::dial(const Endpoint& endpoint) {
  const SocketAddress address(endpoint);
  connect_.data = this;
  const int error = uv_tcp_connect(&connect_, &tcp_, address.get(), [](uv_connect_t* request, int status) {
    auto* const self = static_cast<UvConnection*>(request->data);
    self->context_.guarded([self, status] { self->on_dialed(status); });
  });
  if (error == 0) return start_timer(context_.options.dial_timeout);
  context_.defer([&context = context_, id = id_, error] {
    // Looked up again: the handler may have cancelled the dial meanwhile.
    if (UvConnection* const self = context.find(id)) self->end_dial(dial_error_text(error));
  });
}

void UvConnection::on_dialed(int status) {
  if (state_ != State::Dialing) return;  // cancelled or timed out
  context_.delivered += 1;
  uv_timer_stop(&timer_);
  if (status != 0) return end_dial(dial_error_text(status));
  if (!establish()) return end_dial("connection reset");
  context_.handler->on_connected(id_, remote_is_local_);
}

void UvConnection::end_dial(std::string_view reason) {
  if (state_ != State::Dialing) return;
  const uint64_t id = id_;
  context_.by_id.erase(id);
  close_handles();
  context_.handler->on_dial_failed(id, reason);
}

bool UvConnection::adopt(int fd) {
  if (uv_tcp_open(&tcp_, fd) != 0) {
    ::close(fd);
  } else if (establish()) {
    return true;
  }
  context_.by_id.erase(id_);
  close_handles();
  return false;
}

// Options and reading of a socket that is connected. What fails here fails because the connection is gone already.
bool UvConnection::establish() {
  state_ = State::Open;
  uv_tcp_nodelay(&tcp_, 1);
  uv_tcp_keepalive(&tcp_, 1, kKeepAliveSeconds);
  be_persistent();
  if (context_.options.socket_send_buffer > 0) {
    int size = context_.options.socket_send_buffer;
    uv_send_buffer_size(as_handle(&tcp_), &size);
  }
  note_remote();
  const bool reading = start_reading();
  if (!reading) state_ = State::Dialing;
  return reading;
}

// Heartbeats are small and rare, so the kernel learns of a lost one only by its own timeout, and doubles that with each
// further loss: on a network that loses packets a few of these in a row make a silence of seconds, which is taken for
// death. BBR, which is made for bulk, is slow to repeat: with 20 % loss and a beat a second, 56 links had 4 to 8
// silences of three seconds in a minute, and 0 or 1 with Reno, which every kernel has. For streams as thin as this
// Linux repeats the first six times at an even pace, if it is asked to (not under BBR); what that adds to Reno was not
// measurable.
void UvConnection::be_persistent() {
#if defined(__linux__)
  uv_os_fd_t fd = -1;
  if (uv_fileno(as_handle(&tcp_), &fd) != 0) return;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, &on, sizeof on);
  std::array<char, 16> name{};
  socklen_t size = name.size();
  if (getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return;
  constexpr std::string_view kBulk = "bbr";  // and its later versions, bbr2 and bbr3
  constexpr std::string_view kPlain = "reno";
  if (std::string_view(name.data(), kBulk.size()) != kBulk) return;
  setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, kPlain.data(), static_cast<socklen_t>(kPlain.size()));
#endif
}

bool UvConnection::start_reading() {
  const auto allocate = [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    *buffer = uv_buf_init(self_of(handle)->context_.read_buffer.get(), UvContext::kReadBufferSize);
  };
  const auto read = [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* const self = static_cast<UvConnection*>(stream->data);
    self->context_.guarded([self, size, buffer] { self->on_read(size, buffer->base); });
  };
  return uv_read_start(reinterpret_cast<uv_stream_t*>(&tcp_), allocate, read) == 0;
}

// Lets the others have their turn: libuv would read on for as long as there is something, thirty-two buffers in a row.
void UvConnection::rest() {
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&tcp_));
  context_.resting.push_back(this);
}

void UvConnection::resume() {
  if (state_ == State::Open || state_ == State::Flushing) static_cast<void>(start_reading());
}

void UvConnection::note_remote() {
  uv_os_fd_t fd = -1;
  if (uv_fileno(as_handle(&tcp_), &fd) != 0) return;
  const auto remote = remote_endpoint(fd);
  const auto local = local_endpoint(fd);
  if (!remote) return;
  // The kernel mostly connects to an address of this machine from that same address; secondary addresses are the
  // exception.
  remote_is_local_ =
      remote->ip.is_loopback() || (local && local->ip == remote->ip) || context_.is_local_address(remote->ip);
}

void UvConnection::on_read(ssize_t size, const char* data) {
  if (size == 0 || state_ == State::Closed) return;
  context_.delivered += 1;
  if (size > 0) {
    const auto read_size = static_cast<size_t>(size);
    if (read_size >= UvContext::kMuch) rest();
    if (state_ != State::Open) return;  // flushed or cut: nobody listens any more
    return context_.handler->on_received(id_, as_byte_view({data, read_size}));
  }
  if (size == UV_ENOBUFS) return;
  if (state_ == State::Flushing) {
    // The peer has hung up. Without more to send, or after an error, that is all.
    peer_hung_up_ = true;
    if (size != UV_EOF || unsent() == 0) close_handles();
    return;
  }
  if (state_ != State::Open) return;
  if (write_failed_) return end(StreamEnd::WriteFailed);
  end(size == UV_EOF ? StreamEnd::EndOfStream : StreamEnd::Reset);
}

void UvConnection::write(const SharedBytes& frame) {
  if (state_ != State::Open || shutdown_asked_ || write_failed_) return;
  std::string_view rest = *frame;
  if (writes_ == 0) {
    // uv_buf_t has no const; libuv only reads.
    const uv_buf_t buffer = uv_buf_init(const_cast<char*>(rest.data()), static_cast<unsigned int>(rest.size()));
    const int sent = uv_try_write(reinterpret_cast<uv_stream_t*>(&tcp_), &buffer, 1);
    if (sent < 0 && sent != UV_EAGAIN) return note_write_failed();
    rest.remove_prefix(static_cast<size_t>(std::max(sent, 0)));
  }
  backlog_.append(rest);
  if (writes_ == 0 && !send_backlog()) return cut(StreamEnd::WriteFailed);
  if (unsent() > context_.options.send_queue_max) cut(StreamEnd::SlowReader);
}

bool UvConnection::send_backlog() {
  if (backlog_.empty()) return true;
  auto write = std::make_unique<WriteRequest>(std::move(backlog_));
  const uv_buf_t buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned int>(write->bytes.size()));
  const auto written = [](uv_write_t* request, int status) {
    const std::unique_ptr<WriteRequest> done(static_cast<WriteRequest*>(request->data));
    auto* const self = static_cast<UvConnection*>(request->handle->data);
    self->writes_ -= 1;
    self->context_.guarded([self, status] { self->on_written(status); });
  };
  if (uv_write(&write->request, reinterpret_cast<uv_stream_t*>(&tcp_), &buffer, 1, written) != 0) return false;
  static_cast<void>(write.release());
  writes_ += 1;
  return true;
}

void UvConnection::on_written(int status) {
  if (state_ == State::Closed) return;
  if (status == 0) {
    if (writes_ > 0 || state_ != State::Open || write_failed_) return;
    if (!send_backlog()) cut(StreamEnd::WriteFailed);
    return;
  }
  if (state_ == State::Flushing) return close_handles();
  if (state_ == State::Open && !write_failed_) note_write_failed();
}

// The peer is gone, but its last words may still lie in the receive buffer (a goodbye, most likely): the end is told
// when they are read. A socket with an error is readable at once; the timer is for the case that never should be.
void UvConnection::note_write_failed() {
  write_failed_ = true;
  start_timer(context_.options.flush_timeout);
}

size_t UvConnection::unsent() const {
  return uv_stream_get_write_queue_size(reinterpret_cast<const uv_stream_t*>(&tcp_)) + backlog_.size();
}

std::optional<Duration> UvConnection::round_trip() const {
#if defined(__linux__)
  uv_os_fd_t fd = -1;
  tcp_info info{};
  socklen_t size = sizeof info;
  if (state_ == State::Open && uv_fileno(reinterpret_cast<const uv_handle_t*>(&tcp_), &fd) == 0 &&
      getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_rtt > 0) {
    return Duration::microseconds(info.tcpi_rtt);
  }
#endif
  return std::nullopt;
}

void UvConnection::close(StreamClose how) {
  if (how == StreamClose::ShutdownWrite) {
    if (state_ == State::Open) shut_down();
    return;
  }
  context_.by_id.erase(id_);
  if (how == StreamClose::Flush && state_ == State::Open && !write_failed_) return flush();
  close_handles();
}

// Cuts the connection from within a call of the handler's: it is told later.
void UvConnection::cut(StreamEnd end_seen) {
  state_ = State::Ending;
  uv_read_stop(reinterpret_cast<uv_stream_t*>(&tcp_));
  context_.defer([&context = context_, id = id_, end_seen] {
    if (UvConnection* const self = context.find(id)) self->end(end_seen);
  });
}

void UvConnection::end(StreamEnd how) {
  const uint64_t id = id_;
  context_.by_id.erase(id);
  // A peer that only shut down its side still reads: what we had queued for it is not lost.
  if (how == StreamEnd::EndOfStream && unsent() > 0) {
    peer_hung_up_ = true;
    flush();
  } else {
    close_handles();
  }
  context_.handler->on_closed(id, how);
}

void UvConnection::flush() {
  state_ = State::Flushing;
  start_timer(context_.options.flush_timeout);
  if (shutdown_done_) return on_shut_down(0);
  shut_down();
}

// Sends FIN after what is queued.
void UvConnection::shut_down() {
  if (shutdown_asked_) return;
  shutdown_asked_ = true;
  shutdown_.data = this;
  const auto shut = [](uv_shutdown_t* request, int status) {
    auto* const self = static_cast<UvConnection*>(request->data);
    self->context_.guarded([self, status] { self->on_shut_down(status); });
  };
  const bool asked = send_backlog() && uv_shutdown(&shutdown_, reinterpret_cast<uv_stream_t*>(&tcp_), shut) == 0;
  if (!asked && state_ == State::Flushing) close_handles();
}

void UvConnection::on_shut_down(int status) {
  shutdown_done_ = true;
  if (state_ != State::Flushing) return;
  // All is handed to the kernel. Who has hung up already needs no more waiting.
  if (status != 0 || peer_hung_up_) return close_handles();
  start_timer(context_.options.flush_linger);
}

void UvConnection::start_timer(Duration delay) {
  uv_update_time(&context_.loop);  // the loop's time may be that of a poll long ago
  uv_timer_start(
      &timer_,
      [](uv_timer_t* timer) {
        auto* const self = static_cast<UvConnection*>(timer->data);
        self->context_.guarded([self] { self->on_timer(); });
      },
      timer_ms(delay), 0);
}

void UvConnection::on_timer() {
  switch (state_) {
    case State::Dialing:
      return end_dial("timed out after " + duration_text(context_.options.dial_timeout));
    case State::Open:
      return end(StreamEnd::WriteFailed);
    case State::Flushing:
      return close_handles();
    case State::Ending:
    case State::Closed:
      return;
  }
}

void UvConnection::close_handles() {
  if (state_ == State::Closed) return;
  // A child of the host that was forked off may hold a copy of the socket: closing ours alone would tell the peer
  // nothing.
  uv_os_fd_t fd = -1;
  if (state_ != State::Dialing && uv_fileno(as_handle(&tcp_), &fd) == 0) ::shutdown(fd, SHUT_RDWR);
  state_ = State::Closed;
  const auto closed = [](uv_handle_t* handle) { self_of(handle)->on_handle_closed(); };
  uv_close(as_handle(&tcp_), closed);
  uv_close(as_handle(&timer_), closed);
}

void UvConnection::on_handle_closed() {
  if (--handles_ > 0) return;
  UvContext& context = context_;
  context.all.erase(this);  // destroys *this
  if (context.on_connection_gone) context.on_connection_gone();
}

}  // namespace noex
