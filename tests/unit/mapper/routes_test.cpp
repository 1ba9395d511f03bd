#include "mapper/mapping/routes.h"

#include <gtest/gtest.h>

#include <map>

namespace stox::mapping {
namespace {

pb::Member edge(pb::Role role, std::string name, pb::ProcessState state = pb::READY,
                pb::Backend backend = pb::NO_BACKEND, std::vector<std::string> domains = {}) {
  pb::Member member;
  member.set_role(role);
  member.set_name(std::move(name));
  member.mutable_serving()->set_state(state);
  member.mutable_serving()->set_backend(backend);
  for (auto& domain : domains) member.mutable_serving()->add_domains(std::move(domain));
  return member;
}
pb::Member component(std::string name, std::vector<std::string> domains = {},
                     pb::ProcessState state = pb::READY) {
  return edge(pb::WORKER, std::move(name), state, pb::COMPONENT, std::move(domains));
}
pb::Member server(std::string name, std::vector<std::string> domains = {},
                  pb::ProcessState state = pb::READY) {
  return edge(pb::WORKER, std::move(name), state, pb::SERVER, std::move(domains));
}

TEST(Routes, AClaimGoesBeforeServerAndServerBeforeComponent) {
  const Routes routes({component("c"), server("s"),
                       component("claims", {"Local.example", "*.b\xc3\xbc\x63her.example"}),
                       edge(pb::FRONT, "f"), edge(pb::MAPPER, "m")});
  EXPECT_EQ(routes.worker("local.example", "x"), "claims");
  EXPECT_EQ(routes.worker("a.b\xc3\xbc\x63her.example", "x"), "claims");
  EXPECT_EQ(routes.worker("example.org", "x"), "s");
  EXPECT_EQ(Routes({component("c"), component("claims", {"a.example"})}).worker("example.org", "x"), "c");
}

TEST(Routes, NobodyServesWhatOnlyOthersClaim) {
  EXPECT_EQ(Routes({component("claims", {"a.example"}), edge(pb::FRONT, "f")}).worker("b.example", "x"), "");
  EXPECT_EQ(Routes().worker("b.example", "x"), "");
  EXPECT_EQ(Routes().front("sip:a@b"), "");
  EXPECT_EQ(Routes({component("c")}).front("sip:a@b"), "");
}

TEST(Routes, ServersShareByDomainComponentsByConversation) {
  std::vector<pb::Member> servers, components;
  for (const char* name : {"1", "2", "3"}) {
    servers.push_back(server(name));
    components.push_back(component(name));
  }
  const Routes by_domain(servers), by_conversation(components);
  std::map<std::string, int> domains, conversations;
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    ++domains[by_domain.worker("d" + n + ".example", "x")];
    ++conversations[by_conversation.worker("example.org", n)];
    EXPECT_EQ(by_domain.worker("example.org", n), by_domain.worker("example.org", "x"));
    EXPECT_EQ(by_conversation.worker("d" + n + ".example", "x"), by_conversation.worker("example.org", "x"));
  }
  for (const char* name : {"1", "2", "3"}) {
    EXPECT_GT(domains[name], 50);
    EXPECT_GT(conversations[name], 50);
  }
}

TEST(Routes, WhenOneGoesOnlyItsConversationsMove) {
  const Routes before({component("a"), component("b"), component("c")});
  const Routes after({component("c"), component("a")});
  for (int i = 0; i < 300; ++i) {
    const std::string n = std::to_string(i);
    if (before.worker("x.example", n) != "b") {
      EXPECT_EQ(after.worker("x.example", n), before.worker("x.example", n));
    }
  }
}

TEST(Routes, AReconnectingWorkerStaysAndStandbyIsTheLastResort) {
  const Routes reconnecting({component("a", {}, pb::STARTING), component("b")});
  const Routes connected({component("a"), component("b")});
  for (int i = 0; i < 50; ++i) {
    const std::string n = std::to_string(i);
    EXPECT_EQ(reconnecting.worker("x.example", n), connected.worker("x.example", n));
  }
  pb::Member given_up = component("a", {}, pb::STARTING);
  given_up.mutable_serving()->set_holds_nothing(true);
  for (int i = 0; i < 50; ++i)
    EXPECT_EQ(Routes({given_up, component("b")}).worker("x.example", std::to_string(i)), "b");
  EXPECT_EQ(Routes({given_up}).worker("x.example", "x"), "a");
  for (const auto state : {pb::STANDBY, pb::DRAINING}) {
    const Routes routes({component("a", {}, state), component("b")});
    for (int i = 0; i < 50; ++i) EXPECT_EQ(routes.worker("x.example", std::to_string(i)), "b");
    EXPECT_EQ(Routes({component("a", {}, state)}).worker("x.example", "x"), "a");
    EXPECT_EQ(Routes({component("a", {"x.example"}, state), server("b")}).worker("x.example", "x"), "b");
    EXPECT_EQ(Routes({edge(pb::FRONT, "a", state), edge(pb::FRONT, "b")}).front("sip:a@b"), "b");
    EXPECT_EQ(Routes({edge(pb::FRONT, "a", state)}).front("sip:a@b"), "a");
  }
}

TEST(Routes, ATargetHasOneFrontWhateverItsParameters) {
  const Routes routes({edge(pb::FRONT, "a"), edge(pb::FRONT, "b"), edge(pb::FRONT, "c")});
  std::map<std::string, int> share;
  for (int i = 0; i < 300; ++i) {
    const std::string target = "sip:u;x=" + std::to_string(i) + "@example.net";
    ++share[routes.front(target)];
    EXPECT_EQ(routes.front(target + ";gr=balcony"), routes.front(target));
  }
  EXPECT_EQ(share.size(), 3u);
  for (const auto& [name, count] : share) EXPECT_GT(count, 50) << name;
}

}  // namespace
}  // namespace stox::mapping
