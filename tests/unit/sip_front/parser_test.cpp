#include "sip_front/sip/message/parser.h"

#include <gtest/gtest.h>

#include "common/base/text.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

TEST(Parser, ReadsAUsualMessage) {
  const Datagram d(kHello);
  ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
  const Message& m = d.message;
  EXPECT_TRUE(m.is_request);
  EXPECT_EQ(m.method, Method::kMessage);
  EXPECT_EQ(m.request_uri, "sip:ann*x.test@gw.test");
  EXPECT_EQ(m.via.transport, "UDP");
  EXPECT_EQ(m.via.host, "192.0.2.7");
  EXPECT_EQ(m.via.port, 5060);
  EXPECT_EQ(m.via.branch, "z9hG4bK776sgdkse");
  EXPECT_TRUE(m.via.rport);
  EXPECT_EQ(unquote(m.from.display), "Bob \"the\" B");
  EXPECT_EQ(m.from.uri, "sip:bob@sip.test");
  EXPECT_EQ(m.from.tag, "49583");
  EXPECT_EQ(m.to.uri, "sip:ann*x.test@gw.test");
  EXPECT_EQ(m.to.tag, "");
  EXPECT_EQ(m.call_id, "asd88asd77a@192.0.2.7");
  EXPECT_EQ(m.cseq.number, 1u);
  EXPECT_EQ(m.max_forwards, 70);
  EXPECT_EQ(m.value(HeaderName::kContentType), "text/plain");
  EXPECT_EQ(m.body, "hello");
}

TEST(Parser, ReadsAResponse) {
  const Datagram d(
      crlf("SIP/2.0 415 \n"
           "Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\n"
           "From: sip:a@b;tag=1\nTo: sip:c@d;tag=2\nCall-ID: x\nCSeq: 3 MESSAGE\n"
           "Retry-After: 18000 (in a meeting);duration=3600\n\n"));
  ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
  EXPECT_FALSE(d.message.is_request);
  EXPECT_EQ(d.message.status, 415);
  EXPECT_EQ(d.message.reason, "");
  EXPECT_EQ(d.message.to.tag, "2");
  EXPECT_EQ(parse_delta_seconds(d.message.value(HeaderName::kRetryAfter)), 18000u);
}

// The shapes of RFC 4475 3.1.1.1.
TEST(Parser, ReadsFoldsCompactFormsOddCasesAndSpaces) {
  const Datagram d(crlf(
      "OPTIONS sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\n"
      "TO :\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\n"
      "f   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\n  ;\n  tag = 98asjd8\n"
      "MaX-fOrWaRdS: 0068\n"
      "i: wsinv.ndaksdj@192.0.2.1\n"
      "l   : 2\n"
      "cseq: 0009\n  OPTIONS\n"
      "v  : SIP  / 2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\n"
      "s :\n"
      "NewFangledHeader:   newfangled value\n continued newfangled value\n"
      "UnknownHeaderWithUnusualValue: ;;,,;;,;\n"
      "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n"
      "  branch  =   z9hG4bK9ikj8  ,\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\n"
      "k: a , b,c\n"
      "\nab"));
  ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
  const Message& m = d.message;
  EXPECT_EQ(m.to.uri, "sip:vivekg@chair-dnrc.example.com");
  EXPECT_EQ(m.to.tag, "1918181833n");
  EXPECT_EQ(unquote(m.from.display), "J Rosenberg \\\"");
  EXPECT_EQ(m.from.tag, "98asjd8");
  EXPECT_EQ(m.max_forwards, 68);
  EXPECT_EQ(m.cseq.number, 9u);
  EXPECT_EQ(m.cseq.method, "OPTIONS");
  EXPECT_EQ(m.via.host, "192.0.2.2");
  EXPECT_EQ(m.via.branch, "390skdjuw");
  EXPECT_TRUE(m.has(HeaderName::kSubject));
  EXPECT_EQ(m.value(HeaderName::kSubject), "");
  std::vector<std::string> branches, supported;
  m.each_value(HeaderName::kVia, [&](std::string_view value) {
    branches.emplace_back(parse_via(value)->branch);
    return true;
  });
  m.each_value(HeaderName::kSupported, [&](std::string_view value) {
    supported.emplace_back(value);
    return true;
  });
  EXPECT_EQ(branches, (std::vector<std::string>{"390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"}));
  EXPECT_EQ(supported, (std::vector<std::string>{"a", "b", "c"}));
}

