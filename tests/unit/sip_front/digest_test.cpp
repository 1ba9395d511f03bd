#include "sip_front/sip/message/digest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using testing::HasSubstr;
using testing::Not;

std::vector<Challenge> challenges(const std::string& headers) {
  const Datagram response(
      crlf("SIP/2.0 401 Unauthorized\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\n"
           "From: sip:a@b;tag=1\nTo: sip:a@b;tag=2\nCall-ID: a\nCSeq: 1 MESSAGE\n" +
           headers + "\n"));
  EXPECT_TRUE(response.parsed);
  return read_challenges(response.message);
}

std::string answer(Challenge& challenge, const Credentials& credentials, std::string_view method,
                   std::string_view uri, std::string_view cnonce) {
  std::string out;
  append_answer(out, challenge, credentials, method, uri, cnonce);
  return out;
}

// The examples of RFC 7616 3.9.1, whose answers both algorithms have there.
TEST(Digest, AnswersTheExamplesOfItsRfc) {
  const std::string common =
      "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "
      "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
      "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
  const Credentials mufasa{"http-auth@example.org", "Mufasa", "Circle of Life"};
  const std::string cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";

  auto sha = challenges("WWW-Authenticate: Digest " + common + ", algorithm=SHA-256\n").at(0);
  EXPECT_EQ(answer(sha, mufasa, "GET", "/dir/index.html", cnonce),
            "Authorization: Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
            "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", "
            "response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", "
            "algorithm=SHA-256, cnonce=\"" +
                cnonce +
                "\", qop=auth, nc=00000001, "
                "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n");
  auto md5 = challenges("WWW-Authenticate: Digest " + common + ", algorithm=MD5\n").at(0);
  EXPECT_THAT(answer(md5, mufasa, "GET", "/dir/index.html", cnonce),
              HasSubstr("response=\"8ca523f5e9506fed4657c9700eebdbec\""));
}

// RFC 2069 2.4, with the answer as corrected by its erratum.
TEST(Digest, WithoutQopIsAnsweredTheOldWay) {
  auto challenge = challenges(
                       "Proxy-Authenticate: digest nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",realm=\""
                       "testrealm@host.com\"\n")
                       .at(0);
  const std::string line =
      answer(challenge, {"", "Mufasa", "CircleOfLife"}, "GET", "/dir/index.html", "unused");
  EXPECT_THAT(line, testing::StartsWith("Proxy-Authorization: Digest "));
  EXPECT_THAT(line, HasSubstr("response=\"1949323746fe6a43ef61f9606e7febea\""));
  EXPECT_THAT(line, Not(HasSubstr("nc=")));
  EXPECT_THAT(line, Not(HasSubstr("cnonce")));
}

TEST(Digest, ANonceUsedAgainIsCounted) {
  auto challenge = challenges("WWW-Authenticate: Digest realm=r, nonce=n, qop=auth\n").at(0);
  const Credentials credentials{"r", "u", "p"};
  const std::string first = answer(challenge, credentials, "MESSAGE", "sip:a@b", "c");
  const std::string second = answer(challenge, credentials, "MESSAGE", "sip:a@b", "c");
  EXPECT_THAT(first, HasSubstr("nc=00000001"));
  EXPECT_THAT(second, HasSubstr("nc=00000002"));
  EXPECT_NE(first.substr(first.find("response")).substr(0, 43),
            second.substr(second.find("response")).substr(0, 43));
}

TEST(Digest, OfEachRealmTheTopmostThatWeKnowCounts) {
  const auto found = challenges(
      "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=SHA-512\n"
      "WWW-Authenticate: Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, stale=TRUE\n"
      "WWW-Authenticate: Digest realm=\"a\", nonce=\"3\", algorithm=MD5\n"
      "WWW-Authenticate: Basic realm=\"a\"\n"
      "WWW-Authenticate: Digest realm=\"b\", nonce=\"4\", qop=\"auth-int\"\n"
      "WWW-Authenticate: Digest realm=\"b\", nonce=\"5\"\n"
      "Proxy-Authenticate: Digest realm=\"a\", nonce=\"6\"\n");
  std::string list;
  for (const Challenge& one : found) list += (one.proxy ? "proxy " : "") + one.realm + one.nonce + " ";
  EXPECT_EQ(list, "a2 b5 proxy a6 ");
  EXPECT_TRUE(found[0].stale);
}

TEST(Digest, WhatIsNoChallengeIsLeftAlone) {
  for (const char* bad :
       {"Digest", "Digest realm=\"a", "Digest realm=\"a\"", "Digest realm=\"a\" nonce=\"b\"",
        "Digest nonce=", "Digest realm=a, nonce=b,", "Digestrealm=a, nonce=b"}) {
    EXPECT_TRUE(challenges("WWW-Authenticate: " + std::string(bad) + "\n").empty()) << bad;
  }
  EXPECT_TRUE(challenges("WWW-Authenticate: Digest realm=a, nonce=" + std::string(1025, 'n') + "\n").empty());
}

TEST(Digest, NothingLeavesItsQuotes) {
  auto challenge =
      challenges("WWW-Authenticate: Digest realm=\"a\\\"b\\\\\", nonce=\"n\\\"x\", opaque=\"\\\"\"\n").at(0);
  EXPECT_EQ(challenge.realm, "a\"b\\");
  const std::string line = answer(challenge, {"", "u\"\r\nEvil: 1", "p"}, "MESSAGE", "sip:a@b", "c");
  EXPECT_THAT(line, HasSubstr("username=\"u\\\"  Evil: 1\", realm=\"a\\\"b\\\\\", nonce=\"n\\\"x\""));
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1);
}

}  // namespace
}  // namespace stox::sip
