#include "sip_front/sip/message/parser.h"

#include <array>
#include <cstring>
#include <memory>
#include <string>

#include "common/base/text.h"
#include "sip_front/sip/message/grammar.h"

namespace stox::sip {
namespace {

struct Name {
  std::string_view text;
  HeaderName id;
};
// In order of length.
constexpr Name kNames[] = {
    {"v", HeaderName::kVia},
    {"f", HeaderName::kFrom},
    {"t", HeaderName::kTo},
    {"i", HeaderName::kCallId},
    {"l", HeaderName::kContentLength},
    {"c", HeaderName::kContentType},
    {"m", HeaderName::kContact},
    {"e", HeaderName::kContentEncoding},
    {"s", HeaderName::kSubject},
    {"k", HeaderName::kSupported},
    {"o", HeaderName::kEvent},
    {"u", HeaderName::kAllowEvents},
    {"To", HeaderName::kTo},
    {"Via", HeaderName::kVia},
    {"From", HeaderName::kFrom},
    {"CSeq", HeaderName::kCSeq},
    {"Date", HeaderName::kDate},
    {"Allow", HeaderName::kAllow},
    {"Event", HeaderName::kEvent},
    {"Route", HeaderName::kRoute},
    {"Accept", HeaderName::kAccept},
    {"Call-ID", HeaderName::kCallId},
    {"Contact", HeaderName::kContact},
    {"Expires", HeaderName::kExpires},
    {"Privacy", HeaderName::kPrivacy},
    {"Require", HeaderName::kRequire},
    {"Subject", HeaderName::kSubject},
    {"Supported", HeaderName::kSupported},
    {"Timestamp", HeaderName::kTimestamp},
    {"User-Agent", HeaderName::kUserAgent},
    {"Min-Expires", HeaderName::kMinExpires},
    {"Retry-After", HeaderName::kRetryAfter},
    {"Allow-Events", HeaderName::kAllowEvents},
    {"Max-Forwards", HeaderName::kMaxForwards},
    {"Content-Type", HeaderName::kContentType},
    {"Record-Route", HeaderName::kRecordRoute},
    {"Content-Length", HeaderName::kContentLength},
    {"Content-Encoding", HeaderName::kContentEncoding},
    {"Content-Language", HeaderName::kContentLanguage},
    {"Subscription-State", HeaderName::kSubscriptionState},
    {"Content-Disposition", HeaderName::kContentDisposition},
    {"P-Asserted-Identity", HeaderName::kPAssertedIdentity},
    {"Content-Transfer-Encoding", HeaderName::kContentTransferEncoding},
};
constexpr std::size_t kLongestName = 25;

constexpr std::array<uint8_t, kLongestName + 2> first_of_length() {
  std::array<uint8_t, kLongestName + 2> first{};
  for (std::size_t length = 0; length < first.size(); ++length) {
    for (const Name& name : kNames)
      first[length] = static_cast<uint8_t>(first[length] + (name.text.size() < length));
  }
  return first;
}
constexpr auto kFirstOfLength = first_of_length();

HeaderName header_name_of(std::string_view text) {
  if (text.size() > kLongestName) return HeaderName::kOther;
  const Name* const begin = kNames + kFirstOfLength[text.size()];
  const Name* const end = kNames + kFirstOfLength[text.size() + 1];
  for (const Name* name = begin; name != end; ++name) {
    if (name->text == text) return name->id;
  }
  for (const Name* name = begin; name != end; ++name) {
    if (ascii_iequal(name->text, text)) return name->id;
  }
  return HeaderName::kOther;
}

// Headers that 7.3.1 and 20 allow once.
constexpr bool is_single(HeaderName id) {
  switch (id) {
    case HeaderName::kCallId:
    case HeaderName::kContentDisposition:
    case HeaderName::kContentLength:
    case HeaderName::kContentType:
    case HeaderName::kCSeq:
    case HeaderName::kDate:
    case HeaderName::kEvent:
    case HeaderName::kExpires:
    case HeaderName::kFrom:
    case HeaderName::kMaxForwards:
    case HeaderName::kMinExpires:
    case HeaderName::kRetryAfter:
    case HeaderName::kSubject:
    case HeaderName::kSubscriptionState:
    case HeaderName::kTo:
      return true;
    default:
      return false;
  }
}

// Reads one message head. Goes on after a fault, because the answer needs the headers behind it too; the
// first fault counts.
class HeadParser {
 public:
  HeadParser(std::span<char> text, Message& message) : text_(text), message_(message) {}

