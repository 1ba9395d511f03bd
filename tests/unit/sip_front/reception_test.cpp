#include "sip_front/request/reception.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sip_front/sip/dialog/dialog.h"
#include "tests/unit/sip_front/metric.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox {
namespace {

using namespace std::chrono_literals;
using sip::replaced;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::string kSubscribe = sip::crlf(
    "SUBSCRIBE sip:ann*x.test@gw.test SIP/2.0\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1;rport\n"
    "Max-Forwards: 70\n"
    "Record-Route: <sip:proxy.test;lr>\n"
    "From: <sip:bob@sip.test>;tag=49583\n"
    "To: <sip:ann*x.test@gw.test>\n"
    "Call-ID: call-1\n"
    "CSeq: 1 SUBSCRIBE\n"
    "Contact: <sip:bob@192.0.2.7>\n"
    "Event: presence\n"
    "Content-Length: 0\n"
    "\n");

std::string with_method(const std::string& text, const std::string& method) {
  return replaced(replaced(text, "SUBSCRIBE sip", method + " sip"), "1 SUBSCRIBE", "1 " + method);
}

std::string nth(const std::string& text, int n) {
  return replaced(replaced(text, "z9hG4bK1", "z9hG4bKn" + std::to_string(n)), "call-1",
                  "call-n" + std::to_string(n));
}

// A capability that keeps what it is given, and answers as it is told.
class MadeUp final : public RequestHandler {
 public:
  explicit MadeUp(Reception& reception) : reception_(reception) {}

  void take(const ReceivedRequest& received) override {
    taken.push_back(std::string(received.message.method_text) + " of " + std::string(received.sender.uri));
    if (later) {
      opened = reception_.open(received);
      return;
    }
    sip::ResponseHeaders headers;
    headers.lines =
        "Expires: 3600\r\nContact: <sip:gw@192.0.2.1>\r\n" + sip::record_route_lines(received.message);
    reception_.respond(reception_.open(received), 200, "OK", headers);
    tag = reception_.to_tag(received.message);
  }

  bool later = false;
  sip::Id opened;
  std::string tag;
  std::vector<std::string> taken;

 private:
  Reception& reception_;
};

class ReceptionTest : public testing::Test, public sip::FlowSender, public EnvelopeSink {
 protected:
  ReceptionTest() { reception_.add(sip::Method::kMessage, {}, page_); }

  void send(const sip::Flow&, std::string_view bytes) override { responses_.emplace_back(bytes); }
  bool has_room() const override { return true; }
  bool is_connected() const override { return true; }
  Result<uint64_t> submit(pb::Envelope&, Time, Time) override { return error("there is no bus"); }
  std::string id_of(uint64_t) const override { return {}; }
  void submit_lossy(pb::Envelope&, Time) override {}

  static sip::Policy policy() {
    sip::Policy policy;
    policy.domains = {"gw.test"};
    policy.trusted.networks = *sip::Networks::parse({"192.0.2.0/24"});
    return policy;
  }
  void add_presence() {
    reception_.add(sip::Method::kSubscribe, "presence", presence_);
    reception_.add(sip::Method::kNotify, "presence", presence_);
  }
  // The status line of the answer, or "".
  std::string receive(const std::string& text, const char* source = "192.0.2.7") {
    responses_.clear();
    sip::Datagram d(text);
    EXPECT_TRUE(d.parsed) << text;
    reception_.request(d.message, {sip::Transport::kUdp, 0, 0, *sip::Endpoint::parse(source, 40000)});
    return said();
  }
  std::string said() {
    EXPECT_LE(responses_.size(), 1u);
    last_ = responses_.empty() ? "" : responses_.back();
    responses_.clear();
    return last_.substr(0, last_.find("\r\n"));
  }
  double metric(const std::string& name, const std::string& label) {
    return metric_of(reception_, name, label);
  }

