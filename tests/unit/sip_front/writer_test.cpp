#include "sip_front/sip/message/writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

std::string response_to(const std::string& request, const Endpoint& source, uint16_t status,
                        std::string_view reason = {}, const ResponseHeaders& headers = {}) {
  Datagram d(request);
  ResponseHead head;
  write_response_head(d.message, source, "t1", head);
  std::string out;
  write_response(out, head, status, reason, headers);
  return out;
}

const Endpoint kSource = *Endpoint::parse("192.0.2.7", 40000);

TEST(Response, IsWhatRfc3261Asks) {
  EXPECT_EQ(response_to(kHello, kSource, 200),
            crlf("SIP/2.0 200 Accepted\n"
                 "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse;received=192.0.2.7;rport=40000\n"
                 "From: \"Bob \\\"the\\\" B\" <sip:bob@sip.test>;tag=49583\n"
                 "To: <sip:ann*x.test@gw.test>;tag=t1\n"
                 "Call-ID: asd88asd77a@192.0.2.7\n"
                 "CSeq: 1 MESSAGE\n"
                 "Server: stox\n"
                 "Content-Length: 0\n\n"));
}

TEST(Response, CopiesAllViasInOrderAndAddsReceivedToTheFirst) {
  const std::string text = response_to(
      replaced(kHello, "192.0.2.7:5060;branch=z9hG4bK776sgdkse;rport\r\n",
               "proxy.test;received=10.0.0.1;branch=z9hG4bK1;x=\"a;b\", SIP/2.0/TCP b;branch=z9hG4bK2\r\n"
               "v: SIP/2.0/UDP c;received=1.2.3.4;rport\r\n"),
      kSource, 404);
  EXPECT_NE(text.find("Via: SIP/2.0/UDP proxy.test;branch=z9hG4bK1;x=\"a;b\";received=192.0.2.7\r\n"
                      "Via: SIP/2.0/TCP b;branch=z9hG4bK2\r\n"
                      "Via: SIP/2.0/UDP c;received=1.2.3.4;rport\r\n"),
            std::string::npos)
      << text;
}

TEST(Response, LeavesAViaThatIsTrueAsItIs) {
  const std::string text = response_to(replaced(kHello, ";rport", ""), kSource, 200);
  EXPECT_NE(text.find("Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse\r\n"), std::string::npos)
      << text;
}

TEST(Response, WritesIpv6ReceivedWithoutBrackets) {
  const std::string text = response_to(kHello, *Endpoint::parse("2001:DB8::1", 9), 200);
  EXPECT_NE(text.find(";received=2001:db8::1;rport=9\r\n"), std::string::npos) << text;
  const std::string same =
      response_to(replaced(replaced(kHello, ";rport", ""), "UDP 192.0.2.7", "UDP [2001:DB8:0::1]"),
                  *Endpoint::parse("2001:db8::1", 5060), 200);
  EXPECT_EQ(same.find("received"), std::string::npos) << same;
}

TEST(Response, HasNoTagIn100AndKeepsATagThatIsThere) {
  EXPECT_NE(response_to(kHello, kSource, 100).find("To: <sip:ann*x.test@gw.test>\r\n"), std::string::npos);
  EXPECT_NE(response_to(replaced(kHello, "gw.test>", "gw.test>;tag=z"), kSource, 200)
                .find("To: <sip:ann*x.test@gw.test>;tag=z\r\n"),
            std::string::npos);
}

TEST(Response, HasTheHeadersItsStatusNeeds) {
  EXPECT_NE(response_to(kHello, kSource, 405, {}, {.lines = "Allow: MESSAGE, OPTIONS\r\n"})
                .find("SIP/2.0 405 Method Not Allowed\r\n"),
            std::string::npos);
  EXPECT_NE(response_to(kHello, kSource, 405, {}, {.lines = "Allow: MESSAGE, OPTIONS\r\n"})
                .find("\r\nAllow: MESSAGE, OPTIONS\r\n"),
            std::string::npos);
  EXPECT_NE(response_to(kHello, kSource, 415, {}, {.accept = true})
                .find("\r\nAccept: text/plain, text/html, message/cpim, "),
            std::string::npos);
  EXPECT_NE(response_to(kHello, kSource, 420, {}, {.unsupported = "a, b"}).find("\r\nUnsupported: a, b\r\n"),
            std::string::npos);
  EXPECT_NE(response_to(kHello, kSource, 503, {}, {.retry_after_s = 7}).find("\r\nRetry-After: 7\r\n"),
            std::string::npos);
}

