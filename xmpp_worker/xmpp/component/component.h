// A component's stream to a local XMPP server (XEP-0114), free of I/O: connections, bytes and time come in,
// bytes and events go out. It comes back by itself from anything, and says plainly why it is not up.
//
// The owner of the connection opens it when asked, tells what happens to it, sends output() and empties it,
// and calls turn() when next() has come. Owner and user are called from within these calls; they may send(),
// but not turn().
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/stanza/stanza_id.h"
#include "xmpp_worker/xmpp/stream/path.h"
#include "xmpp_worker/xmpp/stream/xml_stream.h"

namespace stox::xmpp {

struct ComponentOptions {
  std::string domain;  // the component's name on XMPP
  std::string secret;
  std::string server;  // HOST:PORT, for people
  // What servers take is 262,144 bytes and more; an oversized stanza costs the whole stream.
  std::size_t max_stanza_bytes = 200'000;
  uint32_t jitter_seed = 1;
  uint64_t last_connection = 0;  // numbers of connections rise from there
  bool has_predecessor = false;  // a process before us may have had a connection
};

class ComponentOwner {
 public:
  virtual ~ComponentOwner() = default;
  virtual void connect() = 0;     // answer with connected() or disconnected(), later
  virtual void disconnect() = 0;  // send what output() holds, then close; nothing is told about it any more
  virtual void abort() = 0;       // the same at once: what the server has not got yet it shall not get later
  virtual void write_soon() = 0;  // take output() at the end of this wakeup
  virtual void state_changed() = 0;        // reason() has
  virtual std::size_t unsent() const = 0;  // bytes taken from output() that the server has not read
};

class Component final : public Path, private XmlStreamUser {
 public:
  // Ids, owner and user must outlive it.
  Component(ComponentOptions, StanzaIds&, ComponentOwner&, PathsUser&);

  void start(Time now);
  void stop(Time now);                            // closes the stream cleanly, stays down
  void set_secret(std::string secret, Time now);  // tried at once, also the same, if it was refused
  // An operator wants a connection now: does not wait for the next try; a stream that is up is replaced.
  // False: it stands by, or is stopped.
  bool reconnect(Time now);
  void connected(Time now);
  void received(std::string_view bytes, Time now);
  void disconnected(const std::string& why, Time now);  // also: could not connect
  // Another worker of ours (its name; empty: none) is connected as our domain. Where the server lets only one
  // be, we stand by until it has gone, and then connect at once.
  void set_holder(std::string worker, Time now);
  // One of them lost its connection, which the server may not know yet: what we write is not sure until pings
  // have shown that the server sends nothing there any more.
  void other_lost(Time now);
  // What came on our connection so far may not have reached whom it was for: it counts as another from now
  // on.
  void renew_connection(Time now);
  // Our keepalive with this number came out of the server on another connection of our domain.
  void keepalive_came_elsewhere(uint64_t number, Time now);
  void turn(Time now);
  Time next() const { return phase_ == Phase::kUp ? std::min(next_, probe_at_) : next_; }

  std::string& output() { return output_; }
  const std::string& output() const { return output_; }

  const std::string& own_domain() const override { return options_.domain; }
  // A dead server is noticed within 15 s while in a hurry, otherwise within 3 min.
  Sent send(std::string_view from, std::string_view xml) override;
  void write_soon() override { owner_.write_soon(); }
  bool has_unsent() const override { return owner_.unsent() + output_.size() > 0; }
  Time proved_until() const override { return proved_until_; }
  void ask_for_proof(Time now) override;
  Time up_since() const override { return up_since_; }
  void hurry(bool, Time now) override;
  bool is_sure() const override { return unanswered_ == 0; }
  bool has_room() const override;
  bool is_up() const override { return phase_ == Phase::kUp; }
  bool is_refused() const override { return refused_; }
  const std::string& reason() const override { return reason_; }
  // Who stands by is not missed yet.
  Time down_since() const override { return is_standby_ ? kNever : down_since_; }
  Time retry_at() const override { return phase_ == Phase::kWaiting ? next_ : kNever; }
  Time last_proof_of_life() const override { return alive_at_; }  // an answered ping, or the handshake

