// The in-memory twin of the libuv transport: one process on a MemoryNetwork, seen as the driver sees a transport.
#pragma once

#include "transport/memory_network.h"
#include "transport/transport.h"

namespace noex {

class MemoryTransport final : public Transport {
 public:
  // Ends the process as exit() does: the kernel sends what it has and closes every connection.
  ~MemoryTransport() override;
  MemoryTransport(const MemoryTransport&) = delete;
  MemoryTransport& operator=(const MemoryTransport&) = delete;

  // Before anything else. `handler` is borrowed and outlives the transport's use.
  void set_handler(TransportHandler* handler);
  [[nodiscard]] ProcessId process() const { return process_; }

  [[nodiscard]] Now now() const override;
  [[nodiscard]] Result<uint16_t> listen(std::string_view host, uint16_t port) override;
  void stop_listening() override;
  void dial(uint64_t connection, const Endpoint& endpoint) override;
  void write(uint64_t connection, const SharedBytes& frame) override;
  void close(uint64_t connection, StreamClose how) override;
  [[nodiscard]] size_t unsent(uint64_t connection) const override;
  void resolve(uint64_t query, std::string_view host) override;
  void wake_at(Instant when) override;

 private:
  friend class MemoryNetwork;
  MemoryTransport(MemoryNetwork& network, ProcessId process) : network_(network), process_(process) {}

  MemoryNetwork& network_;
  const ProcessId process_;
};

}  // namespace noex
