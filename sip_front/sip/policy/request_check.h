// What a UAS does with a request before it thinks about what the request says: RFC 3261 8.2, in the order of
// protocol/sip-transport section 3, with the rules and the wording of the OpenSER sample. Pure.
#pragma once

#include <bitset>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/parser.h"
#include "sip_front/sip/message/writer.h"
#include "sip_front/sip/policy/trust.h"

namespace stox::sip {

struct Policy {
  std::vector<std::string> domains;  // of users that requests may be for; empty = any
  Trust trusted;
  std::map<uint16_t, Trust> trusted_at;    // by Flow::listener, where others are trusted than elsewhere
  std::vector<std::string> from_domains;   // patterns; empty = any
  Networks asserted_identity_from;         // whose P-Asserted-Identity is believed
  std::string tel_domain;                  // of senders that are tel: URIs, in lower case; empty = none
  char domain_separator = '*';             // before an XMPP domain in the user part of a Request-URI
  std::size_t max_datagram_bytes = 2048;   // of this size or more: 513
  std::size_t max_message_bytes = 65536;   // the same for streams
  uint16_t unhandled_method_status = 405;  // or 503
  uint32_t max_rate_per_source = 0;        // new requests a second of one address; 0 = any
  uint32_t max_rate_per_from_domain = 0;   // requests that may pass, a second; 0 = any

  const Trust& trust_at(uint16_t listener) const {
    const auto own = trusted_at.find(listener);
    return own == trusted_at.end() ? trusted : own->second;
  }
};

enum class Refused : uint8_t {
  kNot,
  kUntrusted,
  kMalformed,
  kMethod,
  kScheme,
  kDomain,
  kUser,
  kHops,
  kLoop,
  kMerged,
  kExtension,
  kEncoding,
  kSize,
  kFromDomain,
  kUnavailable,  // draining, overloaded or no mapper
  kRate,
  kExpired,
  kDialog,
  kShare,  // its sender, or a domain, has what it may have under way
  kEvent,  // an event package that nobody takes
};
constexpr std::size_t kRefusedReasons = 20;
const char* name_of(Refused);  // for metrics

struct Verdict {
  enum class Kind {
    kTake,     // may pass: it is for whoever takes its method
    kOptions,  // to be answered with what we can do
    kCancel,   // 200 or 481
    kIgnore,   // an ACK; a fault with nobody to answer
    kRefuse,   // with `status`
  } kind = Kind::kRefuse;
  Refused why = Refused::kNot;
  uint16_t status = 0;
  std::string reason = {};  // empty: the usual one
  ResponseHeaders headers = {};
  NameAddr sender = {};  // kTake: as sender_of() gives it
};

// The usual reason where none is given.
Verdict refusal(Refused, uint16_t status, std::string_view reason = {});

// Those that somebody takes, by Method. OPTIONS, CANCEL and ACK need nobody.
using Methods = std::bitset<kMethods>;

bool is_trusted(const Flow&, const Policy&);
// Who sent a request: From, or, where that names nobody (tel:, anonymous, no user) and the peer is believed,
// its P-Asserted-Identity, a sip: URI before a tel: one (RFC 3325 9.1), unless Privacy forbids that (section
// 7).
NameAddr sender_of(const Message&, const Flow&, const Policy&);
// The SIP domain of a sender, in lower case; empty: there is none.
std::string domain_of(const NameAddr& sender, const Policy&);
// Whether its Request-URI is a Contact of ours rather than a user's address (12.2.1.1). A NOTIFY belongs to a
// dialog even where it is what makes it (RFC 6665 4.4.1); a MESSAGE never does (RFC 3428 4).
bool is_in_dialog(const Message&);
// What holds for requests of all methods. from_domains does not for NOTIFY, whose From is who was subscribed
// to.
Verdict check_request(const Message&, const Flow&, const Policy&, const Methods& taken);
// What holds besides for a request whose body is handed on. Nothing: it may pass; else 415 for a coding that
// nobody can undo, 400 for text that is no UTF-8.
std::optional<Verdict> check_content(const Message&);
// A request that could not be parsed.
Verdict check_fault(const Message&, const Fault&, const Flow&, const Policy&);

// Our branches end with a mark of their Request-URI, so that a request that comes back unchanged is seen to
// loop (16.3 item 4). `unique`: 64 unpredictable bits.
std::string make_branch(uint64_t unique, std::string_view request_uri);

}  // namespace stox::sip