TEST(Parser, ToleratesBareLineFeedsAndLeadingEmptyLines) {
  std::string text;
  for (const char c : kHello) {
    if (c != '\r') text += c;
  }
  const Datagram d("\r\n\n" + text);
  ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
  EXPECT_EQ(d.message.body, "hello");
}

TEST(Parser, BodyOfADatagramEndsWhereContentLengthSays) {
  EXPECT_EQ(Datagram(kHello + " and more").message.body, "hello");
  EXPECT_EQ(Datagram(replaced(kHello, "Content-Length: 5\r\n", "")).message.body, "hello");
  const Datagram beyond(replaced(kHello, "Length: 5", "Length: 6"));
  ASSERT_FALSE(beyond.parsed);
  EXPECT_EQ(beyond.parsed.error().status, 400);
}

TEST(Parser, KeepsNulAndControlBytesOfQuotedNames) {
  const Datagram d(replaced(kHello, "\"Bob \\\"the\\\" B\"", std::string_view("\"a\\\0b\\\x7f\"", 8)));
  ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
  EXPECT_EQ(unquote(d.message.from.display), std::string("a\0b\x7f", 4));
}

struct Bad {
  const char* what;  // part of kHello
  std::string_view with;
  uint16_t status;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.status << ": " << one_line(bad.with, 30); }

class BadRequests : public testing::TestWithParam<Bad> {};

// Each of them can still be answered: Via and the headers behind the fault have been read.
TEST_P(BadRequests, AreFaultsThatCanBeAnswered) {
  const Datagram d(replaced(kHello, GetParam().what, GetParam().with));
  ASSERT_FALSE(d.parsed);
  EXPECT_EQ(d.parsed.error().status, GetParam().status) << d.parsed.error().reason;
  EXPECT_EQ(d.message.via.host, "192.0.2.7");
  EXPECT_TRUE(d.message.has(HeaderName::kContentType));
}

const std::string kLongUri = "sip:" + std::string(kMaxUri, 'a') + "@gw.test";
const std::string kLongValue = "Subject: " + std::string(kMaxHeaderValue + 1, 'a') + "\r\nMax-Forwards: 70";
const std::string kManyHeaders = [] {
  std::string out;
  for (int i = 0; i < 128; ++i) out += "X: y\r\n";
  return "\r\n" + out + "\r\n";
}();
const std::string kManyVias = [] {
  std::string out = "rport";
  for (std::size_t i = 0; i < kMaxVias; ++i) out += ", SIP/2.0/UDP a;branch=b";
  return out;
}();

