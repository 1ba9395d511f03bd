// A SIP message (RFC 3261 section 7) as slices of the buffer it was read from: the buffer must outlive it and
// stay where it is. A Message is made to be reused; parse() fills it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace stox::sip {

enum class Method : uint8_t {
  kUnknown,
  kAck,
  kBye,
  kCancel,
  kInfo,
  kInvite,
  kMessage,
  kNotify,
  kOptions,
  kPrack,
  kPublish,
  kRefer,
  kRegister,
  kSubscribe,
  kUpdate,
};
constexpr std::size_t kMethods = 15;

Method method_of(std::string_view text);  // case-sensitive (7.1)
std::string_view name_of(Method);         // "unknown" for kUnknown

enum class HeaderName : uint8_t {
  kOther,
  kAccept,
  kAllow,
  kAllowEvents,
  kCallId,
  kContact,
  kContentDisposition,
  kContentEncoding,
  kContentLanguage,
  kContentLength,
  kContentTransferEncoding,
  kContentType,
  kCSeq,
  kDate,
  kEvent,
  kExpires,
  kFrom,
  kMaxForwards,
  kMinExpires,
  kPAssertedIdentity,
  kPrivacy,
  kRecordRoute,
  kRequire,
  kRetryAfter,
  kRoute,
  kSubject,
  kSubscriptionState,
  kSupported,
  kTimestamp,
  kTo,
  kUserAgent,
  kVia,
};
constexpr std::size_t kHeaderNames = 32;

struct Header {
  std::string_view name;   // as written
  std::string_view value;  // unfolded, without spaces at its ends; may be empty
  HeaderName id = HeaderName::kOther;
};

// 20.42, RFC 3581
struct Via {
  std::string_view text;       // the whole via-parm; empty: there is none
  std::string_view transport;  // UDP, TCP, TLS, ... as written
  std::string_view host;       // sent-by, IPv6 without brackets; empty: it cannot be read
  std::string_view branch;     // empty: none
  std::string_view maddr;      // as written; empty: none
  uint16_t port = 0;           // 0: none written, or 0
  bool rport = false;          // an rport parameter without a value
};

// What a Via says: who sent this.
struct SentBy {
  std::string host;   // IPv6 without brackets
  uint16_t port = 0;  // 0: none written
};

// From and To: name-addr or addr-spec with parameters (20.10)
struct NameAddr {
  std::string_view display;  // as written, quotes included; see unquote()
  std::string_view uri;      // addr-spec, without < >
  std::string_view tag;
};

struct CSeq {
  uint32_t number = 0;
  std::string_view method;
};

class Message {
 public:
  static constexpr std::size_t kMaxHeaders = 128;

  bool is_request = false;
  Method method = Method::kUnknown;  // of a request
  std::string_view method_text;
  std::string_view request_uri;
  uint16_t status = 0;  // of a response, 100 to 699
  std::string_view reason;

  Via via;                    // the topmost
  bool only_top_via = false;  // the others cannot be read, nor perhaps what follows its sent-by
  NameAddr from, to;
  std::string_view call_id;
  CSeq cseq;
  std::optional<uint8_t> max_forwards;
  std::optional<std::size_t> content_length;
  std::string_view head;  // start line and headers, folds undone
  std::string_view body;
  std::size_t size = 0;  // of the whole message, in bytes

  std::span<const Header> headers() const { return {headers_.data(), count_}; }
  bool has(HeaderName id) const { return first_[static_cast<std::size_t>(id)] != 0; }
  // Value of the first header of this name; empty if there is none. Not for kOther.
  std::string_view value(HeaderName id) const {
    const uint8_t at = first_[static_cast<std::size_t>(id)];
    return at == 0 ? std::string_view() : headers_[at - 1].value;
  }
  // Calls each(value) for every value of the comma-separated lists in all headers of this name, in order,
  // until it returns false.
  template <class Each>
  void each_value(HeaderName id, Each each) const;

  void clear();
  bool add(const Header&);  // false: there is no room

 private:
  std::array<Header, kMaxHeaders> headers_;
  std::array<uint8_t, kHeaderNames> first_{};  // index + 1 of the first header of each name
  std::size_t count_ = 0;
};

// Cuts the first value off a comma-separated list: commas in quoted strings and in < > do not count.
std::string_view next_in_list(std::string_view& rest);

// Text of a display name: without quotes, backslash escapes resolved.
std::string unquote(std::string_view display);

template <class Each>
void Message::each_value(HeaderName id, Each each) const {
  for (std::size_t i = first_[static_cast<std::size_t>(id)]; i != 0 && i <= count_; ++i) {
    if (headers_[i - 1].id != id) continue;
    std::string_view rest = headers_[i - 1].value;
    while (!rest.empty()) {
      if (const std::string_view value = next_in_list(rest); !value.empty() && !each(value)) return;
    }
  }
}

}  // namespace stox::sip
