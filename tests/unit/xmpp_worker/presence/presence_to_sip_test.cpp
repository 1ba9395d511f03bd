#include "xmpp_worker/presence/presence_to_sip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "../xmpp/reading.h"

namespace stox::worker {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class PresenceToSipTest : public testing::Test, public PresenceToSipUser, public StanzaSender {
 protected:
  void SetUp() override { there_are({"sip-1", "sip-2", "sip-3"}); }
  Result<void> room(std::size_t more, pb::Reason* reason) override {
    if (envelopes.size() + more <= max_in_flight) return {};
    *reason = pb::OVERLOADED;
    return error("full");
  }
  Result<uint64_t> submit_presence(pb::Envelope& envelope, Time begin_before, Time, pb::Reason*) override {
    EXPECT_EQ(begin_before, clock.now() + seconds(60));
    envelopes.emplace_back().Swap(&envelope);
    return envelopes.size();
  }
  std::string new_trace_id() override { return "0123456789abcdef"; }
  bool send(std::string_view from, std::string_view to, std::string_view xml) override {
    sent.push_back(std::string(from) + " -> " + std::string(to) + ": " + std::string(xml));
    return true;
  }

  void there_are(const std::vector<std::string>& names) {
    std::vector<pb::Member> members;
    for (const std::string& name : names) {
      members.emplace_back().set_name(name);
      members.back().set_role(pb::FRONT);
    }
    subject.set_members(members);
  }
  bool take(const std::string& xml) { return subject.take(xmpp::Reading(xml).stanza()); }
  bool presence(const std::string& type, const std::string& content = "") {
    return take("<presence from='Ann@X.test/Phone' to='bob*sip.test@gw.test' id='p1'" +
                (type.empty() ? "" : " type='" + type + "'") + ">" + content + "</presence>");
  }
  // The fronts that the envelopes since the last call are for.
  std::vector<std::string> to() {
    std::vector<std::string> out;
    for (const pb::Envelope& each : std::exchange(envelopes, {})) out.push_back(each.to());
    return out;
  }
  pb::PresenceState state(const std::string& content, const std::string& type = "") {
    envelopes.clear();
    EXPECT_TRUE(presence(type, content));
    return envelopes.at(0).xmpp_state().state();
  }
  static pb::Outcome failed(pb::Reason reason) {
    pb::Outcome outcome;
    outcome.set_reason(reason);
    return outcome;
  }

