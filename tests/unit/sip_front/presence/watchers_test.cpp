#include "sip_front/presence/watchers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/sip_front/sip_text.h"

namespace stox {
namespace {

using pb::Presence;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

const std::string kJuliet = "sip:juliet*x.test@gw.test";
const std::string kRomeo = "sip:romeo@sip.test";

// A front's watchers, with XMPP and phones played by hand. Every NOTIFY is answered 200 unless `answers_` is
// false.
class WatchersTest : public ::testing::Test, protected Watchers::Outlet {
 protected:
  struct Sent {
    std::string dialog, state, body;  // the local tag, the value of Subscription-State
    uint32_t cseq;
  };

  WatchersTest() { start(); }
  ~WatchersTest() override { std::filesystem::remove_all(folder_); }

  Result<uint64_t> submit(pb::Envelope& envelope) override {
    asked_.push_back(envelope.has_sip_state() ? envelope.sip_state() : envelope.sip_presence());
    conversations_.push_back(envelope.conversation());
    return ++number_;
  }
  void send_notify(sip::Id id, const sip::Notify& notify) override {
    const std::string lines(notify.lines);
    const auto at = lines.find("Subscription-State: ") + 20;
    told_.push_back({notify.dialog.local_tag, lines.substr(at, lines.find('\r', at) - at),
                     std::string(notify.body), notify.dialog.local_cseq});
    unanswered_.push_back(id);
  }
  XmppReach reach(std::string_view) const override { return reach_; }

  // A process that is killed leaves the file as it is.
  void start() {
    watchers_.reset();
    watchers_ = std::unique_ptr<Watchers>(new Watchers(1000, '*', clock_, *this));
    const auto kept = watchers_->keep_in(folder_ + "/front.watchers");
    ASSERT_TRUE(kept) << kept.error().text;
    told_.clear();
    asked_.clear();
    unanswered_.clear();
  }
  void turn() {
    watchers_->turn();
    for (const sip::Id id : std::exchange(unanswered_, {})) {
      const sip::Datagram ok(
          sip::crlf("SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKx\n"
                    "From: <sip:a@b>;tag=1\nTo: <sip:c@d>;tag=2\nCall-ID: x\nCSeq: 1 NOTIFY\n\n"));
      watchers_->notifier().answered(id, ok.message, clock_.now());
    }
    watchers_->turn();
  }
  void pass(Duration time) {
    clock_.advance(time);
    turn();
  }

  struct Subscribe {
    std::string tag = "ours";  // of the dialog
    int cseq = 1;              // above 1: within the dialog
    int expires = 600;
    std::string to = kJuliet;
    std::string more = {};
  };
  sip::Notifier::Taken subscribe(const Subscribe& s) {
    const sip::Datagram request(sip::crlf(
        "SUBSCRIBE " + s.to + " SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.7:5060;branch=z9hG4bK776sgdkse\n" +
        "From: <" + kRomeo + ">;tag=49583\nTo: <" + s.to + ">" + (s.cseq > 1 ? ";tag=" + s.tag : "") +
        "\nCall-ID: asd88asd77a\nCSeq: " + std::to_string(s.cseq) + " SUBSCRIBE\n" +
        "Contact: <sip:romeo@192.0.2.7:5060>\nEvent: presence\nExpires: " + std::to_string(s.expires) + "\n" +
        s.more + "\n"));
    EXPECT_TRUE(request.parsed);
    return watchers_->subscribe(request.message, s.tag, kRomeo, "");
  }
  // Romeo watches Juliet, and she has let him in.
  void approved() {
    subscribe({});
    pass(milliseconds(10));
    outcome(pb::PASSED_ON);
    say(Presence::SUBSCRIBED);
    turn();
    outcome(pb::PASSED_ON);
  }

