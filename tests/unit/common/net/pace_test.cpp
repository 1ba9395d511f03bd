#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <optional>

#include "common/net/input.h"
#include "common/net/loop.h"

namespace stox::net {
namespace {

using std::chrono::milliseconds;

struct Rester : Reader {
  explicit Rester(Loop& l) : loop(l) {}
  ~Rester() override { loop.pace().forget(*this); }
  Came read() override {
    ++reads;
    read_at = loop.now();
    if (then) then();
    return reads <= comes ? Came::kAll : Came::kNothing;
  }
  void wait() override { ++waits; }
  Loop& loop;
  int comes = 0;  // in so many of the first reads
  int reads = 0, waits = 0;
  Time read_at{};
  std::function<void()> then;
};

TEST(Pace, WhoRestsReadsWhenTheTimeHasCome) {
  Loop loop;
  Rester one(loop);
  const Time start = loop.now();
  loop.pace().set_longest(milliseconds(1));
  loop.pace().rest(one, milliseconds(5));
  loop.run();
  EXPECT_GE(one.read_at, start + milliseconds(5));
  EXPECT_EQ(one.reads, 1);
  EXPECT_EQ(one.waits, 1);
}

TEST(Pace, ReadsAgainUntilNothingComes) {
  Loop loop;
  Rester one(loop);
  one.comes = 3;
  const Time start = loop.now();
  loop.pace().set_longest(milliseconds(2));
  loop.pace().rest(one, milliseconds(1));
  loop.run();
  EXPECT_GE(loop.now(), start + milliseconds(7));
  EXPECT_EQ(one.reads, 4);
  EXPECT_EQ(one.waits, 1);
}

TEST(Pace, AllReadWithTheFirst) {
  Loop loop;
  Rester first(loop), second(loop);
  loop.pace().rest(second, std::chrono::hours(1));
  loop.pace().rest(first, milliseconds(1));
  loop.run();
  EXPECT_EQ(first.reads, 1);
  EXPECT_EQ(second.reads, 1);
}

TEST(Pace, WhoHasNothingRestsAWhileWithThoseThatHave) {
  Loop loop;
  Rester busy(loop), idle(loop);
  busy.comes = 100;
  int waited_after = 0;
  idle.then = [&] { waited_after = busy.reads; };
  loop.pace().set_longest(Duration(1));
  loop.pace().rest(busy, milliseconds(1));
  loop.pace().rest(idle, milliseconds(1));
  loop.run();
  EXPECT_EQ(busy.reads, 101);
  EXPECT_EQ(idle.waits, 1);
  EXPECT_GT(waited_after, 1);
  EXPECT_LT(waited_after, 50);
}

TEST(Pace, WhoHasReadOnlyAPartReadsTheRestAtOnce) {
  Loop loop;
  struct : Reader {
    Came read() override { return ++reads == 1 ? Came::kPart : Came::kNothing; }
    void wait() override {}
    int reads = 0;
  } one;
  const Time start = loop.now();
  loop.pace().set_longest(milliseconds(2));
  loop.pace().rest(one, milliseconds(1));
  loop.run();
  EXPECT_EQ(one.reads, 2);
  EXPECT_LT(loop.now(), start + std::chrono::minutes(30));
}

// The time of the pace after so many wakeups, each with so many messages.
Duration time_after(Loop& loop, int wakeups, std::size_t messages) {
  Rester one(loop);
  one.comes = wakeups - 1;
  one.then = [&] { loop.pace().count(messages); };
  loop.pace().rest(one, Duration(1));
  loop.io().restart();
  loop.run();
  return loop.pace().time();
}

TEST(Pace, ItsTimeIsAsLongAsLetsAGoodNumberOfMessagesShareAWakeup) {
  Loop loop;
  EXPECT_EQ(time_after(loop, 9, 5), Duration{}) << "nobody has asked for one";
  loop.pace().set_longest(milliseconds(4));
  EXPECT_EQ(loop.pace().time(), milliseconds(2));
  const Duration longer = time_after(loop, 3, 5);
  EXPECT_GT(longer, milliseconds(2));
  EXPECT_LT(longer, milliseconds(4));
  EXPECT_EQ(time_after(loop, 3, 20), longer) << "a good number comes";
  EXPECT_EQ(time_after(loop, 20, 5), milliseconds(4));
  const Duration shorter = time_after(loop, 2, 30);
  EXPECT_LT(shorter, milliseconds(4)) << "so many come that it may be shorter";
  EXPECT_GT(shorter, milliseconds(2));
  EXPECT_EQ(time_after(loop, 2, 100), milliseconds(2)) << "a burst";
  EXPECT_EQ(time_after(loop, 20, 5), milliseconds(4));
  EXPECT_EQ(time_after(loop, 20, 1), milliseconds(2)) << "there is nothing to share it with";
  loop.pace().set_longest(milliseconds(1));
  EXPECT_EQ(time_after(loop, 20, 5), milliseconds(1));
}

TEST(Pace, WhoIsDestroyedByAnotherInTheSameWakeupIsNotCalled) {
  Loop loop;
  Rester first(loop);
  std::optional<Rester> second(loop);
  first.then = [&] { second.reset(); };
  loop.pace().rest(first, milliseconds(1));
  loop.pace().rest(*second, milliseconds(1));
  loop.run();
  EXPECT_EQ(first.reads, 1);
  EXPECT_FALSE(second);
}

TEST(About, IsNeverEarlierAndUpToTenMillisecondsLater) {
  for (int64_t us : {0, 1, 9'999, 10'000, 10'001, 123'456'789}) {
    const Time at = from_us(us);
    EXPECT_GE(about(at), at);
    EXPECT_LT(about(at), at + milliseconds(10));
  }
  EXPECT_EQ(about(from_us(10'001)), about(from_us(19'999)));
  EXPECT_EQ(about(kNever), kNever);
}

class InputTest : public testing::Test {
 protected:
  InputTest() { EXPECT_EQ(pipe(ends.data()), 0); }
  ~InputTest() override {
    for (const int end : ends) close(end);
  }
  void put() { EXPECT_EQ(write(ends[1], "x", 1), 1); }

  Loop loop;
  std::array<int, 2> ends{};
};

TEST_F(InputTest, TellsOnceOfWhatIsThere) {
  int told = 0;
  Input input(loop, ends[0], [&] { ++told; });
  put();
  input.wait();
  input.wait();
  loop.run();
  EXPECT_EQ(told, 1);
}

TEST_F(InputTest, TellsOfWhatCameWhileItWasSilent) {
  int told = 0;
  Input input(loop, ends[0], [&] { ++told; });
  input.wait();
  input.silence();
  put();
  loop.run();
  EXPECT_EQ(told, 0);
  input.wait();
  loop.io().restart();
  loop.run();
  EXPECT_EQ(told, 1);
}

TEST_F(InputTest, OfTwoThatAreReadyOneMaySilenceTheOther) {
  int told = 0;
  std::optional<Input> one, other;
  one.emplace(loop, ends[0], [&] {
    ++told;
    other->silence();
  });
  const int same = dup(ends[0]);
  other.emplace(loop, same, [&] {
    ++told;
    one->silence();
  });
  put();
  one->wait();
  other->wait();
  loop.run();
  EXPECT_EQ(told, 1);
  other.reset();
  close(same);
}

}  // namespace
}  // namespace stox::net
