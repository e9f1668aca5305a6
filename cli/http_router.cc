#include "http_router.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "http_library.h"
#include "http_listener.h"
#include "http_page.h"

namespace noex_cli {
namespace {

constexpr std::string_view kNoncePlace = "@NONCE@";

constexpr const char* kJson = "application/json";
constexpr const char* kOpenMetrics = NOEX_METRICS_CONTENT_TYPE;
// A document is made at most so often, whoever asks: a flood of requests is none for the node.
constexpr auto kDocumentAge = std::chrono::milliseconds(100);

constexpr const char* kPaths[] = {"/", "/health", "/ready", "/members", "/status", "/metrics", "/events"};

const httplib::Headers& safe_headers() {
  static const httplib::Headers kHeaders = {
      {"Cache-Control", "no-store"},
      {"X-Content-Type-Options", "nosniff"},
      {"Referrer-Policy", "no-referrer"},
      {"Cross-Origin-Resource-Policy", "same-origin"},
      {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
      {"Accept-Ranges", "none"},
  };
  return kHeaders;
}

std::string page(const std::string& nonce) {
  std::string text(http_page());
  for (size_t at = 0; (at = text.find(kNoncePlace, at)) != std::string::npos;) {
    text.replace(at, kNoncePlace.size(), nonce);
  }
  return text;
}

std::string new_nonce() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return {};
  std::string text;
  for (const unsigned char byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

using Object = nlohmann::ordered_json;

// What a client sent may be no UTF-8, and is mended.
std::string text_of(const Object& object) {
  return object.dump(-1, ' ', false, Object::error_handler_t::replace) + "\n";
}

std::string error_json(std::string_view message) { return text_of({{"error", message}}); }

// What is read of the head before the library reads it.
struct Head {
  std::string kept;
  std::string host;  // of the last Host line, as it stands there: the library decodes %xx
  int hosts = 0;     // so many lines: the library overlooks an empty one
};

bool is_field(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         strncasecmp(line.data(), name.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t";
  const size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

Head read_head(std::string_view text) {
  Head head;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find("\r\n", begin);
    const std::string_view line = text.substr(begin, end - begin);
    if (begin != 0 && is_field(line, "host")) {
      head.host = trimmed(line.substr(line.find(':') + 1));
      ++head.hosts;
    }
    // Parts of files are not what is served here, and a list of a thousand ranges is an old attack: nobody has asked.
    const bool unasked = begin != 0 && (is_field(line, "range") || is_field(line, "expect"));
    if (!unasked) head.kept.append(line).append("\r\n");
    begin = end + 2;
  }
  return head;
}

// A request that has been read, and a response that somebody else will send.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(const std::string& input) : input_(input) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t taken = input_.copy(to, size, position_);
    position_ += taken;
    return static_cast<ssize_t>(taken);
  }
  ssize_t write(const char* from, size_t size) override {
    output.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string output;

 private:
  const std::string& input_;
  size_t position_ = 0;
};

}  // namespace

bool may_begin_http(std::string_view text) {
  if (text.empty() || text.front() < 'A' || text.front() > 'Z') return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\r' && i + 1 < text.size() && text[i + 1] != '\n') return false;
    if (byte == '\n' && text[i - 1] != '\r') return false;
    if (byte == 0x7f || (byte < ' ' && byte != '\r' && byte != '\n' && byte != '\t')) return false;
  }
  return true;
}

std::string http_refusal(int status, const char* reason, const std::string& message) {
  const std::string body = error_json(message);
  std::string text = "HTTP/1.1 " + std::to_string(status) + " " + reason +
                     "\r\nConnection: close\r\nContent-Type: " + kJson +
                     "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  for (const auto& [name, value] : safe_headers()) text.append(name).append(": ").append(value).append("\r\n");
  return text + "\r\n" + body;
}

class HttpRouter::Library : private httplib::Server {
 public:
  Library(const noex_cluster* cluster, bool loopback_only) : cluster_(cluster), loopback_only_(loopback_only) {
    set_default_headers(safe_headers());
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      route(request, response);
      return HandlerResponse::Handled;
    });
    // What the library itself refuses: what is not HTTP.
    set_error_handler(Handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty())
        response.set_content(error_json(httplib::detail::status_message(response.status)), kJson);
    }));
  }

  Answer answer(const std::string& head, bool room_for_stream) {
    answer_ = {};
    room_for_stream_ = room_for_stream;
    head_ = read_head(head);
    MemoryStream stream(head_.kept);
    bool closed = false;
    process_request(stream, true, closed, nullptr);
    answer_.bytes = std::move(stream.output);
    return std::move(answer_);
  }

  std::atomic<bool> ready = false;

 private:
  void route(const httplib::Request& request, httplib::Response& response) {
    if (head_.hosts > 1 || (head_.hosts == 0 && request.version != "HTTP/1.0")) {
      return refuse(response, 400, "a request has one Host header");
    }
    if (loopback_only_ && head_.hosts == 1 && !is_loopback_host(head_.host)) {
      return refuse(response, 403,
                    "this server is for this machine only: ask for localhost or 127.0.0.1, not '" + head_.host + "'");
    }
    if (request.method != "GET" && request.method != "HEAD") {
      response.set_header("Allow", "GET, HEAD");
      return refuse(response, 405, "nothing can be changed here: GET and HEAD only");
    }
    response.status = 200;
    if (request.path == "/") return show_page(response);
    if (request.path == "/health") return health(response, false);
    if (request.path == "/ready") return health(response, true);
    if (request.path == "/members") return document(response, members_, kJson);
    if (request.path == "/status") return document(response, status_, kJson);
    if (request.path == "/metrics") return document(response, metrics_, kOpenMetrics);
    if (request.path == "/events") return events(request, response);
    std::string paths;
    for (const char* const path : kPaths) paths += (paths.empty() ? "" : ", ") + std::string(path);
    refuse(response, 404, "there is no '" + request.path + "' here, but " + paths);
  }

  static void refuse(httplib::Response& response, int status, const std::string& message) {
    response.status = status;
    response.set_content(error_json(message), kJson);
  }

  static void show_page(httplib::Response& response) {
    const std::string nonce = new_nonce();
    response.headers.erase("Content-Security-Policy");
    response.set_header(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'nonce-" + nonce + "'; style-src 'nonce-" + nonce +
            "'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors "
            "'none'");
    response.set_content(page(nonce), "text/html; charset=utf-8");
  }

  // The fields that the examples' health servers have.
  void health(httplib::Response& response, bool asks_ready) const {
    int32_t status = NOEX_CLUSTER_STOPPED;
    std::array<char, NOEX_NODE_ID_SIZE_MAX + 1> id{};
    size_t connected = 0;
    bool healthy = noex_cluster_status(cluster_, &status) == NOEX_OK && status == NOEX_CLUSTER_RUNNING &&
                   noex_cluster_local_id(cluster_, id.data(), id.size()) == NOEX_OK &&
                   noex_cluster_connected_count(cluster_, &connected) == NOEX_OK;
    const bool is_ready = healthy && ready;
    Object object = {{"status", noex_cluster_status_name(status)}, {"healthy", healthy}};
    if (asks_ready) object["ready"] = is_ready;
    object["nodeId"] = healthy ? Object(id.data()) : Object();
    object["connectedNodes"] = healthy ? connected : 0;
    response.status = (asks_ready ? is_ready : healthy) ? 200 : 503;
    response.set_content(text_of(object), kJson);
  }

  struct Document {
    const int32_t kind;
    std::string text;
    std::chrono::steady_clock::time_point made_at;
  };

  void document(httplib::Response& response, Document& kept, const char* type) {
    const auto now = std::chrono::steady_clock::now();
    if (kept.text.empty() || now - kept.made_at >= kDocumentAge) {
      char* text = nullptr;
      kept.text.clear();
      if (noex_cluster_document(cluster_, kept.kind, &text) != NOEX_OK) {
        response.set_header("Retry-After", "1");
        return refuse(response, 503, noex_last_error());
      }
      kept.text = text;
      noex_text_free(text);
      kept.made_at = now;
    }
    response.set_content(kept.text, type);
  }

  void events(const httplib::Request& request, httplib::Response& response) {
    if (!room_for_stream_) {
      response.set_header("Retry-After", "10");
      return refuse(response, 503, "as many as may have an event stream at once have one");
    }
    answer_.streams = request.method == "GET";
    answer_.last_event_id = request.get_header_value("Last-Event-ID");
    response.set_header("X-Accel-Buffering", "no");  // nginx would collect events before it passes them on
    // Without a length, ended by the end of the connection. The library writes the head only.
    response.set_content_provider("text/event-stream", [](size_t, httplib::DataSink&) { return true; });
  }

  const noex_cluster* const cluster_;
  const bool loopback_only_;
  Document status_{NOEX_DOCUMENT_STATUS, {}, {}};
  Document members_{NOEX_DOCUMENT_MEMBERS, {}, {}};
  Document metrics_{NOEX_DOCUMENT_METRICS, {}, {}};
  Head head_;  // of the request that is being answered, like the next
  Answer answer_;
  bool room_for_stream_ = false;
};

HttpRouter::HttpRouter(const noex_cluster* cluster, bool loopback_only)
    : library_(std::make_unique<Library>(cluster, loopback_only)) {}

HttpRouter::~HttpRouter() = default;

HttpRouter::Answer HttpRouter::answer(const std::string& head, bool room_for_stream) {
  try {
    return library_->answer(head, room_for_stream);
  } catch (const std::exception& error) {
    return {http_refusal(500, "Internal Server Error", error.what()), false, {}};
  }
}

void HttpRouter::set_ready(bool ready) { library_->ready = ready; }

}  // namespace noex_cli
