#include "xmpp_worker/rooms/rooms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../stream_by_hand.h"
#include "common/base/timestamp.h"

namespace stox::worker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kUser = "romeo*sip.test@gw.test", kRoom = "verona@conf.test";
const std::string kOccupant = kUser + "/sip";
const std::string kStamp =
    "<delay xmlns='urn:xmpp:delay' from='" + kRoom + "' stamp='2100-01-01T00:00:00Z'/>";

class RoomsTest : public testing::Test, public RoomsUser, public StanzaSender {
 protected:
  // What a process of this name finds on its disk is what the one before it has left.
  RoomsTest() : folder_(std::filesystem::temp_directory_path() / ("rooms_test." + std::to_string(getpid()))) {
    std::filesystem::remove_all(folder_);
    stream.come_up();
    start();
  }
  ~RoomsTest() override { std::filesystem::remove_all(folder_); }
  void start() {
    rooms.reset();
    rooms.emplace((folder_ / "worker.rooms").string(), stream.ids, clock, log, trace, *this, *this);
    rooms->set({Rooms::Which::kListed, {"conf.test"}, '#', '*'});
    ASSERT_TRUE(rooms->open());
  }

  void carry(const pb::Envelope& envelope, Time) override { carried.push_back(envelope); }
  void begin_again(const pb::Envelope& envelope, Time begin_before) override {
    again.push_back(envelope.id().number());
    (void)rooms->begin(envelope, begin_before);
  }
  void finish_of_room(const pb::EnvelopeId& id, const pb::Outcome& outcome) override {
    EXPECT_TRUE(outcomes.emplace(id.number(), outcome).second) << id.number() << " ended twice";
  }
  bool send(std::string_view, std::string_view, std::string_view xml) override {
    sent.emplace_back(xml);
    return true;
  }
  void tell_phone(std::string_view user, std::string_view room, std::string_view text,
                  std::string_view because_of, unsigned messages) override {
    EXPECT_EQ(user, kUser);
    told.emplace_back(text);
    stands_for = messages;
    sharers.emplace_back(because_of == room ? "" : because_of);
  }
  void reflected(const xmpp::Stanza& stanza, uint64_t) override { reflections.emplace_back(stanza.id); }
  Result<std::string> jid_of(std::string_view typed) const override {
    return std::string(typed.substr(4, typed.find('@') - 4)) + "*sip.test@gw.test";
  }
  const std::string& own_domain() const override { return domain_; }
  bool acts_for(std::string_view, std::string_view) const override { return acts; }
  std::map<std::string, uint64_t> siblings() const override { return others; }
  void tell_sibling(const std::string& worker, uint64_t, uint64_t, const pb::RoomNews& each) override {
    news[worker].push_back(each);
  }
  void publish_soon() override { has_to_publish = true; }

