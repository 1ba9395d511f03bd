#include "sip_front/page/taken_requests.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace stox {
namespace {

using std::chrono::seconds;

class TakenRequestsTest : public ::testing::Test {
 protected:
  ~TakenRequestsTest() override { std::filesystem::remove(path_); }
  std::unique_ptr<TakenRequests> open() { return std::move(*TakenRequests::open(path_, clock_)); }

  std::string path_ = std::filesystem::temp_directory_path() / ("stox-taken-" + std::to_string(getpid()));
  ManualClock clock_;
};

TEST_F(TakenRequestsTest, TheNextProcessKnowsThemUntilNoCopyCanCome) {
  auto first = open();
  first->add(11, 7, 1, clock_.now());
  EXPECT_EQ(first->find(11), nullptr) << "its own are in flight";
  first.reset();
  clock_.advance(seconds(30));
  auto second = open();
  ASSERT_NE(second->find(11), nullptr);
  EXPECT_EQ(second->find(11)->epoch, 7u);
  EXPECT_EQ(second->find(11)->number, 1u);
  EXPECT_EQ(second->find(12), nullptr);
  EXPECT_EQ(second->openings(), 2u);
  clock_.advance(seconds(11));
  EXPECT_EQ(second->find(11), nullptr);
}

TEST_F(TakenRequestsTest, TargetsAreKept) {
  open()->set_targets({{"component-1", 5, false, clock_.now()}, {"component-2", 6, true, {}}});
  const auto targets = open()->targets();
  ASSERT_EQ(targets.size(), 2u);
  EXPECT_EQ(targets[0].name, "component-1");
  EXPECT_EQ(targets[0].process_epoch, 5u);
  EXPECT_FALSE(targets[0].present);
  EXPECT_EQ(targets[0].gone_at, clock_.now());
  EXPECT_TRUE(targets[1].present);
}

TEST_F(TakenRequestsTest, AFileThatCannotBeMadeIsNamed) {
  const auto taken = TakenRequests::open("/proc/nowhere/all.taken", clock_);
  ASSERT_FALSE(taken);
  EXPECT_NE(taken.error().text.find("/proc/nowhere/all.taken"), std::string::npos);
}

}  // namespace
}  // namespace stox
