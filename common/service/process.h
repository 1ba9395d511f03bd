// What every process of stox is: one actor under one skeleton. The skeleton owns loop, log, trace, control
// socket, metrics responder, signals and watchdog; the actor does the work.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/result.h"
#include "common/net/loop.h"
#include "common/service/config.h"
#include "common/service/log.h"
#include "common/service/trace.h"

namespace stox::service {

enum class State { kStarting, kReady, kStandby, kDraining };

struct Status {
  State state = State::kStarting;
  std::string reason;  // while not ready: what is missing and what to do
};

struct Metric {
  enum class Kind { kCounter, kGauge } kind;
  std::string name;  // stox_..., without addresses of users in any label
  std::string help;
  double value;
  std::vector<std::pair<std::string, std::string>> labels = {};
};

// What the skeleton gives an actor. Outlives it. `config` stays as it was at the start.
struct Context {
  net::Loop& loop;
  const Config& config;
  Identity identity;
  Log& log;
  Trace& trace;
  std::function<void()> status_changed;  // call when status() changes: tells sd_notify and the log
  // What stoxctl asks by way of another process: answered as at the control socket, both as JSON.
  std::function<void(std::string_view request, std::function<void(std::string)> reply)> answer = {};
};

using Reply = std::function<void(const nlohmann::json&)>;

class Process {
 public:
  virtual ~Process() = default;
  virtual Status status() const = 0;
  // Takes nothing new, finishes what is in flight, then calls `done`. Called once. The loop turns for
  // kLastTurns after that, so that what was written last can leave.
  virtual void drain(std::function<void()> done) = 0;
  // `stoxctl drain` (false) and `resume` (true): takes nothing new, finishes what is in flight, and goes on
  // living.
  virtual void accept_new(bool) = 0;
  // The drain's time is over, or a second signal came: answer what is left (503, a stanza error) now. The
  // loop turns for kLastTurns after this, then the process is destroyed.
  virtual void stop() {}
  // A new configuration has been read (HUP). It lives as long as the process does, and so do all before it;
  // listeners and names do not change.
  virtual void reload(const Config&) {}
  // {"peers":[{"name","state","since_ms"?...}], ...}: shown in `stoxctl status --json`.
  virtual nlohmann::json peers() const = 0;
  // What is remembered of single users' clients:
  // [{"peer","takes":[TEXT],"refuses":[TEXT],"forgotten_in_ms"}]; and forgetting it, of one or (empty) of
  // all: how many there were. `stoxctl peers`.
  virtual nlohmann::json known_peers() const;
  virtual std::size_t forget_peers(const std::string& /*peer*/) { return 0; }
  // Who sees whom: [{"from","to","kind","state","since_us","expires_us","error"}]. `from` and `to` are
  // addr-specs. Kind "watch": an XMPP user sees a SIP user; "watcher": the other way. Times are Unix times,
  // `expires_us` is 0 without a subscription. Of a user, by the ways to write him, or (empty) of all; and
  // forgetting what is known of him: how many there were. A front's only. `stoxctl presence`.
  virtual nlohmann::json presence(const std::vector<std::string>& user) const;
  virtual std::size_t forget_presence(const std::vector<std::string>& /*user*/) { return 0; }
  // SIP users in XMPP rooms: [{"user","room","nick","state","since_s","last_s","failures","acts"}]. Addresses
  // are bare JIDs, "state" is in, joining or out; "acts": this worker looks after it. Of some users, or
  // (empty) of all; and making them leave a room: how many there were. A worker's only. `stoxctl rooms`.
  virtual nlohmann::json rooms(const std::vector<std::string>& users) const;
  virtual std::size_t leave_room(const std::vector<std::string>& /*users*/, const std::string& /*room*/) {
    return 0;
  }
  // XMPP streams, for `stoxctl streams`: [{"own_domain","domain","direction","state","address","tls",
  // "authentication","bidi","stream_management","unacked","stanzas_in","stanzas_out","idle_ms","retry_ms",
  // "reason"}]. A worker's only.
  virtual nlohmann::json streams() const;
  // Closes the streams with a remote domain, or makes new ones at once. How many there were.
  virtual std::size_t close_streams(const std::string& /*domain*/, bool /*reconnect*/) { return 0; }
  // {"epoch",
  // "links":[{"peer","peer_epoch","up","sent","received","queued","resent","dropped","oldest_age_ms"}],
  //  "in_flight":{"count","limit","oldest_age_ms"} (edges only)}
  virtual nlohmann::json queues() const = 0;
  // [{"id","trace","from","to","stage","attempts","age_ms"}]
  virtual nlohmann::json inflight() const = 0;
  // What was given up, latest last: [{"id","trace","conversation","reason","text","at_us","age_ms","doubt",
  // "retried_us","retry"}].
  virtual nlohmann::json failed() const;
  virtual std::size_t forget_failed() { return 0; }  // how many there were
  // Submits such a message once more; one that was before, only with `again`. The trace id (hex) to follow it
  // by, or why that cannot be.
  virtual Result<std::string> retry(const std::string& id, bool again);
  // `stoxctl send`: {"from","to","text"} -> {"ok":bool,"trace":hex,"outcome":text,"error":text}, later.
  virtual void send(const nlohmann::json& request, Reply) = 0;
  virtual std::vector<Metric> metrics() const = 0;
  // Other processes of the site that this one can ask(), by their names.
  virtual std::vector<std::string> others() const { return {}; }
  // Over the bus. An empty reply: there is no way to it.
  virtual void ask(const std::string& /*process*/, const std::string& /*request*/,
                   std::function<void(std::string)> reply) {
    reply({});
  }
};

constexpr Duration kLastTurns = std::chrono::milliseconds(100);

// An error says what could not be had (a port in use, ...): the process ends with it, exit code 1.
using MakeProcess = std::function<Result<std::unique_ptr<Process>>(const Context&)>;

// The whole main() of a process: options, configuration, exit codes, signals. Returns the exit code.
int run(int argc, char** argv, Role, const MakeProcess&);

}  // namespace stox::service
