#include "mapper/mapping/page/content.h"

#include <gtest/gtest.h>

namespace stox::mapping {
namespace {

constexpr int64_t kNow = 1'700'000'000;

class Content : public testing::Test {
 protected:
  Content() {
    sip_.set_request_uri("sip:juliet*example.com@gw.example");
    sip_.set_to_uri("sip:juliet*example.com@gw.example");
    sip_.set_from_uri("sip:romeo@example.net");
    sip_.set_call_id("c-91@192.0.2.1");
    body("text/plain", "Hello");
    xmpp_.set_from("juliet@example.com/balcony");
    xmpp_.set_to("romeo*example.net@sip.example");
    xmpp_.set_type("chat");
    xmpp_.add_bodies()->set_text("Hi");
  }
  void body(std::string_view type, std::string_view data, std::string_view disposition = {}) {
    sip_.clear_parts();
    auto* content = sip_.add_parts()->add_alternatives();
    content->set_content_type(std::string(type));
    content->set_data(std::string(data));
    content->set_disposition(std::string(disposition));
  }
  std::optional<pb::Outcome> map_sip() { return to_xmpp(sip_, stanza_, addresses_, settings_, kNow); }
  std::optional<pb::Outcome> map_xmpp() { return to_sip(xmpp_, message_, addresses_, settings_, kNow); }
  // "text" or the status and text of a refusal
  std::string text_of_sip() {
    const auto end = map_sip();
    if (!end) return stanza_.bodies(0).text();
    return end->verdict() == pb::FAILED ? std::to_string(end->sip_status().code()) + ": " + end->text()
                                        : end->text();
  }
  // Of each request: what a client gets of which nothing is known.
  std::string plain_texts() {
    std::string out;
    if (const auto end = map_xmpp()) return end->stanza_error().condition() + ": " + end->text();
    for (const pb::Part& part : message_.parts())
      out += (out.empty() ? "" : " | ") + part.alternatives(part.alternatives_size() - 1).data();
    return out;
  }
  std::string text_of_xmpp() {
    const auto end = map_xmpp();
    if (!end) return message_.parts(0).alternatives(0).data();
    return end->verdict() == pb::FAILED ? end->stanza_error().condition() : end->text();
  }

  Addresses addresses_ = *Addresses::make({"gw.example", "sip.example", '*', {}});
  ContentSettings settings_;
  pb::SipMessage sip_, message_;
  pb::XmppMessage xmpp_, stanza_;
};

TEST_F(Content, AMessageBecomesAStanza) {
  sip_.set_language("de, en");
  sip_.set_subject("Wann\r\n denn");
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.from(), "romeo*example.net@sip.example");
  EXPECT_EQ(stanza_.to(), "juliet@example.com");
  EXPECT_EQ(stanza_.type(), "chat");
  EXPECT_EQ(stanza_.lang(), "de");
  ASSERT_EQ(stanza_.bodies_size(), 1);
  EXPECT_EQ(stanza_.bodies(0).text(), "Hello");
  EXPECT_EQ(stanza_.bodies(0).lang(), "");
  EXPECT_EQ(stanza_.subjects(0).text(), "Wann  denn");
  EXPECT_EQ(stanza_.thread(), "c-91@192.0.2.1");
  EXPECT_EQ(stanza_.call_id(), "c-91@192.0.2.1");
  EXPECT_EQ(stanza_.id(), "");  // the worker's to write
  EXPECT_EQ(stanza_.delay_stamp_s(), 0);
}

TEST_F(Content, NamesCrossBothWaysUnlessTheyMayDeceive) {
  sip_.set_from_display("Romeo \x01Montague");
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.nick(), "Romeo Montague");
  sip_.set_from_display("tybalt@capulet.example");
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.nick(), "");
  xmpp_.set_nick("Juliet Capulet");
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.from_display(), "Juliet Capulet");
  xmpp_.set_nick("sip:romeo@example.net");
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.from_display(), "juliet");
  settings_.names = false;
  sip_.set_from_display("Romeo");
  ASSERT_FALSE(map_sip());
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(stanza_.nick() + message_.from_display(), "");
}

