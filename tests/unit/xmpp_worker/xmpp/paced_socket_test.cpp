#include "xmpp_worker/xmpp/stream/paced_socket.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <asio/ip/tcp.hpp>
#include <asio/post.hpp>
#include <asio/write.hpp>

namespace stox::xmpp {
namespace {

using asio::ip::tcp;

class PacedSocketTest : public testing::Test, public PacedSocketUser {
 protected:
  PacedSocketTest() { loop.pace().set_longest(std::chrono::milliseconds(2)); }
  void socket_received(std::string_view bytes) override {
    received.append(bytes);
    ++reads;
    if (close_when_received) socket.close();
  }
  void socket_closed(const std::string& why) override { closed = why; }
  void about_to_write() override {
    ++writes;
    socket.send(std::exchange(output, {}));
  }

  template <class Condition>
  ::testing::AssertionResult until(Condition done) {
    const Time end = loop.now() + std::chrono::seconds(30);
    while (!done()) {
      if (loop.now() > end) return ::testing::AssertionFailure() << "did not come to pass in 30 s";
      loop.io().run_one_for(std::chrono::milliseconds(10));
      loop.io().restart();
    }
    return ::testing::AssertionSuccess();
  }
  // Connects and gives the server's end.
  tcp::socket accept() {
    tcp::socket own(loop.io());
    own.connect(acceptor.local_endpoint());
    socket.adopt(own.release());
    return acceptor.accept();
  }
  std::string read(tcp::socket& peer, std::size_t size) {
    std::string out;
    peer.non_blocking(true);
    EXPECT_TRUE(until([&] {
      std::string chunk(65'536, '\0');
      asio::error_code failure;
      const auto got = peer.read_some(asio::buffer(chunk), failure);
      out.append(chunk, 0, got);
      return out.size() >= size;
    }));
    return out;
  }

  net::Loop loop;
  PacedSocket socket{loop, *this};
  tcp::acceptor acceptor{loop.io(), tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  bool close_when_received = false;
  std::string received, closed, output;
  int reads = 0, writes = 0;
};

TEST_F(PacedSocketTest, ReadsAndWrites) {
  tcp::socket peer = accept();
  asio::write(peer, asio::buffer("hello", 5));
  EXPECT_TRUE(until([&] { return received == "hello"; }));
  output = "answer";
  socket.write_soon();
  EXPECT_EQ(read(peer, 6), "answer");
  asio::write(peer, asio::buffer("again", 5));
  EXPECT_TRUE(until([&] { return received == "helloagain"; }));
}

TEST_F(PacedSocketTest, WritesOnceForAllThatOneWakeupAsks) {
  tcp::socket peer = accept();
  output = "a";
  for (int i = 0; i < 100; ++i) socket.write_soon();
  output += "b";
  EXPECT_EQ(read(peer, 2), "ab");
  EXPECT_EQ(writes, 1);
}

TEST_F(PacedSocketTest, TellsThatTheServerClosed) {
  {
    tcp::socket peer = accept();
    asio::write(peer, asio::buffer("last words", 10));
  }
  EXPECT_TRUE(until([&] { return !closed.empty(); }));
  EXPECT_EQ(received, "last words");
  EXPECT_EQ(closed, "the server closed the connection");
}

TEST_F(PacedSocketTest, KeepsWhatThePeerDoesNotRead) {
  tcp::socket peer = accept();
  std::string sent;
  for (int i = 0; i < 64; ++i) {
    output.assign(262'144, static_cast<char>('a' + i % 26));
    sent += output;
    const int before = writes;
    socket.write_soon();
    ASSERT_TRUE(until([&] { return writes > before; }));
  }
  EXPECT_GT(socket.unsent(), 0u);
  EXPECT_TRUE(read(peer, sent.size()) == sent);
  EXPECT_TRUE(until([&] { return socket.unsent() == 0; }));
}

TEST_F(PacedSocketTest, CloseSendsWhatThereIsAndTellsNothing) {
  tcp::socket peer = accept();
  output = "bye";
  socket.close();
  EXPECT_EQ(read(peer, 3), "bye");
  EXPECT_EQ(closed, "");
  socket.write_soon();
  output = "hello";
  tcp::socket next = accept();
  socket.write_soon();
  EXPECT_EQ(read(next, 5), "hello");
}

TEST_F(PacedSocketTest, AfterAnAbortNothingMoreArrives) {
  tcp::socket peer = accept();
  peer.non_blocking(true);
  std::size_t sent = 0;
  while (socket.unsent() == 0) {  // until the peer's buffer and ours are full
    output.assign(262'144, 'a');
    sent += output.size();
    const int before = writes;
    socket.write_soon();
    ASSERT_TRUE(until([&] { return writes > before; }));
  }
  socket.abort();
  EXPECT_EQ(socket.unsent(), 0u);
  std::size_t arrived = 0;
  asio::error_code failure;
  EXPECT_TRUE(until([&] {
    std::string chunk(65'536, '\0');
    arrived += peer.read_some(asio::buffer(chunk), failure);
    return failure && failure != asio::error::would_block;
  }));
  EXPECT_EQ(failure, asio::error::connection_reset);
  EXPECT_LT(arrived, sent);
  EXPECT_EQ(closed, "");
}

class Killed : public PacedSocketUser {
 public:
  [[noreturn]] void fill_the_kernels_buffers_and_die(uint16_t port) {
    tcp::socket own(loop.io());
    own.connect({asio::ip::make_address("127.0.0.1"), port});
    socket.adopt(own.release());
    while (socket.unsent() == 0) {
      socket.write_soon();
      loop.io().run_one_for(std::chrono::milliseconds(10));
      loop.io().restart();
    }
    raise(SIGKILL);
    _exit(1);
  }
  void socket_received(std::string_view) override {}
  void socket_closed(const std::string&) override { _exit(1); }
  void about_to_write() override { socket.send(std::string(262'144, 'a')); }

  net::Loop loop;
  PacedSocket socket{loop, *this};
};

TEST_F(PacedSocketTest, NothingArrivesFromTheKernelOfAProcessThatWasKilled) {
  const auto port = acceptor.local_endpoint().port();
  acceptor.set_option(tcp::socket::receive_buffer_size(16'384));
  const pid_t child = fork();
  if (child == 0) Killed().fill_the_kernels_buffers_and_die(port);
  tcp::socket peer(loop.io());
  acceptor.accept(peer);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  std::size_t arrived = 0;
  asio::error_code failure;
  while (!failure) {
    std::string chunk(65'536, '\0');
    arrived += peer.read_some(asio::buffer(chunk), failure);
  }
  EXPECT_EQ(failure, asio::error::connection_reset);
  EXPECT_LT(arrived, 262'144U);
}

TEST_F(PacedSocketTest, MayBeClosedWhileItIsRead) {
  tcp::socket peer = accept();
  close_when_received = true;
  asio::write(peer, asio::buffer(std::string(200'000, 'x')));
  EXPECT_TRUE(until([&] { return reads > 0; }));
  EXPECT_EQ(reads, 1);
}

}  // namespace
}  // namespace stox::xmpp
