#include "common/net/resolver.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <array>
#include <asio/ip/udp.hpp>
#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace stox::net {
namespace {

std::string be16(unsigned value) { return {static_cast<char>(value >> 8), static_cast<char>(value & 255)}; }
std::string be32(int64_t value) {
  return be16(static_cast<unsigned>(value >> 16) & 0xffff) + be16(static_cast<unsigned>(value & 0xffff));
}

// Signs what is below "test." (RFC 4034), by Ed25519 (RFC 8080).
class ZoneKey {
 public:
  static constexpr unsigned kRrsig = 46, kDnskey = 48;

  std::string dnskey() const {
    std::array<unsigned char, 32> key{};
    std::size_t size = key.size();
    EVP_PKEY_get_raw_public_key(key_.get(), key.data(), &size);
    return be16(257) + "\3\x0f" + std::string(reinterpret_cast<char*>(key.data()), size);
  }
  // For Resolver::Options::trust_anchors.
  std::string anchor() const {
    const std::string key = dnskey().substr(4);
    std::array<unsigned char, 64> text{};
    EVP_EncodeBlock(text.data(), reinterpret_cast<const unsigned char*>(key.data()),
                    static_cast<int>(key.size()));
    return "test. IN DNSKEY 257 3 15 " + std::string(reinterpret_cast<char*>(text.data()));
  }
  // The data of an RRSIG record; `name` as on the wire, in lower case.
  std::string signature(std::string_view name, unsigned type, const std::string& rdata, int ttl_s) const {
    unsigned labels = 0;
    for (std::size_t at = 0; name[at] != 0; at += static_cast<std::size_t>(name[at]) + 1) ++labels;
    const int64_t now = std::time(nullptr);
    const std::string head = be16(type) + '\x0f' + static_cast<char>(labels) + be32(ttl_s) +
                             be32(now + 3600) + be32(now - 3600) + be16(tag()) + std::string("\4test\0", 6);
    const std::string said = head + std::string(name) + be16(type) + be16(1) + be32(ttl_s) +
                             be16(static_cast<unsigned>(rdata.size())) + rdata;
    std::array<unsigned char, 64> out{};
    std::size_t size = out.size();
    const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
    EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key_.get());
    EVP_DigestSign(context.get(), out.data(), &size, reinterpret_cast<const unsigned char*>(said.data()),
                   said.size());
    return head + std::string(reinterpret_cast<char*>(out.data()), size);
  }

 private:
  // RFC 4034 appendix B.
  unsigned tag() const {
    const std::string key = dnskey();
    unsigned sum = 0;
    for (std::size_t i = 0; i < key.size(); ++i)
      sum += static_cast<unsigned char>(key[i]) * (i % 2 == 0 ? 256U : 1U);
    return (sum + (sum >> 16)) & 0xffff;
  }
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_{EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"),
                                                      EVP_PKEY_free};
};

// A name server that gives every question the same answer: the records as they stand on the wire, or an
// RCODE.
class NameServer {
 public:
  void fails() { rcode_ = 2, rdata_.clear(); }
  void signs_with(const ZoneKey* key) { key_ = key; }
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
    const unsigned type = static_cast<unsigned char>(type_and_class[1]);
    const std::string rdata = key_ != nullptr && type == ZoneKey::kDnskey ? key_->dnskey() : rdata_;
    if (!rdata.empty()) add(type, rdata, out);
    if (key_ != nullptr && !rdata.empty())
      add(ZoneKey::kRrsig, key_->signature(question.substr(12, name_end - 11), type, rdata, ttl_s_), out);
    socket_.send_to(asio::buffer(out), from_);
  }
  // An answer for the name in question.
  void add(unsigned type, const std::string& rdata, std::string& out) const {
    ++out[7];
    out +=
        "\xc0\x0c" + be16(type) + be16(1) + be32(ttl_s_) + be16(static_cast<unsigned>(rdata.size())) + rdata;
  }
  asio::ip::udp::socket socket_;
  asio::ip::udp::endpoint from_;
  std::array<char, 1500> packet_{};
  int rcode_;
  std::string rdata_;
  char ttl_s_;
  bool silent_ = false;
  const ZoneKey* key_ = nullptr;
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

TEST(Resolver, ReadsTlsaRecordsAndLeavesOutWhatIsCutShort) {
  const std::string whole("\3\1\2\0\xff", 5);
  for (std::size_t size = 1; size <= whole.size(); ++size) {
    Loop loop;
    NameServer server(loop, 0, whole.substr(0, size));
    auto resolver = Resolver::create(loop, server.options()).value();
    std::vector<TlsaRecord> records;
    resolver->tlsa("_5269._tcp.host.test", [&](auto found) {
      if (found) records = found.value();
      loop.stop();
    });
    loop.run();
    ASSERT_EQ(records.size(), size < 4 ? 0U : 1U);
    if (size < 4) continue;
    EXPECT_EQ(records[0].usage, 3);
    EXPECT_EQ(records[0].selector, 1);
    EXPECT_EQ(records[0].matching, 2);
    EXPECT_EQ(records[0].data, whole.substr(3, size - 3));
  }
}

TEST(Resolver, WithTrustAnchorsOnlyWhatDnssecProvesIsAnAnswer) {
  const ZoneKey key, other;
  for (const ZoneKey* const signer : {&key, &other, static_cast<const ZoneKey*>(nullptr)}) {
    Loop loop;
    NameServer server(loop, 0, "\3\1\1data");
    server.signs_with(signer);
    Resolver::Options options = server.options();
    options.trust_anchors = {key.anchor()};
    auto resolver = Resolver::create(loop, options).value();
    std::optional<Resolved<std::vector<TlsaRecord>>> got;
    resolver->tlsa("_5269._tcp.host.test", [&](auto found) {
      got = std::move(found);
      loop.stop();
    });
    loop.run();
    ASSERT_TRUE(got);
    EXPECT_EQ(got->has_value(), signer == &key);
    if (got->has_value()) continue;
    EXPECT_EQ(got->error().kind, ResolveError::Kind::kFailed);
    EXPECT_NE(got->error().text.find("does not validate"), std::string::npos) << got->error().text;
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
