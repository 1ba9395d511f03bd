// The way of presence from the bus to XMPP: written to the path of its two domains, of which no proof is
// waited for. While the path is not up, presence waits here until its time is over; of the states of one
// device the newest. What was written to a stream between servers shortly before it broke is written to the
// next one once more, as a stream can be dead for minutes before that is noticed.
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
#include "proto/presence.pb.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::worker {

class PresenceToXmppUser {
 public:
  virtual ~PresenceToXmppUser() = default;
  virtual void finish(const pb::EnvelopeId&, const pb::Outcome&) = 0;
  virtual xmpp::Path* path(std::string_view from_domain, std::string_view to_domain) = 0;  // as xmpp::Paths
};

class PresenceToXmpp {
 public:
  static constexpr std::size_t kMaxOfPath = 1'048'576, kMax = 4'194'304;  // bytes that wait
  static constexpr std::size_t kMaxWritten = 4'194'304;                   // bytes that may be written again
  static constexpr Duration kUnnoticed = std::chrono::minutes(5);         // after which nothing is

  struct Figures {
    uint64_t written = 0, failed = 0;
  };

  PresenceToXmpp(const Clock&, service::Log&, PresenceToXmppUser&);  // all must outlive it

  void set_caps_version(std::string version) { caps_version_ = std::move(version); }  // of SIP users
  // A component has the front do it, which is told when its stream breaks.
  void write_again_after_breaks(bool on) { writes_again_ = on; }

  void begin(const pb::Envelope&, Time begin_before);
  void path_up(xmpp::Path&);
  void path_down(xmpp::Path&);
  void path_gone(xmpp::Path&);
  void about_to_write(xmpp::Path&);
  void turn();                                  // about once a second
  void drop_held(pb::Reason, const char* why);  // what waits for a stream is not written any more
  void stop();                                  // the same, and nothing waits from now on

  std::size_t held() const;
  const Figures& figures() const { return figures_; }

 private:
  struct Held {
    pb::EnvelopeId id;  // without a number: it has ended
    std::string from, to, xml;
    pb::Presence::Kind kind = pb::Presence::STATE;
    Time until{};
  };
  class Stanzas {  // of one path, in their order; of states the newest of each pair of addresses
   public:
    explicit Stanzas(std::size_t& all) : all_(all) {}
    Stanzas(const Stanzas&) = delete;
    Stanzas& operator=(const Stanzas&) = delete;
    ~Stanzas() { all_ -= bytes_; }

    bool empty() const { return list_.empty(); }
    std::size_t size() const { return list_.size(); }
    std::size_t bytes() const { return bytes_; }
    const Held& front() const { return list_.front(); }
    std::list<Held>::iterator begin() { return list_.begin(); }
    std::list<Held>::iterator end() { return list_.end(); }
    std::list<Held>::const_iterator begin() const { return list_.begin(); }
    std::list<Held>::const_iterator end() const { return list_.end(); }
    std::list<Held>::iterator state_like(const Held&);  // or end()
    void add(Held&&);
    Held take(std::list<Held>::iterator);

   private:
    std::list<Held> list_;
    std::unordered_map<std::string, std::list<Held>::iterator> states_;  // of them, by from and to
    std::size_t bytes_ = 0;
    std::size_t& all_;  // bytes, of all paths
  };
  using Ways = std::unordered_map<xmpp::Path*, Stanzas>;  // none of them empty

  static std::string key_of(const Held& each) { return each.from + " " + each.to; }
  static std::size_t size_of(const Held&);

  void write(xmpp::Path&, Held&&);
  void hold(xmpp::Path&, Held&&);
  void remember(xmpp::Path&, Held&&);
  void write_again(xmpp::Path&);
  void forget_written();
  void end(const Held&, const pb::Outcome&);
  void fail(const Held&, const pb::Outcome&);

  const Clock& clock_;
  service::Log& log_;
  PresenceToXmppUser& user_;
  std::size_t bytes_ = 0, written_bytes_ = 0;
  Ways waiting_, written_;
  bool writes_again_ = false;
  bool is_stopping_ = false;
  std::string caps_version_;
  Figures figures_;
};

}  // namespace stox::worker
