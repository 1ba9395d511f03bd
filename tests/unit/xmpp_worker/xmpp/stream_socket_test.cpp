#include "xmpp_worker/xmpp/stream/stream_socket.h"

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

class StaticResolver : public net::Resolver {
 public:
  explicit StaticResolver(net::Loop& loop) : loop_(loop) {}
  void addresses(const std::string& host,
                 std::function<void(net::Resolved<std::vector<std::string>>)> done) override {
    asio::post(loop_.io(), [this, host, done] {
      if (known.empty())
        return done(tl::make_unexpected(
            net::ResolveError{net::ResolveError::Kind::kNoName, host + ": no such name"}));
      done(known);
    });
  }
  void srv(const std::string&, std::function<void(net::Resolved<std::vector<net::SrvRecord>>)>) override {}
  std::vector<std::string> known;

 private:
  net::Loop& loop_;
};

class StreamSocketTest : public testing::Test, public StreamSocketUser {
 protected:
  void SetUp() override { resolver.known = {"127.0.0.1"}; }

  void socket_connected() override { connected = true; }
  void socket_received(std::string_view bytes) override {
    received.append(bytes);
    ++reads;
    if (close_when_received) socket.close();
  }
  void socket_closed(const std::string& why) override { closed = why; }
  void fill_output(std::string& out) override {
    ++writes;
    out += std::exchange(output, {});
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
  tcp::socket accept() { return accept(socket); }
  tcp::socket accept(StreamSocket& from) {
    connected = false;
    from.connect("server.test", acceptor.local_endpoint().port());
    tcp::socket peer(loop.io());
    bool accepted = false;
    acceptor.async_accept(peer, [&](const asio::error_code&) { accepted = true; });
    EXPECT_TRUE(until([&] { return accepted && connected; }));
    return peer;
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
  StaticResolver resolver{loop};
  StreamSocket socket{loop, resolver, *this, std::chrono::milliseconds(2)};
  tcp::acceptor acceptor{loop.io(), tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)};
  bool connected = false, close_when_received = false;
  std::string received, closed, output;
  int reads = 0, writes = 0;
};

TEST_F(StreamSocketTest, ReadsAndWrites) {
  tcp::socket peer = accept();
  asio::write(peer, asio::buffer("hello", 5));
  EXPECT_TRUE(until([&] { return received == "hello"; }));
  output = "answer";
  socket.write_soon();
  EXPECT_EQ(read(peer, 6), "answer");
  asio::write(peer, asio::buffer("again", 5));
  EXPECT_TRUE(until([&] { return received == "helloagain"; }));
}

TEST_F(StreamSocketTest, WritesOnceForAllThatOneWakeupAsks) {
  tcp::socket peer = accept();
  output = "a";
  for (int i = 0; i < 100; ++i) socket.write_soon();
  output += "b";
  EXPECT_EQ(read(peer, 2), "ab");
  EXPECT_EQ(writes, 1);
}

TEST_F(StreamSocketTest, TriesEveryAddress) {
  resolver.known = {"127.0.0.2", "127.0.0.1"};  // nobody listens at the first
  accept();
  EXPECT_TRUE(connected);
}

TEST_F(StreamSocketTest, SaysWhyItCannotConnect) {
  resolver.known.clear();
  socket.connect("server.test", 1);
  EXPECT_TRUE(until([&] { return !closed.empty(); }));
  EXPECT_EQ(closed, "server.test: no such name");
  closed.clear();
  resolver.known = {"127.0.0.1"};
  const uint16_t port = acceptor.local_endpoint().port();
  acceptor.close();
  socket.connect("server.test", port);
  EXPECT_TRUE(until([&] { return !closed.empty(); }));
  EXPECT_EQ(closed, "127.0.0.1:" + std::to_string(port) + ": Connection refused");
  EXPECT_FALSE(connected);
}

TEST_F(StreamSocketTest, TellsThatTheServerClosed) {
  {
    tcp::socket peer = accept();
    asio::write(peer, asio::buffer("last words", 10));
  }
  EXPECT_TRUE(until([&] { return !closed.empty(); }));
  EXPECT_EQ(received, "last words");
  EXPECT_EQ(closed, "the server closed the connection");
}

TEST_F(StreamSocketTest, KeepsWhatThePeerDoesNotRead) {
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

TEST_F(StreamSocketTest, CloseSendsWhatThereIsAndTellsNothing) {
  tcp::socket peer = accept();
  output = "bye";
  socket.close();
  EXPECT_EQ(read(peer, 3), "bye");
  EXPECT_EQ(closed, "");
  socket.write_soon();
  connected = false;
  accept();
  EXPECT_TRUE(connected);
}

TEST_F(StreamSocketTest, AfterAnAbortNothingMoreArrives) {
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

class Killed : public StreamSocketUser {
 public:
  [[noreturn]] void fill_the_kernels_buffers_and_die(uint16_t port) {
    resolver.known = {"127.0.0.1"};
    socket.connect("server.test", port);
    while (socket.unsent() == 0) {
      socket.write_soon();
      loop.io().run_one_for(std::chrono::milliseconds(10));
      loop.io().restart();
    }
    raise(SIGKILL);
    _exit(1);
  }
  void socket_connected() override {}
  void socket_received(std::string_view) override {}
  void socket_closed(const std::string&) override { _exit(1); }
  void fill_output(std::string& out) override { out.append(262'144, 'a'); }

  net::Loop loop;
  StaticResolver resolver{loop};
  StreamSocket socket{loop, resolver, *this, Duration{}};
};

// Where it still thinks the connection to stand, the peer hears by that of its end.
TEST_F(StreamSocketTest, ConnectionsComeFromThePortOfTheOneBefore) {
  const uint16_t port = accept().remote_endpoint().port();
  socket.abort();
  EXPECT_EQ(accept().remote_endpoint().port(), port);
  socket.abort();
  StreamSocket of_next_process(loop, resolver, *this, std::chrono::milliseconds(2), port);
  EXPECT_EQ(accept(of_next_process).remote_endpoint().port(), port);
}

TEST_F(StreamSocketTest, IfThatPortIsTakenTheNextConnectionComesFromAnother) {
  const tcp::endpoint own = accept().remote_endpoint();
  socket.abort();
  tcp::socket other(loop.io(), tcp::v4());
  other.set_option(tcp::socket::reuse_address(true));
  other.bind(own);
  other.connect(acceptor.local_endpoint());
  accept();
  EXPECT_TRUE(connected);
}

TEST_F(StreamSocketTest, NothingArrivesFromTheKernelOfAProcessThatWasKilled) {
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

TEST_F(StreamSocketTest, MayBeClosedWhileItIsRead) {
  tcp::socket peer = accept();
  close_when_received = true;
  asio::write(peer, asio::buffer(std::string(200'000, 'x')));
  EXPECT_TRUE(until([&] { return reads > 0; }));
  EXPECT_EQ(reads, 1);
}

}  // namespace
}  // namespace stox::xmpp
