#include "xmpp_worker/services/answers.h"

#include <gtest/gtest.h>

#include <deque>

#include "stream_by_hand.h"

namespace stox::worker {
namespace {

class AnswersTest : public testing::Test {
 protected:
  std::string written() {
    answers.about_to_write(stream.component);
    return stream.take();
  }
  bool answer(const std::string& xml) { return answers.send(&stream.component, "gw.test", xml); }

  ManualClock clock;
  StreamByHand stream{clock};
  Answers answers{clock};
};

TEST_F(AnswersTest, GoAtOnceWhereThereIsAWay) {
  stream.come_up();
  EXPECT_TRUE(answer("<iq/>"));
  EXPECT_EQ(stream.take(), "<iq/>");
}

TEST_F(AnswersTest, WaitForTheWayBackAndKeepTheirOrder) {
  EXPECT_TRUE(answer("<presence/>"));
  EXPECT_TRUE(answer("<iq/>"));
  stream.come_up();
  stream.wakeups = 0;
  answers.path_up(stream.component);
  EXPECT_EQ(stream.wakeups, 1);
  EXPECT_EQ(written(), "<presence/><iq/>");
  EXPECT_EQ(written(), "");
}

TEST_F(AnswersTest, DoNotWaitForever) {
  EXPECT_TRUE(answer("<presence/>"));
  clock.advance(std::chrono::seconds(20));
  EXPECT_TRUE(answer("<iq/>"));
  clock.advance(Answers::kPatience - std::chrono::seconds(10));
  EXPECT_EQ(answers.drop_late(), 1u);
  stream.come_up();
  EXPECT_EQ(written(), "<iq/>");
}

TEST_F(AnswersTest, AreDroppedWithTheirPath) {
  EXPECT_TRUE(answer("<iq/>"));
  answers.path_gone(stream.component);
  stream.come_up();
  EXPECT_EQ(written(), "");
}

TEST_F(AnswersTest, AreBoundedForEachPathAndInAll) {
  const std::string iq(1000, 'x');
  std::size_t taken = 0;
  while (answer(iq)) ++taken;
  EXPECT_GT(taken, 50u);
  EXPECT_LT(taken * iq.size(), Answers::kMaxOfPath);

  std::deque<StreamByHand> others;
  const auto taken_by_another = [&] {
    return answers.send(&others.emplace_back(clock).component, "gw.test", std::string(60'000, 'x'));
  };
  while (taken_by_another()) {
  }
  EXPECT_LE(others.size() * 60'000, Answers::kMax);
  EXPECT_GT(others.size(), 10u);
  answers.path_gone(stream.component);
  EXPECT_TRUE(taken_by_another());
}

TEST_F(AnswersTest, AreNotForWhoDoesNotRead) {
  stream.come_up();
  stream.unread = 1 << 30;
  EXPECT_FALSE(answer("<iq/>"));
  EXPECT_FALSE(answers.send(nullptr, "gw.test", "<iq/>"));
}

}  // namespace
}  // namespace stox::worker
