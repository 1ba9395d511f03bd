// Messages through a mapper on the bus in memory: what each side gets to see.
#include "mapper/translation.h"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "common/bodies/bodies.h"
#include "common/bus/memory/memory_wire.h"
#include "newer/envelope.pb.h"

namespace stox {
namespace {

using std::chrono::seconds;

class Actor : public bus::EdgeUser {
 public:
  void begin(const pb::Envelope& envelope, Time) override {
    began.push_back(envelope);
    edge->target().finish(envelope.id(), answer);
  }
  void ended(uint64_t, const pb::Outcome& outcome) override { outcomes.push_back(outcome); }

  bus::Edge* edge = nullptr;
  pb::Outcome answer;  // to what it is asked to begin
  std::vector<pb::Envelope> began;
  std::vector<pb::Outcome> outcomes;
};

class TranslationTest : public testing::Test, private bus::MapperUser {
 protected:
  TranslationTest() : translation_(*Translation::rules(site()), bus_.clock(), log_, trace_) {
    node_ = &bus_.start_mapper("mapper-1", *this);
    front_.edge = &bus_.start_edge({.name = "sip-1", .role = pb::FRONT, .bodies = bodies()}, front_);
    worker_.edge = &bus_.start_edge({.name = "component-1", .role = pb::WORKER, .bodies = bodies()}, worker_);
    pb::Serving serving;
    serving.set_state(pb::READY);
    front_.edge->set_serving(serving);
    serving.set_backend(pb::COMPONENT);
    worker_.edge->set_serving(serving);
    bus_.advance(seconds(4));
  }
  static service::Config site() {
    service::Config config;
    config.gateway.gateway_domain = "gw.example";
    config.gateway.xmpp_domain = "sip.example";
    return config;
  }

  pb::Outcome send(Actor& origin, pb::Envelope envelope) {
    envelope.set_trace_id("0123456789abcdef");
    envelope.set_conversation("a b");
    const Time now = bus_.clock().now();
    EXPECT_TRUE(origin.edge->origin().submit(envelope, now + seconds(25), now + seconds(25)));
    bus_.advance(seconds(1));
    if (origin.outcomes.empty()) bus_.advance(seconds(30));
    EXPECT_EQ(origin.outcomes.size(), 1u);
    return origin.outcomes.empty() ? pb::Outcome() : origin.outcomes.back();
  }
  pb::Outcome send_sip(const std::string& to) {
    pb::Envelope envelope;
    auto& message = *envelope.mutable_sip_message();
    message.set_request_uri(to);
    message.set_to_uri(to);
    message.set_from_uri("sip:romeo@example.net");
    auto* content = message.add_parts()->add_alternatives();
    content->set_content_type("text/plain");
    content->set_data("Hello");
    return send(front_, envelope);
  }
  pb::Outcome send_xmpp(const std::string& to) {
    pb::Envelope envelope;
    auto& stanza = *envelope.mutable_xmpp_message();
    stanza.set_from("juliet@example.com/balcony");
    stanza.set_to(to);
    stanza.set_type("chat");
    stanza.add_bodies()->set_text("Hi");
    return send(worker_, envelope);
  }
  // A message as the other schema reads it.
  template <class To, class From>
  static To read_as(const From& message) {
    To out;
    EXPECT_TRUE(out.ParseFromString(message.SerializeAsString()));
    return out;
  }
  double metric(const std::string& name, const std::string& label, const std::string& other = {}) {
    double sum = 0;
    for (const auto& m : translation_.metrics()) {
      std::string labels;
      for (const auto& [key, value] : m.labels) labels += value + " ";
      const bool match = labels.find(label) != std::string::npos && labels.find(other) != std::string::npos;
      if (m.name == name && match) sum += m.value;
    }
    return sum;
  }

  bus::Placement place(pb::Envelope& envelope) override {
    translation_.set_members(node_->members());
    return translation_.place(envelope);
  }
  void translate(pb::Outcome& outcome) override {
    translation_.set_members(node_->members());
    translation_.translate(outcome);
  }

