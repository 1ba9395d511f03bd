#include "common/base/jid.h"

#include <idna.h>
#include <punycode.h>
#include <stringprep.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <vector>

#include "common/base/newer_letters.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox {
namespace {

constexpr std::size_t kMaxPart = 1023;
// Preparation may shrink a part; what is longer than this is not even tried.
constexpr std::size_t kMaxUnprepared = 2 * kMaxPart;

// XEP-0106: the code of a character, and back. Empty, 0: it has none.
std::string_view code_of(char c) {
  switch (c) {
    case ' ':
      return "20";
    case '"':
      return "22";
    case '&':
      return "26";
    case '\'':
      return "27";
    case '/':
      return "2f";
    case ':':
      return "3a";
    case '<':
      return "3c";
    case '>':
      return "3e";
    case '@':
      return "40";
    case '\\':
      return "5c";
    default:
      return {};
  }
}
char with_code(std::string_view text) {
  for (const char c : std::string_view(" \"&'/:<>@\\")) {
    if (text.substr(0, 2) == code_of(c)) return c;
  }
  return 0;
}

bool is_ascii(std::string_view s) {
  return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

std::optional<JidError> refuse_bytes(std::string_view part) {
  if (part.empty()) return JidError::kEmptyPart;
  if (part.size() > kMaxUnprepared) return JidError::kTooLong;
  if (!is_utf8(part)) return JidError::kNotUtf8;
  if (std::any_of(part.begin(), part.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    return JidError::kControl;
  }
  return std::nullopt;
}

using Profile = std::vector<Stringprep_profile>;

// A profile of RFC 6122 without its check of bidirectional text, which is done by the newer rule, and without
// these tables.
Profile profile_of(const Stringprep_profile* step,
                   std::initializer_list<const Stringprep_table_element*> without = {}) {
  Profile steps;
  for (; step->operation != 0; ++step) {
    const bool is_left_out = std::find(without.begin(), without.end(), step->table) != without.end();
    if (step->operation != STRINGPREP_BIDI && (step->table == nullptr || !is_left_out))
      steps.push_back(*step);
  }
  steps.push_back(*step);
  return steps;
}

const Profile& nodeprep() {
  static const Profile profile = profile_of(stringprep_xmpp_nodeprep);
  return profile;
}
// Nodeprep that lets pass what XEP-0106 is going to escape.
const Profile& unescaped_nodeprep() {
  static const Profile profile =
      profile_of(stringprep_xmpp_nodeprep, {stringprep_rfc3454_C_1_1, stringprep_xmpp_nodeprep_prohibit});
  return profile;
}
const Profile& nameprep() {
  static const Profile profile = profile_of(stringprep_nameprep);
  return profile;
}
// RFC 7622 has no rule for bidirectional text in resources.
const Profile& resourceprep() {
  static const Profile profile = profile_of(stringprep_xmpp_resourceprep);
  return profile;
}

// One of the tables of RFC 3454, which are sorted.
class CodePoints {
 public:
  explicit CodePoints(const Stringprep_table_element* table) : begin_(table), end_(table) {
    while (end_->start != 0) ++end_;
  }
  bool has(char32_t c) const {
    const auto* behind =
        std::upper_bound(begin_, end_, c, [](char32_t one, const auto& row) { return one < row.start; });
    return behind != begin_ && c <= std::max((behind - 1)->start, (behind - 1)->end);
  }

 private:
  const Stringprep_table_element *begin_, *end_;
};

bool is_unassigned(char32_t c) {  // in Unicode 3.2
  static const CodePoints table(stringprep_rfc3454_A_1);
  return table.has(c);
}
bool is_right_to_left(char32_t c) {
  static const CodePoints table(stringprep_rfc3454_D_1);
  return table.has(c);
}
bool is_left_to_right(char32_t c) {
  static const CodePoints table(stringprep_rfc3454_D_2);
  return table.has(c);
}

struct Free {
  // libidn allocates with malloc.
  void operator()(void* p) const { std::free(p); }  // NOLINT(cppcoreguidelines-owning-memory)
};
using IdnText = std::unique_ptr<char, Free>;

std::u32string code_points(const std::string& utf8) {
  std::size_t size = 0;
  const std::unique_ptr<uint32_t, Free> points(
      stringprep_utf8_to_ucs4(utf8.data(), static_cast<ssize_t>(utf8.size()), &size));
  return points ? std::u32string(points.get(), points.get() + size) : std::u32string();
}

// A mark of a script that is written from right to left: it may follow the last letter.
bool is_mark(char32_t c) {
  static constexpr char32_t kMarks[][2] = {{0x300, 0x36f}, {0x591, 0x5c7}, {0x610, 0x61a},  {0x64b, 0x65f},
                                           {0x670, 0x670}, {0x6d6, 0x6ed}, {0x711, 0x711},  {0x730, 0x74a},
                                           {0x7a6, 0x7b0}, {0x7eb, 0x7f3}, {0x816, 0x82d},  {0x859, 0x85b},
                                           {0x898, 0x89f}, {0x8ca, 0x8ff}, {0xfb1e, 0xfb1e}};
  return std::any_of(std::begin(kMarks), std::end(kMarks),
                     [c](const auto& range) { return c >= range[0] && c <= range[1]; });
}

// RFC 5893 section 2, which RFC 7622 refers to, for what is written from right to left: other than RFC 3454
// it lets a name end in a digit, or in the marks that most names in Thaana end in.
bool follows_bidi_rule(const std::u32string& text) {
  if (std::none_of(text.begin(), text.end(), is_right_to_left)) return true;
  if (!is_right_to_left(text.front()) || std::any_of(text.begin(), text.end(), is_left_to_right))
    return false;
  const auto last = std::find_if_not(text.rbegin(), text.rend(), is_mark);
  const auto is_digit = [](char32_t c) {
    return (c >= '0' && c <= '9') || (c >= 0x660 && c <= 0x669) || (c >= 0x6f0 && c <= 0x6f9);
  };
  return is_right_to_left(*last) || is_digit(*last);
}

enum class Checks { kNone, kNewAndBidi };

// The profiles know the characters of Unicode 3.2 only; of what came later, letters, digits and marks pass as
// they are, where RFC 7622 lets them.
tl::expected<std::string, JidError> prepare(std::string_view part, const Profile& profile, Checks checks) {
  std::string buffer(std::max(part.size(), kMaxPart) + 1, '\0');
  part.copy(buffer.data(), part.size());
  const int rc = stringprep(buffer.data(), buffer.size(), Stringprep_profile_flags{}, profile.data());
  if (rc == STRINGPREP_TOO_SMALL_BUFFER) return tl::make_unexpected(JidError::kTooLong);
  if (rc != STRINGPREP_OK) return tl::make_unexpected(JidError::kNotAllowed);
  buffer.resize(buffer.find('\0'));
  if (checks == Checks::kNone || buffer.empty()) return buffer;
  const std::u32string points = code_points(buffer);
  for (const char32_t c : points) {
    if (c >= 0x80 && is_unassigned(c) && !is_newer_letter(c))
      return tl::make_unexpected(JidError::kNotAllowed);
  }
  if (points.empty() || !follows_bidi_rule(points)) return tl::make_unexpected(JidError::kNotAllowed);
  return buffer;
}

tl::expected<std::string, JidError> within_limits(std::string part) {
  if (part.empty()) return tl::make_unexpected(JidError::kEmptyPart);
  if (part.size() > kMaxPart) return tl::make_unexpected(JidError::kTooLong);
  return part;
}

struct Domain {
  std::string ascii, unicode;
};

constexpr std::string_view kAce = "xn--";

// A domain whose labels RFC 3490 refuses (letters newer than Unicode 3.2, digits behind Arabic letters) but
// RFC 5891 has. Nothing when it does not, either.
std::optional<Domain> newer_domain(std::string_view text) {
  Domain out;
  while (true) {
    const auto dot = text.find('.');
    const std::string_view label = text.substr(0, dot);
    if (is_ascii(label)) {
      out.ascii += ascii_lower(label);
      out.unicode += ascii_lower(label);
    } else {
      const auto prepared = prepare(label, nameprep(), Checks::kNewAndBidi);
      if (!prepared || prepared->empty() || prepared->find('.') != std::string::npos ||
          prepared->find("\u3002") != std::string::npos)
        return std::nullopt;
      const std::u32string points = code_points(*prepared);
      const std::vector<punycode_uint> input(points.begin(), points.end());
      std::array<char, 64> ace{};
      std::size_t size = ace.size() - kAce.size();
      if (points.front() == '-' || points.back() == '-' ||
          punycode_encode(input.size(), input.data(), nullptr, &size, ace.data()) != PUNYCODE_SUCCESS) {
        return std::nullopt;
      }
      out.ascii.append(kAce).append(ace.data(), size);
      out.unicode += *prepared;
    }
    if (dot == std::string_view::npos) return out;
    out.ascii += '.';
    out.unicode += '.';
    text.remove_prefix(dot + 1);
  }
}

// Of A-labels that libidn does not decode.
std::string newer_unicode(const std::string& ascii) {
  std::string decoded;
  std::string_view rest = ascii;
  while (true) {
    const auto dot = rest.find('.');
    const std::string_view label = rest.substr(0, dot);
    std::array<punycode_uint, 64> points{};
    std::size_t size = points.size();
    char* utf8 = nullptr;
    if (label.starts_with(kAce) && punycode_decode(label.size() - kAce.size(), label.data() + kAce.size(),
                                                   &size, points.data(), nullptr) == PUNYCODE_SUCCESS) {
      utf8 = stringprep_ucs4_to_utf8(points.data(), static_cast<ssize_t>(size), nullptr, nullptr);
    }
    decoded += utf8 != nullptr ? std::string_view(IdnText(utf8).get()) : label;
    if (dot == std::string_view::npos) break;
    decoded += '.';
    rest.remove_prefix(dot + 1);
  }
  const auto domain = newer_domain(decoded);
  return domain && domain->ascii == ascii ? domain->unicode : ascii;
}

tl::expected<std::string, JidError> prepare_domain(std::string_view text) {
  if (!text.empty() && text.back() == '.') text.remove_suffix(1);
  if (const auto refused = refuse_bytes(text)) return tl::make_unexpected(*refused);
  if (text.size() > kMaxPart) return tl::make_unexpected(JidError::kTooLong);
  if (text.front() == '[' && text.back() == ']') {
    const auto address = normal_ipv6(text.substr(1, text.size() - 2));
    if (!address) return tl::make_unexpected(JidError::kNotADomain);
    return "[" + *address + "]";
  }
  const auto ascii = ascii_domain(text);
  if (!ascii) return tl::make_unexpected(JidError::kNotADomain);
  if (ascii->find("xn--") == std::string::npos) return *ascii;
  char* out = nullptr;
  if (idna_to_unicode_8z8z(ascii->c_str(), &out, 0) != IDNA_SUCCESS) return *ascii;
  std::string unicode(IdnText(out).get());
  if (unicode.find(kAce) != std::string::npos) return newer_unicode(*ascii);
  if (ascii_domain(unicode) != ascii) return *ascii;  // a label may hold U+3002, which reads as a dot
  return unicode;
}

tl::expected<std::string, JidError> prepare_resource(std::string_view text) {
  if (const auto refused = refuse_bytes(text)) return tl::make_unexpected(*refused);
  if (is_ascii(text)) return within_limits(std::string(text));
  return prepare(text, resourceprep(), Checks::kNone).and_then(within_limits);
}

}  // namespace

const char* describe(JidError error) {
  switch (error) {
    case JidError::kEmptyPart:
      return "an empty part";
    case JidError::kNotUtf8:
      return "not UTF-8";
    case JidError::kControl:
      return "a control character";
    case JidError::kEdgeSpace:
      return "a space at the start or end of the localpart";
    case JidError::kNotAllowed:
      return "a character that is not allowed there";
    case JidError::kTooLong:
      return "a part longer than 1023 bytes";
    case JidError::kNotADomain:
      return "not a domain name or IP address";
  }
  return "not a JID";
}

std::optional<std::string> ascii_domain(std::string_view domain) {
  if (!domain.empty() && domain.back() == '.') domain.remove_suffix(1);
  std::string ascii = ascii_lower(domain);
  if (!is_ascii(domain)) {
    char* out = nullptr;
    if (idna_to_ascii_8z(ascii.c_str(), &out, 0) == IDNA_SUCCESS) {
      ascii = ascii_lower(IdnText(out).get());
    } else if (auto newer = newer_domain(domain)) {
      ascii = std::move(newer->ascii);
    } else {
      return std::nullopt;
    }
  }
  if (!is_host_name(ascii) || ascii.back() == '.') return std::nullopt;
  return ascii;
}

tl::expected<std::string, JidError> fold_localpart(std::string_view utf8, bool unescaped) {
  if (const auto refused = refuse_bytes(utf8)) return tl::make_unexpected(*refused);
  std::string folded;
  if (is_ascii(utf8)) {
    const auto is_forbidden = [](char c) { return c != '\\' && !code_of(c).empty(); };  // RFC 6122 A.5
    if (!unescaped && std::any_of(utf8.begin(), utf8.end(), is_forbidden))
      return tl::make_unexpected(JidError::kNotAllowed);
    folded = ascii_lower(utf8);
  } else {
    const Profile& profile = unescaped ? unescaped_nodeprep() : nodeprep();
    auto once = prepare(utf8, profile, Checks::kNewAndBidi);
    if (!once) return once;
    // A name whose prepared form prepares to yet another one would be two users at once.
    const auto twice = once->empty() ? once : prepare(*once, profile, Checks::kNewAndBidi);
    if (twice != once) return tl::make_unexpected(JidError::kNotAllowed);
    folded = std::move(*once);
  }
  const std::string_view space = unescaped ? " " : "\\20";
  const std::string_view name = folded;
  if (name.substr(0, space.size()) == space ||
      (name.size() >= space.size() && name.substr(name.size() - space.size()) == space)) {
    return tl::make_unexpected(JidError::kEdgeSpace);
  }
  return within_limits(std::move(folded));
}

std::string escape_localpart(std::string_view folded) {
  std::string out;
  out.reserve(folded.size());
  for (std::size_t i = 0; i < folded.size(); ++i) {
    const std::string_view code = code_of(folded[i]);
    if (code.empty() || (folded[i] == '\\' && with_code(folded.substr(i + 1)) == 0)) {
      out += folded[i];
    } else {
      out.append("\\").append(code);
    }
  }
  return out;
}

std::string unescape_localpart(std::string_view folded) {
  std::string out;
  out.reserve(folded.size());
  for (std::size_t i = 0; i < folded.size(); ++i) {
    const char escaped = folded[i] == '\\' ? with_code(folded.substr(i + 1)) : '\0';
    out += escaped == 0 ? folded[i] : escaped;
    if (escaped != 0) i += 2;
  }
  return out;
}

tl::expected<Jid, JidError> Jid::make(std::string_view local, std::string_view domain,
                                      std::string_view resource) {
  Jid jid;
  auto prepared_domain = prepare_domain(domain);
  if (!prepared_domain) return tl::make_unexpected(prepared_domain.error());
  jid.domain_ = std::move(*prepared_domain);
  if (!local.empty()) {
    auto folded = fold_localpart(local, false);
    if (!folded) return tl::make_unexpected(folded.error());
    jid.local_ = std::move(*folded);
  }
  if (!resource.empty()) {
    auto prepared = prepare_resource(resource);
    if (!prepared) return tl::make_unexpected(prepared.error());
    jid.resource_ = std::move(*prepared);
  }
  return jid;
}

tl::expected<Jid, JidError> Jid::parse(std::string_view text) {
  const auto slash = text.find('/');
  const std::string_view bare = text.substr(0, slash);
  const auto at = bare.find('@');
  const bool has_local = at != std::string_view::npos;
  const bool has_resource = slash != std::string_view::npos;
  const std::string_view local = has_local ? bare.substr(0, at) : std::string_view();
  const std::string_view resource = has_resource ? text.substr(slash + 1) : std::string_view();
  if ((has_local && local.empty()) || (has_resource && resource.empty()))
    return tl::make_unexpected(JidError::kEmptyPart);
  return make(local, has_local ? bare.substr(at + 1) : bare, resource);
}

std::string Jid::bare() const {
  std::string out;
  out.reserve(local_.size() + 1 + domain_.size() + 1 + resource_.size());
  if (!local_.empty()) out.append(local_).append("@");
  return out.append(domain_);
}

std::string Jid::str() const {
  std::string out = bare();
  if (!resource_.empty()) out.append("/").append(resource_);
  return out;
}

}  // namespace stox
