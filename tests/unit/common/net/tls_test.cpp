#include "common/net/tls.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <openssl/ssl.h>

#include <filesystem>
#include <fstream>

#include "common/net/expiry.h"
#include "tests/support/certificates.h"

namespace stox::net {
namespace {

using testing::Authority;

constexpr char kTooLarge[] = "TLS: a message of its handshake is too large";

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

std::string many_names(int count, const std::string& stem = "n") {
  std::string out = "DNS:a.test";
  for (int i = 1; i < count; ++i) out += ",DNS:" + stem + std::to_string(i);
  return out;
}

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
  const auto huge = authority_.sign("huge", {"a.test", many_names(9000), {}});
  EXPECT_EQ(outcome(huge), "TLS: excessive message size");
  EXPECT_EQ(outcome(authority_.sign("long", {"a.test", many_names(80, std::string(100, 'n')), {}})), refused);
  Pair in_pieces(context(huge), server, {}, 1'000);
  in_pieces.start();
  EXPECT_EQ(in_pieces.server_error, kTooLarge);
}

// A hundred names of sixty letters, two authorities between, and the root, which need not be there.
TEST_F(Tls, AnOrdinaryChainIsTakenHoweverLongItIs) {
  const std::string filling(1'300, 'f');
  const auto between = authority_.sign("between", {"between", "DNS:" + filling, {}});
  const auto files = authority_.sign("client", {"a.test", many_names(100, std::string(50, 'n')), {}});
  for (const auto& more : {between.certificate, between.certificate, authority_.ca_file()})
    std::ofstream(files.certificate, std::ios::app) << std::ifstream(more).rdbuf();
  EXPECT_GT(std::filesystem::file_size(files.certificate), 9'000u * 4 / 3);
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context(files), server);
  pair.start();
  ASSERT_TRUE(pair.server.is_established()) << pair.server_error;
  EXPECT_TRUE(pair.server.peer().valid) << pair.server.peer().problem;
  EXPECT_EQ(pair.server.peer().names.dns.size(), 100u);
}

TEST_F(Tls, AHandshakeThatPromisesMuchIsRefusedAtOnce) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  TlsSession session(server, {TlsOptions::Role::kServer, {}, {}, true});
  std::string plain, wire, failure;
  for (const char c : std::string("\x16\x03\x01\x20\x00", 5)) {
    EXPECT_EQ(failure, "");
    if (const auto done = session.received({&c, 1}, plain, wire); !done) failure = done.error().text;
  }
  EXPECT_EQ(failure, kTooLarge);
}

std::string handshake_record(std::string_view message) {
  return std::string("\x16\x03\x03", 3) + static_cast<char>(message.size() / 256) +
         static_cast<char>(message.size() % 256) + std::string(message);
}

// OpenSSL would make room for all of it.
TEST_F(Tls, NeitherMayAMessageInPiecesPromiseMuch) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{3}, std::size_t{100}}) {
    TlsSession session(server, {TlsOptions::Role::kServer, {}, {}, true});
    std::string plain, wire;
    const std::string hello = std::string("\x01\x00\xff\x00", 4) + std::string(200, '\0');
    const auto done = session.received(handshake_record(hello.substr(0, piece)), plain, wire);
    ASSERT_FALSE(done) << piece;
    EXPECT_EQ(done.error().text, kTooLarge);
  }
}

// It has no key in its first one, so it is asked for one (RFC 8446 4.1.4).
TEST_F(Tls, NeitherMayASecondHelloPromiseMuch) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  TlsSession session(server, {TlsOptions::Role::kServer, {}, {}, true});
  const auto bytes = [](std::initializer_list<int> all) {
    std::string out;
    for (const int each : all) out += static_cast<char>(each);
    return out;
  };
  const std::string extensions = bytes({0, 43, 0, 3, 2, 3, 4}) +           // supported_versions: 1.3
                                 bytes({0, 10, 0, 4, 0, 2, 0, 29}) +       // supported_groups: x25519
                                 bytes({0, 13, 0, 6, 0, 4, 4, 3, 8, 4}) +  // signature_algorithms
                                 bytes({0, 51, 0, 2, 0, 0});               // key_share: none
  const std::string body = bytes({3, 3}) + std::string(32, 'r') + bytes({0, 0, 2, 0x13, 1, 1, 0, 0}) +
                           static_cast<char>(extensions.size()) + extensions;
  std::string plain, wire;
  const auto first = session.received(
      handshake_record(bytes({1, 0, 0}) + static_cast<char>(body.size()) + body), plain, wire);
  ASSERT_TRUE(first) << first.error().text;
  EXPECT_NE(wire.find("\x02"), std::string::npos);
  const auto second = session.received(
      bytes({20, 3, 3, 0, 1, 1}) + handshake_record(bytes({1, 0, 0xff, 0, 3, 3})), plain, wire);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().text, kTooLarge);
}