  bus::MemoryBus bus_{{"mapper-1"}, {"sip-1", "component-1"}};
  service::Log log_{"mapper-1", service::Level::kError, "text"};
  service::Trace trace_;
  Translation translation_;
  bus::MapperNode* node_ = nullptr;
  Actor front_, worker_;
};

TEST_F(TranslationTest, NothingOfAnEnvelopeGetsIntoTheNext) {
  pb::Envelope long_one;
  auto& message = *long_one.mutable_sip_message();
  message.set_request_uri("sip:juliet*example.com@gw.example");
  message.set_to_uri(message.request_uri());
  message.set_from_uri("sip:romeo@example.net");
  message.set_subject("Balcony");
  message.set_call_id("call");
  auto* content = message.add_parts()->add_alternatives();
  content->set_content_type("text/plain");
  content->set_data("Hello");
  send(front_, long_one);
  front_.outcomes.clear();
  send_xmpp("romeo*example.net@sip.example");
  worker_.outcomes.clear();
  send_sip("sip:nurse*example.com@gw.example");
  front_.outcomes.clear();
  send_sip("sip:nobody@elsewhere.example");  // goes no further
  front_.outcomes.clear();
  send_xmpp("tybalt*example.net@sip.example");

  ASSERT_EQ(worker_.began.size(), 2u);
  EXPECT_EQ(worker_.began[0].xmpp_message().subjects(0).text(), "Balcony");
  EXPECT_EQ(worker_.began[1].xmpp_message().to(), "nurse@example.com");
  EXPECT_EQ(worker_.began[1].xmpp_message().subjects_size(), 0);
  EXPECT_EQ(worker_.began[1].xmpp_message().call_id(), "");
  EXPECT_EQ(worker_.began[1].xmpp_message().bodies_size(), 1);
  ASSERT_EQ(front_.began.size(), 2u);
  EXPECT_EQ(front_.began[0].sip_message().request_uri(), "sip:romeo@example.net");
  EXPECT_EQ(front_.began[1].sip_message().request_uri(), "sip:tybalt@example.net");
  EXPECT_EQ(front_.began[1].sip_message().parts_size(), 1);
}

TEST_F(TranslationTest, ASipMessageReachesTheWorkerAsAStanza) {
  worker_.answer.set_verdict(pb::DELIVERED);
  const pb::Outcome outcome = send_sip("sip:juliet*example.com@gw.example");
  ASSERT_EQ(worker_.began.size(), 1u);
  EXPECT_EQ(worker_.began[0].xmpp_message().to(), "juliet@example.com");
  EXPECT_EQ(worker_.began[0].xmpp_message().from(), "romeo*example.net@sip.example");
  EXPECT_EQ(worker_.began[0].xmpp_message().bodies(0).text(), "Hello");
  EXPECT_EQ(outcome.sip_status().code(), 200u);
  EXPECT_EQ(outcome.sip_status().reason(), "Accepted");
}

TEST_F(TranslationTest, ABounceBecomesAStatus) {
  worker_.answer.mutable_stanza_error()->set_condition("service-unavailable");
  EXPECT_EQ(send_sip("sip:nobody*example.com@gw.example").sip_status().code(), 404u);
  EXPECT_EQ(metric("stox_mapper_outcomes_total", "failed", "to_xmpp"), 1);
}

TEST_F(TranslationTest, AStanzaReachesTheFrontAsAMessage) {
  front_.answer.set_verdict(pb::DELIVERED);
  front_.answer.mutable_sip_status()->set_code(200);
  const pb::Outcome outcome = send_xmpp("romeo*example.net@sip.example");
  ASSERT_EQ(front_.began.size(), 1u);
  EXPECT_EQ(front_.began[0].sip_message().request_uri(), "sip:romeo@example.net");
  EXPECT_EQ(outcome.verdict(), pb::DELIVERED);
  EXPECT_EQ(outcome.said_case(), pb::Outcome::SAID_NOT_SET);
}

TEST_F(TranslationTest, AFinalErrorBecomesAStanzaError) {
  front_.answer.mutable_sip_status()->set_code(486);
  EXPECT_EQ(send_xmpp("romeo*example.net@sip.example").stanza_error().condition(), "recipient-unavailable");
}

TEST_F(TranslationTest, WhatCannotBeMappedEndsHere) {
  EXPECT_EQ(send_sip("sip:juliet@gw.example").sip_status().code(), 404u);
  EXPECT_TRUE(worker_.began.empty());
  EXPECT_EQ(send_xmpp("romeo@sip.example").stanza_error().condition(), "item-not-found");
  EXPECT_TRUE(front_.began.empty());
  EXPECT_EQ(metric("stox_mapper_envelopes_total", "ended"), 2);
  EXPECT_EQ(metric("stox_mapper_refusals_total", "404"), 1);
  EXPECT_EQ(metric("stox_mapper_refusals_total", "item-not-found"), 1);
}

TEST_F(TranslationTest, WithoutAWorkerTheMessageIsRefused) {
  bus_.kill("component-1");
  bus_.advance(seconds(1));
  EXPECT_EQ(send_sip("sip:juliet*example.com@gw.example").reason(), pb::NO_TARGET);
  EXPECT_GE(metric("stox_mapper_envelopes_total", "refused"), 1);
}

TEST_F(TranslationTest, TheTraceTellsTheWayAndTheEnd) {
  worker_.answer.mutable_stanza_error()->set_condition("item-not-found");
  send_sip("sip:juliet*example.com@gw.example");
  const auto hops = trace_.find("30313233343536373839616263646566");
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0]->from, "sip:romeo@example.net");
  EXPECT_EQ(hops[0]->to, "sip:juliet*example.com@gw.example");
  EXPECT_EQ(hops[0]->decision, "to component-1");
  EXPECT_EQ(hops[0]->outcome, "failed, 404");
  EXPECT_TRUE(hops[0]->envelope.starts_with("sip-1."));
  EXPECT_GE(hops[0]->went_us, hops[0]->came_us);
  EXPECT_GE(hops[0]->ended_us, hops[0]->went_us);
}

