// What the gateway answers by itself, for its domains and the SIP users behind them (xmpp/stanza/services.h),
// and what it says without being asked back: the one way for all of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "xmpp_worker/services/answers.h"
#include "xmpp_worker/services/stanza_sender.h"
#include "xmpp_worker/xmpp/stanza/services.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::worker {

class ServicesUser {
 public:
  virtual ~ServicesUser() = default;
  virtual xmpp::Path* path(std::string_view from_domain, std::string_view to_domain) = 0;  // as xmpp::Paths
};

class Services final : public StanzaSender {
 public:
  struct Figures {
    uint64_t answered = 0, not_answered = 0;
  };

  Services(std::string version, const Clock&, ServicesUser&);  // clock and user must outlive it

  xmpp::ServiceInfo& info() { return info_; }  // what there is to tell; but for the uptime

  // An IQ that asks, or presence, to a domain of ours and from none.
  void answer(const xmpp::Stanza&);
  void note_unanswered() { ++figures_.not_answered; }
  bool decline_invitation(const xmpp::Stanza& message);  // false: it is none
  void decline_call(const xmpp::Stanza& message);
  bool send(std::string_view from, std::string_view to, std::string_view xml) override;

  void path_up(xmpp::Path& path) { answers_.path_up(path); }
  void path_gone(const xmpp::Path& path) { answers_.path_gone(path); }
  void about_to_write(xmpp::Path& path) { answers_.about_to_write(path); }
  void turn() { figures_.not_answered += answers_.drop_late(); }  // now and then

  const Figures& figures() const { return figures_; }

 private:
  void send_counted(const xmpp::Stanza& answered);  // what is in xml_

  const Clock& clock_;
  ServicesUser& user_;
  const Time started_;
  xmpp::ServiceInfo info_;
  Answers answers_;
  Figures figures_;
  std::string xml_;  // reused
};

}  // namespace stox::worker
