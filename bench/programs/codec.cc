// The codec against its floors, and what a node allocates while it only beats.
//   codec decode NODES BATCHES        reading a signed heartbeat that names NODES ids
//   codec encode NODES BATCHES        writing one
//   codec allocations PEERS SECONDS   a node among PEERS others, over real sockets of the loopback interface
// The first two print a line for each batch: nanoseconds per frame of the product, and of the floor measured right
// beside it, both in this thread's own time. The third prints `name value` lines. Every block of memory that this
// program takes is counted, by thread.
#include <malloc.h>
#include <simdjson.h>
#include <sodium.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cluster/driver.h"
#include "cluster/node.h"
#include "model/config.h"
#include "session/session.h"
#include "transport/uv_transport.h"

// ------------------------------------------------------------------------------------------ what takes memory

namespace {
thread_local uint64_t blocks_taken = 0;
}

// The C library's own; operator new and everybody else come through these.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  ++blocks_taken;
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  ++blocks_taken;
  return __libc_calloc(count, size);
}
void* realloc(void* block, size_t size) {
  ++blocks_taken;
  return __libc_realloc(block, size);
}
void* memalign(size_t alignment, size_t size) {
  ++blocks_taken;
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  void* const block = memalign(alignment, size);
  if (block == nullptr) return ENOMEM;
  *out = block;
  return 0;
}
}

namespace {

using noex::Duration;

constexpr std::string_view kSecret = "the secret of the benchmark";
// Different in their ids and times, so that no branch is learnt by heart.
constexpr size_t kVariants = 16;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

template <typename T>
T need(noex::Result<T> result) {
  if (!result.ok()) fail(result.error().message);
  return std::move(result).value();
}

// What this thread has had of a core: what else runs on the machine does not count.
double core_ns() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

// Nanoseconds per frame of `work`, called `rounds` times with each of the variants.
template <typename Work>
double measure(size_t rounds, Work work) {
  const double begin = core_ns();
  for (size_t round = 0; round < rounds; ++round) {
    for (size_t variant = 0; variant < kVariants; ++variant) work(variant);
  }
  return (core_ns() - begin) / static_cast<double>(rounds * kVariants);
}

// ------------------------------------------------------------------------------------------ frames and floors

// The beat of a node among many, and its signed frame.
struct Beat {
  noex::NodeId from;
  int64_t timestamp = 0;
  noex::Payload payload;
  noex::SharedBytes frame;
};

std::vector<Beat> make_beats(size_t nodes, const noex::SigningKeys& keys) {
  std::vector<Beat> beats(kVariants);
  for (size_t variant = 0; variant < kVariants; ++variant) {
    Beat& beat = beats[variant];
    beat.from = need(noex::NodeId::create("worker" + std::to_string(variant * 7), "10.20.30.4", 4369));
    beat.timestamp = 1'790'000'000'000 + static_cast<int64_t>(variant * 1001);
    noex::Heartbeat heartbeat;
    heartbeat.node.id = beat.from;
    heartbeat.node.status = noex::NodeStatus::Connected;
    heartbeat.node.process_count = static_cast<int64_t>(variant);
    heartbeat.node.last_heartbeat_at = beat.timestamp;
    heartbeat.node.uptime_ms = static_cast<int64_t>(variant * 5000 + 17);
    heartbeat.hello.emplace();
    for (size_t node = 0; node < nodes; ++node) {
      const std::string host = "10.20." + std::to_string(node / 250) + "." + std::to_string(node % 250 + 1);
      heartbeat.known_nodes.push_back(need(noex::NodeId::create("node" + std::to_string(variant + node), host, 4369)));
    }
    beat.payload = std::move(heartbeat);
    beat.frame = noex::encode_frame(beat.from, beat.timestamp, beat.payload, &keys);
  }
  return beats;
}

std::string_view body_of(const Beat& beat) { return std::string_view(*beat.frame).substr(4); }

// libsodium's HMAC-SHA256 from a key that is prepared once, as ours is: without that the floor would be higher.
class Hmac {
 public:
  Hmac() {
    crypto_auth_hmacsha256_init(&prepared_, reinterpret_cast<const unsigned char*>(kSecret.data()), kSecret.size());
  }
  void run(std::string_view text) {
    crypto_auth_hmacsha256_state state = prepared_;
    crypto_auth_hmacsha256_update(&state, reinterpret_cast<const unsigned char*>(text.data()), text.size());
    crypto_auth_hmacsha256_final(&state, tag_.data());
    kept_ += tag_[0];
  }
  [[nodiscard]] unsigned kept() const { return kept_; }

