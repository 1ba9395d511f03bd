#include "xmpp_worker/xmpp/s2s/srv_order.h"

#include <gtest/gtest.h>

#include <map>

namespace stox::xmpp {
namespace {

using Kind = ServerTargets::Kind;

std::string hosts(const ServerTargets& chosen) {
  std::string out;
  for (const ServerTarget& t : chosen.targets) out += t.host + (t.direct_tls ? "/tls " : " ");
  return out;
}

class SrvOrder : public testing::Test {
 protected:
  std::minstd_rand random{7};
};

TEST_F(SrvOrder, LowerPriorityFirstWhicheverTheService) {
  const auto chosen =
      choose_targets({{20, 0, "b", 5269, false}, {10, 0, "a", 5270, true}, {30, 0, "c", 5270, true}}, random);
  EXPECT_EQ(chosen.kind, Kind::kOrdered);
  EXPECT_EQ(hosts(chosen), "a/tls b c/tls ");
}

TEST_F(SrvOrder, WeightsAreShares) {
  std::map<std::string, int> first;
  for (int i = 0; i < 4000; ++i) {
    first[choose_targets({{1, 30, "heavy", 1}, {1, 10, "light", 1}, {1, 0, "zero", 1}}, random)
              .targets.front()
              .host]++;
  }
  EXPECT_GT(first["heavy"], 2 * first["light"]);
  EXPECT_GT(first["light"], first["zero"]);
  EXPECT_GT(first["zero"], 0);
}

TEST_F(SrvOrder, NothingIsLost) {
  for (int i = 0; i < 100; ++i) {
    const auto chosen =
        choose_targets({{1, 0, "a", 1}, {1, 0, "b", 1}, {1, 65535, "c", 1}, {0, 65535, "d", 1}}, random);
    EXPECT_EQ(chosen.targets.size(), 4u);
    EXPECT_EQ(chosen.targets.front().host, "d");
  }
}

TEST_F(SrvOrder, WithoutRecordsTheDomainItselfIsTried) {
  EXPECT_EQ(choose_targets({}, random).kind, Kind::kNoRecords);
}

TEST_F(SrvOrder, ADotSaysThatThereIsNoServer) {
  EXPECT_EQ(choose_targets({{0, 0, ".", 0, false}}, random).kind, Kind::kNotOffered);
}

TEST_F(SrvOrder, ADotForOneServiceLeavesTheOther) {
  const auto chosen = choose_targets({{0, 0, ".", 0, true}, {5, 0, "a", 5269, false}}, random);
  EXPECT_EQ(chosen.kind, Kind::kOrdered);
  EXPECT_EQ(hosts(chosen), "a ");
}

}  // namespace
}  // namespace stox::xmpp
