#include "xmpp_worker/presence/presence_to_xmpp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../stream_by_hand.h"

namespace stox::worker {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class PresenceToXmppTest : public testing::Test, public PresenceToXmppUser {
 protected:
  void finish(const pb::EnvelopeId& id, const pb::Outcome& outcome) override {
    EXPECT_TRUE(outcomes.emplace(id.number(), outcome).second) << id.number() << " ended twice";
  }
  xmpp::Path* path(std::string_view, std::string_view to) override {
    return to == "nowhere.test" ? nullptr : &stream.component;
  }
  uint64_t begin(const pb::Presence& presence) {
    pb::Envelope envelope;
    envelope.mutable_id()->set_number(++last);
    const bool of_device = presence.kind() == pb::Presence::STATE || presence.kind() == pb::Presence::PROBE;
    (of_device ? *envelope.mutable_xmpp_state() : *envelope.mutable_xmpp_presence()) = presence;
    subject.begin(envelope, clock.now() + seconds(60));
    return last;
  }
  static pb::Presence presence(pb::Presence::Kind kind, const std::string& text = "") {
    pb::Presence out;
    out.set_kind(kind);
    out.set_from("bob@gw.test/sip");
    out.set_to("ann@x.test");
    out.set_text(text);
    return out;
  }
  static pb::Presence state(bool available, const std::string& note = "") {
    pb::Presence out = presence(pb::Presence::STATE);
    out.mutable_state()->set_available(available);
    if (!note.empty()) out.mutable_state()->add_notes()->set_text(note);
    return out;
  }
  std::string written(const pb::Presence& presence) {
    const uint64_t number = begin(presence);
    EXPECT_EQ(outcomes[number].verdict(), pb::PASSED_ON);
    return stream.take();
  }
  std::string written_when_up() {
    stream.come_up();
    subject.path_up(stream.component);
    subject.about_to_write(stream.component);
    return stream.take();
  }
  void break_down() {
    stream.break_down();
    subject.path_down(stream.component);
  }
  pb::Reason reason(uint64_t number) {
    EXPECT_EQ(outcomes.count(number), 1u);
    EXPECT_EQ(outcomes[number].verdict(), pb::FAILED);
    return outcomes[number].reason();
  }

