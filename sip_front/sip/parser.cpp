#include "sip_front/sip/parser.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::sip {
namespace {

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

bool in(const CharSet& set, char c) { return set[static_cast<unsigned char>(c)]; }
bool all_in(const CharSet& set, std::string_view text) {
  return std::all_of(text.begin(), text.end(), [&](char c) { return in(set, c); });
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
    {"To", HeaderName::kTo},
    {"Via", HeaderName::kVia},
    {"From", HeaderName::kFrom},
    {"CSeq", HeaderName::kCSeq},
    {"Date", HeaderName::kDate},
    {"Allow", HeaderName::kAllow},
    {"Route", HeaderName::kRoute},
    {"Accept", HeaderName::kAccept},
    {"Call-ID", HeaderName::kCallId},
    {"Contact", HeaderName::kContact},
    {"Expires", HeaderName::kExpires},
    {"Require", HeaderName::kRequire},
    {"Subject", HeaderName::kSubject},
    {"Supported", HeaderName::kSupported},
    {"Timestamp", HeaderName::kTimestamp},
    {"Retry-After", HeaderName::kRetryAfter},
    {"Max-Forwards", HeaderName::kMaxForwards},
    {"Content-Type", HeaderName::kContentType},
    {"Record-Route", HeaderName::kRecordRoute},
    {"Content-Length", HeaderName::kContentLength},
    {"Content-Encoding", HeaderName::kContentEncoding},
    {"Content-Language", HeaderName::kContentLanguage},
    {"Content-Disposition", HeaderName::kContentDisposition},
};
constexpr std::size_t kLongestName = 19;

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
    case HeaderName::kExpires:
    case HeaderName::kFrom:
    case HeaderName::kMaxForwards:
    case HeaderName::kRetryAfter:
    case HeaderName::kSubject:
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
    message_.reason = trim(line.substr(11));
  }

  void header(std::string_view line) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return fault(400, "Header Without Colon");
    Header header;
    header.name = trim(line.substr(0, colon));
    header.value = trim(line.substr(colon + 1));
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

  // All of them must be right, because they are copied into the answer.
  void vias() {
    std::size_t count = 0;
    for (const Header& header : message_.headers()) {
      if (header.id != HeaderName::kVia) continue;
      std::string_view rest = header.value;
      if (rest.empty() || rest.back() == ',') return fault(400, "Bad Via");
      while (!rest.empty()) {
        const auto via = parse_via(next_in_list(rest));
        if (!via) return fault(400, "Bad Via");
        if (++count == 1) message_.via = *via;
      }
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

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
  using namespace std::chrono;
  const year_month_day date(std::chrono::year(static_cast<int>(year)),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day)));
  return date.ok() ? sys_days(date).time_since_epoch().count() : INT64_MIN;
}

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

std::optional<Via> parse_via(std::string_view text) {
  Via via;
  via.text = text;
  Cursor cursor(text);
  if (cursor.run(kToken).empty() || !cursor.take('/') || cursor.run(kToken).empty() || !cursor.take('/'))
    return std::nullopt;
  via.transport = cursor.run(kToken);
  const std::size_t before = cursor.rest().size();
  if (via.transport.empty() || cursor.lws().rest().size() == before) return std::nullopt;
  if (cursor.at('[')) {
    const auto end = cursor.rest().find(']');
    if (end == std::string_view::npos) return std::nullopt;
    via.host = cursor.cut(end + 1).substr(1, end - 1);
    if (!normal_ipv6(via.host)) return std::nullopt;
  } else {
    via.host = cursor.run(kHost);
    if (!is_host_name(via.host)) return std::nullopt;
  }
  if (cursor.take(':')) {
    const auto port = parse_number(cursor.run(kToken), 1, 65535);
    if (!port) return std::nullopt;
    via.port = static_cast<uint16_t>(*port);
  }
  const bool good = read_params(cursor, [&](std::string_view name, std::string_view value, bool has_value) {
    if (ascii_iequal(name, "branch")) via.branch = value;
    if (ascii_iequal(name, "rport")) via.rport = !has_value;
  });
  if (!good) return std::nullopt;
  return via;
}

