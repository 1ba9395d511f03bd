#include "mapper/mapping/page/cpim.h"

#include <algorithm>
#include <map>
#include <optional>

#include "common/base/text.h"
#include "mapper/mapping/page/utf8.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxHeaders = 64;
constexpr CharClass kNameChars("!#$%&'*+-^_`|~");  // NAMECHAR, RFC 3862 3.6, without the dot

bool is_name(std::string_view s) { return !s.empty() && kNameChars.has_all(s); }

// \uxxxx and the one-letter escapes of RFC 3862 2.3.1.
std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    static constexpr std::string_view kLetters = "\\\"'btnr", kMeanings = "\\\"'\b\t\n\r";
    if (const auto at = kLetters.find(text[i]); at != std::string_view::npos) {
      out += kMeanings[at];
    } else if (text[i] == 'u' && text.size() - i > 4) {
      uint32_t code = 0;
      for (int digit = 0; digit < 4; ++digit) {
        const std::string_view hex = "0123456789abcdef";
        const auto value = hex.find(ascii_lower(text.substr(++i, 1)));
        if (value == std::string_view::npos) return std::nullopt;
        code = code << 4 | static_cast<uint32_t>(value);
      }
      append_utf8(out, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

// RFC 3862 2.3.1: what would end a line, or begin an escape.
std::string escape(std::string_view value) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\\') {
      out += "\\\\";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      out += c;
    }
  }
  return out;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  Result<Cpim> read() {
    if (!is_utf8(rest_.substr(0, rest_.find("\r\n\r\n")))) return error("its headers are not UTF-8");
    while (true) {
      const auto end = rest_.find("\r\n");
      if (end == std::string_view::npos) return error("its headers do not end");
      const std::string_view line = rest_.substr(0, end);
      rest_.remove_prefix(end + 2);
      if (line.empty()) break;
      if (++lines_ > kMaxHeaders) return error("it has too many headers");
      if (const char* wrong = read_header(line)) return error(wrong);
    }
    for (const std::string& name : required_) {
      if (!is_known(name)) return error("it requires the header " + one_line(name, 60));
    }
    auto content = parse_entity(rest_);
    if (!content) return tl::make_unexpected(content.error());
    out_.content = std::move(*content);
    return std::move(out_);
  }

 private:
  // name *( ";" parameter ) ": " value; what is wrong, or null.
  const char* read_header(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return "a header has no colon";
    const std::string_view full_name = line.substr(0, colon);
    std::string_view rest = line.substr(colon + 1);
    const auto space = rest.find(' ');
    if (space == std::string_view::npos) return "a header has no space before its value";
    if (space != 0 && rest[0] != ';') return "a header has no space before its value";
    const std::string_view params = rest.substr(0, space);
    const auto value = unescape(rest.substr(space + 1));
    if (!value) return "a header value holds a control character or a wrong escape";
    const auto dot = full_name.find('.');
    const std::string_view prefix =
        dot == std::string_view::npos ? std::string_view() : full_name.substr(0, dot);
    const std::string_view name = dot == std::string_view::npos ? full_name : full_name.substr(dot + 1);
    if (!is_name(name) || (dot != std::string_view::npos && !is_name(prefix)))
      return "a header name cannot be read";
    if (full_name == "NS") return read_namespace(*value);
    if (full_name == "Require") {
      read_required(*value);
      return nullptr;
    }
    const std::string* ns = namespace_of(prefix);
    if (ns == nullptr) return "a header has a prefix that no NS header explains";
    out_.headers.push_back({*ns, std::string(name), lang_of(params), *value});
    return nullptr;
  }

  // [ prefix SP ] "<" URI ">"
  const char* read_namespace(std::string_view value) {
    const auto open = value.find('<');
    if (open == std::string_view::npos || !value.ends_with('>')) return "an NS header cannot be read";
    const std::string_view prefix = trim(value.substr(0, open));
    if (!prefix.empty() && !is_name(prefix)) return "an NS header cannot be read";
    namespaces_[std::string(prefix)] = value.substr(open + 1, value.size() - open - 2);
    return nullptr;
  }

  void read_required(std::string_view value) {
    while (!value.empty()) {
      const auto comma = std::min(value.find(','), value.size());
      if (const auto name = trim(value.substr(0, comma)); !name.empty()) required_.emplace_back(name);
      value.remove_prefix(std::min(comma + 1, value.size()));
    }
  }

  bool is_known(std::string_view full_name) const {
    static constexpr std::string_view kKnown[] = {"From", "To", "cc", "DateTime", "Subject", "NS", "Require"};
    const auto dot = full_name.find('.');
    const std::string* ns =
        namespace_of(dot == std::string_view::npos ? std::string_view() : full_name.substr(0, dot));
    if (ns == nullptr) return false;
    if (*ns == kImdnHeaders) return true;
    return *ns == kCpimHeaders &&
           std::find(std::begin(kKnown), std::end(kKnown), full_name) != std::end(kKnown);
  }

  const std::string* namespace_of(std::string_view prefix) const {
    const auto at = namespaces_.find(prefix);
    return at == namespaces_.end() ? nullptr : &at->second;
  }

  static std::string lang_of(std::string_view params) {
    const auto at = params.find(";lang=");
    if (at == std::string_view::npos) return {};
    const std::string_view lang = params.substr(at + 6);
    return std::string(lang.substr(0, lang.find(';')));
  }

  std::string_view rest_;
  std::size_t lines_ = 0;
  std::map<std::string, std::string, std::less<>> namespaces_{{"", std::string(kCpimHeaders)},
                                                              {"imdn", std::string(kImdnHeaders)}};
  std::vector<std::string> required_;
  Cpim out_;
};

}  // namespace

const CpimHeader* Cpim::find(std::string_view name, std::string_view ns) const {
  const auto at = std::find_if(headers.begin(), headers.end(),
                               [&](const CpimHeader& h) { return h.name == name && h.ns == ns; });
  return at == headers.end() ? nullptr : &*at;
}

std::string make_cpim(const std::vector<CpimHeader>& headers, std::string_view content_type,
                      std::string_view disposition, std::string_view body) {
  std::string out;
  bool explained = false;
  for (const CpimHeader& header : headers) {
    const bool imdn = header.ns == kImdnHeaders;
    if (imdn && !explained) out.append("NS: imdn <").append(kImdnHeaders).append(">\r\n");
    explained |= imdn;
    out.append(imdn ? "imdn." : "").append(header.name).append(":");
    if (!header.lang.empty()) out.append(";lang=").append(header.lang);
    out.append(" ").append(escape(header.value)).append("\r\n");
  }
  out.append("\r\nContent-Type: ").append(content_type).append("\r\n");
  if (!disposition.empty()) out.append("Content-Disposition: ").append(disposition).append("\r\n");
  return out.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n\r\n").append(body);
}

Result<Cpim> parse_cpim(std::string_view text) { return Reader(text).read(); }

}  // namespace stox::mapping
