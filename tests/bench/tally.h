// What a run counts: each message has a number; it is sent, arrives at the other end, and is answered or not.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stox::bench {

// Percentiles of microseconds, at most 6 % off: 16 buckets for each power of two.
class Latency {
 public:
  void add(int64_t us);
  int64_t percentile(double fraction) const;

 private:
  std::array<uint64_t, 32 * 40> buckets_{};
  uint64_t count_ = 0;
};

class Tally {
 public:
  explicit Tally(uint32_t pairs) : last_of_pair_(pairs, -1) {}

  uint32_t pairs() const { return static_cast<uint32_t>(last_of_pair_.size()); }
  uint32_t pair_of(uint64_t number) const { return static_cast<uint32_t>(number % pairs()); }

  uint64_t send();                              // the number of the next message
  void arrived(uint64_t number, uint64_t way);  // `way`: what tells a copy of one transaction from a second
  void answered(uint64_t number, int status);   // first final answer; 200 to 299 is success
  void came_unasked() { ++strange_; }           // something came that no message explains

  uint64_t sent() const { return messages_.size(); }
  uint64_t arrived() const { return arrived_; }
  uint64_t ended() const { return ended_; }  // answered (SIP to XMPP), or arrived or refused (the other way)
  bool is_ended(uint64_t number) const { return messages_[number].ended; }
  void end_by_arrival() { end_by_arrival_ = true; }

  // JSON; call when nothing more is expected.
  std::string report(double seconds) const;

 private:
  struct Message {
    int64_t sent_us = 0;
    uint64_t way = 0;
    int status = 0;
    bool arrived = false, ended = false;
  };
  void end(Message&);

  std::vector<Message> messages_;
  std::vector<int64_t> last_of_pair_;
  std::map<int, uint64_t> statuses_;
  Latency one_way_, round_trip_;
  uint64_t arrived_ = 0, ended_ = 0, duplicated_ = 0, copies_ = 0, reordered_ = 0, strange_ = 0;
  bool end_by_arrival_ = false;
};

}  // namespace stox::bench