TEST_F(TranslationTest, TheTraceShowsNoPassword) {
  worker_.answer.set_verdict(pb::DELIVERED);
  EXPECT_EQ(send_sip("sip:juliet*example.com:secret@gw.example:5060").sip_status().code(), 200u);
  const auto hops = trace_.find("30313233343536373839616263646566");
  ASSERT_EQ(hops.size(), 1u);
  EXPECT_EQ(hops[0]->to, "sip:juliet*example.com@gw.example:5060");
}

TEST_F(TranslationTest, AConfigurationThatCannotWorkIsRefusedWithItsKey) {
  service::Config config = site();
  config.gateway.domain_separator = ".";
  EXPECT_NE(Translation::rules(config).error().text.find("gateway.domain_separator = \".\""),
            std::string::npos);
  config = site();
  config.gateway.xmpp_domain = "a b";
  EXPECT_NE(Translation::rules(config).error().text.find("gateway.xmpp_domain"), std::string::npos);
}

TEST_F(TranslationTest, AGwmapReplacesTheSeparatorScheme) {
  service::Config config = site();
  config.gateway.gwmap = {{"xmpp.test", "example.com"}, {"example.net", "sip.example"}};
  config.xmpp_workers.emplace_back().serves = {"sip.example"};
  translation_.set_rules(*Translation::rules(config));
  worker_.answer.set_verdict(pb::DELIVERED);
  EXPECT_EQ(send_sip("sip:juliet@xmpp.test").sip_status().code(), 200u);
  EXPECT_EQ(worker_.began[0].xmpp_message().to(), "juliet@example.com");
  EXPECT_EQ(worker_.began[0].xmpp_message().from(), "romeo@sip.example");
  front_.answer.set_verdict(pb::DELIVERED);
  send_xmpp("romeo@sip.example");
  ASSERT_EQ(front_.began.size(), 1u);
  EXPECT_EQ(front_.began[0].sip_message().request_uri(), "sip:romeo@example.net");
  EXPECT_EQ(front_.began[0].sip_message().from_uri(), "sip:juliet@xmpp.test");
}

