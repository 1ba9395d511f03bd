// The way of presence from XMPP to the bus: what users ask of SIP users, grant and refuse them, and in which
// state they are. What a user asks goes to the one front that watches the SIP user for him; the rest goes to
// all fronts, of which those that have a watcher of the user take it, or had the watch that he ends (another
// may have it from while that one was away). Each takes one envelope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/service/log.h"
#include "common/service/trace.h"
#include "proto/control.pb.h"
#include "proto/envelope.pb.h"
#include "xmpp_worker/presence/fronts.h"
#include "xmpp_worker/services/stanza_sender.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::worker {

class PresenceToSipUser {
 public:
  virtual ~PresenceToSipUser() = default;
  // As bus::Origin::room and submit; the reason tells why nothing was taken.
  virtual Result<void> room(std::size_t more, pb::Reason*) = 0;
  virtual Result<uint64_t> submit_presence(pb::Envelope&, Time begin_before, Time end_by, pb::Reason*) = 0;
  virtual std::string new_trace_id() = 0;
};

class PresenceToSip {
 public:
  struct Figures {
    uint64_t taken = 0, dropped = 0, refused = 0;
  };

  // `kept_free`: of the room for envelopes, for what is no presence. All references must outlive it.
  PresenceToSip(std::size_t kept_free, const Clock&, service::Log&, service::Trace&, StanzaSender&,
                PresenceToSipUser&);

  // A presence stanza to a domain of ours and from none. False: it is not about a user and a SIP user, and
  // nothing was done.
  bool take(const xmpp::Stanza&);
  void set_members(const std::vector<pb::Member>& members) { fronts_.update(members); }
  // False: it is none of its own, or one of which nobody is told.
  bool ended(uint64_t number, const pb::Outcome&);
  void stop();  // who waits for what he asked is told to ask again

  const Figures& figures() const { return figures_; }

 private:
  struct Asked {  // a subscription, by addresses as they stood on the stanza
    std::string from, to, id;
  };

  std::vector<std::string> targets(const pb::Presence&, const std::string& pair) const;
  void submit(const pb::Presence&, const std::string& pair, const std::string& front, const Asked*);
  void not_taken(const pb::Presence&, const Asked*, const pb::Outcome&);
  void refuse(const Asked&, const pb::Outcome&);

  std::size_t kept_free_;
  const Clock& clock_;
  service::Log& log_;
  service::Trace& trace_;
  StanzaSender& sender_;
  PresenceToSipUser& user_;
  Fronts fronts_;
  std::unordered_map<uint64_t, Asked> asked_;  // by the number of the envelope
  Figures figures_;
};

}  // namespace stox::worker