TEST_F(Content, AStanzaBecomesAMessage) {
  xmpp_.set_lang("de");
  xmpp_.add_subjects()->set_text("Wann\ndenn");
  xmpp_.set_thread("c-91@192.0.2.1");
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.request_uri(), "sip:romeo@example.net");
  EXPECT_EQ(message_.to_uri(), "sip:romeo@example.net");
  EXPECT_EQ(message_.from_uri(), "sip:juliet*example.com@gw.example");
  EXPECT_EQ(message_.language(), "de");
  EXPECT_EQ(message_.subject(), "Wann denn");
  EXPECT_EQ(message_.call_id(), "");  // one of its own
  ASSERT_EQ(message_.parts_size(), 1);
  ASSERT_EQ(message_.parts(0).alternatives_size(), 1);
  EXPECT_EQ(message_.parts(0).alternatives(0).content_type(), "text/plain;charset=UTF-8");
  EXPECT_EQ(message_.parts(0).alternatives(0).data(), "Hi");
}

// Phones take each `gr` for another person.
TEST_F(Content, OfAllClientsOfAPersonTheFromIsTheSame) {
  std::string cpim_from;
  xmpp_.mutable_wants()->set_delivered(true);
  xmpp_.mutable_wants()->set_id("id.7");
  for (const char* from : {"juliet@example.com/balcony", "juliet@example.com/laptop", "juliet@example.com"}) {
    xmpp_.set_from(from);
    ASSERT_FALSE(map_xmpp());
    EXPECT_EQ(message_.from_uri(), "sip:juliet*example.com@gw.example");
    EXPECT_EQ(message_.parts(0).alternatives(0).data().find("gr="), std::string::npos);
  }
}

TEST_F(Content, TheResourceStandsInFromByWishAndWhereItNamesAPerson) {
  settings_.resource_in_from = true;
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.from_uri(), "sip:juliet*example.com@gw.example;gr=balcony");
  settings_.resource_in_from = false;
  xmpp_.set_keeps_resource(true);
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.from_uri(), "sip:juliet*example.com@gw.example;gr=balcony");
}

TEST_F(Content, TheAnswerFindsBack) {
  sip_.set_from_uri("sip:o'malley@example.net:5070;gr=desk");
  ASSERT_FALSE(map_sip());
  xmpp_.set_to(stanza_.from());
  xmpp_.set_from(stanza_.to());
  xmpp_.set_thread(stanza_.thread());
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.request_uri(), sip_.from_uri());
  EXPECT_EQ(message_.from_uri(), sip_.request_uri());
  EXPECT_EQ(message_.call_id(), "");
  settings_.thread_as_call_id = true;
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.call_id(), sip_.call_id());
}

TEST_F(Content, TheTypeIsASetting) {
  settings_.message_type = "normal";
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.type(), "normal");
}

