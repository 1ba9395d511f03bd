#include "xmpp_worker/page/to_xmpp.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "stream_by_hand.h"
#include "xmpp_worker/page/words.h"

namespace stox::worker {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::HasSubstr;
using xmpp::StanzaId;

class ToXmppTest : public testing::Test, public ToXmppUser {
 protected:
  void SetUp() override {
    stream.on_stanza = other.on_stanza = [this](const xmpp::Stanza& stanza) {
      if (const auto id = stream.ids.read_answer(stanza.id, stanza.from, stanza.to))
        to_xmpp.answer(*id, {stanza.kind == xmpp::Stanza::Kind::kMessage, stanza.id, stanza.from, stanza.to,
                             xmpp::read_error(stanza.element), connection});
    };
  }
  void finish(const pb::EnvelopeId& id, const pb::Outcome& outcome) override {
    EXPECT_TRUE(outcomes.emplace(id.number(), outcome).second) << id.number() << " ended twice";
  }
  xmpp::Path* path(std::string_view, std::string_view to) override {
    ++paths_asked;
    if (to == "nowhere.test") return nullptr;
    return to == "other.test" ? &other.component : &stream.component;
  }

  void begin(uint64_t number, const std::string& to = "c@x.test", const std::string& body = "hi") {
    pb::Envelope envelope;
    envelope.mutable_id()->set_origin("sip-1");
    envelope.mutable_id()->set_epoch(3);
    envelope.mutable_id()->set_number(number);
    envelope.set_trace_id("0123456789abcdef");
    pb::XmppMessage& message = *envelope.mutable_xmpp_message();
    message.set_from("a*b@gw.test/r");
    message.set_to(to);
    message.set_type("chat");
    message.set_call_id("call-1@host");
    message.add_bodies()->set_text(body);
    to_xmpp.begin(envelope, clock.now() + seconds(25));
  }
  pb::Envelope envelope(uint64_t number) {
    pb::Envelope e;
    e.mutable_id()->set_origin("sip-1");
    e.mutable_id()->set_number(number);
    pb::XmppMessage& message = *e.mutable_xmpp_message();
    message.set_from("a*b@gw.test");
    message.set_to("c@x.test");
    message.set_type("chat");
    return e;
  }
  pb::Envelope words(uint64_t number) {
    pb::Envelope e = envelope(number);
    e.mutable_xmpp_message()->set_call_id("c1");
    e.mutable_xmpp_message()->set_thread("c1");
    e.mutable_xmpp_message()->add_bodies()->set_text("hi");
    return e;
  }
  void begin(const pb::Envelope& e) { to_xmpp.begin(e, clock.now() + seconds(25)); }
  void typing(pb::XmppMessage::State state, uint32_t holds_s = 0) {
    pb::Envelope e = envelope(77);
    e.set_lossy(true);
    e.mutable_xmpp_message()->set_state(state);
    e.mutable_xmpp_message()->set_state_holds_s(holds_s);
    begin(e);
  }
  void composing(uint32_t holds_s = 0) { typing(pb::XmppMessage::COMPOSING, holds_s); }
  // The Message-ID that SIP knows a stanza of c@x.test/phone by.
  std::string asked_id(bool received, bool displayed, const std::string& stanza_id = "s/1") {
    pb::XmppMessage message;
    message.set_from("c@x.test/phone/2");
    message.set_to("a*b@gw.test");
    message.mutable_wants()->set_delivered(received);
    message.mutable_wants()->set_displayed(displayed);
    return message_id(stream.ids, stanza_id, message, true);
  }
  void notify(uint64_t number, pb::Receipt::Kind kind, const std::string& id) {
    pb::Envelope e = envelope(number);
    e.mutable_xmpp_message()->mutable_receipt()->set_kind(kind);
    e.mutable_xmpp_message()->mutable_receipt()->set_id(id);
    begin(e);
  }
  void refused_late(const StanzaId& id, const Answer& answer) override {
    late.push_back(id.payload + " " + answer.error.condition);
  }
  std::string wakeup() {
    to_xmpp.about_to_write(stream.component);
    return stream.take();
  }
  void pass(Duration d) {
    for (const Time until = clock.now() + d; clock.now() < until;) {
      clock.advance(std::chrono::milliseconds(100));
      to_xmpp.turn();
    }
  }
  void break_down() {
    stream.break_down();
    to_xmpp.path_down(stream.component);
  }
  void come_up() {
    stream.come_up();
    to_xmpp.path_up(stream.component);
  }
  // The id of the first such element.
  static std::string id_in(const std::string& written, const std::string& element) {
    const auto id = written.find(" id='", written.find("<" + element)) + 5;
    return written.substr(id, written.find('\'', id) - id);
  }
  // The domain answers the ping in what was written.
  void pong(const std::string& written, const std::string& domain = "x.test") {
    stream.server("<iq type='result' from='" + domain + "' to='gw.test' id='" + id_in(written, "iq") + "'/>");
  }
  void bounce(const std::string& written, const std::string& from = "c@x.test",
              const std::string& to = "a*b@gw.test/r") {
    stream.server("<message type='error' from='" + from + "' to='" + to + "' id='" +
                  id_in(written, "message") +
                  "'><error type='cancel'><service-unavailable "
                  "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>");
  }

