#include "sip_front/sip/policy/admission.h"

#include <gtest/gtest.h>

namespace stox::sip {
namespace {

const Time now = Time() + std::chrono::hours(1);

Endpoint from(const char* ip) { return *Endpoint::parse(ip, 5060); }

TEST(Admission, EachSourceHasItsShare) {
  Admission admission({2, 10, 10, 100});
  admission.add(from("192.0.2.1"), false);
  admission.add(from("192.0.2.1"), false);
  EXPECT_FALSE(admission.has_room(from("192.0.2.1"), false, now));
  EXPECT_TRUE(admission.has_room(from("192.0.2.2"), false, now));
  admission.remove(from("192.0.2.1"), false);
  EXPECT_TRUE(admission.has_room(from("192.0.2.1"), false, now));
}

TEST(Admission, AnIpv6NetworkIsOneSource) {
  Admission admission({1, 10, 10, 100});
  admission.add(from("2001:db8::1"), false);
  EXPECT_FALSE(admission.has_room(from("2001:db8::ffff:2"), false, now));
  EXPECT_TRUE(admission.has_room(from("2001:db8:0:1::1"), false, now));
}

TEST(Admission, StrangersAreFewAndNoneTakesAllTheirPlaces) {
  Admission admission({10, 3, 2, 100});
  admission.add(from("192.0.2.1"), true);
  admission.add(from("192.0.2.1"), true);
  EXPECT_FALSE(admission.has_room(from("192.0.2.1"), true, now));
  EXPECT_TRUE(admission.has_room(from("192.0.2.2"), true, now));
  admission.add(from("192.0.2.2"), true);
  EXPECT_FALSE(admission.has_room(from("192.0.2.3"), true, now));
  EXPECT_TRUE(admission.has_room(from("192.0.2.3"), false, now));
  admission.change(from("192.0.2.1"), false);  // has shown a certificate
  EXPECT_TRUE(admission.has_room(from("192.0.2.3"), true, now));
  admission.remove(from("192.0.2.1"), false);
  admission.remove(from("192.0.2.1"), true);
  admission.remove(from("192.0.2.2"), true);
  EXPECT_TRUE(admission.has_room(from("192.0.2.1"), true, now));
}

TEST(Admission, StrangersDoNotComeQuickly) {
  Admission admission({10, 10, 10, 1});
  EXPECT_TRUE(admission.has_room(from("192.0.2.1"), true, now));
  EXPECT_TRUE(admission.has_room(from("192.0.2.2"), true, now));
  EXPECT_FALSE(admission.has_room(from("192.0.2.3"), true, now));
  EXPECT_TRUE(admission.has_room(from("192.0.2.3"), false, now));
  EXPECT_TRUE(admission.has_room(from("192.0.2.3"), true, now + std::chrono::seconds(1)));
}

}  // namespace
}  // namespace stox::sip
