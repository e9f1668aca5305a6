// Node ids, seeds and whole configurations from any text: what is accepted is canonical, and names itself again.
#include "model/node_id.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/checks.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const noex::Result<noex::NodeId> id = noex::NodeId::parse(text);
  if (id) {
    const noex::Result<noex::NodeId> again = noex::NodeId::parse(id->text());
    NOEX_CHECK(again.ok() && *again == *id);
    const noex::Result<noex::NodeId> created = noex::NodeId::create(id->name(), id->host(), id->port());
    NOEX_CHECK(created.ok() && *created == *id);
  } else {
    NOEX_CHECK(!id.error().message.empty());
  }
  static_cast<void>(noex::parse_seed(text));
  noex::ClusterConfig config;
  config.node_name = size > 0 && (data[0] & 1) != 0 ? std::string(text) : "app1";
  config.host = size > 1 && (data[1] & 1) != 0 ? std::string(text) : "127.0.0.1";
  config.seeds = {std::string(text)};
  config.cluster_name = std::string(text);
  const noex::Result<noex::ValidConfig> valid = noex::validate(config, "");
  if (!valid) NOEX_CHECK(!valid.error().message.empty());
  static_cast<void>(noex::check_option_name(text, noex::KeyStyle::Camel));
  return 0;
}
