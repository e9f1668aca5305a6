// What `run --http` answers: one request's head in, one response out. Requests are parsed and responses written by
// cpp-httplib, which never sees a socket here: http_server.cc has those, with their limits.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "noex_cluster.h"

namespace noex_cli {

class HttpRouter {
 public:
  // With `loopback_only`, requests whose Host is another machine's name are refused: a page in the user's browser
  // whose name was made to point to 127.0.0.1 (DNS rebinding) is not to read the cluster. `cluster` is borrowed.
  HttpRouter(const noex_cluster* cluster, bool loopback_only);
  ~HttpRouter();
  HttpRouter(const HttpRouter&) = delete;
  HttpRouter& operator=(const HttpRouter&) = delete;

  struct Answer {
    std::string bytes;
    bool streams = false;       // the head of an event stream: events follow
    std::string last_event_id;  // the last one that the client of the stream has seen
  };

  // `head` has passed may_begin_http(), and ends with the empty line. `room_for_stream`: one more event stream may be
  // opened. One thread.
  [[nodiscard]] Answer answer(const std::string& head, bool room_for_stream);

  // Whether /ready says yes while the node runs. Thread: any.
  void set_ready(bool ready);

 private:
  class Library;
  const std::unique_ptr<Library> library_;
};

// Whether a request's head can begin like this: a capital letter first, no control characters but tabs, lines that end
// as they should. What is split into lines in two ways is two requests to two readers.
[[nodiscard]] bool may_begin_http(std::string_view text);

// A response without a request that could be parsed.
[[nodiscard]] std::string http_refusal(int status, const char* reason, const std::string& message);

}  // namespace noex_cli
