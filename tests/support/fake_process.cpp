// A process with nothing in it but the skeleton, for tests of its life: signals, exit codes, control socket.
// It is a stox-sip-front to its configuration. FAKE_START=error: cannot start. FAKE_DRAIN=never: never done.
// What `send` carries as text is what it does:
//   hang: its loop stands still; missing, ready: its state; anything else: an outcome, a moment later.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/service/process.h"

namespace stox::service {
namespace {

bool asked_for(const char* variable, std::string_view value) {
  const char* found = std::getenv(variable);
  return found != nullptr && found == value;
}

class FakeProcess : public Process {
 public:
  void accept_new(bool) override {}
  explicit FakeProcess(const Context& context)
      : context_(context), later_(context.loop, [this] { answer(); }) {}

  Status status() const override {
    if (missing_) return {State::kStarting, "no mapper is there; start stox-mapper"};
    return {State::kReady, ""};
  }

  void drain(std::function<void()> done) override {
    if (!asked_for("FAKE_DRAIN", "never")) done();
  }

  void stop() override { context_.log.info("answered what was left"); }

  void reload(const Config& config) override {
    context_.log.info("accept_status is now {}", config.gateway.accept_status);
  }

  nlohmann::json peers() const override {
    return {{"peers", {{{"name", "mapper-1"}, {"state", missing_ ? "gone" : "ready"}}}}};
  }

  nlohmann::json queues() const override {
    return {{"epoch", 7},
            {"links", nlohmann::json::array()},
            {"in_flight", {{"count", 0}, {"limit", 9}, {"oldest_age_ms", 0}}}};
  }

  nlohmann::json inflight() const override { return nlohmann::json::array(); }

  void send(const nlohmann::json& request, Reply reply) override {
    const std::string text = request["text"];
    volatile bool for_ever = text == "hang";
    while (for_ever) {
    }
    if (text == "missing" || text == "ready") {
      missing_ = text == "missing";
      context_.status_changed();
    }
    TraceHop& hop = context_.trace.add();
    hop.trace_id = std::string(16, 'a');
    hop.from = request["from"];
    hop.to = request["to"];
    hop.decision = "MESSAGE over udp";
    hop.came_us = hop.went_us = context_.loop.clock().wall_us();
    hop.ended_us = hop.came_us + 1500;
    hop.outcome = text == "refuse" ? "404 Not found" : "200 Accepted";
    reply_ = std::move(reply);
    outcome_ = hop.outcome;
    later_.set(context_.loop.now() + std::chrono::milliseconds(10));
  }

  std::vector<Metric> metrics() const override {
    return {{Metric::Kind::kCounter, "stox_fake_total", "Nothing.", 3, {{"what", "fake"}}}};
  }

 private:
  void answer() {
    reply_({{"ok", outcome_.starts_with("200")},
            {"trace", to_hex(std::string(16, 'a'))},
            {"outcome", outcome_}});
  }

  const Context& context_;
  bool missing_ = false;
  Reply reply_;
  std::string outcome_;
  net::Alarm later_;
};

Result<std::unique_ptr<Process>> make(const Context& context) {
  if (asked_for("FAKE_START", "error"))
    return error("udp:127.0.0.1:5060: Address already in use; end what uses it");
  return std::make_unique<FakeProcess>(context);
}

}  // namespace
}  // namespace stox::service

int main(int argc, char** argv) {
  return stox::service::run(argc, argv, stox::service::Role::kSipFront, stox::service::make);
}
