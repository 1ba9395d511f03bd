#include "xmpp_worker/xmpp/stream/xml_writer.h"

#include <algorithm>

#include "common/base/text.h"

namespace stox::xmpp {
namespace {

// What of a byte must not be copied as it is: nothing, an escape, or more looking at.
enum Class : char { kPlain, kEscape, kEscapeInAttribute, kDrop, kHigh };

constexpr std::array<Class, 256> make_classes() {
  std::array<Class, 256> out{};
  for (std::size_t c = 0; c < 256; ++c) out[c] = c < 0x20 ? kDrop : c >= 0x80 ? kHigh : kPlain;
  for (const char c : {'<', '>', '&', '\'', '"', '\r'}) out[static_cast<unsigned char>(c)] = kEscape;
  for (const char c : {'\n', '\t'}) out[static_cast<unsigned char>(c)] = kEscapeInAttribute;
  return out;
}
constexpr auto kClasses = make_classes();

Class class_of(char c) { return kClasses[static_cast<unsigned char>(c)]; }

std::string_view escape(char c) {
  switch (c) {
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '&':
      return "&amp;";
    case '\'':
      return "&apos;";
    case '"':
      return "&quot;";
    case '\r':
      return "&#13;";
    case '\n':
      return "&#10;";
    default:
      return "&#9;";
  }
}

bool is_forbidden(std::string_view sequence) {
  return sequence == "\xef\xbf\xbe" || sequence == "\xef\xbf\xbf";
}

// A run of bytes over 0x7f.
void append_high(std::string& out, std::string_view run) {
  if (is_utf8(run) && run.find("\xef\xbf") == std::string_view::npos) {
    out.append(run);
    return;
  }
  while (!run.empty()) {
    std::size_t size = 2;
    while (size <= 4 && !(size <= run.size() && is_utf8(run.substr(0, size)))) ++size;
    if (size > 4) {
      out += "\xef\xbf\xbd";
      run.remove_prefix(1);
    } else {
      if (!is_forbidden(run.substr(0, size))) out.append(run.substr(0, size));
      run.remove_prefix(size);
    }
  }
}

}  // namespace

void append_xml(std::string& out, std::string_view text, XmlPlace place) {
  while (!text.empty()) {
    const Class kind = class_of(text.front());
    if (kind == kHigh || kind == kPlain) {
      const auto end = std::find_if(text.begin(), text.end(), [&](char c) { return class_of(c) != kind; });
      const auto run = text.substr(0, static_cast<std::size_t>(end - text.begin()));
      kind == kPlain ? void(out.append(run)) : append_high(out, run);
      text.remove_prefix(run.size());
      continue;
    }
    if (kind == kEscape || (kind == kEscapeInAttribute && place == XmlPlace::kAttribute)) {
      out.append(escape(text.front()));
    } else if (kind == kEscapeInAttribute) {
      out += text.front();
    }
    text.remove_prefix(1);
  }
}

void XmlWriter::end_start_tag() {
  if (in_start_tag_) out_ += '>';
  in_start_tag_ = false;
}

XmlWriter& XmlWriter::open(std::string_view name, std::string_view ns) {
  end_start_tag();
  out_ += '<';
  out_.append(name);
  names_[depth_++] = name;
  in_start_tag_ = true;
  return attribute_unless_empty("xmlns", ns);
}

XmlWriter& XmlWriter::attribute(std::string_view name, std::string_view value) {
  out_ += ' ';
  out_.append(name).append("='");
  append_xml(out_, value, XmlPlace::kAttribute);
  out_ += '\'';
  return *this;
}

XmlWriter& XmlWriter::attribute_unless_empty(std::string_view name, std::string_view value) {
  return value.empty() ? *this : attribute(name, value);
}

XmlWriter& XmlWriter::text(std::string_view value) {
  if (value.empty()) return *this;
  end_start_tag();
  append_xml(out_, value, XmlPlace::kText);
  return *this;
}

XmlWriter& XmlWriter::close() {
  const std::string_view name = names_[--depth_];
  if (in_start_tag_) {
    out_ += "/>";
    in_start_tag_ = false;
  } else {
    out_.append("</").append(name) += '>';
  }
  return *this;
}

XmlWriter& XmlWriter::leaf(std::string_view name, std::string_view content) {
  return open(name).text(content).close();
}

void XmlWriter::leave_open() {
  end_start_tag();
  --depth_;
}

}  // namespace stox::xmpp
