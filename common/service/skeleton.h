// The life of one process: it holds everything that is not the actor's work, starts in an order in which each
// failure can be told plainly, turns the loop, and ends by signals.
#pragma once

#include <asio/signal_set.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "common/net/loop.h"
#include "common/service/commands.h"
#include "common/service/config.h"
#include "common/service/control_socket.h"
#include "common/service/http_responder.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "common/service/trace.h"
#include "common/service/watchdog.h"

namespace stox::service {

// The exit code of a process that was asked to restart (EX_TEMPFAIL of sysexits.h): to every supervisor an
// end after which it starts the process again.
constexpr int kStartAgain = 75;

class Skeleton {
 public:
  // `read_again` reads the configuration as at the start (HUP).
  Skeleton(Loaded, std::function<Result<Loaded>()> read_again);

  // Returns the exit code: 0 stopped as asked, 1 failed, kStartAgain.
  int run(const MakeProcess&);

 private:
  Result<void> start(const MakeProcess&);
  Result<void> start_metrics();
  void wait_for_signal();
  void take_signal(int number);
  void restart();
  void drain(const std::string& why);
  void stop(const std::string& why);
  Reloaded reload(const char* asked_by);
  Reloaded read_anew(const char* asked_by);
  void warn(std::vector<std::string> warnings);
  Status status() const;
  void tell_status();
  HttpAnswer http_answer(std::string_view path) const;
  void answer(std::string_view request, const std::function<void(std::string)>& reply);
  std::string last_words() const;

  net::Loop loop_;
  std::list<Config> configs_;  // all that were read: the actor may refer to any
  const Identity identity_;
  std::function<Result<Loaded>()> read_again_;
  std::vector<std::string> warnings_;  // of the configuration
  Log log_;
  Trace trace_;
  const Time started_;
  const int64_t started_us_;
  int64_t reloaded_us_ = started_us_;  // the configuration was read without errors
  bool reload_failed_ = false;
  const Context context_;
  asio::signal_set signals_;
  net::Alarm drain_ends_;
  net::Alarm last_turn_;
  net::Alarm next_point_;  // of the history
  bool draining_ = false;
  bool stopping_ = false;
  int exit_code_ = 0;
  State told_state_ = State::kStarting;
  std::string told_reason_;

  std::unique_ptr<ControlSocket> control_;
  std::unique_ptr<HttpResponder> http_;
  std::unique_ptr<Process> process_;
  std::unique_ptr<Commands> commands_;
};

}  // namespace stox::service
