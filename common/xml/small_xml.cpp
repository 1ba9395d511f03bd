#include "common/xml/small_xml.h"

#include <expat.h>

#include <algorithm>
#include <memory>

#include "common/base/text.h"

namespace stox {
namespace {

constexpr char kBetween = '\n';           // between namespace and local name; no namespace holds it
constexpr std::size_t kMaxPath = 256;     // nobody looks for a longer one, and children repeat it
constexpr std::size_t kMaxLanguage = 64;  // children repeat it, too
constexpr std::string_view kLanguage = "http://www.w3.org/XML/1998/namespace\nlang";
constexpr CharClass kLanguageChars("-");

struct Reader {
  XML_Parser parser;
  std::span<const XmlNamespace> namespaces;
  int max_depth;
  std::vector<SmallElement> out = {};
  std::vector<std::size_t> open = {};  // indices into out
  std::size_t skipping = 0;            // depth inside what is left out
};

// What stands in a path for this element; empty for one that is left out.
std::string step_of(std::span<const XmlNamespace> namespaces, std::string_view full) {
  const auto between = full.rfind(kBetween);
  if (between == std::string_view::npos || full.size() - between > kMaxPath) return {};
  for (const XmlNamespace& ns : namespaces) {
    if (ns.uri == full.substr(0, between))
      return std::string("/").append(ns.before).append(full.substr(between + 1));
  }
  return {};
}

SmallElement element_of(const SmallElement* parent, const std::string& step, const XML_Char** attributes) {
  SmallElement out;
  if (parent != nullptr) {
    out.path = parent->path;
    out.lang = parent->lang;
  }
  out.path += step;
  for (; *attributes != nullptr; attributes += 2) {
    const std::string_view name(attributes[0]), value(attributes[1]);
    if (name.find(kBetween) == std::string_view::npos) {
      out.attributes.emplace_back(name, value);
    } else if (name == kLanguage) {
      out.lang = value.size() <= kMaxLanguage && kLanguageChars.has_all(value) ? value : std::string_view();
    }
  }
  return out;
}

void start(void* user, const XML_Char* name, const XML_Char** attributes) {
  auto& r = *static_cast<Reader*>(user);
  const SmallElement* parent = r.open.empty() ? nullptr : &r.out[r.open.back()];
  const std::string step = r.skipping > 0 ? std::string() : step_of(r.namespaces, name);
  if (step.empty() || (parent != nullptr && parent->path.size() + step.size() > kMaxPath)) {
    ++r.skipping;
  } else {
    r.out.push_back(element_of(parent, step, attributes));
    r.open.push_back(r.out.size() - 1);
  }
  if (r.open.size() + r.skipping > static_cast<std::size_t>(r.max_depth)) XML_StopParser(r.parser, XML_FALSE);
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

Result<std::vector<SmallElement>> read_small_xml(std::string_view document,
                                                 std::span<const XmlNamespace> namespaces, XmlLimits limits) {
  if (document.size() > limits.bytes) return error("too large");
  const std::unique_ptr<XML_ParserStruct, void (*)(XML_Parser)> parser(XML_ParserCreateNS(nullptr, kBetween),
                                                                       XML_ParserFree);
  Reader reader{parser.get(), namespaces, limits.depth};
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

Result<std::vector<SmallElement>> read_small_xml(std::string_view document, std::string_view ns) {
  const XmlNamespace one{{}, ns};
  return read_small_xml(document, {&one, 1});
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
  out.reserve(text.size());
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
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

}  // namespace stox
