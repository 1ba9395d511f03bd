#include "mapper/mapping/page/mime.h"

#include <algorithm>

#include "common/base/text.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxParams = 32;  // of a media type; the others are left out
constexpr CharClass kTokenChars("-.!%*_+`'~#$&^{|}");
bool is_token(std::string_view s) { return !s.empty() && kTokenChars.has_all(s); }

// Takes one line with its end; the line without it.
std::string_view take_line(std::string_view& text) {
  const auto end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

// A parameter value: a token, or a quoted string with \ escapes. `text` begins with it and loses it.
std::optional<std::string> take_value(std::string_view& text) {
  std::string out;
  if (!text.starts_with('"')) {
    const std::string_view token = trim(text.substr(0, text.find(';')));
    text.remove_prefix(std::min(text.find(';'), text.size()));
    return std::string(token);
  }
  for (text.remove_prefix(1); !text.empty(); text.remove_prefix(1)) {
    if (text[0] == '"') {
      text.remove_prefix(std::min(text.find(';'), text.size()));
      return out;
    }
    if (text[0] == '\\' && text.size() > 1) text.remove_prefix(1);
    out += text[0];
  }
  return std::nullopt;
}

void put(Entity& entity, std::string_view name, const std::string& value) {
  const std::pair<const char*, std::string*> known[] = {
      {"content-type", &entity.content_type},
      {"content-disposition", &entity.disposition},
      {"content-encoding", &entity.encoding},
      {"content-transfer-encoding", &entity.transfer_encoding},
      {"content-id", &entity.id},
      {"content-language", &entity.language}};
  for (const auto& [known_name, place] : known) {
    if (ascii_iequal(name, known_name) && place->empty()) *place = value;
  }
}

// RFC 2045 6.8: what is not of the alphabet is passed over, but nothing may follow the padding.
std::optional<std::string> decode_base64(std::string_view text) {
  static constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  uint32_t word = 0;
  int digits = 0, padding = 0;
  for (const char c : text) {
    if (c == '=') ++padding;
    const auto value = kDigits.find(c);
    if (value == std::string_view::npos) continue;
    if (padding > 0) return std::nullopt;
    word = word << 6 | static_cast<uint32_t>(value);
    if (++digits % 4 != 0) continue;
    for (const int shift : {16, 8, 0}) out += static_cast<char>(word >> shift & 0xff);
    word = 0;
  }
  const int left = digits % 4;
  if (left == 1 || padding > 2) return std::nullopt;
  if (left >= 2) out += static_cast<char>(word >> (left == 2 ? 4 : 10) & 0xff);
  if (left == 3) out += static_cast<char>(word >> 2 & 0xff);
  return out;
}

// RFC 2045 6.7.
std::optional<std::string> decode_quoted_printable(std::string_view text) {
  const auto digit = [&](std::size_t at) {
    static constexpr std::string_view kHex = "0123456789ABCDEFabcdef";
    const auto found = at < text.size() ? kHex.find(text[at]) : std::string_view::npos;
    return found == std::string_view::npos ? -1 : static_cast<int>(found > 15 ? found - 6 : found);
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '=') {
      out += text[i];
      continue;
    }
    const auto end = text.find_first_not_of(" \t", i + 1);  // of a soft line break
    if (digit(i + 1) >= 0 && digit(i + 2) >= 0) {
      out += static_cast<char>(digit(i + 1) << 4 | digit(i + 2));
      i += 2;
    } else if (end == std::string_view::npos) {
      return out;
    } else if (text[end] == '\n' || text.substr(end, 2) == "\r\n") {
      i = text.find('\n', end);
    } else {
      return std::nullopt;
    }
  }
  return out;
}

}  // namespace

std::string_view MediaType::param(std::string_view lower_name) const {
  const auto at =
      std::find_if(params.begin(), params.end(), [&](const auto& p) { return p.first == lower_name; });
  return at == params.end() ? std::string_view() : std::string_view(at->second);
}

