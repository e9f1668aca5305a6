// `run --http`: health checks, the members, metrics, events and a page, read only, on a thread of its own. Everything a
// client could use up is bounded: connections, event streams, the size of a request, the time to send one and the time
// to take an answer. There is one request on a connection.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "http_listener.h"
#include "noex_cluster.h"

namespace noex_cli {

class HttpServer {
 public:
  // Takes requests from now on, on a listener that is open; both borrowed.
  HttpServer(const HttpListener& listener, const noex_cluster* cluster);
  // Ends every connection and the thread.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // An event for /events, as a line of JSON. Thread: any, like the next.
  void publish(std::string_view json);
  // The node has started (true), or was told to stop (false).
  void set_ready(bool ready);

 private:
  class Loop;
  const std::unique_ptr<Loop> loop_;
};

}  // namespace noex_cli