TEST_F(TranslationTest, AnEchoLoopIsBroken) {
  worker_.answer.set_verdict(pb::DELIVERED);
  front_.answer.set_verdict(pb::DELIVERED);
  for (int i = 0; i < 50; ++i) {
    pb::Envelope envelope;
    auto& message = *envelope.mutable_sip_message();
    message.set_request_uri("sip:juliet*example.com@gw.example");
    message.set_from_uri("sip:romeo@example.net");
    auto* content = message.add_parts()->add_alternatives();
    content->set_content_type("text/plain");
    content->set_data("I am away");
    pb::Envelope back;
    auto& stanza = *back.mutable_xmpp_message();
    stanza.set_from("juliet@example.com/balcony");
    stanza.set_to("romeo*example.net@sip.example");
    stanza.add_bodies()->set_text("I am away");
    const auto to_xmpp = translation_.place(envelope), to_sip = translation_.place(back);
    if (const auto* end = std::get_if<bus::EndWith>(&to_xmpp)) {
      EXPECT_EQ(end->outcome.verdict(), pb::FAILED);
      EXPECT_EQ(end->outcome.sip_status().code(), 482u);
      return;
    }
    if (const auto* end = std::get_if<bus::EndWith>(&to_sip)) {
      EXPECT_EQ(end->outcome.verdict(), pb::FAILED);
      EXPECT_EQ(end->outcome.stanza_error().condition(), "not-acceptable");
      return;
    }
  }
  ADD_FAILURE() << "the loop went on";
}

// Each hears the others' answers and gives his own to all.
TEST_F(TranslationTest, MachinesThatAnswerEachOtherInARoomAreStopped) {
  const auto romeo_says = [&](const std::string& text) {
    pb::Envelope envelope;
    auto& message = *envelope.mutable_sip_message();
    message.set_request_uri("sip:garden*conference.example.com@gw.example");
    message.set_from_uri("sip:romeo@example.net");
    auto* content = message.add_parts()->add_alternatives();
    content->set_content_type("text/plain");
    content->set_data(text);
    return !std::holds_alternative<bus::EndWith>(translation_.place(envelope));
  };
  const auto romeo_hears = [&](const std::string& nick, const std::string& text) {
    pb::Envelope envelope;
    auto& stanza = *envelope.mutable_xmpp_message();
    stanza.set_type("groupchat");
    stanza.set_from("garden@conference.example.com/" + nick);
    stanza.set_to("romeo*example.net@sip.example");
    stanza.add_bodies()->set_text(text);
    return !std::holds_alternative<bus::EndWith>(translation_.place(envelope));
  };
  for (int i = 0; i < 50; ++i) {  // people, however fast they are
    EXPECT_TRUE(romeo_says("well " + std::to_string(i)));
    EXPECT_TRUE(romeo_hears("juliet", "so " + std::to_string(i)));
    EXPECT_TRUE(romeo_hears("nurse", "so so"));
  }
  int exchanges = 0;
  while (exchanges < 50 && romeo_says("I am away") && romeo_hears("juliet", "I am away") &&
         romeo_hears("nurse", "I am away"))
    ++exchanges;
  EXPECT_GE(exchanges, mapping::EchoWindow::kTurns / 2 - 1);
  EXPECT_LT(exchanges, 50);
}

// Presence: who may see whom, and in which state a user is.

pb::Presence presence(pb::Presence::Kind kind, const std::string& from, const std::string& to) {
  pb::Presence out;
  out.set_kind(kind);
  out.set_from(from);
  out.set_to(to);
  return out;
}

