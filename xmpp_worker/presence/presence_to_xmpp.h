// The way of presence from the bus to XMPP: written to the link of its two domains, of which no proof is
// waited for. While the link is not up, presence waits here until its time is over; of the states of one
// device the newest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "common/base/clock.h"
#include "common/service/log.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/xmpp/stream/link.h"

namespace stox::worker {

class PresenceToXmppUser {
 public:
  virtual ~PresenceToXmppUser() = default;
  virtual void finish(const pb::EnvelopeId&, const pb::Outcome&) = 0;
  virtual xmpp::Link* link(std::string_view from_domain, std::string_view to_domain) = 0;  // as xmpp::Links
};

class PresenceToXmpp {
 public:
  static constexpr std::size_t kMaxOfLink = 1'048'576, kMax = 4'194'304;  // bytes that wait

  struct Figures {
    uint64_t written = 0, failed = 0;
  };

  PresenceToXmpp(const Clock&, service::Log&, PresenceToXmppUser&);  // all must outlive it

  void set_caps_version(std::string version) { caps_version_ = std::move(version); }  // of SIP users

  void begin(const pb::Envelope&, Time begin_before);
  void link_up(xmpp::Link&);
  void link_down(xmpp::Link&);
  void link_gone(xmpp::Link&);
  void about_to_write(xmpp::Link&);
  void turn();                                  // about once a second
  void drop_held(pb::Reason, const char* why);  // what waits for a stream is not written any more
  void stop();                                  // the same, and nothing waits from now on

  std::size_t held() const;
  const Figures& figures() const { return figures_; }

 private:
  struct Held {
    pb::EnvelopeId id;
    std::string from, to, xml;
    bool is_state = false;
    Time until{};
  };
  struct Waiting {  // for one link
    std::list<Held> stanzas;
    std::unordered_map<std::string, std::list<Held>::iterator> states;  // of them, by from and to
    std::size_t bytes = 0;
  };
  using Ways = std::unordered_map<xmpp::Link*, Waiting>;  // none of them empty

  static std::string key_of(const Held& each) { return each.from + " " + each.to; }
  static std::size_t size_of(const Held&);

  void write(xmpp::Link&, const Held&);
  void hold(xmpp::Link&, Held&&);
  void add(Waiting&, Held&&);
  Held take(Waiting&, std::list<Held>::iterator);
  void fail(const Held&, const pb::Outcome&);

  const Clock& clock_;
  service::Log& log_;
  PresenceToXmppUser& user_;
  Ways waiting_;
  std::size_t bytes_ = 0;
  bool is_stopping_ = false;
  std::string caps_version_;
  Figures figures_;
};

}  // namespace stox::worker
