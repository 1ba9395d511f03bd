#include "mapper/mapping/presence/presence.h"

#include <gtest/gtest.h>

#include <string>

namespace stox::mapping {
namespace {

pb::Presence presence(pb::Presence::Kind kind, const std::string& from, const std::string& to) {
  pb::Presence out;
  out.set_kind(kind);
  out.set_from(from);
  out.set_to(to);
  return out;
}

class PresenceTest : public testing::Test {
 protected:
  // "from to", or the status or condition of a refusal.
  std::string to_xmpp(const std::string& from, const std::string& to) {
    const auto end = presence_to_xmpp(presence(pb::Presence::STATE, from, to), out_, addresses_);
    return end ? std::to_string(end->sip_status().code()) : out_.from() + " " + out_.to();
  }
  std::string to_sip(const std::string& from, const std::string& to) {
    const auto end = presence_to_sip(presence(pb::Presence::STATE, from, to), out_, addresses_);
    return end ? end->stanza_error().condition() : out_.from() + " " + out_.to();
  }

  Addresses addresses_ = *Addresses::make({"gw.example", "sip.example", '*', {"*.com", "example.com"}});
  pb::Presence out_;
};

TEST_F(PresenceTest, ADeviceIsAResourceAndAGr) {
  EXPECT_EQ(to_xmpp("sip:romeo@example.net;gr=sip", "sip:juliet*example.com@gw.example"),
            "romeo*example.net@sip.example/sip juliet@example.com");
  EXPECT_EQ(
      to_xmpp("sip:romeo@example.net;gr=urn:uuid:a%20b", "sip:juliet*example.com@gw.example;gr=balcony"),
      "romeo*example.net@sip.example/urn:uuid:a b juliet@example.com/balcony");
  EXPECT_EQ(to_sip("juliet@example.com/the balcony", "romeo*example.net@sip.example"),
            "sip:juliet*example.com@gw.example;gr=the%20balcony sip:romeo@example.net");
  EXPECT_EQ(to_sip("juliet@example.com", "romeo*example.net@sip.example/sip"),
            "sip:juliet*example.com@gw.example sip:romeo@example.net;gr=sip");
}

TEST_F(PresenceTest, AnAddressThatCannotBeMappedEndsIt) {
  EXPECT_EQ(to_xmpp("sip:romeo@example.net", "sip:juliet*elsewhere.org@gw.example"), "403");  // xmpp_domains
  EXPECT_EQ(to_xmpp("sip:romeo@example.net", "sips:juliet*example.com@gw.example"), "416");
  EXPECT_EQ(to_xmpp("sip:juliet*example.com@gw.example", "sip:juliet*example.com@gw.example"), "403");
  EXPECT_EQ(to_xmpp("sip:romeo@example.net;gr=%0d%0a", "sip:juliet*example.com@gw.example"), "403");
  EXPECT_EQ(to_sip("juliet@example.com", "romeo@elsewhere.org"), "remote-server-not-found");
  EXPECT_EQ(to_sip("example.com", "romeo*example.net@sip.example"), "item-not-found");
}

TEST_F(PresenceTest, AliasesHoldForPresence) {
  AddressRules rules{"gw.example", "sip.example", '*', {}};
  rules.aliases = {{"4711", "juliet@example.com"}};
  addresses_ = *Addresses::make(rules);
  EXPECT_EQ(to_xmpp("sip:romeo@example.net", "sip:4711@gw.example"),
            "romeo*example.net@sip.example juliet@example.com");
  EXPECT_EQ(to_sip("juliet@example.com/balcony", "romeo*example.net@sip.example"),
            "sip:4711@gw.example;gr=balcony sip:romeo@example.net");
}

TEST_F(PresenceTest, AGwmapHoldsForPresence) {
  AddressRules rules{"gw.example", "sip.example", '*', {}};
  rules.gwmap = {{"xmpp.test", "example.com"}, {"example.net", "sip.example"}};
  rules.serves = {"sip.example"};
  addresses_ = *Addresses::make(rules);
  EXPECT_EQ(to_xmpp("sip:romeo@example.net;gr=sip", "sip:juliet@xmpp.test"),
            "romeo@sip.example/sip juliet@example.com");
  EXPECT_EQ(to_sip("juliet@example.com/b", "romeo@sip.example"),
            "sip:juliet@xmpp.test;gr=b sip:romeo@example.net");
}

TEST_F(PresenceTest, KindStateAndConditionStay) {
  pb::Presence in = presence(pb::Presence::FAILED, "juliet@example.com", "romeo*example.net@sip.example");
  in.set_condition("item-not-found");
  in.set_text("no such user");
  ASSERT_FALSE(presence_to_sip(in, out_, addresses_));
  EXPECT_EQ(out_.kind(), pb::Presence::FAILED);
  EXPECT_EQ(out_.condition(), "item-not-found");
  EXPECT_EQ(out_.text(), "no such user");
  EXPECT_FALSE(out_.has_state());

  in = presence(pb::Presence::STATE, "juliet@example.com/b", "romeo*example.net@sip.example");
  in.mutable_state()->set_available(true);
  in.mutable_state()->set_activity(pb::PresenceState::LONG_AWAY);
  in.mutable_state()->set_priority(-5);
  in.mutable_state()->set_since_s(1'700'000'000);
  ASSERT_FALSE(presence_to_sip(in, out_, addresses_));
  EXPECT_EQ(out_.state().SerializeAsString(), in.state().SerializeAsString());
  EXPECT_EQ(out_.condition(), "");
}

TEST_F(PresenceTest, TextIsFitForBothSidesAndBounded) {
  pb::Presence in =
      presence(pb::Presence::UNSUBSCRIBED, "sip:romeo@example.net", "sip:juliet*example.com@gw.example");
  in.set_text("gone\r\nVia: x\x01");
  in.mutable_state()->set_priority(1000);
  const auto note = [&in](const std::string& text, const std::string& lang) {
    in.mutable_state()->add_notes()->set_text(text);
    in.mutable_state()->mutable_notes()->rbegin()->set_lang(lang);
  };
  note("\xff", "en");
  note("a\x02", "not a language");
  for (int i = 0; i < 20; ++i) note(std::string(2000, 'n'), "de");
  ASSERT_FALSE(presence_to_xmpp(in, out_, addresses_));
  EXPECT_EQ(out_.text(), "gone Via: x");
  EXPECT_EQ(out_.state().priority(), 127);
  ASSERT_EQ(out_.state().notes_size(), 16);
  EXPECT_EQ(out_.state().notes(0).text(), "a");
  EXPECT_EQ(out_.state().notes(0).lang(), "");
  EXPECT_EQ(out_.state().notes(1).text().size(), 1024u);
  EXPECT_EQ(out_.state().notes(1).lang(), "de");
}

}  // namespace
}  // namespace stox::mapping