  ManualClock clock;
  service::Log log{"test", service::Level::kError, "text"};
  StreamByHand stream{clock};
  PresenceToXmpp subject{clock, log, *this};
  std::map<uint64_t, pb::Outcome> outcomes;
  uint64_t last = 0;
};

TEST_F(PresenceToXmppTest, WhatUsersAskGrantAndRefuseIsBetweenBareAddresses) {
  stream.come_up();
  const auto stanza = [](const std::string& type) {
    return "<presence from='bob@gw.test' to='ann@x.test' type='" + type + "'";
  };
  EXPECT_EQ(written(presence(pb::Presence::SUBSCRIBE, "let me in")), stanza("subscribe") + "/>")
      << "clients take a status for words of the person";
  EXPECT_EQ(written(presence(pb::Presence::SUBSCRIBED)), stanza("subscribed") + "/>");
  EXPECT_EQ(written(presence(pb::Presence::UNSUBSCRIBE)), stanza("unsubscribe") + "/>");
  EXPECT_EQ(written(presence(pb::Presence::UNSUBSCRIBED)), stanza("unsubscribed") + "/>");
  EXPECT_EQ(written(presence(pb::Presence::UNSUBSCRIBED, "No such <user>")),
            stanza("unsubscribed") + "><status>No such &lt;user&gt;</status></presence>");
  EXPECT_EQ(written(presence(pb::Presence::PROBE)), stanza("probe") + "/>");
}

TEST_F(PresenceToXmppTest, AStateIsThatOfADevice) {
  stream.come_up();
  subject.set_caps_version("abc=");
  pb::Presence busy = state(true, "in a meeting");
  busy.set_to("ann@x.test/desk");
  busy.mutable_state()->mutable_notes(0)->set_lang("en");
  busy.mutable_state()->add_notes()->set_text("en r\xC3\xA9union");
  busy.mutable_state()->set_activity(pb::PresenceState::BUSY);
  busy.mutable_state()->set_priority(-7);
  busy.mutable_state()->set_since_s(1'700'000'000);
  EXPECT_EQ(written(busy),
            "<presence from='bob@gw.test/sip' to='ann@x.test/desk'><show>dnd</show>"
            "<status xml:lang='en'>in a meeting</status><status>en r\xC3\xA9union</status>"
            "<priority>-7</priority><delay xmlns='urn:xmpp:delay' stamp='2023-11-14T22:13:20Z'/>"
            "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='https://stox.invalid' ver='abc='/>"
            "</presence>");
  EXPECT_EQ(written(state(false, "gone home")),
            "<presence from='bob@gw.test/sip' to='ann@x.test' type='unavailable'>"
            "<status>gone home</status></presence>");
}

TEST_F(PresenceToXmppTest, EachActivityHasItsShow) {
  stream.come_up();
  const std::map<pb::PresenceState::Activity, std::string> shows = {{pb::PresenceState::CHAT, "chat"},
                                                                    {pb::PresenceState::AWAY, "away"},
                                                                    {pb::PresenceState::LONG_AWAY, "xa"},
                                                                    {pb::PresenceState::BUSY, "dnd"}};
  for (const auto& [activity, show] : shows) {
    pb::Presence one = state(true);
    one.mutable_state()->set_activity(activity);
    EXPECT_EQ(written(one),
              "<presence from='bob@gw.test/sip' to='ann@x.test'><show>" + show + "</show></presence>");
  }
  EXPECT_EQ(written(state(true)), "<presence from='bob@gw.test/sip' to='ann@x.test'/>");
}

TEST_F(PresenceToXmppTest, OnlyAnOldStateIsStamped) {
  stream.come_up();
  const int64_t now_s = clock.wall_us() / 1'000'000;
  const auto since = [&](int64_t since_s) {
    pb::Presence one = state(true);
    one.mutable_state()->set_since_s(since_s);
    return written(one);
  };
  EXPECT_THAT(since(now_s - 61), HasSubstr("<delay "));
  for (const int64_t each : {now_s - 59, now_s, now_s + 3600, int64_t{0}, int64_t{-5}})
    EXPECT_THAT(since(each), Not(HasSubstr("<delay "))) << each;
}

TEST_F(PresenceToXmppTest, WhatXmppDoesNotHaveIsNotWritten) {
  stream.come_up();
  EXPECT_EQ(reason(begin(presence(pb::Presence::FAILED))), pb::UNSUPPORTED);
  EXPECT_EQ(reason(begin(presence(pb::Presence::NOTHING))), pb::UNSUPPORTED);
  EXPECT_EQ(stream.take(), "");
}

TEST_F(PresenceToXmppTest, WaitsForTheStreamInItsOrder) {
  begin(presence(pb::Presence::SUBSCRIBED));
  begin(state(true));
  EXPECT_THAT(outcomes, IsEmpty());
  EXPECT_EQ(subject.held(), 2u);
  EXPECT_EQ(written_when_up(),
            "<presence from='bob@gw.test' to='ann@x.test' type='subscribed'/>"
            "<presence from='bob@gw.test/sip' to='ann@x.test'/>");
  EXPECT_EQ(outcomes[1].verdict(), pb::PASSED_ON);
  EXPECT_EQ(outcomes[2].verdict(), pb::PASSED_ON);
  EXPECT_EQ(subject.held(), 0u);
}

TEST_F(PresenceToXmppTest, OfTheStatesThatWaitTheNewestCounts) {
  const uint64_t first = begin(state(true, "one"));
  pb::Presence of_another = state(true, "another");
  of_another.set_from("bob@gw.test/desk");
  begin(of_another);
  begin(presence(pb::Presence::PROBE));
  const uint64_t second = begin(state(false, "two"));
  EXPECT_EQ(reason(first), pb::SUPERSEDED);
  const std::string all = written_when_up();
  EXPECT_THAT(all, Not(HasSubstr("one")));
  EXPECT_THAT(all, HasSubstr("another"));
  EXPECT_THAT(all, HasSubstr("type='probe'"));
  EXPECT_THAT(all, HasSubstr("two"));
  EXPECT_EQ(outcomes[second].verdict(), pb::PASSED_ON);
}

TEST_F(PresenceToXmppTest, DoesNotWaitLongerThanItMay) {
  const uint64_t early = begin(state(true));
  clock.advance(seconds(30));
  pb::Presence other = state(true);
  other.set_to("eve@x.test");
  const uint64_t late = begin(other);
  subject.turn();
  EXPECT_THAT(outcomes, IsEmpty());
  clock.advance(seconds(30));
  subject.turn();
  EXPECT_EQ(reason(early), pb::LINK_DOWN);
  EXPECT_THAT(written_when_up(), HasSubstr("to='eve@x.test'"));
  EXPECT_EQ(outcomes[late].verdict(), pb::PASSED_ON);
}

TEST_F(PresenceToXmppTest, WhatIsTooLateIsNotWrittenWhenTheStreamComes) {
  const uint64_t number = begin(state(true));
  clock.advance(seconds(61));
  EXPECT_THAT(written_when_up(), Not(HasSubstr("<presence")));
  EXPECT_EQ(reason(number), pb::DEADLINE);
}

TEST_F(PresenceToXmppTest, AServerThatDoesNotReadIsWaitedFor) {
  stream.come_up();
  stream.unread = 1 << 30;
  const uint64_t number = begin(state(true));
  subject.about_to_write(stream.component);
  EXPECT_EQ(stream.take(), "");
  stream.unread = 0;
  stream.wakeups = 0;
  subject.turn();
  EXPECT_EQ(stream.wakeups, 1);
  subject.about_to_write(stream.component);
  EXPECT_THAT(stream.take(), HasSubstr("<presence"));
  EXPECT_EQ(outcomes[number].verdict(), pb::PASSED_ON);
}

TEST_F(PresenceToXmppTest, WhatWaitsIsBounded) {
  uint64_t taken = 0;
  for (int i = 0; i < 5000; ++i) {
    pb::Presence one = state(true, std::string(1000, 'x'));
    one.set_to("ann" + std::to_string(i) + "@x.test");
    const uint64_t number = begin(one);
    if (outcomes.count(number) != 0)
      EXPECT_EQ(reason(number), pb::OVERLOADED);
    else
      ++taken;
  }
  EXPECT_GT(taken, 500u);
  EXPECT_LT(taken * 1000, PresenceToXmpp::kMaxOfPath);
  EXPECT_EQ(subject.held(), taken);
}

TEST_F(PresenceToXmppTest, EndsWithWhatItWaitsFor) {
  const uint64_t lost = begin(state(true));
  subject.drop_held(pb::LINK_DOWN, "out of reach");
  EXPECT_EQ(reason(lost), pb::LINK_DOWN);
  const uint64_t gone = begin(state(true));
  subject.path_gone(stream.component);
  EXPECT_EQ(reason(gone), pb::LINK_DOWN);
  const uint64_t stopped = begin(state(true));
  subject.stop();
  EXPECT_EQ(reason(stopped), pb::STOPPING);
  EXPECT_EQ(reason(begin(state(true))), pb::STOPPING) << "nothing waits any more";
  EXPECT_EQ(subject.held(), 0u);
  stream.come_up();
  EXPECT_THAT(written(state(true)), HasSubstr("<presence"));
}

TEST_F(PresenceToXmppTest, AServerThatRefusesUsIsNotWaitedFor) {
  const uint64_t number = begin(state(true));
  stream.be_refused();
  EXPECT_EQ(reason(begin(presence(pb::Presence::SUBSCRIBE))), pb::LINK_DOWN);
  subject.turn();
  EXPECT_EQ(reason(number), pb::LINK_DOWN);
}

TEST_F(PresenceToXmppTest, WhereThereIsNoRoomForAStreamItEnds) {
  pb::Presence one = state(true);
  one.set_to("ann@nowhere.test");
  EXPECT_EQ(reason(begin(one)), pb::OVERLOADED);
}

TEST_F(PresenceToXmppTest, NobodySpeaksForAnotherDomain) {
  stream.come_up();
  pb::Presence one = state(true);
  one.set_from("bob@else.test/sip");
  const uint64_t number = begin(one);
  EXPECT_EQ(outcomes[number].stanza_error().condition(), "internal-server-error");
  EXPECT_EQ(stream.take(), "");
}

// A stream can be dead for minutes before that is noticed.
TEST_F(PresenceToXmppTest, WhatABrokenStreamMayHaveLostIsWrittenAgain) {
  subject.write_again_after_breaks(true);
  stream.come_up();
  EXPECT_THAT(written(presence(pb::Presence::SUBSCRIBED)), HasSubstr("'subscribed'"));
  EXPECT_THAT(written(state(true, "one")), HasSubstr("one"));
  EXPECT_THAT(written(state(true, "two")), HasSubstr("two"));
  EXPECT_THAT(written(presence(pb::Presence::SUBSCRIBE)), HasSubstr("'subscribe'"));
  EXPECT_THAT(written(presence(pb::Presence::UNSUBSCRIBED)), HasSubstr("'unsubscribed'"));
  clock.advance(seconds(200));
  break_down();
  EXPECT_EQ(subject.held(), 2u);
  std::string again = written_when_up();
  EXPECT_LT(again.find("'subscribed'"), again.find("two"));
  EXPECT_THAT(again, Not(HasSubstr("one")));
  EXPECT_THAT(again, Not(HasSubstr("unsubscribed")));
  EXPECT_EQ(outcomes.size(), 5u) << "each has ended once";

  // However often it breaks, for so long and no longer.
  clock.advance(seconds(101));
  break_down();
  EXPECT_EQ(written_when_up(), "");
}

TEST_F(PresenceToXmppTest, WhatIsNewerIsNotReplacedByWhatWasWrittenBefore) {
  subject.write_again_after_breaks(true);
  stream.come_up();
  EXPECT_THAT(written(state(true, "one")), HasSubstr("one"));
  stream.break_down();
  begin(state(true, "two"));
  subject.path_down(stream.component);
  const std::string again = written_when_up();
  EXPECT_THAT(again, HasSubstr("two"));
  EXPECT_THAT(again, Not(HasSubstr("one")));
}

TEST_F(PresenceToXmppTest, AComponentLeavesItToTheFront) {
  stream.come_up();
  EXPECT_THAT(written(state(true, "one")), HasSubstr("one"));
  break_down();
  EXPECT_EQ(subject.held(), 0u);
}

}  // namespace
}  // namespace stox::worker
