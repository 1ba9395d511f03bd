#include "xmpp_worker/xmpp/proof.h"

#include <gtest/gtest.h>

#include <map>

namespace stox::xmpp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class ProofTest : public testing::Test, public ProofUser {
 protected:
  void settled(uint64_t number, Fate fate) override {
    EXPECT_TRUE(fates.emplace(number, fate).second) << number << " settled twice";
  }
  void write_ping(const std::string& domain, uint64_t number, bool to_any_user) override {
    pings.emplace_back(domain, number);
    to_users += to_any_user;
  }
  bool peer_answered_since(Time) override { return peer_lives; }

  void write(std::initializer_list<uint64_t> numbers, const std::string& domain) {
    for (const uint64_t number : numbers) proof.written(number, domain, clock.now() + seconds(25));
  }
  void wakeup() { proof.end_of_wakeup(clock.now()); }
  void pass(Duration d) {
    clock.advance(d);
    proof.turn(clock.now());
  }
  void answer(std::size_t ping) { proof.answered(pings.at(ping).second, pings.at(ping).first); }
  // One message in each wakeup, none answered.
  void stay_unanswered(int times, const std::string& domain) {
    for (int i = 0; i < times; ++i) {
      write({next++}, domain);
      wakeup();
      pass(seconds(26));
    }
  }

  ManualClock clock;
  Proof proof{*this};
  std::map<uint64_t, Fate> fates;
  std::vector<std::pair<std::string, uint64_t>> pings;
  bool peer_lives = true;
  int to_users = 0;
  uint64_t next = 1000;
};

TEST_F(ProofTest, OnePingBehindAGroupProvesAllOfIt) {
  write({1, 2, 3}, "a");
  EXPECT_TRUE(pings.empty());
  wakeup();
  wakeup();
  ASSERT_EQ(pings.size(), 1u);
  EXPECT_TRUE(proof.waits());
  EXPECT_TRUE(fates.empty());
  answer(0);
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kProved}, {2, Fate::kProved}, {3, Fate::kProved}}));
  EXPECT_FALSE(proof.waits());
}

TEST_F(ProofTest, ADomainsAnswerProvesNothingForAnother) {
  write({1}, "a");
  write({2}, "b");
  wakeup();
  ASSERT_EQ(pings.size(), 2u);
  answer(0);
  EXPECT_EQ(fates.count(1), 1u);
  EXPECT_EQ(fates.count(2), 0u);
  proof.answered(pings[1].second, "a");
  EXPECT_EQ(fates.count(2), 0u);
}

TEST_F(ProofTest, ALaterAnswerEndsEarlierGroupsAndProvesItsOwnAlone) {
  for (const uint64_t number : {1, 2, 3}) {
    write({number}, "a");
    wakeup();
  }
  answer(1);
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kUnsure}, {2, Fate::kProved}}));
  answer(0);
  answer(1);
  answer(2);
  EXPECT_EQ(fates.at(3), Fate::kProved);
  EXPECT_EQ(fates.at(1), Fate::kUnsure);
}

TEST_F(ProofTest, WithoutAnAnswerEachEndsAtItsOwnDeadline) {
  proof.written(1, "a", clock.now() + seconds(5));
  proof.written(2, "a", clock.now() + seconds(20));
  wakeup();
  EXPECT_EQ(proof.next(), clock.now() + seconds(5));
  pass(seconds(5));
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kDeadline}}));
  pass(seconds(14));
  EXPECT_EQ(fates.size(), 1u);
  pass(seconds(1));
  EXPECT_EQ(fates.at(2), Fate::kDeadline);
  EXPECT_FALSE(proof.waits());
}

TEST_F(ProofTest, WhatTheEndOfTheStreamLeavesIsInDoubt) {
  write({1}, "a");
  wakeup();
  write({2}, "a");
  proof.stream_ended();
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kInDoubt}, {2, Fate::kInDoubt}}));
  answer(0);
  pass(minutes(1));
  EXPECT_EQ(fates.size(), 2u);
  write({3}, "a");
  wakeup();
  answer(1);
  EXPECT_EQ(fates.at(3), Fate::kProved);
}

TEST_F(ProofTest, ADomainThatNeverAnswersBecomesMuteAndIsPassedOn) {
  stay_unanswered(3, "mute");
  EXPECT_EQ(fates.size(), 3u);
  EXPECT_EQ(proof.mute_domains(), 1u);
  write({1}, "mute");
  EXPECT_EQ(fates.count(1), 0u);
  wakeup();
  EXPECT_EQ(fates.at(1), Fate::kPassedOn);
  EXPECT_FALSE(proof.waits());
  write({2}, "other");
  wakeup();
  EXPECT_EQ(fates.count(2), 0u);
}