  bool say(Presence::Kind kind, std::string_view condition = {}) {
    Presence presence;
    presence.set_kind(kind);
    presence.set_from(kJuliet);
    presence.set_to(kRomeo);
    presence.set_condition(std::string(condition));
    const bool taken = watchers_->take(presence);
    turn();
    return taken;
  }
  bool is(bool available, std::string_view resource = "balcony",
          pb::PresenceState::Activity activity = pb::PresenceState::NONE) {
    Presence presence;
    presence.set_kind(Presence::STATE);
    presence.set_from(resource.empty() ? kJuliet : kJuliet + ";gr=" + std::string(resource));
    presence.set_to(kRomeo);
    presence.mutable_state()->set_available(available);
    presence.mutable_state()->set_activity(activity);
    const bool taken = watchers_->take(presence);
    turn();
    return taken;
  }
  // Of what was asked last.
  void outcome(pb::Verdict verdict, pb::Reason reason = pb::NOT_GIVEN) {
    pb::Outcome outcome;
    outcome.set_verdict(verdict);
    outcome.set_reason(reason);
    watchers_->ended(number_, outcome);
    turn();
  }
  void xmpp(bool there, uint64_t stream = 1) {
    reach_.there = there;
    reach_.streams.assign(there ? 1 : 0, stream);
    watchers_->members_changed();
    turn();
  }
  std::size_t asked(Presence::Kind kind) const {
    return static_cast<std::size_t>(
        std::count_if(asked_.begin(), asked_.end(), [&](const Presence& p) { return p.kind() == kind; }));
  }
  // What the watcher was told last, in short.
  std::string last() const {
    if (told_.empty()) return "nothing";
    std::string out = told_.back().state.substr(0, told_.back().state.find(";expires"));
    if (told_.back().body.empty()) return out;
    const std::string& body = told_.back().body;
    out += body.find("<basic>open") != std::string::npos ? " open" : " closed";
    for (const char* what : {"rpid:away", "rpid:busy", "not reachable at present"}) {
      if (body.find(what) != std::string::npos) out.append(" ").append(what);
    }
    return out;
  }

  ManualClock clock_;
  std::string folder_ =
      std::filesystem::temp_directory_path() / ("stox-watching-" + std::to_string(getpid()));
  XmppReach reach_{true, {1}};
  uint64_t number_ = 0;
  std::vector<Presence> asked_;
  std::vector<std::string> conversations_;
  std::vector<Sent> told_;
  std::vector<sip::Id> unanswered_;
  std::unique_ptr<Watchers> watchers_;
};

TEST_F(WatchersTest, ASubscriptionIsPendingAndAsksTheXmppUser) {
  const auto taken = subscribe({});
  EXPECT_EQ(taken.status, 200);
  EXPECT_EQ(taken.lines, "Expires: 600\r\n");
  turn();
  EXPECT_EQ(last(), "pending");
  pass(milliseconds(10));
  ASSERT_EQ(asked_.size(), 1u);
  EXPECT_EQ(asked_[0].kind(), Presence::SUBSCRIBE);
  EXPECT_EQ(asked_[0].from(), kRomeo);
  EXPECT_EQ(asked_[0].to(), kJuliet);
  EXPECT_EQ(conversations_[0], "romeo@sip.test juliet*x.test@gw.test");
}

TEST_F(WatchersTest, WhoTakesNoPidfIsRefused) {
  const auto taken = subscribe({.more = "Accept: application/xpidf+xml\n"});
  EXPECT_EQ(taken.status, 406);
  EXPECT_EQ(taken.lines, "Accept: application/pidf+xml\r\n");
  EXPECT_EQ(subscribe({.more = "Accept: text/plain, application/*\n"}).status, 200);
}

TEST_F(WatchersTest, OnePairIsAskedOnceInTenMinutes) {
  subscribe({});
  pass(milliseconds(10));
  outcome(pb::PASSED_ON);
  subscribe({.tag = "second"});
  subscribe({.cseq = 2});
  pass(minutes(9));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u);
  pass(minutes(1));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u) << "nobody refreshed";
  subscribe({.tag = "third"});
  pass(milliseconds(10));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u);
}