INSTANTIATE_TEST_SUITE_P(
    Parser, BadRequests,
    testing::Values(Bad{"SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505},
                    Bad{"SIP/2.0\r\nVia", "HTTP/1.1\r\nVia", 400}, Bad{"MESSAGE sip", "MESSAGE  sip", 400},
                    Bad{"gw.test SIP", "gw.test  SIP", 400}, Bad{"SIP/2.0\r\nVia", "SIP/2.0 \r\nVia", 400},
                    Bad{"sip:ann*x.test@gw.test", "<sip:ann@gw.test>", 400},
                    Bad{"sip:ann*x.test@gw.test", "sip:ann; lr@gw.test", 400},
                    Bad{"MESSAGE sip", "MESS(AGE sip", 400}, Bad{"sip:ann*x.test@gw.test", kLongUri, 414},
                    Bad{"Max-Forwards: 70", kLongValue, 513}, Bad{"rport", kManyVias, 513},
                    Bad{"From: ", "From ", 400}, Bad{"From: ", "Fr om: ", 400}, Bad{"From: ", " From: ", 400},
                    Bad{"From: ", "X-From: ", 400}, Bad{"To: ", "X-To: ", 400},
                    Bad{"Call-ID: ", "X-Call-ID: ", 400}, Bad{"CSeq: ", "X-CSeq: ", 400},
                    Bad{"Max-Forwards: 70", "Max-Forwards: 256", 400},
                    Bad{"Max-Forwards: 70", "Max-Forwards: -1", 400},
                    Bad{"Max-Forwards: 70", "Max-Forwards: 7\r\nMax-Forwards: 7", 400},
                    Bad{"CSeq: 1 MESSAGE", "CSeq: 4294967296 MESSAGE", 400},
                    Bad{"CSeq: 1 MESSAGE", "CSeq: -1 MESSAGE", 400}, Bad{"CSeq: 1 MESSAGE", "CSeq: 1", 400},
                    Bad{"CSeq: 1 MESSAGE", "CSeq: 1 MESSAGE\r\nCSeq: 1 MESSAGE", 400},
                    Bad{"Call-ID: asd88asd77a@192.0.2.7", "Call-ID: a b", 400},
                    Bad{"Call-ID: asd88asd77a@192.0.2.7", "Call-ID:", 400},
                    Bad{"Call-ID: asd88asd77a@192.0.2.7", "Call-ID: a@b\r\ni: a@b", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: \"ann <sip:ann@gw.test>", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: ann, b <sip:ann@gw.test>", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: <sip:ann @gw.test>", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: <sip:ann@gw.test", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: <sip:ann@gw.test>;;tag=1", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: <sip:ann@gw.test>;tag=1;tag=2", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: <sip:ann@gw.test> junk", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: sip:ann@gw.test?Subject=x", 400},
                    Bad{"To: <sip:ann*x.test@gw.test>", "To: ", 400},
                    Bad{"Content-Length: 5", "Content-Length: five", 400},
                    Bad{"Content-Length: 5", "Content-Length: -5", 400},
                    Bad{"Content-Length: 5", "Content-Length: 5\r\nl: 5", 400},
                    Bad{"Content-Length: 5", "Content-Length : 5\r\nContent-Length: 6", 400},
                    Bad{"Content-Length: 5", "Content-Length: 5, 5", 400},
                    Bad{"Content-Length: 5", "Content-Length: +5", 400},
                    Bad{"Content-Type: text/plain", "Content-Type: text/plain\r\nc: text/html", 400},
                    Bad{"Content-Length: 5", "Content-Length: 99999999999999999999", 400},
                    Bad{"Max-Forwards: 70", "Subject: a\rX: b\r\nMax-Forwards: 70", 400}));

class BadVias : public testing::TestWithParam<const char*> {};

TEST_P(BadVias, CannotBeAnswered) {
  const Datagram d(replaced(kHello, "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport", GetParam()));
  ASSERT_FALSE(d.parsed);
  EXPECT_EQ(d.parsed.error().status, 400);
  EXPECT_EQ(d.message.via.text, "");
}

INSTANTIATE_TEST_SUITE_P(Parser, BadVias,
                         testing::Values("", ",", "SIP/2.0/UDP", "SIP/2.0 UDP a", "SIP/2.0/UDPa"));

TEST(Parser, AViaWhoseSentByCannotBeReadIsKeptAllTheSame) {
  for (const char* sent_by : {" ", " a:70000", " my phone", " [::1", " a:x", " -:5060"}) {
    const std::string via = std::string("SIP/2.0/UDP") + sent_by + ";branch=x;rport";
    const Datagram d(replaced(kHello, "SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport", via));
    ASSERT_FALSE(d.parsed) << via;
    EXPECT_STREQ(d.parsed.error().reason, "Bad Via");
    EXPECT_EQ(d.message.via.text, via);
    EXPECT_EQ(d.message.via.host, "");
    EXPECT_EQ(d.message.via.branch, "x");
    EXPECT_TRUE(d.message.via.rport);
  }
}

TEST(Parser, AViasPortOfZeroIsNone) {
  const Datagram d(replaced(kHello, "192.0.2.7:5060", "192.0.2.7:0"));
  ASSERT_TRUE(d.parsed);
  EXPECT_EQ(d.message.via.port, 0);
  EXPECT_TRUE(d.message.via.rport);
}

TEST(Parser, OfBadViasTheTopmostIsKeptUpToItsFirstBadParameter) {
  const Datagram full(replaced(kHello, "192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport", "a;branch=x;=;rport"));
  EXPECT_EQ(full.message.via.text, "SIP/2.0/UDP a;branch=x");
  EXPECT_EQ(full.message.via.branch, "x");
  for (const char* vias : {"a;;branch=x", "a;branch=\"x", "a,", "a;x,;", "a;branch=x, y"}) {
    const Datagram d(replaced(kHello, "192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport", vias));
    ASSERT_FALSE(d.parsed) << vias;
    EXPECT_STREQ(d.parsed.error().reason, "Bad Via");
    EXPECT_EQ(d.message.via.host, "a") << vias;
    EXPECT_TRUE(d.message.only_top_via);
  }
}

TEST(Parser, LooksAtContactsOfOtherMethodsThanMessage) {
  const auto with = [](std::string_view method, std::string_view contact) {
    std::string text = replaced(kHello, "Max-Forwards: 70", "m: " + std::string(contact));
    text = replaced(replaced(text, "MESSAGE sip", std::string(method) + " sip"), "1 MESSAGE",
                    "1 " + std::string(method));
    return Datagram(text).parsed.has_value();
  };
  for (const char* good : {"*", "sip:a@b", "sip:a@b;expires=5, \"B, C\" <sip:b@c?d=e>;q=0.5", "mailto:a@b"})
    EXPECT_TRUE(with("REGISTER", good)) << good;
  for (const char* bad : {"sip:a@b?c=d", "\"a <sip:a@b>", "a@b", "<sip:a@b>;;;"}) {
    EXPECT_FALSE(with("REGISTER", bad)) << bad;
    EXPECT_TRUE(with("MESSAGE", bad)) << bad;
  }
}

TEST(Parser, TooManyHeadersAreRefused) {
  const Datagram d(replaced(kHello, "\r\nCall-ID", kManyHeaders + "Call-ID"));
  ASSERT_FALSE(d.parsed);
  EXPECT_EQ(d.message.via.host, "192.0.2.7");
}

TEST(Parser, GarbageIsAFault) {
  for (const std::string& garbage :
       {std::string(), std::string("\0\0\0\0", 4), std::string("\r\n\r\n"), std::string("jaK"),
        std::string(70'000, '\xff'), std::string(5000, '\n'), std::string("SIP/2.0 99 x\r\n\r\n"),
        std::string("SIP/2.0 700 x\r\n\r\n"), std::string("SIP/2.0 200OK\r\n\r\n"), std::string("a b c")}) {
    EXPECT_FALSE(Datagram(garbage).parsed);
  }
}

TEST(Parser, EveryPrefixOfAMessageIsReadWithoutHarm) {
  for (std::size_t n = 0; n < kHello.size(); ++n) EXPECT_FALSE(Datagram(kHello.substr(0, n)).parsed) << n;
}

TEST(ViaParser, ReadsIpv6AndUnbracketedReceived) {
  const auto via = parse_via("SIP/2.0/TCP [2001:db8::9]:5062;received=2001:db8::1;branch=z9hG4bK==;ttl=1");
  ASSERT_TRUE(via);
  EXPECT_EQ(via->host, "2001:db8::9");
  EXPECT_EQ(via->port, 5062);
  EXPECT_EQ(via->branch, "z9hG4bK==");
  EXPECT_FALSE(via->rport);
}

TEST(NameAddrParser, ReadsWhatPeersWrite) {
  EXPECT_EQ(parse_name_addr("caller<sip:caller@example.com>;tag=323")->tag, "323");
  EXPECT_EQ(parse_name_addr("sip:a@b;x=1;TAG=y")->uri, "sip:a@b");
  EXPECT_EQ(parse_name_addr("sip:a@b;x=1;TAG=y")->tag, "y");
  EXPECT_EQ(parse_name_addr("J\xc3\xbcrg M <sip:j@b>")->display, "J\xc3\xbcrg M");
  EXPECT_EQ(parse_name_addr("isbn:2983792873;tag=1")->uri, "isbn:2983792873");
  EXPECT_EQ(parse_name_addr("<sip:a,b?c;d@h;gr=x>;tag=q")->uri, "sip:a,b?c;d@h;gr=x");
  EXPECT_EQ(parse_name_addr("\"a;b<c>\" <sip:x@y>")->display, "\"a;b<c>\"");
}

TEST(DateParser, ReadsGmtOnly) {
  EXPECT_EQ(parse_date("Sat, 13 Nov 2010 23:29:00 GMT"), 1289690940);
  EXPECT_EQ(parse_date("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
  EXPECT_EQ(parse_date("Fri, 01 Jan 2010 16:00:00 EST"), std::nullopt);
  EXPECT_EQ(parse_date("Fri, 30 Feb 2010 16:00:00 GMT"), std::nullopt);
  EXPECT_EQ(parse_date(""), std::nullopt);
}

}  // namespace
}  // namespace stox::sip
