// What XMPP says when it refuses: one stanza (RFC 6120 8.3) or the whole stream (4.9).
#pragma once

#include <string>

namespace stox::xmpp {

struct StanzaError {
  std::string type;       // auth, cancel, continue, modify, wait
  std::string condition;  // element name of a defined condition; empty if the peer gave none
  std::string text = {};
  std::string by = {};           // who refused; empty = not said
  std::string address = {};      // content of gone or redirect
  std::string legacy_code = {};  // XEP-0086, when there was no condition
};

struct StreamError {
  std::string condition;
  std::string text = {};
  std::string other_host = {};  // of see-other-host
};

}  // namespace stox::xmpp
