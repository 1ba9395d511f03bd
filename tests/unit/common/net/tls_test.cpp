#include "common/net/tls.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <fstream>

#include "common/net/expiry.h"
#include "tests/support/certificates.h"

namespace stox::net {
namespace {

using testing::Authority;

std::filesystem::path new_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "stox-tls-XXXXXX").string();
  return mkdtemp(name.data());
}

class Tls : public ::testing::Test {
 protected:
  ~Tls() override { std::filesystem::remove_all(folder_); }

  static TlsContext context(const TlsFiles& files) {
    auto made = TlsContext::create(files);
    if (!made) throw std::runtime_error(made.error().text);
    return std::move(*made);
  }

  std::filesystem::path folder_ = new_folder();
  Authority authority_{folder_.string()};
};

// A client and a server, and the wire between them, which hands on `piece` bytes at a time.
struct Pair {
  Pair(const TlsContext& client_context, const TlsContext& server_context, TlsOptions client_options = {},
       std::size_t piece_size = 100'000,
       TlsOptions server_options = {TlsOptions::Role::kServer, {}, {}, true})
      : client(client_context, std::move(client_options)),
        server(server_context, std::move(server_options)),
        piece(piece_size) {}

  TlsSession client, server;
  std::string to_server, to_client, at_server, at_client;
  std::size_t piece;
  std::string client_error, server_error;

  void start() {
    if (const auto done = client.start(to_server); !done) client_error = done.error().text;
    run();
  }

  void run() {
    while (!to_server.empty() || !to_client.empty()) {
      pass(to_server, server, at_server, to_client, server_error);
      pass(to_client, client, at_client, to_server, client_error);
    }
  }

  void pass(std::string& from, TlsSession& to, std::string& plain, std::string& answer,
            std::string& failure) const {
    const std::string bytes = from.substr(0, piece);
    from.erase(0, bytes.size());
    if (bytes.empty() || !failure.empty()) return;
    if (const auto done = to.received(bytes, plain, answer); !done) failure = done.error().text;
  }
};

TEST_F(Tls, PlainBytesCrossBothWays) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  const auto client = context({{}, {}, authority_.ca_file()});
  Pair pair(client, server);
  pair.start();
  ASSERT_TRUE(pair.client.is_established()) << pair.client_error;
  ASSERT_TRUE(pair.server.is_established()) << pair.server_error;
  const std::string long_text(100'000, 'x');
  pair.client.send("hello", pair.to_server);
  pair.server.send(long_text, pair.to_client);
  EXPECT_EQ(pair.to_server.find("hello"), std::string::npos);
  pair.run();
  EXPECT_EQ(pair.at_server, "hello");
  EXPECT_EQ(pair.at_client, long_text);
}

TEST_F(Tls, BytesMayComeOneByOne) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server, {}, 1);
  pair.start();
  ASSERT_TRUE(pair.client.is_established()) << pair.client_error;
  pair.client.send("hello", pair.to_server);
  pair.run();
  EXPECT_EQ(pair.at_server, "hello");
}

TEST_F(Tls, NamesOfTheCertificateAreToldToTheOtherSide) {
  const auto server =
      context(authority_.sign("server", {"ignored.test",
                                         "DNS:a.test,DNS:*.b.test,URI:sip:a.test,IP:192.0.2.1,IP:2001:db8::1,"
                                         "otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.c.test,"
                                         "otherName:1.3.6.1.5.5.7.8.5;UTF8:d.test",
                                         {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server);
  pair.start();
  const PeerCertificate& peer = pair.client.peer();
  EXPECT_TRUE(peer.present);
  EXPECT_TRUE(peer.valid) << peer.problem;
  EXPECT_EQ(peer.names.dns, (std::vector<std::string>{"a.test", "*.b.test"}));
  EXPECT_EQ(peer.names.uris, std::vector<std::string>{"sip:a.test"});
  EXPECT_EQ(peer.names.ips, (std::vector<std::string>{"192.0.2.1", "2001:db8::1"}));
  EXPECT_EQ(peer.names.srv_names, std::vector<std::string>{"_xmpp-server.c.test"});
  EXPECT_EQ(peer.names.xmpp_addrs, std::vector<std::string>{"d.test"});
  EXPECT_EQ(peer.names.common_name, "ignored.test");
  EXPECT_EQ(peer.issuer, "CN = test authority");
}

TEST_F(Tls, AnInvalidCertificateIsToldAndLeftToTheUser) {
  const auto expired = context(authority_.sign("server", {"a.test", "DNS:a.test", {}, true}));
  Pair pair(context({{}, {}, authority_.ca_file()}), expired);
  pair.start();
  ASSERT_TRUE(pair.client.is_established()) << pair.client_error;
  EXPECT_FALSE(pair.client.peer().valid);
  EXPECT_EQ(pair.client.peer().problem, "certificate has expired");
}

TEST_F(Tls, ACertificateOfAStrangersAuthorityIsInvalid) {
  const auto other_folder = folder_ / "other";
  std::filesystem::create_directory(other_folder);
  const Authority other(other_folder.string(), "another authority");
  const auto server = context(other.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server);
  pair.start();
  ASSERT_TRUE(pair.client.is_established()) << pair.client_error;
  EXPECT_FALSE(pair.client.peer().valid);
  EXPECT_EQ(pair.client.peer().problem, "unable to get local issuer certificate");
}

TEST_F(Tls, AServersCertificateWillDoForAClient) {
  const auto one = context(authority_.sign("one", {"one.test", "DNS:one.test", "serverAuth"}));
  const auto two = context(authority_.sign("two", {"two.test", "DNS:two.test", "serverAuth"}));
  Pair pair(one, two);
  pair.start();
  EXPECT_TRUE(pair.server.peer().valid) << pair.server.peer().problem;
  EXPECT_EQ(pair.server.peer().names.dns, std::vector<std::string>{"one.test"});
  EXPECT_TRUE(pair.client.peer().valid) << pair.client.peer().problem;
}

TEST_F(Tls, ACertificateThatMayNotBeUsedForTlsIsInvalid) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  const auto client = context(authority_.sign("client", {"a.test", "DNS:a.test", "emailProtection"}));
  Pair pair(client, server);
  pair.start();
  ASSERT_TRUE(pair.server.peer().present) << pair.server_error;
  EXPECT_FALSE(pair.server.peer().valid);
  EXPECT_EQ(pair.server.peer().problem, "its extended key usage allows neither TLS servers nor TLS clients");
}

TEST_F(Tls, AClientWithoutCertificateIsThere) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server);
  pair.start();
  ASSERT_TRUE(pair.server.is_established()) << pair.server_error;
  EXPECT_FALSE(pair.server.peer().present);
  EXPECT_EQ(pair.server.peer().problem, "it has shown no certificate");
}

