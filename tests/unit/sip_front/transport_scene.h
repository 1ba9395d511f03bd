// Transports on loopback, with the peer's sockets on the same loop.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <asio/ip/tcp.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sip_front/sip/transport/transport.h"

namespace stox::sip {

using namespace std::chrono_literals;

class TransportTest : public ::testing::Test, public TransportUser {
 protected:
  struct Came {
    std::string body;  // or "fault STATUS"
    Flow flow;
  };

  void open(std::vector<Listen> listens) {
    auto opened = Transports::open(loop_, listens, *net::TlsContext::create(tls_), options_, *this);
    ASSERT_TRUE(opened) << opened.error().text;
    transports_ = std::move(*opened);
  }
  void open_usual(const std::string& address = "127.0.0.1") {
    open({{Transport::kUdp, address, 0, "", 0}, {Transport::kTcp, address, 0, "", 0}});
    udp_port_ = transports_->listening()[0].bound.port;
    tcp_port_ = transports_->listening()[1].bound.port;
  }

  const Trust& trust_at(uint16_t listener) const override {
    const auto own = trust_at_.find(listener);
    return own == trust_at_.end() ? trust_ : own->second;
  }
  void received(const Message& message, const Flow& flow) override {
    came_.push_back({std::string(message.body), flow});
    if (!answer_.empty()) transports_->send(flow, answer_);
    if (finish_) transports_->finish(flow);
  }
  void faulty(const Message&, const Fault& fault, const Flow& flow) override {
    came_.push_back({"fault " + std::to_string(fault.status), flow});
    if (!answer_.empty()) transports_->send(flow, answer_);
  }
  void connection_lost(uint32_t connection, bool never_made, std::string_view) override {
    lost_.push_back(connection);
    never_made_ = never_made;
  }
  void no_way_back(const Flow& asked, std::string_view response) override {
    no_way_back_.push_back(std::string(response) + " to " + asked.peer.str());
    if (!other_ways_.empty()) transports_->send_by(other_ways_, response);
  }
  void unreachable(const Endpoint& peer, std::string_view datagram, std::string_view why) override {
    unreachable_.push_back(std::string(datagram).append(" to ").append(peer.str()).append(": ").append(why));
  }
  void tls_failed(const Endpoint&, bool ours, std::string_view why) override {
    tls_failures_.push_back((ours ? "ours: " : "theirs: ") + std::string(why));
  }

  // Runs the loop until `done`, for 10 seconds at most.
  ::testing::AssertionResult run_until(const std::function<bool()>& done) {
    const Time end = loop_.now() + 10s;
    loop_.io().restart();
    while (!done()) {
      if (loop_.now() > end) return ::testing::AssertionFailure() << "did not happen in 10 seconds";
      loop_.io().run_one_for(50ms);
    }
    return ::testing::AssertionSuccess();
  }
  std::vector<std::string> bodies() const {
    std::vector<std::string> out;
    for (const Came& one : came_) out.push_back(one.body);
    return out;
  }

  asio::ip::tcp::socket connect() {
    asio::ip::tcp::socket socket(loop_.io());
    socket.connect({asio::ip::address_v4::loopback(), tcp_port_});
    socket.non_blocking(true);
    return socket;
  }
  // Reads until the peer has said `size` bytes or closed.
  std::string read_from(asio::ip::tcp::socket& socket, std::size_t size, bool* closed = nullptr) {
    std::string out;
    EXPECT_TRUE(run_until([&] {
      std::array<char, 4096> buffer;
      asio::error_code failure;
      const std::size_t n = socket.read_some(asio::buffer(buffer), failure);
      out.append(buffer.data(), n);
      const bool end = failure && failure != asio::error::would_block;
      if (closed != nullptr) *closed = end;
      return end || out.size() >= size;
    }));
    return out;
  }
  static Trust everybody() { return {*Networks::parse({"0.0.0.0/0", "::/0"}), {}}; }
  bool closes(asio::ip::tcp::socket& socket) {
    bool closed = false;
    read_from(socket, SIZE_MAX, &closed);
    return closed;
  }

  net::Loop loop_;
  TransportOptions options_;
  net::TlsFiles tls_;
  std::unique_ptr<Transports> transports_;
  uint16_t udp_port_ = 0, tcp_port_ = 0;
  std::string answer_;
  bool finish_ = false;
  Trust trust_ = everybody();
  std::map<uint16_t, Trust> trust_at_;
  std::vector<Came> came_;
  std::vector<uint32_t> lost_;
  bool never_made_ = false;
  std::vector<std::string> no_way_back_;
  std::vector<Hop> other_ways_;
  std::vector<std::string> unreachable_, tls_failures_;
};

}  // namespace stox::sip
