#include "sip_front/presence/notifying.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/sip_front/metric.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox {
namespace {

using namespace std::chrono_literals;
using sip::replaced;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using Lines = std::vector<std::string>;

const std::string kAnn = "sip:ann*x.test@gw.test", kBob = "sip:bob@sip.test";
const std::string kSubscribe = sip::crlf(
    "SUBSCRIBE sip:ann*x.test@gw.test SIP/2.0\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK1;rport\n"
    "Max-Forwards: 70\n"
    "Record-Route: <sip:192.0.2.7;lr>\n"
    "From: <sip:bob@sip.test>;tag=bobs\n"
    "To: <sip:ann*x.test@gw.test>\n"
    "Call-ID: call-1\n"
    "CSeq: 1 SUBSCRIBE\n"
    "Contact: <sip:bob@10.0.0.5:5062>\n"
    "Event: presence\n"
    "Accept: application/pidf+xml\n"
    "Expires: 600\n"
    "Content-Length: 0\n"
    "\n");

// The nth request of the dialog that this one began.
std::string within(const std::string& tag, int n) {
  const std::string number = std::to_string(n);
  return replaced(replaced(replaced(replaced(kSubscribe, "SUBSCRIBE " + kAnn, "SUBSCRIBE sip:192.0.2.1:5070"),
                                    "To: <" + kAnn + ">", "To: <" + kAnn + ">;tag=" + tag),
                           "1 SUBSCRIBE", number + " SUBSCRIBE"),
                  "z9hG4bK1", "z9hG4bKn" + number);
}

// A front's reception and sender, with phones on one side and the bus on the other played by hand.
class NotifyingTest : public testing::Test,
                      public EnvelopeSink,
                      public sip::Outlet,
                      public RequestSender::HopFinder,
                      public PresenceOutbox::Outlet {
 protected:
  NotifyingTest() { start(); }
  ~NotifyingTest() override {
    process_.reset();
    std::filesystem::remove_all(folder_);
  }

  struct Process {
    explicit Process(NotifyingTest& t)
        : reception(policy(), t.clock_, t.log_, t.trace_, t.random_, t, t),
          sender(t.clock_, t.random_, t, t),
          notifying('*', t.clock_, t.log_, reception, sender, t, t) {}
    Reception reception;
    RequestSender sender;
    Notifying notifying;
  };
  static sip::Policy policy() {
    sip::Policy policy;
    policy.domains = {"gw.test"};
    policy.from_domains = {"sip.test"};
    policy.trusted.networks = *sip::Networks::parse({"192.0.2.0/24"});
    return policy;
  }
  // One that was there before is killed.
  void start() {
    process_.reset();
    process_ = std::make_unique<Process>(*this);
    ASSERT_TRUE(process_->notifying.watchers().keep_in(folder_ + "/sip-1.watchers"));
    pb::Member worker;
    worker.set_name("component-1");
    worker.set_role(pb::WORKER);
    worker.mutable_serving()->set_state(pb::READY);
    process_->notifying.members_changed({worker});
    turn();
  }

  bool has_room() const override { return true; }
  bool is_connected() const override { return true; }
  Result<uint64_t> submit(pb::Envelope&, Time, Time) override { return error("no MESSAGE is expected"); }
  std::string id_of(uint64_t) const override { return {}; }
  void submit_lossy(pb::Envelope&, Time) override {}
  Result<uint64_t> submit_presence(pb::Envelope& envelope, Time begin_before, Time) override {
    EXPECT_GT(begin_before, clock_.now());
    const pb::Presence& p = envelope.has_sip_state() ? envelope.sip_state() : envelope.sip_presence();
    asked_.push_back(pb::Presence::Kind_Name(p.kind()) + " " + p.from() + " " + p.to());
    return ++number_;
  }
  void find_hops(const RequestSender::Way& way, std::size_t size,
                 std::function<void(sip::Hops)> found) override {
    ways_.push_back(std::string(way.uri) + (way.is_route ? " route" : "") +
                    (way.chosen == sip::NextHop::Chosen::kByTrusted ? " trusted" : "") +
                    (size > RequestSender::kSmall ? " large" : ""));
    found(hops_);
  }
  Result<sip::Flow> flow_to(const sip::Hop& hop) override {
    if (unreachable_) return error("no way");
    return sip::Flow{hop.transport, 0, 0, hop.peer};
  }
  sip::SentBy sent_by(const sip::Flow&) const override { return {"192.0.2.1", 5070}; }
  std::string contact(const sip::Flow&) const override { return "sip:192.0.2.1:5070"; }
  void send(const sip::Flow&, std::string_view bytes) override {
    if (bytes.starts_with("SIP/2.0 ")) return void(responses_.emplace_back(bytes));
    auto notify = std::make_unique<sip::Datagram>(std::string(bytes));
    ASSERT_TRUE(notify->parsed) << bytes;
    notifies_.push_back(std::move(notify));
  }

  // The status line of the answer to a request; all of it is in last_. What follows it has gone out, too.
  std::string receive(const std::string& text, const char* source = "192.0.2.7") {
    sip::Datagram d(text);
    EXPECT_TRUE(d.parsed) << text;
    process_->reception.request(d.message, {sip::Transport::kUdp, 0, 0, *sip::Endpoint::parse(source, 5060)});
    EXPECT_THAT(notifies_, IsEmpty()) << "the answer comes first";
    EXPECT_EQ(responses_.size(), 1u);
    last_ = responses_.empty() ? "" : responses_.back();
    responses_.clear();
    turn();
    return last_.substr(0, last_.find("\r\n"));
  }
  std::string tag() const {
    const sip::Datagram d(last_);
    return std::string(d.message.to.tag);
  }
  void turn() {
    process_->sender.turn();
    process_->notifying.turn();
  }
  void advance(Duration time) {
    for (; time > Duration(0); time -= 100ms) {
      clock_.advance(100ms);
      turn();
    }
  }
  // The NOTIFYs that have gone out, which are answered so ("": not at all), in short.
  Lines notified(const std::string& status = "200 OK", const std::string& more = {}) {
    Lines out;
    for (const auto& one : std::exchange(notifies_, {})) {
      const sip::Message& m = one->message;
      EXPECT_EQ(m.method, sip::Method::kNotify);
      const std::string state = header(m, "Subscription-State");
      out.push_back(std::to_string(m.cseq.number) + " " + state.substr(0, state.find(";expires")));
      if (m.body.find("<basic>open") != std::string_view::npos) out.back() += " open";
      if (m.body.find("<basic>closed") != std::string_view::npos) out.back() += " closed";
      if (status.empty()) continue;
      const sip::Datagram response(
          "SIP/2.0 " + status + "\r\nVia: " + std::string(m.via.text) +
          "\r\nFrom: " + std::string(m.value(sip::HeaderName::kFrom)) +
          "\r\nTo: " + std::string(m.value(sip::HeaderName::kTo)) + "\r\nCall-ID: " + std::string(m.call_id) +
          "\r\nCSeq: " + std::string(m.value(sip::HeaderName::kCSeq)) + "\r\n" + more + "\r\n");
      EXPECT_TRUE(process_->sender.response(response.message));
    }
    turn();
    return out;
  }
  static std::string header(const sip::Message& message, const std::string& name) {
    for (const sip::Header& each : message.headers()) {
      if (each.name == name) return std::string(each.value);
    }
    return {};
  }
  void say(pb::Presence::Kind kind, bool available = false, const std::string& note = {}) {
    pb::Presence presence;
    presence.set_kind(kind);
    presence.set_from(kind == pb::Presence::STATE ? kAnn + ";gr=balcony" : kAnn);
    presence.set_to(kBob);
    presence.mutable_state()->set_available(available);
    if (!note.empty()) presence.mutable_state()->add_notes()->set_text(note);
    process_->notifying.watchers().take(presence);
    turn();
  }
  // Bob sees that Ann is there.
  void approved() {
    EXPECT_EQ(receive(kSubscribe), "SIP/2.0 200 OK");
    say(pb::Presence::STATE, true);
    notified();
    EXPECT_THAT(notified(), ElementsAre("2 active open"));
  }

  ManualClock clock_;
  service::Log log_{"sip-1", service::Level::kError, "text"};
  service::Trace trace_;
  sip::Random random_;
  std::string folder_ =
      std::filesystem::temp_directory_path() / ("stox-notifying-" + std::to_string(getpid()));
  sip::Hops hops_ = std::vector<sip::Hop>{{sip::Transport::kUdp, *sip::Endpoint::parse("192.0.2.7", 5060)}};
  bool unreachable_ = false;
  Lines responses_, asked_, ways_;
  std::string last_;
  uint64_t number_ = 0;
  std::vector<std::unique_ptr<sip::Datagram>> notifies_;
  std::unique_ptr<Process> process_;
};

TEST_F(NotifyingTest, ASubscribeIsAnsweredAndANotifyFollows) {
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nExpires: 600\r\n"));
  EXPECT_THAT(last_, HasSubstr("\r\nContact: <sip:192.0.2.1:5070>\r\n"));
  EXPECT_THAT(last_, HasSubstr("\r\nRecord-Route: <sip:192.0.2.7;lr>\r\n"));
  ASSERT_EQ(notifies_.size(), 1u);
  const sip::Message& notify = notifies_[0]->message;
  EXPECT_EQ(notify.request_uri, "sip:bob@10.0.0.5:5062");
  EXPECT_EQ(header(notify, "Route"), "<sip:192.0.2.7;lr>");
  EXPECT_EQ(header(notify, "From"), "<sip:ann*x.test@gw.test>;tag=" + tag());
  EXPECT_EQ(header(notify, "To"), "<sip:bob@sip.test>;tag=bobs");
  EXPECT_EQ(header(notify, "Call-ID"), "call-1");
  EXPECT_EQ(header(notify, "Contact"), "<sip:192.0.2.1:5070>");
  EXPECT_EQ(header(notify, "Event"), "presence");
  EXPECT_EQ(header(notify, "Subscription-State"), "pending;expires=600");
  EXPECT_THAT(ways_, ElementsAre("sip:192.0.2.7;lr route trusted"));
  EXPECT_EQ(metric_of(process_->notifying.watchers(), "stox_presence_watchers", "state=pending"), 1);
  clock_.advance(1s);
  turn();
  EXPECT_THAT(asked_, ElementsAre("SUBSCRIBE " + kBob + " " + kAnn));
}

TEST_F(NotifyingTest, WhatXmppSaysGoesToTheWatcher) {
  receive(kSubscribe);
  EXPECT_THAT(notified(), ElementsAre("1 pending"));
  say(pb::Presence::SUBSCRIBED);
  EXPECT_THAT(notified(), ElementsAre("2 active"));
  say(pb::Presence::STATE, true);
  ASSERT_EQ(notifies_.size(), 1u);
  EXPECT_EQ(header(notifies_[0]->message, "Content-Type"), "application/pidf+xml");
  EXPECT_THAT(notified(), ElementsAre("3 active open"));
  EXPECT_EQ(receive(within(tag(), 2)), "SIP/2.0 200 OK");
  EXPECT_THAT(notified(), ElementsAre("4 active open"));
  say(pb::Presence::UNSUBSCRIBED);
  EXPECT_THAT(notified(), ElementsAre("5 terminated;reason=rejected"));
}

TEST_F(NotifyingTest, ARetransmissionGetsTheSameAnswerAndMakesNothing) {
  receive(kSubscribe);
  const std::string first = last_;
  notified();
  EXPECT_EQ(receive(kSubscribe), "SIP/2.0 200 OK");
  EXPECT_EQ(last_, first);
  EXPECT_THAT(notified(), IsEmpty());
  EXPECT_EQ(process_->notifying.watchers().size(), 1u);
}

TEST_F(NotifyingTest, WhatMayNotPassIsRefused) {
  EXPECT_EQ(receive(kSubscribe, "203.0.113.1"), "SIP/2.0 403 Forbidden");
  EXPECT_EQ(receive(replaced(kSubscribe, "bob@sip.test", "bob@other.test")),
            "SIP/2.0 403 From domain not allowed");
  EXPECT_EQ(receive(replaced(kSubscribe, "SUBSCRIBE " + kAnn, "SUBSCRIBE sip:ann@other.test")),
            "SIP/2.0 404 Not found");
  EXPECT_EQ(receive(replaced(kSubscribe, "Event: presence", "Event: dialog")), "SIP/2.0 489 Bad Event");
  EXPECT_THAT(last_, HasSubstr("\r\nAllow-Events: presence\r\n"));
  EXPECT_EQ(receive(replaced(kSubscribe, "application/pidf+xml", "text/plain")),
            "SIP/2.0 406 Not Acceptable");
  EXPECT_THAT(last_, HasSubstr("\r\nAccept: application/pidf+xml\r\n"));
  EXPECT_EQ(receive(replaced(kSubscribe, "Expires: 600", "Expires: 30")), "SIP/2.0 423 Interval Too Brief");
  EXPECT_THAT(last_, HasSubstr("\r\nMin-Expires: 60\r\n"));
  EXPECT_EQ(receive(within("nobodys", 2)), "SIP/2.0 481 Call/Transaction Does Not Exist");
  EXPECT_EQ(process_->notifying.watchers().size(), 0u);
  EXPECT_THAT(notified(), IsEmpty());
}

TEST_F(NotifyingTest, AnAorThatIsWatchedTooOftenIsRefusedForNow) {
  const auto nth = [](int n) {
    const std::string number = std::to_string(n);
    const std::string call =
        replaced(replaced(kSubscribe, "z9hG4bK1", "z9hG4bKm" + number), "call-1", "call-m" + number);
    return replaced(call, "From: <sip:bob@", "From: <sip:bob" + number + "@");
  };
  for (int n = 0; n < static_cast<int>(sip::Notifier::kMaxOfOne); ++n) {
    EXPECT_EQ(receive(nth(n)), "SIP/2.0 200 OK");
    notified();
  }
  EXPECT_EQ(receive(nth(1000)), "SIP/2.0 480 Too many subscriptions");
  EXPECT_THAT(last_, HasSubstr("\r\nRetry-After: "));
  EXPECT_EQ(metric_of(process_->reception, "stox_sip_refused_total", "reason=share"), 1);
}

TEST_F(NotifyingTest, A481ToANotifyEndsTheSubscription) {
  receive(kSubscribe);
  notified("481 Subscription Does Not Exist");
  EXPECT_EQ(process_->notifying.watchers().size(), 0u);
  EXPECT_EQ(receive(within(tag(), 2)), "SIP/2.0 481 Call/Transaction Does Not Exist");
}

TEST_F(NotifyingTest, ANotifyWithoutAnyAnswerEndsTheSubscription) {
  receive(kSubscribe);
  advance(31s);
  EXPECT_EQ(process_->notifying.watchers().size(), 1u);
  advance(2s);
  EXPECT_EQ(process_->notifying.watchers().size(), 0u);
}

TEST_F(NotifyingTest, ANotifyThatFoundNoWayIsSentLater) {
  unreachable_ = true;
  receive(kSubscribe);
  EXPECT_THAT(notified(), IsEmpty());
  unreachable_ = false;
  advance(29s);
  EXPECT_THAT(notified(), IsEmpty());
  advance(1s);
  EXPECT_THAT(notified(), ElementsAre("2 pending"));
}

TEST_F(NotifyingTest, AnAnswerToAChallengeUsesUpACSeq) {
  process_->sender.configure({}, {{"sip.test", "gateway", "secret"}}, false);
  receive(replaced(kSubscribe, "bob@10.0.0.5:5062", "bob@sip.test"));
  EXPECT_THAT(notified("401 Unauthorized", "WWW-Authenticate: Digest realm=\"sip.test\", nonce=\"n\"\r\n"),
              ElementsAre("1 pending"));
  ASSERT_EQ(notifies_.size(), 1u);
  EXPECT_THAT(header(notifies_[0]->message, "Authorization"), HasSubstr("username=\"gateway\""));
  EXPECT_THAT(notified(), ElementsAre("2 pending"));
  say(pb::Presence::SUBSCRIBED);
  EXPECT_THAT(notified(), ElementsAre("3 active"));
}

TEST_F(NotifyingTest, ALargeStateLooksForATransportThatTakesIt) {
  receive(kSubscribe);
  notified();
  say(pb::Presence::STATE, true, std::string(1000, 'x'));
  EXPECT_THAT(ways_.back(), HasSubstr("large"));
}

TEST_F(NotifyingTest, WhileItDrainsNothingIsSaid) {
  approved();
  const std::string tag_of_dialog = tag();
  asked_.clear();
  process_->notifying.drain(true);
  process_->reception.drain();
  EXPECT_EQ(receive(replaced(replaced(kSubscribe, "z9hG4bK1", "z9hG4bK2"), "call-1", "call-2")),
            "SIP/2.0 503 Service unavailable");
  EXPECT_EQ(receive(within(tag_of_dialog, 2)), "SIP/2.0 200 OK");
  say(pb::Presence::STATE, false);
  advance(601s);
  EXPECT_THAT(notified(), IsEmpty());
  EXPECT_THAT(asked_, IsEmpty());
}

TEST_F(NotifyingTest, ThePhoneNoticesNothingOfARestart) {
  approved();
  const std::string tag_of_dialog = tag();
  asked_.clear();
  start();
  EXPECT_THAT(notified(), IsEmpty());
  advance(1s);
  EXPECT_THAT(asked_, ElementsAre("PROBE " + kBob + " " + kAnn));
  say(pb::Presence::STATE, true);
  EXPECT_THAT(notified(), ElementsAre("1002 active open"));
  EXPECT_EQ(receive(within(tag_of_dialog, 2)), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nContact: <sip:192.0.2.1:5070>\r\n"));
  EXPECT_THAT(notified(), ElementsAre("1003 active open"));
}

TEST_F(NotifyingTest, WhoWantsNoMoreIsToldTheEnd) {
  approved();
  EXPECT_EQ(receive(replaced(within(tag(), 2), "Expires: 600", "Expires: 0")), "SIP/2.0 200 OK");
  EXPECT_THAT(last_, HasSubstr("\r\nExpires: 0\r\n"));
  EXPECT_THAT(notified(), ElementsAre("3 terminated;reason=timeout closed"));
  EXPECT_EQ(process_->notifying.watchers().size(), 0u);
}

}  // namespace
}  // namespace stox
