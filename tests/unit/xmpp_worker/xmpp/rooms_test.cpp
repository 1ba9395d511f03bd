#include "xmpp_worker/xmpp/stanza/rooms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "reading.h"

namespace stox::xmpp {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;

std::string in_muc_user(const std::string& payload) {
  return "<x xmlns='http://jabber.org/protocol/muc#user'>" + payload + "</x>";
}

std::string presence(const std::string& payload, const std::string& type = "") {
  return "<presence from='r@c.test/romeo' to='a@gw.test/sip'" + (type.empty() ? "" : " type='" + type + "'") +
         ">" + in_muc_user(payload) + "</presence>";
}

std::string groupchat(const std::string& payload, const std::string& id = "1") {
  return "<message from='r@c.test/juliet' to='a@gw.test/sip' type='groupchat' id='" + id + "'>" + payload +
         "</message>";
}

std::string written(const std::function<void(XmlWriter&)>& write) {
  std::string out;
  XmlWriter xml(out);
  write(xml);
  return out;
}

TEST(Rooms, KnowTheirOwnPresence) {
  const Reading read(
      presence("<item affiliation='member' role='participant'/><status code='100'/>"
               "<status code='110'/><status code='x'/>"));
  const RoomPresence said = read_room_presence(read.element());
  EXPECT_TRUE(said.is_available);
  EXPECT_TRUE(said.is_own);
  EXPECT_THAT(said.codes, ElementsAre(100, 110));
  EXPECT_EQ(said.affiliation, "member");
  EXPECT_EQ(said.role, "participant");
  EXPECT_FALSE(said.is_destroyed);
}

TEST(Rooms, SayWhoRemovedWhomAndWhy) {
  const Reading read(
      presence("<item affiliation='none' role='none'><actor nick='nurse'/>"
               "<reason>too loud</reason></item><status code='110'/><status code='307'/>",
               "unavailable"));
  const RoomPresence said = read_room_presence(read.element());
  EXPECT_FALSE(said.is_available);
  EXPECT_TRUE(said.has_code(307));
  EXPECT_FALSE(said.has_code(301));
  EXPECT_EQ(said.actor_nick, "nurse");
  EXPECT_EQ(said.reason, "too loud");
}

TEST(Rooms, SayWhereTheOtherRoomIs) {
  const Reading read(
      presence("<item affiliation='none' role='none'/><status code='110'/>"
               "<destroy jid='other@c.test'><reason>moved</reason></destroy>",
               "unavailable"));
  const RoomPresence said = read_room_presence(read.element());
  EXPECT_TRUE(said.is_destroyed);
  EXPECT_EQ(said.other_room, "other@c.test");
  EXPECT_EQ(said.reason, "moved");
}

TEST(Rooms, SayTheNewNick) {
  const Reading read(presence("<item nick='montague'/><status code='303'/>", "unavailable"));
  EXPECT_EQ(read_room_presence(read.element()).new_nick, "montague");
}

TEST(Rooms, ReadNoMoreCodesThanThereMayBe) {
  std::string codes;
  for (int code = 200; code < 300; ++code) codes += "<status code='" + std::to_string(code) + "'/>";
  const Reading read(presence(codes));
  EXPECT_THAT(read_room_presence(read.element()).codes, SizeIs(RoomPresence::kMaxCodes));
}

TEST(Rooms, PresenceOfOthersSaysNothing) {
  const Reading read("<presence from='r@c.test/romeo'/>");
  const RoomPresence said = read_room_presence(read.element());
  EXPECT_TRUE(said.is_available);
  EXPECT_FALSE(said.is_own);
}

TEST(Rooms, ReadInvitations) {
  const std::string direct = "<x xmlns='jabber:x:conference' jid='r@c.test' reason='come' password='wall'/>";
  const std::string mediated =
      in_muc_user("<invite from='juliet@x.test/b'><reason>come</reason></invite><password>wall</password>");
  const struct {
    std::string from, payload;
    bool is_mediated;
  } rows[] = {{"juliet@x.test/b", direct, false},
              {"r@c.test", mediated, true},
              {"r@c.test", mediated + direct, true}};  // for old clients
  for (const auto& row : rows) {
    const Reading read("<message from='" + row.from + "' to='a@gw.test'>" + row.payload + "</message>");
    const auto invitation = read_room_invitation(read.stanza());
    ASSERT_TRUE(invitation) << row.payload;
    EXPECT_EQ(invitation->is_mediated, row.is_mediated) << row.payload;
    EXPECT_EQ(invitation->room, "r@c.test");
    EXPECT_EQ(invitation->from, "juliet@x.test/b");
    EXPECT_EQ(invitation->reason, "come");
    EXPECT_EQ(invitation->password, "wall");
  }
}

TEST(Rooms, TakeNothingElseForAnInvitation) {
  for (const std::string& payload :
       {std::string("<body>hi</body>"), in_muc_user(""), std::string("<x xmlns='jabber:x:conference'/>")}) {
    const Reading read("<message from='r@c.test/juliet' to='a@gw.test'>" + payload + "</message>");
    EXPECT_FALSE(read_room_invitation(read.stanza())) << payload;
  }
  const Reading bounced("<message from='r@c.test' to='a@gw.test' type='error'>" +
                        in_muc_user("<invite from='a@x'/>") + "</message>");
  EXPECT_FALSE(read_room_invitation(bounced.stanza()));
}

TEST(Rooms, ReadWhatTheRoomSaysOfAMessage) {
  const Reading read(
      groupchat("<body>hi</body><stanza-id xmlns='urn:xmpp:sid:0' id='s1' by='r@c.test'/>"
                "<delay xmlns='urn:xmpp:delay' from='r@c.test' stamp='2026-11-29T12:00:00Z'/>"));
  const RoomMessage message = read_room_message(read.stanza());
  EXPECT_EQ(message.stanza_id, "s1");
  EXPECT_EQ(format_timestamp(message.delay_s), "2026-11-29T12:00:00Z");
  EXPECT_EQ(message.body, "hi");
  EXPECT_FALSE(message.is_subject);
}

TEST(Rooms, DoNotBelieveOccupantsWhatTheRoomWouldSay) {
  const Reading read(
      groupchat("<body>hi</body><stanza-id xmlns='urn:xmpp:sid:0' id='s1' by='juliet@x.test'/>"
                "<delay xmlns='urn:xmpp:delay' from='juliet@x.test' stamp='2026-11-29T12:00:00Z'/>"));
  const RoomMessage message = read_room_message(read.stanza());
  EXPECT_EQ(message.stanza_id, "");
  EXPECT_EQ(message.delay_s, 0);
}

TEST(Rooms, KnowASubjectFromAMessageThatHasOne) {
  const Reading subject(groupchat("<subject>balcony</subject>")), none(groupchat("<subject/>")),
      both(groupchat("<subject>balcony</subject><body>hi</body>"));
  EXPECT_TRUE(read_room_message(subject.stanza()).is_subject);
  EXPECT_EQ(read_room_message(subject.stanza()).subject, "balcony");
  EXPECT_TRUE(read_room_message(none.stanza()).is_subject);
  EXPECT_FALSE(read_room_message(both.stanza()).is_subject);
}

uint64_t mark(const std::string& xml) {
  const Reading read(xml);
  return mark_of(read.stanza(), read_room_message(read.stanza()));
}

TEST(Rooms, MarkMessagesAlikeWhenTheyComeAgain) {
  const std::string id = "<stanza-id xmlns='urn:xmpp:sid:0' id='s1' by='r@c.test'/>";
  const std::string delay = "<delay xmlns='urn:xmpp:delay' from='r@c.test' stamp='2026-11-29T12:00:00Z'/>";
  EXPECT_EQ(mark(groupchat("<body>hi</body>")), mark(groupchat("<body>hi</body>" + delay)));
  EXPECT_EQ(mark(groupchat("<body>hi</body>" + id)), mark(groupchat("<body>hi</body>" + id + delay, "2")));
  EXPECT_NE(mark(groupchat("<body>hi</body>")), mark(groupchat("<body>ho</body>")));
  EXPECT_NE(mark(groupchat("<body>hi</body>")), mark(groupchat("<body>hi</body>", "2")));
  EXPECT_NE(mark(groupchat("<body>hi</body>")), mark(groupchat("<subject>hi</subject>")));
}

TEST(Rooms, AreJoinedWithoutHistoryOrWithWhatWasMissed) {
  EXPECT_EQ(written([](XmlWriter& xml) { write_join(xml, "a@gw/sip", "r@c/romeo", "7", "", {}); }),
            "<presence from='a@gw/sip' to='r@c/romeo' id='7'><x xmlns='http://jabber.org/protocol/muc'>"
            "<history maxstanzas='0'/></x></presence>");
  EXPECT_EQ(written([](XmlWriter& xml) { write_join(xml, "a@gw/sip", "r@c/romeo", "7", "a&b", 1764417600); }),
            "<presence from='a@gw/sip' to='r@c/romeo' id='7'><x xmlns='http://jabber.org/protocol/muc'>"
            "<password>a&amp;b</password><history since='2025-11-29T12:00:00Z'/></x></presence>");
}

TEST(Rooms, AreLeft) {
  EXPECT_EQ(written([](XmlWriter& xml) { write_leave(xml, "a@gw/sip", "r@c/romeo", "bye"); }),
            "<presence from='a@gw/sip' to='r@c/romeo' type='unavailable'><status>bye</status></presence>");
}

TEST(Rooms, HearOfANewNick) {
  EXPECT_EQ(written([](XmlWriter& xml) { write_nick_change(xml, "a@gw/sip", "r@c/montague", "7"); }),
            "<presence from='a@gw/sip' to='r@c/montague' id='7'/>");
}

TEST(Rooms, AreSpokenTo) {
  EXPECT_EQ(written([](XmlWriter& xml) { write_room_subject(xml, "a@gw/sip", "r@c", "7", ""); }),
            "<message from='a@gw/sip' to='r@c' id='7' type='groupchat'><subject/></message>");
  EXPECT_EQ(
      written([](XmlWriter& xml) { write_room_invite(xml, "a@gw/sip", "r@c", "7", "nurse@x.test", "come"); }),
      "<message from='a@gw/sip' to='r@c' id='7'><x xmlns='http://jabber.org/protocol/muc#user'>"
      "<invite to='nurse@x.test'><reason>come</reason></invite></x></message>");
}

TEST(Rooms, AreAskedWhoIsIn) {
  EXPECT_EQ(written([](XmlWriter& xml) { write_members_question(xml, "a@gw/sip", "r@c", "7"); }),
            "<iq from='a@gw/sip' to='r@c' id='7' type='get'>"
            "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
}

std::string items(const std::string& each) {
  return "<iq from='r@c' type='result'><query xmlns='http://jabber.org/protocol/disco#items'>" + each +
         "</query></iq>";
}

TEST(Rooms, SayWhoIsIn) {
  const Reading read(
      items("<item jid='r@c/romeo' name='Romeo M'/><item jid='r@c/juliet'/>"
            "<item jid='x.test' name='nurse'/><item jid='x.test'/>"));
  EXPECT_THAT(read_members(read.element()), ElementsAre("romeo", "juliet", "nurse"));
  std::string many;
  for (std::size_t i = 0; i < kMaxMembers + 5; ++i) many += "<item jid='r@c/n" + std::to_string(i) + "'/>";
  const Reading crowd(items(many));
  EXPECT_THAT(read_members(crowd.element()), SizeIs(kMaxMembers));
}

TEST(Rooms, AreKnownByTheirDomain) {
  const auto is_one = [](const std::string& payload) {
    const Reading read(
        "<iq from='c.test' type='result'>"
        "<query xmlns='http://jabber.org/protocol/disco#info'>" +
        payload + "</query></iq>");
    return is_room_service(read.element());
  };
  const std::string feature = "<feature var='http://jabber.org/protocol/muc'/>";
  EXPECT_TRUE(is_one("<identity category='conference' type='text' name='Rooms'/>" + feature));
  EXPECT_FALSE(is_one("<identity category='conference' type='text'/>"));
  EXPECT_FALSE(is_one("<identity category='conference' type='irc'/>" + feature));
  EXPECT_FALSE(is_one("<identity category='server' type='im'/>" + feature));
}

}  // namespace
}  // namespace stox::xmpp
