#include "sip_front/presence/kept_watcher.h"

#include <gtest/gtest.h>

#include <string>

namespace stox {
namespace {

using std::chrono::seconds;

KeptWatcher romeo(const Clock& clock, Duration left) {
  KeptWatcher kept;
  kept.watcher = "sip:romeo@sip.test";
  kept.presentity = "sip:juliet*x.test@gw.test";
  kept.subscription.event_id = "7";
  kept.subscription.active = true;
  kept.subscription.expires = clock.now() + left;
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

TEST(KeptWatcher, IsReadAsItWasWritten) {
  ManualClock clock;
  const KeptWatcher kept = romeo(clock, seconds(600));
  const std::string record = write_kept(kept, clock);
  clock.advance(seconds(10));
  const auto read = read_kept(record, clock);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->watcher, kept.watcher);
  EXPECT_EQ(read->presentity, kept.presentity);
  EXPECT_EQ(read->subscription.dialog, kept.subscription.dialog);
  EXPECT_EQ(read->subscription.event_id, "7");
  EXPECT_TRUE(read->subscription.active);
  EXPECT_EQ(read->subscription.expires, kept.subscription.expires);
}

TEST(KeptWatcher, WhatHasExpiredIsDroppedUnlessARefreshMayBeOnItsWay) {
  ManualClock clock;
  const std::string first = write_kept(romeo(clock, seconds(10)), clock);
  const std::string second = write_kept(romeo(clock, seconds(100)), clock);
  clock.advance(seconds(110));
  EXPECT_FALSE(read_kept(first, clock));
  const auto read = read_kept(second, clock);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->subscription.expires, clock.now() + kRefreshComes);
}

TEST(KeptWatcher, AClockThatWasSetBackMakesNoneEternal) {
  ManualClock clock;
  const auto read = read_kept(write_kept(romeo(clock, std::chrono::hours(48)), clock), clock);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->subscription.expires, clock.now() + seconds(sip::Notifier::kMaxExpires));
}

TEST(KeptWatcher, WhatIsNoRecordIsDropped) { EXPECT_FALSE(read_kept("\xff\xff", ManualClock())); }

}  // namespace
}  // namespace stox
