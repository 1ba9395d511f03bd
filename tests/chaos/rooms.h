// Rooms of the real servers under chaos: XMPP users and phones are in each, and all speak. A line is a
// message of the ledger for each who is to hear it: said by a phone, the XMPP users and the other phones;
// said by an XMPP user, the phones. It counts as soon as the room is known to have shown it: to a phone by a
// 200, to an XMPP user by his own words.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tests/chaos/ledger.h"
#include "tests/chaos/sip_side.h"
#include "tests/chaos/subscriptions.h"
#include "tests/chaos/xmpp_side.h"

namespace stox::chaos {

class Rooms {
 public:
  static constexpr uint32_t kUsers = 2, kPhones = 3, kMembers = kUsers + kPhones;  // of each room
  static constexpr uint32_t kRooms = 6;
  static constexpr uint32_t kPairs = kRooms * kMembers * kMembers;  // of speaker and hearer

  // `violated`: hears of a phone that was put out, a line of JSON. All references must outlive it.
  Rooms(SipSide&, XmppSide&, const std::vector<sockaddr_in>& fronts, Ledger&, uint64_t seed,
        std::function<void(const std::string& json)> violated);

  void begin();  // all come in
  bool all_in() const;
  void go();          // they speak
  void end();         // nobody does any more
  void close();       // nothing more can come: what phones were told was left out is not lost
  bool owed() const;  // a line that was shown may still come to somebody
  void turn();
  nlohmann::json report() const;

 private:
  struct Member {
    uint32_t room = 0, index = 0;  // users come first
    bool is_phone = false, is_in = false;
    bool under_way = false;  // of a phone: what it said
    uint64_t line = 0;       // that is; 0 = it wants to come in
    std::size_t front = 0;   // of a phone
    uint64_t stream = 0;     // of a user: the one that he came in by
    int64_t join_us = 0;
    uint64_t left_out = 0;  // messages that a phone was told so of
  };
  struct Line {
    uint32_t room, speaker;  // its index
  };

  static std::string domain(uint32_t room);
  static std::string jid(uint32_t room);
  static std::string name(const Member&);
  static std::string user_jid(const Member&);
  Member* phone_of(std::string_view to);
  Member* user_of(std::string_view jid);

  void join(Member&);
  void speak(uint32_t room);
  void write_request(Member&, const std::string& body);
  void done(Member&, int status, std::string_view head);
  uint64_t say(const Member& speaker);  // in the ledger
  // What was shown, to whom it has not come: one of members_, and the number of the message.
  void each_missing(const std::function<void(std::size_t hearer, uint64_t number)>& what) const;
  static uint32_t hearers(const Line& line) { return line.speaker < kUsers ? kPhones : kMembers - 1; }
  void heard(const Member&, uint64_t line, std::string_view as, uint64_t copy_key);
  bool request(std::string_view bytes, const sockaddr_in& from);
  void told(Member&, std::string_view words);
  void stanza(const ends::ReadStanza&);

  SipSide& sip_;
  XmppSide& xmpp_;
  Ledger& ledger_;
  SipClient client_;
  std::vector<sockaddr_in> fronts_;
  std::vector<Member> members_;               // room by room
  std::unordered_map<uint64_t, Line> lines_;  // by the first of its messages
  std::vector<int64_t> speak_us_;             // by room
  std::mt19937_64 random_;
  std::function<void(const std::string&)> violated_;
  std::map<std::string, uint64_t> told_;
  uint64_t of_phones_ = 0, arrivals_ = 0;
  int64_t ended_us_ = 0;
  bool begun_ = false, speaking_ = false;
};

}  // namespace stox::chaos
