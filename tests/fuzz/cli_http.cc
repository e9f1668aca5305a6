// Requests to `run --http`: any head that the server passes on. The answer is one well-formed response of HTTP/1.1 that
// says how long it is, has all headers that keep a browser from being misled, and nothing in them that came from the
// client; what it tells of the cluster, it tells to GET and HEAD only, and on loopback only under loopback's own names.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/checks.h"
#include "base/utf8.h"
#include "http_router.h"
#include "noex_cluster.h"
#include "support/input.h"

namespace {

using noex_cli::HttpRouter;

constexpr size_t kSizeMax = 4096;

// One that runs, so that there is something to tell: on any free port of loopback.
noex_cluster* cluster() {
  static noex_cluster* const running = [] {
    noex_cluster* made = nullptr;
    noex_config config;
    noex_config_init(&config, sizeof config);
    config.node_name = "app1";
    config.host = "127.0.0.1";
    config.port_auto = 1;
    NOEX_CHECK(noex_cluster_create(&made) == NOEX_OK);
    NOEX_CHECK(noex_cluster_start(made, &config) == NOEX_OK);
    return made;
  }();
  return running;
}

HttpRouter& router(bool loopback_only) {
  static HttpRouter* const for_loopback = new HttpRouter(cluster(), true);
  static HttpRouter* const for_all = new HttpRouter(cluster(), false);
  return loopback_only ? *for_loopback : *for_all;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char byte) { return std::tolower(byte); });
  return out;
}

// Up to and with the first empty line, as the server passes it on; without what it would refuse for it.
std::string head_of(std::string_view text) {
  std::string head;
  for (const char byte : text) {
    const auto code = static_cast<unsigned char>(byte);
    if (head.empty() && (byte < 'A' || byte > 'Z')) continue;
    if ((code < ' ' && byte != '\r' && byte != '\n' && byte != '\t') || code == 0x7f) continue;
    const bool after_return = !head.empty() && head.back() == '\r';
    if (after_return && byte != '\n') head.pop_back();
    if (after_return || byte != '\n') head += byte;
  }
  if (head.empty()) head = "G";
  if (head.back() == '\r') head.pop_back();
  head += "\r\n\r\n";
  return head.substr(0, head.find("\r\n\r\n") + 4);
}

// Lower-case names; a name that comes twice fails.
std::map<std::string, std::string> headers_of(std::string_view head) {
  std::map<std::string, std::string> headers;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    NOEX_CHECK(end != std::string_view::npos);
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    const size_t colon = line.find(": ");
    NOEX_CHECK(colon != std::string_view::npos && colon > 0);
    for (const char byte : line) NOEX_CHECK(byte >= ' ' && byte < 0x7f);
    NOEX_CHECK(headers.emplace(lower(line.substr(0, colon)), line.substr(colon + 2)).second);
  }
  return headers;
}

void check_kept_safe(const std::map<std::string, std::string>& headers) {
  NOEX_CHECK(headers.at("cache-control") == "no-store");
  NOEX_CHECK(headers.at("x-content-type-options") == "nosniff");
  NOEX_CHECK(headers.at("referrer-policy") == "no-referrer");
  NOEX_CHECK(headers.at("cross-origin-resource-policy") == "same-origin");
  NOEX_CHECK(headers.at("content-security-policy").starts_with("default-src 'none'; "));
  constexpr std::array<std::string_view, 13> kKnown = {"cache-control",
                                                       "x-content-type-options",
                                                       "referrer-policy",
                                                       "cross-origin-resource-policy",
                                                       "content-security-policy",
                                                       "accept-ranges",
                                                       "connection",
                                                       "content-type",
                                                       "content-length",
                                                       "allow",
                                                       "retry-after",
                                                       "x-accel-buffering",
                                                       "keep-alive"};
  for (const auto& [name, value] : headers) NOEX_CHECK(std::count(kKnown.begin(), kKnown.end(), name) == 1);
}

