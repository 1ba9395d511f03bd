#include "common/service/commands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

namespace stox::service {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ActorDouble : public Process {
 public:
  void accept_new(bool on) override { accepts = on; }
  bool accepts = true;
  Status status() const override { return {State::kReady, ""}; }
  void drain(std::function<void()>) override {}
  json peers() const override {
    return {{"peers", {{{"name", "mapper-1"}, {"state", "ready"}}}}, {"streams", 1}};
  }
  json queues() const override { return {{"epoch", 5}, {"links", json::array()}}; }
  json inflight() const override { return {{{"id", "sip-1.5.1"}}}; }
  json known_peers() const override { return {{{"peer", "bob@sip.test"}}}; }
  std::size_t forget_peers(const std::string& peer) override { return peer.empty() ? 7 : 1; }
  json presence(const std::vector<std::string>& user) const override {
    return user.empty() ? json{{{"from", "sip:bob@sip.test"}}, {{"from", "sip:eve@sip.test"}}}
                        : json{{{"from", user.back()}}};
  }
  std::size_t forget_presence(const std::vector<std::string>& user) override { return user.size(); }
  json rooms(const std::vector<std::string>& users) const override {
    return {{{"user", users.empty() ? "bob*sip.test@gw.test" : users.back()}}};
  }
  std::size_t leave_room(const std::vector<std::string>& users, const std::string& room) override {
    return room == "garden@rooms.test" ? users.size() : 0;
  }
  void send(const json& request, Reply reply) override {
    reply({{"ok", true}, {"outcome", request["text"]}});
  }
  std::vector<Metric> metrics() const override { return {}; }
};

class AskedProcess : public ::testing::Test {
 protected:
  json ask(const json& request) {
    json out;
    commands_.answer(request, [&](const json& answer) { out = answer; });
    return out;
  }

