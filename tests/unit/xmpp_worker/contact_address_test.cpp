#include "xmpp_worker/services/contact_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::worker {
namespace {

class ContactAddress : public testing::Test {
 protected:
  void SetUp() override { gateway.xmpp_domain = "gw.test"; }
  std::string of(const std::string& typed) {
    return contact_address(typed, gateway, {"gw.test"}).value_or("none");
  }
  std::string why_not(const std::string& typed) {
    const auto address = contact_address(typed, gateway, {"gw.test"});
    return address ? *address : address.error().text;
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

TEST_F(ContactAddress, OfANumberIsOfTheOneDomainThatThereIs) {
  EXPECT_THAT(why_not("+1 (555) 123-4567"), testing::HasSubstr("Write it like +15551234567@"));
  gateway.sip_domains = {"sip.test"};
  EXPECT_EQ(of("+1 (555) 123-4567"), "+15551234567*sip.test@gw.test");
  EXPECT_EQ(of("tel:+15551234567"), "+15551234567*sip.test@gw.test");
  gateway.sip_domains = {"sip.test", "other.test"};
  EXPECT_EQ(of("4711"), "none");
  gateway.sip_domains = {"*.sip.test"};
  EXPECT_EQ(of("4711"), "none");
  gateway.tel_domain = "phones.test";
  EXPECT_EQ(of("4711"), "4711*phones.test@gw.test");
  gateway.tel_domain.clear();
  gateway.gwmap = {{"sip.test", "gw.test"}, {"other.test", "elsewhere.test"}};
  EXPECT_EQ(of("+15551234567"), "+15551234567@gw.test");
}

TEST_F(ContactAddress, IsRefusedWithTheReason) {
  EXPECT_THAT(why_not("romeo"), testing::HasSubstr("like romeo@sip.example.org"));
  gateway.gwmap = {{"sip.test", "gw.test"}};
  EXPECT_EQ(why_not("romeo@else.test"), "The gateway does not lead to the SIP domain else.test");
}

TEST_F(ContactAddress, FollowsAGwmap) {
  gateway.gwmap = {{"sip.test", "gw.test"}, {"other.test", "elsewhere.test"}};
  EXPECT_EQ(of("romeo@sip.test"), "romeo@gw.test");
  EXPECT_EQ(of("romeo@other.test"), "none");
  EXPECT_EQ(of("romeo@unknown.test"), "none");
}

}  // namespace
}  // namespace stox::worker