TEST_F(Content, CharsetsBecomeUtf8) {
  const struct {
    const char* type;
    std::string data;
    const char* expected;
  } rows[] = {
      {"text/plain", "\xc3\xbc", "\xc3\xbc"},
      {"text/plain;charset=UTF-8", "\xc3\xbc", "\xc3\xbc"},
      {"Text/Plain ; format=flowed; Charset = \"utf-8\"", "\xc3\xbc", "\xc3\xbc"},
      {"text/plain;x=\"a;charset=no\";charset=iso-8859-1", "\xfc", "\xc3\xbc"},
      {"text/plain;charset=us-ascii", "abc", "abc"},
      {"text/plain;charset=utf-16", std::string("\0a\0b", 4), "ab"},
      {"text/plain;charset=utf-16",
       std::string("\xff\xfe"
                   "a\0",
                   4),
       "a"},
      {"text/plain;charset=utf-16le", std::string("\x3d\xd8\x00\xde", 4), "\xf0\x9f\x98\x80"},
      {"text/plain;charset=utf-16be", std::string("\xd8\x3d\x00\x61\xde\x00", 6),
       "\xef\xbf\xbd"
       "a\xef\xbf\xbd"},
      {"text/plain", "\xff", "\xc3\xbf"},
      {"text/plain;charset=us-ascii", "\xc3\xbc", "\xc3\xbc"},
      {"text/plain;charset=us-ascii", "\xfc", "400: the body is not in the charset us-ascii"},
      {"text/plain;charset=utf-8", "\xfc", "400: the body is not in the charset utf-8"},
      {"text/plain;charset=utf-16", "abc", "abc"},
      {"text/plain;charset=utf-16", "a\xff\xff", "400: the body is not in the charset utf-16"},
      {"text/plain;charset=KOI8-R", "\xf0\xd2\xc9", "\xd0\x9f\xd1\x80\xd0\xb8"},
      {"text/plain;charset=ISO_8859-8-I", "\xe0", "415: charset iso_8859-8-i is not understood"},
      {"text/plain;charset=iso-8859-8-i", "\xe0", "\xd7\x90"},
      {"text/plain;charset=iso-8859-1", "\x80", "\xe2\x82\xac"},
      {"text/plain;charset=Shift_JIS", "\x83\x65", "\xe3\x83\x86"},
      {"text/plain;charset=iso-2022-jp", "\x1b$B%F\x1b(B!", "\xe3\x83\x86!"},
      {"text/plain;charset=ks_c_5601-1987", "\xb0\xa1", "\xea\xb0\x80"},
      {"text/plain;charset=x-mac-cyrillic//TRANSLIT", "\xff",
       "415: charset x-mac-cyrillic//translit is not understood"},
      {"text/plain;charset=big5", "\xff\xff", "400: the body is not in the charset big5"},
      {"text/plain;charset=klingon", "abc", "abc"},
      {"text/plain;charset=klingon", "\xff", "415: charset klingon is not understood"},
      {"text/html;charset=iso-8859-1", "<p>\xfc<b>x</b>&nbsp;&lt;", "\xc3\xbcx\xc2\xa0<"},
      {"application/sdp", "v=0", "415: Content-Type application/sdp is not understood"},
      {"text", "abc", "400: Content-Type cannot be read"},
      {"", "abc", "400: a body without Content-Type"},
  };
  for (const auto& row : rows) {
    body(row.type, row.data);
    EXPECT_EQ(text_of_sip(), row.expected) << row.type;
  }
}

TEST_F(Content, WhatACpimSaysCountsWhereTheRequestSaysNothing) {
  body("message/cpim",
       "From: <sip:romeo@example.net>\r\nDateTime: 2023-11-14T21:13:20Z\r\nSubject: Tonight\r\n\r\n"
       "Content-Type: text/plain;charset=utf-8\r\nContent-Language: it\r\n\r\nCiao");
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.bodies(0).text(), "Ciao");
  EXPECT_EQ(stanza_.subjects(0).text(), "Tonight");
  EXPECT_EQ(stanza_.lang(), "it");
  EXPECT_EQ(stanza_.delay_stamp_s(), kNow - 3600);
  sip_.set_subject("Now");
  sip_.set_date_s(kNow - 120);
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.subjects(0).text(), "Now");
  EXPECT_EQ(stanza_.delay_stamp_s(), kNow - 120);
}

TEST_F(Content, AnUnknownDispositionIsNotShownAsText) {
  body("text/plain", "x", "render");
  EXPECT_EQ(text_of_sip(), "x");
  body("text/plain", "x", "icon;handling=optional");
  EXPECT_EQ(text_of_sip(), "x");
  body("text/plain", "x", "icon");
  EXPECT_EQ(text_of_sip(), "415: Content-Disposition icon of text/plain is not understood");
}

TEST_F(Content, WhatXmlCannotHoldIsDropped) {
  body("text/plain", std::string("a\0\x01 <b>&\r\nc\rd\xef\xbf\xbe", 16));
  EXPECT_EQ(text_of_sip(), "a <b>&\nc\nd");
  body("text/plain", "a\vb\fc");
  EXPECT_EQ(text_of_sip(), "a\nb\nc");
  xmpp_.mutable_bodies(0)->set_text("a\x08 b\r\nc");
  EXPECT_EQ(text_of_xmpp(), "a b\nc");
}