TEST_F(TranslationTest, ASubscriptionPassesBothWays) {
  worker_.answer.set_verdict(pb::DELIVERED);
  pb::Envelope envelope;
  *envelope.mutable_sip_presence() =
      presence(pb::Presence::SUBSCRIBE, "sip:romeo@example.net", "sip:juliet*example.com@gw.example");
  EXPECT_EQ(send(front_, envelope).sip_status().code(), 200u);
  ASSERT_EQ(worker_.began.size(), 1u);
  EXPECT_FALSE(worker_.began[0].has_sip_presence());
  EXPECT_EQ(worker_.began[0].xmpp_presence().kind(), pb::Presence::SUBSCRIBE);
  EXPECT_EQ(worker_.began[0].xmpp_presence().from(), "romeo*example.net@sip.example");
  EXPECT_EQ(worker_.began[0].xmpp_presence().to(), "juliet@example.com");

  front_.answer.set_verdict(pb::DELIVERED);
  pb::Envelope back;
  *back.mutable_xmpp_presence() =
      presence(pb::Presence::SUBSCRIBED, "juliet@example.com", "romeo*example.net@sip.example");
  EXPECT_EQ(send(worker_, back).verdict(), pb::DELIVERED);
  ASSERT_EQ(front_.began.size(), 1u);
  EXPECT_FALSE(front_.began[0].has_xmpp_presence());
  EXPECT_EQ(front_.began[0].sip_presence().from(), "sip:juliet*example.com@gw.example");
  EXPECT_EQ(front_.began[0].sip_presence().to(), "sip:romeo@example.net");
  EXPECT_EQ(metric("stox_mapper_envelopes_total", "forwarded", "to_xmpp"), 1);
  EXPECT_EQ(metric("stox_mapper_outcomes_total", "delivered", "to_sip"), 1);
  const auto hops = trace_.find("30313233343536373839616263646566");
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0]->decision, "presence: subscribe, to component-1");
  EXPECT_EQ(hops[1]->decision, "presence: subscribed, to sip-1");
}

TEST_F(TranslationTest, AStatePassesBothWays) {
  worker_.answer.set_verdict(pb::DELIVERED);
  pb::Envelope envelope;
  *envelope.mutable_sip_state() =
      presence(pb::Presence::STATE, "sip:romeo@example.net;gr=sip", "sip:juliet*example.com@gw.example");
  envelope.mutable_sip_state()->mutable_state()->set_available(true);
  send(front_, envelope);
  ASSERT_EQ(worker_.began.size(), 1u);
  EXPECT_FALSE(worker_.began[0].has_sip_state());
  EXPECT_EQ(worker_.began[0].xmpp_state().from(), "romeo*example.net@sip.example/sip");
  EXPECT_TRUE(worker_.began[0].xmpp_state().state().available());

  front_.answer.set_verdict(pb::DELIVERED);
  pb::Envelope back;
  back.set_to("sip-1");
  *back.mutable_xmpp_state() =
      presence(pb::Presence::STATE, "juliet@example.com/balcony", "romeo*example.net@sip.example");
  send(worker_, back);
  ASSERT_EQ(front_.began.size(), 1u);
  EXPECT_FALSE(front_.began[0].has_xmpp_state());
  EXPECT_EQ(front_.began[0].sip_state().from(), "sip:juliet*example.com@gw.example;gr=balcony");
}

TEST_F(TranslationTest, PresenceEndsWhereAMessageEnds) {
  pb::Envelope envelope;
  *envelope.mutable_sip_presence() =
      presence(pb::Presence::SUBSCRIBE, "sip:romeo@example.net", "sip:juliet@gw.example");
  EXPECT_EQ(send(front_, envelope).sip_status().code(), 404u);
  pb::Envelope back;
  *back.mutable_xmpp_presence() =
      presence(pb::Presence::SUBSCRIBE, "juliet@example.com", "romeo@sip.example");
  EXPECT_EQ(send(worker_, back).stanza_error().condition(), "item-not-found");
  EXPECT_TRUE(worker_.began.empty() && front_.began.empty());
  const auto hops = trace_.find("30313233343536373839616263646566");
  ASSERT_EQ(hops.size(), 2u);
  EXPECT_EQ(hops[0]->decision, "presence: subscribe, ended here");
}

TEST_F(TranslationTest, PresenceOfALaterVersionIsRefused) {
  pb::Envelope envelope;
  *envelope.mutable_xmpp_presence() =
      presence(static_cast<pb::Presence::Kind>(99), "juliet@example.com", "romeo*example.net@sip.example");
  EXPECT_EQ(send(worker_, envelope).reason(), pb::UNSUPPORTED);
}

