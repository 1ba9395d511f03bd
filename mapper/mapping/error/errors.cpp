#include "mapper/mapping/error/errors.h"

#include <algorithm>
#include <optional>
#include <string>

#include "common/base/shortened.h"
#include "common/base/text.h"

namespace stox::mapping {
namespace {

constexpr std::size_t kMaxReason = 200;  // bytes
constexpr int kUnavailableStatus = -1;   // as the setting says
constexpr int kByType = -2;

// RFC 7247 table 2, as far as it can be followed.
constexpr struct ConditionRow {
  std::string_view condition;
  int status;
  int if_wait = 0;       // with error type `wait`
  int with_address = 0;  // when it carries an address that SIP can use
  bool retry_after = false;
  int global = 0;  // for a bare JID, where global failures are wanted
} kConditions[] = {
    {"bad-request", 400},
    // RFC 7247 has 400, but nothing is wrong with the request: what it asks for, as a nickname, is another's.
    {"conflict", 403},
    {"feature-not-implemented", 501},  // 405 would owe Allow, and our Allow lists MESSAGE
    {"forbidden", 403, 0, 0, false, 603},
    {"gone", 410, 0, 301},
    {"internal-server-error", 500},
    {"item-not-found", 404, 0, 0, false, 604},
    {"jid-malformed", 400},
    {"not-acceptable", 406, 0, 0, false, 606},
    {"not-allowed", 403},
    {"not-authorized", 403},  // 401 would owe WWW-Authenticate
    {"policy-violation", 403, 480},
    {"recipient-unavailable", 480, 0, 0, false, 600},
    {"redirect", 480, 0, 302},
    {"registration-required", 403},  // 407 would owe Proxy-Authenticate
    {"remote-server-not-found", 404},
    {"remote-server-timeout", 504},  // never 408: RFC 4320
    {"resource-constraint", 500, 0, 0, true},
    {"service-unavailable", kUnavailableStatus},  // never 503: it would stop all traffic to the gateway
    {"subscription-required", 403},
    {"undefined-condition", kByType},
    {"unexpected-request", 400},
};

constexpr struct TypeRow {
  std::string_view type;
  int status;
} kTypes[] = {{"modify", 400}, {"cancel", 500}, {"auth", 403}, {"wait", 480}};

// XEP-0086: for peers that give a code and no condition.
constexpr struct LegacyRow {
  std::string_view code;
  std::string_view condition;
} kLegacy[] = {
    {"302", "redirect"},
    {"400", "bad-request"},
    {"401", "not-authorized"},
    {"402", "registration-required"},
    {"403", "forbidden"},
    {"404", "item-not-found"},
    {"405", "not-allowed"},
    {"406", "not-acceptable"},
    {"407", "registration-required"},
    {"408", "remote-server-timeout"},
    {"409", "conflict"},
    {"500", "internal-server-error"},
    {"501", "feature-not-implemented"},
    {"502", "service-unavailable"},
    {"503", "service-unavailable"},
    {"504", "remote-server-timeout"},
    {"510", "service-unavailable"},
};

// RFC 7247 table 3.
constexpr struct StatusRow {
  uint32_t status;
  std::string_view condition;
  std::string_view type;
  std::string_view type_with_retry_after = {};
} kStatuses[] = {
    {301, "gone", "cancel"},
    {380, "not-acceptable", "modify"},
    {401, "not-authorized", "auth"},
    {403, "forbidden", "auth"},
    {404, "item-not-found", "cancel"},
    {405, "feature-not-implemented", "cancel"},
    {406, "not-acceptable", "modify"},
    {407, "registration-required", "auth"},
    {408, "remote-server-timeout", "wait"},
    {410, "gone", "cancel"},
    {413, "policy-violation", "modify", "wait"},
    {414, "policy-violation", "modify"},
    {415, "not-acceptable", "modify"},
    {416, "not-acceptable", "modify"},
    {420, "feature-not-implemented", "cancel"},
    {421, "not-acceptable", "modify"},
    {423, "resource-constraint", "wait"},
    {430, "recipient-unavailable", "wait"},
    {439, "feature-not-implemented", "cancel"},
    {440, "policy-violation", "modify"},
    {480, "recipient-unavailable", "wait"},
    {481, "item-not-found", "cancel"},
    {482, "not-acceptable", "modify"},
    {483, "not-acceptable", "modify"},
    {484, "item-not-found", "cancel"},
    {485, "item-not-found", "cancel"},
    {486, "recipient-unavailable", "wait"},
    {487, "recipient-unavailable", "wait"},
    {488, "not-acceptable", "modify"},
    {489, "policy-violation", "modify"},
    {491, "unexpected-request", "wait"},
    {501, "feature-not-implemented", "cancel"},
    {502, "remote-server-not-found", "cancel"},
    {503, "internal-server-error", "wait"},
    {504, "remote-server-timeout", "wait"},
    {505, "not-acceptable", "modify"},
    {513, "policy-violation", "modify"},
    {604, "item-not-found", "cancel"},
    {606, "not-acceptable", "modify"},
    {607, "recipient-unavailable", "cancel"},
    {608, "recipient-unavailable", "cancel"},
};
// Codes that are not listed, by class; 3xx first.
constexpr StatusRow kClasses[] = {
    {300, "redirect", "modify"},
    {400, "bad-request", "modify"},
    {500, "internal-server-error", "cancel", "wait"},
    {600, "recipient-unavailable", "wait"},
};

constexpr struct Phrase {
  int status;
  std::string_view text;
  bool fixed = false;  // the text of peers does not replace it
} kPhrases[] = {
    {200, "Accepted", true},  // wording of the OpenSER sample
    {202, "Accepted", true},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {400, "Bad Request"},
    {403, "Forbidden"},
    {404, "Not found", true},
    {406, "Not Acceptable"},
    {410, "Gone"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {480, "Temporarily Unavailable"},
    {482, "Loop Detected"},
    {486, "Busy Here"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {503, "Service unavailable", true},
    {504, "Server Time-out"},
    {513, "Message too big", true},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
};

template <class Rows, class Key, class Field>
auto find_row(const Rows& rows, const Key& key, Field field) {
  const auto* row =
      std::find_if(std::begin(rows), std::end(rows), [&](const auto& r) { return r.*field == key; });
  return row == std::end(rows) ? nullptr : row;
}

std::string in_xmpp_uri(std::string_view part) {
  static constexpr CharClass kChars("-._~!$()*+,;=");  // what an xmpp: URI may hold as it is (RFC 5122)
  return percent_encode(part, [](unsigned char c) { return kChars.has(c); });
}

std::string xmpp_uri(const Jid& jid) {
  std::string uri = "xmpp:";
  if (!jid.local().empty()) uri += in_xmpp_uri(jid.local()) + "@";
  uri += ascii_domain(jid.domain()).value_or(jid.domain());
  if (!jid.resource().empty()) uri += "/" + in_xmpp_uri(jid.resource());
  return uri;
}

// The new address that an XMPP server gave, as a Contact.
std::optional<std::string> sip_contact(std::string_view address, const Addresses& addresses) {
  address = trim(address);
  if (!address.starts_with("xmpp:")) {
    const auto uri = parse_sip_uri(address);
    const bool plain = uri && uri->is_sip() && uri->password.empty() && uri->headers.empty();
    return plain ? std::optional(std::string(address)) : std::nullopt;
  }
  const auto decoded = percent_decode(address.substr(5, address.find('?') - 5));
  const auto jid = decoded ? Jid::parse(*decoded) : tl::make_unexpected(JidError::kNotUtf8);
  if (!jid) return std::nullopt;
  auto contact = addresses.sip_recipient(*jid);  // a SIP user, by its address here
  if (!contact) contact = addresses.sip_sender(*jid);
  return contact ? std::optional(std::move(*contact)) : std::nullopt;
}

// The first Contact of a redirection, for XMPP.
std::string xmpp_address(std::string_view contact, const Addresses& addresses) {
  auto jid = addresses.xmpp_recipient(contact);  // an XMPP user, by its address here
  if (!jid) jid = addresses.xmpp_sender(contact);
  if (jid) return xmpp_uri(*jid);
  const auto uri = parse_sip_uri(contact);
  const bool plain = uri && uri->password.empty() && uri->headers.empty() && is_utf8(contact);
  return plain ? std::string(contact) : std::string();
}

// What both sides are told alike.
pb::Outcome refuse(AddressError e, Party party) {
  const char* whose =
      party == Party::kRecipient ? "This address cannot be reached: " : "Your address cannot be used: ";
  pb::Outcome outcome;
  outcome.set_verdict(pb::FAILED);
  outcome.set_text(std::string(whose) + refusal_of(e).text);
  outcome.set_allows(refusal_of(e).allows);
  return outcome;
}

// What people are told of an answer from SIP; its code and reason follow in brackets.
constexpr struct Sentence {
  std::string_view condition, text;
} kSentences[] = {
    {"item-not-found", "There is no such SIP user"},
    {"recipient-unavailable", "The SIP user is not available now"},
    {"forbidden", "The SIP side does not let you write to this user"},
    {"registration-required", "The SIP side does not let the gateway write to this user"},
    {"not-authorized", "The SIP side does not let the gateway write to this user"},
    {"not-acceptable", "The SIP user's phone does not take this message"},
    {"policy-violation", "The message is too large for SIP"},
    {"remote-server-timeout", "The SIP user's phone did not answer"},
    {"remote-server-not-found", "The SIP domain cannot be found"},
    {"gone", "The SIP user has another address now"},
    {"redirect", "The SIP user has another address now"},
};

std::string sentence(std::string_view condition, const pb::SipStatus& status) {
  const auto* row = std::find_if(std::begin(kSentences), std::end(kSentences),
                                 [&](const Sentence& each) { return each.condition == condition; });
  std::string out(row == std::end(kSentences) ? "The SIP side could not deliver the message" : row->text);
  const std::string reason = is_utf8(status.reason()) ? shortened(status.reason(), 100) : std::string();
  return out + " (" + std::to_string(status.code()) + (reason.empty() ? "" : " ") + reason + ")";
}

}  // namespace

pb::SipStatus sip_status(int code, std::string_view text) {
  const auto* phrase = find_row(kPhrases, code, &Phrase::status);
  pb::SipStatus status;
  status.set_code(static_cast<uint32_t>(code));
  if (is_utf8(text) && !(phrase && phrase->fixed))
    status.set_reason(std::string(trim(shortened(text, kMaxReason))));
  if (status.reason().empty() && phrase) status.set_reason(std::string(phrase->text));
  return status;
}

pb::StanzaError stanza_error(std::string_view condition, std::string_view type, std::string_view text) {
  pb::StanzaError out;
  out.set_condition(std::string(condition));
  out.set_type(std::string(type));
  if (is_utf8(text)) out.set_text(xml_legal(shortened(text, kMaxReason)));
  return out;
}

pb::SipStatus to_sip(const pb::StanzaError& error, const ErrorSettings& settings,
                     const Addresses& addresses) {
  std::string_view condition = error.condition();
  if (condition.empty()) {
    if (const auto* legacy = find_row(kLegacy, std::string_view(error.legacy_code()), &LegacyRow::code))
      condition = legacy->condition;
  }
  constexpr ConditionRow kUnknown{"", kByType};
  const auto* known = find_row(kConditions, condition, &ConditionRow::condition);
  const ConditionRow& row = known ? *known : kUnknown;
  const bool wait = error.type() == "wait";
  if (error.too_large()) return sip_status(513, error.text());
  if (error.room_is_full()) return sip_status(486, error.text());

  if (row.with_address != 0) {
    if (auto contact = sip_contact(error.address(), addresses)) {
      pb::SipStatus moved = sip_status(row.with_address, error.text());
      moved.set_contact(std::move(*contact));
      return moved;
    }
  }
  int code = wait && row.if_wait != 0 ? row.if_wait : row.status;
  if (settings.global_failures && row.global != 0 && !error.full_jid()) code = row.global;
  if (code == kUnavailableStatus) code = settings.unavailable_status;
  if (code == kByType) {
    const auto* type = find_row(kTypes, std::string_view(error.type()), &TypeRow::type);
    code = type ? type->status : 500;  // none, or one nobody knows: as cancel
  }
  const bool is_mute = condition == "remote-server-timeout" && trim(error.text()).empty();
  pb::SipStatus status = sip_status(code, is_mute ? std::string_view("The recipient's server did not answer")
                                                  : std::string_view(error.text()));
  if (row.retry_after || (wait && row.if_wait != 0)) status.set_retry_after_s(kRetryAfterS);
  status.set_unresolvable(condition == "remote-server-not-found");
  return status;
}

pb::StanzaError to_xmpp(const pb::SipStatus& status, const Addresses& addresses) {
  const auto told = [&](std::string_view condition, std::string_view type) {
    return stanza_error(condition, type, sentence(condition, status));
  };
  if (status.unresolvable()) return told("remote-server-not-found", "cancel");
  if (status.timed_out()) return told("remote-server-timeout", "wait");
  const uint32_t code = status.code();
  if (code < 300 || code > 699) return told("internal-server-error", "cancel");
  const auto* listed = find_row(kStatuses, code, &StatusRow::status);
  const StatusRow& row = listed ? *listed : kClasses[code / 100 - 3];
  const bool later = status.retry_after_s() != 0 && !row.type_with_retry_after.empty();
  pb::StanzaError out = told(row.condition, later ? row.type_with_retry_after : row.type);
  // RFC 7247: 301 gives the new address, 410 must not.
  if (code < 400 && row.condition != "not-acceptable" && !status.contact().empty())
    out.set_address(xmpp_address(status.contact(), addresses));
  return out;
}

void to_origin(pb::Outcome& outcome, pb::Role origin, const ErrorSettings& settings,
               const Addresses& addresses) {
  if (outcome.reason() != pb::NOT_GIVEN) return;
  if (origin == pb::FRONT) {
    if (outcome.verdict() == pb::DELIVERED) {
      *outcome.mutable_sip_status() = sip_status(settings.accept_status);
    } else if (outcome.verdict() == pb::PASSED_ON) {
      *outcome.mutable_sip_status() = sip_status(202);
    } else {
      pb::SipStatus status = outcome.has_stanza_error() ? to_sip(outcome.stanza_error(), settings, addresses)
                                                        : sip_status(500, outcome.text());
      if (outcome.retry_after_s() != 0) status.set_retry_after_s(outcome.retry_after_s());
      *outcome.mutable_sip_status() = std::move(status);
    }
  } else if (outcome.verdict() != pb::FAILED) {
    outcome.clear_said();
  } else {
    pb::StanzaError error = outcome.has_sip_status()
                                ? to_xmpp(outcome.sip_status(), addresses)
                                : stanza_error("internal-server-error", "cancel", outcome.text());
    *outcome.mutable_stanza_error() = std::move(error);
  }
}

pb::Outcome refuse_sip(AddressError e, Party party) {
  const AddressRefusal& refusal = refusal_of(e);
  pb::Outcome outcome = refuse(e, party);
  *outcome.mutable_sip_status() = sip_status(
      party == Party::kRecipient ? refusal.recipient_status : refusal.sender_status, outcome.text());
  return outcome;
}

pb::Outcome refuse_xmpp(AddressError e, Party party) {
  const AddressRefusal& refusal = refusal_of(e);
  pb::Outcome outcome = refuse(e, party);
  *outcome.mutable_stanza_error() = stanza_error(refusal.condition, refusal.type, outcome.text());
  return outcome;
}

}  // namespace stox::mapping
