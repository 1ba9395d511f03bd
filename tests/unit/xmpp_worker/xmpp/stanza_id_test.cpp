#include "xmpp_worker/xmpp/stanza/stanza_id.h"

#include <gtest/gtest.h>

#include "common/base/text.h"

namespace stox::xmpp {
namespace {

std::string written(StanzaIds& ids, std::string_view payload) {
  std::string out;
  ids.append(out, 42, "mc", payload, "a*b@gw", "c@d/phone");
  return out;
}

TEST(StanzaId, ComesBackAsItWent) {
  StanzaIds ids("secret", "component-1@host.2", 1'700'000'000'000'000);
  const std::string text = written(ids, "f81d4fae.7dec@[2001:db8::1]");
  const auto id = ids.read(text, "a*b@gw", "c@d");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->worker, "component-1@host.2");
  EXPECT_EQ(id->epoch, 1'700'000'000'000'000u);
  EXPECT_EQ(id->number, 42u);
  EXPECT_TRUE(id->has(StanzaId::kMessage));
  EXPECT_TRUE(id->has(StanzaId::kCallId));
  EXPECT_FALSE(id->has(StanzaId::kPing));
  EXPECT_EQ(id->payload, "f81d4fae.7dec@[2001:db8::1]");
  EXPECT_TRUE(ids.is_own(*id));
  StanzaIds reborn("secret", "component-1@host.2", 2);
  ASSERT_TRUE(reborn.read(text, "a*b@gw", "c@d"));
  EXPECT_FALSE(reborn.is_own(*id));
}

TEST(StanzaId, IsAToken) {
  StanzaIds ids("secret", "w\xc3\xb6rker 1", 1);
  std::string payload;
  for (int c = 0; c < 30; ++c) payload += static_cast<char>(c * 9);
  const std::string text = written(ids, payload);
  EXPECT_EQ(
      text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~"),
      std::string::npos)
      << text;
  EXPECT_EQ(ids.read(text, "a*b@gw", "c@d")->payload, payload);
}

TEST(StanzaId, ALongPayloadIsHashed) {
  StanzaIds ids("secret", "w", 1);
  const auto id = ids.read(written(ids, std::string(500, 'x')), "a*b@gw", "c@d");
  ASSERT_TRUE(id);
  EXPECT_TRUE(id->has(StanzaId::kHashed));
  EXPECT_EQ(id->payload.size(), 32u);
  EXPECT_NE(id->payload, ids.read(written(ids, std::string(500, 'y')), "a*b@gw", "c@d")->payload);
}

TEST(StanzaId, CountsOnlyBetweenTheAddressesItWasWrittenFor) {
  StanzaIds ids("secret", "w", 1);
  const std::string text = written(ids, "x");
  EXPECT_TRUE(ids.read(text, "a*b@gw/any", "c@d/other"));
  EXPECT_FALSE(ids.read(text, "a*b@gw", "mallory@d"));
  EXPECT_FALSE(ids.read(text, "x@gw", "c@d"));
  EXPECT_FALSE(ids.read(text, "c@d", "a*b@gw"));
  EXPECT_TRUE(ids.read_answer(text, "c@d/phone", "a*b@gw"));
  EXPECT_TRUE(ids.read_answer(text, "a*b@gw", "c@d/phone"));
  EXPECT_FALSE(ids.read_answer(text, "d", "a*b@gw"));
}

TEST(StanzaId, RefusesForgeries) {
  StanzaIds ids("secret", "w", 1);
  const std::string text = written(ids, "payload");
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string forged = text;
    forged[i] = forged[i] == '1' ? '2' : '1';
    EXPECT_FALSE(ids.read(forged, "a*b@gw", "c@d")) << forged;
    EXPECT_FALSE(ids.read(text.substr(0, i), "a*b@gw", "c@d")) << text.substr(0, i);
  }
  StanzaIds other("another secret", "w", 1);
  EXPECT_FALSE(other.read(text, "a*b@gw", "c@d"));
  for (const char* foreign : {"", ".", ".....", "......", "a.1.2.m.x.", "a.b.c.d.e.AAAAAAAAAAAA"})
    EXPECT_FALSE(ids.read(foreign, "a*b@gw", "c@d")) << foreign;
}

TEST(StanzaId, TheKeyIsDerivedSlowlyAndAlikeByAllWorkers) {
  const auto key = StanzaIds::derive_key("secret", "xmpp.example");
  ASSERT_TRUE(key);
  EXPECT_EQ(to_hex(*key), "c315912fdbb5d44dd342985fe32db088");  // scrypt, N = 2^14, r = 8, p = 1
  EXPECT_NE(*StanzaIds::derive_key("other", "xmpp.example"), *key);
  EXPECT_NE(*StanzaIds::derive_key("secret", "other.example"), *key);
}

TEST(StanzaId, OfTheOldFormIsReadOnlyAfterAnUpgrade) {
  const std::string old = "w.1.42.mc.x.e1zS1HpprtfF";
  StanzaIds ids("key", "w", 1);
  EXPECT_FALSE(ids.read(old, "a*b@gw", "c@d/phone"));
  ids.read_old_form("secret");
  const auto id = ids.read(old, "a*b@gw", "c@d/phone");
  ASSERT_TRUE(id);
  EXPECT_EQ(id->payload, "x");
  EXPECT_EQ(id->number, 42u);
  EXPECT_FALSE(ids.read(old, "a*b@gw", "mallory@d"));
  EXPECT_TRUE(ids.read(written(ids, "x"), "a*b@gw", "c@d"));
  ids.read_old_form("another secret");
  EXPECT_FALSE(ids.read(old, "a*b@gw", "c@d/phone"));
  ids.read_old_form("secret");
  ids.forget_old_form();
  EXPECT_FALSE(ids.read(old, "a*b@gw", "c@d/phone"));
}

}  // namespace
}  // namespace stox::xmpp
