// Writes XML into a buffer of the caller's, to be reused. Whatever it is given, what comes out is well-formed
// UTF-8: characters that XML 1.0 forbids are dropped, bad bytes become U+FFFD.
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace stox::xmpp {

class XmlWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit XmlWriter(std::string& out) : out_(out) {}

  // Names are ours: literals, or checked; they must live until the element is closed. At most 8 deep.
  XmlWriter& open(std::string_view name, std::string_view ns = {});
  XmlWriter& attribute(std::string_view name, std::string_view value);
  XmlWriter& attribute_unless_empty(std::string_view name, std::string_view value);
  XmlWriter& text(std::string_view);
  XmlWriter& close();
  // <name>text</name>
  XmlWriter& leaf(std::string_view name, std::string_view content);
  // Ends the start tag of an element that is not going to be closed here: a stream header.
  void leave_open();

 private:
  void end_start_tag();

  std::string& out_;
  std::array<std::string_view, 8> names_{};
  std::size_t depth_ = 0;
  bool in_start_tag_ = false;
};

// Appends text with < > & ' " as entities, CR (and in attribute values LF and tab) as references.
enum class XmlPlace { kText, kAttribute };
void append_xml(std::string& out, std::string_view text, XmlPlace);

}  // namespace stox::xmpp
