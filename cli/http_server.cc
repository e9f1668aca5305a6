#include "http_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <list>
#include <string>
#include <thread>
#include <vector>

#include "http_events.h"
#include "http_router.h"

namespace noex_cli {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr size_t kConnectionsMax = 128;
constexpr size_t kStreamsMax = 32;
constexpr size_t kHeadSizeMax = 16 * 1024;
constexpr auto kHeadTime = seconds(5);      // for the whole head of a request
constexpr auto kAnswerTime = seconds(10);   // for a whole answer, or for the next events of a stream
constexpr auto kLingerTime = seconds(1);    // for a client to take the end of an answer before the connection is gone
constexpr auto kSilenceMax = seconds(15);   // between two signs of life on a stream; proxies give up after 30 or 60
constexpr size_t kUnreadMax = 64 * 1024;    // what a client may send beyond its request; none of it is looked at
constexpr int kSendBufferSize = 16 * 1024;  // of the kernel's memory for a client that does not read
constexpr int kAcceptedMax = 64;            // connections at a time, before those that are there have their turn again
constexpr auto kNoDescriptors = std::chrono::milliseconds(200);

// Each tells a browser how soon to come again, in ms.
constexpr const char* kStreamBegin = "retry: 2000\n\n";
constexpr const char* kStreamAlive = ":\n\n";

enum class Phase : uint8_t { Head, Answer, Stream, Linger };

struct Connection {
  int fd = -1;
  Phase phase = Phase::Head;
  Clock::time_point deadline;  // in Phase::Stream: of the next sign of life, or for taking what is in `output`
  std::string input;
  std::string output;
  size_t sent = 0;
  size_t ignored = 0;        // bytes that came after the request
  bool input_ended = false;  // the client has closed its half
  uint64_t position = 0;     // the next event of a stream

  [[nodiscard]] bool has_output() const { return sent < output.size(); }
};

}  // namespace

class HttpServer::Loop {
 public:
  Loop(const HttpListener& listener, const noex_cluster* cluster)
      : router_(cluster, listener.is_loopback()),
        listener_(listener.fd()),
        wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread_([this] { run(); }) {}

  ~Loop() {
    stopping_ = true;
    wake();
    thread_.join();
    for (const Connection& one : connections_) close(one.fd);
    close(wake_);
  }
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void publish(std::string_view json) {
    events_.add(json);
    wake();
  }
  void set_ready(bool ready) { router_.set_ready(ready); }

