#include "common/base/shares.h"

#include <gtest/gtest.h>

namespace stox {
namespace {

constexpr uint64_t kSeed = 1;  // a fixed one: no two names of these tests share a slot

class SharesTest : public testing::Test {
 protected:
  // How many of `wanted` places it gets.
  std::size_t fill(const Shares::Claim& claim, std::size_t wanted) {
    std::size_t got = 0;
    while (got < wanted && shares_.allows(claim, taken_)) {
      shares_.take(claim);
      ++taken_;
      ++got;
    }
    return got;
  }
  Shares::Claim message(const char* sender, const char* domain, const char* to_domain) {
    return shares_.claim({sender}, {domain, to_domain});
  }

  Shares shares_{160, kSeed};
  std::size_t taken_ = 0;
};

// Of a bound of 160: what is held already, who asks then, and how many places he gets.
struct Case {
  const char* about;
  struct {
    const char *sender, *domain, *to;
    std::size_t places;
  } held[3];
  const char *sender, *domain, *to;
  std::size_t gets;
};

constexpr Case kCases[] = {
    {"one sender alone", {}, "juliet", "home", "sip", 120},
    {"a second sender of the same site", {{"juliet", "home", "sip", 120}}, "nurse", "home", "sip", 10},
    {"a sender who holds little",
     {{"nurse", "home", "sip", 9}, {"juliet", "home", "sip", 111}},
     "nurse",
     "home",
     "sip",
     1},
    {"another domain, when one has taken what it can",
     {{"a", "evil", "sip", 120}, {"b", "evil", "sip", 10}, {"c", "evil", "sip", 10}},
     "juliet",
     "home",
     "sip",
     10},
    {"another recipient's domain",
     {{"a", "home", "dead", 120}, {"b", "home", "dead", 10}, {"c", "home", "dead", 10}},
     "juliet",
     "home",
     "sip",
     10},
    {"the domain that has taken what it can",
     {{"a", "evil", "sip", 120}, {"b", "evil", "sip", 10}, {"c", "evil", "sip", 10}},
     "d",
     "evil",
     "sip",
     0},
};

TEST(Shares, LeaveSomethingToThoseWhoHoldLittle) {
  for (const Case& each : kCases) {
    Shares shares(160, kSeed);
    std::size_t taken = 0;
    for (const auto& held : each.held) {
      if (held.sender == nullptr) continue;
      const auto claim = shares.claim({held.sender}, {held.domain, held.to});
      for (std::size_t i = 0; i < held.places; ++i, ++taken) {
        ASSERT_TRUE(shares.allows(claim, taken)) << each.about;
        shares.take(claim);
      }
    }
    const auto claim = shares.claim({each.sender}, {each.domain, each.to});
    std::size_t gets = 0;
    for (; shares.allows(claim, taken); ++gets, ++taken) shares.take(claim);
    EXPECT_EQ(gets, each.gets) << each.about;
  }
}

TEST_F(SharesTest, ManySendersOfOneSiteShareSevenEighths) {
  std::size_t got = 0;
  for (int i = 0; i < 1000; ++i) got += fill(message(std::to_string(i).c_str(), "home", "sip"), 1);
  EXPECT_EQ(got, 140U);
}

TEST_F(SharesTest, WhatIsReleasedCountsNoMore) {
  const auto juliet = message("juliet", "home", "sip");
  EXPECT_EQ(fill(juliet, 1000), 120U);
  for (int i = 0; i < 115; ++i) shares_.release(juliet);
  EXPECT_EQ(shares_.held_by_first(juliet), 5U);
  taken_ = 130;  // the others' places
  EXPECT_EQ(fill(juliet, 1000), 5U);
}

TEST_F(SharesTest, EachHolderCounts) {
  const auto claim = [&](const char* source, const char* sender) { return shares_.claim({source, sender}); };
  EXPECT_EQ(fill(claim("192.0.2.1", "a"), 1000), 120U);
  EXPECT_EQ(fill(claim("192.0.2.1", "b"), 1000), 0U);
  EXPECT_EQ(fill(claim("192.0.2.2", "a"), 1000), 0U);
  EXPECT_EQ(fill(claim("192.0.2.2", "b"), 1000), 10U);
}

TEST_F(SharesTest, WhoHasNoNameIsNotCounted) {  // a trusted proxy
  EXPECT_EQ(fill(shares_.claim({""}), 1000), 160U);
}

TEST_F(SharesTest, WithoutDomainsTheLastEighthIsOpenToWhoHoldsLittle) {
  EXPECT_EQ(fill(shares_.claim({"a"}), 1000), 120U);
  std::size_t got = 0;
  for (int i = 0; i < 1000; ++i) got += fill(shares_.claim({std::to_string(i)}), 1);
  EXPECT_EQ(got, 40U);
}

TEST(Shares, ASmallBoundHasNone) {
  Shares shares(3);
  const auto claim = shares.claim({"juliet"});
  for (std::size_t taken = 0; taken < 3; ++taken) {
    EXPECT_TRUE(shares.allows(claim, taken));
    shares.take(claim);
  }
  EXPECT_FALSE(shares.allows(claim, 3));
}

TEST(Shares, ASourceIsAnAddressOrASlash64) {
  EXPECT_EQ(source_network("192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(source_network("::ffff:192.0.2.7"), "192.0.2.7");
  EXPECT_EQ(source_network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  EXPECT_EQ(source_network("2001:db8:1:2::1"), source_network("2001:db8:1:2:ffff::"));
  EXPECT_EQ(source_network("fe80::1%eth0"), "fe80::/64");
  EXPECT_EQ(source_network("local"), "local");
}

}  // namespace
}  // namespace stox
