#include "mapper/mapping/page/html.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "common/base/text.h"
#include "mapper/mapping/page/html_entities.h"
#include "mapper/mapping/page/utf8.h"

namespace stox::mapping {
namespace {

constexpr CharClass kNameChars("-:_");
constexpr CharClass kAttributeChars("-:_.@");
constexpr std::size_t kLongestEntity = 12;  // with & and semicolon

// All in ASCII order.
constexpr std::string_view kKnownTags[] = {
    "a",          "abbr",       "acronym",  "address",  "applet",   "area",     "article", "aside",
    "audio",      "b",          "base",     "basefont", "bdi",      "bdo",      "big",     "blink",
    "blockquote", "body",       "br",       "button",   "canvas",   "caption",  "center",  "cite",
    "code",       "col",        "colgroup", "data",     "datalist", "dd",       "del",     "details",
    "dfn",        "dialog",     "dir",      "div",      "dl",       "dt",       "em",      "embed",
    "fieldset",   "figcaption", "figure",   "font",     "footer",   "form",     "frame",   "frameset",
    "h1",         "h2",         "h3",       "h4",       "h5",       "h6",       "head",    "header",
    "hgroup",     "hr",         "html",     "i",        "iframe",   "img",      "input",   "ins",
    "kbd",        "label",      "legend",   "li",       "link",     "main",     "map",     "mark",
    "marquee",    "math",       "menu",     "meta",     "meter",    "nav",      "nobr",    "noframes",
    "noscript",   "object",     "ol",       "optgroup", "option",   "output",   "p",       "param",
    "picture",    "plaintext",  "pre",      "progress", "q",        "rp",       "rt",      "ruby",
    "s",          "samp",       "script",   "search",   "section",  "select",   "slot",    "small",
    "source",     "span",       "strike",   "strong",   "style",    "sub",      "summary", "sup",
    "svg",        "table",      "tbody",    "td",       "template", "textarea", "tfoot",   "th",
    "thead",      "time",       "title",    "tr",       "track",    "tt",       "u",       "ul",
    "var",        "video",      "wbr",      "xmp"};
constexpr std::string_view kBlocks[] = {
    "address", "article", "aside",  "blockquote", "body",       "caption", "center",  "dd",    "details",
    "div",     "dl",      "dt",     "fieldset",   "figcaption", "figure",  "footer",  "form",  "h1",
    "h2",      "h3",      "h4",     "h5",         "h6",         "header",  "hr",      "li",    "main",
    "nav",     "ol",      "option", "p",          "pre",        "section", "summary", "table", "tbody",
    "tfoot",   "thead",   "tr",     "ul",         "xmp"};
// Attributes that mean something without a value. "a<b and c>d" has none of them.
constexpr std::string_view kFlags[] = {"allowfullscreen", "async",    "autofocus", "autoplay", "checked",
                                       "compact",         "controls", "default",   "defer",    "disabled",
                                       "hidden",          "ismap",    "itemscope", "loop",     "multiple",
                                       "muted",           "nohref",   "noshade",   "nowrap",   "open",
                                       "playsinline",     "readonly", "required",  "reversed", "selected"};
// What they hold is not for people.
constexpr std::array<std::string_view, 4> kHidden = {"head", "script", "style", "title"};

template <class Words>
bool is_one_of(std::string_view word, const Words& words) {
  return std::binary_search(std::begin(words), std::end(words), word);
}

static_assert(std::is_sorted(std::begin(kKnownTags), std::end(kKnownTags)));
static_assert(std::is_sorted(std::begin(kBlocks), std::end(kBlocks)));
static_assert(std::is_sorted(std::begin(kFlags), std::end(kFlags)));

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

std::optional<uint32_t> code_point(std::string_view entity) {
  if (!entity.starts_with('#')) return named_entity(entity);
  const bool hex = entity.size() > 1 && (entity[1] == 'x' || entity[1] == 'X');
  const std::string_view digits = entity.substr(hex ? 2 : 1);
  if (digits.empty() || digits.size() > 7) return std::nullopt;
  uint32_t code = 0;
  for (const char c : ascii_lower(digits)) {
    const auto value = std::string_view("0123456789abcdef").find(c);
    if (value == std::string_view::npos || value >= (hex ? 16 : 10)) return std::nullopt;
    code = code * (hex ? 16 : 10) + static_cast<uint32_t>(value);
  }
  if (code >= 0x80 && code < 0xa0) return windows_1252(static_cast<unsigned char>(code));
  if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return 0xfffd;
  return code;
}

std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto length = text[i] == '&' ? text.substr(i, kLongestEntity).find(';') : std::string_view::npos;
    const auto code =
        length == std::string_view::npos ? std::nullopt : code_point(text.substr(i + 1, length - 1));
    if (code) {
      append_utf8(out, *code);
      i += length;
    } else {
      out += text[i];
    }
  }
  return out;
}