  // The phone writes to the room.
  bool writes(uint64_t number, const std::string& text, const std::string& to = kRoom,
              const std::string& name = "Romeo M.") {
    pb::Envelope envelope;
    envelope.mutable_id()->set_origin("sip-1");
    envelope.mutable_id()->set_epoch(3);
    envelope.mutable_id()->set_number(number);
    pb::XmppMessage& message = *envelope.mutable_xmpp_message();
    message.set_from(kUser);
    message.set_to(to);
    message.set_type("chat");
    message.set_nick(name);
    message.add_bodies()->set_text(text);
    return rooms->begin(envelope, clock.now() + seconds(60));
  }
  void room_says(const std::string& xml) {
    stream.on_stanza = [this](const xmpp::Stanza& stanza) {
      if (stanza.kind == xmpp::Stanza::Kind::kPresence) {
        presence_taken = rooms->take_presence(stanza);
      } else if (stanza.kind == xmpp::Stanza::Kind::kIq || stanza.is_error()) {
        const auto id = stream.ids.read_answer(stanza.id, stanza.from, stanza.to);
        ASSERT_TRUE(id);
        rooms->answered(*id, stanza);
      } else {
        taken = rooms->take_message(stanza, 1);
      }
    };
    stream.server(xml);
    if (std::exchange(has_to_publish, false)) rooms->publish();
  }
  std::string presence(const std::string& nick, const std::string& codes, const std::string& type = "",
                       const std::string& item = "") {
    return "<presence from='" + kRoom + "/" + nick + "' to='" + kOccupant + "'" +
           (type.empty() ? "" : " type='" + type + "'") + "><x xmlns='http://jabber.org/protocol/muc#user'>" +
           item + codes + "</x></presence>";
  }
  void lets_in(const std::string& nick = "Romeo M.") { room_says(presence(nick, "<status code='110'/>")); }
  void refuses(const std::string& condition, const std::string& type = "cancel") {
    room_says("<presence type='error' from='" + kRoom + "/Romeo M.' to='" + kOccupant + "'><error type='" +
              type + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
  }
  Rooms::Taken said(const std::string& nick, const std::string& text, const std::string& id = "m1",
                    const std::string& more = "") {
    room_says("<message type='groupchat' id='" + id + "' from='" + kRoom + "/" + nick + "' to='" + kOccupant +
              "'><body>" + text + "</body>" + more + "</message>");
    return taken;
  }
  void comes_in() {
    writes(1, "hello");
    lets_in();
    sent.clear();
    told.clear();
    carried.clear();
  }
  void pass(Duration d) {
    for (const Time until = clock.now() + d; clock.now() < until;) {
      clock.advance(seconds(1));
      rooms->turn();
      rooms->publish();
    }
  }
  // What another worker tells just now.
  pb::RoomNews of_another(pb::Membership::State state) {
    pb::RoomNews out;
    pb::Membership& membership = *out.add_memberships();
    membership.set_user(kUser);
    membership.set_room(kRoom);
    membership.set_nick("Romeo M.");
    membership.set_state(state);
    membership.set_changed_us(clock.wall_us() + 1000);
    return out;
  }
  pb::Outcome failed(const std::string& condition) {
    pb::Outcome outcome;
    outcome.mutable_stanza_error()->set_type("modify");
    outcome.mutable_stanza_error()->set_condition(condition);
    return outcome;
  }
  static std::string id_in(const std::string& written) {
    const auto id = written.find(" id='") + 5;
    return written.substr(id, written.find('\'', id) - id);
  }

  std::filesystem::path folder_;
  std::string domain_ = "gw.test";
  ManualClock clock;
  service::Log log{"test", service::Level::kError, "text"};
  service::Trace trace;
  StreamByHand stream{clock};
  std::optional<Rooms> rooms;
  std::vector<pb::Envelope> carried;
  std::vector<uint64_t> again;
  std::map<uint64_t, pb::Outcome> outcomes;
  std::vector<std::string> sent, told, sharers, reflections;
  unsigned stands_for = 0;
  std::map<std::string, uint64_t> others;
  std::map<std::string, std::vector<pb::RoomNews>> news;
  bool acts = true, has_to_publish = false, presence_taken = false;
  Rooms::Taken taken = Rooms::Taken::kNo;
};

TEST_F(RoomsTest, WhoWritesIsInTheRoomUnderHisName) {
  EXPECT_TRUE(writes(1, "hello"));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr("from='" + kOccupant + "' to='" + kRoom + "/Romeo M.'"));
  EXPECT_THAT(sent[0], HasSubstr("maxstanzas='0'"));
  EXPECT_THAT(carried, IsEmpty());
  lets_in();
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_EQ(carried[0].xmpp_message().from(), kOccupant);
  EXPECT_EQ(carried[0].xmpp_message().type(), "groupchat");
  EXPECT_THAT(told, ElementsAre(HasSubstr("You are in this room now, as Romeo M.")));
  writes(2, "again");
  EXPECT_EQ(carried.size(), 2u);
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(RoomsTest, OtherDomainsAndTheRoomsDomainItselfAreNoRooms) {
  EXPECT_FALSE(writes(1, "hi", "juliet@x.test"));
  EXPECT_FALSE(writes(2, "hi", "conf.test"));
}

TEST_F(RoomsTest, WithoutANameTheUserPartIsTheNick) {
  writes(1, "hello", kRoom, "");
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr(kRoom + "/romeo'"));
}

