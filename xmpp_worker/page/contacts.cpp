#include "xmpp_worker/page/contacts.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/hash.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {

constexpr Duration kLook = std::chrono::seconds(1);  // a state may come that holds for less than the last

void Contact::shows(std::string_view full, States states) {
  const std::string_view resource = full.substr(std::min(xmpp::bare_of(full).size() + 1, full.size()));
  const auto known =
      std::find_if(clients.begin(), clients.end(), [&](const auto& c) { return c.first == resource; });
  if (known != clients.end()) {
    if (states == States::kAssumed && known->second != States::kUnknown) return;
    clients.erase(known);
  }
  if (clients.size() >= kMaxClients) clients.erase(clients.begin());
  clients.emplace_back(resource, states);
}

Contact::States Contact::states_of(std::string_view jid) const {
  States most = States::kUnknown;
  for (const auto& [resource, states] : clients) {
    if (!xmpp::has_resource(jid)) {
      most = std::max(most, states);
    } else if (resource == jid.substr(xmpp::bare_of(jid).size() + 1)) {
      return states;
    }
  }
  return most;
}

std::string_view Contact::client_for_typing() const {
  for (const States wanted : {States::kTells, States::kAssumed}) {
    const auto last =
        std::find_if(clients.rbegin(), clients.rend(), [&](const auto& c) { return c.second == wanted; });
    if (last != clients.rend()) return last->first;
  }
  return {};
}

std::string Contacts::key_of(std::string_view user, std::string_view sip_user) {
  return std::string(xmpp::bare_of(user)).append(" ").append(xmpp::bare_of(sip_user));
}

void Contacts::erase(Entries::iterator entry) {
  by_key_.erase(key_of(entry->user, entry->sip_user));
  entries_.erase(entry);
}

Contact* Contacts::find(std::string_view user, std::string_view sip_user) {
  const auto found = by_key_.find(key_of(user, sip_user));
  if (found == by_key_.end()) return nullptr;
  if (clock_.now() - found->second->used < kRemembered) return &*found->second;
  erase(found->second);
  return nullptr;
}

Contact& Contacts::get(std::string_view user, std::string_view sip_user) {
  const Time now = clock_.now();
  const std::string key = key_of(user, sip_user);
  const auto found = by_key_.find(key);
  const bool is_known = found != by_key_.end() && now - found->second->used < kRemembered;
  if (!is_known) {
    if (found != by_key_.end()) erase(found->second);
    if (entries_.size() >= kMax) erase(std::prev(entries_.end()));
    entries_.emplace_front();
    entries_.front().user = xmpp::bare_of(user);
    entries_.front().sip_user = xmpp::bare_of(sip_user);
    by_key_[key] = entries_.begin();
  }
  const auto entry = is_known ? found->second : entries_.begin();
  entry->used = now;
  entries_.splice(entries_.begin(), entries_, entry);
  return *entry;
}

bool Contacts::first(std::string_view message_id, pb::Receipt::Kind kind) {
  const uint64_t hash = hash64(message_id, static_cast<uint64_t>(kind));
  if (!said_.insert(hash).second) return false;
  said_in_order_.push_back(hash);
  if (said_in_order_.size() > kMaxOnce) {
    said_.erase(said_in_order_.front());
    said_in_order_.pop_front();
  }
  return true;
}

void Contacts::typing_begins(Contact& contact, Duration holds) {
  contact.sees_typing = true;
  contact.typing_until = clock_.now() + holds;
  if (std::exchange(contact.has_timer, true)) return;  // which will see that it lasts longer, or not as long
  typing_.add(std::min(contact.typing_until, clock_.now() + kLook), key_of(contact.user, contact.sip_user));
}

Contact* Contacts::typing_expired() {
  while (auto key = typing_.pop_due(clock_.now())) {
    const auto found = by_key_.find(*key);
    if (found == by_key_.end()) continue;
    Contact& contact = *found->second;
    contact.has_timer = false;
    if (!contact.sees_typing) continue;
    if (contact.typing_until > clock_.now()) {
      contact.has_timer = true;
      typing_.add(std::min(contact.typing_until, clock_.now() + kLook), std::move(*key));
      continue;
    }
    contact.sees_typing = false;
    return &contact;
  }
  return nullptr;
}

std::size_t Contacts::forget(std::string_view user) {
  const std::size_t before = entries_.size();
  for (auto each = entries_.begin(); each != entries_.end();) {
    const auto entry = each++;
    if (user.empty() || entry->user == user || entry->sip_user == user) erase(entry);
  }
  return before - entries_.size();
}

}  // namespace stox::worker
