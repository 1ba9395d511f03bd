#include "xmpp_worker/page/notices.h"

#include <algorithm>

#include "common/base/addressing.h"
#include "xmpp_worker/page/receipts.h"
#include "xmpp_worker/page/words.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using xmpp::StanzaId;

pb::Receipt::Kind kind_of(const xmpp::StanzaError& error) {
  if (error.condition == "forbidden") return pb::Receipt::FORBIDDEN;
  return error.condition == "internal-server-error" ? pb::Receipt::ERROR : pb::Receipt::FAILED;
}

}  // namespace

Notices::Notices(xmpp::StanzaIds& ids, Contacts& contacts, StanzaSender& sender, NoticesUser& user)
    : ids_(ids), contacts_(contacts), sender_(sender), user_(user) {}

// The address that a SIP user has for somebody is the one that answers come from. An occupant's has the nick:
// an answer without it would reach the whole room.
bool Notices::keeps_resource(const Contact& contact, std::string_view user) {
  return contact.is_room || (!contact.written_to.empty() && contact.written_to == xmpp::resource_of(user));
}

pb::XmppMessage& Notices::begin(const std::string& user, const std::string& sip_user) {
  envelope_.Clear();
  pb::XmppMessage& message = *envelope_.mutable_xmpp_message();
  message.set_from(user);
  message.set_to(sip_user);
  const Contact* contact = contacts_.find(user, sip_user);
  message.set_keeps_resource(contact != nullptr && keeps_resource(*contact, user));
  envelope_.set_conversation(conversation_key(user, sip_user));
  return message;
}

void Notices::take(const xmpp::Stanza& stanza, const Jid& from, const Jid& to,
                   const xmpp::MessageContent& content) {
  if (!content.received.empty()) return received(content.received, from.str(), to.str(), false);
  if (!content.displayed.empty()) return received(content.displayed, from.str(), to.str(), true);
  if (content.state.empty()) return;
  Contact& contact = contacts_.get(from.str(), to.str());
  contact.shows(from.str(), Contact::States::kTells);
  contact.is_room |= content.of_occupant;
  ++figures_.typing;
  pb::XmppMessage& message = begin(from.str(), to.str());
  from_stanza(stanza, content, &message);
  message.clear_subjects();
  user_.submit_typing(envelope_);
}

void Notices::message(const xmpp::Stanza& stanza, const xmpp::MessageContent& content,
                      pb::XmppMessage& message) {
  if (!content.bodies.empty()) {
    RecentWords& words = contacts_.recent_words();
    words.note(message.from(), message.to(), stanza.id, content.bodies.front().text);
    if (content.origin_id != stanza.id)
      words.note(message.from(), message.to(), content.origin_id, content.bodies.front().text);
  }
  Contact& contact = contacts_.get(message.from(), message.to());
  contact.thread = content.thread.size() <= Contacts::kMaxThread ? content.thread : std::string_view();
  contact.chat = stanza.type == "chat";
  contact.is_room |= content.of_occupant;
  message.set_keeps_resource(keeps_resource(contact, message.from()));
  if (contact.is_room) {
    message.set_nick(std::string(content.nick.empty() ? xmpp::resource_of(message.from()) : content.nick));
  } else {
    if (!content.nick.empty() && content.nick.size() <= Contacts::kMaxName) contact.user_name = content.nick;
    message.set_nick(contact.user_name);
  }
  if (!content.state.empty()) {
    contact.shows(message.from(), Contact::States::kTells);
  } else if (contact.chat) {
    contact.shows(message.from(), Contact::States::kTellsNot);  // XEP-0085 5.1
  }
  if (stanza.id.empty() || (!content.wants_receipt && !content.wants_marker)) return;
  pb::Wants& wants = *message.mutable_wants();
  wants.set_delivered(content.wants_receipt);
  wants.set_displayed(content.wants_marker);
  wants.set_id(message_id(ids_, stanza.id, message, contact.chat));
}

void Notices::received(std::string_view id_text, const std::string& user, const std::string& sip_user,
                       bool displayed) {
  const auto id = ids_.read_answer(id_text, user, sip_user);
  auto asked = id ? sip_message_of(*id) : std::nullopt;
  if (!asked) return void(++figures_.not_ours);
  // Who has seen a message has got it, and all before it.
  if (displayed) {
    if (Contact* contact = contacts_.find(user, sip_user)) {
      auto& unread = contact->unread;
      const auto here =
          std::find_if(unread.begin(), unread.end(), [&](const auto& each) { return each.id == id_text; });
      if (here != unread.end()) {
        const std::deque<Contact::Unread> before(unread.begin(), here);
        unread.erase(unread.begin(), std::next(here));
        for (const auto& each : before) notify(user, sip_user, each.message, pb::Receipt::DISPLAYED);
      }
    }
  }
  if (id->has(StanzaId::kReceived)) notify(user, sip_user, *asked, pb::Receipt::DELIVERED);
  if (displayed && id->has(StanzaId::kDisplayed)) notify(user, sip_user, *asked, pb::Receipt::DISPLAYED);
}

void Notices::notify(const std::string& user, const std::string& sip_user, pb::Receipt receipt,
                     pb::Receipt::Kind kind) {
  if (!contacts_.first(receipt.id(), kind)) return;
  receipt.set_kind(kind);
  ++figures_.receipts;
  begin(user, sip_user).mutable_receipt()->Swap(&receipt);
  if (!user_.submit_notice(envelope_)) ++figures_.lost;
}

void Notices::accepted(std::string_view from, std::string_view to, std::string_view id,
                       std::string_view asked, const pb::Outcome& outcome) {
  const bool arrived = outcome.verdict() == pb::DELIVERED && !outcome.will_be_told();
  if (!receipt_on_200_ || !arrived || id.empty()) return;
  // COMPAT(linphone 5.1): reports what it got though nobody has asked it.
  if (!asked.empty() && !contacts_.first(asked, pb::Receipt::DELIVERED)) return;
  xmpp::Stanza stanza;
  stanza.from = to;
  stanza.to = from;
  std::string own_id, text;
  ids_.append(own_id, 0, std::string(1, StanzaId::kStatus), {}, to, from);
  stanza.id = own_id;
  xmpp::MessageContent content;
  content.received = id;
  xmpp::XmlWriter xml(text);
  xmpp::write_message(xml, stanza, content);
  if (!sender_.send(to, from, text)) ++figures_.lost;
}

void Notices::refused_late(const StanzaId& id, std::string_view from, std::string_view to,
                           const xmpp::StanzaError& error) {
  auto asked = sip_message_of(id);
  if (!asked || !id.has(StanzaId::kRefused)) return;
  ++figures_.late_refusals;
  notify(std::string(from), std::string(to), *asked, kind_of(error));
}

}  // namespace stox::worker
