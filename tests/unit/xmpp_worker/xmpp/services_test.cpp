#include "xmpp_worker/xmpp/stanza/services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace stox::xmpp {
namespace {

using testing::HasSubstr;
using testing::Not;

ServiceInfo info() {
  return {.version = "1.2",
          .uptime = std::chrono::seconds(90),
          .contact = [](std::string_view typed) -> Result<std::string> {
            if (typed.empty()) return error("nothing was typed");
            return std::string(typed) + "*gw.test";
          }};
}

std::string answer_to(const std::string& stanza, const ServiceInfo& info = stox::xmpp::info()) {
  const Reading read(stanza);
  std::string out;
  XmlWriter xml(out);
  const bool answered = answer(read.stanza(), info, xml);
  EXPECT_EQ(answered, !out.empty());
  return out;
}

std::string iq(const std::string& payload, const std::string& to = "gw.test",
               const std::string& type = "get") {
  return answer_to("<iq from='a@x/r' to='" + to + "' id='1' type='" + type + "'>" + payload + "</iq>");
}

TEST(Services, AnswersPings) {
  EXPECT_EQ(iq("<ping xmlns='urn:xmpp:ping'/>"), "<iq from='gw.test' to='a@x/r' id='1' type='result'/>");
  EXPECT_EQ(iq("<ping xmlns='urn:xmpp:ping'/>", "b@gw.test"),
            "<iq from='b@gw.test' to='a@x/r' id='1' type='result'/>");
}

TEST(Services, SaysWhatItIs) {
  const std::string domain = iq("<query xmlns='http://jabber.org/protocol/disco#info'/>");
  EXPECT_THAT(domain, HasSubstr("<identity category='gateway' type='simple' name='SIP gateway (stox)'/>"));
  EXPECT_THAT(domain, HasSubstr("<feature var='jid\\20escaping'/>"));
  EXPECT_THAT(domain, HasSubstr("<feature var='urn:xmpp:ping'/>"));
  EXPECT_THAT(domain, HasSubstr("'urn:xmpp:receipts'"));
  const std::string user = iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", "b@gw.test");
  EXPECT_THAT(user, HasSubstr("<identity category='client' type='phone'/>"));
  for (const char* feature :
       {"urn:xmpp:receipts", "urn:xmpp:chat-markers:0", "http://jabber.org/protocol/chatstates"})
    EXPECT_THAT(user, HasSubstr(std::string("<feature var='") + feature + "'/>"));
  EXPECT_EQ(iq("<query xmlns='http://jabber.org/protocol/disco#items'/>"),
            "<iq from='gw.test' to='a@x/r' id='1' type='result'>"
            "<query xmlns='http://jabber.org/protocol/disco#items'/></iq>");
  EXPECT_EQ(iq("<query xmlns='jabber:iq:version'/>"),
            "<iq from='gw.test' to='a@x/r' id='1' type='result'><query xmlns='jabber:iq:version'>"
            "<name>stox</name><version>1.2</version></query></iq>");
}

// Computed by another program from the features (XEP-0115 5.1).
TEST(Services, TheFeaturesOfSipUsersHaveAVersionThatCanBeAskedFor) {
  const std::string version = "fpuL3FfMs0jBXdeAjGmLm669CvI=";
  EXPECT_EQ(user_caps_version(info()), version);
  ServiceInfo with_names = info();
  with_names.name_of = [](std::string_view, std::string_view) { return ""; };
  EXPECT_EQ(user_caps_version(with_names), "5rh9mQAgWEiHgFt6tiefyZhyxdk=");

  const auto ask = [](const std::string& node, const std::string& to, const char* what = "info") {
    return iq(
        "<query xmlns='http://jabber.org/protocol/disco#" + std::string(what) + "' node='" + node + "'/>",
        to);
  };
  const std::string node = "https://stox.invalid#" + version;
  const std::string user = iq("<query xmlns='http://jabber.org/protocol/disco#info'/>", "b@gw.test");
  std::string with_node = ask(node, "b@gw.test/sip");
  EXPECT_THAT(with_node,
              HasSubstr("<query xmlns='http://jabber.org/protocol/disco#info' node='" + node + "'>"));
  EXPECT_EQ(with_node.substr(with_node.find("<identity")), user.substr(user.find("<identity")));
  EXPECT_THAT(ask(node, "gw.test"), HasSubstr("item-not-found")) << "the domain has others";
  EXPECT_THAT(ask(node, "b@gw.test", "items"), HasSubstr("item-not-found"));
  EXPECT_THAT(ask("https://stox.invalid#" + user_caps_version(with_names), "b@gw.test"),
              HasSubstr("item-not-found"));
}

TEST(Services, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(iq("<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>"),
              HasSubstr("<error type='cancel' by='gw.test'><item-not-found "));
  EXPECT_THAT(iq("<vCard xmlns='vcard-temp'/>", "b@gw.test"),
              HasSubstr("<iq from='b@gw.test' to='a@x/r' id='1' type='error'>"));
  EXPECT_THAT(iq("<vCard xmlns='vcard-temp'/>"), HasSubstr("service-unavailable"));
  EXPECT_THAT(iq("<ping xmlns='urn:xmpp:ping'/>", "gw.test", "set"), HasSubstr("service-unavailable"));
  EXPECT_THAT(iq(""), HasSubstr("service-unavailable"));
}

TEST(Services, TellsTheNameOfASipUser) {
  ServiceInfo with_names = info();
  with_names.name_of = [](std::string_view user, std::string_view sip_user) {
    return user == "a@x/r" && sip_user == "b@gw.test" ? "Mercutio <3" : "somebody else";
  };
  const auto ask = [&](const std::string& payload, const std::string& to) {
    return answer_to("<iq from='a@x/r' to='" + to + "' id='1' type='get'>" + payload + "</iq>", with_names);
  };
  EXPECT_EQ(ask("<vCard xmlns='vcard-temp'/>", "b@gw.test"),
            "<iq from='b@gw.test' to='a@x/r' id='1' type='result'><vCard xmlns='vcard-temp'>"
            "<FN>Mercutio &lt;3</FN><NICKNAME>Mercutio &lt;3</NICKNAME></vCard></iq>");
  EXPECT_THAT(ask("<vcard xmlns='urn:ietf:params:xml:ns:vcard-4.0'/>", "b@gw.test"),
              HasSubstr("<fn><text>Mercutio &lt;3</text></fn>"));
  EXPECT_THAT(ask("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items "
                  "node='http://jabber.org/protocol/nick'/></pubsub>",
                  "b@gw.test"),
              HasSubstr("<nick xmlns='http://jabber.org/protocol/nick'>Mercutio &lt;3</nick>"));
  EXPECT_THAT(ask("<pubsub xmlns='http://jabber.org/protocol/pubsub'><items "
                  "node='eu.siacs.conversations.axolotl.devicelist'/></pubsub>",
                  "b@gw.test"),
              HasSubstr("service-unavailable"));
  EXPECT_THAT(ask("<vCard xmlns='vcard-temp'/>", "gw.test"), HasSubstr("service-unavailable"));
  EXPECT_THAT(ask("<query xmlns='http://jabber.org/protocol/disco#info'/>", "b@gw.test"),
              HasSubstr("<feature var='vcard-temp'/>"));
}

TEST(Services, ReadsTheNameOfAnXmppUser) {
  const auto name = [](const std::string& card) {
    const Reading read("<iq from='a@x' to='b@gw.test' id='1' type='result'>" + card + "</iq>");
    return std::string(name_in_vcard(read.stanza()));
  };
  EXPECT_EQ(name("<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN></vCard>"), "Juliet Capulet");
  EXPECT_EQ(name("<vCard xmlns='vcard-temp'><FN>Juliet Capulet</FN><NICKNAME>Jule</NICKNAME></vCard>"),
            "Jule");
  EXPECT_EQ(name("<vCard xmlns='vcard-temp'/>"), "");
}

TEST(Services, SipUsersWithoutPresenceAreShownAsTheSiteSays) {
  const std::string subscribe = "<presence from='a@x/r' to='b@gw.test' type='subscribe'/>";
  const std::string probe = "<presence from='a@x' to='b@gw.test' type='probe'/>";
  ServiceInfo as = info();
  as.unsupported = ServiceInfo::Unsupported::kOnline;
  EXPECT_EQ(answer_to(subscribe, as),
            "<presence from='b@gw.test' to='a@x' type='subscribed'/><presence from='b@gw.test' to='a@x'/>");
  EXPECT_EQ(answer_to(probe, as), "<presence from='b@gw.test' to='a@x'/>");
  as.unsupported = ServiceInfo::Unsupported::kStrict;
  EXPECT_EQ(answer_to(subscribe, as), "<presence from='b@gw.test' to='a@x' type='unsubscribed'/>");
  EXPECT_EQ(answer_to(probe, as), "<presence from='b@gw.test' to='a@x' type='unavailable'/>");
}

TEST(Services, SaysHowContactsAreWritten) {
  EXPECT_THAT(iq("<query xmlns='jabber:iq:gateway'/>"), HasSubstr("<prompt>SIP address</prompt>"));
  EXPECT_EQ(iq("<query xmlns='jabber:iq:gateway'><prompt>romeo</prompt></query>", "gw.test", "set"),
            "<iq from='gw.test' to='a@x/r' id='1' type='result'><query xmlns='jabber:iq:gateway'>"
            "<jid>romeo*gw.test</jid><prompt>romeo*gw.test</prompt></query></iq>");
  EXPECT_THAT(iq("<query xmlns='jabber:iq:gateway'><prompt/></query>", "gw.test", "set"),
              testing::AllOf(HasSubstr("jid-malformed"), HasSubstr("nothing was typed")));
  EXPECT_THAT(iq("<query xmlns='jabber:iq:gateway'/>", "b@gw.test"), HasSubstr("service-unavailable"));
  EXPECT_THAT(iq("<query xmlns='http://jabber.org/protocol/disco#info'/>"),
              HasSubstr("<feature var='jabber:iq:gateway'/>"));
}

TEST(Services, SaysSinceWhenItRunsButNothingOfUsers) {
  EXPECT_THAT(iq("<query xmlns='jabber:iq:last'/>"),
              HasSubstr("<query xmlns='jabber:iq:last' seconds='90'/>"));
  EXPECT_THAT(iq("<query xmlns='jabber:iq:last'/>", "b@gw.test"), HasSubstr("service-unavailable"));
}

std::string answer_to_invitation(const std::string& payload, const std::string& type = "normal") {
  const Reading read("<message from='room@muc/x' to='b@gw.test' id='1' type='" + type + "'>" + payload +
                     "</message>");
  std::string out;
  XmlWriter xml(out);
  const bool declined = decline_invitation(read.stanza(), xml);
  EXPECT_EQ(declined, !out.empty());
  return out;
}

TEST(Services, DeclinesInvitationsToGroupChats) {
  const std::string mediated =
      "<x xmlns='http://jabber.org/protocol/muc#user'><invite "
      "from='ann@x/r'><reason>come</reason></invite></x>";
  EXPECT_EQ(answer_to_invitation(mediated),
            "<message from='b@gw.test' to='room@muc'><x xmlns='http://jabber.org/protocol/muc#user'>"
            "<decline to='ann@x/r'><reason>This is a SIP user, for whom there are no group chats</reason>"
            "</decline></x></message>");
  EXPECT_THAT(answer_to_invitation("<body>come</body><x xmlns='jabber:x:conference' jid='room@muc'/>"),
              HasSubstr("<not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text "
                        "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>This is a SIP user"));
  EXPECT_EQ(answer_to_invitation("<body>come</body><x xmlns='http://jabber.org/protocol/muc#user'/>"), "");
  EXPECT_EQ(answer_to_invitation(mediated, "error"), "");
  EXPECT_EQ(answer_to_invitation("<body>hi</body>"), "");
}

std::string answer_to_call(const std::string& payload) {
  const Reading read("<message from='ann@x/r' to='b@gw.test' id='m1' type='chat'>" + payload + "</message>");
  std::string out;
  XmlWriter xml(out);
  const bool declined = decline_call(read.stanza(), xml);
  EXPECT_EQ(declined, !out.empty());
  return out;
}

TEST(Services, DeclinesCalls) {
  EXPECT_EQ(
      answer_to_call("<propose xmlns='urn:xmpp:jingle-message:0' id='call-77'/>"),
      "<message from='b@gw.test' to='ann@x/r' type='chat'><reject xmlns='urn:xmpp:jingle-message:0' "
      "id='call-77'><reason xmlns='urn:xmpp:jingle:1'><unsupported-applications/><text>This is a SIP user, "
      "who can be written to but not called from here</text></reason></reject><store "
      "xmlns='urn:xmpp:hints'/></message>");
  EXPECT_THAT(answer_to_call("<invite xmlns='urn:xmpp:call-invites:0'/>"),
              HasSubstr("<reject xmlns='urn:xmpp:call-invites:0' id='m1'/>"));
  EXPECT_EQ(answer_to_call("<body>hi</body>"), "");
  const std::string refused = answer_to(
      "<iq from='ann@x/r' to='b@gw.test' id='j2' type='set'><jingle xmlns='urn:xmpp:jingle:1' "
      "action='session-initiate' sid='call-78'/></iq>");
  EXPECT_THAT(refused, HasSubstr("<service-unavailable "));
  EXPECT_THAT(refused, HasSubstr("not called from here"));
}

TEST(Services, NeverAnswersAnswers) {
  EXPECT_EQ(iq("", "gw.test", "result"), "");
  EXPECT_EQ(iq("<error type='cancel'/>", "gw.test", "error"), "");
  for (const char* type : {"subscribed", "unsubscribed", "unavailable", "error"})
    EXPECT_EQ(answer_to("<presence from='a@x' to='b@gw.test' type='" + std::string(type) + "'/>"), "")
        << type;
  EXPECT_EQ(answer_to("<presence from='a@x/r' to='b@gw.test'/>"), "");
  EXPECT_EQ(answer_to("<message from='a@x/r' to='gw.test'/>"), "");
  EXPECT_EQ(answer_to("<iq to='gw.test' id='1' type='get'/>"), "");
}

TEST(Services, WhoTakesASipUserForARoomIsTold) {
  EXPECT_EQ(answer_to("<presence from='a@x/r' to='b@gw.test/nick' id='j1'>"
                      "<x xmlns='http://jabber.org/protocol/muc'/></presence>"),
            "<presence from='b@gw.test/nick' to='a@x/r' id='j1' type='error'><error type='cancel' "
            "by='gw.test'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>"
            "<text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>This is a SIP user, not a room"
            "</text></error></presence>");
  EXPECT_EQ(answer_to("<presence from='a@x/r' to='b@gw.test/nick' type='unavailable'>"
                      "<x xmlns='http://jabber.org/protocol/muc'/></presence>"),
            "");
}

TEST(Services, AnswersPresenceThatAsks) {
  EXPECT_EQ(answer_to("<presence from='a@x/r' to='b@gw.test' type='subscribe'/>"),
            "<presence from='b@gw.test' to='a@x' type='subscribed'/>");
  EXPECT_EQ(answer_to("<presence from='a@x' to='gw.test' type='subscribe'/>"),
            "<presence from='gw.test' to='a@x' type='subscribed'/><presence from='gw.test' to='a@x'/>");
  EXPECT_EQ(answer_to("<presence from='a@x' to='b@gw.test' type='unsubscribe'/>"),
            "<presence from='b@gw.test' to='a@x' type='unsubscribed'/>");
  EXPECT_EQ(answer_to("<presence from='a@x' to='gw.test' type='probe'/>"),
            "<presence from='gw.test' to='a@x'/>");
  EXPECT_EQ(answer_to("<presence from='a@x' to='b@gw.test' type='probe'/>"),
            "<presence from='b@gw.test' to='a@x' type='unavailable'/>");
}

}  // namespace
}  // namespace stox::xmpp
