// The small XML documents of SIP bodies (RFC 3994, RFC 5438): as a list of elements. Limits while parsing: no
// DTD, at most kMaxSmallXml bytes, shallow.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace stox::mapping {

constexpr std::size_t kMaxSmallXml = 16'384;

struct SmallElement {
  std::string path;  // local names from the root on: "/imdn/message-id"
  std::string text;  // directly inside it, spaces at both ends cut
  std::vector<std::pair<std::string, std::string>> attributes;  // without those of a namespace

  std::string_view attribute(std::string_view name) const;  // empty if there is none
};

// All elements of this namespace whose parents are of it, too, in the order of their start tags.
Result<std::vector<SmallElement>> read_small_xml(std::string_view document, std::string_view ns);

// The text of the first element of this path; empty if there is none.
std::string_view text_at(const std::vector<SmallElement>&, std::string_view path);
bool has(const std::vector<SmallElement>&, std::string_view path);

// Text as XML may hold it between tags.
std::string xml_escape(std::string_view text);

}  // namespace stox::mapping
