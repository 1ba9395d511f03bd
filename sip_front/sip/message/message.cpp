#include "sip_front/sip/message/message.h"

#include <utility>

#include "sip_front/sip/message/grammar.h"

namespace stox::sip {
namespace {

constexpr std::array<std::string_view, kMethods> kMethodNames = {
    "unknown", "ACK",   "BYE",     "CANCEL", "INFO",     "INVITE",    "MESSAGE", "NOTIFY",
    "OPTIONS", "PRACK", "PUBLISH", "REFER",  "REGISTER", "SUBSCRIBE", "UPDATE"};

}  // namespace

Method method_of(std::string_view text) {
  for (std::size_t i = 1; i < kMethods; ++i) {
    if (kMethodNames[i] == text) return static_cast<Method>(i);
  }
  return Method::kUnknown;
}

std::string_view name_of(Method method) { return kMethodNames[static_cast<std::size_t>(method)]; }

void Message::clear() {
  is_request = false;
  method = Method::kUnknown;
  method_text = request_uri = reason = call_id = head = body = {};
  status = 0;
  via = {};
  only_top_via = false;
  from = to = {};
  cseq = {};
  max_forwards.reset();
  content_length.reset();
  size = 0;
  first_.fill(0);
  count_ = 0;
}

bool Message::add(const Header& header) {
  if (count_ == kMaxHeaders) return false;
  headers_[count_++] = header;
  uint8_t& first = first_[static_cast<std::size_t>(header.id)];
  if (first == 0) first = static_cast<uint8_t>(count_);
  return true;
}

std::string_view next_in_list(std::string_view& rest) {
  if (rest.find(',') == std::string_view::npos) return strip(std::exchange(rest, {}));  // the usual case
  bool quoted = false;
  bool in_uri = false;
  std::size_t end = 0;
  for (; end < rest.size(); ++end) {
    const char c = rest[end];
    if (quoted) {
      if (c == '\\') {
        ++end;
      } else if (c == '"') {
        quoted = false;
      }
    } else if (c == '"' && !in_uri) {
      quoted = true;
    } else if (c == '<') {
      in_uri = true;
    } else if (c == '>') {
      in_uri = false;
    } else if (c == ',' && !in_uri) {
      break;
    }
  }
  end = std::min(end, rest.size());
  const std::string_view value = strip(rest.substr(0, end));
  rest = end == rest.size() ? std::string_view() : rest.substr(end + 1);
  return value;
}

std::string unquote(std::string_view display) {
  if (display.size() < 2 || display.front() != '"') return std::string(display);
  display = display.substr(1, display.size() - 2);
  std::string out;
  out.reserve(display.size());
  for (std::size_t i = 0; i < display.size(); ++i) {
    if (display[i] == '\\' && i + 1 < display.size()) ++i;
    out += display[i];
  }
  return out;
}

}  // namespace stox::sip
