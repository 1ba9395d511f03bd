// Proof of processing on one stream (design: "The life of a message"), free of I/O. A stream is processed in
// order: the answer to a ping to the recipients' domain, result or error, proves that all stanzas written to
// that domain before the ping were handled; their bounces have come before it.
//
// A server that has several connections of our domain (ejabberd, jabberd2) sends each answer on any of them,
// and each is in order by itself only: then an answer must have come on every one before a group is proved,
// and pings are written until it has.
//
// The stanzas of one wakeup to one domain form a group, with one ping behind it. The answer to a later one
// alone is no proof: it may have come by a stream that followed the one by which the bounces were sent. A
// group holds only numbers: who was bounced is forgotten by the user and ignored when its group is proved, so
// that a stanza costs O(1).
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/deadlines.h"

namespace stox::xmpp {

enum class Fate {
  kProved,    // the domain has handled it
  kPassedOn,  // written; the domain is known not to answer pings
  kDeadline,  // no answer in time
  kUnsure,    // written; a refusal may have been lost with another connection of our domain
  kInDoubt,   // the stream ended first: it may have been delivered
};

class ProofUser {
 public:
  virtual ~ProofUser() = default;
  // Once per stanza; numbers that the user has settled otherwise (a bounce) are to be ignored.
  virtual void settled(uint64_t number, Fate) = 0;
  // Write a ping to the domain now; its answer is answered() with this number. `to_any_user`: to a user of
  // it, one for each ping, for the server may choose the answer's connection by where it comes from.
  virtual void write_ping(const std::string& domain, uint64_t number, bool to_any_user) = 0;
  // Has the stream's own peer answered since? A domain is mute only behind a peer that lives.
  virtual bool peer_answered_since(Time) = 0;
};

class Proof {
 public:
  explicit Proof(ProofUser& user) : user_(user) {}

  void written(uint64_t number, std::string_view domain, Time deadline);
  // Before the bytes leave: pings behind what was written. `sure`: the server sends answers to no connection
  // but ours and set_others(), so that they can be proof.
  void end_of_wakeup(Time now, bool sure = true);
  // An answer from the domain to the ping with this number, on our own connection (0) or another; one that is
  // not waited for is ignored.
  void answered(uint64_t ping, std::string_view domain, uint64_t connection = 0);
  void stream_ended();
  // The other connections of our domain, on which answers may come as well.
  void set_others(std::vector<uint64_t> connections);
  void other_lost(Time now);  // one of them went, maybe with answers
  void turn(Time now);
  Time next() const;

  bool waits() const { return waiting_ > 0; }  // for an answer to any ping
  std::size_t mute_domains() const { return mute_; }
  std::size_t domains() const { return domains_.size(); }

 private:
  struct Member {
    uint64_t number;
    Time deadline;
  };
  struct Group {
    uint64_t ping;
    Time written;
    std::vector<Member> members;  // whose deadline has not passed; a mute domain's is empty
    bool unsure = false;          // a refusal may be lost: an answer is no proof, only a sign of reading
  };
  struct Domain {
    std::vector<Member> open;  // written in this wakeup
    std::deque<Group> groups;  // pinged, oldest first
    std::size_t timers = 0;    // entries of due_
    unsigned unanswered = 0;   // groups that ended without an answer, since the last answer
    bool is_mute = false;
    Time used{};
    Time asked{};            // pinged last
    uint64_t last_ping = 0;  // of this domain
    uint64_t answered = 0;   // the latest
    // By connection, the latest ping whose answer came on it; looked at while there are others.
    std::vector<std::pair<uint64_t, uint64_t>> answered_on;
    unsigned more_pings = 0;  // since the last group was proved
  };
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  using Domains = std::unordered_map<std::string, Domain, Hash, std::equal_to<>>;
  using Entry = Domains::value_type;  // stays where it is while it is in the table

  void close_group(Entry&, Time now, bool sure);
  void ping(Entry&, bool to_any_user);
  uint64_t covered(const Domain&) const;  // answers to this ping came on every connection
  void settle_until(Domain&, uint64_t ping, Fate);
  void settle_unsure(Domain&);
  void set_timer(Entry&, const Group&, Time at);
  void expire(Entry&, uint64_t ping, Time now);
  void count_unanswered(Domain&, const Group&);
  void settle(std::vector<Member>&, Fate);
  std::vector<Member> spare();
  void forget_idle(Time now);

  ProofUser& user_;
  Domains domains_;
  std::vector<Entry*> touched_;  // domains written to in this wakeup
  Deadlines<std::pair<Entry*, uint64_t>> due_;
  std::vector<std::vector<Member>> spares_;
  std::vector<uint64_t> others_;
  uint64_t pings_ = 0;
  std::size_t waiting_ = 0;
  std::size_t mute_ = 0;
  Time cleaned_{};
};

}  // namespace stox::xmpp
