// The journal of a worker: each stanza that was accepted from XMPP is in it until it has ended: delivered, or
// its error handed to the stream. No server sends again what it has written to us, so what a dead process had
// in hand is only here.
//
// While it cannot be written, trouble() says why; each commit() and, while there is trouble, each second
// tries again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/edge/origin.h"
#include "common/journal/journal.h"
#include "common/service/log.h"
#include "proto/delivery.pb.h"
#include "proto/envelope.pb.h"
#include "proto/journal.pb.h"

namespace stox::worker {

class StanzaJournal {
 public:
  // A stanza that another process before us had accepted.
  struct Left {
    int64_t row = 0;
    pb::AcceptedStanza stanza;
    Time accepted{};
    uint32_t openings = 0;  // processes that went on with it, this one included
    bool failed = false;    // its outcome is known, its error was not handed to the stream
    pb::Outcome outcome;
  };

  // Clock and log must outlive it.
  StanzaJournal(std::string path, journal::Sync, const Clock&, service::Log&);

  // Until it succeeds.
  Result<std::vector<Left>> open();
  bool is_open() const { return journal_.is_open(); }
  bool is_taken() const { return journal_.is_taken(); }  // by another process

  // The envelope has its id. `from`, `to`: as they stood on the stanza.
  int64_t add(pb::Envelope&, std::string_view from, std::string_view to, Time now);
  // Makes all that was added last; false: nothing of it is there, nor will be.
  bool commit();
  void ended(int64_t row);                       // written down soon
  void failed(int64_t row, const pb::Outcome&);  // its error could not be handed to the stream yet
  void told(int64_t row);                        // its error was, written down in this wakeup

  void set_targets(const std::vector<bus::PossibleTarget>&);
  std::vector<bus::PossibleTarget> targets() const;  // those of the process before, after open()

  void turn(Time now);
  Time next() const { return next_; }
  std::size_t size() const { return journal_.size(); }
  const std::string& trouble() const { return trouble_; }
  const std::string& path() const { return journal_.path(); }

 private:
  void tell(const Result<void>&);

  journal::Journal journal_;
  const Clock& clock_;
  service::Log& log_;
  const std::string boot_;
  std::string trouble_;
  Time next_ = kNever;
  std::string told_targets_;
  pb::AcceptedStanza stanza_;  // reused
};

}  // namespace stox::worker
