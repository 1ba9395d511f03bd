#include "xmpp_worker/services/services.h"

#include <utility>

#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {

Services::Services(std::string version, const Clock& clock, ServicesUser& user)
    : clock_(clock),
      user_(user),
      started_(clock.now()),
      info_{.version = std::move(version)},
      answers_(clock) {}

void Services::answer(const xmpp::Stanza& stanza) {
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  info_.uptime = clock_.now() - started_;
  if (xmpp::answer(stanza, info_, xml)) send_counted(stanza);
}

bool Services::decline_invitation(const xmpp::Stanza& message) {
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  if (!xmpp::decline_invitation(message, xml)) return false;
  send_counted(message);
  return true;
}

void Services::decline_call(const xmpp::Stanza& message) {
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  if (xmpp::decline_call(message, xml)) send_counted(message);
}

void Services::send_counted(const xmpp::Stanza& answered) {
  ++(send(answered.to, answered.from, xml_) ? figures_.answered : figures_.not_answered);
}

bool Services::send(std::string_view from, std::string_view to, std::string_view xml) {
  return answers_.send(user_.path(xmpp::domain_of(from), xmpp::domain_of(to)), from, xml);
}

}  // namespace stox::worker
