#include "xmpp_worker/page/names.h"

#include <utility>

#include "common/base/jid.h"
#include "xmpp_worker/xmpp/stanza/services.h"

namespace stox::worker {

Names::Names(char separator, xmpp::StanzaIds& ids, Contacts& contacts, NamesUser& user)
    : separator_(separator), ids_(ids), contacts_(contacts), user_(user) {}

void Names::taking(const pb::XmppMessage& message) {
  if (!asks_ || !message.nick().empty()) return;
  Contact& contact = contacts_.get(message.from(), message.to());
  if (std::exchange(contact.name_asked_for, true)) return;
  std::string id, text;
  ids_.append(id, 0, std::string(1, xmpp::StanzaId::kVcard), {}, contact.sip_user, contact.user);
  xmpp::XmlWriter xml(text);
  xmpp::write_vcard_request(xml, contact.sip_user, contact.user, id);
  (void)user_.send_stanza(contact.sip_user, contact.user, text);
}

void Names::vcard_came(const xmpp::Stanza& answer) {
  const std::string_view name = xmpp::name_in_vcard(answer);
  Contact* contact = contacts_.find(answer.from, answer.to);
  if (contact != nullptr && contact->user_name.empty() && name.size() <= Contacts::kMaxName)
    contact->user_name = name;
}

std::string Names::of_sip_user(std::string_view user, std::string_view sip_user) {
  const Contact* contact = contacts_.find(user, sip_user);
  if (contact != nullptr && !contact->sip_name.empty()) return contact->sip_name;
  const std::string name = unescape_localpart(sip_user.substr(0, sip_user.find('@')));
  return name.substr(0, separator_ == 0 ? std::string::npos : name.rfind(separator_));
}

}  // namespace stox::worker