TEST_F(WatchersTest, ApprovalIsToldAtOnceAndTheStateAskedFor) {
  subscribe({});
  pass(milliseconds(10));
  outcome(pb::PASSED_ON);
  EXPECT_TRUE(say(Presence::SUBSCRIBED));
  EXPECT_EQ(last(), "active");
  EXPECT_EQ(asked(Presence::PROBE), 1u);
  is(true);
  EXPECT_EQ(last(), "active open");
}

TEST_F(WatchersTest, AnApprovalThatOvertakesTheOutcomeIsFollowedByAProbe) {
  subscribe({});
  pass(milliseconds(10));
  say(Presence::SUBSCRIBED);
  EXPECT_EQ(asked(Presence::PROBE), 0u);
  outcome(pb::PASSED_ON);
  EXPECT_EQ(asked(Presence::PROBE), 1u);
  EXPECT_NE(conversations_[1], conversations_[0]);
}

TEST_F(WatchersTest, AnAvailableStateIsAnApprovalToo) {
  subscribe({});
  pass(milliseconds(10));
  is(true);
  EXPECT_EQ(last(), "active open");
}

TEST_F(WatchersTest, UnavailableBeforeApprovalIsNone) {
  subscribe({});
  pass(milliseconds(10));
  is(false, "");
  EXPECT_EQ(last(), "pending");
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(WatchersTest, SilenceAfterTheProbeMeansNotThere) {
  approved();
  pass(milliseconds(4900));
  EXPECT_EQ(last(), "active");
  pass(milliseconds(100));
  EXPECT_EQ(last(), "active closed");
}

TEST_F(WatchersTest, TheDevicesAreMergedAndChangesGoOutAtMostOnceInFiveSeconds) {
  approved();
  is(true, "balcony", pb::PresenceState::AWAY);
  EXPECT_EQ(last(), "active open rpid:away");
  is(true, "orchard");
  is(true, "orchard", pb::PresenceState::BUSY);
  is(true, "orchard");
  EXPECT_EQ(told_.size(), 3u) << "pending, active, the first state";
  pass(seconds(5));
  EXPECT_EQ(told_.size(), 4u);
  EXPECT_EQ(last(), "active open") << "the best device counts";
  pass(seconds(5));
  is(false, "orchard");
  EXPECT_EQ(last(), "active open rpid:away");
  pass(seconds(5));
  is(false, "balcony");
  EXPECT_EQ(last(), "active closed");
}

TEST_F(WatchersTest, WhatIsNoNewsIsNotTold) {
  approved();
  is(true);
  pass(seconds(10));
  const auto before = told_.size();
  is(true);
  pass(seconds(10));
  EXPECT_EQ(told_.size(), before);
}

TEST_F(WatchersTest, AStateWithoutADeviceIsThatOfAll) {
  approved();
  is(true, "balcony");
  is(true, "orchard");
  pass(seconds(10));
  is(false, "");
  pass(seconds(5));
  EXPECT_EQ(last(), "active closed");
}

TEST_F(WatchersTest, AnotherDialogOfTheSamePairIsToldTheStateAtOnce) {
  approved();
  is(true);
  told_.clear();
  subscribe({.tag = "second"});
  turn();
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(told_[0].dialog, "second");
  EXPECT_EQ(last(), "active open");
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u);
  pass(seconds(10));
  told_.clear();
  is(false);
  EXPECT_EQ(told_.size(), 2u);
}

