// Answers to 401 and 407, with the passwords of the configuration, by realm (RFC 3261 22). What a peer has
// asked for once is answered at once in later requests, so that these need no round more.
//
// Who asks may name any realm, and can try passwords against the answer. So it is given to the outbound
// proxy, which the configuration names, and without one only to the servers of the realm's own domain:
// requests for that domain, or one above it.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sip_front/sip/message/digest.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/random.h"

namespace stox {

class Passwords {
 public:
  explicit Passwords(sip::Random& random) : random_(random) {}  // which must outlive it

  // `has_proxy`: all requests go to the outbound proxy.
  void set(std::vector<sip::Credentials>, bool has_proxy);
  bool any() const { return !credentials_.empty(); }

  // What the peer at this hop asked for last, for this domain: header lines of a request of this method.
  void append_answers(std::string& out, const sip::Hop&, std::string_view method,
                      std::string_view request_uri);
  // Whether there is an answer to this 401 or 407 that has not been given yet; then append_answers() gives
  // it. `past_proxy`: the request went by a dialog's route, and not to the outbound proxy. `answered`: what
  // was answered for the request so far, grows. `why`: why not, for people.
  bool can_answer(const sip::Message& response, const sip::Hop&, std::string_view request_uri,
                  bool past_proxy, std::vector<sip::Challenge>& answered, std::string* why);

 private:
  const sip::Credentials* of_realm(std::string_view) const;

  sip::Random& random_;
  std::vector<sip::Credentials> credentials_;
  bool has_proxy_ = false;
  std::unordered_map<std::string, std::vector<sip::Challenge>> asked_;  // by hop and domain
};

}  // namespace stox
