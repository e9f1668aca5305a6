#include "transport/memory_transport.h"

namespace noex {

MemoryTransport::~MemoryTransport() { network_.kill(process_); }

void MemoryTransport::set_handler(TransportHandler* handler) { network_.set_handler(process_, handler); }

Now MemoryTransport::now() const { return network_.process_now(process_); }

Result<uint16_t> MemoryTransport::listen(std::string_view host, uint16_t port) {
  return network_.listen(process_, host, port);
}

void MemoryTransport::stop_listening() { network_.stop_listening(process_); }

void MemoryTransport::dial(uint64_t connection, const Endpoint& endpoint) {
  network_.dial(process_, connection, endpoint);
}

void MemoryTransport::write(uint64_t connection, const SharedBytes& frame) {
  network_.write(process_, connection, frame);
}

void MemoryTransport::close(uint64_t connection, StreamClose how) { network_.close(process_, connection, how); }

size_t MemoryTransport::unsent(uint64_t connection) const { return network_.unsent(process_, connection); }

void MemoryTransport::resolve(uint64_t query, std::string_view host) { network_.resolve(process_, query, host); }

void MemoryTransport::wake_at(Instant when) { network_.wake_at(process_, when); }

}  // namespace noex
