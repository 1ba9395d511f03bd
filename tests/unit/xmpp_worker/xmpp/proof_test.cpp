#include "xmpp_worker/xmpp/proof/proof.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <map>
#include <set>

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

// At random, with a seed: a server that sends each answer on any connection of our domain, recipients that it
// refuses, and connections that end with what was on its way on them.
class ProofUnderFaults : public ProofTest, public testing::WithParamInterface<int> {
 protected:
  struct Item {
    uint64_t number;
    bool is_ping;
  };
  static int dice(int n) { return std::rand() % n; }
  static bool is_refused(uint64_t message) { return message % 5 == 0; }

  void write_ping(const std::string&, uint64_t number, bool) override { to_server.push_back({number, true}); }
  void settled(uint64_t number, Fate fate) override {
    if (bounced.contains(number)) return;
    ProofTest::settled(number, fate);
    if (fate != Fate::kProved) return;
    EXPECT_FALSE(is_refused(number)) << number << " was refused, and is said to be delivered";
    EXPECT_TRUE(delivered.contains(number)) << number << " is lost, and said to be delivered";
  }
  void send() {
    if (!own_is_up) return;
    proof.written(next, "a", clock.now() + seconds(25));
    sent.insert(next);
    to_server.push_back({next++, false});
    wakeup();
  }
  void server_reads() {
    if (to_server.empty() || (!own_is_up && other == 0)) return;
    const Item item = to_server.front();
    to_server.pop_front();
    if (!item.is_ping && !is_refused(item.number)) return void(delivered.insert(item.number));
    to_us[!own_is_up || (other != 0 && dice(2) == 0) ? other : 0].push_back(item);
  }
  void answer_comes(uint64_t connection) {
    auto& way = to_us[connection];
    if (way.empty()) return;
    const Item item = way.front();
    way.pop_front();
    item.is_ping ? proof.answered(item.number, "a", connection) : void(bounced.insert(item.number));
  }
  void lose_some(std::deque<Item>& way) {
    way.resize(static_cast<std::size_t>(dice(static_cast<int>(way.size()) + 1)));
  }
  void own_ends() {
    own_is_up = false;
    lose_some(to_server);
    to_us[0].clear();
    proof.stream_ended();
  }
  // The other worker tells of its connection before it makes it, and of its end some time after.
  void other_changes() {
    if (announced == 0) {
      announced = 1000 + next;
      proof.set_others({announced});
    } else if (other == 0 && !other_has_ended) {
      other = announced;
    } else if (!other_has_ended) {
      lose_some(to_us[other]);
      other = 0;
      other_has_ended = true;
    } else {
      proof.other_lost(clock.now());
      proof.set_others({});
      announced = 0;
      other_has_ended = false;
    }
  }

  std::deque<Item> to_server;
  std::map<uint64_t, std::deque<Item>> to_us;  // by connection
  std::set<uint64_t> sent, delivered, bounced;
  bool own_is_up = true, other_has_ended = false;
  uint64_t announced = 0, other = 0;  // the other worker's connection, as we know it and as the server has it
};

TEST_P(ProofUnderFaults, WhatIsProvedIsDelivered) {
  std::srand(static_cast<unsigned>(GetParam()));
  for (int step = 0; step < 3000; ++step) {
    if (dice(2) == 0) send();
    for (int i = dice(4); i > 0; --i) server_reads();
    for (int i = dice(4); i > 0; --i) answer_comes(0);
    for (int i = dice(4); i > 0 && announced != 0; --i) answer_comes(announced);
    if (dice(60) == 0) other_changes();
    if (own_is_up ? dice(400) == 0 : dice(20) == 0) own_is_up ? own_ends() : void(own_is_up = true);
    if (dice(4) == 0) pass(std::chrono::milliseconds(dice(200)));
  }
  pass(seconds(60));
  std::size_t proved = 0;
  for (const uint64_t number : sent) {
    EXPECT_TRUE(fates.contains(number) || bounced.contains(number)) << number << " has no end";
    proved += fates.contains(number) && fates[number] == Fate::kProved;
  }
  EXPECT_GT(proved, sent.size() / 10);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ProofUnderFaults, testing::Range(1, 61));

}  // namespace
}  // namespace stox::xmpp