  ManualClock clock_;
  service::Log log_{"sip-1", service::Level::kError, "text"};
  service::Trace trace_;
  sip::Random random_;
  std::vector<std::string> responses_;
  std::string last_;
  Reception reception_{policy(), clock_, log_, trace_, random_, *this, *this};
  MadeUp page_{reception_}, presence_{reception_};
};

TEST_F(ReceptionTest, ARequestGoesToWhoHasTheRowOfItsMethodAndPackage) {
  add_presence();
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 200 OK");
  EXPECT_EQ(receive(nth(with_method(kSubscribe, "NOTIFY"), 2)), "SIP/2.0 200 OK");
  EXPECT_EQ(receive(nth(with_method(kSubscribe, "MESSAGE"), 3)), "SIP/2.0 200 OK");
  EXPECT_THAT(presence_.taken, ElementsAre("SUBSCRIBE of sip:bob@sip.test", "NOTIFY of sip:bob@sip.test"));
  EXPECT_THAT(page_.taken, ElementsAre("MESSAGE of sip:bob@sip.test"));
  EXPECT_EQ(metric("stox_sip_requests_total", "method=SUBSCRIBE status=200"), 1);
  EXPECT_EQ(metric("stox_sip_requests_total", "method=NOTIFY status=200"), 1);
}

TEST_F(ReceptionTest, TheAnswerHasTheHeadersOfWhoTookIt) {
  add_presence();
  receive(kSubscribe);
  EXPECT_THAT(last_, HasSubstr("\r\nExpires: 3600\r\nContact: <sip:gw@192.0.2.1>\r\n"
                               "Record-Route: <sip:proxy.test;lr>\r\n"));
  EXPECT_THAT(last_, HasSubstr("\r\nTo: <sip:ann*x.test@gw.test>;tag=" + presence_.tag + "\r\n"));
}

TEST_F(ReceptionTest, AnotherPackageIsABadEvent) {
  add_presence();
  for (const char* event : {"dialog", "presence.winfo", "Presence"}) {
    EXPECT_EQ(receive(replaced(kSubscribe, "Event: presence", std::string("Event: ") + event)),
              "SIP/2.0 489 Bad Event");
    EXPECT_THAT(last_, HasSubstr("\r\nAllow-Events: presence\r\n"));
  }
  EXPECT_EQ(receive(replaced(kSubscribe, "Event: presence\r\n", "")), "SIP/2.0 489 Bad Event");
  EXPECT_EQ(receive(replaced(kSubscribe, "Event: presence", "o: presence;id=7")), "SIP/2.0 200 OK");
  EXPECT_EQ(presence_.taken.size(), 1u);
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=event"), 4);
}

TEST_F(ReceptionTest, WithoutARowAMethodIsNotAllowed) {
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 405 Method Not Allowed");
  EXPECT_THAT(last_, HasSubstr("\r\nAllow: MESSAGE, OPTIONS\r\n"));
  EXPECT_THAT(last_, Not(HasSubstr("Allow-Events")));
  sip::Policy as_openser = policy();
  as_openser.unhandled_method_status = 503;
  reception_.set_policy(as_openser);
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 503 Service unavailable");
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=method"), 2);
}

TEST_F(ReceptionTest, AllowNamesTheMethodsOfTheRows) {
  const std::string options = with_method(kSubscribe, "OPTIONS");
  EXPECT_EQ(receive(options), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nAllow: MESSAGE, OPTIONS\r\nAccept: "));
  add_presence();
  reception_.add(sip::Method::kSubscribe, "dialog", presence_);
  EXPECT_EQ(receive(options), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nAllow: MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS\r\n"
                               "Allow-Events: presence, dialog\r\nAccept: "));
  EXPECT_EQ(receive(with_method(kSubscribe, "INFO")), "SIP/2.0 405 Method Not Allowed");
  EXPECT_THAT(last_, HasSubstr("\r\nAllow: MESSAGE, SUBSCRIBE, NOTIFY, OPTIONS\r\n"));
}

TEST_F(ReceptionTest, CopiesAreAbsorbed) {
  add_presence();
  presence_.later = true;
  EXPECT_EQ(receive(kSubscribe), "");
  EXPECT_EQ(receive(kSubscribe), "");
  reception_.respond(presence_.opened, 200, "OK");
  EXPECT_EQ(said(), "SIP/2.0 200 OK");
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 200 OK");
  EXPECT_EQ(receive(replaced(kSubscribe, "z9hG4bK1", "z9hG4bK2")), "SIP/2.0 482 Loop Detected");
  EXPECT_EQ(presence_.taken.size(), 1u);
  EXPECT_EQ(metric("stox_sip_retransmissions_absorbed_total", ""), 2);
}

TEST_F(ReceptionTest, StrangersReachNobody) {
  add_presence();
  for (const char* method : {"SUBSCRIBE", "NOTIFY", "MESSAGE"})
    EXPECT_EQ(receive(with_method(kSubscribe, method), "198.51.100.1"), "SIP/2.0 403 Forbidden");
  EXPECT_TRUE(presence_.taken.empty());
  EXPECT_TRUE(page_.taken.empty());
  EXPECT_EQ(metric("stox_sip_refused_total", "reason=untrusted"), 3);
}

TEST_F(ReceptionTest, RatesHoldForAllMethods) {
  add_presence();
  sip::Policy limited = policy();
  limited.max_rate_per_source = 1;  // two at once
  reception_.set_policy(limited);
  receive(nth(kSubscribe, 1));
  receive(nth(with_method(kSubscribe, "MESSAGE"), 2));
  EXPECT_EQ(receive(nth(kSubscribe, 3)), "SIP/2.0 480 Too many requests");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: 1\r\n"));
  // Whose dialog must not end by it.
  EXPECT_EQ(receive(nth(with_method(kSubscribe, "NOTIFY"), 4)), "SIP/2.0 500 Too many requests");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: 1\r\n"));
  clock_.advance(1s);
  EXPECT_EQ(receive(nth(with_method(kSubscribe, "NOTIFY"), 5)), "SIP/2.0 200 OK");
}

TEST_F(ReceptionTest, RatesOfADomainHoldForAllMethods) {
  add_presence();
  sip::Policy limited = policy();
  limited.max_rate_per_from_domain = 1;
  reception_.set_policy(limited);
  receive(nth(kSubscribe, 1), "192.0.2.1");
  receive(nth(with_method(kSubscribe, "MESSAGE"), 2), "192.0.2.2");
  EXPECT_EQ(receive(nth(kSubscribe, 3), "192.0.2.3"), "SIP/2.0 480 Too many requests");
  EXPECT_EQ(receive(nth(replaced(kSubscribe, "bob@sip.test", "bob@other.test"), 4)), "SIP/2.0 200 OK");
}

TEST_F(ReceptionTest, WithinADialogTheRequestUriIsNoUser) {
  add_presence();
  const std::string to_contact = replaced(kSubscribe, "sip:ann*x.test@gw.test SIP", "sip:192.0.2.1:5060 SIP");
  EXPECT_EQ(receive(to_contact), "SIP/2.0 404 Not found");
  EXPECT_EQ(receive(replaced(to_contact, "gw.test>", "gw.test>;tag=1")), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nTo: <sip:ann*x.test@gw.test>;tag=1\r\n"));
  EXPECT_EQ(receive(with_method(nth(to_contact, 2), "NOTIFY")), "SIP/2.0 200 OK");
}

TEST_F(ReceptionTest, WhileDrainingNobodyGetsNewRequestsButDialogsGoOn) {
  add_presence();
  reception_.drain();
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 503 Service unavailable");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
  EXPECT_TRUE(presence_.taken.empty());
  EXPECT_EQ(receive(replaced(nth(kSubscribe, 2), "gw.test>", "gw.test>;tag=1")), "SIP/2.0 200 OK");
  reception_.drain(false);
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 200 OK");
}

}  // namespace
}  // namespace stox
