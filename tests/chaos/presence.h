// Presence under chaos, where of all that is said only the last counts. In each pair an XMPP user and a SIP
// user see each other, and both change their states all along; when all has settled each must see what is so.
// The rosters of the XMPP users are this program's, and last: after "go" nobody may be asked, granted or
// refused anything, and no subscription of a phone may end. Between servers a state that was written to a
// stream that died is lost, as it is on XMPP: what is wrong there is counted apart.
#pragma once

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/chaos/sip_side.h"
#include "tests/chaos/subscriptions.h"
#include "tests/chaos/xmpp_side.h"

namespace stox::chaos {

class Presence {
 public:
  // `violated`: hears of what breaks a promise, a line of JSON with a "text". The sides must outlive it.
  Presence(SipSide&, XmppSide&, const std::vector<sockaddr_in>& fronts, uint32_t pairs, uint64_t seed,
           std::function<void(const std::string& json)> violated);

  void begin();             // all subscribe to each other
  bool all_seen() const;    // but for those behind streams between servers, once all change
  void go(double seconds);  // all change from now on, each until some time within these
  void end();               // nobody does any more
  // Somebody does not see yet what is so, and may still come to see it.
  bool owed() const;
  void turn();
  nlohmann::json report();  // says who does not see what is so, too

 private:
  struct Contact {  // of an XMPP user
    bool granted = false, is_known = false;
    State seen = 0;
  };
  bool is_seen(uint32_t pair) const;  // by both
  bool request(std::string_view bytes, const sockaddr_in& from);
  void stanza(const ends::ReadStanza&);
  void show(uint32_t pair);
  void broken(uint32_t pair, const std::string& what);
  void say(uint32_t pair, const std::string& text);
  State next_state();

  XmppSide& xmpp_;
  PresenceServer server_;
  Phones phones_;
  std::vector<State> states_;      // of the XMPP users
  std::vector<int64_t> until_us_;  // of all users: they change no more after that
  std::vector<Contact> contacts_;
  std::mt19937_64 random_;
  std::function<void(const std::string&)> violated_;
  std::map<std::string, uint64_t> broken_;  // promises after "go"
  State last_state_ = 0;
  uint64_t changes_ = 0, lost_ = 0;
  int64_t change_us_ = 0, ended_us_ = 0, settled_us_ = 0;
  bool begun_ = false, going_ = false;
};

}  // namespace stox::chaos