 private:
  crypto_auth_hmacsha256_state prepared_{};
  std::array<unsigned char, crypto_auth_hmacsha256_BYTES> tag_{};
  unsigned kept_ = 0;
};

size_t rounds_for(const std::vector<Beat>& beats) {
  return std::max<size_t>(1, 400'000 / (beats.front().frame->size() * kVariants));
}

void decode(size_t nodes, size_t batches) {
  const noex::SigningKeys keys({kSecret});
  const std::vector<Beat> beats = make_beats(nodes, keys);
  const size_t rounds = rounds_for(beats);

  noex::SessionBuffers buffers;
  noex::Session session(&keys, &buffers);
  session.raise_frame_limit();
  noex::Message message;
  noex::SessionReject rejected;
  const auto product = [&](size_t variant) {
    noex::ByteView bytes = noex::as_byte_view(*beats[variant].frame);
    const bool read = session.next(bytes, message, rejected) == noex::SessionStep::Message;
    if (!read || std::get<noex::Heartbeat>(message.payload).known_nodes.size() != nodes) {
      fail("a frame of ours was not read");
    }
  };

  Hmac hmac;
  simdjson::dom::parser parser;
  std::vector<simdjson::padded_string> padded;
  for (const Beat& beat : beats) padded.emplace_back(body_of(beat));
  const auto floor = [&](size_t variant) {
    hmac.run(body_of(beats[variant]));
    simdjson::dom::element root;
    if (parser.parse(padded[variant]).get(root) != simdjson::SUCCESS) fail("simdjson does not read it");
  };

  measure(rounds, product);
  measure(rounds, floor);
  const uint64_t before = blocks_taken;
  measure(1, product);
  const uint64_t taken = blocks_taken - before;
  for (size_t batch = 0; batch < batches; ++batch) {
    const double product_ns = measure(rounds, product);
    std::printf("%.1f %.1f\n", product_ns, measure(rounds, floor));
  }
  std::fprintf(stderr, "%zu bytes, %llu blocks for %zu frames, floor of HMAC alone %.0f ns (%u)\n",
               beats.front().frame->size(), static_cast<unsigned long long>(taken), kVariants,
               measure(rounds, [&](size_t variant) { hmac.run(body_of(beats[variant])); }), hmac.kept());
}

void encode(size_t nodes, size_t batches) {
  const noex::SigningKeys keys({kSecret});
  const std::vector<Beat> beats = make_beats(nodes, keys);
  const size_t rounds = rounds_for(beats);
  const auto product = [&](size_t variant) {
    const Beat& beat = beats[variant];
    const noex::SharedBytes frame = noex::encode_frame(beat.from, beat.timestamp, beat.payload, &keys);
    if (frame->size() != beat.frame->size()) fail("a frame came out otherwise");
  };
  Hmac hmac;
  std::vector<char> copy(beats.back().frame->size() * 2);
  const auto floor = [&](size_t variant) {
    hmac.run(body_of(beats[variant]));
    std::memcpy(copy.data(), beats[variant].frame->data(), beats[variant].frame->size());
  };
  measure(rounds, product);
  measure(rounds, floor);
  for (size_t batch = 0; batch < batches; ++batch) {
    const double product_ns = measure(rounds, product);
    std::printf("%.1f %.1f\n", product_ns, measure(rounds, floor));
  }
  std::fprintf(stderr, "kept %u\n", hmac.kept() + static_cast<unsigned char>(copy[0]));
}

// ------------------------------------------------------------------------------------------------ allocations

constexpr Duration kInterval = Duration::milliseconds(100);
constexpr Duration kSettling = Duration::milliseconds(1500);

noex::ClusterConfig config_of(const std::string& name, const std::vector<std::string>& seeds) {
  noex::ClusterConfig config;
  config.node_name = name;
  config.host = "127.0.0.1";
  config.port = 0;
  config.port_auto = true;
  config.seeds = seeds;
  config.cluster_secret = std::string(kSecret);
  config.heartbeat_interval_ms = kInterval.ms();
  config.heartbeat_miss_threshold = 20;  // nobody goes down here, however busy the machine is
  return config;
}

// Stands between a driver and its transport, both as they ship, and counts what they do from the time when the mesh
// has settled. What the driver takes while it reads, and while it wakes up to beat, is told apart.
class Counted final : public noex::Transport, public noex::TransportHandler, public noex::DriverObserver {
 public:
  Counted(noex::UvTransport& below, size_t peers, Duration window) : below_(below), peers_(peers), window_(window) {}
  void set_driver(noex::Driver* driver) { driver_ = driver; }

  struct Counts {
    uint64_t in_reading = 0;
    uint64_t in_beats = 0;
    uint64_t in_thread = 0;
    uint64_t frames_in = 0;
    uint64_t frames_out = 0;
    uint64_t encoded = 0;  // different frames that were written
    uint64_t beats = 0;    // wake-ups that wrote something
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] bool done() const { return done_; }

  // The driver's calls.
  [[nodiscard]] noex::Now now() const override { return below_.now(); }
  [[nodiscard]] noex::Result<uint16_t> listen(std::string_view host, uint16_t port) override {
    return below_.listen(host, port);
  }
  void stop_listening() override { below_.stop_listening(); }
  void dial(uint64_t connection, const noex::Endpoint& endpoint) override { below_.dial(connection, endpoint); }
  void write(uint64_t connection, const noex::SharedBytes& frame) override {
    if (counting_ && frame != last_) {
      last_ = frame;  // kept, so that its address is not another's
      ++counts_.encoded;
    }
    ++written_;
    below_.write(connection, frame);
  }
  void close(uint64_t connection, noex::StreamClose how) override { below_.close(connection, how); }
  [[nodiscard]] size_t unsent(uint64_t connection) const override { return below_.unsent(connection); }
  void resolve(uint64_t query, std::string_view host) override { below_.resolve(query, host); }
  void wake_at(noex::Instant when) override { below_.wake_at(when); }

  // The transport's.
  void on_accepted(uint64_t connection, const noex::Endpoint& remote, bool is_local) override {
    driver_->on_accepted(connection, remote, is_local);
  }
  void on_connected(uint64_t connection, bool is_local) override { driver_->on_connected(connection, is_local); }
  void on_dial_failed(uint64_t connection, std::string_view reason) override {
    driver_->on_dial_failed(connection, reason);
  }
  void on_received(uint64_t connection, noex::ByteView bytes) override {
    const uint64_t before = blocks_taken;
    driver_->on_received(connection, bytes);
    if (counting_) counts_.in_reading += blocks_taken - before;
  }
  void on_closed(uint64_t connection, noex::StreamEnd end) override { driver_->on_closed(connection, end); }
  void on_resolved(uint64_t query, const std::vector<noex::IpAddress>& addresses, std::string_view reason) override {
    driver_->on_resolved(query, addresses, reason);
  }
  void on_wake() override {
    const uint64_t before = blocks_taken;
    const uint64_t written = written_;
    driver_->on_wake();
    if (counting_ && written_ != written) {
      counts_.in_beats += blocks_taken - before;
      ++counts_.beats;
    }
    look();
  }

  void on_table(const std::shared_ptr<const noex::NodeTable>& table) override { connected_ = table->connected_count; }
  void on_notification(const noex::Notification& notification) override {
    if (std::holds_alternative<noex::NodeDown>(notification)) fail("somebody went down");
  }

 private:
  // Outside of all that is counted: the stages of this measurement.
  void look() {
    const noex::Instant at = now().mono;
    if (connected_ < peers_) {
      full_at_ = at;
    } else if (!counting_ && !done_ && at - full_at_ >= kSettling) {
      before_ = driver_->stats().totals;
      counting_ = true;
      since_ = at;
      taken_before_ = blocks_taken;
    } else if (counting_ && at - since_ >= window_) {
      counting_ = false;
      done_ = true;
      counts_.in_thread = blocks_taken - taken_before_;
      const noex::Traffic after = driver_->stats().totals;
      counts_.frames_in = after.frames_in - before_.frames_in;
      counts_.frames_out = after.frames_out - before_.frames_out;
      below_.abort();
    }
  }

  noex::UvTransport& below_;
  noex::Driver* driver_ = nullptr;
  const size_t peers_;
  const Duration window_;
  size_t connected_ = 0;
  bool counting_ = false;
  bool done_ = false;
  noex::Instant full_at_;
  noex::Instant since_;
  uint64_t taken_before_ = 0;
  uint64_t written_ = 0;
  noex::SharedBytes last_;
  noex::Traffic before_;
  Counts counts_;
};

void allocations(size_t peers, Duration window) {
  std::vector<std::unique_ptr<noex::Node>> others;
  std::vector<std::string> seeds;
  for (size_t peer = 0; peer < peers; ++peer) {
    others.push_back(need(noex::Node::create()));
    const noex::Status started = others.back()->start(config_of("peer" + std::to_string(peer), seeds));
    if (!started.ok()) fail(started.error().message);
    if (peer == 0) seeds.push_back(need(others.back()->local_id()).text());
  }
  const noex::ValidConfig config = need(noex::validate(config_of("counted", seeds), ""));
  if (!noex::crypto_ready()) fail("no random numbers");
  const std::unique_ptr<noex::UvTransport> transport = need(noex::UvTransport::create());
  noex::Self self;
  self.id = need(noex::NodeId::create(config.node_name, "127.0.0.1", need(transport->listen("127.0.0.1", 0))));
  self.incarnation = noex::random_u64() | 1;
  self.nonce = [] { return noex::Nonce{noex::random_u64(), noex::random_u64()}; };
  Counted counted(*transport, peers, window);
  noex::Driver driver(config, self, noex::Rng(noex::random_u64()), noex::MembershipLimits{}, counted, counted);
  counted.set_driver(&driver);
  driver.start();
  const noex::Status ran = transport->run(counted);
  if (!ran.ok()) fail(ran.error().message);
  if (!counted.done()) fail("the loop ended early");
  const Counted::Counts& counts = counted.counts();
  const auto print = [](const char* name, uint64_t value) {
    std::printf("%s %llu\n", name, static_cast<unsigned long long>(value));
  };
  print("in_reading", counts.in_reading);
  print("in_beats", counts.in_beats);
  print("in_thread", counts.in_thread);
  print("frames_in", counts.frames_in);
  print("frames_out", counts.frames_out);
  print("encoded", counts.encoded);
  print("beats", counts.beats);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) fail("usage: codec decode|encode|allocations NUMBER NUMBER");
  const std::string_view what = argv[1];
  const auto first = static_cast<size_t>(std::strtoul(argv[2], nullptr, 10));
  const auto second = static_cast<size_t>(std::strtoul(argv[3], nullptr, 10));
  if (sodium_init() < 0) fail("libsodium does not start");
  if (what == "decode") {
    decode(first, second);
  } else if (what == "encode") {
    encode(first, second);
  } else if (what == "allocations") {
    allocations(first, Duration::seconds(static_cast<int64_t>(second)));
  } else {
    fail("there is no '" + std::string(what) + "'");
  }
}
