// The Unix socket on which a node answers requests from its own machine (status, members, ...). It lives on the node's
// loop: the answers come while the application is blocked. Only the user that the process runs as may open it. Bounded
// in all directions: clients, the length of a line, what waits to be sent.
#pragma once

#include <uv.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/result.h"
#include "transport/local_handler.h"
#include "transport/uv_acceptor.h"

namespace noex {

struct UvContext;

class UvLocalServer {
 public:
  static constexpr size_t kClientsMax = 32;              // the oldest goes when another comes
  static constexpr size_t kLineMax = 256;                // longer ones end the connection
  static constexpr size_t kUnsentMax = size_t{1} << 20;  // who has more waiting, and asks on, is cut

  UvLocalServer(UvContext& context, LocalHandler& handler)
      : context_(context), handler_(handler), acceptor_(context, [this](int fd) { on_accepted(fd); }) {}
  ~UvLocalServer() { close(); }
  UvLocalServer(const UvLocalServer&) = delete;
  UvLocalServer& operator=(const UvLocalServer&) = delete;

  // Creates the socket, mode 0600. One that a node left behind when it was killed is replaced. Errors: Bind.
  [[nodiscard]] Status listen(const std::string& path);
  void send(uint64_t client, std::string text);
  // Closes all and removes the socket's name; the handler hears nothing more.
  void close();

 private:
  struct Client;
  struct WriteRequest;

  void on_accepted(int fd);
  void on_read(Client& client, ssize_t size, const char* data);
  void end_when_sent(Client& client);
  void end(uint64_t id);

  UvContext& context_;
  LocalHandler& handler_;
  UvAcceptor acceptor_;
  std::map<uint64_t, Client*> clients_;  // each is libuv's until its close callback
  uint64_t next_id_ = 1;
  std::string path_;
  std::pair<uint64_t, uint64_t> file_;  // device and number of the name: what is removed is what was made
  bool open_ = false;
};

}  // namespace noex
