#include "common/edge_process/edge_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/service/log.h"
#include "common/service/trace.h"

namespace stox {
namespace {

using nlohmann::json;
using service::State;
using std::chrono::milliseconds;
using std::chrono::seconds;

// A front without SIP.
class FrontDouble final : public EdgeProcess {
 public:
  explicit FrontDouble(const service::Context& context) : EdgeProcess(context) {
    EXPECT_TRUE(join_bus(pb::FRONT, 0, {100, 1}));
    tell_serving();
  }

  // An outcome that takes a while.
  void submit(Duration within) {
    pb::Envelope envelope;
    envelope.set_conversation("a b");
    envelope.mutable_sip_message()->set_call_id("c");
    EXPECT_TRUE(origin().submit(envelope, now() + within, now() + within));
  }
  json peers() const override {
    json list = json::array();
    add_mappers(list);
    return list;
  }
  std::vector<service::Metric> metrics() const override { return {}; }

  std::string trouble;
  int looked = 0;
  std::vector<bool> drains;

  using EdgeProcess::check_status;
  using EdgeProcess::end_when_idle;

 private:
  service::Status own_status() const override { return {State::kReady, trouble}; }
  pb::Serving serving() override {
    pb::Serving out;
    out.set_state(pb::READY);
    return out;
  }
  void draining_changed() override { drains.push_back(is_draining()); }
  void look_soon() override { ++looked; }
  void inject(const std::string& from, const std::string&, const std::string&, Injected done) override {
    done("id", from.empty() ? "nobody wrote" : "delivered", !from.empty());
  }
  std::pair<std::string, std::string> addresses_of(const bus::InFlight&) const override { return {"a", "b"}; }
  void begin(const pb::Envelope&, Time) override {}
  void ended(uint64_t, const pb::Outcome&) override {}
};

struct MapperDouble final : bus::MapperUser {
  bus::Placement place(pb::Envelope&) override { return bus::Refuse{pb::Refused::NO_TARGET, "no worker"}; }
  void translate(pb::Outcome&) override {}
};

class EdgeProcessTest : public testing::Test {
 protected:
  EdgeProcessTest()
      : directory_(std::filesystem::temp_directory_path() / ("stox-edge-" + std::to_string(getpid()))) {
    std::filesystem::create_directories(directory_);
    config_.mappers.push_back({.name = "m-1", .bind = {}, .connect = endpoint(), .metrics = {}});
    process_ = std::make_unique<FrontDouble>(context_);
  }
  ~EdgeProcessTest() override { std::filesystem::remove_all(directory_); }

  std::string endpoint() const { return "ipc://" + (directory_ / "m-1.sock").string(); }
  void start_mapper() {
    mapper_ = bus::ZmqMapper::create(loop_, {"m-1", 0, {}}, {endpoint()}, mapper_user_).value();
  }
  bool run_until(const std::function<bool()>& done) {
    const Time give_up = loop_.now() + seconds(30);
    while (!done() && loop_.now() < give_up) loop_.io().run_one_for(milliseconds(20));
    return done();
  }
  bool becomes_ready() {
    return run_until([this] { return process_->status().state == State::kReady; });
  }
  pb::ProcessState state_at_mapper() const {
    const auto& members = mapper_->node().members();
    return members.empty() ? pb::STARTING : members[0].serving().state();
  }

  std::filesystem::path directory_;
  net::Loop loop_;
  service::Config config_;
  service::Log log_{"sip-1", service::Level::kError, "text"};
  service::Trace trace_;
  int changes_ = 0;
  service::Context context_{loop_, config_, {service::Role::kSipFront, "sip-1", "sip-1"},
                            log_,  trace_,  [this] { ++changes_; }};
  MapperDouble mapper_user_;
  std::unique_ptr<bus::ZmqMapper> mapper_;
  std::unique_ptr<FrontDouble> process_;
};

TEST_F(EdgeProcessTest, SaysWhyItIsNotReadyAndThenWhatItsProtocolSays) {
  EXPECT_EQ(process_->status().state, State::kStarting);
  EXPECT_THAT(process_->status().reason, testing::HasSubstr("m-1.sock"));
  EXPECT_EQ(process_->peers()[0]["state"], "down");
  start_mapper();
  ASSERT_TRUE(becomes_ready());
  EXPECT_EQ(process_->status().reason, "");
  EXPECT_EQ(process_->peers()[0]["name"], "m-1");
  EXPECT_EQ(process_->others(), std::vector<std::string>{"m-1"});

  process_->check_status();
  process_->trouble = "no way out";
  for (int i = 0; i < 3; ++i) process_->check_status();
  EXPECT_EQ(changes_, 2) << "each news is told once";
}

TEST_F(EdgeProcessTest, TakesNothingNewUntilItIsToldToGoOn) {
  start_mapper();
  ASSERT_TRUE(becomes_ready());
  process_->accept_new(false);
  EXPECT_EQ(process_->status().state, State::kDraining);
  EXPECT_TRUE(run_until([this] { return state_at_mapper() == pb::DRAINING; }));
  process_->end_when_idle();
  process_->accept_new(true);
  EXPECT_EQ(process_->status().state, State::kReady);
  EXPECT_TRUE(run_until([this] { return state_at_mapper() == pb::READY; }));
  EXPECT_EQ(process_->drains, (std::vector<bool>{true, false}));
}

TEST_F(EdgeProcessTest, EndsOnceWhenWhatIsUnderWayHasEndedAndTheMapperKnows) {
  start_mapper();
  ASSERT_TRUE(becomes_ready());
  process_->submit(milliseconds(1));
  EXPECT_EQ(process_->inflight()[0]["from"], "a");
  EXPECT_EQ(process_->inflight()[0]["to"], "b");
  int ended = 0;
  process_->drain([&] { ++ended; });
  EXPECT_EQ(process_->looked, 1);
  process_->accept_new(true);
  EXPECT_EQ(process_->status().state, State::kDraining) << "it ends";
  EXPECT_EQ(process_->status().reason, "1 messages are under way");
  process_->end_when_idle();
  EXPECT_EQ(ended, 0);
  EXPECT_TRUE(run_until([&] {
    process_->end_when_idle();
    return ended > 0;
  }));
  EXPECT_EQ(process_->inflight().size(), 0u);
  EXPECT_EQ(state_at_mapper(), pb::DRAINING);
  process_->end_when_idle();
  EXPECT_EQ(ended, 1);
}

TEST_F(EdgeProcessTest, WhatStoxctlSendsIsAnsweredWithItsOutcome) {
  json answer;
  const auto keep = [&](const json& said) { answer = said; };
  process_->send({{"from", "a"}, {"to", "b"}, {"text", "hi"}}, keep);
  EXPECT_EQ(answer, (json{{"ok", true}, {"trace", "6964"}, {"outcome", "delivered"}, {"error", ""}}));
  process_->send({{"from", 7}}, keep);
  EXPECT_EQ(answer["ok"], false);
  EXPECT_EQ(answer["error"], "nobody wrote");
}

TEST_F(EdgeProcessTest, GoesToOtherMappersWhenToldTo) {
  start_mapper();
  ASSERT_TRUE(becomes_ready());
  service::Config other = config_;
  other.mappers[0].connect += ".elsewhere";
  process_->reload(other);
  EXPECT_TRUE(run_until([this] { return process_->status().state == State::kStarting; }));
}

}  // namespace
}  // namespace stox