TEST_F(WatchersTest, ARefusalEndsAllDialogsAndIsRememberedForADay) {
  approved();
  subscribe({.tag = "second"});
  turn();
  told_.clear();
  say(Presence::UNSUBSCRIBED);
  ASSERT_EQ(told_.size(), 2u);
  for (const Sent& one : told_) {
    EXPECT_EQ(one.state, "terminated;reason=rejected");
    EXPECT_EQ(one.body, "");
  }
  asked_.clear();
  pass(hours(23));
  EXPECT_EQ(subscribe({.tag = "third"}).status, 200);
  turn();
  EXPECT_EQ(last(), "terminated;reason=rejected");
  EXPECT_TRUE(asked_.empty());
  pass(hours(1));
  subscribe({.tag = "fourth"});
  pass(milliseconds(10));
  EXPECT_EQ(last(), "pending");
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u);
}

TEST_F(WatchersTest, WhoChangesHisMindIsAskedAgain) {
  approved();
  say(Presence::UNSUBSCRIBED);
  asked_.clear();
  say(Presence::SUBSCRIBED);
  subscribe({.tag = "second"});
  pass(milliseconds(10));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u);
}

TEST_F(WatchersTest, AUserWhoIsNotThereEndsTheSubscription) {
  for (const char* condition : {"item-not-found", "jid-malformed", "gone"}) {
    subscribe({.tag = condition});
    pass(milliseconds(10));
    outcome(pb::PASSED_ON);
    say(Presence::FAILED, condition);
    EXPECT_EQ(last(), "terminated;reason=noresource") << condition;
  }
  EXPECT_TRUE(watchers_->list({}, 100).empty());
}

TEST_F(WatchersTest, AnAnswerThatThereIsNoSuchUserEndsTheSubscriptionButNotThatThereIsNoSuchDomain) {
  pb::Outcome outcome;
  outcome.set_verdict(pb::FAILED);
  outcome.mutable_sip_status()->set_code(404);
  outcome.mutable_sip_status()->set_unresolvable(true);
  subscribe({});
  pass(milliseconds(10));
  watchers_->ended(number_, outcome);
  pass(seconds(7));
  EXPECT_EQ(last(), "pending");
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u) << "it may be there again";
  outcome.mutable_sip_status()->set_unresolvable(false);
  watchers_->ended(number_, outcome);
  turn();
  EXPECT_EQ(last(), "terminated;reason=noresource");
}

TEST_F(WatchersTest, TheOldestDialogOfAPairWithTooManyIsForgottenByTheNextProcessToo) {
  for (std::size_t i = 0; i <= sip::Notifier::kMaxOfPair; ++i) {
    subscribe({.tag = std::to_string(i)});
    turn();
  }
  EXPECT_EQ(watchers_->size(), sip::Notifier::kMaxOfPair);
  start();
  EXPECT_EQ(watchers_->size(), sip::Notifier::kMaxOfPair);
  EXPECT_EQ(subscribe({.tag = "0", .cseq = 2}).status, 481);
  EXPECT_EQ(subscribe({.tag = "1", .cseq = 2}).status, 200);
  is(true);
  EXPECT_EQ(last(), "active open");
  EXPECT_EQ(told_.size(), sip::Notifier::kMaxOfPair);
}

TEST_F(WatchersTest, OtherErrorsEndNothingAndAreTriedAgain) {
  subscribe({});
  pass(milliseconds(10));
  outcome(pb::PASSED_ON);
  say(Presence::FAILED, "remote-server-timeout");
  EXPECT_EQ(last(), "pending");
  EXPECT_EQ(watchers_->list({}, 100).at(0).error, "remote-server-timeout");
  pass(seconds(7));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u);
}

TEST_F(WatchersTest, WhatDidNotGetThroughIsAskedAgainLaterAndLater) {
  subscribe({});
  pass(milliseconds(10));
  outcome(pb::FAILED, pb::LINK_DOWN);
  EXPECT_EQ(last(), "pending");
  pass(seconds(7));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u);
  outcome(pb::FAILED, pb::LINK_DOWN);
  pass(seconds(9));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u);
  pass(seconds(5));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 3u);
}

