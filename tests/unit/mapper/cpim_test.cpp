#include "mapper/mapping/page/cpim.h"

#include <gtest/gtest.h>

namespace stox::mapping {
namespace {

// As linphone writes it.
const std::string kMessage =
    "From: Romeo M. <sip:romeo@example.net>\r\n"
    "To: <sip:juliet*example.com@gw.example>\r\n"
    "DateTime: 2023-11-14T22:13:20Z\r\n"
    "NS: imdn <urn:ietf:params:imdn>\r\n"
    "imdn.Message-ID: 34jk324j\r\n"
    "imdn.Disposition-Notification: positive-delivery, negative-delivery, display\r\n"
    "\r\n"
    "Content-Type: text/plain; charset=utf-8\r\n"
    "Content-Length: 5\r\n"
    "\r\n"
    "Hello";

std::string value(const Result<Cpim>& cpim, std::string_view name, std::string_view ns = kCpimHeaders) {
  if (!cpim) return "error: " + cpim.error().text;
  const CpimHeader* header = cpim->find(name, ns);
  return header ? header->value : "none";
}

TEST(Cpim, WhatIsMadeIsReadAgain) {
  const std::string cpim_ns(kCpimHeaders), imdn_ns(kImdnHeaders);
  const std::string subject = "a\\b \"c\" \x07 \xc3\xbc\r\nX: injected";
  const std::string made = make_cpim({{cpim_ns, "From", {}, "<sip:a@b>"},
                                      {cpim_ns, "Subject", "de", subject},
                                      {imdn_ns, "Message-ID", {}, "m1"},
                                      {imdn_ns, "Disposition-Notification", {}, "display"}},
                                     "text/plain", "notification", "two\r\n\r\nlines");
  const auto read = parse_cpim(made);
  ASSERT_TRUE(read) << read.error().text;
  ASSERT_EQ(read->headers.size(), 4u);
  EXPECT_EQ(read->find("Subject")->value, subject);
  EXPECT_EQ(read->find("Subject")->lang, "de");
  EXPECT_EQ(read->find("Message-ID", kImdnHeaders)->value, "m1");
  EXPECT_EQ(read->find("Disposition-Notification", kImdnHeaders)->value, "display");
  EXPECT_EQ(read->content.content_type, "text/plain");
  EXPECT_EQ(read->content.disposition, "notification");
  EXPECT_EQ(read->content.body, "two\r\n\r\nlines");
}

TEST(Cpim, HeadersAndContentAreTakenApart) {
  const auto cpim = parse_cpim(kMessage);
  ASSERT_TRUE(cpim) << cpim.error().text;
  EXPECT_EQ(value(cpim, "From"), "Romeo M. <sip:romeo@example.net>");
  EXPECT_EQ(value(cpim, "Message-ID", kImdnHeaders), "34jk324j");
  EXPECT_EQ(value(cpim, "Message-ID"), "none");
  EXPECT_EQ(value(cpim, "from"), "none") << "names are case-sensitive";
  EXPECT_EQ(cpim->headers.size(), 5u);
  EXPECT_EQ(cpim->content.content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(cpim->content.body, "Hello");
}

TEST(Cpim, ThePrefixIsTheSendersChoice) {
  EXPECT_EQ(value(parse_cpim("NS: x <urn:ietf:params:imdn>\r\nx.Message-ID: 1\r\n\r\n\r\n"), "Message-ID",
                  kImdnHeaders),
            "1");
  EXPECT_EQ(value(parse_cpim("NS: <urn:other>\r\nSubject: 1\r\n\r\n\r\n"), "Subject", "urn:other"), "1");
  EXPECT_EQ(value(parse_cpim("x.Message-ID: 1\r\n\r\n"), ""),
            "error: a header has a prefix that no NS header explains");
}

TEST(Cpim, ValuesAreUnescaped) {
  EXPECT_EQ(value(parse_cpim("Subject: a\\\\b\\\"\\'\\n\\u00fC\\ud800\r\n\r\n"), "Subject"),
            "a\\b\"'\n\xc3\xbc\xef\xbf\xbd");
  for (const char* bad : {"\\x", "\\u12", "\\u12g4", "\\", "a\tb"}) {
    EXPECT_EQ(value(parse_cpim("Subject: " + std::string(bad) + "\r\n\r\n"), "Subject"),
              "error: a header value holds a control character or a wrong escape")
        << bad;
  }
}

TEST(Cpim, ALanguageIsAParameter) {
  const auto cpim = parse_cpim("Subject:;lang=fr Ce soir\r\n\r\n");
  ASSERT_TRUE(cpim) << cpim.error().text;
  EXPECT_EQ(cpim->headers[0].lang, "fr");
  EXPECT_EQ(cpim->headers[0].value, "Ce soir");
}

TEST(Cpim, WhatIsRequiredMustBeKnown) {
  EXPECT_TRUE(parse_cpim("Require: Subject,DateTime\r\n\r\n"));
  EXPECT_TRUE(parse_cpim("Require: imdn.Message-ID\r\nNS: imdn <urn:ietf:params:imdn>\r\n\r\n"));
  EXPECT_EQ(value(parse_cpim("Require: subject\r\n\r\n"), ""), "error: it requires the header subject");
  EXPECT_EQ(value(parse_cpim("NS: vote <urn:vote>\r\nRequire: vote.Box\r\n\r\n"), ""),
            "error: it requires the header vote.Box");
}

TEST(Cpim, WhatIsNotCpimIsRefused) {
  const std::pair<std::string, std::string> rows[] = {
      {"", "its headers do not end"},
      {"Hello", "its headers do not end"},
      {"From: a\nTo: b\n\nContent-Type: text/plain\n\nHello", "its headers do not end"},
      {"From:a\r\n\r\n", "a header has no space before its value"},
      {"From\r\n\r\n", "a header has no colon"},
      {"Fr om: a\r\n\r\n", "a header name cannot be read"},
      {".From: a\r\n\r\n", "a header name cannot be read"},
      {"From: a\r\n b\r\n\r\n", "a header has no colon"},
      {"NS: imdn\r\n\r\n", "an NS header cannot be read"},
      {"Subject: \xff\r\n\r\n", "its headers are not UTF-8"},
      {"Subject: a\r\n\r\nContent-Type\r\n\r\n", "a MIME header cannot be read"},
  };
  for (const auto& [text, why] : rows) {
    const auto cpim = parse_cpim(text);
    ASSERT_FALSE(cpim) << text;
    EXPECT_EQ(cpim.error().text, why) << text;
  }
  std::string many;
  for (int i = 0; i < 65; ++i) many += "X: y\r\n";
  EXPECT_EQ(value(parse_cpim(many + "\r\n"), ""), "error: it has too many headers");
}

}  // namespace
}  // namespace stox::mapping
