#include "sip_front/sip/subscription/event_header.h"

#include <gtest/gtest.h>

#include <tuple>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using State = SubscriptionState::State;
using Reason = SubscriptionState::Reason;

std::string with(const std::string& headers) {
  return crlf(
      "NOTIFY sip:192.0.2.1:5060 SIP/2.0\n"
      "Via: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bKb\n"
      "From: <sip:romeo@sip.test>;tag=1\nTo: <sip:juliet@gw.test>;tag=2\nCall-ID: c1\nCSeq: 3 NOTIFY\n" +
      headers + "\n");
}

TEST(EventHeader, IsAPackageAndPerhapsAnId) {
  for (const auto& [text, package, id] : {std::tuple("Event: presence\n", "presence", ""),
                                          {"o: presence;id=a7\n", "presence", "a7"},
                                          {"Event:  dialog ; ID=1 ; x=\"y\"\n", "dialog", "1"},
                                          {"Event: presence.winfo\n", "presence.winfo", ""}}) {
    const Datagram d(with(text));
    const auto event = event_of(d.message);
    ASSERT_TRUE(event) << text;
    EXPECT_EQ(event->package, package);
    EXPECT_EQ(event->id, id);
  }
}

TEST(EventHeader, OrNothingAtAll) {
  for (const char* text : {"", "Event: \n", "Event: pre sence\n", "Event: presence;id=\n", "Event: ;id=1\n"})
    EXPECT_FALSE(event_of(Datagram(with(text)).message)) << text;
}

TEST(EventHeader, StandsOnce) { EXPECT_FALSE(Datagram(with("Event: presence\nEvent: dialog\n")).parsed); }

TEST(EventHeader, TheStateOfASubscription) {
  const Datagram active(with("Subscription-State: Active ;expires=3600\n"));
  EXPECT_EQ(subscription_state_of(active.message)->state, State::kActive);
  EXPECT_EQ(subscription_state_of(active.message)->expires_s, 3600u);
  const Datagram ended(with("Subscription-State: terminated;reason=Giveup;retry-after=60;expires=x\n"));
  const auto state = subscription_state_of(ended.message);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->state, State::kTerminated);
  EXPECT_EQ(state->reason, Reason::kGiveup);
  EXPECT_EQ(state->retry_after_s, 60u);
  EXPECT_FALSE(state->expires_s);
}

TEST(EventHeader, StatesAndReasonsOfOthers) {
  const auto state =
      subscription_state_of(Datagram(with("Subscription-State: waiting;reason=\"x\"\n")).message);
  ASSERT_TRUE(state);
  EXPECT_EQ(state->state, State::kOther);
  EXPECT_EQ(state->reason, Reason::kOther);
  EXPECT_FALSE(subscription_state_of(Datagram(with("")).message));
  EXPECT_FALSE(subscription_state_of(Datagram(with("Subscription-State: active;=\n")).message));
}

TEST(EventHeader, NumbersBesideThem) {
  const Datagram d(with("Expires: 600\nMin-Expires: 60\n"));
  EXPECT_EQ(expires_of(d.message), 600u);
  EXPECT_EQ(min_expires_of(d.message), 60u);
  EXPECT_FALSE(expires_of(Datagram(with("Expires: soon\n")).message));
}

TEST(EventHeader, WhatMayCome) {
  for (const char* accept :
       {"", "Accept: application/pidf+xml\n", "Accept: text/plain, APPLICATION/PIDF+XML;q=0.1\n",
        "Accept: */*\n", "Accept: text/plain\nAccept: application/*;q=1\n"})
    EXPECT_TRUE(accepts(Datagram(with(accept)).message, "application/pidf+xml")) << accept;
  for (const char* accept :
       {"Accept: text/plain\n", "Accept: text/*\n", "Accept: application/cpim-pidf+xml\n", "Accept: \n"})
    EXPECT_FALSE(accepts(Datagram(with(accept)).message, "application/pidf+xml")) << accept;
}

}  // namespace
}  // namespace stox::sip
