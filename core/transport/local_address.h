// Finding the address under which this machine can be reached, and telling whether an address is one of its own.
// Nothing is sent.
#pragma once

#include <optional>
#include <vector>

#include "model/address.h"

namespace noex {

// The source address that the kernel would use towards `target` (a connected UDP socket sends nothing); nullopt without
// a route.
[[nodiscard]] std::optional<IpAddress> source_address_towards(const IpAddress& target);

// The first address of an interface that is up, neither loopback nor link-local; IPv4 first, IPv6 only with `allow_v6`.
[[nodiscard]] std::optional<IpAddress> interface_address(bool allow_v6);

// All addresses of all interfaces of this machine.
[[nodiscard]] std::vector<IpAddress> local_addresses();

}  // namespace noex