TEST_F(Content, AnEmptyMessageIsTakenButProvesNothing) {
  for (int kind = 0; kind < 3; ++kind) {
    kind == 0 ? body("text/plain", "") : kind == 1 ? body("text/html", "") : sip_.clear_parts();
    const auto end = map_sip();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->verdict(), pb::PASSED_ON);
    EXPECT_EQ(end->text(), "an empty message: nothing to send to XMPP");
  }
}

TEST_F(Content, AddressesThatCannotBeMappedEndTheMessage) {
  sip_.set_request_uri("sip:juliet@gw.example");
  EXPECT_EQ(text_of_sip(), "404: This address cannot be reached: it names no domain behind the user");
  sip_.set_request_uri("sip:juliet*example.com@gw.example");
  sip_.set_to_uri("SIPS:juliet*example.com@gw.example");
  EXPECT_EQ(text_of_sip().substr(0, 4), "416:");
  sip_.set_to_uri("tel:+15551234");  // only the Request-URI routes
  EXPECT_EQ(text_of_sip(), "Hello");
  sip_.set_from_uri("sip:example.net");
  EXPECT_EQ(text_of_sip(), "403: Your address cannot be used: it names no user");
  xmpp_.set_to("romeo@sip.example");
  EXPECT_EQ(text_of_xmpp(), "item-not-found");
  xmpp_.set_to("a b@sip.example");
  EXPECT_EQ(text_of_xmpp(), "jid-malformed");
  xmpp_.set_to("romeo*example.net@sip.example");
  xmpp_.set_from("a\\5cb@example.com");
  EXPECT_EQ(text_of_xmpp(), "jid-malformed");
}

TEST_F(Content, AnOldMessageKeepsItsTime) {
  sip_.set_date_s(kNow - 59);
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.delay_stamp_s(), 0);
  sip_.set_date_s(kNow - 3600);
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.delay_stamp_s(), kNow - 3600);
  sip_.set_date_s(kNow + 3600);
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.delay_stamp_s(), 0);
  xmpp_.set_delay_stamp_s(kNow - 3600);
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.date_s(), kNow - 3600);
}

TEST_F(Content, StanzaTypesThatAreNoMessage) {
  const std::string nothing = "a stanza without a body: nothing to send to SIP";
  xmpp_.set_type("headline");
  EXPECT_EQ(text_of_xmpp(), "Hi");
  xmpp_.set_type("");
  EXPECT_EQ(text_of_xmpp(), "Hi");
  xmpp_.set_type("error");
  EXPECT_EQ(text_of_xmpp(), "an error stanza: nothing to send to SIP");
  xmpp_.set_type("chat");
  xmpp_.clear_bodies();
  xmpp_.add_subjects()->set_text("only this");
  EXPECT_EQ(text_of_xmpp(), nothing);
  xmpp_.add_bodies();
  EXPECT_EQ(text_of_xmpp(), nothing);
  xmpp_.set_to("nonsense");
  EXPECT_EQ(text_of_xmpp(), nothing);  // no error for what asked for nothing
}

TEST_F(Content, AFileIsAMessageOfItsOwnUnlessItsAddressIsTheBody) {
  xmpp_.add_oobs()->set_url("https://x.test/1");
  EXPECT_EQ(plain_texts(), "Hi | https://x.test/1");
  xmpp_.mutable_oobs(0)->set_description("a cat");
  EXPECT_EQ(plain_texts(), "Hi | a cat https://x.test/1");
  xmpp_.mutable_bodies(0)->set_text("https://x.test/1\n");
  EXPECT_EQ(plain_texts(), "a cat https://x.test/1");
  xmpp_.clear_bodies();
  EXPECT_EQ(plain_texts(), "a cat https://x.test/1");
  for (int i = 2; i <= 10; ++i) xmpp_.add_oobs()->set_url("https://x.test/" + std::to_string(i));
  EXPECT_TRUE(plain_texts().starts_with("https://x.test/9\nhttps://x.test/10 | a cat https://x.test/1 | "));
  xmpp_.mutable_oobs()->DeleteSubrange(1, 9);
  xmpp_.mutable_oobs(0)->set_description("\xff");
  EXPECT_EQ(text_of_xmpp(), "a stanza without a body: nothing to send to SIP");
}