TEST_F(WatchersTest, ErrorsThatGoOnDoNotPutOffTheNextQuestion) {
  subscribe({});
  pass(milliseconds(10));
  outcome(pb::PASSED_ON);
  for (int i = 0; i < 20; ++i) {
    say(Presence::FAILED, "remote-server-timeout");
    pass(seconds(1));
    if (asked(Presence::SUBSCRIBE) == 2) break;
  }
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u);
}

// That a question got through is no answer.
TEST_F(WatchersTest, AServerThatAnswersByErrorsIsAskedLaterAndLater) {
  subscribe({});
  pass(milliseconds(10));
  for (std::size_t i = 1; i < 4; ++i) {
    ASSERT_EQ(asked(Presence::SUBSCRIBE), i);
    outcome(pb::PASSED_ON);
    say(Presence::FAILED, "remote-server-timeout");
    pass(seconds(5) * (1 << (i - 1)) - milliseconds(100));
    EXPECT_EQ(asked(Presence::SUBSCRIBE), i) << "too early";
    pass(seconds(2) * (1 << (i - 1)));
  }
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 4u);
}

TEST_F(WatchersTest, ARefusalIsForgottenByItself) {
  approved();
  say(Presence::UNSUBSCRIBED);
  pass(hours(23));
  EXPECT_EQ(watchers_->list({}, 10).size(), 1u);
  pass(hours(1));
  EXPECT_TRUE(watchers_->list({}, 10).empty());
  EXPECT_EQ(watchers_->turn(), kNever) << "there is nothing to be looked at";
}

TEST_F(WatchersTest, ARefreshIsToldTheWholeStateAtOnce) {
  approved();
  is(true);
  told_.clear();
  EXPECT_EQ(subscribe({.cseq = 2}).status, 200);
  turn();
  ASSERT_EQ(told_.size(), 1u);
  EXPECT_EQ(last(), "active open");
}

TEST_F(WatchersTest, WhoUnsubscribesIsToldClosedAndXmppNothing) {
  approved();
  is(true);
  asked_.clear();
  EXPECT_EQ(subscribe({.cseq = 2, .expires = 0}).status, 200);
  turn();
  EXPECT_EQ(last(), "terminated;reason=timeout closed");
  EXPECT_TRUE(asked_.empty());
  EXPECT_EQ(watchers_->size(), 0u);
  EXPECT_FALSE(is(true)) << "nobody watches";
}

TEST_F(WatchersTest, AFetchIsToldWhatIsKnownOrClosed) {
  subscribe({.tag = "fetch", .expires = 0});
  turn();
  EXPECT_EQ(last(), "terminated;reason=timeout closed");
  EXPECT_TRUE(asked_.empty());
  approved();
  is(true);
  subscribe({.tag = "fetch again", .expires = 0});
  turn();
  EXPECT_EQ(last(), "terminated;reason=timeout open");
}

TEST_F(WatchersTest, WhatNobodyRefreshesEnds) {
  approved();
  is(true);
  pass(seconds(600));
  EXPECT_EQ(last(), "terminated;reason=timeout");
  EXPECT_TRUE(watchers_->list({}, 100).empty());
}

TEST_F(WatchersTest, TheNextProcessGoesOnWithoutBeingAsked) {
  approved();
  is(true);
  subscribe({.tag = "pending", .to = "sip:nurse*x.test@gw.test"});
  pass(seconds(1));
  const uint32_t cseq = told_.front().cseq;
  start();
  pass(seconds(1));
  EXPECT_TRUE(told_.empty()) << "nothing is terminated, and nothing new is known";
  EXPECT_EQ(asked(Presence::PROBE), 1u);
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u);
  is(true, "balcony", pb::PresenceState::AWAY);
  EXPECT_EQ(last(), "active open rpid:away");
  EXPECT_GT(told_.front().cseq, cseq + 999);
  EXPECT_EQ(subscribe({.cseq = 2}).status, 200) << "its refresh is known";
}

