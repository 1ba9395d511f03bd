#include "mapper/mapping/html.h"

#include <algorithm>
#include <optional>

#include "common/base/text.h"
#include "mapper/mapping/utf8.h"

namespace stox::mapping {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_one_of(std::string_view word, std::initializer_list<std::string_view> words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::optional<uint32_t> code_point(std::string_view entity) {
  static constexpr std::pair<std::string_view, uint32_t> kNamed[] = {
      {"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xa0}};
  for (const auto& [name, code] : kNamed) {
    if (entity == name) return code;
  }
  if (!entity.starts_with('#') || entity.size() < 2) return std::nullopt;
  const bool hex = entity[1] == 'x' || entity[1] == 'X';
  uint32_t code = 0;
  const std::string_view digits = entity.substr(hex ? 2 : 1);
  if (digits.empty() || digits.size() > 7) return std::nullopt;
  for (const char c : ascii_lower(digits)) {
    const auto value = std::string_view("0123456789abcdef").find(c);
    if (value == std::string_view::npos || value >= (hex ? 16 : 10)) return std::nullopt;
    code = code * (hex ? 16 : 10) + static_cast<uint32_t>(value);
  }
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0xfffd;
  return code;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view entity = text.substr(i, 12);
    const auto length = text[i] == '&' ? entity.find(';') : std::string_view::npos;
    const auto code =
        length == std::string_view::npos ? std::nullopt : code_point(entity.substr(1, length - 1));
    if (code) {
      append_utf8(out, *code);
      i += length;
    } else {
      out += text[i];
    }
  }
  return out;
}

// The value of an attribute in a tag's inside; the name in lower case.
std::string attribute(std::string_view tag, std::string_view name) {
  const std::string lower = ascii_lower(tag);
  for (auto at = lower.find(name); at != std::string::npos; at = lower.find(name, at + 1)) {
    if (at == 0 || !is_space(lower[at - 1])) continue;
    std::string_view rest = trim(tag.substr(at + name.size()));
    if (!rest.starts_with('=')) continue;
    rest = trim(rest.substr(1));
    if (rest.empty()) return {};
    const bool quoted = rest[0] == '"' || rest[0] == '\'';
    const auto end = quoted ? rest.find(rest[0], 1) : rest.find_first_of(" \t\r\n");
    return unescape(quoted ? rest.substr(1, end == std::string_view::npos ? end : end - 1)
                           : rest.substr(0, end));
  }
  return {};
}

class Stripper {
 public:
  std::string strip(std::string_view html) {
    while (!html.empty()) {
      if (html.starts_with("<!--")) {
        const auto end = html.find("-->");
        html.remove_prefix(end == std::string_view::npos ? html.size() : end + 3);
      } else if (is_tag(html)) {
        const auto end = html.find('>');
        const std::string_view tag = html.substr(1, end == std::string_view::npos ? end : end - 1);
        html.remove_prefix(end == std::string_view::npos ? html.size() : end + 1);
        take_tag(tag, html);
      } else {
        const auto end = html.find('<', 1);
        words(unescape(html.substr(0, end)));
        html.remove_prefix(std::min(end, html.size()));
      }
    }
    while (!out_.empty() && (out_.back() == '\n' || out_.back() == ' ')) out_.pop_back();
    return std::move(out_);
  }

 private:
  // "a < b" is text.
  static bool is_tag(std::string_view html) {
    static constexpr CharClass kFirst("/!?");
    return html.size() > 1 && html[0] == '<' && kFirst.has(html[1]);
  }

  void take_tag(std::string_view tag, std::string_view& rest) {
    const bool closing = tag.starts_with('/');
    std::string_view name_text = tag.substr(closing ? 1 : 0);
    const std::string name = ascii_lower(name_text.substr(0, name_text.find_first_of(" \t\r\n/")));
    if (!closing && is_one_of(name, {"script", "style", "head", "title"})) {
      while (!rest.empty() && !(rest.starts_with("</") && ascii_iequal(rest.substr(2, name.size()), name)))
        rest.remove_prefix(std::min(rest.find("</", 1), rest.size()));
    } else if (name == "br") {
      line_break();
    } else if (is_one_of(name, {"p", "div", "li", "tr", "ul", "ol", "table", "blockquote", "pre", "hr", "h1",
                                "h2", "h3", "h4", "h5", "h6"})) {
      if (!out_.empty() && out_.back() != '\n') line_break();
    } else if (name == "img" && !closing) {
      words(attribute(tag, "alt"));
    } else if (name == "a" && !closing) {
      href_ = attribute(tag, "href");
      link_at_ = out_.size();
    } else if (name == "a") {
      const std::string_view text = trim(std::string_view(out_).substr(std::min(link_at_, out_.size())));
      if (!href_.empty() && href_ != text && !href_.starts_with('#'))
        words(text.empty() ? href_ : " (" + href_ + ")");
      href_.clear();
    }
  }

  void line_break() {
    while (!out_.empty() && out_.back() == ' ') out_.pop_back();
    out_ += '\n';
  }

  void words(std::string_view text) {
    for (const char c : text) {
      if (!is_space(c)) {
        out_ += c;
      } else if (!out_.empty() && out_.back() != ' ' && out_.back() != '\n') {
        out_ += ' ';
      }
    }
  }

  std::string out_;
  std::string href_;
  std::size_t link_at_ = 0;
};

}  // namespace

std::string text_of_html(std::string_view html) { return Stripper().strip(html); }

}  // namespace stox::mapping
