#include "xmpp_worker/xmpp/stanza/stanza.h"

#include <gtest/gtest.h>

#include "reading.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

TEST(Stanza, ReadsAMessage) {
  const Reading read(
      "<message from='a@b/c' to='d@e' id='i' type='chat' xml:lang='de'><subject>s</subject><body>eins</body>"
      "<body xml:lang='en'>one</body><thread>t</thread><active "
      "xmlns='http://jabber.org/protocol/chatstates'/>"
      "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/></message>");
  const Stanza stanza = read.stanza();
  EXPECT_EQ(stanza.kind, Stanza::Kind::kMessage);
  EXPECT_EQ(stanza.from, "a@b/c");
  EXPECT_EQ(stanza.to, "d@e");
  EXPECT_EQ(stanza.id, "i");
  EXPECT_EQ(stanza.type, "chat");
  EXPECT_EQ(stanza.lang, "de");
  MessageContent content;
  read_content(stanza.element, content);
  ASSERT_EQ(content.bodies.size(), 2u);
  EXPECT_EQ(content.bodies[0].text, "eins");
  EXPECT_EQ(content.bodies[1].lang, "en");
  EXPECT_EQ(content.subjects.at(0).text, "s");
  EXPECT_EQ(content.thread, "t");
  EXPECT_EQ(content.delay_s, 1'031'699'305);
}

TEST(Stanza, ReadsReferencesAndCorrections) {
  const Reading read(
      "<message><body>b</body><x xmlns='jabber:x:oob'><url>https://x.test/1</url><desc>d</desc></x>"
      "<x xmlns='jabber:x:oob'><desc>no url</desc></x><x xmlns='other'><url>no</url></x>"
      "<replace id='m0' xmlns='urn:xmpp:message-correct:0'/></message>");
  MessageContent content;
  read_content(read.element(), content);
  ASSERT_EQ(content.oobs.size(), 1u);
  EXPECT_EQ(content.oobs[0].url, "https://x.test/1");
  EXPECT_EQ(content.oobs[0].description, "d");
  EXPECT_EQ(content.replaces, "m0");
  read_content(Reading("<message/>").element(), content);
  EXPECT_TRUE(content.oobs.empty());
  EXPECT_EQ(content.replaces, "");
}

TEST(Stanza, AFileThatIsSharedIsTakenFromItsSources) {
  const auto shared = [](const std::string& beside) {
    const Reading read("<message>" + beside +
                       "<file-sharing xmlns='urn:xmpp:sfs:0'><file "
                       "xmlns='urn:xmpp:file:metadata:0'><media-type>image/png</media-type>"
                       "<name>a rose</name><size>81230</size><desc>d</desc></file><sources><url-data "
                       "xmlns='http://jabber.org/protocol/url-data' "
                       "target='https://x.test/1'/></sources></file-sharing></message>");
    MessageContent content;
    read_content(read.element(), content);
    std::string out;
    for (const Oob& each : content.oobs)
      out.append(each.url)
          .append(" ")
          .append(each.name)
          .append(" ")
          .append(each.media_type)
          .append(" ")
          .append(std::to_string(each.size));
    return out;
  };
  const std::string whole = "https://x.test/1 a rose image/png 81230";
  EXPECT_EQ(shared(""), whole);
  EXPECT_EQ(shared("<body>look</body>"), whole);
  EXPECT_EQ(shared("<body>https://x.test/1</body><x xmlns='jabber:x:oob'><url>https://x.test/1</url></x>"),
            whole);
  EXPECT_EQ(shared("<body>look: https://x.test/1</body>"), "");  // it is in the words
}

TEST(Stanza, WhatComesFromAnOccupantOfARoomSaysSo) {
  MessageContent content;
  for (const auto& [payload, expected] :
       {std::pair("<x xmlns='http://jabber.org/protocol/muc#user'/>", true),
        {"<x xmlns='http://jabber.org/protocol/muc#user'><invite from='a@b'/></x>", false},
        {"<x xmlns='jabber:x:data'/>", false}}) {
    const Reading read("<message><body>b</body>" + std::string(payload) + "</message>");
    read_content(read.element(), content);
    EXPECT_EQ(content.of_occupant, expected) << payload;
  }
}

TEST(Stanza, AWrappedMessageIsNoContent) {  // XEP-0280: anybody could wrap what another never wrote
  const Reading read(
      "<message><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
      "<message xmlns='jabber:client'><body>b</body></message></forwarded></received></message>");
  MessageContent content;
  read_content(read.element(), content);
  EXPECT_TRUE(content.bodies.empty());
}

TEST(Stanza, ContentMayComeInAnyOfTheThreeNamespaces) {
  for (const char* stanza_ns : {"jabber:component:accept", "jabber:client", "jabber:server"}) {
    const Reading read("<message><body xmlns='jabber:client'>x</body></message>", stanza_ns);
    MessageContent content;
    read_content(read.stanza().element, content);
    EXPECT_EQ(content.bodies.size(), 1u) << stanza_ns;
  }
  EXPECT_FALSE(read_stanza(Reading("<message/>", "jabber:other").element()));
  EXPECT_FALSE(read_stanza(Reading("<handshake/>").element()));
}

TEST(Stanza, UnknownTypeOfAMessageIsNormal) {
  EXPECT_EQ(Reading("<message/>").stanza().type, "normal");
  EXPECT_EQ(Reading("<message type='shout'/>").stanza().type, "normal");
  EXPECT_EQ(Reading("<presence type='probe'/>").stanza().type, "probe");
}

TEST(Stanza, ReadsErrors) {
  const Reading read(
      "<message type='error'><body>x</body><error type='modify' by='s'><gone "
      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>xmpp:a@b</gone><text "
      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>moved</text><own xmlns='u'/></error></message>");
  const StanzaError error = read_error(read.element());
  EXPECT_EQ(error.type, "modify");
  EXPECT_EQ(error.condition, "gone");
  EXPECT_EQ(error.address, "xmpp:a@b");
  EXPECT_EQ(error.text, "moved");
  EXPECT_EQ(error.by, "s");
}

TEST(Stanza, ReadsOldAndOddErrors) {
  const Reading old("<message type='error'><error code='404'>Not Found</error></message>");
  EXPECT_EQ(read_error(old.element()).legacy_code, "404");
  EXPECT_EQ(read_error(old.element()).condition, "");
  EXPECT_EQ(read_error(old.element()).text, "Not Found");
  const Reading odd(
      "<message type='error'><error type='x' code='1'><new "
      "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
      "</message>");
  EXPECT_EQ(read_error(odd.element()).condition, "undefined-condition");
  EXPECT_EQ(read_error(odd.element()).type, "cancel");
  EXPECT_EQ(read_error(odd.element()).legacy_code, "");
  EXPECT_EQ(read_error(Reading("<message type='error'/>").element()).type, "cancel");
}

TEST(Stanza, ReadsStreamErrors) {
  const Reading read(
      "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>h:1</see-other-host><text "
      "xmlns='urn:ietf:params:xml:ns:xmpp-streams'>go</text></stream:error>");
  const StreamError error = read_stream_error(read.element());
  EXPECT_EQ(error.condition, "see-other-host");
  EXPECT_EQ(error.other_host, "h:1");
  EXPECT_EQ(error.text, "go");
}

TEST(Stanza, WritesAMessage) {
  std::string out;
  XmlWriter xml(out);
  Stanza stanza;
  stanza.from = "a@gw";
  stanza.to = "b@x";
  stanza.id = "1";
  stanza.type = "chat";
  stanza.lang = "en";
  MessageContent content;
  content.bodies = {{"", "hi"}, {"de", "ho"}};
  content.subjects = {{"", "s"}};
  content.thread = "t";
  content.delay_s = 1'031'699'305;
  write_message(xml, stanza, content);
  EXPECT_EQ(
      out,
      "<message from='a@gw' to='b@x' id='1' type='chat' xml:lang='en'><subject>s</subject><body>hi</body>"
      "<body xml:lang='de'>ho</body><thread>t</thread>"
      "<delay xmlns='urn:xmpp:delay' stamp='2002-09-10T23:08:25Z'/></message>");
}

TEST(Stanza, WritesAnErrorToWhoSentIt) {
  const Reading read("<message from='a@b/c' to='d*e@gw' id='i' type='chat'><body>secret</body></message>");
  std::string out;
  XmlWriter xml(out);
  write_error(xml, read.stanza(), {"auth", "forbidden", "403 Forbidden", "gw"});
  EXPECT_EQ(out,
            "<message from='d*e@gw' to='a@b/c' id='i' type='error'><error type='auth' by='gw'><forbidden "
            "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' "
            "xml:lang='en'>403 Forbidden</text></error></message>");
}

TEST(Stanza, AConditionFromOutsideCannotInjectXml) {
  const Reading read("<iq from='a' to='b' id='i' type='get'/>");
  std::string out;
  XmlWriter xml(out);
  write_error(xml, read.stanza(), {"'/>", "a><b", "", ""});
  EXPECT_EQ(out,
            "<iq from='b' to='a' id='i' type='error'><error type='cancel'><undefined-condition "
            "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>");
}

TEST(Stanza, Timestamps) {
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_timestamp("1970-01-01T01:00:00+01:00"), 0);
  EXPECT_EQ(parse_timestamp("2024-02-29T12:00:00.123456-05:30"), 1'709'227'800);
  for (const char* bad : {"", "2024-02-30T12:00:00Z", "2024-02-29T12:00:00", "2024-02-29 12:00:00Z", "now",
                          "2024-02-29T12:00:00.1", "2024-02-29T12:00:00+1", "1970-01-01T00:00:00+01:00",
                          "20240229T12:00:00Z-----"}) {
    EXPECT_EQ(parse_timestamp(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(format_timestamp(1'709'227'800), "2024-02-29T17:30:00Z");
}

TEST(Names, CutsOfAJid) {
  EXPECT_EQ(bare_of("a@b/c@d/e"), "a@b");
  EXPECT_EQ(domain_of("a@b/c@d/e"), "b");
  EXPECT_EQ(domain_of("b/x@y"), "b");
}

}  // namespace
}  // namespace stox::xmpp
