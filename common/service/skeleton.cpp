#include "common/service/skeleton.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/service/json_text.h"
#include "common/service/last_words.h"
#include "common/service/metrics.h"
#include "common/service/notify.h"
#include "common/service/running_config.h"

namespace stox::service {
namespace {

constexpr int kAsked[] = {SIGTERM, SIGINT, SIGHUP};  // what an operator asks by

void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

Result<void> make_runtime_directory(const std::string& path) {
  std::error_code failure;
  const bool made = std::filesystem::create_directories(path, failure);
  if (failure || !std::filesystem::is_directory(path, failure)) {
    return error(
        fmt::format("cannot make the runtime directory {}: {}; make it for this user, or set "
                    "runtime.directory",
                    path, failure ? failure.message() : "it is no directory"));
  }
  if (made) chmod(path.c_str(), 0755);  // whatever the umask
  return {};
}

const std::string& metrics_address(const Config& config, const Identity& identity) {
  static const std::string kNone;
  const auto of = [&](const auto& sections) -> const std::string& {
    for (const auto& section : sections) {
      if (section.name == identity.section) return section.metrics;
    }
    return kNone;
  };
  switch (identity.role) {
    case Role::kMapper:
      return of(config.mappers);
    case Role::kSipFront:
      return of(config.sip_fronts);
    case Role::kXmppWorker:
      return of(config.xmpp_workers);
    case Role::kCtl:
      break;
  }
  return kNone;
}

Level configured_level(const Config& config) { return parse_level(config.log.level).value_or(Level::kInfo); }

// What stands in other processes' sections ("section NAME.key") concerns those.
bool concerns_others(const std::string& key, const Identity& identity) {
  const bool in_a_section = key.find(' ') != std::string::npos && !key.ends_with(")");  // "(added)"
  return in_a_section && !key.starts_with(fmt::format("{} {}.", role_name(identity.role), identity.section));
}

// Of the keys, those that a running process has bound itself to.
std::vector<std::string> fixed_keys(const std::vector<std::string>& keys, const Identity& identity) {
  std::vector<std::string> out;
  for (const std::string& key : keys) {
    const bool shared = key.starts_with("xmpp_worker ") && key.ends_with(".serves");
    if (concerns_others(key, identity) && !shared) continue;
    const Taken taken = taken_of(key);
    const bool fixed =
        taken == Taken::kByRestart || (taken == Taken::kByRestartOfEdges && identity.role != Role::kMapper);
    if (fixed) out.push_back(key);
  }
  return out;
}

std::string text_of(const Status& status) {
  return status.reason.empty() ? std::string(state_name(status.state))
                               : fmt::format("{}: {}", state_name(status.state), status.reason);
}

}  // namespace

Skeleton::Skeleton(Loaded loaded, std::function<Result<Loaded>()> read_again)
    : configs_{std::move(loaded.config)},
      identity_(std::move(loaded.identity)),
      read_again_(std::move(read_again)),
      log_(identity_.full, configured_level(configs_.front()), configs_.front().log.format),
      started_(loop_.now()),
      started_us_(loop_.clock().wall_us()),
      context_{loop_,
               configs_.front(),
               identity_,
               log_,
               trace_,
               [this] { tell_status(); },
               [this](std::string_view request, auto reply) { answer(request, reply); }},
      signals_(loop_.io()),
      drain_ends_(loop_, [this] { stop("the time for draining is over"); }),
      last_turn_(loop_, [this] { loop_.stop(); }),
      next_point_(loop_, [this] {
        commands_->add_to_history();
        next_point_.set(loop_.now() + History::kStep);
      }) {
  warn(std::move(loaded.warnings));
}

void Skeleton::warn(std::vector<std::string> warnings) {
  for (const std::string& warning : warnings) {
    if (std::find(warnings_.begin(), warnings_.end(), warning) == warnings_.end()) log_.warn("{}", warning);
  }
  warnings_ = std::move(warnings);
  if (commands_) commands_->set_warnings(warnings_);
}

int Skeleton::run(const MakeProcess& make) {
  const auto started = start(make);
  if (!started) {
    log_.error("{}", started.error().text);
    notify::status(started.error().text);
    // Without the socket the name may be that of a process that runs.
    if (control_)
      keep_last_words(configs_.front().runtime, identity_.full, {started.error().text, started_us_});
    return 1;
  }
  forget_last_words(configs_.front().runtime, identity_.full);
  keep_running_config(configs_.front(), identity_.full);
  try {
    const Watchdog watchdog(loop_, last_words(), [] { notify::alive(); });
    notify::ready();
    tell_status();
    loop_.run();
  } catch (const std::exception& e) {
    log_.error("internal error: {}; the supervisor will start the process again", e.what());
    exit_code_ = 1;
  }
  // It ends: one more signal must not kill it half-way, and have the supervisor think that it failed.
  sigset_t asked;
  sigemptyset(&asked);
  for (const int number : kAsked) sigaddset(&asked, number);
  pthread_sigmask(SIG_BLOCK, &asked, nullptr);
  commands_.reset();
  process_.reset();  // first: it may hold replies and refers to all the rest
  log_.info("stopped");
  return exit_code_;
}

// The control socket comes first: it is what keeps a second process of the same name from taking anything.
Result<void> Skeleton::start(const MakeProcess& make) {
  const Config& config = configs_.front();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // at a limit of file sizes, writing fails, and that can be said
  raise_descriptor_limit();
  asio::error_code ignored;
  for (const int number : kAsked) signals_.add(number, ignored);
  wait_for_signal();
  if (const auto made = make_runtime_directory(config.runtime.directory); !made) return made;
  auto control = ControlSocket::create(
      loop_, control_path(config.runtime, identity_.full),
      [this](const nlohmann::json& request, const Reply& reply) { commands_->answer(request, reply); });
  if (!control) return tl::make_unexpected(control.error());
  control_ = std::move(*control);
  auto process = make(context_);
  if (!process) return tl::make_unexpected(process.error());
  process_ = std::move(*process);
  commands_ = std::make_unique<Commands>(context_, *process_,
                                         Commands::Actions{[this] { return status(); }, [this] { restart(); },
                                                           [this] { return reload("asked"); }},
                                         started_);
  commands_->set_warnings(warnings_);
  next_point_.set(started_ + History::kStep);
  if (const auto metrics = start_metrics(); !metrics) return metrics;
  log_.info("{} {} started, {}", role_name(identity_.role), STOX_VERSION, config.file);
  return {};
}

Result<void> Skeleton::start_metrics() {
  const std::string& address = metrics_address(configs_.front(), identity_);
  if (address.empty()) return {};
  auto http =
      HttpResponder::create(loop_, address, [this](std::string_view path) { return http_answer(path); });
  if (!http) return tl::make_unexpected(http.error());
  http_ = std::move(*http);
  return {};
}

HttpAnswer Skeleton::http_answer(std::string_view path) const {
  const Status now = status();
  if (path == "/healthz") return {.body = "ok\n"};  // that it answers at all is what it says
  if (path == "/readyz") {
    const bool ready = now.state == State::kReady || now.state == State::kStandby;
    return {.status = ready ? 200 : 503, .body = text_of(now) + "\n"};
  }
  if (path != "/metrics") return {.status = 404, .body = "there are /metrics, /healthz and /readyz\n"};
  using Kind = Metric::Kind;
  std::vector<Metric> metrics = common_metrics(now.state, started_us_);
  metrics.push_back({Kind::kGauge, "stox_config_last_reload_successful",
                     "0 if the configuration could not be read the last time.", reload_failed_ ? 0.0 : 1.0});
  metrics.push_back({Kind::kGauge, "stox_config_last_reload_success_timestamp_seconds",
                     "When the configuration was read without errors last, Unix time.",
                     static_cast<double>(reloaded_us_) / 1e6});
  for (Metric& metric : queue_metrics(process_->queues())) metrics.push_back(std::move(metric));
  for (Metric& metric : process_->metrics()) metrics.push_back(std::move(metric));
  const Labels all = {{"name", identity_.full}, {"role", role_name(identity_.role)}};
  const bool is_edge = identity_.role != Role::kMapper;
  return {.content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_text(metrics, all, is_edge ? &trace_.messages() : nullptr,
                               identity_.role == Role::kSipFront ? "to_xmpp" : "to_sip")};
}

void Skeleton::wait_for_signal() {
  signals_.async_wait([this](const asio::error_code& failure, int number) {
    if (failure) return;
    take_signal(number);
    wait_for_signal();
  });
}

void Skeleton::take_signal(int number) {
  if (number == SIGHUP) {
    reload("SIGHUP");
    return;
  }
  if (exit_code_ == kStartAgain) {  // the supervisor wants it to end just now
    exit_code_ = 0;
    return log_.info("SIG{}: ending as before, but not to be started again", sigabbrev_np(number));
  }
  if (draining_) return stop("a second signal came");
  drain(fmt::format("SIG{}", sigabbrev_np(number)));
}

void Skeleton::restart() {
  if (draining_) return;  // it ends already
  exit_code_ = kStartAgain;
  drain("asked to restart");
}

void Skeleton::drain(const std::string& why) {
  const int seconds = configs_.back().runtime.drain_seconds;
  log_.info("{}: taking nothing new, finishing what is in flight for at most {} s; a {}signal stops at once",
            why, seconds, exit_code_ == kStartAgain ? "" : "second ");
  draining_ = true;
  notify::stopping();
  drain_ends_.set(loop_.now() + std::chrono::seconds(seconds));
  process_->drain([this] { last_turn_.set(loop_.now() + kLastTurns); });
  tell_status();
}

void Skeleton::stop(const std::string& why) {
  if (stopping_) return loop_.stop();
  stopping_ = true;
  log_.warn("{}: ending what is left", why);
  process_->stop();
  last_turn_.set(loop_.now() + kLastTurns);
}

Reloaded Skeleton::reload(const char* why) {
  notify::reloading();
  Reloaded done = read_anew(why);
  reload_failed_ = !done.error.empty();
  if (!reload_failed_) reloaded_us_ = loop_.clock().wall_us();
  notify::ready();
  return done;
}

Reloaded Skeleton::read_anew(const char* asked_by) {
  auto loaded = read_again_();
  if (!loaded) {
    log_.error("{}: the configuration has errors; going on with the one before", asked_by);
    std::istringstream lines(loaded.error().text);
    for (std::string line; std::getline(lines, line);) log_.error("{}", line);
    return {{}, {}, loaded.error().text};
  }
  if (loaded->identity.full != identity_.full) {
    const std::string why = fmt::format(
        "there is no [[{}]] with name = \"{}\" any more, going on with the configuration before; a restart "
        "makes this process {}",
        role_name(identity_.role), identity_.section, loaded->identity.full);
    log_.error("{}: {}", asked_by, why);
    return {{}, {}, why};
  }
  Reloaded done;
  done.taken = changed_keys(configs_.back(), loaded->config);
  log_.info("{}: configuration read, changed: {}", asked_by,
            done.taken.empty() ? "nothing" : fmt::format("{}", fmt::join(done.taken, ", ")));
  done.waiting = fixed_keys(changed_keys(configs_.front(), loaded->config), identity_);
  if (!done.waiting.empty()) log_.warn("only a restart brings: {}", fmt::join(done.waiting, ", "));
  commands_->set_restart_pending(done.waiting);
  keep_shared(configs_.front(), loaded->config);
  std::erase_if(done.taken, [&](const std::string& key) {
    return concerns_others(key, identity_) ||
           std::find(done.waiting.begin(), done.waiting.end(), key) != done.waiting.end();
  });
  configs_.push_back(std::move(loaded->config));
  warn(std::move(loaded->warnings));
  commands_->reset_level(configured_level(configs_.back()));
  process_->reload(configs_.back());
  keep_running_config(configs_.back(), identity_.full);
  return done;
}

Status Skeleton::status() const {
  if (!process_) return {State::kStarting, "starting"};
  Status now = process_->status();
  if (draining_ && now.state != State::kDraining)
    return {State::kDraining, "asked to stop, finishing what is in flight"};
  return now;
}

void Skeleton::tell_status() {
  const Status now = status();
  if (commands_) commands_->state_is(now);
  if (!process_ || (now.state == told_state_ && now.reason == told_reason_)) return;
  told_state_ = now.state;
  told_reason_ = now.reason;
  notify::status(text_of(now));
  if (now.state == State::kStarting || (now.state == State::kReady && !now.reason.empty())) {
    log_.warn("{}", text_of(now));
  } else {
    log_.info("{}", text_of(now));
  }
}

void Skeleton::answer(std::string_view request, const std::function<void(std::string)>& reply) {
  const nlohmann::json parsed = parse_json(request);
  // Without an answer who asked would think that nobody is here.
  if (!parsed.is_object()) return reply(R"({"ok":false,"error":"that is no command"})");
  if (!commands_ || parsed.value("command", nlohmann::json()) == "relay") return reply({});
  commands_->answer(parsed, [reply](const nlohmann::json& answer) {
    reply(answer.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  });
}

std::string Skeleton::last_words() const {
  static constexpr const char* kText =
      "the loop has not turned for 10 s (something blocks or spins); aborting, the supervisor starts it "
      "again";
  if (configs_.front().log.format == "json") {
    const nlohmann::json line = {{"level", "error"}, {"process", identity_.full}, {"text", kText}};
    return line.dump() + "\n";
  }
  return fmt::format("error {} {}\n", identity_.full, kText);
}

}  // namespace stox::service
