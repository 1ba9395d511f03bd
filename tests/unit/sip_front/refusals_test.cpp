#include "sip_front/request/refusals.h"

#include <gtest/gtest.h>

namespace stox {
namespace {

using namespace std::chrono_literals;

sip::Endpoint at(const char* ip, uint16_t port = 5060) { return *sip::Endpoint::parse(ip, port); }

class RefusalsTest : public testing::Test {
 protected:
  void refuse(const char* source, sip::Refused why = sip::Refused::kUntrusted, bool is_message = true) {
    refusals_.refused(at(source, 40000), why, is_message, std::string(source) + " is not let in", now_);
  }
  std::string trouble() const { return refusals_.trouble({at("192.0.2.1"), at("2001:db8::1")}, now_); }

  Time now_ = Time{} + 1h;
  Refusals refusals_;
};

TEST_F(RefusalsTest, ThatNoMessageGotInIsTrouble) {
  EXPECT_EQ(trouble(), "");
  refuse("192.0.2.9");
  EXPECT_EQ(trouble(), "every message of the last minute was refused: 192.0.2.9 is not let in");
  now_ += 61s;
  EXPECT_EQ(trouble(), "");
  refuse("192.0.2.9", sip::Refused::kFromDomain);
  EXPECT_NE(trouble(), "");
}

TEST_F(RefusalsTest, StrangersBesideMessagesThatGetInAreNone) {
  refusals_.let_in(at("192.0.2.1"), now_);
  now_ += 30s;
  refuse("198.51.100.1");
  EXPECT_EQ(trouble(), "");
  now_ += 31s;  // none has come in for a minute
  EXPECT_NE(trouble(), "");
}

TEST_F(RefusalsTest, WhatIsNotForTheOperatorIsNone) {
  for (const auto why : {sip::Refused::kUnavailable, sip::Refused::kRate, sip::Refused::kShare,
                         sip::Refused::kMerged, sip::Refused::kExpired})
    refuse("192.0.2.9", why);
  refuse("198.51.100.1", sip::Refused::kUntrusted, false);  // somebody looks who is there
  EXPECT_EQ(trouble(), "");
}

TEST_F(RefusalsTest, ThatTheProxyIsRefusedIsTroubleWhateverElseGetsIn) {
  refuse("192.0.2.1", sip::Refused::kUntrusted, false);
  for (int i = 0; i < 10; ++i) refuse(("198.51.100." + std::to_string(i)).c_str());
  refusals_.let_in(at("192.0.2.7"), now_);
  EXPECT_EQ(trouble(), "requests of outbound_proxy are refused: add 192.0.2.1 to `trusted`");
  now_ += 5min;
  EXPECT_NE(trouble(), "");
  refusals_.let_in(at("192.0.2.1"), now_);
  EXPECT_EQ(trouble(), "");
  refuse("2001:db8::1");
  EXPECT_NE(trouble(), "");
  refusals_.clear();
  EXPECT_EQ(trouble(), "");
}

}  // namespace
}  // namespace stox
