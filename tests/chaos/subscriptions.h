// The SIP side of presence in a run: a presence server, which is asked for SIP users and tells of them, and
// phones that subscribe to XMPP users. Requests are sent again by Timer E until Timer F. Both do what a peer
// does that loses nothing by itself: a dialog ends when it has expired, when the other side knows it no more,
// or when a request in it had no answer.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "tests/chaos/sip_side.h"
#include "tests/support/ends/repeats.h"

namespace stox::chaos {

// What there is to be seen of a user: 0 = nothing, he is not there.
using State = uint64_t;
std::string pidf_of(State);
State state_in(std::string_view pidf);
std::string presence_user(char side, uint32_t pair);     // "pu7" (SIP), "pv7" (XMPP)
bool pair_in(std::string_view address, uint32_t& pair);  // of one of these

// Requests that wait for their answer.
class SipClient {
 public:
  // `done(token, status, head)`: status 0 = there was no answer.
  using Done = std::function<void(uint64_t token, int status, std::string_view head)>;
  SipClient(SipSide& side, std::string name, Done done)
      : side_(side), name_(std::move(name)), done_(std::move(done)) {}

  // `lines`: From, To, Call-ID and what else it has, but for Via, CSeq and lengths.
  void send(uint64_t token, const sockaddr_in& to, const std::string& method, const std::string& target,
            uint32_t cseq, const std::string& lines, const std::string& body);
  bool response(std::string_view bytes);  // false: none of its own
  void turn();

 private:
  struct Open {
    uint64_t token;
    sockaddr_in to;
    std::string bytes;
    int64_t sent_us;
  };
  void write(const Open&);

  SipSide& side_;
  std::string name_;
  Done done_;
  uint64_t last_ = 0;
  std::map<uint64_t, Open> open_;
  ends::Repeats repeats_;
};

class PresenceServer {
 public:
  PresenceServer(SipSide&, uint32_t pairs);
  void change(uint32_t pair, State);
  State state(uint32_t pair) const { return states_[pair]; }
  void subscribe(std::string_view head, const sockaddr_in& from);
  SipClient& client() { return client_; }
  void turn();

 private:
  struct Dialog {
    uint32_t pair = 0;
    std::string call_id, own, theirs, target;
    uint32_t cseq = 0;
    bool ended = false, wanted = false, under_way = false;
    int64_t expires_us = 0, not_before_us = 0;
  };
  void notify(uint64_t number, Dialog&);
  void done(uint64_t number, int status);

  SipSide& side_;
  SipClient client_;
  std::vector<State> states_;
  std::map<uint64_t, Dialog> dialogs_;
  uint64_t last_ = 0;
};

class Phones {
 public:
  // `broken(pair, why)`: a promise was; his subscription ended, or was forgotten.
  Phones(SipSide&, const std::vector<sockaddr_in>& fronts, uint32_t pairs,
         std::function<void(uint32_t, const std::string&)> broken);
  void subscribe_all();
  void notify(std::string_view head, std::string_view body, const sockaddr_in& from);
  SipClient& client() { return client_; }
  void turn();

  // What he was shown last; false: nothing yet.
  bool sees(uint32_t pair, State) const;
  std::string shown(uint32_t pair) const;

 private:
  struct Phone {
    sockaddr_in front{};
    std::string call_id, to, target;  // no target: there is no dialog
    uint32_t cseq = 0, seen_cseq = 0;
    bool under_way = false, active = false;
    State state = 0;
    int64_t subscribe_us = 0, expires_us = 0;
  };
  void subscribe(uint32_t pair);
  void begin_anew(uint32_t pair, const std::string& why);
  void done(uint32_t pair, int status, std::string_view head);

  SipSide& side_;
  SipClient client_;
  std::vector<Phone> phones_;
  std::function<void(uint32_t, const std::string&)> broken_;
  uint64_t calls_ = 0;
};

}  // namespace stox::chaos
