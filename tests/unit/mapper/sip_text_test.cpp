#include "mapper/mapping/sip_text.h"

#include <gtest/gtest.h>

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
  return text->is_status ? "a status" : text->text;
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

TEST(SipText, APartMayBeEncodedOnlyAsSipDoes) {
  EXPECT_EQ(multipart("mixed", {"Content-Transfer-Encoding: 8bit\n\nx"}), "x");
  EXPECT_EQ(multipart("mixed", {"Content-Transfer-Encoding: base64\n\neA=="}),
            "415: Content-Transfer-Encoding is not understood");
  EXPECT_EQ(multipart("mixed", {"Content-Encoding: gzip\n\nx"}), "415: Content-Encoding is not understood");
  EXPECT_EQ(multipart("mixed", {"Content-Disposition: attachment\n\nx"}),
            "415: Content-Disposition is not understood");
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

TEST(SipText, WhatIsNotForAPersonIsAStatus) {
  EXPECT_EQ(read("application/im-iscomposing+xml", "<isComposing/>"), "a status");
  EXPECT_EQ(read("message/imdn+xml", "<imdn/>"), "415: Content-Type message/imdn+xml is not understood");
  EXPECT_EQ(read("message/cpim", crlf("From: <sip:a@b>\n\nContent-Type: message/imdn+xml\n"
                                      "Content-Disposition: notification\n\n<imdn/>")),
            "a status");
}

TEST(SipText, HtmlWithoutWordsIsRefused) {
  EXPECT_EQ(read("text/html", "<img src='cid:1'>"), "415: text/html without any text");
}

}  // namespace
}  // namespace stox::mapping
