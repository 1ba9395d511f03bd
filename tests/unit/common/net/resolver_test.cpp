#include "common/net/resolver.h"

#include <gtest/gtest.h>

#include <array>
#include <asio/ip/udp.hpp>
#include <optional>

namespace stox::net {
namespace {

// A name server that gives every question the same answer: the records as they stand on the wire, or an
// RCODE.
class NameServer {
 public:
  void fails() { rcode_ = 2, rdata_.clear(); }
  void falls_silent() { silent_ = true; }
  void answers(std::string rdata) { silent_ = false, rcode_ = 0, rdata_ = std::move(rdata); }

  NameServer(Loop& loop, int rcode, std::string rdata = {}, char ttl_s = 60)
      : socket_(loop.io(), {asio::ip::address_v4::loopback(), 0}),
        rcode_(rcode),
        rdata_(std::move(rdata)),
        ttl_s_(ttl_s) {
    receive();
  }
  Resolver::Options options() const {
    return {{"127.0.0.1:" + std::to_string(socket_.local_endpoint().port())}, false};
  }

 private:
  void receive() {
    socket_.async_receive_from(asio::buffer(packet_), from_,
                               [this](const asio::error_code& failure, std::size_t size) {
                                 if (failure) return;
                                 if (!silent_) answer(std::string_view(packet_.data(), size));
                                 receive();
                               });
  }
  void answer(std::string_view question) {
    const std::size_t name_end = question.find('\0', 12);
    const std::string_view type_and_class = question.substr(name_end + 1, 4);
    std::string out(question.substr(0, name_end + 5));
    out[2] = '\x85';  // answer, authoritative, recursion desired
    out[3] = static_cast<char>(0x80 | rcode_);
    out.replace(6, 6, std::string(6, '\0'));
    if (!rdata_.empty()) {
      out[7] = 1;
      out += std::string("\xc0\x0c", 2);
      out += type_and_class;
      out += std::string("\0\0\0", 3) + ttl_s_ + '\0';
      out += static_cast<char>(rdata_.size());
      out += rdata_;
    }
    socket_.send_to(asio::buffer(out), from_);
  }
  asio::ip::udp::socket socket_;
  asio::ip::udp::endpoint from_;
  std::array<char, 1500> packet_{};
  int rcode_;
  std::string rdata_;
  char ttl_s_;
  bool silent_ = false;
};

Resolver::Options nowhere() { return {{"127.0.0.1:9"}, false}; }

TEST(Resolver, WhileNameServersFailWhatTheySaidHolds) {
  Loop loop;
  const std::string first("\x0a\0\0\1", 4), second("\x0a\0\0\2", 4);
  NameServer server(loop, 0, first, 0);
  auto resolver = Resolver::create(loop, server.options()).value();
  const auto ask = [&](const std::string& host) {
    std::string got;
    resolver->addresses(host, [&](auto found) {
      got = found ? found->front() : found.error().text;
      loop.stop();
    });
    loop.run();
    loop.io().restart();
    return got;
  };
  EXPECT_EQ(ask("failing.example"), "10.0.0.1");
  EXPECT_EQ(ask("silent.example"), "10.0.0.1");
  EXPECT_EQ(ask("back.example"), "10.0.0.1");
  server.answers(second);
  EXPECT_EQ(ask("back.example"), "10.0.0.2");
  server.fails();
  EXPECT_EQ(ask("failing.example"), "10.0.0.1");
  EXPECT_EQ(ask("unknown.example"), "DNS: no answer for unknown.example");
  server.falls_silent();
  EXPECT_EQ(ask("silent.example"), "10.0.0.1");
}

TEST(Resolver, ALiteralAddressAnswersItself) {
  Loop loop;
  auto resolver = Resolver::create(loop, nowhere()).value();
  for (const char* literal : {"127.0.0.5", "::1"}) {
    std::optional<std::vector<std::string>> got;
    resolver->addresses(literal, [&](auto found) {
      got = found.value();
      loop.stop();
    });
    EXPECT_FALSE(got) << "callback from inside the call";
    loop.run();
    loop.io().restart();
    EXPECT_EQ(got, std::vector<std::string>{literal});
  }
}

TEST(Resolver, LocalhostNeedsNoServer) {
  Loop loop;
  auto resolver = Resolver::create(loop, nowhere()).value();
  std::vector<std::string> got;
  resolver->addresses("localhost", [&](auto found) {
    got = found.value();
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(got.front(), "127.0.0.1");
}

TEST(Resolver, ReadsAddressAndServiceRecords) {
  Loop loop;
  NameServer a(loop, 0, std::string("\x7f\0\0\x07", 4));
  auto resolver = Resolver::create(loop, a.options()).value();
  std::vector<std::string> got;
  resolver->addresses("host.test", [&](auto found) {
    got = found.value();
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(got.front(), "127.0.0.7");

  loop.io().restart();
  NameServer srv(loop, 0, std::string("\0\1\0\2\x14\x95\2xm\4test\0", 15));
  resolver = Resolver::create(loop, srv.options()).value();
  std::vector<SrvRecord> records;
  resolver->srv("_xmpp-server._tcp.other.test", [&](auto found) {
    records = found.value();
    loop.stop();
  });
  loop.run();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].priority, 1);
  EXPECT_EQ(records[0].weight, 2);
  EXPECT_EQ(records[0].port, 5269);
  EXPECT_EQ(records[0].target, "xm.test");
}

TEST(Resolver, ReadsNaptrRecordsAndLeavesOutWhatIsCutShort) {
  const std::string whole("\0\x0a\0\x32\1s\7SIP+D2T\0\4_sip\4_tcp\4test\0", 31);
  for (const auto& rdata : {whole, whole.substr(0, 8)}) {
    Loop loop;
    NameServer server(loop, 0, rdata);
    auto resolver = Resolver::create(loop, server.options()).value();
    std::vector<NaptrRecord> records;
    resolver->naptr("naptr.test", [&](auto found) {
      if (found) records = found.value();
      loop.stop();
    });
    loop.run();
    if (rdata != whole) {
      EXPECT_TRUE(records.empty());
      continue;
    }
    ASSERT_EQ(records.size(), 1u);
    EXPECT_EQ(records[0].order, 10);
    EXPECT_EQ(records[0].preference, 50);
    EXPECT_EQ(records[0].flags, "s");
    EXPECT_EQ(records[0].service, "SIP+D2T");
    EXPECT_EQ(records[0].regexp, "");
    EXPECT_EQ(records[0].replacement, "_sip._tcp.test");
  }
}

TEST(Resolver, TellsNoSuchNameFromNoAnswer) {
  const std::pair<int, ResolveError::Kind> cases[] = {
      {3, ResolveError::Kind::kNoName}, {5, ResolveError::Kind::kFailed}, {0, ResolveError::Kind::kNoRecord}};
  for (const auto& [rcode, kind] : cases) {
    Loop loop;
    NameServer server(loop, rcode);
    auto resolver = Resolver::create(loop, server.options()).value();
    std::optional<ResolveError> got;
    resolver->addresses("stox.test", [&](auto found) {
      got = found.error();
      loop.stop();
    });
    loop.run();
    EXPECT_EQ(got->kind, kind) << got->text;
    EXPECT_NE(got->text.find("stox.test"), std::string::npos) << got->text;
  }
}

TEST(Resolver, AnswersTheSameQuestionAgain) {
  Loop loop;
  NameServer a(loop, 0, std::string("\x7f\0\0\x07", 4));
  auto resolver = Resolver::create(loop, a.options()).value();
  for (int i = 0; i < 3; ++i) {
    bool inside = true;
    std::vector<std::string> got;
    resolver->addresses("again.test", [&](auto found) {
      EXPECT_FALSE(inside) << "callback from inside the call";
      got = found.value();
      loop.stop();
    });
    inside = false;
    loop.run();
    loop.io().restart();
    EXPECT_EQ(got, std::vector<std::string>{"127.0.0.7"});
  }
}

TEST(Resolver, MayBeDestroyedWithQuestionsOpen) {
  Loop loop;
  bool called = false;
  auto resolver = Resolver::create(loop, nowhere()).value();
  resolver->addresses("127.0.0.1", [&](auto) { called = true; });
  resolver->addresses("stox.test", [&](auto) { called = true; });
  resolver.reset();
  loop.run();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace stox::net
