// What servers say to each other, for tests.
#pragma once

#include <optional>
#include <string>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/s2s/s2s_stream.h"

namespace stox::xmpp {

inline const std::string kStartTlsOffer = "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>";
inline const std::string kDialbackOffer = "<dialback xmlns='urn:xmpp:features:dialback'><errors/></dialback>";
inline const std::string kBidiOffer = "<bidi xmlns='urn:xmpp:features:bidi'/>";
inline const std::string kManagementOffer = "<sm xmlns='urn:xmpp:sm:3'/>";
inline const std::string kExternalOffer =
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>";

inline PeerNames certificate_for(const std::string& domain) {
  PeerNames peer{.present = true, .valid = true};
  peer.dns = {domain};
  return peer;
}

inline std::string show(const DialbackVerdict& verdict) {
  using Kind = DialbackVerdict::Kind;
  return verdict.kind == Kind::kValid     ? "valid"
         : verdict.kind == Kind::kInvalid ? "invalid"
                                          : verdict.condition;
}

}  // namespace stox::xmpp
