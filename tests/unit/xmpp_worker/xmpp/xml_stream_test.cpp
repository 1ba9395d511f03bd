#include "xmpp_worker/xmpp/stream/xml_stream.h"

#include <gtest/gtest.h>
#include <malloc.h>

#include "xml_log.h"

namespace stox::xmpp {
namespace {

const std::string kHeader =
    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    "xmlns:stream='http://etherx.jabber.org/streams' id='a&amp;b' from='gw.test'>";

std::string read(const std::string& bytes, const XmlLimits& limits = {}) {
  XmlLog log;
  XmlStream stream(limits, log);
  stream.feed(bytes);
  return log.log;
}

std::string after_header(const std::string& bytes, const XmlLimits& limits = {}) {
  const std::string log = read(kHeader + bytes, limits);
  return log.substr(log.find('\n') + 1);
}

TEST(XmlStream, ShowsHeaderStanzasAndClose) {
  EXPECT_EQ(
      read(kHeader + "<message to='x'><body>&lt;hi&gt; \xc3\xa4</body><a xmlns='u'><b/></a></message> \n"
                     "<iq/></stream:stream>"),
      "opened id=a&b xmlns=jabber:component:accept\n"
      "{jabber:component:accept}message to=x [{jabber:component:accept}body \"<hi> \xc3\xa4\"] [{u}a "
      "[{u}b]]\n"
      "{jabber:component:accept}iq\n"
      "closed\n");
}

TEST(XmlStream, ReadsTheSameHoweverTheBytesAreSplit) {
  const std::string bytes =
      "\xef\xbb\xbf" + kHeader +
      "<message to='a&#39;b'><body>one\r\ntwo &amp; <![CDATA[<three>]]></body></message>"
      " <handshake/> <stream:error><conflict xmlns='e'/></stream:error></stream:stream>";
  const std::string whole = read(bytes);
  EXPECT_NE(whole.find("closed"), std::string::npos) << whole;
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    XmlLog log;
    XmlStream stream({}, log);
    stream.feed(bytes.substr(0, cut));
    stream.feed(bytes.substr(cut));
    ASSERT_EQ(log.log, whole) << "cut at " << cut;
  }
  XmlLog log;
  XmlStream stream({}, log);
  for (const char c : bytes) stream.feed({&c, 1});
  EXPECT_EQ(log.log, whole);
}

TEST(XmlStream, ShowsAStanzaAsSoonAsItsLastByteIsThere) {
  XmlLog log;
  XmlStream stream({}, log);
  stream.feed(kHeader + "<message to='" + std::string(5000, 'x'));
  stream.feed("'");
  EXPECT_EQ(log.elements, 0);
  stream.feed("/>");
  EXPECT_EQ(log.elements, 1);
}

TEST(XmlStream, RefusesWhatRestrictedXmlForbids) {
  for (const char* bad : {"<!-- x -->", "<?php x?>", "<a>&nbsp;</a>", "<a b='&x;'/>", "<a><!-- x --></a>"})
    EXPECT_EQ(after_header(bad), "failed restricted-xml\n") << bad;
  EXPECT_EQ(read("<!DOCTYPE a [<!ENTITY b 'c'>]>" + kHeader), "failed restricted-xml\n");
  EXPECT_EQ(read("<!-- x -->" + kHeader), "failed restricted-xml\n");
}

TEST(XmlStream, RefusesWhatIsNoXml) {
  for (const char* bad :
       {"<a></b>", "<a b=c/>", "<a \x01/>", "<a>\x01</a>", "<a>\xff</a>", "<a>\xc0\x80</a>", "<p:a/>",
        "<a b='1' b='2'/>", "<a>&#0;</a>", "<!DOCTYPE a>", "<a>\xef\xbf\xbf</a>"}) {
    EXPECT_EQ(after_header(bad), "failed not-well-formed\n") << bad;
  }
  EXPECT_EQ(after_header(std::string("<a>\0</a>", 8)), "failed not-well-formed\n");
  EXPECT_EQ(read("HTTP/1.1 400 Bad Request\r\n"), "failed not-well-formed\n");
}

TEST(XmlStream, RefusesOtherEncodings) {
  EXPECT_EQ(read("<?xml version='1.0' encoding='ISO-8859-1'?>" + kHeader.substr(21)),
            "failed unsupported-encoding\n");
  EXPECT_EQ(read("\xff\xfe<"), "failed unsupported-encoding\n");
  EXPECT_EQ(read(std::string("\0<\0s", 4)), "failed unsupported-encoding\n");
  EXPECT_EQ(read(std::string("<\0s\0", 4)), "failed unsupported-encoding\n");
}

TEST(XmlStream, RefusesAHeaderThatIsNone) {
  EXPECT_EQ(read("<stream xmlns='jabber:client'>"), "failed invalid-namespace\n");
  EXPECT_EQ(read("<s:flow xmlns:s='http://etherx.jabber.org/streams'>"), "failed bad-format\n");
  EXPECT_EQ(after_header("text<a/>"), "failed bad-format\n");
}

TEST(XmlStream, NothingFollowsAFailureUntilRestart) {
  XmlLog log;
  XmlStream stream({}, log);
  stream.feed(kHeader + "<a></b><c/>");
  stream.feed("<d/>");
  stream.restart({});
  stream.feed(kHeader + "<e/>");
  EXPECT_EQ(log.log,
            "opened id=a&b xmlns=jabber:component:accept\nfailed not-well-formed\n"
            "opened id=a&b xmlns=jabber:component:accept\n{jabber:component:accept}e\n");
}

TEST(XmlStream, RestartFromACallReadsTheRestAsANewStream) {
  XmlLog log;
  XmlStream stream({}, log);
  log.stream = &stream;
  stream.feed(kHeader + "<restart/>" + kHeader + "<a/><stop/><b/>");
  EXPECT_EQ(log.log,
            "opened id=a&b xmlns=jabber:component:accept\n{jabber:component:accept}restart\n"
            "opened id=a&b "
            "xmlns=jabber:component:accept\n{jabber:component:accept}a\n{jabber:component:accept}stop\n");
}

TEST(XmlStream, AnOversizedStanzaCostsOnlyItself) {
  const std::string large(300'000, 'x');
  std::string deep;
  for (int i = 0; i < 100; ++i) deep += "<d>";
  deep += "x";
  for (int i = 0; i < 100; ++i) deep += "</d>";
  std::string attributes;
  for (int i = 0; i < 100; ++i) attributes += " a" + std::to_string(i) + "='1'";
  const std::string kOversized =
      "oversized {jabber:component:accept}message to=x\n{jabber:component:accept}iq\n";
  EXPECT_EQ(after_header("<message to='x'><body>" + large + "</body><a/></message><iq/>"), kOversized);
  EXPECT_EQ(after_header("<message to='x'><a b='" + large + "'/>more</message><iq/>"), kOversized);
  EXPECT_EQ(after_header("<message to='x'>" + deep + "</message><iq/>"), kOversized);
  EXPECT_EQ(after_header("<message to='x'><a" + attributes + "/></message><iq/>"), kOversized);
  EXPECT_EQ(after_header("<message to='x'><" + std::string(2000, 'n') + "/></message><iq/>"), kOversized);
}

TEST(XmlStream, AStanzaOf100kBIsRead) {
  const std::string log = after_header("<message><body>" + std::string(100'000, 'x') + "</body></message>");
  EXPECT_GT(log.size(), 100'000u);
}

TEST(XmlStream, EndsAtTheFatalLimits) {
  XmlLimits limits;
  limits.fatal_bytes = 20'000;
  limits.tag_bytes = 10'000;
  limits.fatal_depth = 1000;
  std::string deep;
  for (int i = 0; i < 2000; ++i) deep += "<d>";
  EXPECT_EQ(after_header("<message>" + std::string(30'000, 'x'), limits), "failed policy-violation\n");
  EXPECT_EQ(after_header("<message a='" + std::string(15'000, 'x'), limits), "failed policy-violation\n");
  EXPECT_EQ(after_header("<message>" + deep, limits), "failed policy-violation\n");
  EXPECT_EQ(read(std::string(30'000, ' '), limits), "failed policy-violation\n");
  EXPECT_EQ(read(std::string(11'000, ' '), XmlLimits::before_authentication()), "failed policy-violation\n");
  EXPECT_EQ(after_header("<auth>" + std::string(7'000, 'x'), XmlLimits::before_authentication()),
            "failed policy-violation\n");
  EXPECT_EQ(after_header("<auth>" + std::string(3'000, 'x'), XmlLimits::of_strangers()),
            "failed policy-violation\n");
  EXPECT_EQ(after_header(std::string(50'000, ' ') + "<iq/>", limits), "{jabber:component:accept}iq\n");
}

// A tag that comes in pieces is not read again from its begin with each of them: else these would be 400 GB.
TEST(XmlStream, ATagMayComeInVerySmallPieces) {
  const std::string tag =
      "<message to='x' a=\"" + std::string(700'000, '>') + "'\" b='" + std::string(100'000, '\"') + "'>";
  XmlLimits limits;
  limits.stanza_bytes = limits.tree_bytes = 1'000'000;
  const std::string whole = kHeader + tag + "<b>&lt;</b ></message><iq/></stream:stream>";
  XmlLog log;
  XmlStream stream(limits, log);
  for (const char c : whole) stream.feed({&c, 1});
  EXPECT_EQ(log.log, read(whole, limits));
  EXPECT_NE(log.log.find("message to=x [{jabber:component:accept}b"), std::string::npos)
      << log.log.substr(0, 500);
  EXPECT_NE(log.log.find("closed"), std::string::npos);
}

TEST(XmlStream, WhateverMayBeLongOrComeInPiecesIsRead) {
  std::string cdata;
  for (int i = 0; i < 2000; ++i) cdata += "<![CDATA[]]>";
  const std::string spaces(9000, ' ');
  const std::string bytes = kHeader + "<message" + spaces + "to" + spaces + "=" + spaces + "'x'" + spaces +
                            "><body>" + cdata + "<![CDATA[<a ' \"]]>one</body" + spaces + "></message>" +
                            spaces + "<iq/>";
  const std::string whole = read(bytes);
  EXPECT_NE(whole.find("body \"<a ' \"one\"]"), std::string::npos) << whole.substr(0, 300);
  for (const std::size_t step : {1u, 7u, 4096u}) {
    XmlLog log;
    XmlStream stream({}, log);
    for (std::size_t at = 0; at < bytes.size(); at += step)
      stream.feed(std::string_view(bytes).substr(at, step));
    EXPECT_EQ(log.log, whole) << step;
  }
}

TEST(XmlStream, WhatNeverEndsIsRefusedInPiecesToo) {
  const auto in_pieces = [](const std::string& bytes) {
    XmlLog log;
    XmlStream stream({}, log);
    stream.feed(kHeader);
    for (const char c : bytes) stream.feed({&c, 1});
    return log.log.substr(log.log.find('\n') + 1);
  };
  EXPECT_EQ(in_pieces("<a>&#" + std::string(5000, '0')), "failed not-well-formed\n");
  EXPECT_EQ(in_pieces("<a>&" + std::string(5000, 'x')), "failed not-well-formed\n");
  EXPECT_EQ(in_pieces("<!-- " + std::string(5000, '>')), "failed restricted-xml\n");
  EXPECT_EQ(in_pieces("<?x " + std::string(5000, '>')), "failed restricted-xml\n");
  EXPECT_EQ(in_pieces("<a b='" + std::string(1'100'000, '>')), "failed policy-violation\n");
  EXPECT_EQ(in_pieces("<a b='" + std::string(5000, '>') + "' = >"), "failed not-well-formed\n");
}

std::size_t heap_bytes() { return mallinfo2().uordblks; }

// What a peer can make us hold by a stanza that it does not end: about a megabyte, if its elements are short
// or deep.
TEST(XmlStream, AStanzaThatDoesNotEndIsBounded) {
  std::string many = "<message>", deep = "<message>",
              prefixes = "<message xmlns:x='" + std::string(900, 'u') + "'>";
  for (int i = 0; i < 65'000; ++i) many += "<a/>";
  for (int i = 0; i < 9'900; ++i) deep += "<a>";
  for (int i = 0; i < 40'000; ++i) prefixes += i % 2 ? "<b/>" : "<x:a/>";
  for (const std::string& unfinished : {many, deep, prefixes, "<message><body>" + std::string(262'000, 'x'),
                                        "<message a='" + std::string(300'000, 'x') + "'>"}) {
    const auto before = heap_bytes();
    XmlLog log;
    XmlStream stream({}, log);
    stream.feed(kHeader + unfinished);
    const std::size_t taken = heap_bytes() - before;
    EXPECT_LT(taken, 1'800'000u) << unfinished.substr(0, 20);
    EXPECT_LT(taken, 2 * stream.held() + 150'000) << unfinished.substr(0, 20);
    EXPECT_EQ(log.elements, 0);
  }
}

TEST(XmlStream, OfStrangersLittleIsHeld) {
  std::string many = "<a>", deep;
  for (int i = 0; i < 600; ++i) many += "<b/>";
  for (int i = 0; i < 8; ++i) deep += "<a b='c'>";
  for (const std::string& unfinished : {many, deep + std::string(2'900, 'x'), "<a>" + std::string(2'900, 'x'),
                                        "<a b='" + std::string(2'900, 'x')}) {
    const auto before = heap_bytes();
    XmlLog log;
    XmlStream stream(XmlLimits::of_strangers(), log);
    stream.feed(kHeader + unfinished);
    EXPECT_LT(heap_bytes() - before, 20'000u) << unfinished.substr(0, 20);
    EXPECT_EQ(log.elements, 0);
  }
}

// As between STARTTLS and the new stream.
TEST(XmlStream, StoppedItTakesLittle) {
  for (const bool is_first : {true, false}) {  // in the process: what is made once counts for nobody
    XmlLog log;
    XmlStream stream({}, log);
    const auto before = heap_bytes();
    log.stream = &stream;
    stream.feed(kHeader + "<message>" + std::string(10'000, 'x') + "</message><stop/>");
    log.log = {};
    log.log.shrink_to_fit();
    EXPECT_LT(heap_bytes(), before + (is_first ? 20'000 : 1'000));
    EXPECT_EQ(stream.held(), 0u);
  }
}

TEST(XmlStream, AtRestItTakesLittleAndGoesOn) {
  XmlLog log;
  XmlStream stream({}, log);
  const auto before = heap_bytes();
  stream.feed(kHeader + "<message><body>" + std::string(10'000, 'x') + "</body></message>");
  stream.feed("<iq");
  stream.rest();  // in the middle of a stanza: nothing happens
  stream.feed("/>");
  log.log = {};
  log.log.shrink_to_fit();
  stream.rest();
  EXPECT_LT(heap_bytes(), before + 8'000);  // less than the stanza alone
  stream.feed(" <iq/></stream:stream>");
  EXPECT_EQ(log.log, "{jabber:component:accept}iq\nclosed\n");
  stream.rest();
  stream.restart({});
  stream.rest();
  stream.feed(kHeader);
  EXPECT_EQ(log.log.substr(log.log.size() - 44), "opened id=a&b xmlns=jabber:component:accept\n");
}

TEST(XmlStream, MemoryStaysBoundedHoweverManyNamesCome) {
  XmlLog log;
  XmlStream stream({}, log);
  stream.feed(kHeader);
  const auto before = heap_bytes();
  for (int i = 0; i < 200'000; ++i) {
    log.log.clear();
    const std::string name = "n" + std::to_string(i);
    stream.feed("<" + name + " a" + name + "='1' xmlns:" + name + "='u'/>");
  }
  EXPECT_EQ(log.elements, 200'000);
  EXPECT_EQ(log.log, "{jabber:component:accept}n199999\n");
  EXPECT_LT(heap_bytes(), before + 8'000'000);
}

TEST(XmlStream, PrefixesOfTheHeaderHoldForTheWholeLongStream) {
  XmlLog log;
  XmlStream stream({}, log);
  stream.feed(kHeader.substr(0, kHeader.size() - 1) + " xmlns:db='jabber:server:dialback'>");
  const std::string filler(1000, ' ');
  for (int i = 0; i < 2000; ++i) {
    log.log.clear();
    stream.feed("<db:result>" + filler + "</db:result>");
    ASSERT_EQ(log.log, "{jabber:server:dialback}result \"" + filler + "\"\n");
  }
  stream.feed("</stream:stream>");
  EXPECT_EQ(log.log.substr(log.log.size() - 7), "closed\n");
}

TEST(Element, FindsChildrenInAnyContentNamespace) {
  ElementTree tree;
  tree.open("jabber:component:accept", "message");
  tree.open("u", "body");
  tree.close();
  tree.open("jabber:client", "body");
  tree.attribute("", "a", "1");
  tree.text("one");
  tree.text(" two");
  tree.close();
  tree.close();
  const Element body = tree.root().content_child("body");
  EXPECT_EQ(body.text(), "one two");
  EXPECT_EQ(body.attribute("a"), "1");
  EXPECT_EQ(body.attribute("a", "u"), "");
  EXPECT_FALSE(tree.root().content_child("subject"));
  EXPECT_EQ(tree.root().content_child("subject").first_child().text(), "");
  tree.clear();
  EXPECT_FALSE(tree.root());
}

}  // namespace
}  // namespace stox::xmpp