  ManualClock clock;
  service::Log log{"test", service::Level::kError, "text"};
  service::Trace trace;
  PresenceToSip subject{10, clock, log, trace, *this, *this};
  std::size_t max_in_flight = 100;
  std::vector<pb::Envelope> envelopes;
  std::vector<std::string> sent;
};

TEST_F(PresenceToSipTest, WhatAUserAsksGoesToOneFront) {
  ASSERT_TRUE(presence("subscribe"));
  ASSERT_THAT(envelopes, SizeIs(1));
  const pb::Envelope asked = envelopes[0];
  EXPECT_EQ(asked.xmpp_presence().kind(), pb::Presence::SUBSCRIBE);
  EXPECT_EQ(asked.xmpp_presence().from(), "ann@x.test");
  EXPECT_EQ(asked.xmpp_presence().to(), "bob*sip.test@gw.test");
  EXPECT_THAT(asked.conversation(), HasSubstr("ann@x.test bob*sip.test@gw.test"));
  EXPECT_EQ(asked.trace_id(), "0123456789abcdef");
  const std::vector<std::string> front = to();

  ASSERT_TRUE(presence("probe"));
  EXPECT_EQ(envelopes[0].xmpp_state().kind(), pb::Presence::PROBE);
  EXPECT_EQ(envelopes[0].xmpp_state().from(), "ann@x.test/Phone");
  EXPECT_EQ(envelopes[0].xmpp_state().to(), "bob*sip.test@gw.test");
  EXPECT_EQ(to(), front);
}

// One that was away for long may have what another has taken over.
TEST_F(PresenceToSipTest, WhatAUserEndsEndsAtEveryFront) {
  ASSERT_TRUE(presence("subscribe"));
  const pb::Envelope asked = std::exchange(envelopes, {}).at(0);
  ASSERT_TRUE(presence("unsubscribe"));
  std::map<std::string, std::string> conversations;  // by front
  for (const pb::Envelope& each : envelopes) {
    EXPECT_EQ(each.xmpp_presence().kind(), pb::Presence::UNSUBSCRIBE);
    conversations[each.to()] = each.conversation();
  }
  EXPECT_EQ(conversations.at(asked.to()), asked.conversation()) << "in this order";
  EXPECT_THAT(to(), ElementsAre("sip-1", "sip-2", "sip-3"));
}

TEST_F(PresenceToSipTest, WhatConcernsWatchersGoesToEveryFront) {
  const std::map<std::string, pb::Presence::Kind> kinds = {{"subscribed", pb::Presence::SUBSCRIBED},
                                                           {"unsubscribed", pb::Presence::UNSUBSCRIBED},
                                                           {"error", pb::Presence::FAILED}};
  for (const auto& [type, kind] : kinds) {
    ASSERT_TRUE(presence(type));
    for (const pb::Envelope& each : envelopes) {
      EXPECT_EQ(each.xmpp_presence().kind(), kind);
      EXPECT_EQ(each.xmpp_presence().from(), "ann@x.test");
    }
    EXPECT_THAT(to(), ElementsAre("sip-1", "sip-2", "sip-3"));
  }
  for (const char* type : {"", "unavailable"}) {
    ASSERT_TRUE(presence(type));
    for (const pb::Envelope& each : envelopes) {
      EXPECT_EQ(each.xmpp_state().kind(), pb::Presence::STATE);
      EXPECT_EQ(each.xmpp_state().from(), "ann@x.test/Phone");
      EXPECT_EQ(each.xmpp_state().state().available(), std::string(type).empty());
    }
    EXPECT_THAT(to(), ElementsAre("sip-1", "sip-2", "sip-3"));
  }
}

// One that the bus keeps for one front is replaced by what is newer for that front, and by nothing else.
TEST_F(PresenceToSipTest, NothingWaitsForAnotherFrontOrDevice) {
  ASSERT_TRUE(presence("subscribe"));
  ASSERT_TRUE(presence("subscribed"));
  ASSERT_TRUE(presence("probe"));
  ASSERT_TRUE(presence(""));
  ASSERT_TRUE(take("<presence from='ann@x.test/desk' to='bob*sip.test@gw.test'/>"));
  std::map<std::string, int> conversations;
  for (const pb::Envelope& each : envelopes) ++conversations[each.conversation()];
  EXPECT_THAT(conversations, SizeIs(3 + 1 + 3 + 3))
      << "the subscription is one with its front's `subscribed`";
  envelopes.clear();
  ASSERT_TRUE(presence("", "<show>away</show>"));
  for (const pb::Envelope& each : envelopes) EXPECT_EQ(conversations.count(each.conversation()), 1u);
}

TEST_F(PresenceToSipTest, AFrontThatHasGoneForAMomentIsWaitedFor) {
  ASSERT_TRUE(presence("subscribe"));
  const std::string front = to().at(0);
  std::vector<std::string> others = {"sip-1", "sip-2", "sip-3"};
  std::erase(others, front);
  there_are(others);
  clock.advance(seconds(30));
  ASSERT_TRUE(presence("subscribe"));
  EXPECT_THAT(to(), ElementsAre(front));
  ASSERT_TRUE(presence(""));
  EXPECT_THAT(to(), ElementsAre("sip-1", "sip-2", "sip-3"));

  clock.advance(seconds(60));
  ASSERT_TRUE(presence("subscribe"));
  EXPECT_NE(to().at(0), front);
  ASSERT_TRUE(presence(""));
  EXPECT_EQ(to(), others);
}

TEST_F(PresenceToSipTest, AStateHasAllThatTheStanzaSays) {
  const pb::PresenceState one = state(
      "<show>dnd</show><status>hier</status><status xml:lang='en'>here</status><priority> -5 </priority>"
      "<delay xmlns='urn:xmpp:delay' stamp='2026-11-28T21:02:15Z'/>");
  EXPECT_TRUE(one.available());
  EXPECT_EQ(one.activity(), pb::PresenceState::BUSY);
  ASSERT_EQ(one.notes_size(), 2);
  EXPECT_EQ(one.notes(0).text(), "hier");
  EXPECT_EQ(one.notes(1).text(), "here");
  EXPECT_EQ(one.notes(1).lang(), "en");
  EXPECT_EQ(one.priority(), -5);
  EXPECT_EQ(one.since_s(), 1'795'899'735);

  EXPECT_EQ(state("<show>chat</show>").activity(), pb::PresenceState::CHAT);
  EXPECT_EQ(state("<show>away</show>").activity(), pb::PresenceState::AWAY);
  EXPECT_EQ(state("<show>xa</show>").activity(), pb::PresenceState::LONG_AWAY);
  EXPECT_EQ(state("").activity(), pb::PresenceState::NONE);
  EXPECT_EQ(state("").since_s(), 0);
  EXPECT_EQ(state("<status>bye</status>", "unavailable").notes(0).text(), "bye");
}

TEST_F(PresenceToSipTest, AStatusWithoutALanguageHasThatOfTheStanza) {
  ASSERT_TRUE(
      take("<presence from='ann@x.test/p' to='bob@gw.test' xml:lang='de'><status>hier</status>"
           "<status xml:lang='en'>here</status></presence>"));
  EXPECT_EQ(envelopes[0].xmpp_state().state().notes(0).lang(), "de");
  EXPECT_EQ(envelopes[0].xmpp_state().state().notes(1).lang(), "en");
}

TEST_F(PresenceToSipTest, WhatIsHostileIsCutOrIgnored) {
  std::string umlauts;
  for (int i = 0; i < 600; ++i) umlauts += "\xC3\xA4";
  EXPECT_EQ(state("<status>x" + umlauts + "</status>").notes(0).text(), "x" + umlauts.substr(0, 998));
  EXPECT_EQ(state("<status>" + umlauts + "</status>").notes(0).text(), umlauts.substr(0, 1000));
  std::string many;
  for (int i = 0; i < 40; ++i) many += "<status>" + std::to_string(i) + "</status>";
  EXPECT_EQ(state(many).notes_size(), 16);
  EXPECT_EQ(state("<status xml:lang='" + std::string(100, 'x') + "'>hi</status>").notes(0).lang(), "");
  EXPECT_EQ(state("<show>dancing</show>").activity(), pb::PresenceState::NONE);
  for (const char* priority : {"128", "-129", "1e9", "", "--1", "99999999999999999999", "0x7f"})
    EXPECT_EQ(state("<priority>" + std::string(priority) + "</priority>").priority(), 0) << priority;
  EXPECT_EQ(state("<priority>-128</priority>").priority(), -128);
  EXPECT_EQ(state("<priority>+127</priority>").priority(), 127);
  EXPECT_EQ(state("<delay xmlns='urn:xmpp:delay' stamp='yesterday'/>").since_s(), 0);
  EXPECT_EQ(state("<status/>").notes_size(), 0);
}

TEST_F(PresenceToSipTest, ARefusalAndAnErrorSayWhy) {
  ASSERT_TRUE(presence("unsubscribed", "<status>who are you</status>"));
  EXPECT_EQ(envelopes[0].xmpp_presence().text(), "who are you");
  envelopes.clear();
  ASSERT_TRUE(presence("error",
                       "<error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
                       "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>nobody</text></error>"));
  EXPECT_EQ(envelopes[0].xmpp_presence().condition(), "item-not-found");
  EXPECT_EQ(envelopes[0].xmpp_presence().text(), "nobody");
  envelopes.clear();
  ASSERT_TRUE(presence("error", ""));
  EXPECT_EQ(envelopes[0].xmpp_presence().condition(), "undefined-condition");
  subject.ended(1, failed(pb::NO_TARGET));
  EXPECT_THAT(sent, IsEmpty()) << "an error is never answered";
}

TEST_F(PresenceToSipTest, OtherPresenceIsNotItsOwn) {
  EXPECT_FALSE(take("<presence from='ann@x.test/p' to='gw.test' type='subscribe'/>"));
  EXPECT_FALSE(take("<presence from='x.test' to='bob@gw.test' type='probe'/>"));
  EXPECT_FALSE(take("<presence from='ann@x.test/p'/>"));
  EXPECT_FALSE(take("<presence from='ann@@x.test' to='bob@gw.test'/>"));
  EXPECT_FALSE(presence("invisible"));
  EXPECT_FALSE(presence("", "<x xmlns='http://jabber.org/protocol/muc#user'><item role='none'/></x>"));
  EXPECT_FALSE(presence("", "<x xmlns='http://jabber.org/protocol/muc'/>"));
  EXPECT_THAT(envelopes, IsEmpty());
}

TEST_F(PresenceToSipTest, WhoseSubscriptionReachedNoFrontMayAskAgain) {
  ASSERT_TRUE(presence("subscribe"));
  EXPECT_TRUE(subject.ended(1, failed(pb::NO_TARGET)));
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("bob*sip.test@gw.test -> Ann@X.test/Phone: <presence "
                                 "from='bob*sip.test@gw.test' to='Ann@X.test/Phone' id='p1' type='error'>"
                                 "<error type='wait' by='gw.test'><resource-constraint "));
  EXPECT_FALSE(subject.ended(1, failed(pb::NO_TARGET))) << "once";

  ASSERT_TRUE(presence("subscribe"));
  EXPECT_TRUE(subject.ended(2, failed(pb::DEADLINE)));
  EXPECT_THAT(sent[1], HasSubstr("<remote-server-timeout "));
  EXPECT_THAT(sent[1], HasSubstr("No answer in time"));

  ASSERT_TRUE(presence("subscribe"));
  pb::Outcome refused;
  refused.mutable_stanza_error()->set_type("cancel");
  refused.mutable_stanza_error()->set_condition("jid-malformed");
  EXPECT_TRUE(subject.ended(3, refused));
  EXPECT_THAT(sent[2], HasSubstr("<jid-malformed "));
}

TEST_F(PresenceToSipTest, NobodyIsToldOfAnythingElse) {
  ASSERT_TRUE(presence("subscribe"));
  pb::Outcome done;
  done.set_verdict(pb::DELIVERED);
  EXPECT_TRUE(subject.ended(1, done));
  for (const char* type : {"unsubscribe", "subscribed", "unsubscribed", "probe", "", "unavailable", "error"})
    ASSERT_TRUE(presence(type));
  for (uint64_t number = 2; number <= envelopes.size(); ++number)
    EXPECT_FALSE(subject.ended(number, failed(pb::NO_TARGET)));
  EXPECT_THAT(sent, IsEmpty());
}

TEST_F(PresenceToSipTest, LeavesRoomForMessages) {
  max_in_flight = 13;  // ten of them are to stay free
  ASSERT_TRUE(presence(""));
  EXPECT_THAT(envelopes, SizeIs(3));
  ASSERT_TRUE(presence(""));
  ASSERT_TRUE(presence("probe"));
  EXPECT_THAT(envelopes, SizeIs(3));
  EXPECT_EQ(subject.figures().dropped, 2u);
  EXPECT_THAT(sent, IsEmpty());
  ASSERT_TRUE(presence("subscribe"));
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("<error type='wait' by='gw.test'><resource-constraint "));
}

