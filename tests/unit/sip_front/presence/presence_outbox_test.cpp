#include "sip_front/presence/presence_outbox.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace stox {
namespace {

using std::chrono::seconds;
using Texts = std::vector<std::string>;

struct Scene : PresenceOutbox::Outlet, PresenceOutbox::User {
  Result<uint64_t> submit_presence(pb::Envelope& envelope, Time begin_before, Time end_by) override {
    if (full) return error("no room");
    EXPECT_GT(end_by, begin_before);
    const bool is_state = envelope.has_sip_state();
    submitted.push_back((is_state ? "state " : "presence ") +
                        (is_state ? envelope.sip_state() : envelope.sip_presence()).text());
    return ++last;
  }
  void delivered(const pb::Presence& presence) override { arrived.push_back(presence.text()); }
  void dropped(const pb::Presence& presence) override { refused.push_back(presence.text()); }

  void send(pb::Presence::Kind kind, const std::string& from, const std::string& text,
            const std::string& to = "sip:ann*x.test@gw.test") {
    pb::Presence presence;
    presence.set_kind(kind);
    presence.set_from(from);
    presence.set_to(to);
    presence.set_text(text);
    const std::size_t domain = to.find('*') + 1;
    outbox.send(presence, to.substr(domain, to.find('@') - domain));
    outbox.turn(now);
  }
  void end(uint64_t number, pb::Verdict verdict, pb::Reason reason = pb::NOT_GIVEN, uint32_t code = 0) {
    pb::Outcome outcome;
    outcome.set_verdict(verdict);
    outcome.set_reason(reason);
    if (code != 0) outcome.mutable_sip_status()->set_code(code);
    EXPECT_TRUE(outbox.ended(number, outcome, now));
    outbox.turn(now);
  }
  void pass(Duration time) {
    now += time;
    outbox.turn(now);
  }
  Texts take() { return std::exchange(submitted, {}); }

