// All XMPP streams of the process, of whichever backend. They run by themselves on the loop, and tell
// xmpp::PathsUser what comes.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "common/service/config.h"
#include "common/service/process.h"
#include "proto/control.pb.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::worker {

class Streams : public xmpp::Paths {
 public:
  virtual void start() = 0;
  virtual void stop() = 0;  // closes all, behind what has been sent, and opens none any more
  virtual bool is_stopped() const = 0;

  // Whether messages can be taken, and while not, what is missing and what to do.
  virtual service::Status status() const = 0;
  virtual pb::Backend backend() const = 0;
  // Ready, but not answered by the server, and for how long; nothing: it answers.
  struct Silence {
    std::string server;
    Duration for_time;
  };
  virtual std::optional<Silence> silence() const { return {}; }
  // What comes now waits for a stream, if there is none (may_hold() in to_xmpp.h).
  virtual bool holds(Time) const { return true; }
  // Another worker that is the same domain has a stream to the server; empty: none.
  virtual void set_holder(const std::string& /*worker*/) {}
  // Streams by which answers came that ended with some of them perhaps lost, since the start.
  virtual uint64_t broken() const { return 0; }
  // Of a component: to which connection the server may send to us (0: none). Told to the other workers before
  // it is made: it waits for may_connect(), again after each state_changed().
  virtual uint64_t connection() const { return 0; }
  virtual void may_connect() {}
  virtual void renew_connection() {}  // as xmpp::Component
  // Another worker lost its connection, which the server may not know yet.
  virtual void other_lost() {}
  // A keepalive that this process wrote came to another worker of the domain.
  virtual void keepalive_came_elsewhere(uint64_t /*number*/) {}
  virtual void reload(const service::XmppWorkerConfig&) = 0;

  virtual nlohmann::json list() const = 0;     // for Process::peers()
  virtual nlohmann::json streams() const = 0;  // for Process::streams()
  // Those with a remote domain. Reconnecting also knows the name of our process, section or component.
  virtual std::size_t close(const std::string& /*domain*/, bool /*reconnect*/) { return 0; }
  virtual void add_metrics(std::vector<service::Metric>&) const = 0;
};

}  // namespace stox::worker
