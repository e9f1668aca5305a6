#include "transport/uv_local_server.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "base/checks.h"
#include "transport/uv_context.h"

namespace noex {
namespace {

constexpr int kBacklog = 64;

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  NOEX_CHECK(path.size() < sizeof address.sun_path);  // the configuration is checked
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

int local_socket() {
#if defined(SOCK_CLOEXEC)
  return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
#else
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd >= 0) {
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  return fd;
#endif
}

template <typename Call>
int with_address(Call call, int fd, const std::string& path) {
  const sockaddr_un address = address_of(path);
  return call(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(sizeof address));
}

// A socket by that name to which nobody listens any more: its node was killed.
bool is_left_behind(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const int fd = local_socket();
  if (fd < 0) return false;
  const bool refused = with_address(::connect, fd, path) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

int listening_socket(const std::string& path) {
  const int fd = local_socket();
  if (fd < 0) return -1;
  // The mode of the descriptor is the mode that bind gives the name, so at no time is it open to others.
  bool ok = fchmod(fd, S_IRUSR | S_IWUSR) == 0;
  ok = ok &&
       (with_address(::bind, fd, path) == 0 || (errno == EADDRINUSE && is_left_behind(path) &&
                                                ::unlink(path.c_str()) == 0 && with_address(::bind, fd, path) == 0));
  ok = ok && ::listen(fd, kBacklog) == 0;
  if (ok) return fd;
  const int failure = errno;
  ::close(fd);
  errno = failure;
  return -1;
}

Error listen_error(const std::string& path, int os_error) {
  const int uv_error = uv_translate_sys_error(os_error);
  std::string message = "cannot open the control socket '" + path + "': ";
  message += std::string(uv_strerror(uv_error)) + " (" + uv_err_name(uv_error) + ")";
  switch (os_error) {
    case EADDRINUSE:
      message += "; another node has it open, or it is no socket: give each node a name of its own";
      break;
    case ENOENT:
      message += "; its directory must exist";
      break;
    case EACCES:
    case EROFS:
      message += "; this user may not create files in its directory";
      break;
    default:
      break;
  }
  return {ErrorCode::Bind, std::move(message), {os_error, "listen", uv_err_name(uv_error), path, 0}};
}

std::optional<std::pair<uint64_t, uint64_t>> file_at(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) return std::nullopt;
  return std::pair<uint64_t, uint64_t>(info.st_dev, info.st_ino);
}

}  // namespace

struct UvLocalServer::Client {
  uv_pipe_t pipe{};
  uv_shutdown_t shutdown{};
  uint64_t id = 0;
  UvLocalServer* server = nullptr;  // null once closing
  std::string line;
};

struct UvLocalServer::WriteRequest {
  uv_write_t request{};
  std::string text;
};

Status UvLocalServer::listen(const std::string& path) {
  const int fd = listening_socket(path);
  if (fd < 0) return listen_error(path, errno);
  path_ = path;
  open_ = true;
  const auto file = file_at(path);
  if (file) file_ = *file;
  if (!acceptor_.open(fd)) return listen_error(path, errno);
  return {};
}

void UvLocalServer::on_accepted(int fd) {
  if (clients_.size() >= kClientsMax) end(clients_.begin()->first);
  auto client = std::make_unique<Client>();
  NOEX_CHECK(uv_pipe_init(&context_.loop, &client->pipe, 0) == 0);
  Client* const added = client.release();
  added->pipe.data = added;
  added->id = next_id_++;
  added->server = this;
  clients_.emplace(added->id, added);
  if (uv_pipe_open(&added->pipe, fd) != 0) {
    ::close(fd);
    return end(added->id);
  }
  const auto allocate = [](uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    UvContext& context = static_cast<Client*>(handle->data)->server->context_;
    *buffer = uv_buf_init(context.read_buffer.get(), UvContext::kReadBufferSize);
  };
  const auto read = [](uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* const self = static_cast<Client*>(stream->data);
    self->server->context_.guarded([self, size, buffer] { self->server->on_read(*self, size, buffer->base); });
  };
  if (uv_read_start(reinterpret_cast<uv_stream_t*>(&added->pipe), allocate, read) != 0) end(added->id);
}

void UvLocalServer::on_read(Client& client, ssize_t size, const char* data) {
  if (size == 0) return;
  const uint64_t id = client.id;
  if (size == UV_EOF) return end_when_sent(client);
  if (size < 0) return end(id);
  std::string_view rest(data, static_cast<size_t>(size));
  while (!rest.empty()) {
    const size_t length = std::min(rest.find('\n'), rest.size());
    if (client.line.size() + length > kLineMax) return end(id);
    client.line += rest.substr(0, length);
    if (length == rest.size()) return;
    rest.remove_prefix(length + 1);
    std::string line = std::exchange(client.line, {});
    if (!line.empty() && line.back() == '\r') line.pop_back();
    handler_.on_local_line(id, line);
    if (!clients_.contains(id)) return;  // it was cut, or all is closed
  }
}

void UvLocalServer::send(uint64_t id, std::string text) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  auto* const stream = reinterpret_cast<uv_stream_t*>(&found->second->pipe);
  if (uv_stream_get_write_queue_size(stream) > kUnsentMax) return end(id);
  auto write = std::make_unique<WriteRequest>();
  write->text = std::move(text);
  write->request.data = write.get();
  const uv_buf_t buffer = uv_buf_init(write->text.data(), static_cast<unsigned int>(write->text.size()));
  const auto written = [](uv_write_t* request, int) { delete static_cast<WriteRequest*>(request->data); };
  if (uv_write(&write->request, stream, &buffer, 1, written) != 0) return end(id);
  static_cast<void>(write.release());  // libuv's until `written`
}

// Who has closed its side after its last request (`echo members | nc -N -U ...`) still gets the answer.
void UvLocalServer::end_when_sent(Client& client) {
  auto* const stream = reinterpret_cast<uv_stream_t*>(&client.pipe);
  uv_read_stop(stream);
  client.shutdown.data = &client;
  const auto sent = [](uv_shutdown_t* request, int) {
    auto* const self = static_cast<Client*>(request->data);
    if (self->server != nullptr) self->server->end(self->id);
  };
  if (uv_shutdown(&client.shutdown, stream, sent) != 0) end(client.id);
}

void UvLocalServer::end(uint64_t id) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  Client* const client = found->second;
  clients_.erase(found);
  client->server = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&client->pipe),
           [](uv_handle_t* handle) { delete static_cast<Client*>(handle->data); });
  if (open_) handler_.on_local_closed(id);
}

void UvLocalServer::close() {
  if (!std::exchange(open_, false)) return;
  acceptor_.close();
  while (!clients_.empty()) end(clients_.begin()->first);
  if (file_at(path_) == file_) ::unlink(path_.c_str());
}

}  // namespace noex