TEST(Response, NamesANewAddressIfItIsOne) {
  EXPECT_NE(response_to(kHello, kSource, 301, {}, {.contact = "sip:a@b"}).find("\r\nContact: <sip:a@b>\r\n"),
            std::string::npos);
  EXPECT_EQ(response_to(kHello, kSource, 301, {}, {.contact = "sip:a@b>\r\nX: y"}).find("Contact"),
            std::string::npos);
}

TEST(Response, LetsNoLineBreakIntoTheReason) {
  EXPECT_EQ(response_to(kHello, kSource, 400, "a\r\nX: y").substr(0, 24), "SIP/2.0 400 a  X: y\r\nVia");
}

TEST(Response, CanBeWrittenToAFaultyRequest) {
  const std::string text =
      response_to(replaced(replaced(kHello, "Call-ID", "X"), "To: <", "To: \"<"), kSource, 400);
  EXPECT_NE(text.find("SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.7"), std::string::npos) << text;
  EXPECT_EQ(text.find("Call-ID"), std::string::npos);
}

TEST(ToTag, IsStableForOneRequestAndDiffersForOthers) {
  const Datagram a(kHello), again(kHello), other(replaced(kHello, "CSeq: 1", "CSeq: 2"));
  EXPECT_EQ(to_tag(a.message, {1, 2}), to_tag(again.message, {1, 2}));
  EXPECT_NE(to_tag(a.message, {1, 2}), to_tag(other.message, {1, 2}));
  EXPECT_NE(to_tag(a.message, {1, 2}), to_tag(a.message, {1, 3}));
  EXPECT_NE(to_tag(a.message, {1, 2}), to_tag(a.message, {2, 2}));
}

Request usual() {
  Request m;
  m.request_uri = m.to_uri = "sip:bob@sip.test";
  m.from_uri = "sip:ann*x.test@gw.test";
  m.from_tag = "f1";
  m.call_id = "c1";
  m.cseq = 7;
  m.sent_by = "192.0.2.1:5060";
  m.branch = "z9hG4bKb1";
  m.content_type = "text/plain;charset=UTF-8";
  m.body = "gr\xc3\xbc\xc3\x9f";
  return m;
}

TEST(RequestWriter, WritesARequestThatRfc3428Allows) {
  std::string out;
  ASSERT_TRUE(write_request(out, usual()));
  EXPECT_EQ(out, crlf("MESSAGE sip:bob@sip.test SIP/2.0\n"
                      "Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKb1;rport\n"
                      "Max-Forwards: 70\n"
                      "From: <sip:ann*x.test@gw.test>;tag=f1\n"
                      "To: <sip:bob@sip.test>\n"
                      "Call-ID: c1\n"
                      "CSeq: 7 MESSAGE\n"
                      "User-Agent: stox\n"
                      "Content-Type: text/plain;charset=UTF-8\n"
                      "Content-Length: 6\n\n"
                      "gr\xc3\xbc\xc3\x9f"));
}

