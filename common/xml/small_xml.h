// The small XML documents of SIP bodies (RFC 3994, RFC 5438, RFC 3863): as a list of elements. Limits while
// parsing: size, depth, no DTD and so no entities but those of XML itself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"

namespace stox {

struct SmallElement {
  std::string path;  // names from the root on: "/imdn/message-id"
  std::string text;  // directly inside it, white space at both ends cut
  std::string lang;  // xml:lang, its own or that of what it stands in; empty = not said
  std::vector<std::pair<std::string, std::string>> attributes;  // without those of a namespace

  std::string_view attribute(std::string_view name) const;  // empty if there is none
};

// A namespace that is read, and what stands before the names of its elements in a path ("dm:"), whatever the
// document calls it. Several may share it.
struct XmlNamespace {
  std::string_view before, uri;
};

struct XmlLimits {
  std::size_t bytes = 16'384;
  int depth = 16;
};

// All elements of these namespaces whose parents are of them, too, in the order of their start tags. Elements
// of others, with all that is in them, are left out.
Result<std::vector<SmallElement>> read_small_xml(std::string_view document, std::span<const XmlNamespace>,
                                                 XmlLimits = {});
// The same for one namespace; names in paths are as they are.
Result<std::vector<SmallElement>> read_small_xml(std::string_view document, std::string_view ns);

// The text of the first element of this path; empty if there is none.
std::string_view text_at(const std::vector<SmallElement>&, std::string_view path);
bool has(const std::vector<SmallElement>&, std::string_view path);

// Text as XML may hold it between tags and between double quotes. It must be what xml_legal() leaves.
std::string xml_escape(std::string_view text);

}  // namespace stox