  net::Loop loop_;
  Config config_;
  Log log_{"sip-1@2", Level::kInfo, "text"};
  Trace trace_;
  Context context_{loop_, config_, {Role::kSipFront, "sip-1", "sip-1@2"}, log_, trace_, [] {}};
  ActorDouble process_;
  Status status_{State::kStarting, "no mapper is there"};
  int restarts_ = 0;
  Reloaded reloaded_;
  Commands commands_{context_,
                     process_,
                     {[this] { return status_; }, [this] { ++restarts_; }, [this] { return reloaded_; }},
                     loop_.now() - std::chrono::seconds(5)};
};

TEST_F(AskedProcess, WhatIsKnownOfPeersIsToldAndForgotten) {
  EXPECT_EQ(ask({{"command", "peers"}})["peers"][0]["peer"], "bob@sip.test");
  EXPECT_EQ(ask({{"command", "forget_peers"}, {"peer", "sip:bob@sip.test"}})["forgotten"], 1);
  EXPECT_EQ(ask({{"command", "forget_peers"}})["forgotten"], 7);
}

TEST_F(AskedProcess, WhoSeesWhomIsToldAndForgotten) {
  const json ways = {"bob@sip.test", "bob*sip.test@gw.test", 7};
  EXPECT_EQ(ask({{"command", "presence"}})["presence"].size(), 2u);
  EXPECT_EQ(ask({{"command", "presence"}, {"user", ways}})["presence"][0]["from"], "bob*sip.test@gw.test");
  EXPECT_EQ(ask({{"command", "forget_presence"}, {"user", ways}})["forgotten"], 2);
  EXPECT_EQ(ask({{"command", "forget_presence"}})["ok"], false) << "never all by mistake";
}

TEST_F(AskedProcess, WhoIsInWhichRoomIsToldAndMayBeEnded) {
  const json user = {"eve*sip.test@gw.test"};
  EXPECT_EQ(ask({{"command", "rooms"}})["rooms"][0]["user"], "bob*sip.test@gw.test");
  EXPECT_EQ(ask({{"command", "rooms"}, {"user", user}})["rooms"][0]["user"], user[0]);
  const json leave = {{"command", "leave_room"}, {"user", user}, {"room", "garden@rooms.test"}};
  EXPECT_EQ(ask(leave)["left"], 1);
  for (const char* key : {"user", "room"}) {
    json without = leave;
    without.erase(key);
    EXPECT_EQ(ask(without)["ok"], false) << key;
  }
}

TEST_F(AskedProcess, StatusTellsWhoItIsHowItIsAndItsPeers) {
  const json answer = ask({{"command", "status"}});
  EXPECT_EQ(answer["ok"], true);
  EXPECT_EQ(answer["name"], "sip-1@2");
  EXPECT_EQ(answer["role"], "sip_front");
  EXPECT_EQ(answer["state"], "starting");
  EXPECT_EQ(answer["reason"], "no mapper is there");
  EXPECT_EQ(answer["pid"], getpid());
  EXPECT_EQ(answer["version"], STOX_VERSION);
  EXPECT_GE(answer["uptime_ms"], 5000);
  EXPECT_GE(answer["state_ms"], 5000);
  EXPECT_EQ(answer["peers"][0]["name"], "mapper-1");
  EXPECT_EQ(answer["streams"], 1);
}

TEST_F(AskedProcess, StatusTellsWhatItIsWarnedOf) {
  EXPECT_FALSE(ask({{"command", "status"}}).contains("warnings"));
  commands_.set_warnings({"everybody reads it"});
  EXPECT_EQ(ask({{"command", "status"}})["warnings"], json::array({"everybody reads it"}));
}

TEST_F(AskedProcess, HowLongItHasBeenSoIsToldNotHowLongForThisReason) {
  status_.reason = "no XMPP stream";
  EXPECT_GE(ask({{"command", "status"}})["state_ms"], 5000);
  status_ = {State::kReady, ""};
  EXPECT_LT(ask({{"command", "status"}})["state_ms"], 5000);
}

TEST_F(AskedProcess, QueuesAndInflightAreTheActors) {
  EXPECT_EQ(ask({{"command", "queues"}}),
            json({{"ok", true}, {"name", "sip-1@2"}, {"epoch", 5}, {"links", json::array()}}));
  EXPECT_EQ(ask({{"command", "inflight"}}), json({{"ok", true}, {"inflight", {{{"id", "sip-1.5.1"}}}}}));
}

TEST_F(AskedProcess, HistoryIsWhatWasAddedToIt) {
  commands_.add_to_history();
  trace_.messages().ended(Ending::kDelivered, 1000, "", 1);
  commands_.add_to_history();
  const json answer = ask({{"command", "history"}});
  EXPECT_EQ(answer["step_ms"], 10'000);
  EXPECT_EQ(answer["points"]["at_s"].size(), 2U);
  EXPECT_GT(answer["points"]["per_second"][1], answer["points"]["per_second"][0]);
}

TEST_F(AskedProcess, TraceGivesTheHopsOfAnId) {
  TraceHop& hop = trace_.add();
  hop.trace_id = std::string(16, '\x1f');
  hop.envelope = "sip-1.5.1";
  hop.decision = "to mapper-1";
  hop.came_us = 17;
  const json answer = ask({{"command", "trace"}, {"id", "1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f"}});
  ASSERT_EQ(answer["hops"].size(), 1U);
  EXPECT_EQ(answer["hops"][0]["envelope"], "sip-1.5.1");
  EXPECT_EQ(answer["hops"][0]["decision"], "to mapper-1");
  EXPECT_EQ(answer["hops"][0]["came_us"], 17);
  EXPECT_TRUE(ask({{"command", "trace"}, {"id", "other"}})["hops"].empty());
  EXPECT_TRUE(ask({{"command", "trace"}, {"id", 5}})["hops"].empty());
}

TEST_F(AskedProcess, MessagesThatCameInHereAreListedByUserDomainAndEnding) {
  const auto came = [&](const char* from, const char* to, Ending ending, bool came_in = true) {
    TraceHop& hop = trace_.add();
    hop.from = from;
    hop.to = to;
    hop.came_in = came_in;
    hop.ending = ending;
    hop.ended_us = 5;
  };
  came("sip:Romeo@sip.test", "sip:juliet*xmpp.test@gw.test", Ending::kDelivered);
  came("sip:tybalt@sip.test", "sip:juliet*xmpp.test@gw.test", Ending::kRefused);
  came("sip:romeo@notsip.test", "sip:nurse*xmpp.test@gw.test", Ending::kOpen);
  came("a@xmpp.test", "sip:romeo@sip.test", Ending::kDelivered, false);
  const auto listed = [&](json request) {
    request["command"] = "messages";
    std::string out;
    const json answer = ask(request);
    for (const json& one : answer["messages"]) out += one["ending"].get<std::string>() + ";";
    return out;
  };
  EXPECT_EQ(listed(json::object()), "delivered;refused;;");
  EXPECT_EQ(listed({{"last", 1}}), ";");
  EXPECT_EQ(listed({{"failed", true}}), "refused;");
  EXPECT_EQ(listed({{"users", {"romeo"}}}), "delivered;;");
  EXPECT_EQ(listed({{"users", {"nurse@xmpp.test", "nurse*xmpp.test"}}}), ";");
  EXPECT_EQ(listed({{"domain", "sip.test"}}), "delivered;refused;") << "notsip.test is another";
  EXPECT_EQ(listed({{"domain", "XMPP.test"}}), "delivered;refused;;");
  EXPECT_EQ(listed({{"domain", "test"}}), "");
}

TEST_F(AskedProcess, WhatWasRefusedIsListedUntilItIsForgotten) {
  TraceHop& hop = trace_.add();
  hop.came_in = true;
  hop.ending = Ending::kRefused;
  hop.outcome = "404 Not found";
  hop.ended_us = loop_.clock().wall_us() - 1;
  trace_.add().ending = Ending::kRefused;  // as its target, which is not where the sender is told
  json answer = ask({{"command", "failed"}});
  ASSERT_EQ(answer["refused"].size(), 1U);
  EXPECT_EQ(answer["refused"][0]["outcome"], "404 Not found");
  EXPECT_EQ(ask({{"command", "forget_failed"}})["forgotten"], 1);
  EXPECT_TRUE(ask({{"command", "failed"}})["refused"].empty());
}

TEST_F(AskedProcess, SendIsCheckedAndHandedOn) {
  EXPECT_EQ(ask({{"command", "send"}, {"from", "a"}, {"to", "b"}, {"text", "hello"}})["outcome"], "hello");
  EXPECT_EQ(ask({{"command", "send"}, {"from", "a"}, {"to", 5}, {"text", "hello"}})["error"],
            "send needs \"to\", a text");
}

TEST_F(AskedProcess, RestartIsBegunAndTheStateTold) {
  EXPECT_EQ(ask({{"command", "restart"}})["state"], "starting");
  EXPECT_EQ(restarts_, 1);
}

TEST_F(AskedProcess, ReloadSaysWhatWasTakenAndWhatWaits) {
  reloaded_ = {{"gateway.accept_status"}, {"sip_front sip-1.listen"}, ""};
  EXPECT_EQ(ask({{"command", "reload"}}), json({{"ok", true},
                                                {"taken", {"gateway.accept_status"}},
                                                {"waiting", {"sip_front sip-1.listen"}},
                                                {"error", ""}}));
}

TEST_F(AskedProcess, LogLevelChangesForGoodOrForATime) {
  EXPECT_EQ(ask({{"command", "loglevel"}, {"level", "warn"}})["was"], "info");
  EXPECT_EQ(log_.level(), Level::kWarn);
  EXPECT_EQ(ask({{"command", "loglevel"}, {"level", "debug"}, {"for_s", 1}})["ok"], true);
  EXPECT_EQ(log_.level(), Level::kDebug);
  loop_.run();  // until nothing is waited for
  EXPECT_EQ(log_.level(), Level::kWarn);
  EXPECT_THAT(ask({{"command", "loglevel"}, {"level", "loud"}})["error"].get<std::string>(),
              HasSubstr("loud"));
  EXPECT_EQ(log_.level(), Level::kWarn);
}

TEST_F(AskedProcess, AnUnknownCommandListsTheKnown) {
  EXPECT_EQ(ask({{"command", "tap\n"}})["error"],
            "unknown command \"tap\\n\"; known: status, queues, history, streams, inflight, messages, "
            "failed, forget_failed, "
            "retry, drain, resume, reload, restart, peers, forget_peers, presence, forget_presence, "
            "rooms, leave_room, trace, tap, send, loglevel");
  EXPECT_EQ(ask({{"command", 1}})["ok"], false);
}

}  // namespace
}  // namespace stox::service
