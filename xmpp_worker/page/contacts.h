// What XMPP users showed towards SIP users, pair by pair: the last thread and type, whether their clients
// tell chat states, what they were told of receipts; and whom they see typing. Soft state, bounded, without
// I/O; what is lost means the plain form.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "proto/message.pb.h"
#include "xmpp_worker/page/recent_words.h"

namespace stox::worker {

struct Contact {
  // Whether a client tells chat states. kAssumed: it told none so far, but asked for the SIP user's features
  // or showed that it has some, as those do that know chat states.
  enum class States : uint8_t { kUnknown, kTellsNot, kAssumed, kTells };  // the more, the higher

  std::string user, sip_user;  // bare JIDs
  std::string thread;          // of the user's last message; empty = it had none
  bool chat = false;           // that was of type chat
  bool is_room = false;        // `user` is a room, and each of its resources another person
  std::string written_to;      // the resource in the address that the SIP user wrote to last; empty = none
  static constexpr std::size_t kMaxClients = 8;
  std::vector<std::pair<std::string, States>> clients;  // by resource; who showed something last is the last

  void shows(std::string_view user, States);      // by the full JID
  States states_of(std::string_view user) const;  // of that client; of a bare JID the most that one showed
  std::string_view client_for_typing() const;  // the resource of the one that showed most, last; empty = none
  std::string user_name, sip_name;  // as they last called themselves to each other; empty = they did not
  bool name_asked_for = false;      // the user's

  // The user sees the SIP user typing, until then unless told otherwise. As the stanzas that said so.
  bool sees_typing = false;
  Time typing_until{};
  bool has_timer = false;
  std::string typing_from, typing_to;

  // SIP messages whose display is waited for, oldest first: a marker covers all before it (XEP-0333).
  struct Unread {
    std::string id;  // of the stanza
    pb::Receipt message;
  };
  std::deque<Unread> unread;
  Time used{};
};

class Contacts {
 public:
  static constexpr std::size_t kMax = 10'000;
  static constexpr std::size_t kMaxUnread = 32;   // of one contact
  static constexpr std::size_t kMaxThread = 256;  // bytes; a longer one is not remembered
  static constexpr std::size_t kMaxName = 256;    // the same
  static constexpr std::size_t kMaxOnce = 65'536;
  static constexpr Duration kRemembered = std::chrono::hours(24);  // since it was used

  explicit Contacts(const Clock& clock) : clock_(clock), recent_words_(clock) {}

  // JIDs, full or bare. A reference is good until the next get().
  Contact& get(std::string_view user, std::string_view sip_user);
  Contact* find(std::string_view user, std::string_view sip_user);

  // True the first time that this was said of this message: there may be one answer of each of a user's
  // clients.
  bool first(std::string_view message_id, pb::Receipt::Kind);

  RecentWords& recent_words() { return recent_words_; }

  void typing_begins(Contact&, Duration holds);
  // Whose typing ended because nobody said that it goes on.
  Contact* typing_expired();
  Time next() const { return typing_.next(); }

  const std::list<Contact>& list() const { return entries_; }  // newest first
  std::size_t forget(std::string_view user);                   // empty: all; how many there were

 private:
  using Entries = std::list<Contact>;
  static std::string key_of(std::string_view user, std::string_view sip_user);
  void erase(Entries::iterator);

  const Clock& clock_;
  RecentWords recent_words_;
  Entries entries_;
  std::unordered_map<std::string, Entries::iterator> by_key_;
  Deadlines<std::string> typing_;
  std::unordered_set<uint64_t> said_;
  std::deque<uint64_t> said_in_order_;
};

}  // namespace stox::worker
