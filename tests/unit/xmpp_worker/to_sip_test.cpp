#include "xmpp_worker/page/to_sip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "stream_by_hand.h"

namespace stox::worker {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

class ToSipTest : public testing::Test, public ToSipUser {
 protected:
  void SetUp() override {
    stream.on_stanza = [this](const xmpp::Stanza& stanza) { to_sip.message(stanza); };
    stream.come_up();
  }
  Result<void> room(std::size_t, pb::Reason* reason) override {
    if (refusal == pb::NOT_GIVEN) return {};
    *reason = refusal;
    return error("full");
  }
  pb::EnvelopeId new_id() override {
    pb::EnvelopeId id;
    id.set_number(++ids);
    return id;
  }
  uint64_t restore(pb::Envelope& envelope, const bus::RestoredTimes&, uint32_t attempts) override {
    restored.emplace_back(envelope, attempts);
    return 1'000 + restored.size();
  }
  void hand_on_soon() override { ++wakeups; }
  Fate fate(std::string_view, std::string_view, Time sent) override {
    if (!stream.component.is_up() || stream.component.up_since() > sent) return Fate::kBroken;
    return stream.component.proved_until() > sent ? Fate::kArrived : Fate::kWaits;
  }
  Result<uint64_t> submit(pb::Envelope& envelope, Time begin_before, Time end_by, pb::Reason*) override {
    EXPECT_EQ(begin_before, clock.now() + seconds(60));
    EXPECT_EQ(end_by, clock.now() + seconds(95));
    envelopes.emplace_back();
    envelopes.back().Swap(&envelope);
    return envelopes.size();
  }
  void write_envelope_name(uint64_t number, std::string* out) const override {
    *out = "w.1." + std::to_string(number);
  }
  bool send_stanza(std::string_view from, std::string_view, std::string_view xml) override {
    return stream.component.send(from, xml) != xmpp::Component::Sent::kNotUp;
  }
  void called(const xmpp::Stanza&) override { ++calls; }
  void shown(std::string_view, std::string_view, Shown what, unsigned messages) override {
    shown_.push_back(what);
    stood_for_ += messages;
  }
  bool lend(std::string_view, std::string_view to, std::string_view xml,
            std::function<void()> sent) override {
    if (other_is_up) lent.push_back({std::string(to) + ": " + std::string(xml), std::move(sent)});
    return other_is_up;
  }

  void message(const std::string& attributes, const std::string& content = "<body>hi</body>") {
    stream.server("<message from='Ann@X.test/Phone' id='m1' " + attributes + ">" + content + "</message>");
  }
  static pb::Outcome failed(pb::Reason reason) {
    pb::Outcome outcome;
    outcome.set_reason(reason);
    return outcome;
  }
  static pb::Outcome succeeded(pb::Verdict verdict) {
    pb::Outcome outcome;
    outcome.set_verdict(verdict);
    return outcome;
  }

  static constexpr std::size_t kBound = 160;  // max_in_flight