  Parsed parse() {
    message_.clear();
    while (at_ < text_.size() && (text_[at_] == '\r' || text_[at_] == '\n')) ++at_;
    if (auto line = next_line()) {
      start_line(*line);
    } else {
      message_.head = std::string_view(text_.data(), text_.size());
      return fail(400, "Bad Request");
    }
    bool ended = false;
    while (auto line = next_line()) {
      if (line->empty()) {
        ended = true;
        break;
      }
      header(*line);
    }
    if (!ended) fault(400, "Headers Without End");
    message_.size = at_;
    message_.head = std::string_view(text_.data(), at_);
    if (at_ > kMaxHead) fault(513, "Message too big");
    fields();
    if (fault_.status != 0) return tl::make_unexpected(fault_);
    return {};
  }

 private:
  void fault(uint16_t status, const char* reason) {
    if (fault_.status == 0) fault_ = {status, reason};
  }
  Parsed fail(uint16_t status, const char* reason) {
    fault(status, reason);
    return tl::make_unexpected(fault_);
  }

  // The next line without its end. A fold (7.3.1) is made part of the line before it.
  std::optional<std::string_view> next_line() {
    if (at_ >= text_.size()) return std::nullopt;
    char* const begin = text_.data() + at_;
    char* const end_of_text = text_.data() + text_.size();
    char* end = begin;
    while (true) {
      char* const lf =
          static_cast<char*>(std::memchr(end, '\n', static_cast<std::size_t>(end_of_text - end)));
      if (lf == nullptr) return std::nullopt;
      char* const line_end = lf > begin && lf[-1] == '\r' ? lf - 1 : lf;
      char* const next = lf + 1;
      const bool folded = line_end != begin && next < end_of_text && (*next == ' ' || *next == '\t');
      if (!folded) {
        at_ = static_cast<std::size_t>(next - text_.data());
        const std::string_view line(begin, static_cast<std::size_t>(line_end - begin));
        if (line.find('\r') != std::string_view::npos) fault(400, "Bare CR");
        return line;
      }
      *lf = ' ';
      *line_end = ' ';
      end = next;
    }
  }

  void start_line(std::string_view line) {
    if (line.size() >= 4 && ascii_iequal(line.substr(0, 4), "SIP/")) return status_line(line);
    message_.is_request = true;
    const auto first = line.find(' ');
    const auto last = line.rfind(' ');
    if (first == std::string_view::npos || first == last) return fault(400, "Bad Request-Line");
    message_.method_text = line.substr(0, first);
    message_.request_uri = line.substr(first + 1, last - first - 1);
    message_.method = method_of(message_.method_text);
    const std::string_view version = line.substr(last + 1);
    if (!is_token(message_.method_text)) fault(400, "Bad Method");
    if (message_.request_uri.size() > kMaxUri) fault(414, "Request-URI Too Long");
    if (message_.request_uri.empty() || !all_in(kUri, message_.request_uri)) fault(400, "Bad Request-URI");
    if (version.size() < 4 || !ascii_iequal(version.substr(0, 4), "SIP/")) {
      fault(400, "Bad Request-Line");
    } else if (!ascii_iequal(version, "SIP/2.0")) {
      fault(505, "Version Not Supported");
    }
  }

  void status_line(std::string_view line) {
    const auto number = line.size() >= 11 ? parse_number(line.substr(8, 3), 100, 699) : std::nullopt;
    if (!number || !ascii_iequal(line.substr(0, 8), "SIP/2.0 ") || (line.size() > 11 && line[11] != ' '))
      return fault(400, "Bad Status-Line");
    message_.status = static_cast<uint16_t>(*number);
    message_.reason = strip(line.substr(11));
  }

