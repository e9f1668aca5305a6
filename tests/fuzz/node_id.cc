// Node ids, seeds and addresses from any text: what is accepted is canonical and names itself again, what is refused
// says why in printable characters.
#include "model/node_id.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/checks.h"
#include "model/address.h"
#include "model/config.h"

namespace {

void check_refusal(const noex::Error& error, noex::ErrorCode code) {
  NOEX_CHECK(error.code == code && !error.message.empty());
  NOEX_CHECK(std::all_of(error.message.begin(), error.message.end(), [](char c) { return c >= 0x20 && c < 0x7f; }));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const noex::Result<noex::NodeId> id = noex::NodeId::parse(text);
  if (id) {
    const noex::Result<noex::NodeId> again = noex::NodeId::parse(id->text());
    NOEX_CHECK(again.ok() && *again == *id && again->name() == id->name() && again->host() == id->host());
    const noex::Result<noex::NodeId> created = noex::NodeId::create(id->name(), id->host(), id->port());
    NOEX_CHECK(created.ok() && *created == *id && created->port() == id->port());
    NOEX_CHECK(noex::is_node_name(id->name()) && id->port() != 0);
    NOEX_CHECK(noex::IpAddress::parse(id->host()).has_value() || noex::is_host_name(id->host()));
  } else {
    check_refusal(id.error(), noex::ErrorCode::InvalidNodeId);
  }
  const noex::Result<noex::Seed> seed = noex::parse_seed(text);
  if (seed) {
    NOEX_CHECK(seed->port != 0 && seed->text == text);
    // An id is a seed, and a named seed an id.
    NOEX_CHECK(seed->id.has_value() == id.ok());
    if (id) NOEX_CHECK(*seed->id == *id);
  } else {
    check_refusal(seed.error(), noex::ErrorCode::InvalidConfig);
    NOEX_CHECK(!id.ok());
  }
  if (const auto ip = noex::IpAddress::parse(text)) {
    NOEX_CHECK(noex::IpAddress::parse(ip->to_string()) == ip);
    const std::string endpoint = noex::Endpoint{*ip, 1}.to_string();
    NOEX_CHECK(noex::NodeId::parse("n@" + endpoint).ok());
  }
  return 0;
}
