#include "sip_front/sip/policy/request_check.h"

#include <algorithm>
#include <array>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "sip_front/sip/message/grammar.h"
#include "sip_front/sip/message/random.h"

namespace stox::sip {
namespace {

constexpr std::size_t kBranchSize = 7 + 16 + 1 + 8;  // cookie, unique, ".", mark

std::string mark_of(std::string_view request_uri) {
  std::string out = ".";
  append_hex(out, hash64(request_uri), 8);
  return out;
}

bool is_loop(const Message& request) {
  const std::string mark = mark_of(request.request_uri);
  bool found = false;
  request.each_value(HeaderName::kVia, [&](std::string_view value) {
    if (value.find(mark) == std::string_view::npos) return true;  // spares reading it
    const auto via = parse_via(value);
    found = via && via->branch.size() == kBranchSize && via->branch.ends_with(mark);
    return !found;
  });
  return found;
}

// All option tags of Require: we know none.
std::string required(const Message& request) {
  std::string out;
  request.each_value(HeaderName::kRequire, [&](std::string_view tag) {
    if (!out.empty()) out += ", ";
    out += tag;
    return true;
  });
  return out;
}

// Whether the body is in a coding that the gateway cannot undo, or in several.
bool is_coding_unknown(const Message& request) {
  std::size_t codings = 0;
  bool unknown = false;
  request.each_value(HeaderName::kContentEncoding, [&](std::string_view coding) {
    if (ascii_iequal(coding, "identity")) return true;
    ++codings;
    unknown |=
        !ascii_iequal(coding, "deflate") && !ascii_iequal(coding, "gzip") && !ascii_iequal(coding, "x-gzip");
    return true;
  });
  return unknown || codings > 1;
}

// Of a From: it tells nobody whom to answer.
bool names_nobody(std::string_view text) {
  const auto uri = parse_sip_uri(text);
  if (!uri || ascii_iequal(uri->scheme, "im")) return false;
  if (!uri->is_sip() && !uri->is_sips()) return true;
  if (!uri->has_user || ascii_lower(uri->host).ends_with(".invalid")) return true;
  static constexpr std::string_view kNobody[] = {"anonymous", "unavailable", "unknown", "restricted"};
  return std::any_of(std::begin(kNobody), std::end(kNobody),
                     [&](std::string_view name) { return ascii_iequal(uri->user, name); });
}

// RFC 3323 4.2, RFC 3325 9.3: the peer's network was asked to keep the asserted identity to itself.
bool must_stay_private(const Message& request) {
  bool found = false;
  request.each_value(HeaderName::kPrivacy, [&](std::string_view values) {
    while (!values.empty()) {
      const auto end = std::min(values.find(';'), values.size());
      const std::string_view value = strip(values.substr(0, end));
      values.remove_prefix(std::min(end + 1, values.size()));
      found |= ascii_iequal(value, "id") || ascii_iequal(value, "user") || ascii_iequal(value, "header");
    }
    return !found;
  });
  return found;
}

bool is_for_user(const SipUri& uri, const Policy& policy) {
  return policy.domains.empty() ||
         std::any_of(policy.domains.begin(), policy.domains.end(),
                     [&](const std::string& domain) { return ascii_iequal(domain, uri.host); });
}

bool may_send_from(const NameAddr& sender, const Policy& policy) {
  if (policy.from_domains.empty()) return true;
  const std::string domain = domain_of(sender, policy);
  return std::any_of(policy.from_domains.begin(), policy.from_domains.end(),
                     [&](const std::string& pattern) { return domain_matches(pattern, domain); });
}

// Of a request that somebody takes.
Verdict check_taken(const Message& request, const SipUri& uri, const Flow& flow, const Policy& policy) {
  if (!is_in_dialog(request)) {
    if (!is_for_user(uri, policy)) return refusal(Refused::kDomain, 404);
    if (!uri.has_user) return refusal(Refused::kUser, 404);
  }
  if (is_loop(request)) return refusal(Refused::kLoop, 482);
  if (request.max_forwards == 0) return refusal(Refused::kHops, 483);
  // The state that a NOTIFY carries may be long, and is as long by UDP, whoever asked for it.
  const bool short_ones = flow.transport == Transport::kUdp && request.method != Method::kNotify;
  const std::size_t limit = short_ones ? policy.max_datagram_bytes : policy.max_message_bytes;
  if (request.size >= limit) return refusal(Refused::kSize, 513);
  const NameAddr sender = sender_of(request, flow, policy);
  // What is handed on is text.
  if (!is_utf8(request.request_uri) || !is_utf8(sender.uri) || !is_utf8(request.to.uri))
    return refusal(Refused::kMalformed, 400, "Header Not UTF-8");
  if (!parse_sip_uri(sender.uri)) return refusal(Refused::kMalformed, 400, "Bad From");
  if (request.method != Method::kNotify && !may_send_from(sender, policy))
    return refusal(Refused::kFromDomain, 403, "From domain not allowed");
  return {Verdict::Kind::kTake, Refused::kNot, 0, {}, {}, sender};
}

}  // namespace

const char* name_of(Refused why) {
  static constexpr std::array<const char*, kRefusedReasons> kNames = {
      "none",        "untrusted", "malformed", "method",    "scheme",   "domain", "user",
      "hops",        "loop",      "merged",    "extension", "encoding", "size",   "from_domain",
      "unavailable", "rate",      "expired",   "dialog",    "share",    "event"};
  return kNames.at(static_cast<std::size_t>(why));
}

Verdict refusal(Refused why, uint16_t status, std::string_view reason) {
  return {Verdict::Kind::kRefuse, why, status, std::string(reason)};
}

bool is_trusted(const Flow& flow, const Policy& policy) {
  return flow.certified || policy.trust_at(flow.listener).networks.contain(flow.peer);
}

NameAddr sender_of(const Message& request, const Flow& flow, const Policy& policy) {
  if (!request.has(HeaderName::kPAssertedIdentity) || !policy.asserted_identity_from.contain(flow.peer) ||
      !names_nobody(request.from.uri) || must_stay_private(request))
    return request.from;
  NameAddr found;
  request.each_value(HeaderName::kPAssertedIdentity, [&](std::string_view text) {
    const auto identity = parse_name_addr(text);
    const auto uri = parse_sip_uri(identity ? identity->uri : std::string_view());
    if (!uri) return true;
    const bool is_sip = (uri->is_sip() || uri->is_sips()) && !names_nobody(identity->uri);
    if (is_sip || (found.uri.empty() && ascii_iequal(uri->scheme, "tel"))) found = *identity;
    return !is_sip;
  });
  return found.uri.empty() ? request.from : found;
}

std::string domain_of(const NameAddr& sender, const Policy& policy) {
  const auto uri = parse_sip_uri(sender.uri);
  if (!uri) return {};
  return ascii_iequal(uri->scheme, "tel") ? policy.tel_domain : ascii_lower(uri->host);
}

bool is_in_dialog(const Message& request) {
  if (request.method == Method::kMessage) return false;
  return request.method == Method::kNotify || !request.to.tag.empty();
}

Verdict check_request(const Message& request, const Flow& flow, const Policy& policy, const Methods& taken) {
  if (request.method == Method::kAck) return {Verdict::Kind::kIgnore};
  if (!is_trusted(flow, policy)) return refusal(Refused::kUntrusted, 403);
  if (request.method == Method::kUnknown) return refusal(Refused::kMethod, 501);
  if (request.cseq.method != request.method_text)
    return refusal(Refused::kMalformed, 400, "CSeq Method Mismatch");
  if (request.method == Method::kCancel) return {Verdict::Kind::kCancel};
  if (request.method != Method::kOptions && !taken[static_cast<std::size_t>(request.method)]) {
    Verdict out = refusal(Refused::kMethod, policy.unhandled_method_status);
    if (request.method == Method::kInvite)
      out.headers.warning = "Users of XMPP can be written to but not called";
    return out;
  }
  const auto uri = parse_sip_uri(request.request_uri);
  if (!uri) return refusal(Refused::kMalformed, 400, "Bad Request-URI");
  if (!uri->is_sip()) return refusal(Refused::kScheme, 416);
  if (std::string tags = required(request); !tags.empty()) {
    Verdict out = refusal(Refused::kExtension, 420);
    out.headers.unsupported = std::move(tags);
    return out;
  }
  if (request.method == Method::kOptions) {
    // Inside a dialog, and we have none (12.2.2).
    if (!request.to.tag.empty()) return refusal(Refused::kDialog, 481);
    return {Verdict::Kind::kOptions};
  }
  return check_taken(request, *uri, flow, policy);
}

std::optional<Verdict> check_content(const Message& request) {
  if (is_coding_unknown(request)) {
    Verdict out = refusal(Refused::kEncoding, 415);
    out.headers.accept_encoding = true;
    return out;
  }
  for (const HeaderName name :
       {HeaderName::kContentType, HeaderName::kContentDisposition, HeaderName::kContentTransferEncoding}) {
    if (!is_utf8(request.value(name))) return refusal(Refused::kMalformed, 400, "Header Not UTF-8");
  }
  return std::nullopt;
}

Verdict check_fault(const Message& request, const Fault& fault, const Flow& flow, const Policy& policy) {
  if (!request.is_request || request.via.text.empty() || request.method == Method::kAck)
    return {Verdict::Kind::kIgnore, Refused::kMalformed};
  if (!is_trusted(flow, policy)) return refusal(Refused::kUntrusted, 403);
  return refusal(fault.status == 513 ? Refused::kSize : Refused::kMalformed, fault.status, fault.reason);
}

std::string make_branch(uint64_t unique, std::string_view request_uri) {
  std::string out;
  out.reserve(kBranchSize);
  out = "z9hG4bK";
  append_hex(out, unique, 16);
  return out += mark_of(request_uri);
}

}  // namespace stox::sip
