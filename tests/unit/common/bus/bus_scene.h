// The bus in memory with two mappers, a front and a worker that remember what they were given: a fixture for
// tests of its rules.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "common/bodies/bodies.h"
#include "common/bus/memory/memory_wire.h"

namespace stox::bus {

// Front or worker of a test: remembers what began and what ended.
class Actor : public EdgeUser {
 public:
  void begin(const pb::Envelope& e, Time) override {
    began.push_back(e.sip_message().call_id());
    begun_ids.push_back(e.id());
    if (answers) finish_all();
  }
  void ended(uint64_t number, const pb::Outcome& o) override {
    EXPECT_FALSE(outcomes.contains(number)) << "two outcomes for " << number;
    outcomes[number] = o;
    order.push_back(number);
  }
  void bus_trouble(const std::string& text) override { troubles += text + "\n"; }
  void hand_overs_lost() override { ++hand_overs_lost_count; }
  void out_of_reach() override { ++times_out_of_reach; }
  void handed_over(const pb::HandOver& one) override { handed.push_back(one.from() + ":" + one.payload()); }
  void asked(const std::string&, std::string_view text, std::function<void(std::string)> reply) override {
    reply(edge->name() + " " + std::string(text));
  }
  void call_came(const pb::Call& question, std::function<void(pb::Call)> reply) override {
    questions.push_back(question);
    EdgeUser::call_came(question, std::move(reply));
  }
  void finish_all() {
    for (const auto& id : std::exchange(begun_ids, {})) {
      pb::Outcome o;
      o.set_verdict(pb::DELIVERED);
      edge->target().finish(id, o);
    }
  }

  Edge* edge = nullptr;
  bool answers = true;
  std::vector<std::string> began;
  std::vector<pb::EnvelopeId> begun_ids;
  std::map<uint64_t, pb::Outcome> outcomes;
  std::vector<uint64_t> order;
  std::vector<std::string> handed;
  std::vector<pb::Call> questions;
  std::string troubles;
  int hand_overs_lost_count = 0, times_out_of_reach = 0;
};

// Sends everything to the first worker there is that does not drain, or to the one it is told.
class Chooser : public MapperUser {
 public:
  Placement place(pb::Envelope& e) override {
    if (e.sip_message().request_uri() == "unmappable") {
      EndWith end;
      end.outcome.mutable_sip_status()->set_code(404);
      return end;
    }
    for (const bool drains : {false, true}) {
      for (const auto& m : node->members()) {
        if (m.role() == pb::WORKER && (to.empty() || m.name() == to) &&
            (m.serving().state() == pb::DRAINING) == drains)
          return Forward{m.name()};
      }
    }
    return Refuse{pb::Refused::NO_TARGET, "no worker"};
  }
  void translate(pb::Outcome& o) override { o.set_text("translated"); }
  void asked(const std::string&, std::string_view text, std::function<void(std::string)> reply) override {
    reply(name + " " + std::string(text));
  }
  void refused(const std::string& text) override { refusals += text + "\n"; }
  MapperNode* node = nullptr;
  std::string to, name, refusals;
};

class BusTest : public ::testing::Test {
 protected:
  BusTest() {
    for (const char* m : {"m-1", "m-2"}) start_mapper(m);
    start("sip-1", pb::FRONT);
    start("w-1", pb::WORKER);
    bus_.advance(std::chrono::seconds(4));
  }

  void start(const std::string& name, pb::Role role) {
    Actor& actor = actors_[name];
    actor.begun_ids.clear();
    actor.edge = &bus_.start_edge(
        {.name = name, .role = role, .max_in_flight = max_in_flight_, .pace = Duration{0}, .bodies = bodies_},
        actor);
  }
  void start_mapper(const std::string& name) {
    choosers_[name].name = name;
    choosers_[name].node = &bus_.start_mapper(name, choosers_[name]);
  }

