// The names of the configuration's options in their two spellings.
#pragma once

#include <string_view>

#include "model/config.h"

namespace noex {

enum class Option {
  NodeName,
  Host,
  AdvertiseHost,
  Port,
  Seeds,
  ClusterSecret,
  ClusterName,
  HeartbeatIntervalMs,
  HeartbeatMissThreshold,
  ReconnectBaseDelayMs,
  ReconnectMaxDelayMs,
  ForgetAfterMs,
  ControlSocket,
  Count
};

[[nodiscard]] std::string_view option_name(Option option, KeyStyle style);

}  // namespace noex
