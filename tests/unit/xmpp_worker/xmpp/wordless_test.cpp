#include "xmpp_worker/xmpp/stanza/wordless.h"

#include <gtest/gtest.h>

#include "reading.h"

namespace stox::xmpp {
namespace {

// What is made of a stanza with this inside.
std::string meaning_of(const std::string& inside, const std::string& attributes = "type='chat'") {
  const Reading read("<message from='juliet@x.test/balcony' to='romeo*s.test@gw.test' id='1' " + attributes +
                     ">" + inside + "</message>");
  const Stanza stanza = read.stanza();
  MessageContent content;
  read_content(stanza.element, content);
  const FirstWords first_words = [](std::string_view id) {
    return id == "known" ? std::string_view("see you at nine") : std::string_view();
  };
  const Meaning meaning = read_meaning(stanza, content, first_words);
  switch (meaning.kind) {
    case Meaning::Kind::kSilent:
      return "silent";
    case Meaning::Kind::kText:
      return "text: " + meaning.text;
    case Meaning::Kind::kFile:
      return "file: " + std::string(meaning.file.url) + " " + std::string(meaning.file.description);
    case Meaning::Kind::kCall:
      return "call";
    case Meaning::Kind::kRefused:
      break;
  }
  return "refused: " + meaning.text.substr(0, meaning.text.find_first_of(";:"));
}

struct Case {
  const char *inside, *becomes;
};

constexpr Case kCases[] = {
    // reactions
    {"<reactions xmlns='urn:xmpp:reactions:0' id='a'><reaction>\xf0\x9f\x91\x8d</reaction></reactions>"
     "<store xmlns='urn:xmpp:hints'/>",
     "text: reacted with \xf0\x9f\x91\x8d"},
    {"<reactions xmlns='urn:xmpp:reactions:0' id='known'><reaction>\xf0\x9f\x91\x8d</reaction></reactions>",
     "text: reacted \xf0\x9f\x91\x8d to \"see you at nine\""},
    {"<reactions xmlns='urn:xmpp:reactions:0' "
     "id='a'><reaction>a</reaction><reaction>b</reaction></reactions>",
     "text: reacted with a b"},
    {"<reactions xmlns='urn:xmpp:reactions:0' id='a'/><store xmlns='urn:xmpp:hints'/>", "silent"},
    // retractions
    {"<retract xmlns='urn:xmpp:message-retract:1' id='t1'/><store xmlns='urn:xmpp:hints'/>",
     "text: retracted a message"},
    {"<retract xmlns='urn:xmpp:message-retract:1' id='known'/>",
     "text: retracted the message \"see you at nine\""},
    {"<apply-to id='known' xmlns='urn:xmpp:fasten:0'><retract "
     "xmlns='urn:xmpp:message-retract:0'/></apply-to>",
     "text: retracted the message \"see you at nine\""},
    {"<apply-to id='o3' xmlns='urn:xmpp:fasten:0'><external name='x'/></apply-to>", "silent"},
    {"<body/><replace id='known' xmlns='urn:xmpp:message-correct:0'/>",
     "text: retracted the message \"see you at nine\""},
    // encrypted
    {"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/><payload>CCCC</payload></encrypted>"
     "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
     "<store xmlns='urn:xmpp:hints'/><request xmlns='urn:xmpp:receipts'/>",
     "refused: This message is encrypted"},
    {"<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
     "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>",
     "silent"},
    {"<encrypted xmlns='urn:xmpp:omemo:2'><header sid='1'/><payload>CCCC</payload></encrypted>",
     "refused: This message is encrypted"},
    {"<openpgp xmlns='urn:xmpp:openpgp:0'>AAAA</openpgp>", "refused: This message is encrypted"},
    {"<x xmlns='jabber:x:encrypted'>AAAA</x>", "refused: This message is encrypted"},
    {"<encryption xmlns='urn:xmpp:eme:0' namespace='urn:example:mls' name='MLS'/>",
     "refused: This message is encrypted"},
    // calls
    {"<propose xmlns='urn:xmpp:jingle-message:0' id='x1'><description xmlns='urn:xmpp:jingle:apps:rtp:1' "
     "media='audio'/></propose>",
     "call"},
    {"<invite xmlns='urn:xmpp:call-invites:0'><jingle sid='1'/></invite>", "call"},
    {"<retract xmlns='urn:xmpp:jingle-message:0' id='x1'/>", "silent"},
    {"<finish xmlns='urn:xmpp:jingle-message:0' id='x1'/>", "silent"},
    // files
    {"<file-sharing xmlns='urn:xmpp:sfs:0'><file xmlns='urn:xmpp:file:metadata:0'><name>a.png</name>"
     "<desc>us two</desc></file><sources><url-data xmlns='http://jabber.org/protocol/url-data' "
     "target='https://upload.example/a.png'/></sources></file-sharing>",
     "file: https://upload.example/a.png us two"},
    {"<file-sharing xmlns='urn:xmpp:sfs:0' id='1'><file xmlns='urn:xmpp:file:metadata:0'/></file-sharing>"
     "<store xmlns='urn:xmpp:hints'/><active xmlns='http://jabber.org/protocol/chatstates'/>",
     "silent"},
    {"<attach-to xmlns='urn:xmpp:message-attaching:1' id='1'/><sources xmlns='urn:xmpp:sfs:0' "
     "id='2'><url-data "
     "xmlns='http://jabber.org/protocol/url-data' target='https://upload.example/a.png'/></sources>",
     "file: https://upload.example/a.png "},
    {"<file-sharing xmlns='urn:xmpp:sfs:0'><sources><encrypted "
     "xmlns='urn:xmpp:esfs:0'/></sources></file-sharing>",
     "refused: This file is encrypted"},
    {"<file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data xmlns='http://jabber.org/protocol/url-data' "
     "target='javascript:alert(1)'/></sources></file-sharing>",
     "refused: This file cannot be carried to SIP"},
    {"<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'><sources>"
     "<reference xmlns='urn:xmpp:reference:0' type='data' uri='https://upload.example/b.png'/></sources>"
     "</media-sharing></reference>",
     "file: https://upload.example/b.png "},
    {"<reference xmlns='urn:xmpp:reference:0' type='data'><media-sharing xmlns='urn:xmpp:sims:1'><sources>"
     "<reference xmlns='urn:xmpp:reference:0' type='data' uri='xmpp:a@b?jingle'/></sources>"
     "</media-sharing></reference>",
     "refused: This file cannot be carried to SIP"},
    {"<sticker xmlns='urn:xmpp:stickers:0' pack='p'/><file-sharing xmlns='urn:xmpp:sfs:0'><sources><url-data "
     "xmlns='http://jabber.org/protocol/url-data' "
     "target='https://s.example/1.png'/></sources></file-sharing>",
     "file: https://s.example/1.png "},
    {"<sticker xmlns='urn:xmpp:stickers:0' pack='p'/>", "refused: Stickers cannot be carried to SIP"},
    // places
    {"<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>45.44</lat><lon>-10.99</lon></geoloc>",
     "text: geo:45.44,-10.99"},
    {"<geoloc "
     "xmlns='http://jabber.org/protocol/geoloc'><accuracy>20</accuracy><lat>45.44</lat><lon>10.99</lon>"
     "<street>Via Cappello</street><locality>Verona</locality></geoloc>",
     "text: geo:45.44,10.99;u=20 Via Cappello, Verona"},
    {"<geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>a;b</lat><lon>1</lon><locality>Verona</locality>"
     "</geoloc>",
     "text: Verona"},
    {"<geoloc xmlns='http://jabber.org/protocol/geoloc'/>", "silent"},
    // other things that persons send
    {"<attention xmlns='urn:xmpp:attention:0'/>", "text: asks for your attention"},
    {"<subject>meeting at nine</subject>", "text: meeting at nine"},
    {"<html xmlns='http://jabber.org/protocol/xhtml-im'><body xmlns='http://www.w3.org/1999/xhtml'><p>Good "
     "<em>night</em>,\n <strong>good</strong> night</p><p>see <a href='https://x.test/'>this</a><br/>bye</p>"
     "</body></html>",
     "text: Good night, good night\nsee this (https://x.test/)\nbye"},
    {"<x xmlns='jabber:x:data' type='form'><title>Vote</title></x>",
     "refused: Forms cannot be carried to SIP"},
    {"<x xmlns='jabber:x:data' type='cancel'/>", "silent"},
    {"<vCard xmlns='vcard-temp'><FN>Romeo Montague</FN><TEL><HOME/><NUMBER>+1 555 0100</NUMBER></TEL><EMAIL>"
     "<USERID>romeo@x.test</USERID></EMAIL></vCard>",
     "text: Romeo Montague\n+1 555 0100\nromeo@x.test"},
    {"<vcard "
     "xmlns='urn:ietf:params:xml:ns:vcard-4.0'><fn><text>Romeo</text></fn><tel><uri>tel:+15550100</uri>"
     "</tel></vcard>",
     "text: Romeo\ntel:+15550100"},
    {"<vCard xmlns='vcard-temp'><PHOTO/></vCard>", "refused: This contact cannot be carried to SIP"},
    {"<x xmlns='http://jabber.org/protocol/rosterx'><item action='add' jid='nurse@x.test' name='Nurse'/></x>",
     "text: Nurse (nurse@x.test)"},
    {"<thing xmlns='urn:example:new'/><store xmlns='urn:xmpp:hints'/>",
     "refused: Messages of this kind cannot be carried to SIP"},
    // what no person typed
    {"", "silent"},
    {"<body/>", "silent"},
    {"<subject/>", "silent"},
    {"<thread>t</thread>", "silent"},
    {"<active xmlns='http://jabber.org/protocol/chatstates'/><no-store xmlns='urn:xmpp:hints'/>"
     "<no-permanent-store xmlns='urn:xmpp:hints'/>",
     "silent"},
    {"<composing xmlns='http://jabber.org/protocol/chatstates'/><thing xmlns='urn:example:of-a-server'/>",
     "silent"},
    {"<received xmlns='urn:xmpp:receipts' id='1'/>", "silent"},
    {"<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", "silent"},
    {"<sent xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'/></sent>", "silent"},
    {"<store xmlns='urn:xmpp:hints'/>", "silent"},
    {"<event xmlns='http://jabber.org/protocol/pubsub#event'><items node='n'/></event>", "silent"},
    {"<thing xmlns='urn:example:new'/><no-store xmlns='urn:xmpp:hints'/>", "silent"},
    {"<nick xmlns='http://jabber.org/protocol/nick'>Juliet</nick>", "silent"},
};

TEST(Wordless, EveryKindIsSaidOrRefusedOrOfNoPerson) {
  for (const Case& each : kCases) EXPECT_EQ(meaning_of(each.inside), each.becomes) << each.inside;
}

TEST(Wordless, WhatMachinesSendAndIsUnknownStaysSilent) {
  const std::string thing = "<thing xmlns='urn:example:new'/>";
  EXPECT_EQ(meaning_of(thing, "type='headline'"), "silent");
  const Reading of_a_server("<message from='x.test' to='romeo*s.test@gw.test'>" + thing + "</message>");
  EXPECT_EQ(read_meaning(of_a_server.stanza(), {}, [](auto) { return std::string_view(); }).kind,
            Meaning::Kind::kSilent);
}

std::string sentence(const std::string& inside) {
  const Reading read("<message from='juliet@x.test/balcony' to='romeo*s.test@gw.test' type='chat'>" + inside +
                     "</message>");
  MessageContent content;
  read_content(read.stanza().element, content);
  return retraction_sentence(read.stanza(), content, [](std::string_view id) {
    return id == "known" ? std::string_view("see you at nine") : std::string_view();
  });
}

TEST(Wordless, ARetractionForClientsThatKnowNoneIsASentence) {
  const std::string fallback = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:message-retract:1'/>";
  EXPECT_EQ(sentence("<retract xmlns='urn:xmpp:message-retract:1' id='t1'/>" + fallback +
                     "<body>/me took back an earlier message, which your client cannot hide.</body>"),
            "juliet took back an earlier message, which your client cannot hide.");
  EXPECT_EQ(
      sentence("<retract xmlns='urn:xmpp:message-retract:1' id='known'/><body>/me retracted a message</body>"
               "<nick xmlns='http://jabber.org/protocol/nick'>Juliet Capulet</nick>"),
      "Juliet Capulet retracted the message \"see you at nine\"");
  EXPECT_EQ(sentence("<body>/me waves</body>"), "");
  EXPECT_EQ(sentence("<retract xmlns='urn:xmpp:message-retract:1' id='t1'/><body>This was retracted</body>"),
            "");
}

}  // namespace
}  // namespace stox::xmpp
