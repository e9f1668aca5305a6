#include "http_listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "handles.h"

namespace noex_cli {
namespace {

constexpr int kBacklog = 64;

struct Place {
  std::string host;
  std::string port;
};

// host:port, [::1]:port. Empty strings if it is neither.
Place split(const std::string& address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return {};
  Place place{address.substr(0, colon), address.substr(colon + 1)};
  if (place.host.size() > 2 && place.host.front() == '[' && place.host.back() == ']') {
    place.host = place.host.substr(1, place.host.size() - 2);
  } else if (place.host.find(':') != std::string::npos) {
    return {};
  }
  if (place.port == "auto") place.port = "0";
  return place;
}

bool is_port(const std::string& text) {
  int port = -1;
  const char* const end = text.data() + text.size();
  const auto [position, error] = std::from_chars(text.data(), end, port);
  return error == std::errc() && position == end && port >= 0 && port <= 65535;
}

bool is_loopback_address(const sockaddr* address) {
  if (address->sa_family == AF_INET) {
    return (ntohl(reinterpret_cast<const sockaddr_in*>(address)->sin_addr.s_addr) >> 24) == 127;
  }
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr) != 0;
}

}  // namespace

HttpListener::~HttpListener() {
  if (fd_ >= 0) close(fd_);
}

bool HttpListener::open(const std::string& address, std::string& problem, int& exit_code) {
  const Place place = split(address);
  if (place.host.empty() || !is_port(place.port)) {
    problem =
        "invalid --http '" + address +
        "': it must be an address and a port, as in 127.0.0.1:8080, [::1]:8080 or 127.0.0.1:auto for any free port";
    exit_code = kUsage;
    return false;
  }
  exit_code = kFailure;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(place.host.c_str(), place.port.c_str(), &hints, &found); error != 0) {
    problem = "cannot serve HTTP on " + address + ": " + gai_strerror(error);
    return false;
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(found, &freeaddrinfo);
  if (!listen_on(*found)) {
    problem = "cannot serve HTTP on " + address + ": " + std::strerror(errno);
    return false;
  }
  return true;
}

// On failure errno says why.
bool HttpListener::listen_on(const addrinfo& place) {
  fd_ = socket(place.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return false;
  // Only this one: with SO_REUSEPORT a second program would share the port instead of hearing that it is taken.
  const int on = 1;
  (void)setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd_, place.ai_addr, place.ai_addrlen) != 0 || listen(fd_, kBacklog) != 0) return false;

  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const auto* const address = reinterpret_cast<const sockaddr*>(&bound);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return false;
  if (getnameinfo(address, size, host.data(), host.size(), port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV) !=
      0) {
    return false;
  }
  loopback_ = is_loopback_address(address);
  const std::string text = host.data();
  url_ = "http://" + (place.ai_family == AF_INET6 ? "[" + text + "]" : text) + ":" + port.data() + "/";
  return true;
}

bool is_loopback_host(std::string_view host) {
  if (const size_t colon = host.rfind(':'); colon != std::string_view::npos && host.back() != ']') {
    if (!is_port(std::string(host.substr(colon + 1)))) return false;
    host = host.substr(0, colon);
  }
  if (host == "[::1]") return true;
  std::string name(host);
  for (char& letter : name) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte >= 0x80 || (std::isalnum(byte) == 0 && letter != '.' && letter != '-' && letter != '_')) return false;
    letter = static_cast<char>(std::tolower(byte));
  }
  in_addr address{};
  if (inet_pton(AF_INET, name.c_str(), &address) == 1) return (ntohl(address.s_addr) >> 24) == 127;
  constexpr std::string_view kLocal = ".localhost";  // RFC 6761: all below it is the loopback interface
  return name == "localhost" ||
         (name.size() > kLocal.size() && name.compare(name.size() - kLocal.size(), kLocal.size(), kLocal) == 0);
}

}  // namespace noex_cli
