#include "ctl/doctor_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/doctor_password.h"

namespace stox::ctl {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

service::Config config() {
  service::Config out;
  out.gateway.gateway_domain = "sip-xmpp.test";
  out.gateway.xmpp_domain = "xmpp-sip.test";
  return out;
}

const json kHops = {
    {{"process", "sip-1"}, {"trace", "4bf92f3577b34da6"}}, {{"process", "mapper-1"}}, {{"process", "sip-1"}}};

TEST(DoctorLoop, ToNobodyItLeadsBackToTheGateway) {
  const LoopMessage message = loop_message(config(), "", "17");
  EXPECT_EQ(message.request_uri, "sip:stox-doctor*xmpp-sip.test@sip-xmpp.test");
  EXPECT_EQ(message.from, "sip:stox-doctor@sip-xmpp.test");
  EXPECT_EQ(message.call_id, "17@stox-doctor");
}

TEST(DoctorLoop, ToAUserItIsWrittenAsSipUsersWriteIt) {
  EXPECT_EQ(loop_message(config(), "juliet@xmpp.test", "17").from, "sip:stox-doctor@doctor.invalid");
  service::Config with_domains = config();
  with_domains.sip_fronts.resize(1);
  with_domains.sip_fronts[0].from_domains = {"*.sip.test", "sip.test"};
  const LoopMessage message = loop_message(with_domains, "juliet\\26co@xmpp.test/balcony", "17");
  EXPECT_EQ(message.request_uri, "sip:juliet%26co*xmpp.test@sip-xmpp.test");
  EXPECT_EQ(message.from, "sip:stox-doctor@sip.test");
  const std::string text = text_of(message, "127.0.0.1:40000", "UDP");
  EXPECT_THAT(text, HasSubstr("MESSAGE sip:juliet%26co*xmpp.test@sip-xmpp.test SIP/2.0\r\n"));
  EXPECT_THAT(text, HasSubstr("Via: SIP/2.0/UDP 127.0.0.1:40000;branch=z9hG4bK17-1;rport\r\n"));
}

TEST(DoctorLoop, APatternOfDomainsLetsSomebodySpeak) {
  service::Config patterns = config();
  patterns.sip_fronts.resize(1);
  patterns.sip_fronts[0].from_domains = {"*.customers.test"};
  EXPECT_EQ(loop_message(patterns, "", "17").from, "sip:stox-doctor@doctor.customers.test");
}

TEST(DoctorLoop, WithAGwmapOnlyItsDomainsLeadToTheGateway) {
  service::Config mapped = config();
  mapped.gateway.gwmap = {{"sip.test", "xmpp.test"}};
  EXPECT_EQ(loop_message(mapped, "juliet@xmpp.test", "17").request_uri, "sip:juliet@sip.test");
  EXPECT_EQ(loop_message(mapped, "juliet@else.test", "17").request_uri, "");
  EXPECT_EQ(loop_message(mapped, "", "17").request_uri, "");
}

TEST(DoctorLoop, WhatCameOfItIsJudgedByItsHops) {
  EXPECT_EQ(loop_row("482 Loop Detected", kHops, false, "")["kind"], "ok");
  EXPECT_THAT(loop_row("482 Loop Detected", kHops, false, "")["what"].get<std::string>(),
              HasSubstr("sip-1, mapper-1"));
  EXPECT_EQ(loop_row("200 Accepted", kHops, true, "")["kind"], "ok");
  const json failed = loop_row("404 Not found", kHops, true, "");
  EXPECT_EQ(failed["kind"], "failure");
  EXPECT_THAT(failed["remedy"].get<std::string>(), HasSubstr("stoxctl trace 4bf92f35"));
}

TEST(DoctorLoop, AResponseIsFinalWhenItsHeadIsWhole) {
  const std::string trying = "SIP/2.0 100 Trying\r\nCSeq: 1 MESSAGE\r\n\r\n";
  const std::string head = "SIP/2.0 407 Who?\r\nVia: SIP/2.0/TCP 127.0.0.1\r\nCSeq: 1 MESSAGE\r\n\r\n";
  EXPECT_EQ(final_response_in(trying), "");
  EXPECT_EQ(final_response_in(trying + head.substr(0, 12)), "");
  EXPECT_EQ(final_response_in(trying + head.substr(0, head.size() - 2)), "");
  EXPECT_EQ(final_response_in(trying + head), head);
}

TEST(DoctorLoop, AProxyThatKeepsItToItselfIsNamed) {
  EXPECT_EQ(loop_row("404 Not here", json::array(), false, "")["kind"], "failure");
  EXPECT_THAT(loop_row("404 Not here", json::array(), false, "")["what"].get<std::string>(),
              HasSubstr("404 Not here"));
  EXPECT_THAT(loop_row("", json::array(), false, "")["what"].get<std::string>(), HasSubstr("no answer"));
}

TEST(DoctorLoop, AProxyThatAsksForAPasswordGetsOneOrTellsWhatIsMissing) {
  const json none = loop_row("407 Proxy Authentication Required", json::array(), false, "add it");
  EXPECT_EQ(none["kind"], "warning");
  EXPECT_EQ(none["remedy"], "add it");
  const json wrong = loop_row("407 Proxy Authentication Required", json::array(), false, "");
  EXPECT_EQ(wrong["kind"], "failure");
  EXPECT_THAT(wrong["remedy"].get<std::string>(), HasSubstr("mend username or password"));

  const std::string asked =
      "SIP/2.0 407 Proxy Authentication Required\r\nVia: SIP/2.0/UDP 127.0.0.1:4;branch=z9hG4bK1\r\n"
      "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n"
      "Proxy-Authenticate: Digest realm=\"sip.test\", nonce=\"n\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
  const auto missing = prove({{"other.test", "u", "p", ""}}, asked, "MESSAGE", "sip:c@d", "17");
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().text, HasSubstr("[[sip_front.credentials]] realm = \"sip.test\""));
  const auto proof = prove({{"sip.test", "romeo", "p", ""}}, asked, "MESSAGE", "sip:c@d", "17");
  ASSERT_TRUE(proof);
  EXPECT_EQ(proof->username, "romeo");
  EXPECT_THAT(proof->header, HasSubstr("Proxy-Authorization: Digest username=\"romeo\", realm=\"sip.test\""));
  EXPECT_FALSE(prove({}, "HTTP/1.1 407 No\r\n\r\n", "MESSAGE", "sip:c@d", "17"));
}

}  // namespace
}  // namespace stox::ctl
