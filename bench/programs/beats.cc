// How late the beats of some nodes are, beside those of bare threads that do nothing but sleep and send a byte.
//
// This process is a few peers of each node under test, without hello and without a secret, as docs/protocol.md has
// them. They beat as nodes do, so that they stay, and take what the node sends. Each bare thread sleeps until a point
// in time, sends, and sleeps for one interval more, which is how a node schedules its beats. Both come over TCP on the
// loopback device, and the kernel stamps them while the sender is still sending: so neither the delay of this process
// nor its place in the scheduler is part of what is measured.
//
//   beats --seconds S --interval MS --node ID... [--churn RATE --churn-ids N]
//
// With --churn, nodes that do not exist join the first node under test and leave it again, RATE of them in a second.
// Its last lines are `beat LATENESS` and `tick LATENESS`, in ms: what the gap to the one before is longer than one
// interval; `unknown N`, beats and ticks whose gap is not known since two came in one reading; and `churned N`, nodes
// that came and went.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>

#include "measure.h"

namespace {

constexpr size_t kPeersOfEach = 8;
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kWarmUp = 1000 * kMillisecond;
const char* const kNamed = "\"quiet-";  // how our ids begin in a list

int64_t wall_ms() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / kMillisecond;
}

const int64_t started_at = wall_ms();  // of all our peers: another start would be another run of the node

void need(bool fine, const char* what) {
  if (!fine) bench::fail(std::string(what) + ": " + std::strerror(errno));
}

std::string frame(const std::string& from, const std::string& payload) {
  const std::string body = "{\"version\":1,\"from\":\"" + from + "\",\"timestamp\":" + std::to_string(wall_ms()) +
                           ",\"payload\":" + payload + "}";
  const uint32_t size = htonl(static_cast<uint32_t>(body.size()));
  return std::string(reinterpret_cast<const char*>(&size), sizeof size) + body;
}

std::string heartbeat(const std::string& id) {
  const int64_t now = wall_ms();
  return frame(id, "{\"type\":\"heartbeat\",\"nodeInfo\":{\"id\":\"" + id +
                       "\",\"host\":\"127.0.0.1\",\"port\":1,\"status\":\"connected\",\"processCount\":0,"
                       "\"lastHeartbeatAt\":" +
                       std::to_string(now) + ",\"uptimeMs\":" + std::to_string(now - started_at) +
                       "},\"knownNodes\":[]}");
}

std::string goodbye(const std::string& id) {
  return frame(id, "{\"type\":\"node_down\",\"nodeId\":\"" + id + "\",\"detectedAt\":" + std::to_string(wall_ms()) +
                       ",\"reason\":\"graceful_shutdown\"}");
}

sockaddr_in loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

int connect_to(uint16_t port) {
  const sockaddr_in address = loopback(port);
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  need(fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0, "connect");
  return fd;
}

void send_all(int fd, const std::string& bytes) {
  need(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()), "send");
}

// One stream of beats, or of ticks, and the lateness of each.
class Stream {
 public:
  Stream(int fd, bool has_frames) : fd_(fd), has_frames_(has_frames) {
    const int on = 1;
    need(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on) == 0, "SO_TIMESTAMPNS");
  }
  [[nodiscard]] int fd() const { return fd_; }

  void forget() {
    lateness.clear();
    unknown = 0;
  }

  // Takes what has come. The stamp is that of the last bytes.
  void read(int64_t interval) {
    char bytes[65536];
    alignas(cmsghdr) char control[256];
    iovec part{bytes, sizeof bytes};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(fd_, &message, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    need(size > 0, "a connection has ended");
    const size_t came = has_frames_ ? take_frames({bytes, static_cast<size_t>(size)}) : static_cast<size_t>(size);
    if (came == 0) return;
    const std::optional<int64_t> at = stamp_of(message);
    if (came > 1 || !at) {
      unknown += came;
    } else if (last_at_) {
      lateness.push_back(*at - *last_at_ - interval);
    }
    last_at_ = at;
  }

  std::vector<int64_t> lateness;
  size_t unknown = 0;

 private:
  // Nothing for a while after the option was set: the kernel begins to stamp a little later.
  static std::optional<int64_t> stamp_of(msghdr& message) {
    for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
      if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
      timespec at{};
      std::memcpy(&at, CMSG_DATA(part), sizeof at);
      return int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
    }
    return std::nullopt;
  }

  // How many beats end in `bytes`. A beat names our peers, for it names those that the node is connected to, in turn,
  // and few others are; news of who has come names others.
  size_t take_frames(std::string_view bytes) {
    received_ += bytes;
    size_t beats = 0;
    while (received_.size() >= 4) {
      uint32_t size = 0;
      std::memcpy(&size, received_.data(), sizeof size);
      size = ntohl(size);
      if (received_.size() < 4 + size) break;
      const std::string_view body = std::string_view(received_).substr(4, size);
      const size_t list = body.find("\"knownNodes\":[");
      if (list != std::string_view::npos && body.find(kNamed, list) != std::string_view::npos) ++beats;
      received_.erase(0, 4 + size);
    }
    return beats;
  }

  const int fd_;
  const bool has_frames_;
  std::string received_;
  std::optional<int64_t> last_at_;
};