// A value with its %xx as bytes, as the library reads it.
std::string decoded(std::string_view value) {
  std::string out;
  for (size_t i = 0; i < value.size(); ++i) {
    const bool escaped = value[i] == '%' && i + 2 < value.size() &&
                         std::isxdigit(static_cast<unsigned char>(value[i + 1])) &&
                         std::isxdigit(static_cast<unsigned char>(value[i + 2]));
    out += escaped ? static_cast<char>(std::stoi(std::string(value.substr(i + 1, 2)), nullptr, 16)) : value[i];
    if (escaped) i += 2;
  }
  return out;
}

// Whether there is one Host at most, one of loopback's names, by a reading of our own.
bool names_loopback(const std::string& request) {
  int hosts = 0;
  for (size_t at = request.find("\r\n"); at + 2 < request.size(); at = request.find("\r\n", at + 2)) {
    const std::string line = lower(std::string_view(request).substr(at + 2, request.find("\r\n", at + 2) - at - 2));
    if (!line.starts_with("host:")) continue;
    std::string host = line.substr(5);
    host.erase(0, host.find_first_not_of(" \t"));
    host.erase(host.find_last_not_of(" \t") + 1);
    if (host != "[::1]" && !host.starts_with("[::1]:")) host.erase(std::min(host.rfind(':'), host.size()));
    const bool is_v4 = host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
    const bool is_below = host.ends_with(".localhost") &&
                          host.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-_") == std::string::npos;
    if (!is_v4 && !host.starts_with("[::1]") && host != "localhost" && !is_below) return false;
    if (++hosts > 1) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  noex::fuzz::Input in(data, size);
  const uint8_t given = in.byte();
  const bool loopback_only = (given & 1) != 0;
  const bool room_for_stream = (given & 2) != 0;
  router(loopback_only).set_ready((given & 4) != 0);
  const std::string request = head_of(in.rest().substr(0, kSizeMax));
  NOEX_CHECK(noex_cli::may_begin_http(request));
  const HttpRouter::Answer answer = router(loopback_only).answer(request, room_for_stream);

  const std::string_view response = answer.bytes;
  const size_t end = response.find("\r\n\r\n");
  NOEX_CHECK(end != std::string_view::npos);
  NOEX_CHECK(response.starts_with("HTTP/1.1 "));
  const int status = std::stoi(std::string(response.substr(9, 3)));
  constexpr std::array<int, 9> kStatuses = {200, 400, 403, 404, 405, 413, 414, 431, 503};
  NOEX_CHECK(std::count(kStatuses.begin(), kStatuses.end(), status) == 1);
  const size_t first = response.find("\r\n") + 2;
  const auto headers = headers_of(response.substr(first, end + 2 - first));
  check_kept_safe(headers);
  NOEX_CHECK(headers.at("connection") == "close");

  const std::string_view body = response.substr(end + 4);
  const std::string method = request.substr(0, request.find_first_of(" \t\r"));  // the library takes a tab, too
  if (answer.streams) {
    NOEX_CHECK(status == 200 && room_for_stream && method == "GET");
    NOEX_CHECK(decoded(request.substr(0, request.find("\r\n"))).find("/events") != std::string::npos);
    NOEX_CHECK(headers.at("content-type") == "text/event-stream" && !headers.contains("content-length"));
    NOEX_CHECK(body.empty());
    // It is compared with ids that we gave, and never sent.
    return 0;
  }
  const bool asks_head = request.starts_with("HEAD");
  if (headers.contains("content-length")) {
    const size_t length = std::stoul(headers.at("content-length"));
    NOEX_CHECK(asks_head ? body.empty() || body.size() == length : body.size() == length);
  } else {
    NOEX_CHECK(asks_head && body.empty());
  }
  if (headers.contains("content-type") && headers.at("content-type") == "application/json" && !body.empty()) {
    NOEX_CHECK(noex::is_utf8(body) && nlohmann::json::accept(body));
  }
  if (status == 200) {
    NOEX_CHECK(method == "GET" || method == "HEAD");
    NOEX_CHECK(!loopback_only || names_loopback(request));
  }
  return 0;
}
