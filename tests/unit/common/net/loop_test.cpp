#include "common/net/loop.h"

#include <gtest/gtest.h>

#include <optional>

namespace stox::net {
namespace {

using std::chrono::milliseconds;

TEST(Alarm, RingsOnceAtTheTimeLastSet) {
  Loop loop;
  int rings = 0;
  const Time start = loop.now();
  Alarm alarm(loop, [&] { ++rings; });
  alarm.set(start + milliseconds(1));
  alarm.set(start + milliseconds(20));  // later: the first wait must not ring
  loop.run();
  EXPECT_EQ(rings, 1);
  EXPECT_GE(loop.now(), start + milliseconds(20));
}

TEST(Alarm, AnEarlierTimeReplacesALaterOne) {
  Loop loop;
  Alarm alarm(loop, [&] { loop.stop(); });
  alarm.set(loop.now() + std::chrono::hours(1));
  alarm.set(loop.now() + milliseconds(1));
  loop.run();
  EXPECT_EQ(alarm.at(), kNever);
}

TEST(Alarm, NeverClears) {
  Loop loop;
  bool rang = false;
  Alarm alarm(loop, [&] { rang = true; });
  alarm.set(loop.now() + milliseconds(1));
  alarm.set(kNever);
  loop.run();
  EXPECT_FALSE(rang);
}

TEST(Alarm, DestroyedInTheTurnInWhichItIsDueNeverRings) {
  Loop loop;
  bool rang = false;
  std::optional<Alarm> other;
  Alarm first(loop, [&] { other.reset(); });
  other.emplace(loop, [&] { rang = true; });
  first.set(loop.now());
  other->set(loop.now());
  loop.run();
  EXPECT_FALSE(rang);
}

TEST(EndOfTurn, DestroyedBeforeTheEndNeverRuns) {
  Loop loop;
  bool ran = false;
  std::optional<EndOfTurn> end;
  end.emplace(loop, [&] { ran = true; });
  end->ask();
  end.reset();
  loop.run();
  EXPECT_FALSE(ran);
}

TEST(EndOfTurn, RunsOnceHoweverOftenAsked) {
  Loop loop;
  int runs = 0;
  EndOfTurn end(loop, [&] { ++runs; });
  end.ask();
  end.ask();
  loop.run();
  EXPECT_EQ(runs, 1);
}

}  // namespace
}  // namespace stox::net