TEST_F(Content, AFileIsToldOfByItsNameAndType) {
  xmpp_.clear_bodies();
  const struct {
    const char *url, *name, *type, *data;
  } rows[] = {
      {"https://x.test/up/a%20cat.JPG?v=1&w=2", "a cat.JPG", "image/jpeg",
       "https://x.test/up/a%20cat.JPG?v=1&amp;w=2"},
      {"http://x.test/..%2F..%5Cetc%2fpasswd", "....etcpasswd", "application/octet-stream",
       "http://x.test/..%2F..%5Cetc%2fpasswd"},
      {"https://x.test", "file", "application/octet-stream", "https://x.test"},
      {"https://x.test/\"<b>.pdf", "&quot;&lt;b&gt;.pdf", "application/pdf",
       "https://x.test/&quot;&lt;b&gt;.pdf"},
      {"https://x.test/%ff.png", "file", "application/octet-stream", "https://x.test/%ff.png"},
  };
  for (const auto& row : rows) {
    xmpp_.clear_oobs();
    xmpp_.add_oobs()->set_url(row.url);
    ASSERT_FALSE(map_xmpp());
    ASSERT_EQ(message_.parts(0).alternatives_size(), 2);
    const pb::Content& file = message_.parts(0).alternatives(0);
    EXPECT_EQ(file.content_type(), "application/vnd.gsma.rcs-ft-http+xml");
    for (const std::string& expected : {std::string("<file-name>") + row.name + "</file-name>",
                                        std::string("<content-type>") + row.type + "</content-type>",
                                        std::string("<data url=\"") + row.data + "\"/>"})
      EXPECT_NE(file.data().find(expected), std::string::npos) << expected << "\n" << file.data();
    EXPECT_EQ(message_.parts(0).alternatives(1).data(), row.url);
  }
  xmpp_.mutable_oobs(0)->set_url("ftp://x.test/a");  // no client gets it so
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.parts(0).alternatives_size(), 1);
}

TEST_F(Content, AnEncryptedFileIsRefusedInWords) {
  const std::string url = "aesgcm://x.test/a.jpg#00112233";
  xmpp_.mutable_bodies(0)->set_text(url);
  EXPECT_TRUE(plain_texts().starts_with("not-acceptable: This file is encrypted")) << plain_texts();
  xmpp_.mutable_bodies(0)->set_text("look");
  xmpp_.add_oobs()->set_url(url);
  EXPECT_TRUE(plain_texts().starts_with("not-acceptable: This file is encrypted"));
}

TEST_F(Content, ACorrectionIsAMessageThatSaysSo) {
  xmpp_.set_replaces("m0");
  EXPECT_EQ(text_of_xmpp(), "* Hi");
  xmpp_.clear_bodies();
  EXPECT_EQ(text_of_xmpp(), "a stanza without a body: nothing to send to SIP");
}

TEST_F(Content, AnEncryptedStanzaOrAReplyGoesAsItsBodySays) {
  xmpp_.mutable_bodies(0)->set_text(
      "I sent you an OMEMO encrypted message but your client doesn't support it.");
  EXPECT_EQ(text_of_xmpp(), xmpp_.bodies(0).text());
  xmpp_.mutable_bodies(0)->set_text("> Shall we?\nYes");
  EXPECT_EQ(text_of_xmpp(), "> Shall we?\nYes");
}

TEST_F(Content, OfSeveralBodiesTheStanzasLanguageGoes) {
  xmpp_.clear_bodies();
  for (const auto& [lang, text] : {std::pair{"fr", "oui"}, {"", "yes"}, {"DE", "ja"}}) {
    auto* one = xmpp_.add_bodies();
    one->set_lang(lang);
    one->set_text(text);
  }
  EXPECT_EQ(text_of_xmpp(), "yes");
  EXPECT_EQ(message_.language(), "");
  xmpp_.set_lang("de");
  EXPECT_EQ(text_of_xmpp(), "ja");
  EXPECT_EQ(message_.language(), "DE");
  xmpp_.mutable_bodies()->DeleteSubrange(1, 2);
  EXPECT_EQ(text_of_xmpp(), "oui");
  EXPECT_EQ(message_.language(), "fr");
}