  ManualClock clock;
  service::Log log{"test", service::Level::kError, "text"};
  service::Trace trace;
  StreamByHand stream{clock};
  ToSip to_sip{{.serves = {"gw.test"}, .max_in_flight = kBound}, clock, log, trace, *this};
  std::vector<pb::Envelope> envelopes;
  pb::Reason refusal = pb::NOT_GIVEN;
  uint64_t ids = 0;
  int wakeups = 0, calls = 0;
  std::vector<Shown> shown_;
  unsigned stood_for_ = 0;
  bool other_is_up = false;
  std::vector<std::pair<std::string, std::function<void()>>> lent;
  std::vector<std::pair<pb::Envelope, uint32_t>> restored;
};

// Two workers may bring it: one from the room's history, one from its journal.
TEST_F(ToSipTest, ALineOfARoomIsKnownAgain) {
  stream.on_stanza = [this](const xmpp::Stanza& stanza) { to_sip.room_message(stanza); };
  const auto says = [&](const std::string& id, const std::string& more) {
    stream.server(
        "<message from='verona@conf.test/juliet' to='bob*sip.test@gw.test/sip' type='groupchat' id='" + id +
        "'><body>hi</body>" + more + "</message>");
    return envelopes.back().xmpp_message();
  };
  const std::string history =
      "<delay xmlns='urn:xmpp:delay' from='verona@conf.test' stamp='2026-11-29T12:00:00Z'/>";
  const auto live = says("a", ""), again = says("a", history), other = says("b", "");
  EXPECT_NE(live.line(), 0u);
  EXPECT_FALSE(live.may_be_again());
  EXPECT_EQ(again.line(), live.line());
  EXPECT_TRUE(again.may_be_again());
  EXPECT_NE(other.line(), live.line());
}

// An error would make the room put its occupant out.
TEST_F(ToSipTest, WhatIsSaidInARoomGoesToTheUserAndIsNeverAnsweredWithAnError) {
  stream.on_stanza = [this](const xmpp::Stanza& stanza) { to_sip.room_message(stanza); };
  const auto says = [&](const std::string& content) {
    stream.server("<message from='verona@conf.test/juliet' to='bob*sip.test@gw.test/sip' type='groupchat'>" +
                  content + "</message>");
  };
  says("<body>hi</body><request xmlns='urn:xmpp:receipts'/>");
  ASSERT_EQ(envelopes.size(), 1u);
  EXPECT_EQ(envelopes[0].xmpp_message().line(), 0u) << "without an id one cannot be told from another";
  EXPECT_EQ(envelopes[0].xmpp_message().type(), "groupchat");
  EXPECT_EQ(envelopes[0].xmpp_message().from(), "verona@conf.test/juliet");
  EXPECT_EQ(envelopes[0].xmpp_message().to(), "bob*sip.test@gw.test");
  EXPECT_FALSE(envelopes[0].xmpp_message().wants().delivered());
  to_sip.ended(1, failed(pb::IN_DOUBT));
  says("<body>ho</body>");
  pb::Outcome refused;
  refused.mutable_stanza_error()->set_condition("forbidden");
  to_sip.ended(2, refused);
  says("<composing xmlns='http://jabber.org/protocol/chatstates'/>");
  says("<encrypted xmlns='eu.siacs.conversations.axolotl'><payload>x</payload></encrypted>");
  refusal = pb::OVERLOADED;
  says("<body>hi</body>");
  EXPECT_EQ(envelopes.size(), 2u);
  EXPECT_EQ(stream.take(), "");
  EXPECT_THAT(shown_, testing::ElementsAre(Shown::kNotTaken, Shown::kNo, Shown::kNotTaken));
  EXPECT_EQ(std::exchange(stood_for_, 0U), 3U);
  refusal = pb::NOT_GIVEN;
  to_sip.room_words("verona@conf.test", "bob*sip.test@gw.test", "* 5 messages were left out",
                    "verona@conf.test", 5);
  to_sip.ended(3, failed(pb::IN_DOUBT));
  EXPECT_EQ(stood_for_, 5U);
}

TEST_F(ToSipTest, OneInARoomWhoseWordsFailIsToldSoAndTheUserStaysInTheRoom) {
  stream.server(
      "<message from='verona@conf.test/juliet' to='bob*sip.test@gw.test/sip' id='m1' "
      "type='chat'><body>hi</body>"
      "</message>");
  pb::Outcome gone;
  gone.mutable_stanza_error()->set_type("wait");
  gone.mutable_stanza_error()->set_condition("recipient-unavailable");
  gone.mutable_stanza_error()->set_text("The SIP user is not available now");
  to_sip.ended(1, gone);
  const std::string written = stream.take();
  EXPECT_THAT(written, HasSubstr("<not-acceptable"));
  EXPECT_THAT(written, HasSubstr("not available now"));
}

TEST_F(ToSipTest, AMessageBecomesAnEnvelope) {
  message("to='bob*sip.test@gw.test' type='chat' xml:lang='de'",
          "<subject>s</subject><body>hallo</body><body xml:lang='en'>hello</body><thread>t</thread>");
  ASSERT_EQ(envelopes.size(), 1u);
  const pb::Envelope& envelope = envelopes[0];
  EXPECT_EQ(envelope.conversation(), "ann@x.test bob*sip.test@gw.test");
  EXPECT_EQ(envelope.trace_id().size(), 16u);
  EXPECT_EQ(envelope.dedup_key(), 0u);
  const pb::XmppMessage& sent = envelope.xmpp_message();
  EXPECT_EQ(sent.from(), "ann@x.test/Phone");
  EXPECT_EQ(sent.to(), "bob*sip.test@gw.test");
  EXPECT_EQ(sent.id(), "m1");
  EXPECT_EQ(sent.type(), "chat");
  EXPECT_EQ(sent.lang(), "de");
  EXPECT_EQ(sent.bodies(0).text(), "hallo");
  EXPECT_EQ(sent.bodies(1).lang(), "en");
  EXPECT_EQ(sent.subjects(0).text(), "s");
  EXPECT_EQ(sent.thread(), "t");
}

TEST_F(ToSipTest, EachMessageHasATraceOfItsOwn) {
  message("to='bob@gw.test'");
  message("to='bob@gw.test'");
  EXPECT_NE(envelopes[0].trace_id(), envelopes[1].trace_id());
}

TEST_F(ToSipTest, SuccessIsSilent) {
  for (const pb::Verdict verdict : {pb::DELIVERED, pb::PASSED_ON}) {
    message("to='bob@gw.test'");
    to_sip.ended(envelopes.size(), succeeded(verdict));
  }
  EXPECT_EQ(stream.take(), "");
  EXPECT_EQ(to_sip.pending(), 0u);
}

TEST_F(ToSipTest, OneSenderDoesNotTakeThePlacesOfAllOthers) {
  const auto write = [&](const std::string& from, const std::string& to) {
    stream.server("<message from='" + from + "' to='" + to + "' id='1'><body>x</body></message>");
    return stream.take();
  };
  for (int i = 0; i < 150; ++i) write("eve@x.test/1", "bob" + std::to_string(i) + "*sip.test@gw.test");
  EXPECT_EQ(envelopes.size(), 120u) << "three quarters of max_in_flight";
  EXPECT_THAT(write("eve@x.test/2", "carol*else.test@gw.test"),
              HasSubstr("<error type='wait' by='gw.test'><resource-constraint "));
  EXPECT_EQ(write("ann@x.test/1", "carol*sip.test@gw.test"), "");
  ASSERT_EQ(envelopes.size(), 121u);
  for (uint64_t i = 1; i <= 30; ++i) to_sip.ended(i, succeeded(pb::DELIVERED));
  EXPECT_EQ(write("eve@x.test/1", "bob*sip.test@gw.test"), "") << "as before, when some have ended";
}

TEST_F(ToSipTest, OneSipDomainThatDoesNotAnswerLeavesPlacesForAnother) {
  for (int i = 0; i < 200; ++i) {
    stream.server("<message from='u" + std::to_string(i) +
                  "@x.test/1' to='a*dead.test@gw.test' id='1'>"
                  "<body>x</body></message>");
  }
  EXPECT_EQ(envelopes.size(), 140u);
  stream.take();
  message("to='bob*sip.test@gw.test'");
  EXPECT_EQ(envelopes.size(), 141u);
  EXPECT_EQ(stream.take(), "");
}

TEST_F(ToSipTest, AFailureIsOneErrorToWhoSentIt) {
  message("to='bob@gw.test' type='chat'");
  pb::Outcome outcome;
  outcome.mutable_stanza_error()->set_type("auth");
  outcome.mutable_stanza_error()->set_condition("forbidden");
  outcome.mutable_stanza_error()->set_text("403 Forbidden");
  to_sip.ended(1, outcome);
  EXPECT_EQ(stream.take(),
            "<message from='bob@gw.test' to='Ann@X.test/Phone' id='m1' type='error'><error type='auth' "
            "by='gw.test'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text "
            "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' "
            "xml:lang='en'>403 Forbidden</text></error></message>");
  to_sip.ended(1, outcome);
  EXPECT_EQ(stream.take(), "");
}

TEST_F(ToSipTest, TheGatewaysOwnFailuresHaveTheirConditions) {
  const std::pair<pb::Reason, const char*> rows[] = {
      {pb::NO_TARGET, "<error type='wait' by='gw.test'><resource-constraint "},
      {pb::OVERLOADED, "<error type='wait' by='gw.test'><resource-constraint "},
      {pb::LINK_DOWN, "<error type='wait' by='gw.test'><resource-constraint "},
      {pb::STOPPING, "<error type='wait' by='gw.test'><resource-constraint "},
      {pb::DEADLINE, "<error type='wait' by='gw.test'><remote-server-timeout "},
      {pb::IN_DOUBT, "<error type='wait' by='gw.test'><remote-server-timeout "},
      {pb::UNSUPPORTED, "<error type='cancel' by='gw.test'><feature-not-implemented "},
      {pb::NOT_GIVEN, "<error type='cancel' by='gw.test'><internal-server-error "},
  };
  for (const auto& [reason, expected] : rows) {
    message("to='bob@gw.test'");
    to_sip.ended(envelopes.size(), failed(reason));
    EXPECT_THAT(stream.take(), HasSubstr(expected)) << pb::Reason_Name(reason);
  }
}

TEST_F(ToSipTest, AtTheBoundTheSenderIsToldToWait) {
  refusal = pb::OVERLOADED;
  message("to='bob@gw.test'");
  EXPECT_THAT(stream.take(), HasSubstr("<error type='wait' by='gw.test'><resource-constraint "));
  EXPECT_EQ(to_sip.pending(), 0u);
}

TEST_F(ToSipTest, WhatHasNoTextIsNotForSip) {
  message("to='bob@gw.test'", "");
  message("to='bob@gw.test'", "<body/>");
  message("to='bob@gw.test'", "<composing xmlns='http://jabber.org/protocol/chatstates'/>");
  message("to='bob@gw.test'", "<received xmlns='urn:xmpp:receipts' id='1'/>");
  EXPECT_TRUE(envelopes.empty());
  EXPECT_EQ(stream.take(), "");
}

TEST_F(ToSipTest, WhatPeopleSendWithoutABodyIsPutIntoWords) {
  message("to='bob@gw.test' type='chat'",
          "<reactions xmlns='urn:xmpp:reactions:0' id='r'><reaction>+1</reaction></reactions>");
  message("to='bob@gw.test'", "<subject>meeting at nine</subject>");
  message(
      "to='bob@gw.test'",
      "<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data xmlns='http://jabber.org/protocol/url-data' "
      "target='https://x.test/1'/></sources></file-sharing>");
  ASSERT_EQ(envelopes.size(), 3u);
  EXPECT_EQ(envelopes[0].xmpp_message().bodies(0).text(), "reacted with +1");
  EXPECT_EQ(envelopes[1].xmpp_message().bodies(0).text(), "meeting at nine");
  EXPECT_EQ(envelopes[1].xmpp_message().subjects_size(), 0);
  EXPECT_EQ(envelopes[2].xmpp_message().oobs(0).url(), "https://x.test/1");
  EXPECT_EQ(stream.take(), "");
}

TEST_F(ToSipTest, WhatHasNoWordsIsRefusedWithTheReason) {
  message("to='bob@gw.test'", "<openpgp xmlns='urn:xmpp:openpgp:0'>AAAA</openpgp>");
  EXPECT_TRUE(envelopes.empty());
  EXPECT_THAT(stream.take(), testing::AllOf(HasSubstr("<error type='modify' by='gw.test'><not-acceptable "),
                                            HasSubstr("This message is encrypted; ")));
}

TEST_F(ToSipTest, ACallIsDeclined) {
  const std::string proposal = "<propose xmlns='urn:xmpp:jingle-message:0' id='c1'/>";
  message("to='bob@gw.test'", proposal);
  EXPECT_EQ(calls, 1);
  message("to='bob@other.test'", proposal);
  EXPECT_EQ(calls, 1);
}

TEST_F(ToSipTest, AReferenceAloneIsAMessage) {
  message("to='bob@gw.test'",
          "<x xmlns='jabber:x:oob'><url>https://x.test/1</url><desc>d</desc></x>"
          "<replace id='m0' xmlns='urn:xmpp:message-correct:0'/>");
  ASSERT_EQ(envelopes.size(), 1u);
  const pb::XmppMessage& sent = envelopes[0].xmpp_message();
  EXPECT_EQ(sent.oobs(0).url(), "https://x.test/1");
  EXPECT_EQ(sent.oobs(0).description(), "d");
  EXPECT_EQ(sent.replaces(), "m0");
}

TEST_F(ToSipTest, AGroupChatIsRefused) {
  message("to='bob@gw.test' type='groupchat'");
  EXPECT_TRUE(envelopes.empty());
  EXPECT_THAT(stream.take(), HasSubstr("<service-unavailable "));
}

TEST_F(ToSipTest, ABadAddressIsRefusedFromAnAddressThatIsGood) {
  for (const char* bad :
       {"bob&#13;&#10;x@gw.test", "bob@@gw.test", "@gw.test", "a b@gw.test", "bob@gw.test/"}) {
    message(std::string("to='") + bad + "'");
    const std::string written = stream.take();
    EXPECT_THAT(written, HasSubstr("<jid-malformed ")) << bad;
    EXPECT_THAT(written, HasSubstr("<message from='gw.test' to='Ann@X.test/Phone'")) << bad;
  }
  stream.server("<message from='a b@x.test/1' to='bob@gw.test' id='7'><body>x</body></message>");
  EXPECT_THAT(stream.take(),
              HasSubstr("<message from='bob@gw.test' to='a b@x.test/1' id='7' type='error'><error "
                        "type='modify' by='gw.test'><jid-malformed "));
  EXPECT_TRUE(envelopes.empty());
}

TEST_F(ToSipTest, OnlyWhatIsForUsAndFromOthersIsTaken) {
  message("to='bob@other.test'");
  EXPECT_THAT(stream.take(), HasSubstr("<remote-server-not-found "));
  stream.server("<message from='eve@gw.test' to='bob@gw.test' id='1'><body>x</body></message>");
  EXPECT_THAT(stream.take(), HasSubstr("<not-acceptable "));
  EXPECT_TRUE(envelopes.empty());
}

TEST_F(ToSipTest, ErrorsWaitForTheStream) {
  message("to='bob@gw.test'");
  stream.break_down();
  to_sip.ended(1, failed(pb::DEADLINE));
  EXPECT_TRUE(to_sip.has_unsent());
  stream.come_up();
  to_sip.send_unsent();
  EXPECT_THAT(stream.take(), HasSubstr("<remote-server-timeout "));
  EXPECT_FALSE(to_sip.has_unsent());
}

TEST_F(ToSipTest, AnErrorGoesAgainWhenItsStreamBrokeBeforeItWasProcessed) {
  message("to='bob@gw.test'");
  to_sip.ended(1, failed(pb::DEADLINE));
  EXPECT_THAT(stream.take(), HasSubstr("<remote-server-timeout "));
  EXPECT_TRUE(to_sip.has_told());
  clock.advance(seconds(1));
  stream.break_down();
  clock.advance(seconds(5));
  stream.come_up();
  to_sip.send_unsent();
  EXPECT_THAT(stream.take(), HasSubstr("<remote-server-timeout "));

  clock.advance(seconds(1));
  stream.component.ask_for_proof(clock.now());
  stream.server(stream.take());  // the server brings our ping back, and so has seen the error before it
  to_sip.note_told();
  EXPECT_FALSE(to_sip.has_told());
  stream.break_down();
  clock.advance(seconds(5));
  stream.come_up();
  to_sip.send_unsent();
  EXPECT_EQ(stream.take(), "");
}

// That its own server cannot be written to must not cost others what they are told.
TEST_F(ToSipTest, OneDomainsRefusalsThatWaitLeaveRoomForOthers) {
  stream.break_down();
  for (int i = 0; i < 5'000; ++i)
    to_sip.refuse({.from = "eve@evil.test", .to = "bob@gw.test", .id = "x"}, {"cancel", "not-acceptable"});
  EXPECT_GT(to_sip.figures().errors_lost, 2'000u);
  EXPECT_LT(to_sip.figures().errors_lost, 4'000u);
  const uint64_t lost = to_sip.figures().errors_lost;
  for (int i = 0; i < 1'000; ++i)
    to_sip.refuse({.from = "ann@x.test", .to = "bob@gw.test", .id = "y"}, {"cancel", "not-acceptable"});
  EXPECT_EQ(to_sip.figures().errors_lost, lost);
}

TEST_F(ToSipTest, ARefusalThatIsMadeLargeByItsIdDoesNotWait) {
  const std::string id(100'000, 'i');
  to_sip.refuse({.from = "eve@evil.test", .to = "bob@gw.test", .id = id}, {"cancel", "not-acceptable"});
  EXPECT_THAT(stream.take(), HasSubstr(id));
  EXPECT_FALSE(to_sip.has_told());
  stream.break_down();
  to_sip.refuse({.from = "eve@evil.test", .to = "bob@gw.test", .id = id}, {"cancel", "not-acceptable"});
  EXPECT_FALSE(to_sip.has_unsent());
  EXPECT_EQ(to_sip.figures().errors_lost, 1u);
}

TEST_F(ToSipTest, WhileTheStreamStandsByAnErrorGoesByTheOtherWorker) {
  message("to='bob@gw.test'");
  stream.break_down();
  other_is_up = true;
  to_sip.ended(1, failed(pb::DEADLINE));
  to_sip.send_unsent();
  to_sip.send_unsent();
  ASSERT_EQ(lent.size(), 1u);
  EXPECT_THAT(lent[0].first, HasSubstr("Ann@X.test/Phone: <message from='bob@gw.test'"));
  EXPECT_TRUE(to_sip.has_unsent()) << "until it has arrived";
  lent[0].second();
  EXPECT_FALSE(to_sip.has_unsent());
  stream.come_up();
  to_sip.send_unsent();
  EXPECT_EQ(stream.take(), "");
}

TEST_F(ToSipTest, TheOtherWorkerIsAskedAgain) {
  message("to='bob@gw.test'");
  stream.break_down();
  other_is_up = true;
  to_sip.ended(1, failed(pb::DEADLINE));
  to_sip.send_unsent();
  clock.advance(seconds(20));
  to_sip.send_unsent();
  EXPECT_EQ(lent.size(), 2u);
  clock.advance(seconds(1));
  stream.come_up();
  to_sip.send_unsent();
  EXPECT_THAT(stream.take(), HasSubstr("<remote-server-timeout ")) << "our own came back first";
  lent[1].second();
  EXPECT_FALSE(to_sip.has_unsent());
}

TEST_F(ToSipTest, AnErrorOfAnotherWorkerIsSentAndSaidToHaveArrived) {
  int arrived = 0;
  to_sip.send_for("eve@else.test", "ann@x.test", "<message/>", [&] { ++arrived; });
  EXPECT_EQ(stream.take(), "") << "not of our domain";
  to_sip.send_for("bob@gw.test", "ann@x.test", "<message type='error'/>", [&] { ++arrived; });
  EXPECT_EQ(stream.take(), "<message type='error'/>");
  to_sip.note_told();
  EXPECT_EQ(arrived, 0);
  clock.advance(seconds(1));
  stream.component.ask_for_proof(clock.now());
  stream.server(stream.take());
  to_sip.note_told();
  EXPECT_EQ(arrived, 1);
}

TEST_F(ToSipTest, AnInjectedMessageTellsWhoInjectedIt) {
  std::string outcome;
  bool arrived = false;
  const auto done = [&](const std::string&, const std::string& text, bool ok) {
    outcome = text;
    arrived = ok;
  };
  to_sip.inject("ann@x.test/phone", "bob@gw.test", "hi", done);
  ASSERT_EQ(envelopes.size(), 1u);
  EXPECT_EQ(envelopes[0].xmpp_message().bodies(0).text(), "hi");
  to_sip.ended(1, succeeded(pb::DELIVERED));
  EXPECT_TRUE(arrived);
  EXPECT_EQ(outcome, "delivered");
  to_sip.inject("ann@x.test/phone", "bob@gw.test", "hi", done);
  to_sip.ended(2, failed(pb::DEADLINE));
  EXPECT_FALSE(arrived);
  to_sip.inject("ann@x.test", "bob@elsewhere.test", "hi", done);
  EXPECT_THAT(outcome, HasSubstr("not a domain of this gateway"));
  EXPECT_EQ(stream.take(), "");
}

TEST_F(ToSipTest, LeavesATrace) {
  message("to='bob@gw.test'");
  to_sip.ended(1, failed(pb::DEADLINE));
  ASSERT_EQ(trace.find("m1").size(), 1u);
  EXPECT_EQ(trace.find("w.1.1")[0]->outcome, "DEADLINE");
}

class JournalledToSipTest : public ToSipTest {
 protected:
  JournalledToSipTest() {
    std::string name = (std::filesystem::temp_directory_path() / "stox-worker-XXXXXX").string();
    folder = mkdtemp(name.data());
    open();
  }
  ~JournalledToSipTest() override {
    journalled.reset();
    journal.reset();
    std::filesystem::remove_all(folder);
  }
  void SetUp() override {
    ToSipTest::SetUp();
    stream.on_stanza = [this](const xmpp::Stanza& stanza) { journalled->message(stanza); };
  }
  // As the next process of this name.
  std::vector<StanzaJournal::Left> open() {
    journalled.reset();
    journal.reset();
    journal.emplace(folder + "/w.journal", journal::Sync::kProcess, clock, log);
    auto found = journal->open();
    EXPECT_TRUE(found.has_value());
    journalled.emplace(ToSip::Options{.serves = {"gw.test"}, .max_in_flight = kBound}, clock, log, trace,
                       *this, &*journal);
    return found ? std::move(*found) : std::vector<StanzaJournal::Left>();
  }

  std::string folder;
  std::optional<StanzaJournal> journal;
  std::optional<ToSip> journalled;
};

TEST_F(JournalledToSipTest, NothingGoesToTheBusBeforeItIsInTheJournal) {
  message("to='bob*sip.test@gw.test'");
  EXPECT_TRUE(envelopes.empty());
  EXPECT_EQ(wakeups, 1);
  journalled->hand_on();
  ASSERT_EQ(envelopes.size(), 1u);
  const auto rest = open();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].stanza.envelope().id().number(), envelopes[0].id().number());
  EXPECT_EQ(rest[0].stanza.from(), "Ann@X.test/Phone");
  EXPECT_EQ(rest[0].accepted, clock.now());
}

TEST_F(JournalledToSipTest, WhatWasDeliveredIsNotInTheJournalAnyMore) {
  message("to='bob*sip.test@gw.test'");
  journalled->hand_on();
  journalled->ended(1, succeeded(pb::DELIVERED));
  EXPECT_EQ(journal->size(), 0u);
  clock.advance(seconds(1));
  journal->turn(clock.now());
  EXPECT_TRUE(open().empty());
}

TEST_F(JournalledToSipTest, AnErrorIsDoneWhenTheServerHasProcessedIt) {
  message("to='bob*sip.test@gw.test'");
  journalled->hand_on();
  journalled->ended(1, failed(pb::DEADLINE));
  EXPECT_THAT(stream.take(), HasSubstr("remote-server-timeout"));
  journalled->hand_on();
  EXPECT_EQ(journal->size(), 1u);
  clock.advance(seconds(1));
  stream.component.ask_for_proof(clock.now());
  stream.server(stream.take());  // the server brings our ping back
  journalled->hand_on();
  EXPECT_EQ(journal->size(), 0u);
}

TEST_F(JournalledToSipTest, AnErrorThatFoundNoStreamIsSentByTheNextProcess) {
  message("to='bob*sip.test@gw.test'");
  journalled->hand_on();
  stream.break_down();
  journalled->ended(1, failed(pb::IN_DOUBT));
  auto rest = open();
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_TRUE(rest[0].failed);
  journalled->restore(std::move(rest));
  EXPECT_TRUE(restored.empty()) << "its outcome is known";
  stream.come_up();
  journalled->send_unsent();
  const std::string sent = stream.take();
  EXPECT_THAT(sent, HasSubstr("may have been delivered"));
  EXPECT_THAT(sent, HasSubstr("to='Ann@X.test/Phone'"));
  EXPECT_THAT(sent, HasSubstr("id='m1'"));
}

TEST_F(JournalledToSipTest, TheNextProcessGoesOnWithMoreAttemptsThanAnyBefore) {
  message("to='bob*sip.test@gw.test'");
  journalled->hand_on();
  journalled->restore(open());
  journalled->restore(open());
  ASSERT_EQ(restored.size(), 2u);
  EXPECT_GE(restored[0].second, 1u << 16);
  EXPECT_GT(restored[1].second, restored[0].second + 10'000);
  EXPECT_EQ(restored[1].first.xmpp_message().bodies(0).text(), "hi");
  journalled->ended(1'002, failed(pb::DEADLINE));
  EXPECT_THAT(stream.take(), HasSubstr("id='m1'"));
}

TEST_F(JournalledToSipTest, WithoutAJournalItIsRefused) {
  journal.emplace(folder + "/w.journal/not/a/folder", journal::Sync::kProcess, clock, log);
  EXPECT_FALSE(journal->open().has_value());
  message("to='bob*sip.test@gw.test'");
  journalled->hand_on();
  EXPECT_TRUE(envelopes.empty());
  EXPECT_THAT(stream.take(), HasSubstr("resource-constraint"));
  EXPECT_THAT(journal->trouble(), HasSubstr("state_directory"));
}

TEST_F(JournalledToSipTest, WhatComesWhileTheStreamIsBeingClosedIsForTheNextProcess) {
  journalled->close();
  stream.component.stop(clock.now());
  stream.take();
  message("to='bob*sip.test@gw.test'");
  journalled->hand_on();
  EXPECT_TRUE(envelopes.empty());
  EXPECT_EQ(stream.take(), "");
  EXPECT_EQ(open().size(), 1u);
}

}  // namespace
}  // namespace stox::worker