TEST_F(WatchersTest, TheCSeqRisesWithEachProcess) {
  approved();
  start();
  is(true);
  const uint32_t cseq = told_.at(0).cseq;
  start();
  is(true);
  EXPECT_GT(told_.at(0).cseq, cseq);
}

TEST_F(WatchersTest, WhatHasEndedIsNotKept) {
  approved();
  subscribe({.cseq = 2, .expires = 0});
  turn();
  start();
  EXPECT_EQ(watchers_->size(), 0u);
}

TEST_F(WatchersTest, RestoredOnesAreAskedForOneByOne) {
  for (int i = 0; i < 100; ++i) {
    const std::string who = "sip:user" + std::to_string(i) + "*x.test@gw.test";
    subscribe({.tag = std::to_string(i), .to = who});
  }
  turn();
  start();
  pass(milliseconds(250));
  EXPECT_NEAR(static_cast<double>(asked_.size()), 50, 2);
  pass(milliseconds(260));
  EXPECT_EQ(asked_.size(), 100u);
}

TEST_F(WatchersTest, QuestionsLeaveRoomForMessages) {
  constexpr int kPairs = 300;
  for (int i = 0; i < kPairs; ++i) {
    const std::string who = "sip:user" + std::to_string(i) + "*x.test@gw.test";
    subscribe({.tag = std::to_string(i), .to = who});
  }
  pass(minutes(1));
  EXPECT_EQ(asked_.size(), Watchers::kMaxUnderWay);
  pb::Outcome passed_on;
  passed_on.set_verdict(pb::PASSED_ON);
  for (uint64_t number = 1; number <= Watchers::kMaxUnderWay; ++number) watchers_->ended(number, passed_on);
  pass(seconds(2));
  EXPECT_EQ(asked_.size(), std::size_t{kPairs});
}

TEST_F(WatchersTest, WithoutAWayToXmppWatchersKeepTheLastStateForAMinute) {
  approved();
  is(true);
  xmpp(false);
  pass(seconds(59));
  EXPECT_EQ(last(), "active open");
  pass(seconds(1));
  EXPECT_EQ(last(), "active closed not reachable at present");
  asked_.clear();
  pass(minutes(5));
  EXPECT_TRUE(asked_.empty());
  xmpp(true, 2);
  pass(milliseconds(10));
  EXPECT_EQ(asked(Presence::PROBE), 1u);
  EXPECT_EQ(last(), "active closed not reachable at present") << "until something is known";
  is(true);
  EXPECT_EQ(last(), "active open");
}

TEST_F(WatchersTest, AfterANewStreamWhatMayHaveBeenLostIsAskedFor) {
  approved();
  is(true, "balcony");
  is(true, "orchard");
  asked_.clear();
  xmpp(true, 2);
  pass(milliseconds(10));
  ASSERT_EQ(asked(Presence::PROBE), 1u);
  outcome(pb::PASSED_ON);
  is(true, "orchard");
  pass(seconds(31));
  ASSERT_EQ(last(), "active open");
  EXPECT_EQ(told_.back().body.find("balcony"), std::string::npos) << "it has gone meanwhile";
}

TEST_F(WatchersTest, WhoWaitsForApprovalIsGivenUpOnlyWhenThereIsNoWayToAsk) {
  subscribe({.expires = 3600});
  pass(milliseconds(10));
  outcome(pb::PASSED_ON);
  pass(minutes(30));
  EXPECT_EQ(last(), "pending");
  xmpp(false);
  pass(minutes(9));
  EXPECT_EQ(last(), "pending");
  pass(minutes(1));
  EXPECT_EQ(last(), "terminated;reason=giveup;retry-after=600");
}

TEST_F(WatchersTest, WhoComesWhileThereIsNoWayIsAskedForWhenThereIs) {
  xmpp(false);
  subscribe({});
  pass(seconds(5));
  EXPECT_EQ(last(), "pending");
  EXPECT_TRUE(asked_.empty());
  xmpp(true, 2);
  pass(milliseconds(10));
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 1u);
}