TEST_F(RoomsTest, ANickThatIsTakenIsNumbered) {
  writes(1, "hello", kRoom, "romeo");
  refuses("conflict");
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_THAT(sent[1], HasSubstr(kRoom + "/romeo2'"));
  lets_in("romeo2");
  EXPECT_EQ(carried.size(), 1u);
}

TEST_F(RoomsTest, ARefusalIsToldInWords) {
  writes(1, "hello");
  refuses("registration-required", "auth");
  ASSERT_TRUE(outcomes.contains(1));
  EXPECT_EQ(outcomes[1].verdict(), pb::FAILED);
  EXPECT_EQ(outcomes[1].stanza_error().condition(), "registration-required");
  EXPECT_THAT(outcomes[1].stanza_error().text(), HasSubstr("members"));
  EXPECT_EQ(rooms->size(), 0u);
}

TEST_F(RoomsTest, AFullRoomIsToldApart) {
  writes(1, "hello");
  refuses("service-unavailable", "wait");
  EXPECT_TRUE(outcomes[1].stanza_error().room_is_full());
}

TEST_F(RoomsTest, ARoomThatDoesNotAnswerIsNotWaitedForLongerThanASipClientWaits) {
  writes(1, "hello");
  pass(seconds(26));
  ASSERT_TRUE(outcomes.contains(1));
  EXPECT_EQ(outcomes[1].verdict(), pb::FAILED);
  EXPECT_EQ(rooms->size(), 0u);
}

TEST_F(RoomsTest, WhatPeopleSayIsForThePhoneAndOwnWordsAreNot) {
  comes_in();
  EXPECT_EQ(said("juliet", "hi"), Rooms::Taken::kForPhone);
  EXPECT_EQ(said("Romeo M.", "hello", "ours"), Rooms::Taken::kDone);
  EXPECT_THAT(reflections, ElementsAre("ours"));
  EXPECT_EQ(said("juliet", "hi"), Rooms::Taken::kForPhone) << "some clients give no id";
}

TEST_F(RoomsTest, AMessageOfARoomThatNobodyIsInIsNotTaken) {
  EXPECT_EQ(said("juliet", "hi"), Rooms::Taken::kNo);
  others["component-2"] = 1;
  EXPECT_EQ(said("juliet", "hi"), Rooms::Taken::kDone);
}

