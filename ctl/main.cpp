// stoxctl: asks the processes of a site over their control sockets.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "common/base/text.h"
#include "common/service/config.h"
#include "common/service/log.h"
#include "common/service/running_config.h"
#include "ctl/commands.h"
#include "ctl/doctor.h"
#include "ctl/import.h"
#include "ctl/keys.h"
#include "ctl/processes.h"

namespace {

using namespace stox;

struct Arguments {
  std::string file = "/etc/stox/stox.toml";
  bool json = false;
  double timeout_s = 30;
  std::string action, domain, name, id, from, to, text, level;
  ctl::KeysOptions keys;
  unsigned for_s = 0;
  ctl::TapOptions tap;
  ctl::MessageOptions messages;
  ctl::ScreenOptions watch;
  ctl::WebOptions web;
  std::string user = "stox";
  bool clear = false, again = false;
};

using Run = std::function<ctl::ExitCode(const ctl::Options&)>;

std::chrono::milliseconds ms_of(double s) {
  return std::chrono::milliseconds(static_cast<int64_t>(s * 1000));
}

// Of a screen that is shown again and again.
void add_watch_options(CLI::App* command, Arguments& a, CLI::Option* needed) {
  CLI::Option* const all[] = {
      command->add_option("--every", a.watch.every_s, "seconds between two looks")
          ->check(CLI::Range(1, 3600))
          ->capture_default_str(),
      command->add_option("--count", a.watch.rounds, "looks, then it ends")->check(CLI::Range(1, 1'000'000))};
  for (CLI::Option* one : all) {
    if (needed != nullptr) one->needs(needed);
  }
}

// Each command, with what it runs.
void add_commands(CLI::App& app, Arguments& a, Run* run) {
  const auto add = [&](const char* name, const char* does, Run what) {
    CLI::App* command = app.add_subcommand(name, does);
    command->callback([run, what] { *run = what; });
    return command;
  };
  CLI::App* status = add("status", "every configured process: its state, and why",
                         [&](const auto& o) { return ctl::status(o, a.watch); });
  CLI::Option* watch = status->add_flag("--watch", a.watch.on, "again and again, until Ctrl-C");
  add_watch_options(status, a, watch);
  add_watch_options(add("top", "rates, depths and ages, live until Ctrl-C",
                        [&](const auto& o) { return ctl::top(o, a.watch); }),
                    a, nullptr);
  add("wait-ready", "returns 0 when all are ready",
      [&](const auto& o) { return ctl::wait_ready(o, ms_of(a.timeout_s)); })
      ->add_option("--timeout", a.timeout_s, "seconds, then it returns 1")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  add("queues", "what is between the processes, and what is in flight",
      [](const auto& o) { return ctl::queues(o); });
  add("history", "rates, latency and depth of the last hour", [&](const auto& o) {
    return ctl::history(o, a.name);
  })->add_option("NAME", a.name, "a process; all if left out");
  add("inflight", "the envelopes in flight", [&](const auto& o) {
    return ctl::inflight(o, a.name);
  })->add_option("NAME", a.name, "a process, or an envelope's or trace's id; all if left out");
  CLI::App* messages = add("messages", "the last messages, and how each ended",
                           [&](const auto& o) { return ctl::messages(o, a.messages); });
  messages->add_option("--user", a.messages.user, "part of the sender's or recipient's address");
  messages->add_option("--domain", a.messages.domain, "domain of the sender or recipient");
  messages->add_flag("--failed", a.messages.failed, "only those that did not arrive");
  messages->add_option("--last", a.messages.last, "how many")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  CLI::App* failed = add("failed", "what was given up and what was refused, and why", [&](const auto& o) {
    return a.clear ? ctl::purge_failed(o) : ctl::failed(o, a.name);
  });
  failed->add_option("NAME", a.name, "a process; all if left out");
  failed->add_subcommand("purge", "forgets it")->callback([&a] { a.clear = true; });
  CLI::App* retry = add("retry", "sends once more what was given up",
                        [&](const auto& o) { return ctl::retry(o, a.id, a.again); });
  retry->add_option("ID", a.id, "as `failed` shows it, or its trace")->required();
  retry->add_flag("--again", a.again, "also what was sent once more already");
  add("reload", "lets all processes read the configuration and certificates again, and says what they took",
      [](const auto& o) { return ctl::reload(o); });
  add("import",
      "stox.toml from an openser.cfg, kamailio.cfg or opensips.cfg with its xmpp module, to standard output",
      {})
      ->add_option("FILE", a.name, "the configuration of the SIP server")
      ->required();
  CLI::App* doctor =
      add("doctor", "looks for everything that keeps the site from working, and says what to do about it",
          [&](const auto& o) { return ctl::doctor(o, a.user, a.to); });
  doctor->add_option("--user", a.user, "whose rights count, if root asks")->capture_default_str();
  doctor->add_option("--to", a.to, "a JID that gets a message by the SIP proxy; nobody does if left out");
  add("drain", "lets a process take nothing new",
      [&](const auto& o) { return ctl::accept_new(o, a.name, false); })
      ->add_option("NAME", a.name, "a process")
      ->required();
  add("resume", "lets it take new messages again",
      [&](const auto& o) { return ctl::accept_new(o, a.name, true); })
      ->add_option("NAME", a.name, "a process")
      ->required();
  add("rolling-restart", "restarts every process of the site, one after another",
      [&](const auto& o) { return ctl::rolling_restart(o, ms_of(a.timeout_s)); })
      ->add_option("--timeout", a.timeout_s, "seconds that one may take to be ready again, besides draining")
      ->check(CLI::Range(0.0, 86'400.0))
      ->capture_default_str();
  add("units", "the systemd units of the processes that the configuration names", [](const auto& o) {
    fmt::print("{}", ctl::units(o.config));
    return ctl::kFine;
  });
  CLI::App* streams = add("streams", "the XMPP streams, and why those that are not up are not",
                          [&](const auto& o) { return ctl::streams(o, a.action, a.domain); });
  CLI::Option* action = streams->add_option("ACTION", a.action, "close or reconnect those with a domain")
                            ->check(CLI::IsMember({"close", "reconnect"}));
  action->needs(streams->add_option("DOMAIN", a.domain, "the other server's domain"));
  add("reconnect", "connects to an XMPP server now, without waiting for the next try",
      [&](const auto& o) { return ctl::streams(o, "reconnect", a.name); })
      ->add_option("NAME", a.name, "a worker, its component's name, or the other server's domain")
      ->required();
  add("trace", "one message's way, hop by hop", [&](const auto& o) { return ctl::trace(o, a.id); })
      ->add_option("ID", a.id, "envelope id, trace id or its first digits, Call-ID or stanza id")
      ->required();

  CLI::App* send = add("send", "puts a message in and waits for its outcome", [&](const auto& o) {
    // The longest time an envelope may take, and a little.
    return ctl::send(o, a.from, a.to, a.text, std::chrono::seconds(70));
  });
  send->add_option("--from", a.from, "SIP URI, or JID")->required();
  send->add_option("--to", a.to, "of the same kind")->required();
  send->add_option("TEXT", a.text, "what it says")->required();

  CLI::App* peers = add("peers", "what users' clients are known to take, or to refuse",
                        [&](const auto& o) { return a.clear ? ctl::forget_peers(o, a.id) : ctl::peers(o); });
  peers->add_subcommand("clear", "forgets it")
      ->callback([&a] { a.clear = true; })
      ->add_option("URI", a.id, "of one peer; all if left out");

  CLI::App* presence =
      add("presence", "who sees whom: XMPP users watch SIP users, and are watched by them",
          [&](const auto& o) { return a.clear ? ctl::forget_presence(o, a.id) : ctl::presence(o, a.name); });
  presence->add_option("--user", a.name, "a user's address, as SIP or as XMPP users write it");
  presence->add_subcommand("forget", "ends it, so that all begins anew; nobody is removed from a roster")
      ->callback([&a] { a.clear = true; })
      ->add_option("USER", a.id, "a user's address, as SIP or as XMPP users write it")
      ->required();

  CLI::App* rooms = add("rooms", "which XMPP rooms SIP users are in", [&](const auto& o) {
    return a.clear ? ctl::leave_room(o, a.name, a.id) : ctl::rooms(o, a.name);
  });
  CLI::Option* who = rooms->add_option("--user", a.name, "a SIP user's address, as on SIP or on XMPP");
  CLI::App* leave = rooms->add_subcommand("leave", "makes this user leave a room");
  leave->callback([&a] { a.clear = true; });
  leave->add_option("ROOM", a.id, "its address")->required();
  leave->needs(who);

  add("sip", "the SIP fronts: listeners, connections, transactions, what was refused and why",
      [](const auto& o) { return ctl::sip(o); });
  CLI::App* tap =
      add("tap", "messages as they pass, live", [&](const auto& o) { return ctl::tap(o, a.tap); });
  tap->add_option("--for", a.tap.for_s, "seconds, then it ends")
      ->check(CLI::Range(1, 86'400))
      ->capture_default_str();
  tap->add_option("--count", a.tap.count, "messages, then it ends")->check(CLI::Range(1, 1'000'000));
  tap->add_option("--from", a.tap.from, "part of the sender's address");
  tap->add_option("--to", a.tap.to, "part of the recipient's address");
  tap->add_flag("--bodies", a.tap.bodies, "with what they say");
  tap->add_flag("--refused", a.tap.refused, "SIP packets that were refused, and why");

  CLI::App* web = add("web", "a page in the browser: the site, its queues and messages, live",
                      [&](const auto& o) { return ctl::serve_page(o, a.web); });
  web->add_option("--listen", a.web.listen, "address of loopback, and port")->capture_default_str();
  web->add_flag("--allow-actions", a.web.allow_actions,
                "the page may drain, resume, retry, reconnect, reload, and forget what failed");

  CLI::App* loglevel = add("loglevel", "changes what a process logs",
                           [&](const auto& o) { return ctl::loglevel(o, a.name, a.level, a.for_s); });
  loglevel->add_option("NAME", a.name, "a process")->required();
  loglevel->add_option("LEVEL", a.level)
      ->required()
      ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error"}));
  CLI::App* keys = add("keys", "makes the keys of the bus by TCP, and says what to write where", {});
  keys->add_option("--directory", a.keys.directory, "where")->capture_default_str();
  keys->add_option("--group", a.keys.group, "of the processes, if root makes them")->capture_default_str();
  keys->add_option("NAME", a.keys.names, "sections; all of the configuration, and the mappers, if left out");

  loglevel->add_option("--for", a.for_s, "seconds, then back (default: for good)")
      ->check(CLI::Range(0, 86'400));
}

// The word that should be a command and is none.
void tell_unknown(const CLI::App& app, const std::string& word) {
  std::vector<std::string> names;
  for (const CLI::App* one : app.get_subcommands({})) names.push_back(one->get_name());
  const auto near = nearest(word, names);
  fmt::print(stderr, "there is no command \"{}\"; {}\n", service::printable(word, 100),
             near ? fmt::format("did you mean {}?", *near) : "--help lists them");
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  Run run;
  CLI::App app("stoxctl: looks at a running stox and asks it to do things", "stoxctl");
  app.set_version_flag("-v,--version", "stoxctl " STOX_VERSION, "print it and exit");
  app.add_option("-f,--config", arguments.file, "the site's configuration")->capture_default_str();
  app.add_flag("--json", arguments.json, "for scripts");
  app.footer("Exit: 0 fine, 1 trouble found, 2 wrong usage, 3 unreachable.");
  app.require_subcommand(1);
  app.fallthrough();
  add_commands(app, arguments, &run);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    if (const auto words = app.remaining(); app.get_subcommands().empty() && !words.empty()) {
      tell_unknown(app, words.front());
      return ctl::kUsage;
    }
    return app.exit(e) == 0 ? ctl::kFine : ctl::kUsage;
  }
  if (app.got_subcommand("import")) return ctl::import_file(arguments.name, arguments.json);
  if (app.got_subcommand("keys")) {  // comes before a whole configuration
    arguments.keys.file = arguments.file;
    return ctl::keys(arguments.keys);
  }
  const service::Environment environment = service::read_environment();
  const auto loaded = service::load_config(arguments.file, service::Role::kCtl, "", environment);
  if (loaded) return run({loaded->config, arguments.json});
  fmt::print(stderr, "{}\n", service::printable_lines(loaded.error().text));
  const auto running = service::read_running_config(arguments.file, environment);
  if (!running) return ctl::kUsage;
  fmt::print(stderr, "stoxctl goes on with what the running processes have read before\n");
  const ctl::ExitCode code = run({*running, arguments.json});
  return code == ctl::kFine && app.got_subcommand("status") ? ctl::kTrouble : code;
}