TEST_F(WatchersTest, WhoComesWhileThereIsNoWayWaitsForTenMinutesToo) {
  xmpp(false);
  pass(minutes(5));
  subscribe({.expires = 3600});
  pass(minutes(9));
  EXPECT_EQ(last(), "pending") << "his domain has been gone for longer";
  pass(minutes(1));
  EXPECT_EQ(last(), "terminated;reason=giveup;retry-after=600");
  EXPECT_TRUE(watchers_->list({}, 10).empty());
  subscribe({.tag = "second", .expires = 3600});
  xmpp(true, 2);
  xmpp(false);
  pass(minutes(9));
  EXPECT_EQ(last(), "pending");
  pass(minutes(1) + seconds(1));
  EXPECT_EQ(last(), "terminated;reason=giveup;retry-after=600");
}

// Each second, each change of the bus and each new domain must cost the pairs of one domain, not all: with a
// look at all pairs for each domain this would take minutes.
TEST_F(WatchersTest, ManyDomainsCostNoMoreThanTheirPairs) {
  constexpr std::size_t kDomains = 20'000;
  watchers_ = std::unique_ptr<Watchers>(new Watchers(100'000, '*', clock_, *this));
  for (std::size_t i = 0; i < kDomains; ++i) {
    const std::string number = std::to_string(i);
    ASSERT_EQ(subscribe({.tag = number, .expires = 3600, .to = "sip:a*x" + number + ".test@gw.test"}).status,
              200);
  }
  xmpp(false);
  for (int i = 0; i < 10; ++i) pass(seconds(1));
  EXPECT_EQ(watchers_->size(), kDomains);
  pass(minutes(10));
  EXPECT_EQ(watchers_->size(), 0u);
}

TEST_F(WatchersTest, PresenceForNobodyHereIsLeftToOthers) {
  EXPECT_FALSE(is(true));
  EXPECT_FALSE(say(Presence::SUBSCRIBED));
  approved();
  EXPECT_FALSE(say(Presence::SUBSCRIBE)) << "she asks for his, which is another matter";
}

TEST_F(WatchersTest, TheListSaysWhoWatchesWhom) {
  approved();
  const auto list = watchers_->list({}, 100);
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].from, kRomeo);
  EXPECT_EQ(list[0].to, kJuliet);
  EXPECT_STREQ(list[0].state, "approved");
  EXPECT_GT(list[0].expires_us, list[0].since_us);
}

TEST_F(WatchersTest, WhatIsForgottenBeginsAnew) {
  approved();
  EXPECT_EQ(watchers_->forget("nurse*x.test@gw.test"), 0u);
  EXPECT_EQ(watchers_->list("juliet*x.test@gw.test", 10).size(), 1u);
  EXPECT_TRUE(watchers_->list("nurse*x.test@gw.test", 10).empty());
  EXPECT_EQ(watchers_->forget("juliet*x.test@gw.test"), 1u);
  turn();
  EXPECT_EQ(last(), "terminated;reason=deactivated");
  EXPECT_TRUE(watchers_->list({}, 10).empty());
  subscribe({.tag = "second"});
  pass(milliseconds(10));
  EXPECT_EQ(last(), "pending");
  EXPECT_EQ(asked(Presence::SUBSCRIBE), 2u);
}

TEST_F(WatchersTest, ARefusalCanBeForgotten) {
  subscribe({});
  pass(milliseconds(10));
  outcome(pb::PASSED_ON);
  say(Presence::UNSUBSCRIBED);
  EXPECT_EQ(watchers_->list(kRomeo, 10).at(0).state, std::string("refused"));
  EXPECT_EQ(watchers_->forget("romeo@sip.test"), 1u);
  EXPECT_TRUE(watchers_->list({}, 10).empty());
  subscribe({.tag = "second"});
  turn();
  EXPECT_EQ(last(), "pending");
}

}  // namespace
}  // namespace stox
