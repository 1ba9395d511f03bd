// The commands of stoxctl. Each returns the exit code and prints to standard output; what went wrong goes to
// standard error.
#pragma once

#include <chrono>
#include <string>

#include "common/service/config.h"
#include "ctl/exit_code.h"
#include "ctl/site.h"

namespace stox::ctl {

struct Options {
  const service::Config& config;
  bool json = false;
};

struct ScreenOptions {
  bool on = false;
  unsigned every_s = 2;
  unsigned rounds = 0;  // then it ends; 0 = it goes on
};
ExitCode status(const Options&, const ScreenOptions&);
ExitCode top(const Options&, const ScreenOptions&);
ExitCode wait_ready(const Options&, std::chrono::milliseconds timeout);
ExitCode queues(const Options&);
ExitCode history(const Options&, const std::string& name);         // of the last hour; empty: of all
ExitCode inflight(const Options&, const std::string& name_or_id);  // empty: all edges
// What was given up or refused, and why; `retry`: one that was given up once more, and even if it was before.
ExitCode failed(const Options&, const std::string& name);
ExitCode purge_failed(const Options&);
ExitCode retry(const Options&, const std::string& id, bool again);
ExitCode messages(const Options&, const MessageOptions&);
ExitCode reload(const Options&);  // the configuration, by all processes
// Takes nothing new (drain), or takes it again.
ExitCode accept_new(const Options&, const std::string& name, bool on);
ExitCode rolling_restart(const Options&, std::chrono::milliseconds timeout);
// action: empty (shows them), close or reconnect, those of a domain.
ExitCode streams(const Options&, const std::string& action, const std::string& domain);
ExitCode trace(const Options&, const std::string& id);
ExitCode send(const Options&, const std::string& from, const std::string& to, const std::string& text,
              std::chrono::milliseconds timeout);
ExitCode peers(const Options&);                                  // what is remembered of users' clients
ExitCode forget_peers(const Options&, const std::string& peer);  // empty: all
// Who sees whom; of a user, written as SIP or XMPP users do, or (empty) all. And what is known of one is
// forgotten.
ExitCode presence(const Options&, const std::string& user);
ExitCode forget_presence(const Options&, const std::string& user);
// Which rooms SIP users are in; of one, written as on SIP or on XMPP, or (empty) of all. And making one
// leave.
ExitCode rooms(const Options&, const std::string& user);
ExitCode leave_room(const Options&, const std::string& user, const std::string& room);
ExitCode sip(const Options&);
struct TapOptions {
  unsigned for_s = 60;
  unsigned count = 0;    // messages; 0 = as many as come
  std::string from, to;  // part of an address, without case; empty = any
  bool bodies = false;
  bool refused = false;
};
ExitCode tap(const Options&, const TapOptions&);
struct WebOptions {
  std::string listen = "127.0.0.1:7380";  // of loopback; port 0: one that is free
  bool allow_actions = false;
};
ExitCode serve_page(const Options&, const WebOptions&);  // a page in the browser, until SIGINT or SIGTERM
ExitCode loglevel(const Options&, const std::string& name, const std::string& level, unsigned for_s);

}  // namespace stox::ctl
