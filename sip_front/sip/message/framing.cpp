#include "sip_front/sip/message/framing.h"

#include <algorithm>
#include <string_view>

namespace stox::sip {
namespace {

// Where the line break starts that ends the head (LF LF or LF CR LF), from `from` on.
std::size_t find_head_end(std::string_view text, std::size_t from) {
  for (auto lf = text.find('\n', from); lf != std::string_view::npos; lf = text.find('\n', lf + 1)) {
    const std::string_view behind = text.substr(lf + 1, 2);
    if (behind.starts_with('\n') || behind == "\r\n") return lf;
  }
  return std::string_view::npos;
}

}  // namespace

Framing::Cut Framing::next(std::span<char> buffer, Message& message) {
  std::size_t skipped = 0;
  if (!inside_) {
    const std::string_view text(buffer.data(), buffer.size());
    while (skipped < text.size()) {
      const std::string_view rest = text.substr(skipped);
      if (rest.starts_with("\r\n\r\n")) return {Kind::kPing, skipped + 4, {}};
      if (std::string_view("\r\n\r\n").starts_with(rest)) return {Kind::kMore, skipped, {}};
      if (!rest.starts_with('\r') && !rest.starts_with('\n')) break;
      ++skipped;
    }
    inside_ = skipped < text.size();
    scanned_ = needed_ = 0;
    if (!inside_) return {Kind::kMore, skipped, {}};
  }
  Cut cut = head(buffer.subspan(skipped), message);
  cut.consumed += skipped;
  if (cut.kind != Kind::kMore) inside_ = false;
  return cut;
}

Framing::Cut Framing::head(std::span<char> buffer, Message& message) {
  if (needed_ > buffer.size()) return {};
  if (needed_ == 0) {
    const auto end = find_head_end(std::string_view(buffer.data(), buffer.size()), scanned_);
    if (end == std::string_view::npos) {
      scanned_ = buffer.size() - std::min<std::size_t>(buffer.size(), 2);
      if (buffer.size() <= kMaxHead) return {};
      parse_head(buffer.first(kMaxHead), message);  // for the answer
      return {Kind::kBroken, buffer.size(), tl::make_unexpected(Fault{513, "Message too big"})};
    }
  }
  Parsed parsed = parse_head(buffer, message);
  const std::size_t head_size = message.size;
  if (!message.content_length) {
    if (parsed) parsed = tl::make_unexpected(Fault{400, "Missing Content-Length"});
    return {Kind::kBroken, head_size, parsed};
  }
  const std::size_t whole = head_size + *message.content_length;
  if (whole >= max_message_) {
    return {Kind::kBroken, head_size, tl::make_unexpected(Fault{513, "Message too big"})};
  }
  if (whole > buffer.size()) {
    needed_ = whole;
    return {};
  }
  message.body = std::string_view(buffer.data() + head_size, *message.content_length);
  message.size = whole;
  return {Kind::kMessage, whole, parsed};
}

}  // namespace stox::sip
