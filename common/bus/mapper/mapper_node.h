// A mapper's end of the bus: knows the edges that said hello, tells each of the others, passes envelopes,
// outcomes, asks, answers and hand-overs on. Keeps nothing that a restart could lose. Free of I/O, as Edge.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/bus/wire/link.h"
#include "common/bus/wire/wire.h"
#include "proto/control.pb.h"

namespace stox::bus {

struct Forward {
  std::string to;  // name of the edge
};
struct Refuse {
  pb::Refused::Why why;
  std::string text;
};
struct EndWith {
  pb::Outcome outcome;  // in the origin's words; nothing was begun (addresses that cannot be mapped, ...)
};
using Placement = std::variant<Forward, Refuse, EndWith>;

class MapperUser {
 public:
  virtual ~MapperUser() = default;
  // Translates the body in place and says where it goes, unless the envelope names its edge. Refuses what it
  // does not know, as UNKNOWN_BODY.
  virtual Placement place(pb::Envelope&) = 0;
  // Translates an outcome in place into the words of the origin's side.
  virtual void translate(pb::Outcome&) = 0;
  virtual void asked(const std::string& /*from*/, std::string_view /*text*/,
                     std::function<void(std::string)> reply) {
    reply({});
  }  // as EdgeUser
  // An edge has come: a process that was not connected here before.
  virtual void came(const pb::Member&) {}
  // Somebody was not let in, or sent what cannot be read; for people. May come again and again.
  virtual void refused(const std::string& /*text*/) {}
};

struct MapperOptions {
  std::string name;
  uint64_t epoch = 0;
  std::vector<std::string>
      expected;  // names of configured edges; ready when all have said hello, or after three heartbeats
  uint64_t shared = 0;  // as EdgeOptions
  // Why the process at the other end of the pipe may not be this one, for people; empty: it may.
  std::function<std::string(Pipe, const pb::Member&)> objection = {};
};

class MapperNode : public WireUser {
 public:
  MapperNode(MapperOptions, Wire&, const Clock&, MapperUser&);
  ~MapperNode() override;

  Time turn();   // as Edge::turn
  void flush();  // gives everything queued to the wire; call at the end of each wakeup
  void on_queued(std::function<void()> wake) { wake_ = std::move(wake); }
  void expect(std::vector<std::string> edges);  // MapperOptions::expected, anew
  void reconsider();           // who of those connected may stay, as MapperOptions::objection says now
  void drain(bool on = true);  // refuses new envelopes while on; outcomes still pass

  void ask(const std::string& to, std::string_view text,
           std::function<void(std::string)> reply);  // as Calls

  bool ready() const;
  std::string missing() const;  // configured edges that have not said hello, for people; empty = none
  const std::vector<pb::Member>& members() const;  // edges connected now
  // Whether it has the same values of the shared keys; who has not is given nothing, and heard in nothing
  // new.
  bool has_our_configuration(const pb::Member&) const;
  // Edges that were connected and are not, and since when; bounded.
  const std::map<std::string, Time>& gone() const;
  uint64_t members_version() const;  // changes whenever members() does
  std::vector<LinkFigures> links() const;
  uint64_t epoch() const;

  void opened(Pipe) override;
  void frame(Pipe, std::string_view bytes) override;
  void closed(Pipe) override;

 private:
  struct State;
  std::unique_ptr<State> s_;
  std::function<void()> wake_;
};

}  // namespace stox::bus
