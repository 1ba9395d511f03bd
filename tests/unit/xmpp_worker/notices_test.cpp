#include "xmpp_worker/page/notices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "xmpp_worker/page/receipts.h"

namespace stox::worker {
namespace {

using testing::ElementsAre;

const char* const kAnn = "ann@x.test";
const char* const kBob = "bob*sip.test@gw.test";

class NoticesTest : public testing::Test, public NoticesUser, public StanzaSender {
 protected:
  bool submit_notice(pb::Envelope& e) override {
    EXPECT_EQ(e.conversation(), std::string(kAnn) + " " + kBob);
    const pb::Receipt& receipt = e.xmpp_message().receipt();
    notices.push_back(pb::Receipt::Kind_Name(receipt.kind()) + " " + receipt.id() + " " +
                      std::to_string(receipt.date_s()));
    return true;
  }
  bool send(std::string_view, std::string_view to, std::string_view xml) override {
    receipts.push_back(std::string(to) + ": " + std::string(xml));
    return true;
  }
  void submit_typing(pb::Envelope& e) override {
    typing.push_back(pb::XmppMessage::State_Name(e.xmpp_message().state()) + " " + e.xmpp_message().from() +
                     (e.xmpp_message().keeps_resource() ? " as written" : ""));
  }
  // The id of a stanza that was written for a SIP message that wants to hear all this of itself.
  std::string written(const std::string& message_id, bool received, bool displayed, bool refused = false) {
    pb::XmppMessage message;
    pb::Wants& wants = *message.mutable_wants();
    wants.set_id(message_id);
    wants.set_date_s(1'700'000'000);
    wants.set_delivered(received);
    wants.set_displayed(displayed);
    wants.set_failed(refused);
    const IdContent content = id_content(message);
    std::string id;
    ids.append(id, ++number, content.flags, content.payload, kBob, kAnn);
    if (displayed) {
      auto& unread = contacts.get(kAnn, kBob).unread;
      unread.push_back({id, {}});
      unread.back().message.set_id(message_id);
    }
    return id;
  }
  void take(const xmpp::MessageContent& content, const std::string& from = "ann@x.test/phone") {
    subject.take({.type = "chat"}, *Jid::parse(from), *Jid::parse(kBob), content);
  }
  void received(const std::string& id, const std::string& from = "ann@x.test/phone") {
    xmpp::MessageContent content;
    content.received = id;
    take(content, from);
  }
  void displayed(const std::string& id) {
    xmpp::MessageContent content;
    content.displayed = id;
    take(content);
  }
  std::vector<std::string> told() { return std::exchange(notices, {}); }

  ManualClock clock;
  xmpp::StanzaIds ids{"secret", "component-1", 7};
  Contacts contacts{clock};
  Notices subject{ids, contacts, *this, *this};
  std::vector<std::string> notices, typing, receipts;
  uint64_t number = 0;
};

TEST_F(NoticesTest, AReceiptIsANotificationOfWhatTheIdSays) {
  const std::string id = written("m1", true, false);
  received(id);
  EXPECT_THAT(told(), ElementsAre("DELIVERED m1 1700000000"));
  received(id, "ann@x.test/laptop");  // of each of her clients may come one
  displayed(id);                      // not asked for
  EXPECT_THAT(told(), ElementsAre());
}

TEST_F(NoticesTest, A200IsAReceiptWhereTheSiteSaysSo) {
  pb::Outcome arrived;
  arrived.set_verdict(pb::DELIVERED);
  subject.accepted("ann@x.test/phone", kBob, "m1", "asked-1", arrived);
  EXPECT_THAT(receipts, ElementsAre());
  subject.take_200_for_receipt(true);
  subject.accepted("ann@x.test/phone", kBob, "m1", "asked-1", arrived);
  ASSERT_EQ(receipts.size(), 1u);
  EXPECT_THAT(receipts[0], testing::StartsWith("ann@x.test/phone: <message "));
  EXPECT_THAT(receipts[0], testing::HasSubstr("<received xmlns='urn:xmpp:receipts' id='m1'/>"));
  subject.accepted("ann@x.test/phone", kBob, "m1", "asked-1", arrived);
  EXPECT_EQ(receipts.size(), 1u) << "once";
  arrived.set_will_be_told(true);
  subject.accepted("ann@x.test/phone", kBob, "m2", "asked-2", arrived);
  EXPECT_EQ(receipts.size(), 1u) << "a notification is to come";
}

TEST_F(NoticesTest, DisplayedImpliesReceived) {
  displayed(written("m1", true, true));
  EXPECT_THAT(told(), ElementsAre("DELIVERED m1 1700000000", "DISPLAYED m1 1700000000"));
}

TEST_F(NoticesTest, AMarkerCoversAllBeforeIt) {
  const std::string first = written("m1", false, true), second = written("m2", false, true),
                    third = written("m3", false, true);
  displayed(second);
  EXPECT_THAT(told(), ElementsAre("DISPLAYED m1 0", "DISPLAYED m2 1700000000"));
  displayed(first);
  displayed(second);
  EXPECT_THAT(told(), ElementsAre());
  displayed(third);
  EXPECT_THAT(told(), ElementsAre("DISPLAYED m3 1700000000"));
}

TEST_F(NoticesTest, AnOccupantOfARoomKeepsTheResourceWhateverItSays) {
  xmpp::MessageContent content;
  content.bodies.push_back({{}, "psst"});
  content.of_occupant = true;
  pb::XmppMessage message;
  message.set_from("room@x.test/nick");
  message.set_to(kBob);
  subject.message({.id = "s1", .type = "chat"}, content, message);
  EXPECT_TRUE(message.keeps_resource());
  content.clear();
  content.state = "composing";
  take(content, "room@x.test/another");
  EXPECT_THAT(typing, ElementsAre("COMPOSING room@x.test/another as written"));
  message.set_from("ann@x.test/phone");
  subject.message({.id = "s2", .type = "chat"}, content, message);
  EXPECT_FALSE(message.keeps_resource());
}

TEST_F(NoticesTest, TheClientThatASipUserWroteToAnswersFromThatAddress) {
  contacts.get(kAnn, kBob).written_to = "phone";
  xmpp::MessageContent content;
  content.state = "composing";
  take(content);
  take(content, "ann@x.test/laptop");
  EXPECT_THAT(typing, ElementsAre("COMPOSING ann@x.test/phone as written", "COMPOSING ann@x.test/laptop"));
}

TEST_F(NoticesTest, OfStrangersAndForgersNothingIsTold) {
  const std::string id = written("m1", true, true);
  received(id, "eve@x.test/phone");
  received("m1");
  received(id + "x");
  EXPECT_THAT(told(), ElementsAre());
  EXPECT_EQ(subject.figures().not_ours, 3u);
}

TEST_F(NoticesTest, ALateRefusalIsToldToWhoAskedForIt) {
  const auto refuse = [&](const std::string& id, const char* condition) {
    subject.refused_late(*ids.read(id, kBob, kAnn), kAnn, kBob, {"cancel", condition});
  };
  refuse(written("m1", true, true), "forbidden");  // not asked for
  EXPECT_THAT(told(), ElementsAre());
  refuse(written("m2", false, false, true), "service-unavailable");
  refuse(written("m3", false, false, true), "forbidden");
  refuse(written("m4", false, false, true), "internal-server-error");
  EXPECT_THAT(told(), ElementsAre("FAILED m2 1700000000", "FORBIDDEN m3 1700000000", "ERROR m4 1700000000"));
}

TEST_F(NoticesTest, ChatStatesPassAndShowThatTheContactKnowsThem) {
  xmpp::MessageContent content;
  content.state = "composing";
  take(content);
  EXPECT_THAT(typing, ElementsAre("COMPOSING ann@x.test/phone"));
  EXPECT_EQ(contacts.find(kAnn, kBob)->states_of(kAnn), Contact::States::kTells);
}

TEST_F(NoticesTest, ANameIsRemembered) {
  pb::XmppMessage message;
  message.set_from(kAnn);
  message.set_to(kBob);
  xmpp::MessageContent content;
  content.nick = "Ann Other";
  subject.message({.id = "1"}, content, message);
  EXPECT_EQ(message.nick(), "Ann Other");
  content.nick = {};
  subject.message({.id = "2"}, content, message);
  EXPECT_EQ(message.nick(), "Ann Other");
}

TEST_F(NoticesTest, WordsAreRememberedByIdAndByOriginId) {
  pb::XmppMessage message;
  message.set_from(kAnn);
  message.set_to(kBob);
  xmpp::MessageContent content;
  content.bodies.push_back({{}, "see you at nine"});
  content.origin_id = "o1";
  subject.message({.id = "m1"}, content, message);
  for (const char* id : {"m1", "o1"})
    EXPECT_EQ(contacts.recent_words().find(kAnn, kBob, id), "see you at nine") << id;
}

// There are many contacts, and a stanza may be large.
TEST_F(NoticesTest, AThreadThatIsNoneThatAClientMakesIsNotRemembered) {
  pb::XmppMessage message;
  message.set_from(kAnn);
  message.set_to(kBob);
  xmpp::MessageContent content;
  const std::string longest(Contacts::kMaxThread, 't'), longer = longest + "t";
  content.thread = longest;
  subject.message({.id = "1"}, content, message);
  EXPECT_EQ(contacts.find(kAnn, kBob)->thread, longest);
  content.thread = longer;
  subject.message({.id = "2"}, content, message);
  EXPECT_EQ(contacts.find(kAnn, kBob)->thread, "");
}

TEST_F(NoticesTest, AMessageShowsWhatItsClientKnowsAndGetsAnIdThatFindsBack) {
  pb::XmppMessage message;
  message.set_from("ann@x.test/a b");
  message.set_to(kBob);
  xmpp::MessageContent content;
  content.thread = "t";
  content.state = "active";
  content.wants_receipt = true;
  xmpp::Stanza stanza{.id = "s 1", .type = "chat"};
  subject.message(stanza, content, message);
  const Contact& contact = *contacts.find(kAnn, kBob);
  EXPECT_EQ(contact.thread, "t");
  EXPECT_TRUE(contact.chat);
  EXPECT_EQ(contact.states_of(kAnn), Contact::States::kTells);
  const auto asked = asked_by(ids, message.wants().id(), kBob, kAnn);
  ASSERT_TRUE(asked);
  EXPECT_EQ(asked->id, "s 1");
  EXPECT_EQ(asked->from, "ann@x.test/a b");
  EXPECT_TRUE(asked->chat && asked->received && !asked->displayed);

  content.state = {};
  content.wants_receipt = false;
  pb::XmppMessage plain;
  subject.message(stanza, content, plain);
  EXPECT_FALSE(plain.has_wants());
}

TEST(Receipts, AnIdThatIsTooLongToComeBackIsNotAskedBy) {
  xmpp::StanzaIds ids{"secret", "component-1", 7};
  pb::XmppMessage message;
  message.set_to(kBob);
  message.mutable_wants()->set_delivered(true);
  message.set_from("ann@x.test/" + std::string(200, 'r'));
  const auto asked = asked_by(ids, message_id(ids, "s1", message, false), kBob, kAnn);
  EXPECT_EQ(asked->from, kAnn);  // any of her clients
  EXPECT_FALSE(asked->chat);
  EXPECT_EQ(message_id(ids, std::string(200, 's'), message, false), "");
}

TEST(ContactsTest, IsBoundedAndForgets) {
  ManualClock clock;
  Contacts contacts(clock);
  for (std::size_t i = 0; i <= Contacts::kMax; ++i) contacts.get("u" + std::to_string(i) + "@x", "s@y");
  EXPECT_EQ(contacts.list().size(), Contacts::kMax);
  EXPECT_EQ(contacts.find("u0@x", "s@y"), nullptr);
  EXPECT_NE(contacts.find("u1@x/r", "s@y/r"), nullptr);
  EXPECT_EQ(contacts.forget("u1@x"), 1u);
  clock.advance(Contacts::kRemembered);
  EXPECT_EQ(contacts.find("u2@x", "s@y"), nullptr);
  EXPECT_EQ(contacts.forget(""), Contacts::kMax - 2);
}

}  // namespace
}  // namespace stox::worker