TEST_F(TranslationTest, AllOfAPairIsForOneFrontAndOneUsersPairsAreForAll) {
  std::vector<pb::Member> fronts;
  for (const char* name : {"sip-1", "sip-2", "sip-3"}) {
    fronts.emplace_back().set_name(name);
    fronts.back().set_role(pb::FRONT);
    fronts.back().mutable_serving()->set_state(pb::READY);
  }
  translation_.set_members(fronts);
  const auto front_of = [&](pb::Envelope envelope) {
    const bus::Placement placement = translation_.place(envelope);
    const auto* forward = std::get_if<bus::Forward>(&placement);
    return forward == nullptr ? std::string() : forward->to;
  };
  std::map<std::string, int> used;
  for (int i = 0; i < 60; ++i) {
    const std::string x = "u" + std::to_string(i) + "@example.com", s = "romeo*example.net@sip.example";
    pb::Envelope asks, probes, of_device, named;
    *asks.mutable_xmpp_presence() = presence(pb::Presence::SUBSCRIBE, x, s);
    *probes.mutable_xmpp_state() = presence(pb::Presence::PROBE, x + "/balcony", s);
    probes.set_conversation("another");
    *of_device.mutable_xmpp_state() = presence(pb::Presence::STATE, x + "/garden", s + "/sip");
    named = asks;
    named.set_to("sip-2");
    const std::string front = front_of(asks);
    EXPECT_EQ(front_of(probes), front);
    EXPECT_EQ(front_of(of_device), front);
    EXPECT_EQ(front_of(named), "sip-2");
    ++used[front];
  }
  EXPECT_EQ(used.size(), 3u);
}

// A rolling upgrade: some processes know a later schema than others.

TEST_F(TranslationTest, WhatANewerFrontAddsPassesAndHindersNothing) {
  newer::Envelope sent;
  sent.set_novelty("of the envelope");
  auto& message = *sent.mutable_sip_message();
  message.set_novelty("of the message");
  message.set_request_uri("sip:juliet*example.com@gw.example");
  message.set_from_uri("sip:romeo@example.net");
  auto* content = message.add_parts()->add_alternatives();
  content->set_content_type("text/plain");
  content->set_data("Hello");
  worker_.answer = read_as<pb::Outcome>([] {
    newer::Outcome outcome;
    outcome.set_novelty("of the outcome");
    outcome.set_verdict(newer::DELIVERED);
    return outcome;
  }());
  const auto outcome = read_as<newer::Outcome>(send(front_, read_as<pb::Envelope>(sent)));
  ASSERT_EQ(worker_.began.size(), 1u);
  const auto arrived = read_as<newer::Envelope>(worker_.began[0]);
  EXPECT_EQ(arrived.novelty(), "of the envelope");
  EXPECT_EQ(arrived.xmpp_message().bodies(0).text(), "Hello");
  EXPECT_EQ(outcome.novelty(), "of the outcome");
  EXPECT_EQ(outcome.sip_status().code(), 200u);
}

TEST_F(TranslationTest, ABodyOfALaterVersionIsRefusedWithTheReason) {
  newer::Envelope sent;
  sent.mutable_unheard_of()->set_to("romeo*example.net@sip.example");
  const pb::Outcome outcome = send(worker_, read_as<pb::Envelope>(sent));
  EXPECT_EQ(outcome.verdict(), pb::FAILED);
  EXPECT_EQ(outcome.reason(), pb::UNSUPPORTED);
  EXPECT_NE(outcome.text(), "");
  EXPECT_TRUE(front_.began.empty());
}

TEST_F(TranslationTest, WhatAnOlderProcessLeavesOutIsAsIfNeverSaid) {
  front_.answer.set_verdict(pb::DELIVERED);
  send_xmpp("romeo*example.net@sip.example");
  ASSERT_EQ(front_.began.size(), 1u);
  const auto arrived = read_as<newer::Envelope>(front_.began[0]);
  EXPECT_EQ(arrived.novelty(), "");
  EXPECT_EQ(arrived.sip_message().request_uri(), "sip:romeo@example.net");
  EXPECT_EQ(arrived.sip_message().parts(0).alternatives(0).data(), "Hi");
}

}  // namespace
}  // namespace stox
