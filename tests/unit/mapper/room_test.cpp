#include "mapper/mapping/page/room.h"

#include <gtest/gtest.h>

#include "mapper/mapping/page/content.h"

namespace stox::mapping {
namespace {

constexpr int64_t kNow = 1'700'000'000;

class Room : public testing::Test {
 protected:
  Room() {
    said_.set_from("garden@conference.example.com/juliet");
    said_.set_to("romeo*example.net@sip.example");
    said_.set_type("groupchat");
    said_.add_bodies()->set_text("Hi");
  }
  std::optional<pb::Outcome> map() { return to_sip(said_, message_, addresses_, settings_, kNow); }
  // The form that a phone gets of which nothing is known, of each request.
  std::string texts() {
    if (const auto end = map()) return end->text();
    std::string out;
    for (const pb::Part& part : message_.parts())
      out += (out.empty() ? "" : " | ") + part.alternatives(part.alternatives_size() - 1).data();
    return out;
  }

  Addresses addresses_ = *Addresses::make({"gw.example", "sip.example", '*', {}});
  ContentSettings settings_;
  pb::XmppMessage said_;
  pb::SipMessage message_;
};

TEST_F(Room, SpeaksFromItsOwnAddressAndNamesTheSpeaker) {
  settings_.resource_in_from = true;
  said_.set_keeps_resource(true);
  said_.set_nick("Juliet Capulet");
  EXPECT_EQ(texts(), "juliet: Hi");
  EXPECT_EQ(message_.from_uri(), "sip:garden*conference.example.com@gw.example");
  EXPECT_EQ(message_.from_display(), "garden");
  EXPECT_EQ(message_.request_uri(), "sip:romeo@example.net");
  EXPECT_EQ(message_.to_uri(), "sip:romeo@example.net");
  settings_.names = false;
  ASSERT_FALSE(map());
  EXPECT_EQ(message_.from_display(), "");
}

TEST_F(Room, SpeaksByItselfWithoutAName) {
  said_.set_from("garden@conference.example.com");
  EXPECT_EQ(texts(), "Hi");
  EXPECT_EQ(message_.parts(0).alternatives_size(), 1);
}

TEST_F(Room, PhonesThatKnowCpimAreToldWhoSpeaks) {
  said_.set_from("garden@conference.example.com/Julia \"C\"");
  ASSERT_FALSE(map());
  ASSERT_EQ(message_.parts(0).alternatives_size(), 2);
  EXPECT_EQ(message_.parts(0).alternatives(0).content_type(), "message/cpim");
  EXPECT_EQ(message_.parts(0).alternatives(0).data(),
            "From: \"Julia 'C'\" <sip:garden*conference.example.com@gw.example;gr=Julia%20%22C%22>\r\n"
            "To: <sip:romeo@example.net>\r\n"
            "DateTime: 2023-11-14T22:13:20Z\r\n"
            "\r\n"
            "Content-Type: text/plain;charset=UTF-8\r\n"
            "Content-Length: 13\r\n"
            "\r\n"
            "Julia \"C\": Hi");
  EXPECT_EQ(message_.parts(0).alternatives(1).data(), "Julia \"C\": Hi");
}

TEST_F(Room, WhereAPhoneAnswersAPrivateMessageItReachesThatOccupant) {
  said_.set_from("garden@conference.example.com/Julia C");
  said_.set_type("chat");
  said_.set_keeps_resource(true);
  ASSERT_FALSE(map());
  EXPECT_EQ(message_.from_uri(), "sip:garden*conference.example.com@gw.example;gr=Julia%20C");
  EXPECT_EQ(texts(), "Hi");
  const auto back = addresses_.xmpp_recipient(message_.from_uri());
  ASSERT_TRUE(back);
  EXPECT_EQ(back->str(), "garden@conference.example.com/Julia C");
}

TEST_F(Room, ANicknameIsOneLineAndPassesForNobodyElse) {
  const struct {
    const char *nick, *shown;
  } rows[] = {
      {"Julia\nromeo: no", "Julia romeo. no: Hi"},
      {"* You were removed", ". You were removed: Hi"},  // not the room
      {"\u202etailuJ", "tailuJ: Hi"},
      {"112", "112: Hi"},  // a number is no caller's here
      {"tybalt@capulet.example", "tybalt@capulet.example: Hi"},
      {"\u200b\u200b", "?: Hi"},  // not the room
      {"\xff", "?: Hi"},
  };
  for (const auto& row : rows) {
    said_.set_from(std::string("garden@conference.example.com/") + row.nick);
    EXPECT_EQ(texts(), row.shown);
  }
  said_.set_from("garden@conference.example.com/" + std::string(1000, 'x'));
  EXPECT_EQ(texts(), std::string(64, 'x') + ": Hi");
}

TEST_F(Room, NamesTheSpeakerOnceWhateverItIsHeSends) {
  said_.set_replaces("m1");
  EXPECT_EQ(texts(), "juliet: * Hi");
  said_.clear_replaces();
  said_.add_oobs()->set_url("https://x.test/1.png");
  said_.add_oobs()->set_url("https://x.test/2.png");
  EXPECT_EQ(texts(), "juliet: Hi | https://x.test/1.png | https://x.test/2.png");
  said_.clear_bodies();  // a picture would show nobody's name
  EXPECT_EQ(texts(), "juliet: https://x.test/1.png | https://x.test/2.png");
  EXPECT_EQ(message_.parts(0).alternatives(0).content_type(), "message/cpim");
  EXPECT_EQ(message_.parts(1).alternatives(0).content_type(), "application/vnd.gsma.rcs-ft-http+xml");
}

// A phone shows them as lines of their own.
TEST_F(Room, EachPartOfALongTextNamesTheSpeaker) {
  settings_.split = true;
  said_.mutable_bodies(0)->set_text(std::string(2000, 'a'));
  ASSERT_FALSE(map());
  ASSERT_GT(message_.parts_size(), 2);
  for (int i = 0; i < message_.parts_size(); ++i) {
    const std::string& text = message_.parts(i).alternatives(1).data();
    EXPECT_TRUE(text.starts_with("juliet: (" + std::to_string(i + 1) + "/4) a")) << text;
  }
}

TEST_F(Room, WhatIsTheSameLineStaysTheSame) {
  said_.set_line(7);
  said_.set_may_be_again(true);
  ASSERT_FALSE(map());
  EXPECT_EQ(message_.line(), 7u);
  EXPECT_TRUE(message_.may_be_again());
}

TEST_F(Room, AsksForNoNotificationsAndHasNoThread) {
  said_.mutable_wants()->set_delivered(true);
  said_.mutable_wants()->set_id("id.7");
  said_.set_thread("t1");
  settings_.thread_as_call_id = true;
  ASSERT_FALSE(map());
  EXPECT_EQ(message_.message_id(), "");
  EXPECT_EQ(message_.call_id(), "");
  EXPECT_EQ(message_.parts(0).alternatives(0).data().find("Message-ID"), std::string::npos);
}

TEST_F(Room, WhatSaysNothingIsNotSent) {
  const std::string nothing = "a stanza without a body: nothing to send to SIP";
  said_.clear_bodies();
  said_.add_subjects()->set_text("Balconies");
  EXPECT_EQ(texts(), nothing);
  said_.set_state(pb::XmppMessage::COMPOSING);
  EXPECT_EQ(texts(), nothing);
  said_.mutable_receipt()->set_kind(pb::Receipt::DISPLAYED);
  said_.mutable_receipt()->set_id("m1");
  EXPECT_EQ(texts(), nothing);
}

}  // namespace
}  // namespace stox::mapping
