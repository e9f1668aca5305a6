// noex_config <-> the core's ClusterConfig, by the rules of `struct_size`: a caller with an older header gives a
// smaller struct, whose missing fields get their defaults; one with a newer header gives a larger struct, which is
// understood while the unknown rest is zero.
#pragma once

#include <string>

#include "base/result.h"
#include "model/config.h"
#include "noex_cluster.h"

namespace noex::capi {

// Copies `config` (not null) out of the caller's memory. Errors: InvalidArgument.
[[nodiscard]] Result<ClusterConfig> read_config(const noex_config& config);

// NOEX_ADVERTISE_HOST, "" if it is not set.
[[nodiscard]] std::string environment_advertise_host();

}  // namespace noex::capi