TEST_F(RoomsTest, WhoIsNotInItAnyMoreComesBackAndSaysItAgain) {
  comes_in();
  writes(2, "news");
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_TRUE(rooms->ended(carried[0].id(), failed("not-acceptable")));
  EXPECT_FALSE(outcomes.contains(2));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr(" since='"));
  lets_in();
  ASSERT_EQ(carried.size(), 2u);
  EXPECT_EQ(carried[1].id().number(), 2u);
  rooms->ended(carried[1].id(), failed("not-acceptable"));
  EXPECT_TRUE(outcomes.contains(2)) << "once is enough";
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(RoomsTest, CommandsAreNotSaid) {
  comes_in();
  writes(2, "#members");
  EXPECT_EQ(outcomes[2].verdict(), pb::DELIVERED);
  ASSERT_EQ(sent.size(), 1u);
  room_says("<iq type='result' from='" + kRoom + "' to='" + kOccupant + "' id='" + id_in(sent[0]) +
            "'><query xmlns='http://jabber.org/protocol/disco#items'><item jid='" + kRoom +
            "/juliet'/><item jid='" + kRoom + "/nurse'/></query></iq>");
  EXPECT_THAT(told, ElementsAre(testing::AllOf(HasSubstr("juliet"), HasSubstr("nurse"))));
  room_says(presence("juliet", ""));
  room_says(presence("nurse", ""));
  room_says(presence("nurse", "", "unavailable"));
  writes(7, "#members");
  room_says("<iq type='result' from='" + kRoom + "' to='" + kOccupant + "' id='" + id_in(sent.back()) +
            "'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
  EXPECT_THAT(told.back(), testing::AllOf(HasSubstr("juliet"), testing::Not(HasSubstr("nurse"))));
  writes(3, "#help");
  EXPECT_THAT(told.back(), HasSubstr("#leave"));
  writes(4, "#nosuchthing");
  EXPECT_EQ(carried.size(), 1u);
  writes(5, "#msg juliet psst");
  ASSERT_EQ(carried.size(), 2u);
  EXPECT_EQ(carried[1].xmpp_message().to(), kRoom + "/juliet");
  EXPECT_EQ(carried[1].xmpp_message().type(), "chat");
  EXPECT_EQ(carried[1].xmpp_message().bodies(0).text(), "psst");
  writes(6, "#invite sip:tybalt@sip.test");
  EXPECT_THAT(sent.back(), HasSubstr("to='tybalt*sip.test@gw.test'"));
}

TEST_F(RoomsTest, ANewNick) {
  comes_in();
  writes(2, "#nick montague");
  EXPECT_THAT(sent.back(), HasSubstr(kRoom + "/montague'"));
  room_says(presence("Romeo M.", "<status code='303'/><status code='110'/>", "unavailable",
                     "<item nick='montague'/>"));
  lets_in("montague");
  EXPECT_THAT(told, ElementsAre(HasSubstr("montague")));
  EXPECT_EQ(said("montague", "mine"), Rooms::Taken::kDone);
  EXPECT_EQ(said("Romeo M.", "another's", "m2"), Rooms::Taken::kForPhone);
}

TEST_F(RoomsTest, LeavingIsForGood) {
  comes_in();
  writes(2, "#leave");
  EXPECT_THAT(sent.back(), HasSubstr("type='unavailable'"));
  EXPECT_EQ(rooms->size(), 0u);
  room_says(presence("Romeo M.", "<status code='110'/>", "unavailable"));
  pass(minutes(20));
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(RoomsTest, WhoIsKickedIsToldAndStaysOut) {
  comes_in();
  room_says(presence("Romeo M.", "<status code='307'/><status code='110'/>", "unavailable",
                     "<item><actor nick='prince'/><reason>No fights</reason></item>"));
  EXPECT_THAT(told, ElementsAre(HasSubstr("No fights")));
  EXPECT_EQ(rooms->size(), 0u);
  pass(minutes(20));
  EXPECT_THAT(sent, IsEmpty());
}

TEST_F(RoomsTest, WhoIsLostIsBroughtBackWithWhatWasSaidMeanwhile) {
  comes_in();
  said("juliet", "one", "a");
  room_says(presence("Romeo M.", "<status code='332'/><status code='110'/>", "unavailable"));
  EXPECT_THAT(told, IsEmpty());
  pass(seconds(5));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr(" since='"));
  lets_in();
  EXPECT_EQ(said("juliet", "one", "a", kStamp), Rooms::Taken::kDone) << "it has been shown";
  EXPECT_EQ(said("juliet", "two", "b", kStamp), Rooms::Taken::kForPhone);
}

TEST_F(RoomsTest, AnErrorOfOursIsNoReasonToStayOut) {
  comes_in();
  room_says(
      presence("Romeo M.", "<status code='307'/><status code='333'/><status code='110'/>", "unavailable"));
  pass(seconds(5));
  ASSERT_EQ(sent.size(), 1u);
}

TEST_F(RoomsTest, TheNextProcessGoesOnWithIt) {
  comes_in();
  said("juliet", "one", "a");
  start();
  EXPECT_EQ(rooms->size(), 1u);
  EXPECT_EQ(said("juliet", "one", "a", kStamp), Rooms::Taken::kDone) << "seen by the process before";
  rooms->may_lack({});
  pass(seconds(1));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr(" since='"));
}