  ManualClock clock;
  service::Log log{"test", service::Level::kError, "text"};
  service::Trace trace;
  StreamByHand stream{clock}, other{clock};
  Contacts contacts{clock};
  ToXmpp to_xmpp{100, stream.ids, contacts, clock, log, trace, *this};
  std::map<uint64_t, pb::Outcome> outcomes;
  std::vector<std::string> late;
  uint64_t connection = 0;  // on which answers come
  int paths_asked = 0;
};

TEST_F(ToXmppTest, WritesAndIsDeliveredWhenTheDomainAnswersThePingBehind) {
  come_up();
  begin(1);
  EXPECT_EQ(stream.wakeups, 1);
  const std::string written = wakeup();
  EXPECT_THAT(written,
              testing::MatchesRegex(
                  "<message from='a\\*b@gw.test/r' to='c@x.test' id='component-1.7.[0-9]+.mc.call-1%40host."
                  "[^']{16}' type='chat'><body>hi</body><active "
                  "xmlns='http://jabber.org/protocol/chatstates'/></message>"
                  "<iq from='gw.test' to='x.test' id='[^']*' type='get'><ping xmlns='urn:xmpp:ping'/></iq>"));
  EXPECT_TRUE(outcomes.empty());
  pong(written);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
  EXPECT_EQ(to_xmpp.unproved(), 0u);
}

TEST_F(ToXmppTest, AMessageToARoomIsDeliveredWhenTheRoomHasShownIt) {
  come_up();
  pb::Envelope e = words(1);
  e.mutable_xmpp_message()->set_from("a*b@gw.test/sip");
  e.mutable_xmpp_message()->set_to("room@x.test");
  e.mutable_xmpp_message()->set_type("groupchat");
  begin(e);
  const std::string written = wakeup();
  EXPECT_THAT(written, HasSubstr("type='groupchat'><body>hi</body>"));
  pong(written);
  EXPECT_TRUE(outcomes.empty()) << "the server has it, the room has not shown it";
  const auto id = stream.ids.read_answer(id_in(written, "message"), "room@x.test/a", "a*b@gw.test/sip");
  ASSERT_TRUE(id);
  to_xmpp.reflected(*id);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
  pass(seconds(10));
  EXPECT_EQ(outcomes.size(), 1u);

  e.mutable_id()->set_number(2);
  begin(e);
  pong(wakeup());
  pass(seconds(10));
  EXPECT_EQ(outcomes.at(2).verdict(), pb::PASSED_ON);
}

// One that is not asked for does not come back.
TEST_F(ToXmppTest, AsksForAStreamAgainWhileMessagesWaitForRoom) {
  come_up();
  begin(1);
  paths_asked = 0;
  break_down();
  EXPECT_EQ(paths_asked, 0);

  come_up();
  stream.unread = 1 << 30;
  begin(2);
  paths_asked = 0;
  break_down();
  EXPECT_EQ(paths_asked, 1);
}

TEST_F(ToXmppTest, WhatTheContactShowedDecidesOnThreadTypeAndStates) {
  come_up();
  begin(words(1));
  EXPECT_THAT(wakeup(), HasSubstr("<thread>c1</thread><active "));
  Contact& contact = contacts.get("c@x.test/phone", "a*b@gw.test");
  contact.thread = "t";
  contact.shows("c@x.test/r", Contact::States::kTellsNot);
  contact.chat = true;
  pb::Envelope e = words(2);
  e.mutable_xmpp_message()->set_type("normal");
  begin(e);
  EXPECT_THAT(wakeup(), HasSubstr("type='chat'><body>hi</body><thread>t</thread></message>"));
}

TEST_F(ToXmppTest, ReceiptsAreAskedForAndTheIdBringsBackWhatIsAnswered) {
  come_up();
  pb::Envelope e = words(1);
  pb::Wants& wants = *e.mutable_xmpp_message()->mutable_wants();
  wants.set_id("Im/dn.7");
  wants.set_date_s(1'700'000'000);
  wants.set_delivered(true);
  wants.set_displayed(true);
  begin(e);
  const std::string written = wakeup();
  EXPECT_THAT(written,
              HasSubstr("<request xmlns='urn:xmpp:receipts'/><markable xmlns='urn:xmpp:chat-markers:0'/>"));
  const auto id = stream.ids.read_answer(id_in(written, "message"), "c@x.test/any", "a*b@gw.test");
  ASSERT_TRUE(id);
  EXPECT_EQ(sip_message_of(*id)->id(), "Im/dn.7");
  EXPECT_EQ(sip_message_of(*id)->date_s(), 1'700'000'000);
  ASSERT_EQ(contacts.find("c@x.test", "a*b@gw.test")->unread.size(), 1u);

  wants.set_id(std::string(200, 'x'));  // would not come back whole
  e.mutable_id()->set_number(2);
  begin(e);
  EXPECT_THAT(wakeup(), testing::Not(HasSubstr("urn:xmpp:receipts")));
}

TEST_F(ToXmppTest, ANotificationIsAReceiptForWhoAsked) {
  come_up();
  notify(1, pb::Receipt::DELIVERED, asked_id(true, false));
  const std::string written = wakeup();
  EXPECT_THAT(written, testing::MatchesRegex("<message from='a\\*b@gw.test' to='c@x.test/phone/2' id='[^']*' "
                                             "type='chat'><received xmlns='urn:xmpp:receipts' id='s/1'/>"
                                             "</message><iq .*"));
  pong(written);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
  notify(2, pb::Receipt::DELIVERED, asked_id(true, false));  // another phone of theirs
  EXPECT_EQ(wakeup(), "");
  EXPECT_EQ(outcomes.at(2).verdict(), pb::DELIVERED);
}

TEST_F(ToXmppTest, DisplayedImpliesReceivedAndComesOnlyIfAskedFor) {
  come_up();
  notify(1, pb::Receipt::DISPLAYED, asked_id(true, true));
  const std::string both = wakeup();
  EXPECT_LT(both.find("<received"), both.find("<displayed xmlns='urn:xmpp:chat-markers:0' id='s/1'/>"));
  notify(2, pb::Receipt::DELIVERED, asked_id(true, true));
  EXPECT_EQ(wakeup(), "");  // told already
  notify(3, pb::Receipt::DISPLAYED, asked_id(true, false, "s2"));
  EXPECT_THAT(wakeup(), testing::AllOf(HasSubstr("<received "), testing::Not(HasSubstr("<displayed"))));
  notify(4, pb::Receipt::DISPLAYED, asked_id(false, true, "s3"));
  EXPECT_THAT(wakeup(), testing::AllOf(HasSubstr("<displayed "), testing::Not(HasSubstr("<received"))));
}

TEST_F(ToXmppTest, AFailureNotifiedIsAnErrorForThatStanza) {
  come_up();
  const std::pair<pb::Receipt::Kind, const char*> rows[] = {
      {pb::Receipt::FAILED, "<error type='wait' by='gw.test'><recipient-unavailable "},
      {pb::Receipt::FORBIDDEN, "<error type='auth' by='gw.test'><forbidden "},
      {pb::Receipt::ERROR, "<error type='cancel' by='gw.test'><internal-server-error "}};
  uint64_t number = 0;
  for (const auto& [kind, error] : rows) {
    const std::string stanza_id = "s" + std::to_string(++number);
    notify(number, kind, asked_id(true, true, stanza_id));
    EXPECT_THAT(wakeup(), HasSubstr("<message from='a*b@gw.test' to='c@x.test/phone/2' id='" + stanza_id +
                                    "' type='error'>" + error));
  }
}

TEST_F(ToXmppTest, ANotificationOfNothingOfOursIsTakenInSilence) {
  come_up();
  notify(1, pb::Receipt::DELIVERED, "made-up");
  std::string forged = asked_id(true, true);
  forged.back() = forged.back() == 'A' ? 'B' : 'A';
  notify(2, pb::Receipt::DISPLAYED, forged);
  pb::Envelope e = envelope(3);  // from somebody else than was written to
  e.mutable_xmpp_message()->set_from("eve*b@gw.test");
  e.mutable_xmpp_message()->mutable_receipt()->set_kind(pb::Receipt::DELIVERED);
  e.mutable_xmpp_message()->mutable_receipt()->set_id(asked_id(true, true));
  begin(e);
  EXPECT_EQ(wakeup(), "");
  for (uint64_t number : {1, 2, 3}) EXPECT_EQ(outcomes.at(number).verdict(), pb::DELIVERED);
}

TEST_F(ToXmppTest, OfSeveralNotificationsEachIsAReceiptOfItsOwn) {
  come_up();
  pb::Envelope e = envelope(1);
  pb::XmppMessage& message = *e.mutable_xmpp_message();
  const auto add = [&](const std::string& id) {
    pb::Receipt& receipt = *(message.has_receipt() ? message.add_more_receipts() : message.mutable_receipt());
    receipt.set_kind(pb::Receipt::DELIVERED);
    receipt.set_id(id);
  };
  add("made-up");
  add(asked_id(true, false, "s1"));
  add(asked_id(false, false, "s2"));  // nobody asked
  add(asked_id(true, false, "s3"));
  begin(e);
  const std::string written = wakeup();
  EXPECT_THAT(written, testing::MatchesRegex(
                           "<message from='a\\*b@gw.test' to='c@x.test/phone/2' id='[^']*' type='chat'>"
                           "<received xmlns='urn:xmpp:receipts' id='s1'/></message>"
                           "<message [^>]*><received xmlns='urn:xmpp:receipts' id='s3'/></message><iq .*"));
  pong(written);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
}

TEST_F(ToXmppTest, AFileStandsAloneAndWordsBesideItGoBefore) {
  come_up();
  pb::Envelope e = words(1);
  pb::XmppMessage& message = *e.mutable_xmpp_message();
  message.mutable_wants()->set_id("m1");
  message.mutable_wants()->set_delivered(true);
  message.add_subjects()->set_text("look");
  message.mutable_bodies(0)->set_text("hi\nthere\nhttps://f.test/a.jpg\nhttps://f.test/b?c&d");
  message.add_files()->set_url("https://f.test/a.jpg");
  message.mutable_files(0)->set_name("a.jpg");
  message.mutable_files(0)->set_media_type("image/jpeg");
  message.mutable_files(0)->set_size(7);
  message.add_files()->set_url("https://f.test/b?c&d");
  begin(e);
  const std::string written = wakeup();
  const std::string head = "<message from='a\\*b@gw.test' to='c@x.test' id='[^']*' type='chat'>";
  EXPECT_THAT(
      written,
      testing::MatchesRegex(
          head + "<subject>look</subject><body>hi\nthere</body>.*</message>" + head +
          "<body>https://f.test/a.jpg</body>.*<x xmlns='jabber:x:oob'><url>https://f.test/a.jpg</url></x>"
          "<file-sharing xmlns='urn:xmpp:sfs:0' disposition='inline'><file xmlns='urn:xmpp:file:metadata:0'>"
          "<media-type>image/jpeg</media-type><name>a.jpg</name><size>7</size></file><sources>"
          "<url-data xmlns='http://jabber.org/protocol/url-data' target='https://f.test/a.jpg'/></sources>"
          "</file-sharing><fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:sfs:0'><body/></fallback>"
          "<store xmlns='urn:xmpp:hints'/></message>" +
          head +
          "<body>https://f.test/b\\?c&amp;d</body>.*<url>https://f.test/b\\?c&amp;d</url>.*"
          "<request xmlns='urn:xmpp:receipts'/></message><iq .*"));
  EXPECT_EQ(written.find("<request"), written.rfind("<request"));
  bounce(written, "c@x.test", "a*b@gw.test");  // of the words
  EXPECT_EQ(outcomes.at(1).stanza_error().condition(), "service-unavailable");
}

TEST_F(ToXmppTest, TypingIsShownOnceAndEndsByItself) {
  come_up();
  composing();
  EXPECT_EQ(wakeup(), "");  // nobody knows whether the contact wants it
  contacts.get("c@x.test", "a*b@gw.test").shows("c@x.test/r", Contact::States::kTells);
  composing(60);
  EXPECT_THAT(
      stream.take(),
      testing::MatchesRegex("<message from='a\\*b@gw.test' to='c@x.test/r' id='[^']*' type='chat'><composing "
                            "xmlns='http://jabber.org/protocol/chatstates'/><no-copy xmlns='urn:xmpp:hints'/>"
                            "<no-store xmlns='urn:xmpp:hints'/></message>"));
  pass(seconds(50));
  composing(60);
  pass(seconds(50));
  EXPECT_EQ(stream.take(), "");
  pass(seconds(11));
  EXPECT_THAT(stream.take(), HasSubstr("<paused "));
  typing(pb::XmppMessage::PAUSED);
  pass(minutes(5));
  EXPECT_EQ(stream.take(), "");
  composing();
  typing(pb::XmppMessage::PAUSED);
  EXPECT_THAT(stream.take(), HasSubstr("<paused "));
  EXPECT_TRUE(outcomes.empty());
  EXPECT_EQ(to_xmpp.unproved(), 0u);
}

TEST_F(ToXmppTest, TypingIsShownToTheClientThatShowsItsOwn) {
  come_up();
  Contact& contact = contacts.get("c@x.test", "a*b@gw.test");
  contact.shows("c@x.test/phone", Contact::States::kTells);
  contact.shows("c@x.test/laptop", Contact::States::kAssumed);
  composing();
  EXPECT_THAT(stream.take(), HasSubstr("to='c@x.test/phone'"));
}

TEST_F(ToXmppTest, TheAddressThatASipUserWroteToIsRemembered) {
  come_up();
  pb::Envelope e = words(1);
  e.mutable_xmpp_message()->set_to("c@x.test/phone");
  begin(e);
  const Contact* contact = contacts.find("c@x.test", "a*b@gw.test");
  ASSERT_NE(contact, nullptr);
  EXPECT_EQ(contact->written_to, "phone");
  begin(words(2));
  EXPECT_EQ(contact->written_to, "");
}

TEST_F(ToXmppTest, WhatOneClientDoesNotWantAnotherMay) {
  come_up();
  Contact& contact = contacts.get("c@x.test", "a*b@gw.test");
  contact.shows("c@x.test/old", Contact::States::kTellsNot);
  composing();
  EXPECT_EQ(stream.take(), "");
  contact.shows("c@x.test/new", Contact::States::kAssumed);
  composing();
  EXPECT_THAT(stream.take(), HasSubstr("<composing "));
  EXPECT_EQ(contact.states_of("c@x.test/old"), Contact::States::kTellsNot);
  EXPECT_EQ(contact.states_of("c@x.test/unknown"), Contact::States::kUnknown);
  contact.shows("c@x.test/new", Contact::States::kTellsNot);
  contact.shows("c@x.test/new", Contact::States::kAssumed);
  EXPECT_EQ(contact.states_of("c@x.test"), Contact::States::kTellsNot) << "what it showed itself counts";
}

TEST_F(ToXmppTest, ANameIsToldOnceAndWhenItChanges) {
  come_up();
  const auto write = [&](uint64_t number, const std::string& nick) {
    pb::Envelope e = envelope(number);
    e.mutable_xmpp_message()->set_nick(nick);
    e.mutable_xmpp_message()->add_bodies()->set_text("hi");
    begin(e);
    return wakeup();
  };
  EXPECT_THAT(write(1, "Romeo Montague"),
              HasSubstr("<nick xmlns='http://jabber.org/protocol/nick'>Romeo Montague</nick>"));
  EXPECT_THAT(write(2, "Romeo Montague"), testing::Not(HasSubstr("<nick ")));
  EXPECT_THAT(write(3, ""), testing::Not(HasSubstr("<nick ")));
  EXPECT_THAT(write(4, "Romeo"), HasSubstr(">Romeo</nick>"));
  EXPECT_EQ(contacts.find("c@x.test", "a*b@gw.test")->sip_name, "Romeo");
}

TEST_F(ToXmppTest, AMessageEndsTyping) {
  come_up();
  contacts.get("c@x.test", "a*b@gw.test").shows("c@x.test/r", Contact::States::kTells);
  composing();
  begin(words(1));
  pong(wakeup());
  pass(minutes(5));
  EXPECT_EQ(stream.take().find("paused"), std::string::npos);
}

TEST_F(ToXmppTest, TypingWaitsForNoStream) {
  contacts.get("c@x.test", "a*b@gw.test").shows("c@x.test/r", Contact::States::kTells);
  composing();
  EXPECT_EQ(to_xmpp.held(), 0u);
  come_up();
  EXPECT_EQ(wakeup(), "");
  composing();
  EXPECT_THAT(wakeup(), HasSubstr("<composing "));
}

TEST_F(ToXmppTest, OnlyARefusalAfterTheAnswerIsALateOne) {
  come_up();
  pb::Envelope e = words(1);
  pb::Wants& wants = *e.mutable_xmpp_message()->mutable_wants();
  wants.set_id("late");
  wants.set_failed(true);
  begin(e);
  const std::string written = wakeup();
  pong(written);
  bounce(written, "c@x.test", "a*b@gw.test");
  EXPECT_THAT(late, testing::ElementsAre("0/late service-unavailable"));
  EXPECT_TRUE(contacts.first("late", pb::Receipt::FAILED));

  wants.set_id("told");
  e.mutable_id()->set_number(2);
  begin(e);
  bounce(wakeup(), "c@x.test", "a*b@gw.test");
  EXPECT_EQ(outcomes.at(2).verdict(), pb::FAILED);
  EXPECT_FALSE(contacts.first("told", pb::Receipt::FAILED));  // the answer said it
}

TEST_F(ToXmppTest, OnePingForAllOfOneWakeup) {
  come_up();
  for (uint64_t i = 1; i <= 5; ++i) begin(i);
  const std::string written = wakeup();
  EXPECT_EQ(written.find("<ping"), written.rfind("<ping"));
  pong(written);
  EXPECT_EQ(outcomes.size(), 5u);
}

TEST_F(ToXmppTest, ABounceBeforeTheAnswerIsTheOutcome) {
  come_up();
  begin(1);
  begin(2, "d@x.test/phone");
  const std::string written = wakeup();
  bounce(written);
  ASSERT_EQ(outcomes.count(1), 1u);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::FAILED);
  EXPECT_EQ(outcomes.at(1).reason(), pb::NOT_GIVEN);
  EXPECT_EQ(outcomes.at(1).stanza_error().condition(), "service-unavailable");
  EXPECT_FALSE(outcomes.at(1).stanza_error().full_jid());
  bounce(written.substr(written.find("<message", 1)), "d@x.test/phone");
  EXPECT_TRUE(outcomes.at(2).stanza_error().full_jid());
  pong(written);
  EXPECT_EQ(outcomes.size(), 2u);
}

TEST_F(ToXmppTest, ABounceWithAddressesNotSwappedCounts) {
  come_up();
  begin(1);
  bounce(wakeup(), "a*b@gw.test/r", "c@x.test");
  EXPECT_EQ(outcomes.at(1).stanza_error().condition(), "service-unavailable");
}

TEST_F(ToXmppTest, ABounceFromAnybodyElseDoesNotCount) {
  come_up();
  begin(1);
  const std::string written = wakeup();
  bounce(written, "mallory@x.test");
  bounce(written, "x.test");
  EXPECT_TRUE(outcomes.empty());
  pong(written);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
  bounce(written);
  EXPECT_EQ(to_xmpp.figures().late_errors, 1u);
}

TEST_F(ToXmppTest, AnErrorForThePingProvesAsWell) {
  come_up();
  begin(1);
  const std::string written = wakeup();
  stream.server("<iq type='error' from='x.test' to='gw.test' id='" + id_in(written, "iq") +
                "'><error type='cancel'><service-unavailable "
                "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
}

TEST_F(ToXmppTest, APongFromAnotherDomainProvesNothing) {
  come_up();
  begin(1);
  pong(wakeup(), "y.test");
  EXPECT_TRUE(outcomes.empty());
  pass(seconds(26));
  EXPECT_EQ(outcomes.at(1).reason(), pb::DEADLINE);
}

TEST_F(ToXmppTest, AStreamThatBreaksLeavesMessagesInDoubt) {
  come_up();
  begin(1);
  wakeup();
  break_down();
  EXPECT_EQ(outcomes.at(1).reason(), pb::IN_DOUBT);
  come_up();
  EXPECT_EQ(wakeup(), "");
}

TEST_F(ToXmppTest, WithTwoConnectionsAnAnswerMustComeOnEach) {
  to_xmpp.set_others({77});
  come_up();
  begin(1);
  pong(wakeup());
  EXPECT_TRUE(outcomes.empty());
  const std::string again = wakeup();
  EXPECT_THAT(again, HasSubstr("<ping"));
  EXPECT_THAT(again, testing::Not(HasSubstr("<message")));
  connection = 77;
  EXPECT_THAT(again, HasSubstr("to='ping-2@x.test'"));
  pong(again, "ping-2@x.test");
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
  EXPECT_EQ(wakeup(), "");
}

TEST_F(ToXmppTest, AnotherConnectionThatIsLostMayHaveHadTheRefusal) {
  to_xmpp.set_others({77});
  come_up();
  begin(1);
  const std::string first = wakeup();
  stream.component.other_lost(clock.now());
  const std::string probes = stream.take();
  to_xmpp.other_lost();
  to_xmpp.set_others({});
  EXPECT_TRUE(outcomes.empty()) << "it may still lie unread in our stream, too";
  pong(first);
  EXPECT_EQ(outcomes.at(1).verdict(), pb::PASSED_ON);
  wakeup();
  begin(2);
  wakeup();
  EXPECT_EQ(outcomes.count(2), 0u);
  pass(seconds(2));
  const std::string again = wakeup();  // the first answer may have been lost, too
  const auto to = again.find("to='ping-") + 4;
  pong(again, again.substr(to, again.find('\'', to) - to));
  EXPECT_EQ(outcomes.at(2).verdict(), pb::PASSED_ON);
  stream.server(probes);
  begin(3);
  pong(wakeup());
  EXPECT_EQ(outcomes.at(3).verdict(), pb::DELIVERED) << "it sends nothing there any more";
}

TEST_F(ToXmppTest, EachPathHasItsOwnMessagesAndProofs) {
  come_up();
  other.come_up();
  begin(1);
  begin(2, "d@other.test");
  const std::string written = wakeup();
  EXPECT_THAT(written, testing::Not(HasSubstr("other.test")));
  to_xmpp.about_to_write(other.component);
  const std::string to_other = other.take();
  break_down();
  EXPECT_EQ(outcomes.at(1).reason(), pb::IN_DOUBT);
  pong(written, "x.test");
  EXPECT_EQ(outcomes.count(2), 0u);
  // Whichever way an answer takes.
  other.server("<iq type='result' from='other.test' to='gw.test' id='" + id_in(to_other, "iq") + "'/>");
  EXPECT_EQ(outcomes.at(2).verdict(), pb::DELIVERED);
}

TEST_F(ToXmppTest, APathThatGoesEndsWhatWaitedForIt) {
  begin(1, "d@other.test");
  begin(2);
  to_xmpp.path_gone(other.component);
  EXPECT_EQ(outcomes.at(1).reason(), pb::LINK_DOWN);
  EXPECT_EQ(outcomes.count(2), 0u);
  EXPECT_EQ(to_xmpp.held(), 1u);
  pass(seconds(1));
}

TEST_F(ToXmppTest, WithoutRoomForAPathItSaysSo) {
  begin(1, "d@nowhere.test");
  EXPECT_EQ(outcomes.at(1).reason(), pb::OVERLOADED);
}

TEST_F(ToXmppTest, AnAnswerNamesWhatItAnswersWhereThatIsProved) {
  come_up();
  for (const auto& [about, expected] :
       {std::pair(asked_id(true, false), true), std::pair(std::string("forged"), false)}) {
    pb::Envelope answer = envelope(1);
    answer.mutable_xmpp_message()->set_reply_to(about);
    begin(answer);
    const bool named = wakeup().find("<reply xmlns='urn:xmpp:reply:0' to='c@x.test/phone/2' id='s/1'/>") !=
                       std::string::npos;
    EXPECT_EQ(named, expected) << about;
  }
}

TEST_F(ToXmppTest, WaitsForAStreamThatReconnects) {
  come_up();
  break_down();
  begin(1);
  begin(2);
  EXPECT_TRUE(outcomes.empty());
  pass(seconds(5));
  come_up();
  begin(3);
  const std::string written = wakeup();
  EXPECT_EQ(to_xmpp.held(), 0u);
  EXPECT_EQ(written.find("<ping"), written.rfind("<ping"));
  pong(written);
  EXPECT_EQ(outcomes.size(), 3u);
}

TEST_F(ToXmppTest, After10SecondsWithoutStreamItSaysSo) {
  come_up();
  break_down();
  begin(1);
  pass(std::chrono::milliseconds(9900));
  EXPECT_TRUE(outcomes.empty());
  pass(seconds(1));
  EXPECT_EQ(outcomes.at(1).reason(), pb::LINK_DOWN);
  EXPECT_THAT(outcomes.at(1).text(), HasSubstr("cut"));
  begin(2);
  EXPECT_EQ(outcomes.at(2).reason(), pb::LINK_DOWN);
  EXPECT_GE(outcomes.at(2).retry_after_s(), 2u);
  EXPECT_LE(outcomes.at(2).retry_after_s(), 30u);
}

TEST_F(ToXmppTest, ARefusalIsToldAtOnceToThoseThatWaitToo) {
  begin(1);
  EXPECT_TRUE(outcomes.empty());
  stream.be_refused();
  pass(std::chrono::milliseconds(100));
  EXPECT_EQ(outcomes.at(1).reason(), pb::LINK_DOWN);
  EXPECT_THAT(outcomes.at(1).text(), HasSubstr("xmpp_password"));
  begin(2);
  EXPECT_EQ(outcomes.at(2).reason(), pb::LINK_DOWN);
}

TEST_F(ToXmppTest, HoldsNoMoreThanItsBound) {
  come_up();
  break_down();
  for (uint64_t i = 1; i <= 101; ++i) begin(i);
  EXPECT_EQ(to_xmpp.held(), 100u);
  EXPECT_EQ(outcomes.at(101).reason(), pb::OVERLOADED);
}

TEST_F(ToXmppTest, AServerThatDoesNotReadMakesMessagesWait) {
  come_up();
  stream.unread = 5'000'000;
  begin(1);
  EXPECT_EQ(wakeup(), "");
  stream.unread = 0;
  EXPECT_EQ(stream.wakeups, 0);
  pass(std::chrono::milliseconds(100));
  EXPECT_EQ(stream.wakeups, 1);
  pong(wakeup());
  EXPECT_EQ(outcomes.at(1).verdict(), pb::DELIVERED);
  stream.unread = 5'000'000;
  begin(2);
  pass(seconds(26));
  EXPECT_EQ(outcomes.at(2).reason(), pb::DEADLINE);
}

TEST_F(ToXmppTest, WhatIsTooLargeForAStanzaIsRefused) {
  come_up();
  begin(1, "c@x.test", std::string(60'000, '&'));
  EXPECT_EQ(outcomes.at(1).stanza_error().condition(), "policy-violation");
  EXPECT_EQ(wakeup(), "");
}

TEST_F(ToXmppTest, AnUnknownBodyIsRefused) {
  come_up();
  pb::Envelope envelope;
  envelope.mutable_id()->set_number(1);
  envelope.mutable_sip_message();
  to_xmpp.begin(envelope, clock.now() + seconds(25));
  EXPECT_EQ(outcomes.at(1).reason(), pb::UNSUPPORTED);
}

TEST_F(ToXmppTest, LeavesATrace) {
  come_up();
  begin(1);
  const std::string written = wakeup();
  pong(written);
  for (const std::string& id : {id_in(written, "message"), std::string("call-1@host"),
                                std::string("sip-1.3.1"), std::string("30313233343536373839616263646566")}) {
    ASSERT_EQ(trace.find(id).size(), 1u) << id;
    EXPECT_EQ(trace.find(id)[0]->outcome, "delivered");
  }
}

}  // namespace
}  // namespace stox::worker
