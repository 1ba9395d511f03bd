// The character classes of RFC 3261 25.1, and reading a header value from left to right. For the parser's own
// files.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace stox::sip {

using CharSet = std::array<bool, 256>;

constexpr CharSet char_set(std::string_view extra) {
  CharSet set{};
  for (int c = '0'; c <= '9'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'a'; c <= 'z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (int c = 'A'; c <= 'Z'; ++c) set[static_cast<std::size_t>(c)] = true;
  for (const char c : extra) set[static_cast<unsigned char>(c)] = true;
  return set;
}

constexpr CharSet kToken = char_set("-.!%*_+`'~");
constexpr CharSet kWord = char_set("-.!%*_+`'~()<>:\\\"/[]?{}");
constexpr CharSet kHost = char_set("-._");

constexpr CharSet visible_without(std::string_view excluded) {
  CharSet set{};
  for (std::size_t c = 0x21; c < 256; ++c) set[c] = c != 0x7f;
  for (const char c : excluded) set[static_cast<unsigned char>(c)] = false;
  return set;
}
// Unquoted values of parameters: more than the grammar's token and host, as branches with = are about.
constexpr CharSet kParamValue = visible_without(",;<>\"");
constexpr CharSet kUri = visible_without("<>\"");
// Without < > a comma or question mark would be ambiguous (20.10), and all parameters are the header's.
constexpr CharSet kBareUri = visible_without("<>\",;?");
// *( token LWS ), UTF-8 tolerated
constexpr CharSet display_set() {
  CharSet set = kToken;
  set[' '] = set['\t'] = true;
  for (std::size_t c = 0x80; c < 256; ++c) set[c] = true;
  return set;
}
constexpr CharSet kDisplay = display_set();

inline bool in(const CharSet& set, char c) { return set[static_cast<unsigned char>(c)]; }
inline bool all_in(const CharSet& set, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return in(set, c); });
}

// Without spaces and tabs at its ends.
inline std::string_view strip(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Reads a header value from left to right. LWS is spaces and tabs, as folds are gone.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }
  bool at(char c) const { return !rest_.empty() && rest_[0] == c; }

  Cursor& lws() {
    while (at(' ') || at('\t')) rest_.remove_prefix(1);
    return *this;
  }
  bool take(char c) {  // with LWS around it
    const std::string_view before = rest_;
    if (!lws().at(c)) {
      rest_ = before;
      return false;
    }
    rest_.remove_prefix(1);
    lws();
    return true;
  }
  std::string_view run(const CharSet& set) {
    std::size_t n = 0;
    while (n < rest_.size() && in(set, rest_[n])) ++n;
    return cut(n);
  }
  // A quoted-string with its quotes; empty if it does not end.
  std::string_view quoted() {
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        return cut(i + 1);
      }
    }
    return {};
  }
  std::string_view cut(std::size_t n) {
    const std::string_view text = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return text;
  }

 private:
  std::string_view rest_;
};

// *( SEMI name [ EQUAL value ] ) up to the end. False when the text is no such list.
template <class Each>
bool read_params(Cursor& cursor, Each each) {
  while (cursor.take(';')) {
    const std::string_view name = cursor.run(kToken);
    if (name.empty()) return false;
    std::string_view value;
    const bool has_value = cursor.take('=');
    if (has_value) {
      value = cursor.at('"') ? cursor.quoted() : cursor.run(kParamValue);
      if (value.empty()) return false;
    }
    each(name, value, has_value);
  }
  return cursor.lws().done();
}

}  // namespace stox::sip