struct Tag {
  std::string name;  // in lower case
  bool closes = false, closes_itself = false;
  std::vector<std::pair<std::string, std::string_view>> attributes;  // names in lower case
  std::size_t size = 0;                                              // from < to >

  std::string attribute(std::string_view lower_name) const {
    const auto at = std::find_if(attributes.begin(), attributes.end(),
                                 [&](const auto& each) { return each.first == lower_name; });
    return at == attributes.end() ? std::string() : unescape(at->second);
  }
};

// Reads what may be a tag, strictly: <NAME [ATTRIBUTE[=VALUE]]... [/]> or </NAME>.
class TagReader {
 public:
  explicit TagReader(std::string_view text) : text_(text) {}

  std::optional<Tag> read() {
    Tag tag;
    ++at_;
    tag.closes = take('/');
    if (at_ >= text_.size() || !is_letter(text_[at_])) return std::nullopt;
    tag.name = ascii_lower(run(kNameChars));
    while (true) {
      const bool separated = skip_spaces();
      if (take('>')) break;
      if (take('/')) {
        tag.closes_itself = true;
        continue;
      }
      if (!separated || !read_attribute(tag)) return std::nullopt;
    }
    tag.size = at_;
    return tag;
  }

 private:
  bool read_attribute(Tag& tag) {
    std::string name = ascii_lower(run(kAttributeChars));
    if (name.empty()) return false;
    skip_spaces();
    if (!take('=')) return is_one_of(name, kFlags);
    skip_spaces();
    if (at_ >= text_.size()) return false;
    const char quote = text_[at_];
    std::size_t end = std::string_view::npos;
    if (quote == '"' || quote == '\'') {
      end = text_.find(quote, ++at_);
    } else {
      end = text_.find_first_of(" \t\r\n\f<>", at_);
    }
    if (end == std::string_view::npos) return false;
    tag.attributes.emplace_back(std::move(name), text_.substr(at_, end - at_));
    at_ = end + (quote == '"' || quote == '\'' ? 1 : 0);
    return true;
  }

