// NodeId: `name@host:port`, the identity of a member. Canonical text: an IPv6 host is written in brackets and in its
// shortest form, so `a@::1:5000`, `a@[::1]:5000` and `a@[0:0:0:0:0:0:0:1]:5000` are one id. Everything else is kept as
// it is given and compared by byte.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace noex {

class NodeId {
 public:
  // Empty: no id at all. Every other way of making one validates.
  NodeId() = default;

  // Errors: InvalidNodeId, the message says what was wrong, with the value.
  [[nodiscard]] static Result<NodeId> parse(std::string_view text);
  [[nodiscard]] static Result<NodeId> create(std::string_view name, std::string_view host, int64_t port);
  // Becomes the id that `text` spells, in the memory that it has. False, and unchanged: it is none; parse() says why.
  [[nodiscard]] bool assign(std::string_view text);

  [[nodiscard]] bool empty() const { return text_.empty(); }
  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] std::string_view name() const;
  // Without the brackets of an IPv6 host.
  [[nodiscard]] std::string_view host() const;
  [[nodiscard]] uint16_t port() const { return port_; }

  // Ids are ordered by the bytes of their text: the tie-break between two connections rests on it.
  friend bool operator==(const NodeId& a, const NodeId& b) { return a.text_ == b.text_; }
  friend std::strong_ordering operator<=>(const NodeId& a, const NodeId& b) { return a.text_.compare(b.text_) <=> 0; }

 private:
  std::string text_;
  uint16_t name_size_ = 0;
  uint16_t port_ = 0;
};

// Whether `name` is a valid node name: [A-Za-z][A-Za-z0-9_-]{0,63}.
[[nodiscard]] bool is_node_name(std::string_view name);

// `text` for a message: control characters and bytes that are no ASCII shown as escapes, cut after `size_max`
// characters.
[[nodiscard]] std::string printable(std::string_view text, size_t size_max = 128);

}  // namespace noex

template <>
struct std::hash<noex::NodeId> {
  size_t operator()(const noex::NodeId& id) const noexcept { return std::hash<std::string_view>{}(id.text()); }
};
