#include "xmpp_worker/contact_address.h"

#include <gtest/gtest.h>

namespace stox::worker {
namespace {

class ContactAddress : public testing::Test {
 protected:
  void SetUp() override { gateway.xmpp_domain = "gw.test"; }
  std::string of(const std::string& typed) {
    return contact_address(typed, gateway, {"gw.test"}).value_or("none");
  }
  service::GatewayConfig gateway;
};

TEST_F(ContactAddress, IsWrittenAsMappersReadIt) {
  EXPECT_EQ(of("romeo@sip.test"), "romeo*sip.test@gw.test");
  EXPECT_EQ(of(" SIP:Romeo@Sip.Test:5070 "), "romeo*sip.test\\3a5070@gw.test");
  EXPECT_EQ(of("sip:o%27hara@sip.test"), "o\\27hara*sip.test@gw.test");
}

TEST_F(ContactAddress, IsNoneForWhatIsNoSipAddress) {
  for (const char* typed : {"", "romeo", "@sip.test", "sips:romeo@sip.test", "mailto:a@b", "a b@", "a@b c"})
    EXPECT_EQ(of(typed), "none") << typed;
}

TEST_F(ContactAddress, FollowsAGwmap) {
  gateway.gwmap = {{"sip.test", "gw.test"}, {"other.test", "elsewhere.test"}};
  EXPECT_EQ(of("romeo@sip.test"), "romeo@gw.test");
  EXPECT_EQ(of("romeo@other.test"), "none");
  EXPECT_EQ(of("romeo@unknown.test"), "none");
}

}  // namespace
}  // namespace stox::worker
