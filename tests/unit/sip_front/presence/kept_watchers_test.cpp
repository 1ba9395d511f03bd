#include "sip_front/presence/kept_watchers.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

namespace stox {
namespace {

using std::chrono::seconds;

class KeptWatchersTest : public ::testing::Test {
 protected:
  KeptWatchersTest() { std::filesystem::create_directories(folder_); }
  ~KeptWatchersTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<KeptWatchers> file() {
    return std::make_unique<KeptWatchers>(folder_ + "/front.watchers", clock_);
  }
  KeptWatchers::Kept romeo(Duration left = seconds(600)) const {
    KeptWatchers::Kept kept;
    kept.watcher = "sip:romeo@sip.test";
    kept.presentity = "sip:juliet*x.test@gw.test";
    kept.subscription.event_id = "7";
    kept.subscription.active = true;
    kept.subscription.expires = clock_.now() + left;
    kept.subscription.dialog = {"call",
                                "ours",
                                "theirs",
                                "sip:juliet*x.test@gw.test",
                                "sip:romeo@sip.test",
                                "sip:romeo@192.0.2.7",
                                {"<sip:p1;lr>", "<sip:p2;lr>"},
                                3,
                                4};
    return kept;
  }

  std::string folder_ =
      std::filesystem::temp_directory_path() / ("stox-watchers-" + std::to_string(getpid()));
  ManualClock clock_;
};

TEST_F(KeptWatchersTest, TheNextProcessFindsWhatWasPutLast) {
  auto first = file();
  ASSERT_TRUE(first->open());
  auto kept = romeo();
  first->put({1, 1}, kept);
  ASSERT_TRUE(first->commit());
  kept.subscription.dialog.remote_cseq = 5;
  first->put({1, 1}, kept);
  first->put({2, 1}, kept);
  first->remove({2, 1});
  ASSERT_TRUE(first->commit());
  first.reset();

  clock_.advance(seconds(10));
  const auto left = file()->open();
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 1u);
  const auto& one = left->front();
  EXPECT_EQ(one.watcher, kept.watcher);
  EXPECT_EQ(one.presentity, kept.presentity);
  EXPECT_EQ(one.subscription.dialog, kept.subscription.dialog);
  EXPECT_EQ(one.subscription.event_id, "7");
  EXPECT_TRUE(one.subscription.active);
  EXPECT_EQ(one.subscription.expires, clock_.now() + seconds(590));
}

TEST_F(KeptWatchersTest, WhatHasExpiredIsDroppedUnlessARefreshMayBeOnItsWay) {
  auto first = file();
  ASSERT_TRUE(first->open());
  first->put({1, 1}, romeo(seconds(10)));
  first->put({2, 1}, romeo(seconds(100)));
  ASSERT_TRUE(first->commit());
  first.reset();

  clock_.advance(seconds(110));
  const auto left = file()->open();
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ(left->front().subscription.expires, clock_.now() + KeptWatchers::kRefreshComes);
}

}  // namespace
}  // namespace stox
