#include "common/xml/small_xml.h"

#include <gtest/gtest.h>

#include <string>

namespace stox {
namespace {

constexpr XmlNamespace kTwo[] = {{"", "urn:one"}, {"two:", "urn:two"}};

std::string paths(const Result<std::vector<SmallElement>>& read) {
  if (!read) return read.error().text;
  std::string out;
  for (const SmallElement& each : *read) out += each.path + "=" + each.text + " ";
  return out;
}

TEST(SmallXml, NamespacesCountAndNotPrefixes) {
  EXPECT_EQ(paths(read_small_xml(
                "<x:a xmlns:x='urn:one'><b xmlns='urn:two'> t <x:c/></b><y:c xmlns:y='urn:one'>u</y:c></x:a>",
                kTwo)),
            "/a= /a/two:b=t /a/two:b/c= /a/c=u ");
}

TEST(SmallXml, WhatIsOfAnotherNamespaceIsLeftOutWithAllThatIsInIt) {
  EXPECT_EQ(paths(read_small_xml(
                "<a xmlns='urn:one'>1<b xmlns='urn:x'>2<a xmlns='urn:one'>3</a></b><b/>4</a>", "urn:one")),
            "/a=14 /a/b= ");
  EXPECT_EQ(paths(read_small_xml("<a><b/></a>", "urn:one")), "");
}

TEST(SmallXml, ALanguageHoldsForWhatIsInside) {
  const auto read = read_small_xml(
      "<a xmlns='urn:one' xml:lang='en'><b/><c xml:lang='de' id='1'/><d xml:lang='&#10;'/></a>", "urn:one");
  ASSERT_TRUE(read && read->size() == 4);
  EXPECT_EQ((*read)[1].lang, "en");
  EXPECT_EQ((*read)[2].lang, "de");
  EXPECT_EQ((*read)[2].attribute("id"), "1");
  EXPECT_EQ((*read)[3].lang, "");
}

TEST(SmallXml, ADocumentThatCouldCostMuchIsRefusedOrCut) {
  EXPECT_FALSE(read_small_xml("<!DOCTYPE a [<!ENTITY e 'x'>]><a xmlns='urn:one'>&e;</a>", "urn:one"));
  EXPECT_FALSE(read_small_xml("<a xmlns='urn:one'>&e;</a>", "urn:one"));
  const std::string fifteen = "<b><b><b><b><b><b><b><b><b><b><b><b><b><b><b>";
  std::string end = fifteen;
  for (std::size_t at = 0; (at = end.find("<b>", at)) != std::string::npos; at += 4) end.insert(at + 1, "/");
  const auto nested = [&](const std::string& inner) {
    return "<a xmlns='urn:one'>" + fifteen + inner + end + "</a>";
  };
  EXPECT_TRUE(read_small_xml(nested(""), "urn:one"));
  EXPECT_FALSE(read_small_xml(nested("<b/>"), "urn:one"));
  EXPECT_FALSE(read_small_xml(nested("<b xmlns='urn:x'/>"), "urn:one"));
  EXPECT_FALSE(read_small_xml("<a xmlns='urn:one'>" + std::string(16'384, 'x') + "</a>", "urn:one"));
  const std::string name(300, 'n');
  EXPECT_EQ(paths(read_small_xml("<a xmlns='urn:one'><" + name + "><a/></" + name + "><b/></a>", "urn:one")),
            "/a= /a/b= ");
}

TEST(SmallXml, WhatIsEscapedIsReadAgain) {
  const std::string text = "a<b>&\"c' \n\xc3\xa9";
  const auto read = read_small_xml(
      "<a xmlns='urn:one' b=\"" + xml_escape("<\"&>'") + "\">" + xml_escape(text) + "</a>", "urn:one");
  ASSERT_TRUE(read);
  EXPECT_EQ(text_at(*read, "/a"), text);
  EXPECT_EQ((*read)[0].attribute("b"), "<\"&>'");
}

}  // namespace
}  // namespace stox