TEST_F(RoomsTest, WhatMayHaveBeenMissedIsAskedForWhenTheStreamIsBack) {
  comes_in();
  rooms->may_lack({});
  ASSERT_EQ(sent.size(), 1u) << "at once: rooms keep little";
  EXPECT_THAT(sent[0], HasSubstr(" since='"));
  EXPECT_TRUE(writes(2, "meanwhile"));
  EXPECT_EQ(carried.size(), 1u) << "nothing waits";
  pass(seconds(5));
  EXPECT_EQ(sent.size(), 2u) << "the answer may have come to nobody";
  lets_in();
  pass(seconds(30));
  EXPECT_EQ(sent.size(), 2u);
  EXPECT_THAT(told, IsEmpty());
}

TEST_F(RoomsTest, WhatIsSaidJustNowDoesNotHideWhatWasMissed) {
  comes_in();
  clock.advance(minutes(2));
  said("juliet", "one", "a");
  clock.advance(minutes(2));
  rooms->may_lack({});
  said("juliet", "live", "c");
  pass(seconds(1));
  ASSERT_EQ(sent.size(), 1u);
  const auto past = [&](Duration ago) {
    return "<delay xmlns='urn:xmpp:delay' from='" + kRoom + "' stamp='" +
           format_timestamp((clock.wall_us() - ago.count()) / 1'000'000) + "'/>";
  };
  EXPECT_THAT(sent[0],
              HasSubstr(" since='" + format_timestamp(clock.wall_us() / 1'000'000 - 121 - Rooms::kSlackS)));
  lets_in();
  EXPECT_EQ(said("juliet", "two", "b", past(seconds(60))), Rooms::Taken::kForPhone);
  EXPECT_EQ(said("juliet", "live", "c", past(seconds(1))), Rooms::Taken::kDone);
}

TEST_F(RoomsTest, WhatWasTheNickMayBeAnothersNow) {
  comes_in();
  rooms->may_lack({});
  pass(seconds(1));
  refuses("conflict");
  lets_in("Romeo M.2");
  EXPECT_EQ(said("Romeo M.2", "mine"), Rooms::Taken::kDone);
  EXPECT_EQ(said("Romeo M.", "another's", "m2"), Rooms::Taken::kForPhone);
  EXPECT_EQ(rooms->list({})[0]["nick"], "Romeo M.2");
}

TEST_F(RoomsTest, WhoAskedIsToldWhyBeforeThatHeIsOut) {
  others["component-2"] = 1;
  rooms->siblings_changed();
  writes(1, "hello");
  rooms->publish();
  news.clear();
  refuses("registration-required", "auth");
  ASSERT_EQ(news["component-2"].size(), 2u);
  EXPECT_EQ(news["component-2"][0].refusals_size(), 1);
  EXPECT_EQ(news["component-2"][1].memberships(0).state(), pb::Membership::LEFT);
}

TEST_F(RoomsTest, WhatMayNotHaveArrivedIsToldAgain) {
  others["component-2"] = 1;
  rooms->siblings_changed();
  comes_in();
  news.clear();
  rooms->tell_all_again();
  ASSERT_TRUE(std::exchange(has_to_publish, false));
  rooms->publish();
  ASSERT_EQ(news["component-2"].size(), 1u);
  EXPECT_EQ(news["component-2"][0].memberships_size(), 1);
}

TEST_F(RoomsTest, WhoMayNotComeBackIsTold) {
  comes_in();
  rooms->may_lack({});
  pass(seconds(1));
  refuses("forbidden", "auth");
  EXPECT_THAT(told, ElementsAre(HasSubstr("banned")));
  EXPECT_EQ(rooms->size(), 0u);
}

TEST_F(RoomsTest, WhetherItIsStillInIsAskedNowAndThen) {
  comes_in();
  pass(minutes(15));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr("urn:xmpp:ping"));
  room_says(
      "<iq type='error' from='" + kRoom + "/Romeo M.' to='" + kOccupant + "' id='" + id_in(sent[0]) +
      "'><error type='cancel'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
  pass(seconds(1));
  ASSERT_EQ(sent.size(), 2u);
  EXPECT_THAT(sent[1], HasSubstr("<x xmlns='http://jabber.org/protocol/muc'"));
}

