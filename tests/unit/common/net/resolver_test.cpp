#include "common/net/resolver.h"

#include <gtest/gtest.h>

#include <optional>

namespace stox::net {
namespace {

// Nothing listens on the discard port of this address, so a question that left the machine would fail.
Resolver::Options nowhere() { return {{"127.0.0.1:9"}, false}; }

TEST(Resolver, ALiteralAddressAnswersItself) {
  Loop loop;
  auto resolver = Resolver::create(loop, nowhere()).value();
  for (const char* literal : {"127.0.0.5", "::1"}) {
    std::optional<std::vector<std::string>> got;
    resolver->addresses(literal, [&](auto found) {
      got = found.value();
      loop.stop();
    });
    EXPECT_FALSE(got) << "callback from inside the call";
    loop.run();
    loop.io().restart();
    EXPECT_EQ(got, std::vector<std::string>{literal});
  }
}

TEST(Resolver, LocalhostNeedsNoServer) {
  Loop loop;
  auto resolver = Resolver::create(loop, nowhere()).value();
  std::vector<std::string> got;
  resolver->addresses("localhost", [&](auto found) {
    got = found.value();
    loop.stop();
  });
  loop.run();
  EXPECT_EQ(got.front(), "127.0.0.1");
}

TEST(Resolver, AServerThatIsNotThereIsAFailureNotASilence) {
  Loop loop;
  auto resolver = Resolver::create(loop, nowhere()).value();
  std::optional<ResolveError> got;
  resolver->addresses("stox.test", [&](auto found) {
    got = found.error();
    loop.stop();
  });
  loop.run();
  ASSERT_TRUE(got);
  EXPECT_EQ(got->kind, ResolveError::Kind::kFailed);
}

TEST(Resolver, MayBeDestroyedWithQuestionsOpen) {
  Loop loop;
  bool called = false;
  auto resolver = Resolver::create(loop, nowhere()).value();
  resolver->addresses("127.0.0.1", [&](auto) { called = true; });
  resolver->addresses("stox.test", [&](auto) { called = true; });
  resolver.reset();
  loop.run();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace stox::net
