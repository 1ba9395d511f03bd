#include "common/base/jid.h"

#include <idna.h>
#include <stringprep.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

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

// Nodeprep that lets pass what XEP-0106 is going to escape.
const Stringprep_profile* unescaped_nodeprep() {
  static const std::vector<Stringprep_profile> profile = [] {
    std::vector<Stringprep_profile> steps;
    const Stringprep_profile* step = stringprep_xmpp_nodeprep;
    for (; step->operation != 0; ++step) {
      if (step->table != stringprep_rfc3454_C_1_1 && step->table != stringprep_xmpp_nodeprep_prohibit)
        steps.push_back(*step);
    }
    steps.push_back(*step);
    return steps;
  }();
  return profile.data();
}

tl::expected<std::string, JidError> prepare(std::string_view part, const Stringprep_profile* profile,
                                            Stringprep_profile_flags flags) {
  std::string buffer(std::max(part.size(), kMaxPart) + 1, '\0');
  part.copy(buffer.data(), part.size());
  const int rc = stringprep(buffer.data(), buffer.size(), flags, profile);
  if (rc == STRINGPREP_TOO_SMALL_BUFFER) return tl::make_unexpected(JidError::kTooLong);
  if (rc != STRINGPREP_OK) return tl::make_unexpected(JidError::kNotAllowed);
  buffer.resize(buffer.find('\0'));
  return buffer;
}

tl::expected<std::string, JidError> within_limits(std::string part) {
  if (part.empty()) return tl::make_unexpected(JidError::kEmptyPart);
  if (part.size() > kMaxPart) return tl::make_unexpected(JidError::kTooLong);
  return part;
}

struct Free {
  // libidn allocates with malloc.
  void operator()(char* p) const { std::free(p); }  // NOLINT(cppcoreguidelines-owning-memory)
};
using IdnText = std::unique_ptr<char, Free>;

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
  if (ascii_domain(unicode) != ascii) return *ascii;  // a label may hold U+3002, which reads as a dot
  return unicode;
}

tl::expected<std::string, JidError> prepare_resource(std::string_view text) {
  if (const auto refused = refuse_bytes(text)) return tl::make_unexpected(*refused);
  if (is_ascii(text)) return within_limits(std::string(text));
  return prepare(text, stringprep_xmpp_resourceprep, Stringprep_profile_flags{}).and_then(within_limits);
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
    if (idna_to_ascii_8z(ascii.c_str(), &out, 0) != IDNA_SUCCESS) return std::nullopt;
    ascii = ascii_lower(IdnText(out).get());
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
    const auto* profile = unescaped ? unescaped_nodeprep() : stringprep_xmpp_nodeprep;
    auto once = prepare(utf8, profile, STRINGPREP_NO_UNASSIGNED);
    if (!once) return once;
    // A name whose prepared form prepares to yet another one would be two users at once.
    const auto twice = once->empty() ? once : prepare(*once, profile, STRINGPREP_NO_UNASSIGNED);
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
  out.reserve(local_.size() + 1 + domain_.size());
  if (!local_.empty()) out.append(local_).append("@");
  return out.append(domain_);
}

std::string Jid::str() const {
  std::string out = bare();
  if (!resource_.empty()) out.append("/").append(resource_);
  return out;
}

}  // namespace stox