TEST_F(Tls, AlpnIsAgreedUponOrLeftOut) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  const auto client = context({{}, {}, authority_.ca_file()});
  const TlsOptions speaks_xmpp{TlsOptions::Role::kServer, {}, "xmpp-server", true};
  Pair same(client, server, {TlsOptions::Role::kClient, "a.test", "xmpp-server"}, 100'000, speaks_xmpp);
  same.start();
  EXPECT_EQ(same.client.alpn(), "xmpp-server");
  EXPECT_EQ(same.server.alpn(), "xmpp-server");
  Pair other(client, server, {TlsOptions::Role::kClient, "a.test", "sip/2"}, 100'000, speaks_xmpp);
  other.start();
  EXPECT_TRUE(other.client.is_established()) << other.client_error;
  EXPECT_EQ(other.client.alpn(), "");
}

TEST_F(Tls, AProperEndIsToldFromACut) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server);
  pair.start();
  pair.server.send("last", pair.to_client);
  pair.server.close(pair.to_client);
  EXPECT_FALSE(pair.client.is_closed_by_peer());
  pair.run();
  EXPECT_EQ(pair.at_client, "last");
  EXPECT_TRUE(pair.client.is_closed_by_peer());
}

TEST_F(Tls, WhatIsNotTlsIsAnError) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  TlsSession session(server, {TlsOptions::Role::kServer, {}, {}, true});
  std::string plain, wire;
  const auto done = session.received("GET / HTTP/1.0\r\n\r\n", plain, wire);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().text, "TLS: http request");
  EXPECT_EQ(plain, "");
}

TEST_F(Tls, ATouchedRecordIsAnError) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server);
  pair.start();
  pair.client.send("hello", pair.to_server);
  pair.to_server.back() = static_cast<char>(pair.to_server.back() ^ 1);
  pair.run();
  EXPECT_NE(pair.server_error, "");
  EXPECT_EQ(pair.at_server, "");
}

std::string many_names(int count) {
  std::string out = "DNS:a.test";
  for (int i = 1; i < count; ++i) out += ",DNS:n" + std::to_string(i);
  return out;
}

// They would be kept, decoded, as long as the connection is there.
TEST_F(Tls, CertificatesOfManyNamesAreRefused) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  const auto outcome = [&](const TlsFiles& files) {
    Pair pair(context(files), server);
    pair.start();
    return pair.server.is_established() ? "established" : pair.server_error;
  };
  const std::string refused =
      "TLS: its certificates say too much: only chains of some hundred names are taken";
  EXPECT_EQ(outcome(authority_.sign("usual", {"a.test", many_names(100), {}})), "established");
  EXPECT_EQ(outcome(authority_.sign("large", {"a.test", many_names(300), {}})), "established");
  EXPECT_EQ(outcome(authority_.sign("larger", {"a.test", many_names(700), {}})), refused);
  EXPECT_EQ(outcome(authority_.sign("huge", {"a.test", many_names(9000), {}})),
            "TLS: excessive message size");
  const auto folder = folder_ / "other";
  std::filesystem::create_directory(folder);
  const Authority stranger(folder.string(), "another authority");
  EXPECT_EQ(outcome(stranger.sign("usual", {"a.test", many_names(100), {}})), "established");
  EXPECT_EQ(outcome(stranger.sign("large", {"a.test", many_names(300), {}})), refused);
}