  bool is_stopped() const { return phase_ == Phase::kStopped; }
  bool is_standby() const { return is_standby_; }
  // How long a ping has not been answered, as far as that is more than usual; zero: not.
  Duration silent_for(Time now) const;
  // A program that is none of ours holds our name.
  bool is_contended() const { return contended_; }
  uint64_t streams() const { return streams_; }  // how many have been up
  // On which the server may send to us, from before it is made until it has ended; 0: none. PathsUser::stanza
  // gets it as the stream's number.
  uint64_t connection() const { return has_connection() ? connection_ : 0; }
  uint64_t broken() const { return broken_; }  // connections to which the server may have sent what was lost

 private:
  // kDoubt: a header with an empty id came, behind which an error is expected. kProbing: connected, but the
  // server may still send to our last connection, which broke: not up until a bundle of pings has come back.
  enum class Phase { kStopped, kWaiting, kConnecting, kOpening, kDoubt, kHandshake, kProbing, kUp, kClosing };
  // What an end means for others: nothing, that waiting will not help, or that a foreign program or a worker
  // of ours holds our name.
  enum class Meaning { kPasses, kRefused, kContended, kStandby };

  void stream_opened(const Element&) override;
  void stream_element(const Element&) override;
  void stream_oversized(const Element&) override;
  void stream_closed() override;
  void stream_failed(const StreamError&) override;

  void send_handshake();
  bool has_connection() const { return phase_ != Phase::kStopped && phase_ != Phase::kWaiting; }
  void probe();
  void come_up();
  void stream_error(const StreamError&);
  void end(Meaning, Duration wait, const std::string& reason);
  void end_with_backoff(const std::string& reason);
  void end_by_conflict(const std::string& reason);
  std::string learn_size();
  void stand_by();
  void set_stopped();
  bool take_keepalive(const Element&);
  void alive(uint64_t number);
  void probed(uint64_t number);
  void ping();
  void give_up();
  void write_ping(uint64_t number, const std::string& address);
  Duration jittered(Duration);

  ComponentOptions options_;
  StanzaIds& ids_;
  ComponentOwner& owner_;
  PathsUser& user_;
  XmlStream xml_;
  std::string output_;
  std::minstd_rand random_;

  Phase phase_ = Phase::kStopped;
  bool connected_ = false;
  Time now_{};             // of the call we are in
  Time next_ = kNever;     // when the phase must go on
  std::string stream_id_;  // as the server gave it
  std::string reason_ = "not started";
  bool refused_ = false;
  bool contended_ = false;
  std::string holder_;
  bool is_standby_ = false;
  Time down_since_{};
  Time up_since_ = kNever;
  bool has_brought_ = false;  // a stanza
  std::size_t largest_ = 0;   // written since it came up
  Time broke_at_ = kNever;    // when a stream of ours that was up broke: the server may not know yet
  unsigned failures_ = 0;     // since a stream lasted
  uint64_t streams_ = 0, connection_ = 0, broken_ = 0;

  Time alive_at_{};
  Time pinged_at_ = kNever;  // the ping that is not answered
  Time proved_until_{};
  bool proof_wanted_ = false;
  unsigned misses_ = 0;
  uint64_t pings_ = 0;
  bool must_probe_ = false;
  uint64_t first_probe_ = 0;  // of the bundle
  uint64_t unanswered_ = 0;   // of the bundle, a bit each
  uint64_t probes_ = 0;
  Time probe_at_ = kNever;  // while up: another bundle
  unsigned bundles_ = 0;
  bool hurry_ = false;
};

}  // namespace stox::xmpp