  Time now = from_us(1'000'000'000);
  bool full = false;
  uint64_t last = 0;
  Texts submitted, arrived, refused;
  PresenceOutbox outbox{*this, *this};
};

TEST(PresenceOutbox, SaysWhatItIsGivenAndThatItIsThere) {
  Scene s;
  s.send(pb::Presence::SUBSCRIBED, "sip:bob@sip.test", "yes");
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here");
  s.send(pb::Presence::PROBE, "sip:bob@sip.test", "where");
  EXPECT_EQ(s.take(), (Texts{"presence yes", "state here", "state where"}));
  s.end(1, pb::DELIVERED);
  s.end(2, pb::PASSED_ON);
  EXPECT_EQ(s.arrived, (Texts{"yes", "here"}));
  EXPECT_EQ(s.outbox.size(), 1u);
  pb::Outcome outcome;
  EXPECT_FALSE(s.outbox.ended(17, outcome, s.now));
}

TEST(PresenceOutbox, TheNewerOfTwoCounts) {
  Scene s;
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here");
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=desk", "desk");
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "gone");
  s.end(1, pb::FAILED, pb::LINK_DOWN);
  s.end(3, pb::DELIVERED);
  s.pass(seconds(100));
  EXPECT_EQ(s.take(), (Texts{"state here", "state desk", "state gone"}));
  EXPECT_EQ(s.arrived, Texts{"gone"});
}

TEST(PresenceOutbox, WhatCouldNotBeTakenIsSaidAgain) {
  Scene s;
  s.send(pb::Presence::UNSUBSCRIBED, "sip:bob@sip.test", "no");
  s.take();
  s.end(1, pb::FAILED, pb::NO_TARGET);
  EXPECT_EQ(s.take(), Texts{});
  s.pass(seconds(1));
  EXPECT_EQ(s.take(), Texts{"presence no"});
  s.end(2, pb::FAILED, pb::NOT_GIVEN, 503);
  s.pass(seconds(1));
  EXPECT_EQ(s.take(), Texts{});
  s.pass(seconds(1));
  EXPECT_EQ(s.take(), Texts{"presence no"});
  s.end(3, pb::DELIVERED);
  EXPECT_EQ(s.arrived, Texts{"no"});
}

TEST(PresenceOutbox, WhatCannotBeSaidIsDropped) {
  Scene s;
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here");
  s.end(1, pb::FAILED, pb::UNSUPPORTED);
  s.send(pb::Presence::UNSUBSCRIBED, "sip:bob@sip.test", "no");
  s.end(2, pb::FAILED, pb::NOT_GIVEN, 404);
  EXPECT_EQ(s.outbox.size(), 0u);
  EXPECT_EQ(s.outbox.dropped(), 2u);
  EXPECT_EQ(s.refused, (Texts{"here", "no"}));
}

TEST(PresenceOutbox, ADomainThatIsNotFoundForNowIsNotTheEnd) {
  Scene s;
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here");
  s.take();
  pb::Outcome outcome;
  outcome.mutable_sip_status()->set_code(404);
  outcome.mutable_sip_status()->set_unresolvable(true);
  EXPECT_TRUE(s.outbox.ended(1, outcome, s.now));
  s.pass(seconds(1));
  EXPECT_EQ(s.take(), Texts{"state here"});
  EXPECT_TRUE(s.refused.empty());
}

// His server is not known for a moment, or a worker of before knows no presence.
TEST(PresenceOutbox, ThatSomebodyIsLetInIsSaidForLong) {
  Scene s;
  s.send(pb::Presence::SUBSCRIBED, "sip:bob@sip.test", "yes");
  for (uint64_t i = 1; i <= 60; ++i) {
    EXPECT_EQ(s.take().size(), 1u) << i;
    i % 2 == 0 ? s.end(i, pb::FAILED, pb::UNSUPPORTED) : s.end(i, pb::FAILED, pb::NOT_GIVEN, 404);
    s.pass(seconds(60));
  }
  EXPECT_TRUE(s.refused.empty());
  s.end(61, pb::FAILED, pb::NOT_GIVEN, 404);
  EXPECT_EQ(s.refused, Texts{"yes"});
  EXPECT_EQ(s.outbox.size(), 0u);
}

TEST(PresenceOutbox, WhatOneDeviceAskedForItAsksForAgain) {
  Scene s;
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here", "sip:ann*x.test@gw.test;gr=desk");
  s.end(1, pb::FAILED, pb::LINK_DOWN);
  EXPECT_EQ(s.outbox.size(), 0u);
}

std::string user_of(std::size_t i, const std::string& domain) {
  return "sip:u" + std::to_string(i) + "*" + domain + "@gw.test";
}

TEST(PresenceOutbox, WaitsForRoomAndLeavesSome) {
  Scene s;
  s.full = true;
  s.send(pb::Presence::SUBSCRIBED, "sip:bob@sip.test", "yes");
  EXPECT_EQ(s.take(), Texts{});
  s.full = false;
  s.pass(seconds(1));
  EXPECT_EQ(s.take(), Texts{"presence yes"});
  for (std::size_t i = 0; i < 2 * PresenceOutbox::kMaxUnderWay; ++i)
    s.send(pb::Presence::SUBSCRIBED, "sip:bob@sip.test", "yes",
           user_of(i, "d" + std::to_string(i) + ".test"));
  EXPECT_EQ(s.take().size(), PresenceOutbox::kMaxUnderWay - 1);
  s.end(1, pb::DELIVERED);
  EXPECT_EQ(s.take().size(), 1u);
}

TEST(PresenceOutbox, ADomainThatCannotBeReachedHoldsUpNoOther) {
  Scene s;
  for (std::size_t i = 0; i < 1000; ++i)
    s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here", user_of(i, "dead.test"));
  EXPECT_EQ(s.take().size(), PresenceOutbox::kMaxUnderWayOfDomain);
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "now", user_of(1, "alive.test"));
  EXPECT_EQ(s.take(), Texts{"state now"});
  for (uint64_t i = 1; i <= PresenceOutbox::kMaxUnderWayOfDomain; ++i) s.end(i, pb::FAILED, pb::DEADLINE);
  EXPECT_EQ(s.take().size(), PresenceOutbox::kMaxUnderWayOfDomain) << "others of the domain have their turn";

  // A newer one in the queue is there once, whatever becomes of the older.
  for (int i = 0; i < 100; ++i)
    s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "newer", user_of(999, "dead.test"));
  EXPECT_EQ(s.outbox.size(), 1001u);
}

TEST(PresenceOutbox, OneDomainDoesNotFillIt) {
  Scene s;
  s.full = true;
  for (std::size_t i = 0; i <= PresenceOutbox::kMaxOfDomain; ++i)
    s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here", user_of(i, "flood.test"));
  EXPECT_EQ(s.outbox.size(), PresenceOutbox::kMaxOfDomain);
  EXPECT_EQ(s.outbox.dropped(), 1u);
  s.send(pb::Presence::SUBSCRIBED, "sip:bob@sip.test", "yes", user_of(1, "flood.test"));
  s.send(pb::Presence::STATE, "sip:bob@sip.test;gr=sip", "here", user_of(1, "x.test"));
  EXPECT_EQ(s.outbox.dropped(), 1u);
}

}  // namespace
}  // namespace stox