TEST_F(PresenceToSipTest, FrontsThatAreAwayKeepNothingFromThoseThere) {
  ASSERT_TRUE(presence("subscribe"));
  const std::string away = to().at(0);
  std::vector<std::string> there = {"sip-1", "sip-2", "sip-3"};
  std::erase(there, away);
  there_are(there);
  max_in_flight = 30;  // ten of them are to stay free, and twenty if anything is to wait
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(presence(""));
  EXPECT_THAT(envelopes, SizeIs(9)) << "there is room";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(presence(""));
  EXPECT_THAT(envelopes, SizeIs(15)) << "only for those that are there";
  for (std::size_t i = 9; i < 15; ++i) EXPECT_NE(envelopes[i].to(), away);

  ASSERT_TRUE(presence("probe"));
  EXPECT_THAT(envelopes, SizeIs(15));
  ASSERT_TRUE(presence("subscribe"));
  EXPECT_THAT(envelopes, SizeIs(15));
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("<error type='wait' by='gw.test'><resource-constraint "));

  there_are({});  // a mapper has died
  ASSERT_TRUE(presence(""));
  EXPECT_THAT(envelopes, SizeIs(18));
}

TEST_F(PresenceToSipTest, WithoutAnyFrontWhoSubscribesIsToldSo) {
  there_are({});
  clock.advance(seconds(90));
  ASSERT_TRUE(presence("subscribe"));
  ASSERT_TRUE(presence("unsubscribe"));
  ASSERT_TRUE(presence(""));
  EXPECT_THAT(envelopes, IsEmpty());
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("<resource-constraint "));
}

TEST_F(PresenceToSipTest, AWorkerThatStopsTellsWhoWaits) {
  ASSERT_TRUE(presence("subscribe"));
  subject.stop();
  ASSERT_THAT(sent, SizeIs(1));
  EXPECT_THAT(sent[0], HasSubstr("being restarted"));
  subject.stop();
  EXPECT_THAT(sent, SizeIs(1));
}

}  // namespace
}  // namespace stox::worker
