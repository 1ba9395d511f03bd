#include "mapper/mapping/page/small_xml.h"

#include <expat.h>

#include <algorithm>
#include <memory>

#include "common/base/text.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxDepth = 16;
constexpr char kBetween = '\n';  // between namespace and local name; no namespace holds it

struct Reader {
  XML_Parser parser;
  std::string ns;
  std::vector<SmallElement> out;
  std::vector<std::size_t> open = {};  // indices into out
  std::size_t skipping = 0;            // depth inside what is of another namespace
};

void start(void* user, const XML_Char* name, const XML_Char** attributes) {
  auto& r = *static_cast<Reader*>(user);
  const std::string_view full(name);
  const auto between = full.rfind(kBetween);
  const bool ours = between != std::string_view::npos && full.substr(0, between) == r.ns;
  if (r.skipping > 0 || !ours) {
    ++r.skipping;
  } else {
    const std::string parent = r.open.empty() ? std::string() : r.out[r.open.back()].path;
    r.out.push_back({parent + "/" + std::string(full.substr(between + 1)), {}, {}});
    for (; *attributes != nullptr; attributes += 2) {
      if (std::string_view(attributes[0]).find(kBetween) == std::string_view::npos)
        r.out.back().attributes.emplace_back(attributes[0], attributes[1]);
    }
    r.open.push_back(r.out.size() - 1);
  }
  if (r.open.size() + r.skipping > kMaxDepth) XML_StopParser(r.parser, XML_FALSE);
}

void end(void* user, const XML_Char*) {
  auto& r = *static_cast<Reader*>(user);
  if (r.skipping > 0) {
    --r.skipping;
  } else {
    r.open.pop_back();
  }
}

void text(void* user, const XML_Char* bytes, int size) {
  auto& r = *static_cast<Reader*>(user);
  if (r.skipping == 0 && !r.open.empty())
    r.out[r.open.back()].text.append(bytes, static_cast<std::size_t>(size));
}

void doctype(void* user, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  XML_StopParser(static_cast<Reader*>(user)->parser, XML_FALSE);
}

}  // namespace

Result<std::vector<SmallElement>> read_small_xml(std::string_view document, std::string_view ns) {
  if (document.size() > kMaxSmallXml) return error("too large");
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> parser(XML_ParserCreateNS(nullptr, kBetween),
                                                                       XML_ParserFree);
  Reader reader{parser.get(), std::string(ns), {}};
  XML_SetUserData(parser.get(), &reader);
  XML_SetElementHandler(parser.get(), start, end);
  XML_SetCharacterDataHandler(parser.get(), text);
  XML_SetStartDoctypeDeclHandler(parser.get(), doctype);
  if (XML_Parse(parser.get(), document.data(), static_cast<int>(document.size()), 1) != XML_STATUS_OK)
    return error("not the XML that it should be");
  for (SmallElement& element : reader.out) {
    const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
    std::string& t = element.text;
    t.erase(std::find_if_not(t.rbegin(), t.rend(), blank).base(), t.end());
    t.erase(t.begin(), std::find_if_not(t.begin(), t.end(), blank));
  }
  return std::move(reader.out);
}

std::string_view SmallElement::attribute(std::string_view name) const {
  const auto found =
      std::find_if(attributes.begin(), attributes.end(), [&](const auto& a) { return a.first == name; });
  return found == attributes.end() ? std::string_view() : std::string_view(found->second);
}

bool has(const std::vector<SmallElement>& elements, std::string_view path) {
  return std::any_of(elements.begin(), elements.end(), [&](const auto& e) { return e.path == path; });
}

std::string_view text_at(const std::vector<SmallElement>& elements, std::string_view path) {
  const auto found =
      std::find_if(elements.begin(), elements.end(), [&](const auto& e) { return e.path == path; });
  return found == elements.end() ? std::string_view() : std::string_view(found->text);
}

std::string xml_escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace stox::mapping
