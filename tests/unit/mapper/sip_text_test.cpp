#include "mapper/mapping/page/sip_text.h"

#include <gtest/gtest.h>

#include <vector>

namespace stox::mapping {
namespace {

std::string crlf(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? std::string("\r\n") : std::string(1, c);
  return out;
}

// The text, or "415: why".
std::string read(std::string_view type, std::string_view data) {
  pb::SipMessage message;
  auto* content = message.add_parts()->add_alternatives();
  content->set_content_type(std::string(type));
  content->set_data(std::string(data));
  const auto text = text_of(message);
  if (!text) return std::to_string(text.error().status) + ": " + text.error().text;
  switch (text->kind) {
    case SipText::Kind::kTyping:
      return std::string(text->typing.active ? "active " : "idle ") + std::to_string(text->typing.refresh_s);
    case SipText::Kind::kNotification:
      return pb::Receipt::Kind_Name(text->receipts[0].kind()) + " " + text->receipts[0].id() + " " +
             std::to_string(text->receipts[0].date_s());
    default:
      return text->text;
  }
}

std::string multipart(std::string_view kind, const std::vector<std::string>& parts) {
  std::string body = "preamble\n";
  for (const std::string& part : parts) body += "--b1\n" + part + "\n";
  return read("multipart/" + std::string(kind) + ";boundary=\"b1\"", crlf(body + "--b1--\nepilogue"));
}

const std::string kPlain = "Content-Type: text/plain;charset=iso-8859-1\n\nplain";
const std::string kHtml = "Content-Type: text/html\n\n<b>html</b>";
const std::string kImage = "Content-Type: image/png\n\nx";
const std::string kOptionalImage =
    "Content-Type: image/png\nContent-Disposition: icon;handling=optional\n\nx";

TEST(SipText, OfAlternativesTheLastThatIsUnderstoodCounts) {
  EXPECT_EQ(multipart("alternative", {kPlain, kHtml}), "html");
  EXPECT_EQ(multipart("alternative", {kPlain, kHtml, kImage}), "html");
  EXPECT_EQ(multipart("alternative", {kPlain}), "plain");
  EXPECT_EQ(multipart("alternative", {kImage, "Content-Type: video/x\n\ny"}),
            "415: Content-Type video/x is not understood");
}

TEST(SipText, OfAMixedBodyNothingIsLostSilently) {
  EXPECT_EQ(multipart("mixed", {kPlain}), "plain");
  EXPECT_EQ(multipart("mixed", {kPlain, kHtml}), "plain\nhtml");
  EXPECT_EQ(multipart("mixed", {"\nno header"}), "no header");
  EXPECT_EQ(multipart("mixed", {kPlain, kImage}), "415: Content-Type image/png is not understood");
  EXPECT_EQ(multipart("mixed", {kPlain, kOptionalImage}), "plain");
}

TEST(SipText, OfARelatedBodyTheRootCounts) {
  EXPECT_EQ(multipart("related", {kHtml, kImage}), "html");
  EXPECT_EQ(read("multipart/related;boundary=b;start=\"<2>\"",
                 crlf("--b\n" + kImage + "\n--b\nContent-ID: <2>\nContent-Type: text/plain\n\nroot\n--b--")),
            "root");
  EXPECT_EQ(read("multipart/related;boundary=b;start=\"<3>\"", crlf("--b\n" + kPlain + "\n--b--")),
            "400: multipart/related has no part <3>");
}

TEST(SipText, APartMayBeEncoded) {
  const auto encoded = [](const std::string& encoding, const std::string& body) {
    return multipart("mixed", {"Content-Transfer-Encoding: " + encoding + "\n\n" + body});
  };
  const auto wrong = [](const std::string& encoding) {
    return "415: Content-Transfer-Encoding " + encoding + " is not understood, or the body is not in it";
  };
  EXPECT_EQ(encoded("8bit", "x"), "x");
  EXPECT_EQ(encoded("base64", "SGVsbG8="), "Hello");
  EXPECT_EQ(encoded("Base64", "SGVs\nbG8h\n"), "Hello!");
  EXPECT_EQ(encoded("base64", "w7zDvA=="), "\xc3\xbc\xc3\xbc");
  EXPECT_EQ(encoded("base64", "eA==eA=="), wrong("base64"));
  EXPECT_EQ(encoded("base64", "e"), wrong("base64"));
  EXPECT_EQ(encoded("quoted-printable", "a=3Db =C3=bc=\nc=  \nd"),
            "a=b \xc3\xbc"
            "cd");
  EXPECT_EQ(encoded("quoted-printable", "a=3"), wrong("quoted-printable"));
  EXPECT_EQ(encoded("uuencode", "x"), wrong("uuencode"));
}

TEST(SipText, WhatAPartIsFor) {
  EXPECT_EQ(multipart("mixed", {"Content-Encoding: gzip\n\nx"}),
            "400: Content-Encoding gzip: the body is not in it");
  EXPECT_EQ(multipart("mixed", {"Content-Disposition: icon\n\nx"}),
            "415: Content-Disposition icon of text/plain is not understood");
}

TEST(SipText, HeadersOfAPartMayBeFolded) {
  EXPECT_EQ(multipart("mixed", {"Content-Type: text/plain;\n charset=us-ascii\n\nfolded"}), "folded");
}

TEST(SipText, MultipartBodiesThatAreBroken) {
  EXPECT_EQ(read("multipart/mixed", "--b"), "400: a multipart body without a usable boundary");
  EXPECT_EQ(read("multipart/mixed;boundary=b", "--b\r\n\r\nx"), "400: a multipart body that does not end");
  EXPECT_EQ(read("multipart/mixed;boundary=b", "--b--"), "400: a multipart body without parts");
  EXPECT_EQ(read("multipart/mixed;boundary=b", "--bb\r\n\r\nx\r\n--b--"),
            "400: a multipart body without parts");
  EXPECT_EQ(multipart("mixed", {"Content Type: x\n\ny"}), "400: a MIME header cannot be read");
  EXPECT_EQ(multipart("digest", {kPlain}), "415: Content-Type multipart/digest is not understood");
}

TEST(SipText, DepthAndPartsAreBounded) {
  EXPECT_EQ(multipart("mixed", std::vector<std::string>(16, "\nx")).size(), 31u);
  EXPECT_EQ(multipart("mixed", std::vector<std::string>(17, "\nx")), "415: more than 16 parts");
  std::string body = "\nx", type;
  for (const char* boundary : {"b1", "b2", "b3", "b4"}) {
    body = std::string("--") + boundary + "\n" + body + "\n--" + boundary + "--";
    type = std::string("multipart/mixed;boundary=") + boundary;
    EXPECT_EQ(read(type, crlf(body)),
              boundary == std::string("b4") ? "415: bodies in each other deeper than 3" : "x");
    body = "Content-Type: " + type + "\n\n" + body;
  }
}

TEST(SipText, ACpimIsUnwrapped) {
  const std::string headers = "From: <sip:a@b>\nTo: <sip:c@d>\n\n";
  EXPECT_EQ(read("message/cpim", crlf(headers + kPlain)), "plain");
  EXPECT_EQ(read("Message/CPIM", crlf(headers + kHtml)), "html");
  EXPECT_EQ(read("message/cpim", crlf(headers + kImage)), "415: Content-Type image/png is not understood");
  EXPECT_EQ(read("message/cpim", crlf(headers + "Content-Type: multipart/alternative;boundary=b\n\n--b\n" +
                                      kPlain + "\n--b--")),
            "plain");
  EXPECT_EQ(read("message/cpim", "Hello"), "400: message/cpim: its headers do not end");
}

std::string composing(const std::string& inside) {
  return read("application/im-iscomposing+xml",
              "<?xml version='1.0'?><isComposing xmlns='urn:ietf:params:xml:ns:im-iscomposing'>" + inside +
                  "</isComposing>");
}

TEST(SipText, ATypingStateIsRead) {
  EXPECT_EQ(composing("<state>active</state><contenttype>text/plain</contenttype><refresh>60</refresh>"),
            "active 60");
  EXPECT_EQ(composing("<state> active\n</state>"), "active 120");
  EXPECT_EQ(composing("<state>idle</state><lastactive>2003-01-27T10:43:00Z</lastactive>"), "idle 120");
  EXPECT_EQ(composing("<state>juggling</state>"), "idle 120");  // RFC 3994 3.2: unknown means idle
  EXPECT_EQ(composing("<state>active</state><refresh>99999999999</refresh>"), "active 120");
  EXPECT_EQ(composing("<state>active</state><refresh>86400</refresh>"), "active 600");
  EXPECT_EQ(composing("<other xmlns='x'><state>active</state></other>"), "idle 120");
  EXPECT_EQ(read("application/im-iscomposing+xml", "<isComposing/>"), "idle 120");
  EXPECT_EQ(read("application/im-iscomposing+xml", "no XML"), "idle 120");
}

std::string imdn(const std::string& inside) {
  return read("message/cpim", crlf("From: <sip:a@b>\nNS: imdn <urn:ietf:params:imdn>\nimdn.Message-ID: x\n\n"
                                   "Content-Type: message/imdn+xml\nContent-Disposition: notification\n\n") +
                                  "<imdn xmlns='urn:ietf:params:xml:ns:imdn'>" + inside + "</imdn>");
}

TEST(SipText, ANotificationIsRead) {
  const std::string of = "<message-id>34jk324j</message-id><datetime>2023-11-14T22:13:20Z</datetime>";
  const auto status = [&](const std::string& kind, const std::string& word) {
    return imdn(of + "<" + kind + "-notification><status><" + word + "/></status></" + kind +
                "-notification>");
  };
  EXPECT_EQ(status("delivery", "delivered"), "DELIVERED 34jk324j 1700000000");
  EXPECT_EQ(status("delivery", "failed"), "FAILED 34jk324j 1700000000");
  EXPECT_EQ(status("delivery", "forbidden"), "FORBIDDEN 34jk324j 1700000000");
  EXPECT_EQ(status("delivery", "error"), "ERROR 34jk324j 1700000000");
  EXPECT_EQ(status("display", "displayed"), "DISPLAYED 34jk324j 1700000000");
  EXPECT_EQ(status("display", "forbidden"), "OTHER 34jk324j 1700000000");
  EXPECT_EQ(status("display", "error"), "OTHER 34jk324j 1700000000");
  EXPECT_EQ(status("processing", "processed"), "OTHER 34jk324j 1700000000");
  EXPECT_EQ(status("processing", "stored"), "OTHER 34jk324j 1700000000");
  EXPECT_EQ(status("display", "invented"), "OTHER 34jk324j 1700000000");
  EXPECT_EQ(imdn("<message-id>a &lt;b&gt;</message-id>"), "OTHER a <b> 0");
  EXPECT_EQ(imdn("<delivery-notification/>"), "400: message/imdn+xml: no message-id");
  EXPECT_EQ(imdn("<!-- -->&x;"), "400: message/imdn+xml: not the XML that it should be");
  EXPECT_EQ(imdn("<a>" + std::string(20'000, 'x') + "</a>"), "400: message/imdn+xml: too large");
}

TEST(SipText, NoDocumentTypeIsRead) {
  EXPECT_EQ(read("application/im-iscomposing+xml",
                 "<!DOCTYPE isComposing [<!ENTITY a 'active'>]><isComposing "
                 "xmlns='urn:ietf:params:xml:ns:im-iscomposing'><state>&a;</state></isComposing>"),
            "idle 120");
}

TEST(SipText, ACpimTellsWhatItsSenderWantsToHear) {
  const auto wanted = [](const std::string& headers) {
    pb::SipMessage message;
    auto* content = message.add_parts()->add_alternatives();
    content->set_content_type("message/cpim");
    content->set_data(crlf("From: <sip:a@b>\nDateTime: 2023-11-14T22:13:20Z\nNS: x <urn:ietf:params:imdn>\n" +
                           headers + "\n" + kPlain));
    return text_of(message)->wants.ShortDebugString();
  };
  EXPECT_EQ(wanted("x.Message-ID: m1\nx.Disposition-Notification: positive-delivery, negative-delivery\n"),
            "delivered: true failed: true id: \"m1\" date_s: 1700000000");
  EXPECT_EQ(wanted("x.Message-ID: m1\nx.Disposition-Notification: Display;a=b,juggling\n"),
            "displayed: true id: \"m1\" date_s: 1700000000");
  EXPECT_EQ(wanted("x.Message-ID: m1\nx.Disposition-Notification: processing\n"),
            "id: \"m1\" date_s: 1700000000");
  EXPECT_EQ(wanted("x.Disposition-Notification: display\n"), "");
  EXPECT_EQ(wanted("x.Message-ID: m1\n"), "");
}

// Were any of it read over and over, these would run into the test's time limit.
TEST(SipText, HostileBodiesAreReadOnce) {
  const auto many = [](std::string_view unit, std::size_t bytes) {
    std::string out;
    while (out.size() < bytes) out += unit;
    return out;
  };
  constexpr std::size_t kLarge = 1'000'000;
  for (const char* params : {";", "; ", ";a", ";a=;", "; a=\"", ";=;"})
    EXPECT_EQ(read("text/plain" + many(params, kLarge) + "\"", "x").substr(0, 4), read("text/plain", "x"))
        << params;
  for (const char* type : {"text/plain;charset=utf-8", "text/html", "message/cpim",
                           "multipart/mixed;boundary=b", "application/x-acro-filetransfer+json",
                           "text/uri-list", "application/vnd.gsma.rcs-ft-http+xml", "message/imdn+xml"}) {
    for (const char* unit :
         {"--b\r\n", "--b", "[", "{\"a\":", "=?a?q?", "a: b\r\n", "\r\n", "<a ", "# \n", " "})
      EXPECT_FALSE(read(type, many(unit, kLarge / 10)).empty() && unit[0] != ' ') << type << unit;
  }
}

TEST(SipText, HtmlWithoutWordsIsRefused) {
  EXPECT_EQ(read("text/html", "<img src='cid:1'>"), "415: text/html without any text");
}

}  // namespace
}  // namespace stox::mapping