TEST_F(RoomsTest, OthersKnowAndBringNobodyBackWhoHasLeft) {
  comes_in();
  others["component-2"] = 5;
  rooms->siblings_changed();
  ASSERT_EQ(news["component-2"].size(), 1u);
  const pb::Membership in = news["component-2"][0].memberships(0);
  EXPECT_EQ(in.state(), pb::Membership::IN);
  writes(2, "#leave");
  rooms->publish();
  ASSERT_EQ(news["component-2"].size(), 2u);
  EXPECT_EQ(news["component-2"][1].memberships(0).state(), pb::Membership::LEFT);
  pb::RoomNews old;
  *old.add_memberships() = in;
  rooms->news(old);
  EXPECT_EQ(rooms->size(), 0u);
}

TEST_F(RoomsTest, AnotherWorkerMaySeeThatTheUserIsIn) {
  writes(1, "hello");
  rooms->publish();
  rooms->news(of_another(pb::Membership::IN));
  EXPECT_EQ(carried.size(), 1u);
}

// What is seen has no version of its own: else the busier room would win over who leaves.
TEST_F(RoomsTest, WhoHasLeftAtOneWorkerIsNotBroughtBackByWhatAnotherHears) {
  others["component-2"] = 5;
  rooms->siblings_changed();
  comes_in();
  rooms->publish();
  pb::RoomNews other;
  *other.add_memberships() = news["component-2"].back().memberships(0);
  pb::Membership& left = *other.mutable_memberships(0);
  left.set_changed_us(left.changed_us() + 1);
  left.set_state(pb::Membership::LEFT);
  clock.advance(seconds(1));
  said("juliet", "hi");
  rooms->news(other);
  EXPECT_EQ(rooms->size(), 0u);
}

TEST_F(RoomsTest, WhatWaitsEndsWhenAnotherWorkerHearsThatTheUserIsOut) {
  writes(1, "hello");
  rooms->news(of_another(pb::Membership::LEFT));
  EXPECT_TRUE(outcomes.contains(1));
  EXPECT_EQ(rooms->held(), 0u);
}

TEST_F(RoomsTest, ACommandThatHadToWaitIsCarriedOut) {
  comes_in();
  room_says(presence("Romeo M.", "<status code='332'/><status code='110'/>", "unavailable"));
  writes(2, "#msg juliet call me");
  EXPECT_THAT(carried, IsEmpty());
  lets_in();
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_EQ(carried[0].xmpp_message().to(), kRoom + "/juliet");
  EXPECT_FALSE(outcomes.contains(2)) << "it ends as it ends there";
}

TEST_F(RoomsTest, ATimeOfTheFutureDoesNotCostTheHistory) {
  comes_in();
  said("mallory", "hi", "m9", kStamp);
  room_says(presence("Romeo M.", "<status code='332'/><status code='110'/>", "unavailable"));
  pass(seconds(5));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], testing::Not(HasSubstr("2100")));
}

TEST_F(RoomsTest, SwitchedOffItLeavesAndStaysOut) {
  comes_in();
  rooms->set({Rooms::Which::kOff, {}, '#', '*'});
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr("type='unavailable'"));
  pass(minutes(20));
  EXPECT_EQ(sent.size(), 1u);
}

TEST_F(RoomsTest, ARoomThatPutsHimOutAgainAndAgainIsAskedLessAndLess) {
  comes_in();
  for (int i = 0; i < 300; ++i) {
    pass(seconds(1));
    room_says(presence("Romeo M.", "<status code='110'/>", "unavailable"));
    lets_in();
  }
  room_says(presence("Romeo M.", "<status code='110'/>", "unavailable"));
  sent.clear();
  pass(minutes(5));
  EXPECT_LE(sent.size(), 1u);
}

TEST_F(RoomsTest, WhoIsLetInThoughNobodyWaitsForHimAnyMoreGoesAgain) {
  others["component-2"] = 1;
  lets_in();
  pass(seconds(6));
  ASSERT_EQ(sent.size(), 1u);
  EXPECT_THAT(sent[0], HasSubstr("type='unavailable'"));
  said("juliet", "hi");
  clock.advance(seconds(6));
  EXPECT_EQ(said("juliet", "hi"), Rooms::Taken::kNo) << "is refused, so that the room lets him go";
}

