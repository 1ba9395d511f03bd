#include "ctl/send.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using service::Role;
using ::testing::HasSubstr;

TEST(Send, TheFormOfTheAddressesChoosesTheSide) {
  EXPECT_EQ(*edge_role("sip:a@b.test", "sip:c*d.test@g.test"), Role::kSipFront);
  EXPECT_EQ(*edge_role("juliet@xmpp.test/balcony", "romeo*sip.test@x.test"), Role::kXmppWorker);
}

TEST(Send, AddressesOfTwoKindsOrNoneAreRefused) {
  EXPECT_THAT(edge_role("sip:a@b.test", "juliet@xmpp.test").error().text,
              HasSubstr("\"juliet@xmpp.test\" is not a SIP URI; give both addresses"));
  EXPECT_THAT(edge_role("juliet@xmpp.test", "sip:a@").error().text,
              HasSubstr("\"juliet@xmpp.test\" is not a SIP URI"));
  EXPECT_THAT(edge_role("@x", "a@b").error().text, HasSubstr("\"@x\" is not a JID"));
}

Answer status(const char* state) { return {.value = {{"ok", true}, {"state", state}}, .unreachable = ""}; }
const Answer kGone = {.value = {}, .unreachable = "not running"};

TEST(Send, PrefersReadyEdgesAndWorkersThatServeTheDomain) {
  service::Config config;
  for (const char* name : {"c-1", "c-2", "c-3"}) {
    config.xmpp_workers.emplace_back();
    config.xmpp_workers.back().name = name;
    config.xmpp_workers.back().serves = {std::string(name) + ".test"};
  }
  const std::vector<Known> workers = {{"c-1", "c-1", Role::kXmppWorker, ""},
                                      {"c-2", "c-2", Role::kXmppWorker, ""},
                                      {"c-3", "c-3", Role::kXmppWorker, ""}};
  const auto chosen = [&](const std::vector<Answer>& answers, const char* to) {
    const Known* edge = choose_edge(workers, answers, config, to);
    return edge == nullptr ? "none" : edge->name;
  };
  EXPECT_EQ(chosen({status("ready"), status("ready"), status("ready")}, "a*b@C-2.test"), "c-2");
  EXPECT_EQ(chosen({status("ready"), status("starting"), status("ready")}, "a*b@c-2.test"), "c-1");
  EXPECT_EQ(chosen({kGone, status("starting"), kGone}, "a*b@c-3.test"), "c-2");
  EXPECT_EQ(chosen({kGone, kGone, kGone}, "a*b@c-3.test"), "none");
}

}  // namespace
}  // namespace stox::ctl
