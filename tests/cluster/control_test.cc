// The control socket: who may open it, what it answers, what becomes of its name, and that no client can hurt the node.
#include "cluster/control.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "cluster/node_harness.h"
#include "transport/uv_local_server.h"

namespace noex::test {
namespace {

using namespace std::chrono_literals;

class ControlSocket : public ::testing::Test {
 protected:
  ControlSocket() {
    char pattern[] = "/tmp/noex-control-XXXXXX";
    directory_ = mkdtemp(pattern);
    path_ = directory_ + "/node.sock";
  }
  ~ControlSocket() override { std::filesystem::remove_all(directory_); }

  ClusterConfig config(const std::string& name = "a") const {
    ClusterConfig config = quick_config(name);
    config.control_socket = path_;
    return config;
  }

  static int open_socket(const std::string& path) {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    const timeval patience{20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
  }
  RawSocket connect_to_node() const {
    const int fd = open_socket(path_);
    EXPECT_GE(fd, 0) << std::strerror(errno);
    return RawSocket(fd);
  }
  // The next line, without its end.
  static std::string read_line(RawSocket& socket) {
    std::string line;
    while (true) {
      const std::string byte = socket.read(1);
      if (byte.empty() || byte == "\n") return line;
      line += byte;
    }
  }
  static std::string ask(RawSocket& socket, const std::string& request) {
    EXPECT_TRUE(socket.send(request + "\n"));
    return read_line(socket);
  }

  std::string directory_;
  std::string path_;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(ControlSocket, IsOpenToThisUserAloneWhileTheNodeRuns) {
  NodeHarness a;
  EXPECT_FALSE(std::filesystem::exists(path_));
  const mode_t mask = umask(0);
  a.start(config());
  umask(mask);
  struct stat info {};
  ASSERT_EQ(lstat(path_.c_str(), &info), 0);
  EXPECT_TRUE(S_ISSOCK(info.st_mode));
  EXPECT_EQ(info.st_mode & 07777, 0600u) << "whatever the umask";
  ASSERT_TRUE(a->stop().ok());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ControlSocket, AnswersOneRequestAfterTheOther) {
  NodeHarness a;
  a.start(config());
  RawSocket client = connect_to_node();
  EXPECT_TRUE(contains(ask(client, "status"), "\"id\":\"" + a.id() + "\""));
  EXPECT_TRUE(contains(ask(client, "members\r"), "\"members\":[]")) << "a carriage return is no part of it";
  EXPECT_TRUE(contains(ask(client, "metrics"), "# EOF\\n\"}"));
  EXPECT_EQ(ask(client, "what\x01"),
            R"({"error":"unknown request 'what\\x01': it is status, members, metrics or events"})");
  EXPECT_TRUE(contains(ask(client, "status"), a.id())) << "it goes on after that";
  ASSERT_TRUE(client.send("status\nmem"));
  EXPECT_TRUE(contains(read_line(client), a.id()));
  ASSERT_TRUE(client.send("bers\n"));
  EXPECT_TRUE(contains(read_line(client), "\"local\":{")) << "requests may come in pieces";
}

TEST_F(ControlSocket, TellsTheEventsThatWereAndThoseThatCome) {
  NodeHarness a;
  NodeHarness b;
  a.start(config());
  ClusterConfig second = quick_config("b");
  second.seeds = {a.seed()};
  b.start(second);
  ASSERT_TRUE(a.wait_up(b.id()));
  const std::string id = b.id();
  RawSocket client = connect_to_node();
  EXPECT_TRUE(contains(ask(client, "events"), R"("event":"status")"));
  EXPECT_TRUE(contains(read_line(client), R"("event":"up")"));
  ASSERT_TRUE(b->stop().ok());
  const std::string down = read_line(client);
  EXPECT_TRUE(contains(down, R"("event":"down")") && contains(down, id) && contains(down, "graceful_shutdown") &&
              contains(down, "it said goodbye"))
      << down;
  ASSERT_TRUE(a->stop().ok());
  EXPECT_TRUE(contains(read_line(client), R"("status":"stopping")")) << "the last word of the node";
  EXPECT_TRUE(client.at_end());
}

TEST_F(ControlSocket, OneThatAKilledNodeLeftBehindIsReplaced) {
  const int left = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, path_.c_str());
  ASSERT_EQ(bind(left, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(listen(left, 1), 0);
  close(left);
  ASSERT_TRUE(std::filesystem::exists(path_));
  NodeHarness a;
  a.start(config());
  RawSocket client = connect_to_node();
  EXPECT_TRUE(contains(ask(client, "status"), a.id()));
}

TEST_F(ControlSocket, OfALivingNodeIsNotTaken) {
  NodeHarness a;
  a.start(config("a"));
  NodeHarness b;
  const Status second = b->start(config("b"));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, ErrorCode::Bind);
  EXPECT_EQ(second.error().bind.code, "EADDRINUSE");
  EXPECT_EQ(second.error().bind.address, path_);
  EXPECT_TRUE(contains(second.error().message, "another node has it open")) << second.error().message;
  RawSocket client = connect_to_node();
  EXPECT_TRUE(contains(ask(client, "status"), a.id())) << "the first node's is still there";
}

TEST_F(ControlSocket, AFileIsNeverReplaced) {
  std::ofstream(path_) << "precious";
  NodeHarness a;
  EXPECT_FALSE(a->start(config()).ok());
  std::string kept;
  std::ifstream(path_) >> kept;
  EXPECT_EQ(kept, "precious");
}

TEST_F(ControlSocket, ItsDirectoryMustExist) {
  NodeHarness a;
  ClusterConfig wrong = config();
  wrong.control_socket = directory_ + "/none/node.sock";
  const Status started = a->start(wrong);
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.error().message, "cannot open the control socket '" + *wrong.control_socket +
                                         "': no such file or directory (ENOENT); its directory must exist");
  a.start(config());  // the handle is as it was
}

TEST_F(ControlSocket, ANameThatIsSomebodyElsesByNowIsLeft) {
  NodeHarness a;
  a.start(config());
  ASSERT_EQ(unlink(path_.c_str()), 0);
  std::ofstream(path_) << "another's";
  ASSERT_TRUE(a->stop().ok());
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(ControlSocket, AClientThatTalksTooMuchIsCut) {
  NodeHarness a;
  a.start(config());
  RawSocket client = connect_to_node();
  ASSERT_TRUE(client.send(std::string(UvLocalServer::kLineMax + 1, 'x')));
  EXPECT_TRUE(client.at_end());
  RawSocket other = connect_to_node();
  EXPECT_TRUE(contains(ask(other, std::string(UvLocalServer::kLineMax, 'x')), "unknown request"));
}

TEST_F(ControlSocket, AClientThatAsksAndNeverReadsIsCut) {
  NodeHarness a;
  a.start(config());
  RawSocket client = connect_to_node();
  const std::string request = "metrics\n";
  // Each answer is some kilobytes: far more of them than may wait.
  bool open = true;
  for (int i = 0; i < 10'000 && open; ++i) open = ::send(client.fd(), request.data(), request.size(), MSG_NOSIGNAL) > 0;
  EXPECT_FALSE(open);
  RawSocket other = connect_to_node();
  EXPECT_TRUE(contains(ask(other, "status"), a.id()));
}

TEST_F(ControlSocket, WhoClosesItsSideStillGetsTheAnswer) {
  NodeHarness a;
  a.start(config());
  RawSocket client = connect_to_node();
  // More answers than the kernel takes at once, so that some wait in the node when the end is read.
  std::string requests;
  for (int i = 0; i < 100; ++i) requests += "metrics\n";
  ASSERT_TRUE(client.send(requests));
  client.shutdown_write();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(contains(read_line(client), "# EOF"));
  EXPECT_TRUE(client.at_end());
}

TEST_F(ControlSocket, OfTooManyClientsTheOldestGoes) {
  NodeHarness a;
  a.start(config());
  RawSocket oldest = connect_to_node();
  EXPECT_TRUE(contains(ask(oldest, "status"), a.id()));
  std::vector<RawSocket> others;
  for (size_t i = 0; i < UvLocalServer::kClientsMax; ++i) {
    others.push_back(connect_to_node());
    EXPECT_TRUE(contains(ask(others.back(), "status"), a.id()));
  }
  EXPECT_TRUE(oldest.at_end());
  EXPECT_TRUE(contains(ask(others.front(), "status"), a.id()));
}

TEST_F(ControlSocket, AnAbortTakesItAway) {
  NodeHarness a;
  a.start(config());
  RawSocket client = connect_to_node();
  EXPECT_TRUE(contains(ask(client, "events"), "running"));
  a->abort();
  EXPECT_TRUE(client.at_end());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST(ControlSocketOption, IsCheckedWithTheOthers) {
  ClusterConfig config = quick_config("a");
  config.control_socket = "";
  EXPECT_EQ(validate(config, "").error().message,
            "invalid control_socket '': it must be the path of a Unix socket, such as '/run/app/node.sock'");
  config.control_socket = std::string(108, 'x');
  EXPECT_TRUE(contains(validate(config, "").error().message, "it is 108 bytes long; a socket's path has at most 107"));
  config.control_socket = std::string(107, 'x');
  EXPECT_TRUE(validate(config, "").ok());
}

}  // namespace
}  // namespace noex::test
