// The non-INVITE server transactions of a UAS (RFC 3261 17.2.2, 17.2.3, with RFC 4320). Free of I/O: requests
// and time come in, responses go out by a FlowSender. INVITE transactions would be a second table beside
// this one.
//
//   Trying --3.5 s--> Proceeding --final--> Completed --Timer J--> gone
//      \-----------------final----------------^   (reliable transports: gone at once)
#pragma once

#include <array>
#include <deque>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "common/base/deadlines.h"
#include "sip_front/sip/message/flow.h"
#include "sip_front/sip/message/message.h"
#include "sip_front/sip/message/writer.h"
#include "sip_front/sip/transaction/table.h"
#include "sip_front/sip/transport/outlet.h"

namespace stox::sip {

// Where a response to a request that arrived by `arrived` goes (18.2.2, RFC 3581): to its real source; over
// UDP to the port of sent-by unless rport asks for the source's, or sent-by cannot be read. Only who is
// trusted may have it sent elsewhere, by a maddr that is an address of the family that the request came by.
Flow response_flow(const Flow& arrived, const Via& top, bool trusted);

class ServerTransactions {
 public:
  enum class Match {
    kNew,     // to be opened, or answered without a transaction
    kCopy,    // a retransmission; what had to be sent was sent
    kMerged,  // the same request by another way (8.2.2.2): 482
    kReused,  // the same but for its body, which makes it another message, sent wrongly: 482
  };
  static constexpr std::size_t kBytesEach = 1024;

  // Over `max_completed` Completed transactions, or kBytesEach times as many bytes in them, the oldest goes
  // before its Timer J. `seed`, which nobody outside must know, is that of the tables. The sender must
  // outlive this.
  ServerTransactions(std::size_t max_completed, uint64_t seed, const TagKey&, FlowSender&);

  // A request of a trusted peer, neither ACK nor CANCEL, as it came by `arrived`.
  Match match(const Message& request, const Flow& arrived);
  // Opens a transaction for the request that match() just found new.
  Id open(const Message& request, const Flow& arrived, Time now);
  // Sends a final response; returns the method of its request. Nothing happens when one has been sent:
  // kUnknown.
  Method respond(Id, uint16_t status, std::string_view reason, const ResponseHeaders&, Time now);
  // Whether the transaction is there that this CANCEL means (9.2).
  bool has_cancelled(const Message& cancel);

  // Fires the timers that are due; returns when to call again.
  Time turn(Time now);

  std::size_t waiting() const { return slots_.size() - completed_count_; }  // Trying and Proceeding
  std::size_t completed() const { return completed_count_; }
  std::size_t completed_bytes() const { return completed_bytes_; }
  uint64_t copies() const { return copies_; }            // retransmissions absorbed
  uint64_t crowded_out() const { return crowded_out_; }  // gone before Timer J

 private:
  enum class State : uint8_t { kTrying, kProceeding, kCompleted };
  // A keyed hash of 128 bits stands for the text: nobody outside can find two texts of one.
  using Key = std::array<uint64_t, 2>;
  struct Transaction {
    State state;
    Method method;
    Key key;        // what identifies it (17.2.3), but for the method
    Key merge_key;  // what identifies the request, whichever way it came
    uint64_t body_hash;
    Flow flow;
    ResponseHead head;  // Completed: its lines are the whole response
  };

  static std::size_t bytes_of(const Transaction&);
  Key key_of_text() const;
  Key key_of(const Message&);
  Key merge_key_of(const Message&);
  void again(Transaction&);
  void terminate(Id);

  std::size_t max_completed_;
  uint64_t seed_;
  TagKey tag_key_;
  FlowSender& sender_;
  Slots<Transaction> slots_;
  HashIndex by_key_, by_merge_key_;
  Deadlines<Id> trying_;                       // RFC 4320's 100
  std::deque<std::pair<Time, Id>> completed_;  // Timer J: the same for all, so in order
  std::size_t completed_count_ = 0, completed_bytes_ = 0;
  uint64_t copies_ = 0, crowded_out_ = 0;
  Key key_{}, merge_key_{};  // of the request that match() was given last
  std::string text_, out_;   // scratch
};

}  // namespace stox::sip