std::optional<MediaType> parse_media_type(std::string_view text) {
  MediaType media;
  media.type = ascii_lower(trim(text.substr(0, text.find(';'))));
  const auto slash = media.type.find('/');
  if (slash == std::string::npos || !is_token(media.type.substr(0, slash)) ||
      !is_token(media.type.substr(slash + 1)))
    return std::nullopt;
  text.remove_prefix(std::min(text.find(';'), text.size()));
  while (!text.empty() && media.params.size() < kMaxParams) {
    text.remove_prefix(1);  // the semicolon
    const auto end = std::min(text.find_first_of("=;"), text.size());
    std::string name = ascii_lower(trim(text.substr(0, end)));
    const bool has_value = end < text.size() && text[end] == '=';
    text.remove_prefix(has_value ? end + 1 : end);
    if (!has_value) continue;
    while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
    auto value = take_value(text);
    if (!value) return std::nullopt;
    media.params.emplace_back(std::move(name), std::move(*value));
  }
  return media;
}

Result<Entity> parse_entity(std::string_view text) {
  Entity entity;
  std::string name, value;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (!name.empty() && (line.starts_with(' ') || line.starts_with('\t'))) {
      value.append(" ").append(trim(line));
      continue;
    }
    if (!name.empty()) put(entity, name, value);
    name.clear();
    if (line.empty()) break;
    const auto colon = std::min(line.find(':'), line.size());
    name = trim(line.substr(0, colon));
    if (colon == line.size() || !is_token(name)) return error("a MIME header cannot be read");
    value = trim(line.substr(colon + 1));
  }
  if (!name.empty()) put(entity, name, value);
  entity.body = text;
  return entity;
}

Result<std::vector<Entity>> split_multipart(std::string_view body, std::string_view boundary,
                                            std::size_t max) {
  if (boundary.empty() || boundary.size() > 70) return error("a multipart body without a usable boundary");
  std::vector<Entity> out;
  const char* begin = nullptr;  // of the part that is open
  while (!body.empty()) {
    const char* line_begin = body.data();
    const std::string_view line = take_line(body);
    if (!line.starts_with("--") || !line.substr(2).starts_with(boundary)) continue;
    const std::string_view rest = line.substr(2 + boundary.size());
    const bool last = rest.starts_with("--") && trim(rest.substr(2)).empty();
    if (!last && !trim(rest).empty()) continue;  // a longer word
    if (begin != nullptr) {
      std::string_view part(begin, static_cast<std::size_t>(line_begin - begin));
      if (part.ends_with('\n')) part.remove_suffix(1);  // belongs to the delimiter
      if (part.ends_with('\r')) part.remove_suffix(1);
      auto entity = parse_entity(part);
      if (!entity) return tl::make_unexpected(entity.error());
      if (out.size() == max) return error("more than " + std::to_string(max) + " parts");
      out.push_back(std::move(*entity));
    }
    if (last) return out.empty() ? Result<std::vector<Entity>>(error("a multipart body without parts")) : out;
    begin = body.data();
  }
  return error("a multipart body that does not end");
}

std::optional<std::string> decode_transfer(std::string_view encoding, std::string_view body) {
  const std::string name = ascii_lower(trim(encoding));
  if (name.empty() || name == "7bit" || name == "8bit" || name == "binary") return std::string(body);
  if (name == "base64") return decode_base64(body);
  if (name == "quoted-printable") return decode_quoted_printable(body);
  return std::nullopt;
}

Disposition disposition_of(std::string_view disposition) {
  const std::string lower = ascii_lower(disposition);
  const std::string_view type = trim(std::string_view(lower).substr(0, lower.find(';')));
  if (type.empty() || type == "render" || type == "inline" || type == "notification" || type == "attachment")
    return Disposition::kShow;
  return lower.find("handling=optional") == std::string::npos ? Disposition::kUnknown : Disposition::kMaySkip;
}

}  // namespace stox::mapping
