// What XMPP says of messages that went the other way, and of typing, on its way to SIP: receipts, markers,
// chat states, late refusals. Nobody is told when they fail. Without I/O.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/jid.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/page/contacts.h"
#include "xmpp_worker/services/stanza_sender.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stanza/stanza_id.h"
#include "xmpp_worker/xmpp/stream/errors.h"

namespace stox::worker {

class NoticesUser {
 public:
  virtual ~NoticesUser() = default;
  virtual bool submit_notice(pb::Envelope&) = 0;  // a notification; false: there is no way for it
  virtual void submit_typing(pb::Envelope&) = 0;  // lossily
};

class Notices {
 public:
  struct Figures {
    uint64_t receipts = 0, typing = 0, late_refusals = 0, not_ours = 0, lost = 0;
  };

  // All references must outlive it.
  Notices(xmpp::StanzaIds&, Contacts&, StanzaSender&, NoticesUser&);

  // RFC 5438 12.2 forbids it; some SIP peers know nothing better, and some sites want it.
  void take_200_for_receipt(bool on) { receipt_on_200_ = on; }

  // A message without words, of any type but error, to a domain of ours and from none.
  void take(const xmpp::Stanza&, const Jid& from, const Jid& to, const xmpp::MessageContent&);
  // One with words is about to go: what it wants to hear of itself is filled in.
  void message(const xmpp::Stanza&, const xmpp::MessageContent&, pb::XmppMessage&);
  // An error came for a stanza of ours when SIP had been told that all is well.
  void refused_late(const xmpp::StanzaId&, std::string_view from, std::string_view to,
                    const xmpp::StanzaError&);

  // SIP accepted a message whose sender wants to hear that it was received; addresses and id as on the
  // stanza, `asked`: what a notification of SIP would name it by.
  void accepted(std::string_view from, std::string_view to, std::string_view id, std::string_view asked,
                const pb::Outcome&);

  const Figures& figures() const { return figures_; }

 private:
  void received(std::string_view id, const std::string& user, const std::string& sip_user, bool displayed);
  void notify(const std::string& user, const std::string& sip_user, pb::Receipt, pb::Receipt::Kind);
  pb::XmppMessage& begin(const std::string& user, const std::string& sip_user);
  static bool keeps_resource(const Contact&, std::string_view user);

  xmpp::StanzaIds& ids_;
  Contacts& contacts_;
  StanzaSender& sender_;
  NoticesUser& user_;
  bool receipt_on_200_ = false;
  Figures figures_;
  pb::Envelope envelope_;  // reused
};

}  // namespace stox::worker
