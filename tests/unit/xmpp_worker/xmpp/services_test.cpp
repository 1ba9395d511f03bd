#include "xmpp_worker/xmpp/services.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reading.h"

namespace stox::xmpp {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string answer_to(const std::string& stanza) {
  const Reading read(stanza);
  std::string out;
  XmlWriter xml(out);
  const bool answered = answer(read.stanza(), {"1.2"}, xml);
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

TEST(Services, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(iq("<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>"),
              HasSubstr("<error type='cancel' by='gw.test'><item-not-found "));
  EXPECT_THAT(iq("<vCard xmlns='vcard-temp'/>", "b@gw.test"),
              HasSubstr("<iq from='b@gw.test' to='a@x/r' id='1' type='error'>"));
  EXPECT_THAT(iq("<vCard xmlns='vcard-temp'/>"), HasSubstr("service-unavailable"));
  EXPECT_THAT(iq("<ping xmlns='urn:xmpp:ping'/>", "gw.test", "set"), HasSubstr("service-unavailable"));
  EXPECT_THAT(iq(""), HasSubstr("service-unavailable"));
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