  bool take(char c) {
    const bool found = at_ < text_.size() && text_[at_] == c;
    at_ += found ? 1 : 0;
    return found;
  }
  bool skip_spaces() {
    const std::size_t before = at_;
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    return at_ > before;
  }
  std::string_view run(const CharClass& chars) {
    const std::size_t begin = at_;
    while (at_ < text_.size() && chars.has(text_[at_])) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<Tag> read_tag(std::string_view text) {
  if (text.size() < 3 || text[0] != '<') return std::nullopt;
  return TagReader(text).read();
}

class Stripper {
 public:
  explicit Stripper(std::string_view html) : html_(html), rest_(html) {}

  std::string strip() {
    while (!rest_.empty()) {
      if (take_markup()) continue;
      const auto end = std::min(rest_.find('<', 1), rest_.size());
      words(unescape(rest_.substr(0, end)));
      rest_.remove_prefix(end);
    }
    if (!marked_up_) return unescape(html_);
    while (!out_.empty() && (out_.back() == '\n' || out_.back() == ' ')) out_.pop_back();
    return std::move(out_);
  }

 private:
  // A tag, comment or the like at the beginning.
  bool take_markup() {
    if (rest_[0] != '<') return false;
    if (const std::size_t size = size_of_declaration(); size > 0) {
      rest_.remove_prefix(size);
      return marked_up_ = true;
    }
    const auto tag = read_tag(rest_);
    if (!tag || !is_meant(*tag)) return false;
    rest_.remove_prefix(tag->size);
    take_tag(*tag);
    return marked_up_ = true;
  }

  // <!-- -->, <!DOCTYPE >, <![CDATA[ ]]> and <?xml ?>; 0: there is none here.
  std::size_t size_of_declaration() {
    const bool comment = rest_.starts_with("<!--");
    const bool other = rest_.starts_with("<?xml") || rest_.starts_with("<![") ||
                       ascii_iequal(rest_.substr(0, 9), "<!doctype");
    if ((!comment && !other) || (comment ? no_comment_ends_ : nothing_ends_)) return 0;
    const std::string_view end = comment ? "-->" : ">";
    const auto at = rest_.find(end, 1);
    if (at != std::string_view::npos) return at + end.size();
    (comment ? no_comment_ends_ : nothing_ends_) = true;
    return 0;
  }

  // HTML knows it, or it is opened and closed like one of a namespace of its own.
  bool is_meant(const Tag& tag) {
    if (is_one_of(tag.name, kKnownTags) || (tag.closes_itself && !tag.closes)) return true;
    if (!others_known_) find_others();
    return (tag.closes ? opened_ : closed_).contains(tag.name);
  }

  void find_others() {
    others_known_ = true;
    for (auto at = html_.find('<'); at != std::string_view::npos; at = html_.find('<', at + 1)) {
      if (const auto tag = read_tag(html_.substr(at)); tag && !is_one_of(tag->name, kKnownTags))
        (tag->closes ? closed_ : opened_).insert(tag->name);
    }
  }

  void take_tag(const Tag& tag) {
    if (!tag.closes && is_one_of(tag.name, kHidden)) return skip_to_end_of(tag.name);
    if (tag.name == "br") return line_break();
    if (is_one_of(tag.name, kBlocks)) {
      if (!out_.empty() && out_.back() != '\n') line_break();
      if (tag.name == "pre" || tag.name == "xmp") begin_or_end_verbatim(tag.closes);
    } else if (tag.name == "td" || tag.name == "th") {
      words(" ");
    } else if (tag.name == "img" && !tag.closes) {
      words(tag.attribute("alt"));
    } else if (tag.name == "a") {
      tag.closes ? end_link() : begin_link(tag.attribute("href"));
    }
  }

  void begin_or_end_verbatim(bool end) {
    verbatim_ = !end;
    if (end) return;
    if (rest_.starts_with("\r\n")) rest_.remove_prefix(1);
    if (rest_.starts_with('\n')) rest_.remove_prefix(1);
  }

  // Where it has no end, what follows may be text.
  void skip_to_end_of(std::string_view name) {
    bool& endless =
        endless_[static_cast<std::size_t>(std::find(kHidden.begin(), kHidden.end(), name) - kHidden.begin())];
    if (endless) return;
    for (auto at = rest_.find('<'); at != std::string_view::npos; at = rest_.find('<', at + 1)) {
      const std::string_view here = rest_.substr(at);
      const bool end = here.starts_with("</") && ascii_iequal(here.substr(2, name.size()), name);
      if (!end && !(name == "head" && ascii_iequal(here.substr(0, 5), "<body"))) continue;
      rest_.remove_prefix(at);
      return;
    }
    endless = true;
  }

  void begin_link(std::string href) {
    href_ = std::move(href);
    link_at_ = out_.size();
  }

  void end_link() {
    const std::string_view text = trim(std::string_view(out_).substr(std::min(link_at_, out_.size())));
    const bool says_more =
        !href_.empty() && href_ != text && href_ != "mailto:" + std::string(text) && !href_.starts_with('#');
    if (says_more) words(text.empty() ? href_ : " (" + href_ + ")");
    href_.clear();
  }

  void line_break() {
    while (!verbatim_ && !out_.empty() && out_.back() == ' ') out_.pop_back();
    out_ += '\n';
  }

  void words(std::string_view text) {
    if (verbatim_) {
      out_ += text;
      return;
    }
    for (const char c : text) {
      if (!is_space(c)) {
        out_ += c;
      } else if (!out_.empty() && out_.back() != ' ' && out_.back() != '\n') {
        out_ += ' ';
      }
    }
  }

  std::string_view html_, rest_;
  std::string out_;
  bool marked_up_ = false;  // a tag or a comment was seen
  bool verbatim_ = false;   // in <pre>
  std::string href_;
  std::size_t link_at_ = 0;
  std::set<std::string, std::less<>> opened_, closed_;  // tags that HTML does not know
  bool others_known_ = false;
  // What was looked for to the end and is not there need not be looked for again.
  bool no_comment_ends_ = false, nothing_ends_ = false;
  std::array<bool, kHidden.size()> endless_{};
};

}  // namespace

std::string text_of_html(std::string_view html) { return Stripper(html).strip(); }

}  // namespace stox::mapping
