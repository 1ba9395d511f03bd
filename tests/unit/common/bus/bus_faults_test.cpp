// The bus in memory under what may befall its processes, at random, with a seed.
#include "tests/unit/common/bus/bus_scene.h"

namespace stox::bus {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Faults at random under load, with a seed: everything ends, once, nothing twice, everything in order.
class BusUnderFaults : public BusTest, public ::testing::WithParamInterface<int> {};

TEST_P(BusUnderFaults, EverythingEndsOnceInOrderAndNothingTwice) {
  std::srand(static_cast<unsigned>(GetParam()));
  start("w-2", pb::WORKER);
  bus_.run();
  std::map<uint64_t, std::string> sent;
  int next[5] = {};
  for (int step = 0; step < 400; ++step) {
    const int who = dice(5);
    const std::string conversation = "conversation " + std::to_string(who);
    const std::string call_id = std::to_string(who) + ":" + std::to_string(next[who]++);
    if (const uint64_t n = send(call_id, conversation)) sent[n] = call_id;
    for (const char* w : {"w-1", "w-2"}) worker(w).answers = dice(3) != 0;
    if (dice(12) == 0) {
      const std::string name =
          std::vector<std::string>{"m-1", "m-2", "w-1", "w-2", "sip-1"}[static_cast<std::size_t>(dice(5))];
      befall(name);
    }
    if (asleep_.contains("sip-1") && dice(6) == 0) befall("sip-1");  // or hardly anything is sent
    if (dice(20) == 0) hold_and_release();
    if (dice(40) == 0) {
      const std::string name =
          std::vector<std::string>{"m-1", "m-2", "w-1", "w-2"}[static_cast<std::size_t>(dice(4))];
      if (!down_.contains(name)) drain(name, dice(3) == 0);
    }
    bus_.advance(milliseconds(dice(400)));
    for (const char* w : {"w-1", "w-2"}) {
      if (!down_.contains(w) && dice(2) == 0) worker(w).finish_all();
    }
  }
  wake_all();
  bus_.advance(seconds(60));
  std::size_t delivered = 0;
  for (const auto& [number, o] : front().outcomes) delivered += o.verdict() == pb::DELIVERED;
  EXPECT_GT(delivered, sent.size() / 10) << "hardly anything got through: a test of nothing";
  for (const auto& [number, call_id] : sent) EXPECT_TRUE(front().outcomes.contains(number)) << call_id;
  EXPECT_EQ(front().edge->origin().in_flight(), 0u);
  std::map<std::string, pb::Outcome> ended;
  for (const auto& [number, o] : front().outcomes) ended[sent.at(number)] = o;
  check_order_and_doubles(ended);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BusUnderFaults, ::testing::Range(1, 41));

// Workers drain and end, mappers too, while pipes are slow.
class BusUnderRestarts : public BusUnderFaults {};

TEST_P(BusUnderRestarts, EverythingIsDeliveredAndNothingInDoubt) {
  std::srand(static_cast<unsigned>(GetParam()));
  start("w-2", pb::WORKER);
  bus_.run();
  std::string restarting;
  bool is_down = false;
  int next[5] = {}, restarts = 0;
  for (int step = 0; step < 600; ++step) {
    const int who = dice(5);
    ASSERT_NE(
        send(std::to_string(who) + ":" + std::to_string(next[who]++), "conversation " + std::to_string(who)),
        0u);
    for (const char* w : {"w-1", "w-2"}) worker(w).answers = dice(3) != 0;
    if (restarting.empty() && dice(10) == 0) {
      restarting = std::vector<std::string>{"m-1", "m-2", "w-1", "w-2"}[static_cast<std::size_t>(dice(4))];
      drain(restarting);
    }
    const std::string held[] = {"m-1", "m-2", "w-1", "w-2", "sip-1"};
    const std::string from = held[dice(5)], to = held[dice(5)];
    bus_.hold(from, to);
    bus_.advance(milliseconds(dice(400)));
    bus_.release(from, to);
    if (is_down) {
      bus_.run();  // what it wrote at last is read, as from a connection of its own
      restarting[0] == 'm' ? start_mapper(restarting) : start(restarting, pb::WORKER);
      bus_.advance(milliseconds(1));  // the next is restarted when this one is ready
      restarting.clear();
      is_down = false;
    } else if (!restarting.empty() && dice(3) == 0) {
      const bool done = restarting[0] == 'm' || (bus_.edge(restarting).target().begun() == 0 &&
                                                 bus_.edge(restarting).has_last_envelope());
      if (!done) continue;
      bus_.kill(restarting, dice(2) == 0);
      is_down = true;
      ++restarts;
    }
    for (const char* w : {"w-1", "w-2"}) {
      if (!(is_down && restarting == w) && dice(2) == 0) worker(w).finish_all();
    }
  }
  EXPECT_GT(restarts, 10);
  for (const char* w : {"w-1", "w-2"}) {
    if (is_down && restarting == w) continue;
    worker(w).answers = true;
    worker(w).finish_all();
  }
  bus_.advance(seconds(60));
  EXPECT_EQ(front().edge->origin().in_flight(), 0u);
  for (const auto& [number, o] : front().outcomes)
    EXPECT_EQ(o.verdict(), pb::DELIVERED) << o.ShortDebugString();
  check_order_and_doubles({});
}

INSTANTIATE_TEST_SUITE_P(Seeds, BusUnderRestarts, ::testing::Range(1, 21));

}  // namespace
}  // namespace stox::bus
