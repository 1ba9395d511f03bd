// What stoxctl may ask a process, and the answers: {"command": "status"} -> {"ok": true, ...}, a failure is
// {"ok": false, "error": text}.
//   status           in_flight: as Process::queues(); messages (of fronts and workers): how many came in here
//   and ended, by their ending; "seconds" they took in all; "per_second" over the last minute. And name,
//   role, state, reason, state_ms, pid, version, uptime_ms, and all of Process::peers(); if there are any,
//   warnings: what works and should not stay so, and restart_pending: keys that were changed in the file and
//   that only a restart brings;
//                    state_ms: how long it has been in that state, or ready with a reason
//   queues           name, and all of Process::queues()
//   history          step_ms, and points: History::columns()
//   inflight         inflight: Process::inflight()
//   failed           failed: Process::failed(); refused: the last messages that came in here and that the
//   other side, or a rule of ours, refused, as in messages
//   forget_failed    forgotten: how many these were
//   messages users, domain, failed, last     messages: the last that came in here:
//   [{"trace","envelope","message_id",
//                    "from","to","ending","outcome","came_us","ended_us"}], ending "" while it is under way.
//                    users: parts of an address, of which one is in either; failed: only such
//   retry    id, again   trace: of the message that was submitted once more
//   drain, resume    as status, after Process::accept_new()
//   reload           taken, waiting, error: as Reloaded
//   restart          as status; it drains and ends, and its supervisor starts it again
//   streams  action ("", close, reconnect), domain     streams: Process::streams(), or count
//   presence user    presence: Process::presence(); user: the ways to write one, a list
//   forget_presence  user     forgotten: how many there were
//   rooms    user    rooms: Process::rooms(); user: the ways to write one, a list
//   leave_room  user, room    left: of how many
//   trace    id      hops: those that the id names, oldest first
//   others   others: [{"name"}], the processes that a relay can reach
//   relay    to, request: what the process `to` answers to the request, asked over the bus; a failure with
//            "unreachable": true if there is no way to it
//   send     from, to, text     what Process::send says, when it is known
//   loglevel level, for_s (0 = for good)     was: the level before
//   tap      see tap.h
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/service/history.h"
#include "common/service/process.h"
#include "common/service/tap.h"

namespace stox::service {

// What came of reading the configuration again.
struct Reloaded {
  std::vector<std::string> taken;  // keys that have changed, and their new values are in use
  std::vector<std::string>
      waiting;        // those that differ from what the process runs with, until it is restarted
  std::string error;  // all stays as it was, because of this; several lines
};

class Commands {
 public:
  // What the skeleton does. `restart` begins to drain, and returns.
  struct Actions {
    std::function<Status()> status;
    std::function<void()> restart;
    std::function<Reloaded()> reload;
  };
  // Everything must outlive it.
  Commands(const Context&, Process&, Actions, Time started);

  void answer(const nlohmann::json& request, const Reply&);
  // The level that the configuration says, from now on.
  void reset_level(Level);
  // What works and should not stay so: in the answer to status as "warnings", if there are any.
  void set_warnings(std::vector<std::string> warnings) { warnings_ = std::move(warnings); }
  // Keys that have changed in the file, and that only a restart brings: "restart_pending".
  void set_restart_pending(std::vector<std::string> keys) { restart_pending_ = std::move(keys); }
  // For state_ms: may be called often.
  void state_is(const Status&);
  // To be called every History::kStep.
  void add_to_history();

 private:
  nlohmann::json status();
  nlohmann::json streams(const nlohmann::json& request);
  nlohmann::json messages_json() const;
  nlohmann::json failed() const;
  nlohmann::json forget_failed();
  nlohmann::json messages(const nlohmann::json& request) const;
  nlohmann::json trace(const nlohmann::json& request) const;
  nlohmann::json others() const;
  void relay(const nlohmann::json& request, const Reply&);
  nlohmann::json set_level(const nlohmann::json& request);

  const Context& context_;
  Process& process_;
  Actions actions_;
  Time started_;
  State state_ = State::kStarting;
  bool has_reason_ = true;
  int64_t forgotten_us_ = 0;  // what failed until then is not listed
  Time since_;                // the two became so
  std::vector<std::string> warnings_, restart_pending_;
  Level usual_level_;
  net::Alarm level_ends_;
  History history_;
  Tap tap_;
};

}  // namespace stox::service
