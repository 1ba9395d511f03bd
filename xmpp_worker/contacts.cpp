#include "xmpp_worker/contacts.h"

#include "common/base/hash.h"
#include "xmpp_worker/xmpp/names.h"

namespace stox::worker {

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
  const std::string key = key_of(user, sip_user);
  if (find(user, sip_user) == nullptr) {
    if (entries_.size() >= kMax) erase(std::prev(entries_.end()));
    entries_.emplace_front();
    entries_.front().user = xmpp::bare_of(user);
    entries_.front().sip_user = xmpp::bare_of(sip_user);
    by_key_[key] = entries_.begin();
  }
  const auto entry = by_key_.at(key);
  entry->used = clock_.now();
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
  typing_.add(contact.typing_until, key_of(contact.user, contact.sip_user));
}

Contact* Contacts::typing_expired() {
  while (const auto key = typing_.pop_due(clock_.now())) {
    const auto found = by_key_.find(*key);
    if (found == by_key_.end() || !found->second->sees_typing) continue;
    if (found->second->typing_until > clock_.now()) continue;  // its later timer runs
    found->second->sees_typing = false;
    return &*found->second;
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