// A client that does what ours never does.
class RawClient {
 public:
  // `more`: bytes of its ClientHello that no server knows, as those of keys of a later time.
  explicit RawClient(const TlsFiles& files = {}, int version = TLS1_3_VERSION, std::size_t more = 0)
      : more_(more, 'm'), context_(SSL_CTX_new(TLS_client_method())) {
    if (more > 0)
      SSL_CTX_add_custom_ext(context_, 65'000, SSL_EXT_CLIENT_HELLO, say_more, nullptr, &more_, nullptr,
                             nullptr);
    ssl_ = SSL_new(context_);
    SSL_set_max_proto_version(ssl_, version);
    if (!files.certificate.empty()) {
      SSL_use_certificate_file(ssl_, files.certificate.c_str(), SSL_FILETYPE_PEM);
      SSL_use_PrivateKey_file(ssl_, files.key.c_str(), SSL_FILETYPE_PEM);
    }
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_);
  }
  RawClient(const RawClient&) = delete;
  ~RawClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  // In its ClientHello; none of them is chosen.
  void offer_protocols(int count) {
    std::string list;
    for (int i = 0; i < count; ++i) list += '\xc8' + std::string(200, 'x');
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
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
  static int say_more(SSL*, unsigned, unsigned, const unsigned char** out, std::size_t* size, X509*,
                      std::size_t, int*, void* more) {
    const auto& text = *static_cast<std::string*>(more);
    *out = reinterpret_cast<const unsigned char*>(text.data());
    *size = text.size();
    return 1;
  }

  std::string more_;
  SSL_CTX* context_;
  SSL* ssl_ = nullptr;
};

TEST_F(Tls, AHelloMayBeLargeButLittleOfItIsKept) {
  const auto context_of_server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const auto answer = [&](std::size_t more, int protocols) {
      RawClient client({}, version, more);
      client.offer_protocols(protocols);
      client.shake_hands();
      TlsSession server(context_of_server, {TlsOptions::Role::kServer, {}, {}, true});
      std::string plain, wire;
      const auto done = server.received(client.take(), plain, wire);
      return done ? std::string(wire.empty() ? "nothing" : "goes on") : done.error().text;
    };
    EXPECT_EQ(answer(3'000, 1), "goes on");
    EXPECT_EQ(answer(4'000, 1), kTooLarge);
    EXPECT_EQ(answer(0, 4), "goes on");
    EXPECT_EQ(answer(0, 8), kTooLarge);
  }
}

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

// With sanitizers it stays as it is.
std::ptrdiff_t heap_bytes() { return static_cast<std::ptrdiff_t>(mallinfo2().uordblks); }

// What OpenSSL keeps of a certificate is ten times as large as it is on the wire.
TEST_F(Tls, AHandshakeThatDoesNotEndTakesLittle) {
  const auto context_of_server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  const auto files = authority_.sign("many", {"a.test", many_names(450), {}});
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    RawClient client(files, version);
    client.shake_hands();
    std::string plain, wire;
    std::ptrdiff_t before = heap_bytes(), taken = 0;
    TlsSession server(context_of_server, {TlsOptions::Role::kServer, {}, {}, true});
    taken += heap_bytes() - before;
    const auto come = [&](std::string_view bytes) {
      before = heap_bytes();
      const auto done = server.received(bytes, plain, wire);
      const std::string answer = std::exchange(wire, {});
      taken += heap_bytes() - before - static_cast<std::ptrdiff_t>(answer.capacity());
      client.give(answer);
      return done.has_value();
    };
    ASSERT_TRUE(come(client.take()));
    client.shake_hands();
    const std::string flight = client.take();
    ASSERT_TRUE(come(std::string_view(flight).substr(0, flight.size() - 10)));
    EXPECT_FALSE(server.is_established());
    EXPECT_LT(taken, 55'000) << version;
    ASSERT_TRUE(come(std::string_view(flight).substr(flight.size() - 10)));
    ASSERT_TRUE(server.is_established());
    before = heap_bytes();
    EXPECT_EQ(server.take_peer().names.dns.size(), 450u);
    EXPECT_LT(taken + heap_bytes() - before, 25'000) << version;
  }
}

TEST_F(Tls, ARecordThatHasBegunTakesNoMoreThanItIs) {
  const auto server = context(authority_.sign("server", {"a.test", "DNS:a.test", {}}));
  Pair pair(context({{}, {}, authority_.ca_file()}), server);
  pair.start();
  pair.client.send(std::string(3'000, 'x'), pair.to_server);
  const std::string begun = pair.to_server.substr(0, 2'000);
  std::string plain, wire;
  const auto before = heap_bytes();
  ASSERT_TRUE(pair.server.received(begun, plain, wire));
  EXPECT_LT(heap_bytes() - before, 4'000);
  EXPECT_EQ(pair.server.awaited(), pair.to_server.size());
  ASSERT_TRUE(pair.server.received(std::string_view(pair.to_server).substr(2'000), plain, wire));
  EXPECT_EQ(plain, std::string(3'000, 'x'));
  EXPECT_EQ(pair.server.awaited(), 0u);
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