TEST(RequestWriter, OptionalPartsSurviveTheParser) {
  Request m = usual();
  m.from_display = "Ann \"\\\r\nX: y";
  m.subject = "a\r\nRoute: <sip:evil>";
  m.language = "de";
  m.date_s = 1289690940;
  m.disposition = "notification";
  std::string out;
  ASSERT_TRUE(write_request(out, m));
  const Datagram d(out);
  ASSERT_TRUE(d.parsed) << d.parsed.error().reason;
  EXPECT_EQ(unquote(d.message.from.display), "Ann \"\\  X: y");
  EXPECT_EQ(d.message.value(HeaderName::kSubject), "a  Route: <sip:evil>");
  EXPECT_FALSE(d.message.has(HeaderName::kRoute));
  EXPECT_EQ(d.message.value(HeaderName::kContentLanguage), "de");
  EXPECT_EQ(d.message.value(HeaderName::kDate), "Sat, 13 Nov 2010 23:29:00 GMT");
  EXPECT_EQ(d.message.value(HeaderName::kContentDisposition), "notification");
  EXPECT_FALSE(d.message.has(HeaderName::kContact));
}

TEST(RequestWriter, WritesARequestWithinADialog) {
  const std::vector<std::string> routes = {"<sip:p1.test;lr>", "<sip:p2.test;lr>,<sip:p3.test;lr>"};
  Request m = usual();
  m.method = Method::kNotify;
  m.request_uri = "sip:bob@192.0.2.9:40000";
  m.to_tag = "t1";
  m.transport = Transport::kTcp;
  m.route_set = routes;
  m.contact = "sip:192.0.2.1:5060;transport=tcp";
  m.lines = "Event: presence\r\nSubscription-State: pending;expires=600\r\n";
  m.content_type = m.body = {};
  std::string out;
  ASSERT_TRUE(write_request(out, m));
  EXPECT_EQ(out, crlf("NOTIFY sip:bob@192.0.2.9:40000 SIP/2.0\n"
                      "Via: SIP/2.0/TCP 192.0.2.1:5060;branch=z9hG4bKb1;rport\n"
                      "Max-Forwards: 70\n"
                      "Route: <sip:p1.test;lr>\n"
                      "Route: <sip:p2.test;lr>,<sip:p3.test;lr>\n"
                      "From: <sip:ann*x.test@gw.test>;tag=f1\n"
                      "To: <sip:bob@sip.test>;tag=t1\n"
                      "Call-ID: c1\n"
                      "CSeq: 7 NOTIFY\n"
                      "Contact: <sip:192.0.2.1:5060;transport=tcp>\n"
                      "Event: presence\n"
                      "Subscription-State: pending;expires=600\n"
                      "User-Agent: stox\n"
                      "Content-Length: 0\n\n"));
}

TEST(RequestWriter, LetsNoLineBecomeMoreThanALine) {
  std::string out;
  for (const char* bad : {"Event: presence", "\r\nEvent: presence\r\n", "A: b\r\n\r\nC: d\r\n", "A: b\n"}) {
    Request m = usual();
    m.lines = bad;
    EXPECT_FALSE(write_request(out, m)) << bad;
  }
  const std::vector<std::string> routes = {"<sip:p1.test;lr>\r\nX: y"};
  Request m = usual();
  m.route_set = routes;
  ASSERT_TRUE(write_request(out, m));
  EXPECT_NE(out.find("\r\nRoute: <sip:p1.test;lr>  X: y\r\n"), std::string::npos) << out;
  m.to_tag = "t>\r\nX: y";
  EXPECT_FALSE(write_request(out, m));
  m = usual();
  m.content_type = {};
  EXPECT_FALSE(write_request(out, m)) << "a body of no type";
}

TEST(RequestWriter, RefusesAddressesThatWouldBecomeMoreThanAddresses) {
  std::string out;
  for (const char* bad :
       {"", "sip:a@b>\r\nX: y", "sip:a@b>;tag=1", "sip:a b@c", "sip:a\r\n@b", "sip:a@b\""}) {
    for (auto member : {&Request::request_uri, &Request::from_uri, &Request::to_uri}) {
      Request m = usual();
      m.*member = bad;
      EXPECT_FALSE(write_request(out, m)) << bad;
    }
  }
  Request m = usual();
  m.call_id = "a\r\nb";
  EXPECT_FALSE(write_request(out, m));
  m = usual();
  m.content_type = "text/plain\r\nX: y";
  EXPECT_FALSE(write_request(out, m));
}

}  // namespace
}  // namespace stox::sip