 private:
  void wake() const {
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof one);
  }

  void run() {
    while (!stopping_) {
      try {
        step();
      } catch (const std::exception& error) {  // no memory: whoever is connected makes room
        std::fprintf(stderr, "noex-cluster: HTTP: %s\n", error.what());
        while (!connections_.empty()) drop(connections_.begin());
      }
    }
  }

  void step() {
    const Clock::time_point before = Clock::now();
    const bool listens = before >= deaf_until_;
    polled_.clear();
    polled_.push_back({wake_, POLLIN, 0});
    polled_.push_back({listens ? listener_ : -1, POLLIN, 0});
    Clock::time_point next = listens ? Clock::time_point::max() : deaf_until_;
    for (const Connection& one : connections_) {
      const int wanted = (one.input_ended ? 0 : POLLIN) | (one.has_output() ? POLLOUT : 0);
      polled_.push_back({one.fd, static_cast<short>(wanted), 0});
      next = std::min(next, one.deadline);
    }
    int timeout = -1;
    if (next != Clock::time_point::max()) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - before).count();
      timeout = static_cast<int>(std::clamp<int64_t>(left, 0, 60'000));
    }
    if (poll(polled_.data(), polled_.size(), timeout) < 0) return;  // EINTR

    uint64_t count = 0;
    (void)!read(wake_, &count, sizeof count);
    now_ = Clock::now();
    size_t index = 2;
    for (auto one = connections_.begin(); one != connections_.end(); ++index) {
      const short happened = polled_[index].revents;
      const bool alive =
          (happened == 0 || receive(*one)) && continue_stream(*one) && send_output(*one) && in_time(*one);
      if (alive) {
        ++one;
      } else {
        one = drop(one);
      }
    }
    if (polled_[1].revents != 0) accept_all();
  }

  std::list<Connection>::iterator drop(std::list<Connection>::iterator one) {
    if (one->phase == Phase::Stream) --streams_;
    close(one->fd);
    return connections_.erase(one);
  }

  void accept_all() {
    for (int accepted = 0; accepted < kAcceptedMax; ++accepted) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
      if (fd < 0) {
        // No descriptor is left: a short rest, for poll would say at once that somebody waits.
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
          deaf_until_ = now_ + kNoDescriptors;
        if (errno == EINTR || errno == ECONNABORTED) continue;
        return;
      }
      if (connections_.size() >= kConnectionsMax && !make_room()) {
        close(fd);
        continue;
      }
      (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBufferSize, sizeof kSendBufferSize);
      Connection& one = connections_.emplace_back();
      one.fd = fd;
      one.deadline = now_ + kHeadTime;
    }
  }

  // Those who have said nothing useful for longest go first, so that a crowd of silent ones keeps no health check out.
  bool make_room() {
    const auto idle = [](const Connection& one) { return one.phase == Phase::Head || one.phase == Phase::Linger; };
    const auto oldest = std::find_if(connections_.begin(), connections_.end(), idle);
    if (oldest == connections_.end()) return false;
    drop(oldest);
    return true;
  }

  // False: the connection is over.
  bool receive(Connection& one) {
    std::array<char, 4096> bytes;
    for (;;) {
      const ssize_t size = recv(one.fd, bytes.data(), bytes.size(), 0);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      if (size == 0) {
        one.input_ended = true;
        return one.phase == Phase::Answer;  // who has ended only its own half still gets its answer
      }
      if (one.phase != Phase::Head) return (one.ignored += static_cast<size_t>(size)) <= kUnreadMax;
      one.input.append(bytes.data(), static_cast<size_t>(size));
      if (take_head(one)) return true;
    }
  }

  // True when the answer is there, or when more is not to be read.
  bool take_head(Connection& one) {
    const size_t end = one.input.find("\r\n\r\n");
    const size_t head_size = end == std::string::npos ? one.input.size() : end + 4;
    if (!may_begin_http(std::string_view(one.input).substr(0, head_size))) {
      answer(one, http_refusal(400, "Bad Request", "this is not HTTP"));
    } else if (head_size > kHeadSizeMax) {
      answer(one, http_refusal(431, "Request Header Fields Too Large", "a request of 16 KiB at most is read"));
    } else if (end == std::string::npos) {
      return false;
    } else {
      HttpRouter::Answer made = router_.answer(one.input.substr(0, head_size), streams_ < kStreamsMax);
      answer(one, std::move(made.bytes));
      if (made.streams) begin_stream(one, made.last_event_id);
    }
    return true;
  }

  void answer(Connection& one, std::string bytes) {
    one.input = {};
    one.output = std::move(bytes);
    one.phase = Phase::Answer;
    one.deadline = now_ + kAnswerTime;
  }

  void begin_stream(Connection& one, const std::string& last_id) {
    one.phase = Phase::Stream;
    one.output += kStreamBegin;
    one.position = events_.position_after(last_id);
    ++streams_;
  }

  // The next events of a stream once the ones before are sent: what waits for a slow reader is bounded by what is kept.
  bool continue_stream(Connection& one) {
    if (one.phase != Phase::Stream || one.has_output()) return true;
    one.output = events_.take(one.position);
    if (one.output.empty() && now_ >= one.deadline) one.output = kStreamAlive;
    one.sent = 0;
    if (!one.output.empty()) one.deadline = now_ + kAnswerTime;
    return true;
  }

  bool send_output(Connection& one) {
    while (one.has_output()) {
      const ssize_t size = send(one.fd, one.output.data() + one.sent, one.output.size() - one.sent, MSG_NOSIGNAL);
      if (size < 0) return errno == EAGAIN || errno == EINTR;
      one.sent += static_cast<size_t>(size);
      if (one.has_output()) continue;
      if (one.phase == Phase::Stream) {
        one.deadline = now_ + kSilenceMax;
        continue_stream(one);
      } else {
        // Closing with bytes of the client's unread would be a reset, which may take the answer from it.
        shutdown(one.fd, SHUT_WR);
        one.phase = Phase::Linger;
        one.deadline = now_ + kLingerTime;
      }
    }
    return true;
  }

  [[nodiscard]] bool in_time(const Connection& one) const {
    return now_ < one.deadline || (one.phase == Phase::Stream && !one.has_output());
  }

  HttpRouter router_;
  HttpEvents events_;
  const int listener_;
  const int wake_;
  std::atomic<bool> stopping_ = false;
  std::list<Connection> connections_;  // the oldest first
  size_t streams_ = 0;
  Clock::time_point now_;
  Clock::time_point deaf_until_;
  std::vector<pollfd> polled_;
  std::thread thread_;  // last: it uses all the others
};

HttpServer::HttpServer(const HttpListener& listener, const noex_cluster* cluster)
    : loop_(std::make_unique<Loop>(listener, cluster)) {}

HttpServer::~HttpServer() = default;

void HttpServer::publish(std::string_view json) { loop_->publish(json); }

void HttpServer::set_ready(bool ready) { loop_->set_ready(ready); }

}  // namespace noex_cli
