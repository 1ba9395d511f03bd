#include "sip_front/sip/admission.h"

#include <gtest/gtest.h>

namespace stox::sip {
namespace {

Endpoint from(const char* ip) { return *Endpoint::parse(ip, 5060); }

TEST(Admission, EachSourceHasItsShare) {
  Admission admission({2, 10, 10});
  admission.add(from("192.0.2.1"), false);
  admission.add(from("192.0.2.1"), false);
  EXPECT_FALSE(admission.has_room(from("192.0.2.1"), false));
  EXPECT_TRUE(admission.has_room(from("192.0.2.2"), false));
  admission.remove(from("192.0.2.1"), false);
  EXPECT_TRUE(admission.has_room(from("192.0.2.1"), false));
}

TEST(Admission, AnIpv6NetworkIsOneSource) {
  Admission admission({1, 10, 10});
  admission.add(from("2001:db8::1"), false);
  EXPECT_FALSE(admission.has_room(from("2001:db8::ffff:2"), false));
  EXPECT_TRUE(admission.has_room(from("2001:db8:0:1::1"), false));
}

TEST(Admission, StrangersAreFewAndNoneTakesAllTheirPlaces) {
  Admission admission({10, 3, 2});
  admission.add(from("192.0.2.1"), true);
  admission.add(from("192.0.2.1"), true);
  EXPECT_FALSE(admission.has_room(from("192.0.2.1"), true));
  EXPECT_TRUE(admission.has_room(from("192.0.2.2"), true));
  admission.add(from("192.0.2.2"), true);
  EXPECT_FALSE(admission.has_room(from("192.0.2.3"), true));
  EXPECT_TRUE(admission.has_room(from("192.0.2.3"), false));
  admission.change(from("192.0.2.1"), false);  // has shown a certificate
  EXPECT_TRUE(admission.has_room(from("192.0.2.3"), true));
  admission.remove(from("192.0.2.1"), false);
  admission.remove(from("192.0.2.1"), true);
  admission.remove(from("192.0.2.2"), true);
  EXPECT_TRUE(admission.has_room(from("192.0.2.1"), true));
}

}  // namespace
}  // namespace stox::sip
