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
  void read() override {
    ++reads;
    read_at = loop.now();
    if (and_then) and_then();
  }
  Loop& loop;
  int reads = 0;
  Time read_at{};
  std::function<void()> and_then;
};

TEST(Pace, WhoRestsReadsOnceWhenTheTimeHasCome) {
  Loop loop;
  Rester one(loop);
  const Time start = loop.now();
  loop.pace().rest(one, milliseconds(5));
  loop.run();
  EXPECT_EQ(one.reads, 1);
  EXPECT_GE(one.read_at, start + milliseconds(5));
}

TEST(Pace, AllGoOnWithTheFirst) {
  Loop loop;
  Rester first(loop), second(loop);
  loop.pace().rest(second, std::chrono::hours(1));
  loop.pace().rest(first, milliseconds(1));
  loop.run();
  EXPECT_EQ(first.reads, 1);
  EXPECT_EQ(second.reads, 1);
}

TEST(Pace, MayRestAgainFromItsRead) {
  Loop loop;
  Rester one(loop);
  one.and_then = [&] {
    if (one.reads < 3) loop.pace().rest(one, milliseconds(1));
  };
  loop.pace().rest(one, milliseconds(1));
  loop.run();
  EXPECT_EQ(one.reads, 3);
}

TEST(Pace, WhoIsDestroyedByAnotherInTheSameWakeupIsNotCalled) {
  Loop loop;
  Rester first(loop);
  std::optional<Rester> second(loop);
  first.and_then = [&] { second.reset(); };
  loop.pace().rest(first, milliseconds(1));
  loop.pace().rest(*second, milliseconds(1));
  loop.run();
  EXPECT_EQ(first.reads, 1);
  EXPECT_FALSE(second);
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
