#include "xmpp_worker/rooms/sentences.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace stox::worker {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

std::string out(std::vector<int> codes, std::string_view actor = "", std::string_view reason = "") {
  xmpp::RoomPresence said;
  said.is_own = true;
  said.codes = std::move(codes);
  said.actor_nick = actor;
  said.reason = reason;
  return out_sentence(said, '#');
}

TEST(RoomSentences, SayWhyOneIsOut) {
  EXPECT_EQ(out({110, 307}, "nurse", "too loud"),
            "* You were removed from this room by nurse: too loud. Write #join to come back");
  EXPECT_EQ(out({110, 307}), "* You were removed from this room. Write #join to come back");
  EXPECT_EQ(out({301}, "nurse"), "* You were banned from this room by nurse.");
  EXPECT_EQ(out({321}), "* You are no member of this room any more. Write #join to come back");
  EXPECT_EQ(out({322}), "* This room is only for its members now, and you are none.");
}

TEST(RoomSentences, SayNothingOfWhatEndsNothing) {
  EXPECT_EQ(out({110}), "");
  EXPECT_EQ(out({110, 303}), "");
  EXPECT_EQ(out({110, 332}), "");
}

TEST(RoomSentences, SayWhereToGoOn) {
  xmpp::RoomPresence said;
  said.is_destroyed = true;
  EXPECT_EQ(out_sentence(said, '#'), "* This room was closed.");
  said.reason = "moved!";
  said.other_room = "other@c.test";
  EXPECT_EQ(out_sentence(said, '#'), "* This room was closed: moved! Go on in other@c.test");
}

TEST(RoomSentences, SayWhatToDoToComeIn) {
  const auto told = [](const char* condition) { return join_refusal({"auth", condition}, '/'); };
  EXPECT_EQ(told("not-authorized"), "This room needs a password: write /join PASSWORD");
  EXPECT_THAT(told("registration-required"), HasSubstr("only for its members"));
  EXPECT_THAT(told("forbidden"), HasSubstr("banned"));
  EXPECT_THAT(told("service-unavailable"), HasSubstr("full"));
  EXPECT_THAT(told("item-not-found"), HasSubstr("does not exist"));
  EXPECT_THAT(told("not-allowed"), HasSubstr("may not create"));
  EXPECT_THAT(told("jid-malformed"), HasSubstr("/nick NAME"));
  EXPECT_THAT(told("remote-server-not-found"), HasSubstr("cannot be found"));
  EXPECT_EQ(told("undefined-condition"), "The room does not let you in: undefined-condition");
  EXPECT_EQ(join_refusal({"wait", "internal-server-error", "out of\r\ntea"}, '/'),
            "The room does not let you in: out of  tea");
  EXPECT_EQ(join_refusal({"cancel", "gone"}, '/'), "This room does not exist any more");
  EXPECT_EQ(join_refusal({"cancel", "gone", "", "", "xmpp:other%20one@c.test?join"}, '/'),
            "This room is now other one@c.test");
}

TEST(RoomSentences, SayWhyOneWasNotHeard) {
  EXPECT_EQ(speech_refusal({"auth", "forbidden"}, '#'), "You may not speak here: the room is moderated");
  EXPECT_EQ(speech_refusal({"modify", "not-acceptable"}, '#'), "You are not in this room: write #join");
  EXPECT_EQ(speech_refusal({"cancel", ""}, '#'), "The room does not take that");
}

TEST(RoomSentences, SayWhoInvites) {
  EXPECT_EQ(invitation_sentence({"r@c.test", "juliet@x.test/b", "come", ""}, '#'),
            "* juliet@x.test invites you to this room: come. Write #join to come in");
  EXPECT_EQ(invitation_sentence({"r@c.test", "r@c.test/juliet", "", ""}, '#'),
            "* juliet invites you to this room. Write #join to come in");
  EXPECT_EQ(invitation_sentence({"r@c.test", "", "", ""}, '#'),
            "* You are invited to this room. Write #join to come in");
}

TEST(RoomSentences, TellTheTopic) {
  EXPECT_EQ(topic_sentence("juliet", "the balcony"), "* juliet has changed the topic to: the balcony");
  EXPECT_EQ(topic_sentence("juliet", ""), "* juliet has taken the topic away");
  EXPECT_EQ(topic_sentence("", "x"), "* The room has changed the topic to: x");
  EXPECT_EQ(topic_answer("the balcony"), "* The topic is: the balcony");
  EXPECT_EQ(topic_answer(""), "* There is no topic");
}

TEST(RoomSentences, TellWhoIsHere) {
  EXPECT_EQ(members_answer({"romeo", "juliet"}), "* 2 here: romeo, juliet");
  EXPECT_EQ(members_answer({}), "* The room does not say who is here");
  const std::string long_nick(90, 'n');
  const std::string told = members_answer(std::vector<std::string_view>(xmpp::kMaxMembers, long_nick));
  EXPECT_THAT(told, HasSubstr("200 or more"));
  EXPECT_THAT(told, EndsWith("others"));
  EXPECT_LT(told.size(), 1200u);
}

TEST(RoomSentences, AreOneShortLine) {
  const std::string long_text(5000, 'x');
  EXPECT_LT(out({307}, long_text, long_text).size(), 800u);
  EXPECT_THAT(out({307}, "a\r\nb", "c\nd"), Not(HasSubstr("\n")));
  EXPECT_LT(topic_sentence(long_text, long_text).size(), 800u);
}

TEST(RoomSentences, CountWhatWasLeftOut) {
  EXPECT_EQ(left_out_sentence(1), "* 1 message was left out");
  EXPECT_EQ(left_out_sentence(20), "* 20 messages were left out");
  EXPECT_EQ(nick_sentence("montague"), "* You are called montague here now");
}

}  // namespace
}  // namespace stox::worker
