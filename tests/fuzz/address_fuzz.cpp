// Any text as an address: nothing crashes, and what maps comes back as itself. Input: a letter for the rule,
// the separator (a newline: a gwmap), the address.
#include <string_view>

#include "common/base/addressing.h"
#include "mapper/mapping/address/addresses.h"
#include "tests/fuzz/hold.h"

namespace {

using stox::Jid;
using stox::mapping::Addresses;

void xmpp_user(const Addresses& by, const Jid& jid) {
  const auto uri = by.sip_sender(jid);
  if (uri) hold(by.xmpp_recipient(*uri) == jid, "an XMPP user comes back as itself");
}

// An escaped @ may stand for the separator in what is written to; it never comes back so.
void sip_user(const Addresses& by, const Jid& jid, char separator) {
  const auto uri = by.sip_recipient(jid);
  if (!uri) return;
  hold(stox::parse_sip_uri(*uri).has_value(), "what is made is a SIP URI");
  const auto again = by.xmpp_sender(*uri);
  const bool has_at = jid.local().find("\\40") != std::string::npos;
  const bool may_differ = has_at && jid.local().find(separator) == std::string::npos;
  hold(again && (may_differ ? by.sip_recipient(*again) == *uri : *again == jid),
       "a SIP user comes back as itself");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (size < 2) return 0;
  stox::mapping::AddressRules rules{"gw.example", "sip.example", '*', {}, {}, {"sip.example"}};
  const char separator = input[1];
  if (separator == '\n')
    rules.gwmap = {{"gw.example", "example.com"}, {"example.net", "sip.example"}};
  else
    rules.separator = separator;
  const auto by = Addresses::make(std::move(rules));
  if (!by) return 0;  // no separator
  const std::string_view text = input.substr(2);
  stox::conversation_key(text, text);
  if (input[0] == 'r') {
    if (const auto jid = by->xmpp_recipient(text)) {
      hold(by->sip_sender(*jid).has_value(), "who can be written to can write");
      xmpp_user(*by, *jid);
    }
  } else if (input[0] == 'f') {
    if (const auto jid = by->xmpp_sender(text)) {
      hold(by->sip_recipient(*jid).has_value(), "who can write can be answered");
      sip_user(*by, *jid, separator);
    }
  } else if (const auto jid = Jid::parse(text)) {
    hold(Jid::parse(jid->str()) == *jid, "a prepared JID is prepared");
    xmpp_user(*by, *jid);
    sip_user(*by, *jid, separator);
  }
  return 0;
}
