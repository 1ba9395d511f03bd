// What users call themselves, towards each other: XMPP users by their vCard (XEP-0054), if they do not say
// it, and SIP users by what came last from them.
#pragma once

#include <string>
#include <string_view>

#include "proto/message.pb.h"
#include "xmpp_worker/page/contacts.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stanza/stanza_id.h"

namespace stox::worker {

class NamesUser {
 public:
  virtual ~NamesUser() = default;
  // Onto the path of the two addresses' domains. False: it is not up now, or has no room.
  virtual bool send_stanza(std::string_view from, std::string_view to, std::string_view xml) = 0;
};

class Names {
 public:
  // `separator`: of SIP users' domains in our addresses; 0 = none. All references must outlive it.
  Names(char separator, xmpp::StanzaIds&, Contacts&, NamesUser&);

  void ask(bool on) { asks_ = on; }  // XMPP users, for their vCards

  // A message of an XMPP user is about to go to SIP, without a name: what comes serves those that follow.
  void taking(const pb::XmppMessage&);
  void vcard_came(const xmpp::Stanza& answer);
  std::string of_sip_user(std::string_view user, std::string_view sip_user);  // JIDs

 private:
  const char separator_;
  xmpp::StanzaIds& ids_;
  Contacts& contacts_;
  NamesUser& user_;
  bool asks_ = false;
};

}  // namespace stox::worker
