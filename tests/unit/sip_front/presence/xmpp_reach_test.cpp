#include "sip_front/presence/xmpp_reach.h"

#include <gtest/gtest.h>

#include <vector>

namespace stox {
namespace {

pb::Member worker(const char* name, const char* domain = "", uint64_t connection = 1) {
  pb::Member member;
  member.set_role(pb::WORKER);
  member.set_name(name);
  pb::Serving& serving = *member.mutable_serving();
  serving.set_state(pb::READY);
  serving.set_backend(pb::COMPONENT);
  serving.set_connection(connection);
  if (*domain != 0) serving.add_domains(domain);
  return member;
}

TEST(XmppReachTest, AWorkerThatClaimsTheDomainOrClaimsNoneIsAWay) {
  EXPECT_FALSE(reach_of("x.test", {}).there);
  EXPECT_FALSE(reach_of("x.test", {worker("a", "y.test")}).there);
  EXPECT_TRUE(reach_of("x.test", {worker("a", "x.test")}).there);
  EXPECT_TRUE(reach_of("x.test", {worker("a", "*.test")}).there);
  EXPECT_TRUE(reach_of("x.test", {worker("a")}).there);
  EXPECT_TRUE(reach_of("", {worker("a", "y.test")}).there) << "it may be the one";
}

TEST(XmppReachTest, WhoHasHadNoStreamForLongIsNone) {
  pb::Member member = worker("a");
  member.mutable_serving()->set_holds_nothing(true);
  EXPECT_FALSE(reach_of("x.test", {member}).there);
}

TEST(XmppReachTest, ANewStreamOrAnotherWorkerIsMoreAndOneThatWentIsNot) {
  const XmppReach one = reach_of("x.test", {worker("a")});
  EXPECT_FALSE(reach_of("x.test", {worker("a")}).has_more_than(one));
  EXPECT_TRUE(reach_of("x.test", {worker("a", "", 2)}).has_more_than(one));
  EXPECT_TRUE(reach_of("x.test", {worker("a"), worker("b")}).has_more_than(one));
  EXPECT_FALSE(reach_of("x.test", {}).has_more_than(one));
  pb::Member connecting = worker("a", "", 2);
  connecting.mutable_serving()->set_state(pb::STARTING);
  EXPECT_FALSE(reach_of("x.test", {connecting}).has_more_than(one));
  EXPECT_TRUE(reach_of("x.test", {connecting}).there) << "it holds what it gets";
}

}  // namespace
}  // namespace stox