  void header(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return fault(400, "Header Without Colon");
    Header header;
    header.name = strip(line.substr(0, colon));
    header.value = strip(line.substr(colon + 1));
    if (header.name.data() != line.data() || !is_token(header.name)) return fault(400, "Bad Header Name");
    header.id = header_name_of(header.name);
    if (header.value.size() > kMaxHeaderValue) return fault(513, "Header Too Long");
    if (is_single(header.id) && message_.has(header.id)) {
      length_repeated_ |= header.id == HeaderName::kContentLength;
      return fault(400, "Repeated Header");
    }
    if (!message_.add(header)) fault(513, "Too Many Headers");
  }

  void fields() {
    vias();
    single(HeaderName::kFrom, message_.from, parse_name_addr, "Missing From", "Bad From");
    single(HeaderName::kTo, message_.to, parse_name_addr, "Missing To", "Bad To");
    single(HeaderName::kCSeq, message_.cseq, parse_cseq, "Missing CSeq", "Bad CSeq");
    message_.call_id = message_.value(HeaderName::kCallId);
    if (!is_call_id(message_.call_id))
      fault(400, message_.has(HeaderName::kCallId) ? "Bad Call-ID" : "Missing Call-ID");
    if (message_.has(HeaderName::kMaxForwards)) {
      if (const auto number = parse_number(message_.value(HeaderName::kMaxForwards), 0, 255)) {
        message_.max_forwards = static_cast<uint8_t>(*number);
      } else {
        fault(400, "Bad Max-Forwards");
      }
    }
    if (message_.method != Method::kMessage && message_.has(HeaderName::kContact)) contacts();
    if (message_.has(HeaderName::kContentLength) && !length_repeated_) {
      if (const auto number = parse_number(message_.value(HeaderName::kContentLength), 0, UINT32_MAX)) {
        message_.content_length = static_cast<std::size_t>(*number);
      } else {
        fault(400, "Bad Content-Length");
      }
    }
  }

  template <class Value>
  void single(HeaderName id, Value& out, std::optional<Value> (*parse_value)(std::string_view),
              const char* missing, const char* bad) {
    if (const auto value = parse_value(message_.value(id))) {
      out = *value;
    } else {
      fault(400, message_.has(id) ? bad : missing);
    }
  }

  // RFC 3428 section 4 has none in a MESSAGE, where it is no harm.
  void contacts() {
    message_.each_value(HeaderName::kContact, [this](std::string_view value) {
      if (value != "*" && !parse_name_addr(value)) fault(400, "Bad Contact");
      return true;
    });
  }

  // All of them must be right, because they are copied into the answer. If the topmost is not, it is kept as
  // far as it can be read, so that its sender hears what is wrong.
  void vias() {
    std::size_t count = 0;
    for (const Header& header : message_.headers()) {
      if (header.id != HeaderName::kVia) continue;
      std::string_view rest = header.value;
      bool good = !rest.empty() && rest.back() != ',';
      do {
        const std::string_view value = next_in_list(rest);
        const auto via = parse_via(value);
        good &= via.has_value();
        if (++count == 1) message_.via = via ? *via : parse_bad_via(value);
        if (!good) {
          message_.only_top_via = true;
          return fault(400, "Bad Via");
        }
      } while (!rest.empty());
    }
    if (count == 0) fault(400, "Missing Via");
    if (count > kMaxVias) fault(513, "Too Many Via Headers");
  }

  std::span<char> text_;
  Message& message_;
  std::size_t at_ = 0;
  bool length_repeated_ = false;
  Fault fault_{0, ""};
};

}  // namespace

Parsed parse_head(std::span<char> text, Message& message) { return HeadParser(text, message).parse(); }

Parsed parse_datagram(std::span<char> text, Message& message) {
  const Parsed head = parse_head(text, message);
  const std::string_view rest = std::string_view(text.data(), text.size()).substr(message.size);
  const std::size_t length = message.content_length.value_or(rest.size());
  message.size = text.size();
  message.body = rest.substr(0, length);
  if (head && length > rest.size()) return tl::make_unexpected(Fault{400, "Content-Length Beyond Datagram"});
  return head;
}

SentBy sent_by_of(std::string_view response) {
  std::string copy(response);
  const auto message = std::make_unique<Message>();
  if (!parse_datagram(copy, *message) || message->is_request) return {};
  return {std::string(message->via.host), message->via.port};
}

}  // namespace stox::sip
