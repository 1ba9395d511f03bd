#include "xmpp_worker/xmpp/s2s/s2s_admission.h"

#include <gtest/gtest.h>

#include <vector>

namespace stox::xmpp {
namespace {

using std::chrono::seconds;
using Among = S2sAdmission::Verdict::Among;

class Admission : public testing::Test {
 protected:
  // As a server does that finds somebody who goes whenever one must.
  bool come(const std::string& ip) {
    S2sAdmission::Place place = admission.place_of(ip);
    if (!admission.comes_in_time(place, clock.now())) return false;
    verdict = admission.judge(place, clock.now());
    if (verdict.among != Among::kNobody) return false;
    admission.take(place);
    places.push_back(place);
    return true;
  }
  std::size_t come(int count, const std::string& network, const std::string& rest = "") {
    std::size_t in = 0;
    for (int i = 0; i < count; ++i) in += come(network + std::to_string(i) + rest);
    return in;
  }
  void prove_all() {
    for (auto& place : places) admission.prove(place);
  }

  ManualClock clock;
  S2sAdmission admission{S2sAdmission::Limits{}};
  std::vector<S2sAdmission::Place> places;
  S2sAdmission::Verdict verdict;
};

TEST_F(Admission, ANetworkOfIPv6IsOneSource) {
  EXPECT_EQ(come(1000, "2001:db8::"), 64u);
  EXPECT_EQ(verdict.among, Among::kSource);
  EXPECT_TRUE(verdict.unproved_only);
  EXPECT_TRUE(come("192.0.2.1"));
  EXPECT_TRUE(come("2001:db8:0:1::1"));
}

TEST_F(Admission, OfTheLastQuarterANetworkAroundHasLittle) {
  for (int i = 0; i < 200; ++i) come(10, "2001:db8:1:" + std::to_string(i) + "::");
  EXPECT_EQ(places.size(), 750u);
  EXPECT_EQ(verdict.among, Among::kNetwork);
  EXPECT_TRUE(come("192.0.2.1"));
  EXPECT_TRUE(come("2001:db8:2::1"));
}

TEST_F(Admission, WhenAllPlacesAreTakenTheOldestGoes) {
  for (int i = 0; i < 100; ++i) come(10, "10." + std::to_string(i) + ".0.");
  EXPECT_EQ(places.size(), 1000u);
  EXPECT_FALSE(come("192.0.2.1"));
  EXPECT_EQ(verdict.among, Among::kAll);
  admission.release(places.front());
  EXPECT_TRUE(come("192.0.2.1"));
}

TEST_F(Admission, WhoHasProvedWhoHeIsIsCountedOtherwise) {
  for (int i = 0; i < 3; ++i) {
    come(64, "2001:db8::");
    prove_all();
  }
  clock.advance(seconds(10));
  come(64, "2001:db8::");
  EXPECT_EQ(places.size(), 200u);
  EXPECT_EQ(verdict.among, Among::kSource);
  EXPECT_FALSE(verdict.unproved_only);
  EXPECT_EQ(admission.unproved(), 8u);
  for (const auto& place : places) admission.release(place);
  EXPECT_EQ(admission.unproved(), 0u);
}

TEST_F(Admission, NobodyComesOrAsksTooFast) {
  const auto churn = [&](int times) {
    int in = 0;
    for (int i = 0; i < times; ++i) {
      if (!come("192.0.2.1")) continue;
      ++in;
      admission.release(places.back());
    }
    return in;
  };
  EXPECT_EQ(churn(1000), 200);
  EXPECT_TRUE(come("192.0.2.2"));
  clock.advance(seconds(1));
  EXPECT_EQ(churn(1000), 20);
  admission.forget_sources(clock.now());
  EXPECT_EQ(churn(1000), 0) << "it is remembered as long as it matters";
  const auto place = admission.place_of("192.0.2.1");
  int asked = 0;
  for (int i = 0; i < 1000; ++i) asked += admission.asks_in_time(place, clock.now());
  EXPECT_EQ(asked, 200);
}

TEST_F(Admission, WhatIsHeldIsBoundedForAll) {
  std::vector<std::size_t> kept;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(come("192.0.2.1"));
    admission.prove(places.back());
  }
  std::size_t count = 0;
  for (auto& place : places) count += admission.hold(place, 1'048'576, clock.now());
  EXPECT_EQ(count, 48u) << "three quarters of 64 MB";
  for (auto& place : places) {
    if (place.bytes != 0 && admission.bytes() > 50'000'000) admission.hold(place, 0, clock.now());
  }
  ASSERT_TRUE(come("198.51.100.1"));
  EXPECT_TRUE(admission.hold(places.back(), 300'000, clock.now())) << "who holds little may go on";
  EXPECT_TRUE(admission.hold(places.front(), 4'000, clock.now()));
  admission.release(places.back());
  places.pop_back();
  for (auto& place : places) admission.hold(place, 0, clock.now());
  EXPECT_EQ(admission.bytes(), 0u);
}

}  // namespace
}  // namespace stox::xmpp
