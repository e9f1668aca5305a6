#include "transport/uv_context.h"

#include <algorithm>

#include "base/checks.h"
#include "transport/clock.h"
#include "transport/local_address.h"
#include "transport/uv_connection.h"

namespace noex {
namespace {

// Listing the interfaces costs a round trip to the kernel: not for each of a flood of connections.
constexpr Duration kLocalAddressesAge = Duration::seconds(5);

}  // namespace

UvContext::UvContext(const UvTransportOptions& the_options)
    : options(the_options), read_buffer(std::make_unique<char[]>(kReadBufferSize)) {}

UvContext::~UvContext() = default;

UvConnection* UvContext::find(uint64_t id) const {
  const auto found = by_id.find(id);
  return found == by_id.end() ? nullptr : found->second;
}

UvConnection* UvContext::add(uint64_t id) {
  auto connection = std::make_unique<UvConnection>(*this, id);
  UvConnection* const borrowed = connection.get();
  const auto position = all.emplace(borrowed, std::move(connection)).first;
  try {
    const bool inserted = by_id.emplace(id, borrowed).second;
    NOEX_CHECK(inserted);
  } catch (...) {
    all.erase(position);
    throw;
  }
  borrowed->open_handles();
  return borrowed;
}

bool UvContext::is_local_address(const IpAddress& ip) {
  const Instant now = boot_clock_now();
  if (local_addresses_until_ <= now) {
    local_addresses_ = local_addresses();
    local_addresses_until_ = now + kLocalAddressesAge;
  }
  return std::find(local_addresses_.begin(), local_addresses_.end(), ip) != local_addresses_.end();
}

void UvContext::fail(const char* what) noexcept {
  failed = true;
  handler = nullptr;
  uv_stop(&loop);
  try {
    failure = what;
  } catch (...) {
    failure.clear();
  }
}

uint64_t timer_ms(Duration duration) {
  return duration.ns() <= 0 ? 0 : static_cast<uint64_t>((duration.ns() + 999'999) / 1'000'000);
}

std::string dial_error_text(int error) {
  switch (error) {
    case UV_ECONNREFUSED:
      return "connection refused";
    case UV_ETIMEDOUT:
      return "timed out";
    case UV_EHOSTUNREACH:
      return "no route to host";
    case UV_ENETUNREACH:
      return "network is unreachable";
    case UV_ECONNRESET:
      return "connection reset";
    default:
      return uv_strerror(error);
  }
}

}  // namespace noex
