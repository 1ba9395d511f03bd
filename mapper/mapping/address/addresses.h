// SIP URI <-> JID by the separator scheme of the OpenSER xmpp module, with RFC 7247 section 6 and XEP-0106
// around it:
//
//   an XMPP user, seen by SIP    juliet@example.com   <->  sip:juliet*example.com@GATEWAY_DOMAIN
//   a SIP user, seen by XMPP     sip:romeo@example.net  <->  romeo*example.net@XMPP_DOMAIN
//
// or, with a gwmap, domain by domain:
//
//   an XMPP user, seen by SIP    juliet@example.com   <->  sip:juliet@SIP domain that gwmap has for
//   example.com a SIP user, seen by XMPP     sip:romeo@example.net  <->  romeo@XMPP domain that gwmap has for
//   example.net
//
// Where the separator is absent, an @ that was escaped (romeo\\40example.net, juliet%40example.com) is taken
// for it. An alias comes before all of this.
//
// A name is always decoded, then folded, then (by separator) split at the last one, then written in the other
// side's way. Two addresses of one side never share an address of the other, but for letter case and spelling
// and, with a gwmap, the default port.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/jid.h"
#include "common/base/memo.h"
#include "common/base/result.h"
#include "common/base/sip_uri.h"

namespace stox::mapping {

// Why an address has none on the other side.
enum class AddressError : uint8_t {
  kNoUser = 1,      // A1
  kSyntax,          // A2: no URI at all, or a bad % escape
  kNotUtf8,         // A3
  kControl,         // A4: a control character
  kEdgeSpace,       // A5: a space at either end
  kNotAllowed,      // A6: a code point that no JID may hold
  kTooLong,         // A7: a part over 1023 bytes
  kNotAHost,        // A8: what follows the separator is no host
  kNoSeparator,     // A9
  kScheme,          // A10: neither sip nor sips
  kSips,            // A11: sips as a target (RFC 7247 section 8)
  kNotOurs,         // A12: not one of our domains
  kNotCanonical,    // A13: an escape that need not be one: another JID has the same SIP URI
  kLoop,            // A14: leads back to the gateway
  kRelayingDenied,  // A15: a domain that xmpp_domains does not name
};

// What the sender of a message is told about an address of it that cannot be mapped.
struct AddressRefusal {
  AddressError error;
  const char* name;                     // "A1"
  const char* text;                     // for people
  int recipient_status, sender_status;  // SIP: the Request-URI or To, the From
  const char* condition;                // XMPP
  const char* type;
  const char* allows = "";  // the key of the configuration by which it would pass, for the log
};
const AddressRefusal& refusal_of(AddressError);

template <class T>
using Mapped = tl::expected<T, AddressError>;

struct AddressRules {
  std::string gateway_domain;
  std::string xmpp_domain;
  char separator = '*';                           // one that refuse_separator() lets pass
  std::vector<std::string> xmpp_domains;          // patterns of domains SIP users may reach; empty = all
  std::map<std::string, std::string> gwmap = {};  // SIP domain -> XMPP domain; empty = the separator scheme
  std::vector<std::string> serves = {};           // what we are on XMPP besides xmpp_domain
  // Names and numbers that stand for XMPP users at any SIP domain of ours, both ways: "4711" -> bare JID. One
  // that begins with @ is a SIP domain, whose users reach that JID where they name nobody else.
  std::map<std::string, std::string> aliases = {};
  std::string tel_domain = {};   // SIP domain of numbers without one; empty = there are none
  bool passes_unmapped = false;  // domains of XMPP users that gwmap does not have are the same on SIP
};

class Addresses {
 public:
  // An Error for a domain that is none, or one that stands twice on one side of gwmap.
  static Result<Addresses> make(AddressRules);

  // The XMPP user a SIP user writes to. `from_uri` is asked only for a default recipient of its domain.
  Mapped<Jid> xmpp_recipient(std::string_view request_uri, std::string_view from_uri = {}) const;
  Mapped<Jid> xmpp_sender(std::string_view from_uri) const;  // how a SIP user appears on XMPP
  // addr-specs; a resource is carried in `gr` (RFC 7247 6.3).
  Mapped<std::string> sip_recipient(const Jid& to) const;  // the SIP user an XMPP user writes to
  Mapped<std::string> sip_sender(const Jid& from) const;   // how an XMPP user appears on SIP
  // The same of a JID as text; one that is none is kNotAllowed.
  Mapped<std::string> sip_recipient(std::string_view to) const;
  Mapped<std::string> sip_sender(std::string_view from) const;

 private:
  Mapped<Jid> map_xmpp_recipient(std::string_view request_uri) const;
  Mapped<Jid> map_xmpp_sender(std::string_view from_uri) const;
  // A line of gwmap, hosts in their normal form. `ours`: SIP users appear at `xmpp`; else XMPP users at
  // `sip`.
  struct Pair {
    std::string sip, xmpp;
    bool ours;
  };
  Result<void> add_alias(const std::string& name, const std::string& jid);
  const Jid* alias(std::string_view name) const;
  const Jid* default_recipient(std::string_view from_uri) const;
  bool may_reach(std::string_view host) const;
  bool serves(std::string_view host) const;
  const Pair* pair_of_sip(std::string_view host) const;
  const Pair* pair_of_xmpp(std::string_view host) const;
  bool is_own_sip(std::string_view host) const;
  bool is_own_xmpp(std::string_view host) const;
  bool maps_domains() const { return !pairs_.empty(); }

  AddressRules rules_;  // domains as A-labels
  std::vector<Pair> pairs_;
  std::map<std::string, Jid, std::less<>> aliases_;           // by folded name
  std::map<std::string, std::string, std::less<>> alias_of_;  // by bare JID: the name, as it is written
  mutable Memo<Mapped<Jid>> xmpp_recipients_, xmpp_senders_;
  mutable Memo<Mapped<std::string>> sip_recipients_, sip_senders_;
};

// The steps both directions share. A name is what the user part of both addresses says, unescaped.
Mapped<std::string> name_of_user(std::string_view sip_user);        // percent-decoded, checked
Mapped<std::string> name_of_localpart(std::string_view localpart);  // unescaped; localpart is folded
Mapped<std::string> localpart_of(std::string_view name);            // folded, escaped
std::string user_of(std::string_view name);                         // percent-encoded
Mapped<std::string> resource_of(const SipUri&);                     // from gr; empty = none
std::string gr_of(std::string_view resource);                       // ";gr=..." or nothing

}  // namespace stox::mapping
