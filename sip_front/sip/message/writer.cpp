#include "sip_front/sip/message/writer.h"

#include <sodium/crypto_shorthash_siphash24.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/sip/message/parser.h"
#include "sip_front/sip/message/random.h"

namespace stox::sip {
namespace {

constexpr std::string_view kProduct = "stox";

void append_number(std::string& out, uint64_t number) {
  std::array<char, 20> text{};
  out.append(text.data(), std::to_chars(text.data(), text.data() + text.size(), number).ptr);
}

// The last guard against a header that would become two.
void append_value(std::string& out, std::string_view value) {
  const std::size_t begin = out.size();
  out += value;
  if (value.find('\r') == std::string_view::npos && value.find('\n') == std::string_view::npos) return;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(begin), out.end(),
      [](char c) { return c == '\r' || c == '\n'; }, ' ');
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  append_value(out, value);
  out += "\r\n";
}

// The top Via as it goes back (18.2.1): received when sent-by is not the source, and with an rport to be
// filled always (RFC 3581 section 4). A received or rport that the sender wrote itself is not believed.
void append_top_via(std::string& out, const Via& via, const Endpoint& source) {
  std::string received;
  source.append_ip(received);
  const bool differs = via.host != received && normal_ipv6(via.host) != received;
  std::string_view rest = via.text;
  bool first = true;
  while (!rest.empty()) {
    bool quoted = false;
    std::size_t end = 0;
    for (; end < rest.size() && (quoted || rest[end] != ';'); ++end) {
      if (rest[end] == '"') quoted = !quoted;
      if (rest[end] == '\\' && quoted) ++end;
    }
    end = std::min(end, rest.size());
    const std::string_view part = trim(rest.substr(0, end));
    const std::string_view name = trim(part.substr(0, part.find('=')));
    const bool ours =
        !first && (ascii_iequal(name, "received") || (via.rport && ascii_iequal(name, "rport")));
    if (!ours) {
      if (!first) out += ';';
      append_value(out, part);
    }
    first = false;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (differs || via.rport) out.append(";received=").append(received);
  if (via.rport) {
    out += ";rport=";
    append_number(out, source.port);
  }
}

// Text as quoted-string; controls become spaces.
void append_quoted(std::string& out, std::string_view text) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
  }
  out += '"';
}

bool is_clean_uri(std::string_view uri) {
  return uri.size() <= kMaxUri && uri.find(':') != std::string_view::npos &&
         std::all_of(uri.begin(), uri.end(), [](char c) {
           return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '<' && c != '>' && c != '"';
         });
}

bool is_header_text(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
  });
}

void append_date(std::string& out, int64_t unix_time) {
  std::tm parts{};
  const auto time = static_cast<std::time_t>(unix_time);
  if (gmtime_r(&time, &parts) == nullptr || parts.tm_year > 9999 - 1900) return;
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 48> text{};
  const int size = std::snprintf(text.data(), text.size(), "Date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
                                 kDays.at(static_cast<std::size_t>(parts.tm_wday)), parts.tm_mday,
                                 kMonths.at(static_cast<std::size_t>(parts.tm_mon)), parts.tm_year + 1900,
                                 parts.tm_hour, parts.tm_min, parts.tm_sec);
  out.append(text.data(), static_cast<std::size_t>(size));
}

}  // namespace

void write_response_head(const Message& request, const Endpoint& source, std::string_view to_tag,
                         ResponseHead& head) {
  std::string& out = head.lines;
  out.clear();
  bool top = true;
  request.each_value(HeaderName::kVia, [&](std::string_view value) {
    out += "Via: ";
    if (top) {
      append_top_via(out, request.via, source);
    } else {
      append_value(out, value);
    }
    out += "\r\n";
    top = false;
    return !request.only_top_via;
  });
  if (request.has(HeaderName::kFrom)) append_line(out, "From", request.value(HeaderName::kFrom));
  head.tag_at = head.tag_size = 0;
  if (request.has(HeaderName::kTo)) {
    out += "To: ";
    append_value(out, request.value(HeaderName::kTo));
    if (!request.to.uri.empty() && request.to.tag.empty()) {
      head.tag_at = static_cast<uint32_t>(out.size());
      out.append(";tag=").append(to_tag);
      head.tag_size = static_cast<uint32_t>(out.size()) - head.tag_at;
    }
    out += "\r\n";
  }
  if (request.has(HeaderName::kCallId)) append_line(out, "Call-ID", request.value(HeaderName::kCallId));
  if (request.has(HeaderName::kCSeq)) append_line(out, "CSeq", request.value(HeaderName::kCSeq));
  // 8.2.6.1 asks for it in a 100; it does no harm elsewhere.
  if (request.has(HeaderName::kTimestamp))
    append_line(out, "Timestamp", request.value(HeaderName::kTimestamp));
}

void write_response(std::string& out, const ResponseHead& head, uint16_t status, std::string_view reason,
                    const ResponseHeaders& headers) {
  out.assign("SIP/2.0 ");
  append_number(out, status);
  out += ' ';
  append_value(out, reason.empty() ? usual_reason(status) : reason);
  out += "\r\n";
  const std::string_view lines = head.lines;
  if (status == 100) {  // has no tag added (8.2.6.2)
    out += lines.substr(0, head.tag_at);
    out += lines.substr(head.tag_at + head.tag_size);
  } else {
    out += lines;
  }
  out += headers.lines;
  if (headers.accept) append_line(out, "Accept", kAccept);
  if (headers.accept_encoding) append_line(out, "Accept-Encoding", kAcceptEncoding);
  if (headers.supported) out += "Accept-Language: *\r\nSupported:\r\n";
  if (!headers.unsupported.empty()) append_line(out, "Unsupported", headers.unsupported);
  if (!headers.warning.empty()) out.append("Warning: 399 stox \"").append(headers.warning).append("\"\r\n");
  if (is_clean_uri(headers.contact)) out.append("Contact: <").append(headers.contact).append(">\r\n");
  if (headers.retry_after_s != 0) {
    out += "Retry-After: ";
    append_number(out, headers.retry_after_s);
    out += "\r\n";
  }
  append_line(out, "Server", kProduct);
  out += "Content-Length: 0\r\n\r\n";
}