TEST_F(RoomsTest, ANewNickThatIsTakenChangesNothing) {
  comes_in();
  rooms->may_lack({});
  writes(2, "#nick juliet");
  const std::string id = id_in(sent.back());
  sent.clear();
  room_says(
      "<presence type='error' id='" + id + "' from='" + kRoom + "/juliet' to='" + kOccupant +
      "'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>");
  EXPECT_THAT(sent, IsEmpty());
  EXPECT_THAT(told, ElementsAre(HasSubstr("that name")));
  EXPECT_EQ(rooms->size(), 1u);
}

TEST_F(RoomsTest, ARoomMayAnswerBeforeTheOtherWorkerHasTold) {
  others["component-2"] = 1;
  lets_in();
  rooms->siblings_changed();
  rooms->news(of_another(pb::Membership::JOINING));
  rooms->publish();
  ASSERT_FALSE(news["component-2"].empty());
  EXPECT_EQ(news["component-2"].back().memberships(0).state(), pb::Membership::IN);
}

TEST_F(RoomsTest, TooMuchIsLeftOutAndThatIsSaid) {
  comes_in();
  int shown = 0;
  for (int i = 0; i < 50; ++i)
    shown += said("juliet", "x", "m" + std::to_string(i)) == Rooms::Taken::kForPhone;
  EXPECT_EQ(shown, static_cast<int>(Rooms::kBurst));
  pass(seconds(30));
  EXPECT_THAT(told, ElementsAre(HasSubstr("30")));
}

TEST_F(RoomsTest, WhoTypesDoesNotUseUpWhatARoomMaySay) {
  comes_in();
  const auto types = [&](const std::string& what) {
    room_says("<message type='groupchat' from='" + kRoom + "/juliet' to='" + kOccupant + "'>" + what +
              "</message>");
    return taken;
  };
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(types("<composing xmlns='http://jabber.org/protocol/chatstates'/>"), Rooms::Taken::kDone);
  int shown = 0;
  for (int i = 0; i < 50; ++i)
    shown += types("<reactions xmlns='urn:xmpp:reactions:0' id='m" + std::to_string(i) +
                   "'><reaction>!</reaction></reactions>") == Rooms::Taken::kForPhone;
  EXPECT_LE(shown, static_cast<int>(Rooms::kBurst));
  EXPECT_GE(shown, 1);
}

TEST_F(RoomsTest, AUserIsInBoundedlyManyRooms) {
  for (uint64_t i = 0; i <= Rooms::kMaxOfUser; ++i)
    writes(i + 1, "hi", "r" + std::to_string(i) + "@conf.test");
  EXPECT_EQ(outcomes.size(), 1u);
  EXPECT_THAT(outcomes.begin()->second.stanza_error().text(), HasSubstr("too many rooms"));
}

TEST_F(RoomsTest, ATopicIsToldWhenItChanges) {
  comes_in();
  const auto topic = [&](const std::string& text) {
    room_says("<message type='groupchat' from='" + kRoom + "/juliet' to='" + kOccupant + "'><subject>" +
              text + "</subject></message>");
  };
  topic("balcony");
  EXPECT_THAT(told, IsEmpty()) << "each newcomer gets it";
  topic("tomb");
  EXPECT_THAT(told, ElementsAre(HasSubstr("tomb")));
  writes(2, "#topic");
  EXPECT_THAT(told.back(), HasSubstr("tomb"));
}