  uint64_t send(const std::string& call_id, const std::string& conversation = "a b", uint64_t dedup = 0) {
    pb::Envelope e;
    e.set_conversation(conversation);
    e.set_dedup_key(dedup);
    e.mutable_sip_message()->set_call_id(call_id);
    if (call_id == "unmappable") e.mutable_sip_message()->set_request_uri(call_id);
    const Time now = bus_.clock().now();
    const auto number =
        front().edge->origin().submit(e, now + std::chrono::seconds(25), now + std::chrono::seconds(25));
    return number ? *number : 0;
  }
  void send_lossy(const std::string& call_id, Duration within = std::chrono::seconds(5)) {
    pb::Envelope e;
    e.set_conversation("a b");
    e.mutable_sip_message()->set_call_id(call_id);
    front().edge->origin().submit_lossy(e, bus_.clock().now() + within);
  }
  // To w-2, or the process of that name with this epoch.
  void hand_over(const std::string& text, uint64_t epoch = 0) {
    EXPECT_TRUE(put(epoch != 0 ? epoch : worker("w-2").edge->epoch(), 9, text));
  }
  bool put(uint64_t epoch, uint64_t stream, const std::string& text) {
    pb::HandOver one;
    one.set_stream(stream);
    one.set_payload(text);
    return worker("w-1").edge->hand_overs().put("w-2", epoch, one);
  }
  Actor& front() { return actors_["sip-1"]; }
  Actor& worker(const std::string& name = "w-1") { return actors_[name]; }
  const pb::Outcome& outcome(uint64_t number) {
    EXPECT_TRUE(front().outcomes.contains(number)) << "no outcome for " << number;
    return front().outcomes[number];
  }
  void one_mapper() {
    bus_.kill("m-2");
    bus_.run();
  }

  void drain(const std::string& name, bool on = true) {
    if (name[0] == 'm') return bus_.mapper(name).drain(on);
    pb::Serving serving;
    serving.set_state(on ? pb::DRAINING : pb::READY);
    bus_.edge(name).set_serving(serving);
  }

  // For runs with faults at random, whose Call-IDs are SENDER:NUMBER.
  static int dice(int n) { return std::rand() % n; }
  void hold_and_release() {
    const std::string pipe[] = {"m-1", "m-2", "w-1", "w-2", "sip-1"};
    const int from = dice(5), to = dice(5);  // not among arguments, whose order compilers choose
    bus_.hold(pipe[from], pipe[to]);
    for (const auto& one : pipe) {
      for (const auto& other : pipe) {
        if (dice(3) == 0) bus_.release(one, other);
      }
    }
  }
  void kill_somehow(const std::string& name) {
    const bool silently = dice(2) == 0, unsent = dice(2) == 0;
    bus_.kill(name, silently, unsent);
    down_.insert(name);
  }
  // Comes back, if it was down or stood still; else it stands still or ends. True: it has been started.
  bool befall(const std::string& name) {
    if (down_.erase(name) > 0) {
      name[0] == 'm' ? start_mapper(name) : start(name, pb::WORKER);
      return true;
    }
    if (asleep_.erase(name) > 0) {
      bus_.wake(name);
    } else if (name == "sip-1" || dice(3) == 0) {
      bus_.sleep(name);
      asleep_.insert(name);
    } else {
      kill_somehow(name);
    }
    return false;
  }
  void wake_all() {
    for (const std::string& name : std::exchange(asleep_, {})) bus_.wake(name);
  }
  static bool is_told_as_doubt(const pb::Outcome& o) {
    return o.reason() == pb::IN_DOUBT || o.text().find("may have been") != std::string::npos;
  }
  // Of what both workers began. What its sender was told to be in doubt may begin late.
  void check_order_and_doubles(const std::map<std::string, pb::Outcome>& ended) {
    std::set<std::string> all;
    for (const char* w : {"w-1", "w-2"}) {
      int last[5] = {-1, -1, -1, -1, -1};
      for (const std::string& call_id : worker(w).began) {
        EXPECT_TRUE(all.insert(call_id).second) << call_id << " was delivered twice";
        const int who = call_id[0] - '0';
        const int number = std::stoi(call_id.substr(2));
        if (const auto end = ended.find(call_id); end != ended.end() && is_told_as_doubt(end->second))
          continue;
        EXPECT_GT(number, last[who]) << "reordered";
        last[who] = number;
      }
    }
    for (const auto& [call_id, o] : ended) {
      const bool began = all.contains(call_id);
      EXPECT_TRUE(began || o.verdict() == pb::FAILED) << call_id << " is said to be delivered, and is lost";
      EXPECT_TRUE(!began || o.verdict() == pb::DELIVERED || is_told_as_doubt(o))
          << call_id << " is said to be lost, and was delivered: " << o.ShortDebugString();
    }
  }

  std::size_t max_in_flight_ = 1000;
  BodyKinds bodies_ = bodies();
  MemoryBus bus_{{"m-1", "m-2"}, {"sip-1", "w-1"}};
  std::map<std::string, Actor> actors_;
  std::map<std::string, Chooser> choosers_;
  std::set<std::string> down_, asleep_;  // by faults at random
};

}  // namespace stox::bus