std::string_view usual_reason(uint16_t status) {
  switch (status) {  // the first four in the words of the OpenSER sample
    case 200:
      return "Accepted";
    case 404:
      return "Not found";
    case 483:
      return "Too Many Hops";
    case 503:
      return "Service unavailable";
    case 513:
      return "Message too big";
    case 100:
      return "Trying";
    case 202:
      return "Accepted";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Moved Temporarily";
    case 400:
      return "Bad Request";
    case 403:
      return "Forbidden";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 410:
      return "Gone";
    case 413:
      return "Request Entity Too Large";
    case 414:
      return "Request-URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 416:
      return "Unsupported URI Scheme";
    case 420:
      return "Bad Extension";
    case 423:
      return "Interval Too Brief";
    case 480:
      return "Temporarily Unavailable";
    case 481:
      return "Call/Transaction Does Not Exist";
    case 482:
      return "Loop Detected";
    case 489:
      return "Bad Event";
    case 500:
      return "Server Internal Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 504:
      return "Server Time-out";
    case 505:
      return "Version Not Supported";
    case 600:
      return "Busy Everywhere";
    case 603:
      return "Decline";
    case 604:
      return "Does Not Exist Anywhere";
    case 606:
      return "Not Acceptable";
    default:
      return status < 300   ? "OK"
             : status < 400 ? "Redirection"
             : status < 500 ? "Bad Request"
                            : "Server Error";
  }
}

std::string to_tag(const Message& request, const TagKey& key) {
  const auto hash = [&](const void* bytes, std::size_t size) {
    uint64_t out = 0;
    crypto_shorthash_siphash24(reinterpret_cast<unsigned char*>(&out),
                               static_cast<const unsigned char*>(bytes), size,
                               reinterpret_cast<const unsigned char*>(key.data()));
    return out;
  };
  std::array<uint64_t, 5> parts{request.cseq.number};
  std::size_t at = 1;
  for (const std::string_view part :
       {request.via.branch, request.call_id, request.from.tag, request.request_uri})
    parts.at(at++) = hash(part.data(), part.size());
  std::string out;
  append_hex(out, hash(parts.data(), sizeof parts), 16);
  return out;
}

namespace {

// Of the caller's own, each with its CR LF, none empty.
bool are_lines(std::string_view text) {
  return text.empty() || (text.ends_with("\r\n") && !text.starts_with("\r\n") &&
                          text.find("\r\n\r\n") == std::string_view::npos);
}

Result<void> check(const Request& request) {
  if (!is_clean_uri(request.request_uri)) return error("the Request-URI holds what no URI may hold");
  if (!is_clean_uri(request.from_uri)) return error("the From URI holds what no URI may hold");
  if (!is_clean_uri(request.to_uri)) return error("the To URI holds what no URI may hold");
  if (!is_call_id(request.call_id)) return error("the Call-ID is none by RFC 3261 25.1");
  if (!request.to_tag.empty() && !is_token(request.to_tag)) return error("the To tag is no token");
  if (!are_lines(request.lines)) return error("the header lines are no lines");
  const bool has_body = !request.body.empty() || !request.content_type.empty();
  if (has_body && !is_header_text(request.content_type))
    return error("the Content-Type is empty or holds control characters");
  return {};
}

}  // namespace

Result<void> write_request(std::string& out, const Request& request) {
  if (auto checked = check(request); !checked) return checked;
  const std::string_view method = name_of(request.method);
  out.assign(method).append(" ").append(request.request_uri).append(" SIP/2.0\r\nVia: SIP/2.0/");
  out.append(name_of(request.transport)).append(" ").append(request.sent_by);
  out.append(";branch=").append(request.branch).append(";rport\r\nMax-Forwards: 70\r\n");
  if (is_clean_uri(request.route)) out.append("Route: <").append(request.route).append(">\r\n");
  for (const std::string& route : request.route_set) append_line(out, "Route", route);
  out.append(request.answers).append("From: ");
  if (!request.from_display.empty()) {
    append_quoted(out, request.from_display);
    out += ' ';
  }
  out.append("<").append(request.from_uri).append(">;tag=").append(request.from_tag);
  out.append("\r\nTo: <").append(request.to_uri).append(">");
  if (!request.to_tag.empty()) out.append(";tag=").append(request.to_tag);
  out.append("\r\nCall-ID: ").append(request.call_id).append("\r\nCSeq: ");
  append_number(out, request.cseq);
  out.append(" ").append(method).append("\r\n");
  if (is_clean_uri(request.contact)) out.append("Contact: <").append(request.contact).append(">\r\n");
  if (request.date_s > 0) append_date(out, request.date_s);
  if (!request.subject.empty()) append_line(out, "Subject", request.subject);
  if (!request.language.empty()) append_line(out, "Content-Language", request.language);
  out += request.lines;
  append_line(out, "User-Agent", kProduct);
  if (!request.disposition.empty()) append_line(out, "Content-Disposition", request.disposition);
  if (!request.content_type.empty()) append_line(out, "Content-Type", request.content_type);
  out += "Content-Length: ";
  append_number(out, request.body.size());
  out += "\r\n\r\n";
  out += request.body;
  return {};
}

}  // namespace stox::sip