TEST_F(RoomsTest, AnInvitationIsShownAndNoOtherOne) {
  const auto invite = [&](const std::string& room) {
    room_says("<message from='" + room + "' to='" + kUser +
              "'><x xmlns='http://jabber.org/protocol/muc#user'>" +
              "<invite from='juliet@x.test'><reason>a feast</reason></invite></x></message>");
    return taken;
  };
  EXPECT_EQ(invite(kRoom), Rooms::Taken::kDone);
  EXPECT_THAT(told,
              ElementsAre(testing::AllOf(HasSubstr("juliet"), HasSubstr("a feast"), HasSubstr("#join"))));
  EXPECT_EQ(invite("r@elsewhere.test"), Rooms::Taken::kNo);
  room_says("<message from='tybalt@x.test/phone' to='" + kUser + "'><x xmlns='jabber:x:conference' jid='" +
            kRoom + "'/></message>");
  EXPECT_EQ(sharers.back(), "tybalt@x.test/phone") << "who invites strangers has his share";
}

TEST_F(RoomsTest, OneInARoomIsWrittenToAsTheOccupant) {
  EXPECT_TRUE(writes(1, "psst", kRoom + "/juliet"));
  EXPECT_EQ(outcomes[1].verdict(), pb::FAILED) << "not in the room";
  comes_in();
  EXPECT_TRUE(writes(2, "psst", kRoom + "/juliet"));
  ASSERT_EQ(carried.size(), 1u);
  EXPECT_EQ(carried[0].xmpp_message().from(), kOccupant);
  EXPECT_EQ(carried[0].xmpp_message().type(), "chat");
}

TEST_F(RoomsTest, WhetherADomainHasRoomsIsAskedOnce) {
  rooms->set({Rooms::Which::kAny, {}, '#', '*'});
  EXPECT_TRUE(writes(1, "hi", "juliet@x.test"));
  EXPECT_TRUE(writes(2, "hi", "nurse@x.test"));
  ASSERT_EQ(sent.size(), 1u);
  room_says("<iq type='result' from='x.test' to='gw.test' id='" + id_in(sent[0]) +
            "'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='server' type='im'/>"
            "</query></iq>");
  EXPECT_THAT(again, ElementsAre(1, 2));
  EXPECT_FALSE(writes(3, "hi", "juliet@x.test"));
  EXPECT_TRUE(writes(4, "hi", kRoom));
  room_says(
      "<iq type='result' from='conf.test' to='gw.test' id='" + id_in(sent[1]) +
      "'><query xmlns='http://jabber.org/protocol/disco#info'><identity category='conference' type='text'/>"
      "<feature var='http://jabber.org/protocol/muc'/></query></iq>");
  EXPECT_THAT(sent.back(), HasSubstr("http://jabber.org/protocol/muc"));
  EXPECT_TRUE(writes(5, "hi", "juliet@mute.test"));
  pass(seconds(11));
  EXPECT_EQ(again.back(), 5u);
}

TEST_F(RoomsTest, HowManyWereLeftOutIsToldUntilThatArrives) {
  comes_in();
  told.clear();
  for (int i = 0; i < 3; ++i) rooms->shown(kUser, kRoom, Shown::kNotTaken, 1);
  pass(seconds(30));
  EXPECT_THAT(told, ElementsAre("* 3 messages were left out"));
  EXPECT_EQ(stands_for, 3U);
  rooms->shown(kUser, kRoom, Shown::kNotTaken, stands_for);  // the front has died with it, too
  pass(seconds(30));
  EXPECT_THAT(told, ElementsAre("* 3 messages were left out", "* 3 messages were left out"));
  rooms->shown(kUser, kRoom, Shown::kYes, stands_for);
  pass(seconds(30));
  EXPECT_EQ(told.size(), 2U);
}

TEST_F(RoomsTest, WhoIsNeverThereIsTakenOutAfterADay) {
  comes_in();
  for (int i = 0; i < 30; ++i) rooms->shown(kUser, kRoom, Shown::kNobodyThere, 1);
  EXPECT_EQ(rooms->size(), 1u);
  clock.advance(std::chrono::hours(25));
  rooms->shown(kUser, kRoom, Shown::kNobodyThere, 1);
  EXPECT_EQ(rooms->size(), 0u);
  EXPECT_THAT(sent.back(), HasSubstr("type='unavailable'"));
}

}  // namespace
}  // namespace stox::worker