// The peers of one node: all beat, and what the first receives is measured.
class Peers {
 public:
  Peers(const std::string& node, size_t number) {
    const auto port = static_cast<uint16_t>(std::stoi(node.substr(node.rfind(':') + 1)));
    for (size_t i = 0; i < kPeersOfEach; ++i) {
      ids_.push_back("quiet-" + std::to_string(number) + "-" + std::to_string(i) + "@127.0.0.1:1");
      fds_.push_back(connect_to(port));
    }
    stream = std::make_unique<Stream>(fds_.front(), true);
    beat();
  }
  void beat() const {
    for (size_t i = 0; i < fds_.size(); ++i) send_all(fds_[i], heartbeat(ids_[i]));
  }
  void drain() const {
    char bytes[65536];
    for (size_t i = 1; i < fds_.size(); ++i) {
      while (recv(fds_[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0) continue;
    }
  }
  void leave() const {
    for (size_t i = 0; i < fds_.size(); ++i) {
      send_all(fds_[i], goodbye(ids_[i]));
      close(fds_[i]);
    }
  }

  std::unique_ptr<Stream> stream;

 private:
  std::vector<std::string> ids_;
  std::vector<int> fds_;
};

timespec point(int64_t ns) { return {ns / 1'000'000'000, ns % 1'000'000'000}; }

void sleep_until(int64_t ns) {
  const timespec until = point(ns);
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) continue;
}

// A bare thread, and the stream of what it sends.
class Ticker {
 public:
  Ticker(int64_t interval, const std::atomic<bool>& ending) {
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    need(bind(listener, reinterpret_cast<sockaddr*>(&address), size) == 0 && listen(listener, 1) == 0, "listen");
    need(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    const int out = connect_to(ntohs(address.sin_port));
    stream = std::make_unique<Stream>(accept(listener, nullptr, nullptr), false);
    close(listener);
    thread = std::thread([out, interval, &ending] {
      while (!ending) {
        sleep_until(bench::now_ns() + interval);
        send_all(out, "x");
      }
    });
  }

  std::unique_ptr<Stream> stream;
  std::thread thread;
};

// Joins and leaves, as node after node, until `ending`.
size_t churn(const std::string& node, int64_t rate, size_t ids, const std::atomic<bool>& ending) {
  const auto port = static_cast<uint16_t>(std::stoi(node.substr(node.rfind(':') + 1)));
  constexpr int64_t kStep = 10 * kMillisecond;
  const int64_t began = bench::now_ns();
  size_t count = 0;
  for (int64_t at = began; !ending; at += kStep) {
    sleep_until(at);
    const auto due = static_cast<size_t>((at - began) / kMillisecond * rate / 1000);
    // What the machine was too slow for is not made up for: that would be a burst.
    for (size_t end = std::min(due, count + static_cast<size_t>(rate / 50) + 1); count < end; ++count) {
      const std::string id = "guest-" + std::to_string(count % ids) + "@127.0.0.1:1";
      const int fd = connect_to(port);
      send_all(fd, heartbeat(id) + goodbye(id));
      close(fd);
    }
  }
  return count;
}

void print(const char* word, const Stream& stream, size_t& unknown) {
  for (const int64_t late : stream.lateness) std::printf("%s %.6f\n", word, static_cast<double>(late) / kMillisecond);
  unknown += stream.unknown;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::Arguments arguments(argc, argv);
  const int64_t interval = arguments.number("--interval", 100) * kMillisecond;
  const std::vector<std::string> nodes = arguments.all("--node");
  std::atomic<bool> ending{false};
  std::vector<Peers> peers;
  std::vector<Ticker> tickers;
  for (size_t i = 0; i < nodes.size(); ++i) {
    peers.emplace_back(nodes[i], i);
    tickers.emplace_back(interval, ending);
  }
  std::vector<pollfd> polled;
  for (const Peers& some : peers) polled.push_back({some.stream->fd(), POLLIN, 0});
  for (const Ticker& ticker : tickers) polled.push_back({ticker.stream->fd(), POLLIN, 0});

  size_t churned = 0;
  std::thread churner;
  if (const int64_t rate = arguments.number("--churn", 0); rate > 0) {
    const auto ids = static_cast<size_t>(arguments.number("--churn-ids", 1000));
    churner = std::thread([&, rate, ids] { churned = churn(nodes.front(), rate, ids, ending); });
  }
  const int64_t measured_from = bench::now_ns() + kWarmUp;
  const int64_t end = measured_from + arguments.number("--seconds", 10) * 1000 * kMillisecond;
  int64_t beat_at = bench::now_ns() + interval;
  bool measuring = false;
  while (bench::now_ns() < end) {
    poll(polled.data(), polled.size(),
         static_cast<int>(std::max<int64_t>(0, beat_at - bench::now_ns()) / kMillisecond) + 1);
    for (const Peers& some : peers) some.stream->read(interval);
    for (const Ticker& ticker : tickers) ticker.stream->read(interval);
    if (bench::now_ns() >= beat_at) {
      beat_at = bench::now_ns() + interval;
      for (const Peers& some : peers) {
        some.beat();
        some.drain();
      }
    }
    if (measuring || bench::now_ns() < measured_from) continue;
    measuring = true;
    for (const Peers& some : peers) some.stream->forget();
    for (const Ticker& ticker : tickers) ticker.stream->forget();
  }
  ending = true;
  for (Ticker& ticker : tickers) ticker.thread.join();
  if (churner.joinable()) churner.join();
  for (const Peers& some : peers) some.leave();
  size_t unknown = 0;
  for (const Peers& some : peers) print("beat", *some.stream, unknown);
  for (const Ticker& ticker : tickers) print("tick", *ticker.stream, unknown);
  std::printf("unknown %zu\nchurned %zu\n", unknown, churned);
  return 0;
}
