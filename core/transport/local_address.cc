#include "transport/local_address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <unistd.h>

#include "transport/socket_address.h"

namespace noex {
namespace {

// Calls `visit(interface flags, address)` for each address of each interface until it answers true.
template <typename Visit>
void for_each_interface_address(Visit visit) {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    const auto endpoint = endpoint_of(entry->ifa_addr);
    if (endpoint && visit(entry->ifa_flags, endpoint->ip)) break;
  }
  freeifaddrs(list);
}

}  // namespace

std::optional<IpAddress> source_address_towards(const IpAddress& target) {
  const SocketAddress address(Endpoint{target, 9});  // any port: only the route matters
  const int fd = socket(address.get()->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return std::nullopt;
  std::optional<IpAddress> source;
  if (connect(fd, address.get(), address.size) == 0) {
    const auto local = local_endpoint(fd);
    if (local && !local->ip.is_wildcard()) source = local->ip;
  }
  close(fd);
  return source;
}

std::optional<IpAddress> interface_address(bool allow_v6) {
  std::optional<IpAddress> v4;
  std::optional<IpAddress> v6;
  for_each_interface_address([&](unsigned int flags, const IpAddress& ip) {
    if ((flags & IFF_UP) == 0 || ip.is_loopback() || ip.is_link_local() || ip.is_wildcard()) return false;
    std::optional<IpAddress>& slot = ip.is_v6() ? v6 : v4;
    if (!slot) slot = ip;
    return v4.has_value();
  });
  if (v4) return v4;
  return allow_v6 ? v6 : std::nullopt;
}

std::vector<IpAddress> local_addresses() {
  std::vector<IpAddress> addresses;
  for_each_interface_address([&](unsigned int, const IpAddress& ip) {
    addresses.push_back(ip);
    return false;
  });
  return addresses;
}

}  // namespace noex
