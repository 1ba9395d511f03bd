// An edge's links to mappers, which of them are ready, and what they say of the other edges. The edge's parts
// send by it. It calls nobody back: the edge asks it what has changed.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/edge/edge_options.h"
#include "common/bus/wire/link.h"
#include "common/bus/wire/wire.h"
#include "proto/control.pb.h"

namespace stox::bus {

// A ready mapper.
struct Route {
  Pipe pipe = 0;
  std::string name;
  uint64_t epoch = 0;
  bool operator==(const Route&) const = default;
};

class Mappers {
 public:
  // References must outlive it. `count`: pipes that the wire has already.
  Mappers(const EdgeOptions&, std::size_t count, Wire&, const Clock&);

  // Sending. What goes by a pipe that is not up is dropped.
  void put(Pipe, const pb::Item&);
  // The same, of an envelope that was sent before.
  void put_again(Pipe, const pb::Item&);
  // To the mapper of this name, or by one that lists the edge of this name. False: there is no way.
  bool pass_on(const std::string& to, const pb::Item&);
  // About once per pace: gives what was put to the wire. Returns when to call again (kNever: nothing is
  // left).
  Time flush();
  // Called when something was put while nothing was.
  void on_queued(std::function<void()> wake) { wake_ = std::move(wake); }

  const std::vector<Route>& routes() const { return ready_; }
  // What was sent by this route can still be answered through it (it may no longer be one of routes()).
  bool stands(const Route&) const;
  // A route whose mapper lists this edge; `preferred` if it does.
  std::optional<Route> route_to(const std::string& edge, const Route& preferred) const;
  // Every configured mapper is a route.
  bool all_ready() const;
  // The version of the edges that its mapper listed last.
  uint64_t members_seen(const Route& route) const { return mappers_[route.pipe].members_version; }
  // All edges, as the ready mappers list them, by name; without one, as they were known last.
  const std::vector<pb::Member>& members() const { return known_; }

  // What they are told of us.
  void set_serving(pb::Serving);
  bool drains() const { return serving_.state() == pb::DRAINING; }
  bool all_know_that_we_drain() const;  // those that are up

  // A pipe for a new one; its number may have been one that was removed.
  Pipe add();
  void leave(Pipe pipe) { mappers_[pipe].leaving = true; }  // nothing new goes by it
  bool is_left(Pipe pipe) const { return mappers_[pipe].leaving; }
  void remove(Pipe pipe) { mappers_[pipe].leaving = mappers_[pipe].removed = true; }

  std::size_t size() const { return mappers_.size(); }
  Link& link(Pipe pipe) { return mappers_[pipe].link; }
  bool restart_pending() const;  // none is ready, but one is there with other values of the shared keys
  Time heard() const;            // any of them, last
  std::vector<LinkFigures> links() const;

  // What happens to a pipe. Afterwards the edge updates.
  void open(Pipe);   // says hello
  bool close(Pipe);  // false: it was not up
  void beat(Pipe);
  void list(Pipe, const pb::Members&);
  bool update_routes();   // true: routes() are others
  bool update_members();  // true: members() are others

 private:
  // What a mapper said of the edges, while it is ready.
  struct Mapper {
    Link link;
    std::vector<pb::Member> members;
    uint64_t members_version = 0;
    uint64_t session = 0;
    bool leaving = false;  // nothing new goes there
    bool removed = false;  // its place is free
  };

  void hello(Pipe);
  bool is_newer(const pb::Member&, const pb::Member& than) const;

  const EdgeOptions& options_;
  const uint64_t process_epoch_;
  Wire& wire_;
  const Clock& clock_;
  std::function<void()> wake_;
  pb::Serving serving_;
  std::vector<Mapper> mappers_;
  std::vector<Route> ready_;
  std::map<std::string, std::vector<uint64_t>> process_epochs_;  // of every edge ever seen, newest last
  std::vector<pb::Member> known_;
  bool queued_ = false;
  Time last_flush_{};
  pb::Item item_;  // reused
};

}  // namespace stox::bus