TEST_F(Content, ALanguageThatIsNoneIsNotPassedOn) {
  sip_.set_language("de\r\nX: y");
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.lang(), "");
  xmpp_.set_lang("d e");
  ASSERT_FALSE(map_xmpp());
  EXPECT_EQ(message_.language(), "");
}

TEST_F(Content, AThreadThatIsNoCallIdIsHashed) {
  EXPECT_EQ(call_id_of_thread(""), "");
  EXPECT_EQ(call_id_of_thread("a-b.c@h"), "a-b.c@h");
  EXPECT_EQ(call_id_of_thread(std::string(128, 'x')), std::string(128, 'x'));
  for (const std::string& thread :
       {std::string("a b"), std::string("a@b@c"), std::string("@b"), std::string("a@"),
        std::string("a\r\nX: y"), std::string("\xc3\xbc"), std::string(129, 'x')}) {
    const std::string call_id = call_id_of_thread(thread);
    EXPECT_EQ(call_id.size(), 39u) << call_id;
    EXPECT_TRUE(call_id.starts_with("thread-"));
    EXPECT_EQ(call_id, call_id_of_thread(thread));
  }
  EXPECT_NE(call_id_of_thread("a b"), call_id_of_thread("a c"));
}

TEST_F(Content, ASubjectMayBeInEncodedWords) {
  const std::pair<const char*, const char*> rows[] = {
      {"=?UTF-8?B?R3LDvMOfZQ==?=", "Gr\u00fc\u00dfe"},
      {"=?iso-8859-1*de?q?Gr=FC=DFe_an_alle?= (2)", "Gr\u00fc\u00dfe an alle (2)"},
      {"Re: =?utf-8?Q?Gr=C3?= =?utf-8?Q?=BC=C3=9Fe?=", "Re: Gr\u00fc\u00dfe"},
      {"=?koi8-r?B?8NLJ?= =?utf-8?Q?_=E2=82=AC?=", "\u041f\u0440\u0438 \u20ac"},
      {"Gr\xfc\xdf"
       "e",
       "Gr\u00fc\u00dfe"},
      {"=?utf-8?X?a?= =?utf-8?Q?a", "=?utf-8?X?a?= =?utf-8?Q?a"},
      {"=?klingon?Q?a?=", "a"},
      {"=?utf-8?Q?a=0D=0Ab=07?=", "a b"},
      {"a =? b ?= c", "a =? b ?= c"},
  };
  for (const auto& [raw, text] : rows) {
    sip_.set_subject(raw);
    ASSERT_FALSE(map_sip());
    EXPECT_EQ(stanza_.subjects(0).text(), text) << raw;
  }
}

TEST_F(Content, ACallIdThatIsNoThreadIsLeftOut) {
  sip_.set_call_id(std::string(129, 'x'));
  ASSERT_FALSE(map_sip());
  EXPECT_EQ(stanza_.thread(), "");
  EXPECT_EQ(stanza_.call_id().size(), 129u);
}

TEST_F(Content, ATextTooLongForSipIsRefused) {
  settings_.max_text_bytes = 10;
  xmpp_.mutable_bodies(0)->set_text("0123456789");
  EXPECT_EQ(text_of_xmpp(), "0123456789");
  xmpp_.mutable_bodies(0)->set_text("0123456789a");
  const auto end = map_xmpp();
  ASSERT_TRUE(end);
  EXPECT_EQ(end->stanza_error().condition(), "policy-violation");
  EXPECT_EQ(end->stanza_error().type(), "modify");
  EXPECT_EQ(end->stanza_error().text(), "the message has 11 bytes; SIP users get at most 10");
}

}  // namespace
}  // namespace stox::mapping