TEST_F(ProofTest, AnAnswerBetweenKeepsADomainFromBecomingMute) {
  stay_unanswered(2, "a");
  write({1}, "a");
  wakeup();
  answer(2);
  stay_unanswered(2, "a");
  EXPECT_EQ(proof.mute_domains(), 0u);
}

TEST_F(ProofTest, NobodyIsMuteBehindADeadPeer) {
  peer_lives = false;
  stay_unanswered(5, "a");
  EXPECT_EQ(proof.mute_domains(), 0u);
  EXPECT_EQ(fates.size(), 5u);
}

TEST_F(ProofTest, AMuteDomainIsAskedNowAndThenAndMayComeBack) {
  stay_unanswered(3, "a");
  const auto before = pings.size();
  for (int i = 0; i < 30; ++i) {
    write({next++}, "a");
    wakeup();
    pass(seconds(10));
  }
  EXPECT_GE(pings.size(), before + 4);
  EXPECT_LE(pings.size(), before + 6);
  answer(pings.size() - 1);
  EXPECT_EQ(proof.mute_domains(), 0u);
  write({1}, "a");
  wakeup();
  EXPECT_EQ(fates.count(1), 0u);
  answer(pings.size() - 1);
  EXPECT_EQ(fates.at(1), Fate::kProved);
}

TEST_F(ProofTest, ForgetsDomainsThatAreNotWrittenToAnyMore) {
  for (int i = 0; i < 1000; ++i) {
    write({next++}, "d" + std::to_string(i));
    wakeup();
    answer(pings.size() - 1);
  }
  stay_unanswered(3, "mute");
  pass(minutes(61));
  EXPECT_EQ(proof.domains(), 0u);
  EXPECT_EQ(proof.mute_domains(), 0u);
}

TEST_F(ProofTest, AnswersOnOneConnectionSayNothingOfTheOther) {
  proof.set_others({7});
  write({1}, "a");
  wakeup();
  proof.answered(pings[0].second, "a", 0);
  write({2}, "a");
  wakeup();
  EXPECT_EQ(to_users, 1);
  ASSERT_EQ(pings.size(), 3u);  // the first group's second, and the second group's
  proof.answered(pings[1].second, "a", 7);
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kProved}}));
  proof.answered(pings[2].second, "a", 7);
  EXPECT_EQ(fates.count(2), 0u);
  ASSERT_EQ(pings.size(), 4u);
  proof.answered(pings[3].second, "a", 0);
  EXPECT_EQ(fates.at(2), Fate::kProved);
  EXPECT_FALSE(proof.waits());
}

TEST_F(ProofTest, AnAnswerOnAConnectionThatIsNotKnownYetProvesNothing) {
  write({1}, "a");
  wakeup();
  proof.answered(pings[0].second, "a", 7);
  EXPECT_TRUE(fates.empty()) << "the refusal may come on ours";
  ASSERT_EQ(pings.size(), 2u);
  proof.answered(pings[1].second, "a", 0);
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kUnsure}}));
}

TEST_F(ProofTest, AnAnswerOnTheConnectionThatFollowedALostOneProvesNothing) {
  proof.set_others({7});
  write({1}, "a");
  wakeup();
  proof.answered(pings[0].second, "a", 0);
  proof.answered(pings[1].second, "a", 8);  // of the same worker, and we do not know yet
  EXPECT_TRUE(fates.empty());
  proof.other_lost(clock.now());
  proof.set_others({8});
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kUnsure}}));
}

TEST_F(ProofTest, WhileTheServerMaySendElsewhereAnAnswerShowsOnlyThatItReads) {
  write({1}, "a");
  proof.end_of_wakeup(clock.now(), false);
  write({2}, "a");
  proof.end_of_wakeup(clock.now(), true);
  answer(1);
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kUnsure}, {2, Fate::kProved}}));
}

TEST_F(ProofTest, AConnectionOnWhichNothingEverComesLeavesItUnsure) {
  proof.set_others({7});
  write({1}, "a");
  wakeup();
  for (std::size_t i = 0; i < pings.size() && pings.size() < 100; ++i) answer(i);
  EXPECT_LT(pings.size(), 50u);
  EXPECT_EQ(fates, (std::map<uint64_t, Fate>{{1, Fate::kUnsure}}));
}

}  // namespace
}  // namespace stox::xmpp