TEST_F(Tls, AHandshakeThatPromisesMuchIsRefusedAtOnce) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  TlsSession session(server, {TlsOptions::Role::kServer, {}, {}, true});
  std::string plain, wire, failure;
  for (const char c : std::string("\x16\x03\x01\x20\x00\x01\x01\xf0\x00", 9)) {
    EXPECT_EQ(failure, "");
    if (const auto done = session.received({&c, 1}, plain, wire); !done) failure = done.error().text;
  }
  EXPECT_EQ(failure, "TLS: the handshake begins with a message that is too large");
}

// A client that does what ours never does.
class RawClient {
 public:
  RawClient() : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  RawClient(const RawClient&) = delete;
  ~RawClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  bool shake_hands() { return SSL_do_handshake(ssl_) == 1; }
  void change_keys() {
    SSL_key_update(ssl_, SSL_KEY_UPDATE_REQUESTED);
    shake_hands();
  }
  void send(const std::string& text) { SSL_write(ssl_, text.data(), static_cast<int>(text.size())); }
  std::string take() {
    std::string out(200'000, '\0');
    const int size = BIO_read(SSL_get_wbio(ssl_), out.data(), static_cast<int>(out.size()));
    out.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return out;
  }
  void give(const std::string& bytes) {
    BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size()));
  }

 private:
  SSL_CTX* context_;
  SSL* ssl_;
};

// Each makes an answer, which such a peer does not read.
TEST_F(Tls, WhoOnlyChangesItsKeysIsSentAway) {
  const auto context_of_server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  RawClient client;
  TlsSession server(context_of_server, {TlsOptions::Role::kServer, {}, {}, true});
  std::string plain, wire, failure;
  const auto pass = [&] {
    if (const auto done = server.received(client.take(), plain, wire); !done) failure = done.error().text;
    client.give(std::exchange(wire, {}));
  };
  while (!client.shake_hands()) pass();
  for (int i = 0; i < 200; ++i) {  // beside data it may
    client.change_keys();
    client.send("x");
    pass();
    ASSERT_EQ(failure, "") << i;
  }
  EXPECT_EQ(plain, std::string(200, 'x'));
  for (int i = 0; i < 40; ++i) client.change_keys();
  pass();
  EXPECT_EQ(failure, "TLS: it changes its keys again and again");
}

TEST_F(Tls, TheContextMayGoFirst) {
  auto server =
      std::make_unique<TlsContext>(context(authority_.sign("server", {"a.test", "DNS:a.test", {}})));
  auto client = std::make_unique<TlsContext>(context({{}, {}, authority_.ca_file()}));
  Pair pair(*client, *server);
  client.reset();
  server.reset();
  pair.start();
  EXPECT_TRUE(pair.client.is_established()) << pair.client_error;
}

TEST_F(Tls, FilesThatWillNotDoAreNamed) {
  const TlsFiles files = authority_.sign("server", {"a.test", "DNS:a.test", {}});
  const TlsFiles other = authority_.sign("other", {"b.test", "DNS:b.test", {}});
  const auto complaint = [](const TlsFiles& f) {
    const auto made = TlsContext::create(f);
    return made ? "none" : made.error().text;
  };
  EXPECT_EQ(complaint({"/no/such.crt", files.key, files.ca}),
            "certificate /no/such.crt: No such file or directory");
  EXPECT_EQ(complaint({files.certificate, "/no/such.key", files.ca}).find("key /no/such.key: "), 0U);
  EXPECT_NE(complaint({files.certificate, other.key, files.ca}).find("is it the key of " + files.certificate),
            std::string::npos);
  EXPECT_EQ(complaint({files.certificate, files.key, "/no/ca.crt"}).find("ca /no/ca.crt: "), 0U);
  const std::string rubbish = (folder_ / "rubbish").string();
  std::ofstream(rubbish) << "not PEM\n";
  EXPECT_EQ(complaint({rubbish, files.key, files.ca}),
            "certificate " + rubbish + ": holds none in PEM (-----BEGIN ...)");
  EXPECT_EQ(complaint({files.certificate, {}, files.ca}).find("key "), 0U);
}

TEST_F(Tls, ItsOwnCertificateIsKnown) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  EXPECT_TRUE(server.has_certificate());
  EXPECT_EQ(server.certificate().names.dns, std::vector<std::string>{"a.test"});
  EXPECT_GT(server.certificate().not_after_s, time(nullptr));
  EXPECT_FALSE(context({{}, {}, authority_.ca_file()}).has_certificate());
}

TEST(Expiry, IsToldAWeekBefore) {
  Certificate certificate;
  certificate.not_after_s = 100 * 86'400;
  const auto told = [&](int64_t left_s) {
    return expiry_trouble(certificate, certificate.not_after_s - left_s);
  };
  EXPECT_EQ(told(8 * 86'400), "");
  EXPECT_EQ(told(3 * 86'400 + 5), "ends in 3 days");
  EXPECT_EQ(told(86'400), "ends in 24 hours");
  EXPECT_EQ(told(60), "ends within two hours");
  EXPECT_EQ(told(-1), "has expired");
}

}  // namespace
}  // namespace stox::net
