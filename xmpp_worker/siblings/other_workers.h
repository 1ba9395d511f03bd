// The other workers that are the same domains on XMPP, as the bus knows them: to whom answers are handed
// over, and, of components, on whose connections ours may come (xmpp::Proof). For what comes on a connection
// that we do not know of we would not wait, so each worker tells the others of a connection before it makes
// it, and makes it when they have said that they know.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/base/placement.h"
#include "proto/control.pb.h"

namespace stox::worker {

class OtherWorkers {
 public:
  OtherWorkers(std::string own_name, std::vector<std::string> serves);

  // True: answers of ours may have been sent, or still be, to a connection of another worker that is no more.
  bool update(const std::vector<pb::Member>&);

  // Components' connections to the server besides our own.
  const std::vector<uint64_t>& connections() const { return connections_; }
  static uint64_t connection(std::string_view worker, uint64_t number);  // never 0
  bool has_been() const { return has_been_; }                            // one to which answers may come
  std::string holder() const;  // one that has such a connection; empty: none
  bool any() const { return !alike_.empty(); }
  // Whether it is or was one of them, as long as we have run. One that has drained does not say so any more.
  bool has_been_alike(const std::string& name) const { return ever_.contains(name); }
  std::vector<std::string> names() const;
  std::vector<PlacedWorker> ready() const;         // those that have streams
  std::map<std::string, uint64_t> epochs() const;  // of their processes, by name

  // Those of whose connections update() has learned, for us to say that we know.
  std::vector<pb::Member> take_news() { return std::exchange(news_, {}); }
  void announce(uint64_t connection, Time now);  // ours, which is to be made
  void known_by(std::string_view worker, uint64_t connection);
  bool may_connect(bool has_mapper, Time now) const;

 private:
  bool is_alike(const pb::Member&) const;

  std::string own_name_;
  std::vector<std::string> serves_;
  std::vector<pb::Member> alike_;
  std::set<std::string> ever_;
  std::vector<uint64_t> connections_;
  std::vector<pb::Member> news_;
  bool has_been_ = false;
  uint64_t announced_ = 0;
  Time announced_at_{};
  std::map<std::string, uint64_t, std::less<>> known_by_;  // by worker, which of ours
};

}  // namespace stox::worker