std::optional<NameAddr> parse_name_addr(std::string_view text) {
  NameAddr out;
  Cursor cursor(text);
  if (cursor.at('"')) {
    out.display = cursor.quoted();
    if (out.display.empty() || !cursor.lws().at('<')) return std::nullopt;
  } else {
    Cursor ahead = cursor;
    const std::string_view display = ahead.run(kDisplay);
    if (ahead.at('<')) {
      out.display = trim(display);
      cursor = ahead;
    }
  }
  if (cursor.at('<')) {
    cursor.cut(1);
    out.uri = cursor.run(kUri);
    if (!cursor.at('>')) return std::nullopt;
    cursor.cut(1);
  } else {
    out.uri = cursor.run(kBareUri);
  }
  if (out.uri.size() > kMaxUri || out.uri.find(':') == std::string_view::npos) return std::nullopt;
  bool good_tag = true;
  const bool good = read_params(cursor, [&](std::string_view name, std::string_view value, bool) {
    if (!ascii_iequal(name, "tag")) return;
    good_tag = out.tag.empty() && is_token(value);
    out.tag = value;
  });
  if (!good || !good_tag) return std::nullopt;
  return out;
}

std::optional<CSeq> parse_cseq(std::string_view text) {
  Cursor cursor(text);
  const auto number = parse_number(cursor.run(kToken), 0, UINT32_MAX);
  const std::string_view method = cursor.lws().rest();
  if (!number || !is_token(method)) return std::nullopt;
  return CSeq{static_cast<uint32_t>(*number), method};
}

std::optional<int64_t> parse_date(std::string_view text) {
  // "Sat, 13 Nov 2010 23:29:00 GMT"
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" || text[7] != ' ' ||
      text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  const auto month = std::find(std::begin(kMonths), std::end(kMonths), text.substr(8, 3));
  const auto day = parse_number(text.substr(5, 2), 1, 31);
  const auto year = parse_number(text.substr(12, 4), 1970, 9999);
  const auto hour = parse_number(text.substr(17, 2), 0, 23);
  const auto minute = parse_number(text.substr(20, 2), 0, 59);
  const auto second = parse_number(text.substr(23, 2), 0, 60);
  if (month == std::end(kMonths) || !day || !year || !hour || !minute || !second) return std::nullopt;
  const int64_t days = days_since_epoch(static_cast<int64_t>(*year), month - std::begin(kMonths) + 1,
                                        static_cast<int64_t>(*day));
  if (days == INT64_MIN) return std::nullopt;
  return ((days * 24 + static_cast<int64_t>(*hour)) * 60 + static_cast<int64_t>(*minute)) * 60 +
         static_cast<int64_t>(*second);
}

std::optional<uint32_t> parse_delta_seconds(std::string_view text) {
  const auto number = parse_number(Cursor(text).run(kToken), 0, UINT32_MAX);
  if (!number) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

bool is_token(std::string_view text) { return !text.empty() && all_in(kToken, text); }

bool is_call_id(std::string_view text) {
  const auto at = text.find('@');
  const std::string_view left = text.substr(0, at);
  if (left.empty() || !all_in(kWord, left)) return false;
  if (at == std::string_view::npos) return true;
  const std::string_view right = text.substr(at + 1);
  return !right.empty() && all_in(kWord, right);
}

std::string_view without_params(std::string_view value) { return trim(value.substr(0, value.find(';'))); }

std::optional<std::string_view> header_param(std::string_view value, std::string_view wanted) {
  Cursor cursor(value);
  cursor.cut(std::min(value.find(';'), value.size()));
  std::optional<std::string_view> found;
  read_params(cursor, [&](std::string_view name, std::string_view text, bool) {
    if (!found && ascii_iequal(name, wanted)) found = text;
  });
  return found;
}

}  // namespace stox::sip
