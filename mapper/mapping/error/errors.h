// Stanza errors (RFC 6120 8.3) <-> final responses to MESSAGE (RFC 3261 21), after RFC 7247 section 7 where
// nothing stronger forbids it: a MESSAGE is never answered 408 (RFC 4320 4.2), 401, 407 or 405, which would
// owe headers that we do not have. The tables are in errors.cpp.
#pragma once

#include <string_view>

#include "mapper/mapping/address/addresses.h"
#include "proto/control.pb.h"

namespace stox::mapping {

struct ErrorSettings {
  int accept_status = 200;       // proved delivery: 200 or 202
  int unavailable_status = 404;  // service-unavailable: 403, 404 or 480
  // A bare JID's refusal is one of all its devices: 6xx, as RFC 7247 has it. It ends all branches of a forked
  // request (RFC 3261 16.7), so it is for those who want that.
  bool global_failures = false;
};

constexpr uint32_t kRetryAfterS = 10;

// A status with its reason phrase: `text` made fit for one line of at most 100 bytes, or the usual phrase.
pb::SipStatus sip_status(int code, std::string_view text = {});
pb::StanzaError stanza_error(std::string_view condition, std::string_view type, std::string_view text = {});

pb::SipStatus to_sip(const pb::StanzaError&, const ErrorSettings&, const Addresses&);
pb::StanzaError to_xmpp(const pb::SipStatus&, const Addresses&);

// An outcome as its target said it, in the words of its origin's side: a front gets a sip_status, a worker a
// stanza_error or, on success, nothing. What the gateway itself gave as `reason` stays as it is.
void to_origin(pb::Outcome&, pb::Role origin, const ErrorSettings&, const Addresses&);

// A message that ends in the mapper because of an address.
enum class Party { kRecipient, kSender };
pb::Outcome refuse_sip(AddressError, Party);
pb::Outcome refuse_xmpp(AddressError, Party);

}  // namespace stox::mapping
