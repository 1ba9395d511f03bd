#include "sip_front/sip/policy/request_check.h"

#include <gtest/gtest.h>

#include "common/base/text.h"
#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

using Kind = Verdict::Kind;

Policy usual_policy() {
  Policy policy;
  policy.domains = {"gw.test"};
  policy.trusted.networks = *Networks::parse({"192.0.2.0/24", "::1"});
  return policy;
}

const Methods kOnlyMessage(1ULL << static_cast<unsigned>(Method::kMessage));

Methods with_subscriptions() {
  Methods out = kOnlyMessage;
  return out.set(static_cast<std::size_t>(Method::kSubscribe)).set(static_cast<std::size_t>(Method::kNotify));
}

// As it is checked if its body is to be handed on.
Verdict check(const std::string& text, const Policy& policy = usual_policy(),
              const char* source = "192.0.2.7", Transport transport = Transport::kUdp,
              const Methods& taken = kOnlyMessage) {
  Datagram d(text);
  Flow flow;
  flow.transport = transport;
  flow.peer = *Endpoint::parse(source, 5060);
  if (!d.parsed) return check_fault(d.message, d.parsed.error(), flow, policy);
  Verdict out = check_request(d.message, flow, policy, taken);
  return out.kind == Kind::kTake ? check_content(d.message).value_or(std::move(out)) : out;
}

std::string with_method(const std::string& method) {
  return replaced(replaced(kHello, "MESSAGE sip", method + " sip"), "1 MESSAGE", "1 " + method);
}

TEST(RequestCheck, TakesAMessage) { EXPECT_EQ(check(kHello).kind, Kind::kTake); }

TEST(RequestCheck, KnowsTheOtherMethods) {
  EXPECT_EQ(check(with_method("OPTIONS")).kind, Kind::kOptions);
  EXPECT_EQ(check(replaced(with_method("OPTIONS"), "sip:ann*x.test@gw.test", "sip:192.0.2.1:5060")).kind,
            Kind::kOptions);
  EXPECT_EQ(check(with_method("CANCEL")).kind, Kind::kCancel);
  EXPECT_EQ(check(with_method("ACK")).kind, Kind::kIgnore);
  for (const char* method :
       {"INVITE", "BYE", "REGISTER", "SUBSCRIBE", "NOTIFY", "PUBLISH", "INFO", "REFER", "PRACK", "UPDATE"}) {
    const Verdict v = check(with_method(method));
    EXPECT_EQ(v.status, 405) << method;
  }
  EXPECT_EQ(check(with_method("DANCE")).status, 501);
  EXPECT_EQ(check(with_method("message")).status, 501);
  EXPECT_EQ(check(replaced(kHello, "MESSAGE sip", "DANCE sip")).status, 501);
}

TEST(RequestCheck, CanAnswerOtherMethodsAsTheOpenSerSample) {
  Policy policy = usual_policy();
  policy.unhandled_method_status = 503;
  EXPECT_EQ(check(with_method("SUBSCRIBE"), policy).status, 503);
}

struct Refusal {
  const char* what;
  const char* with;
  uint16_t status;
  Refused why;
};

void PrintTo(const Refusal& r, std::ostream* out) {
  *out << r.status << " " << name_of(r.why) << ": " << one_line(r.with, 30);
}

class Refusals : public testing::TestWithParam<Refusal> {};

TEST_P(Refusals, HaveTheStatusOfTheTable) {
  const Verdict v = check(replaced(kHello, GetParam().what, GetParam().with));
  EXPECT_EQ(v.kind, Kind::kRefuse);
  EXPECT_EQ(v.status, GetParam().status);
  EXPECT_EQ(name_of(v.why), std::string(name_of(GetParam().why)));
}

INSTANTIATE_TEST_SUITE_P(
    RequestCheck, Refusals,
    testing::Values(Refusal{"CSeq: 1 MESSAGE", "CSeq: 1 INVITE", 400, Refused::kMalformed},
                    Refusal{"CSeq: 1 MESSAGE", "CSeq: x MESSAGE", 400, Refused::kMalformed},
                    Refusal{"sip:ann*x.test@gw", "sips:ann*x.test@gw", 416, Refused::kScheme},
                    Refusal{"sip:ann*x.test@gw.test", "tel:+1555", 416, Refused::kScheme},
                    Refusal{"sip:ann*x.test@gw.test", "nobodyKnows:this?x", 416, Refused::kScheme},
                    Refusal{"sip:ann*x.test@gw.test", "sip:a%zz@gw.test", 400, Refused::kMalformed},
                    Refusal{"sip:ann*x.test@gw.test", "ann", 400, Refused::kMalformed},
                    Refusal{"sip:ann*x.test@gw.test", "sip:ann*x.test@elsewhere.test", 404, Refused::kDomain},
                    Refusal{"sip:ann*x.test@gw.test", "sip:gw.test", 404, Refused::kUser},
                    Refusal{"Forwards: 70", "Forwards: 0", 483, Refused::kHops},
                    Refusal{"Max-Forwards: 70", "Require: a, b\r\nRequire: c", 420, Refused::kExtension},
                    Refusal{"Max-Forwards: 70", "e: br", 415, Refused::kEncoding},
                    Refusal{"<sip:bob@sip.test>", "<sip:b%zob@sip.test>", 400, Refused::kMalformed},
                    Refusal{"sip:ann*x.test@gw", "sip:a\xff*x.test@gw", 400, Refused::kMalformed},
                    Refusal{"<sip:bob@sip.test>", "<sip:b\xff@sip.test>", 400, Refused::kMalformed},
                    Refusal{"To: <sip:ann", "To: <sip:a\xff", 400, Refused::kMalformed},
                    Refusal{"text/plain", "text/plain;x=\xff", 400, Refused::kMalformed},
                    Refusal{"SIP/2.0\r\n", "SIP/3.0\r\n", 505, Refused::kMalformed}));

TEST(RequestCheck, NamesWhatItLacks) {
  EXPECT_EQ(check(replaced(kHello, "Max-Forwards: 70", "Require: a, b\r\nRequire: c")).headers.unsupported,
            "a, b, c");
  EXPECT_TRUE(check(replaced(kHello, "Max-Forwards: 70", "Content-Encoding: br")).headers.accept_encoding);
  EXPECT_EQ(check(replaced(kHello, "Max-Forwards: 70", "Content-Encoding: deflate, gzip")).status, 415);
  for (const char* known : {"deflate", "gzip", "X-GZip"})
    EXPECT_EQ(check(replaced(kHello, "Max-Forwards: 70", std::string("e: ") + known)).kind, Kind::kTake);
  EXPECT_EQ(check(replaced(kHello, "Max-Forwards: 70", "Content-Encoding: identity")).kind, Kind::kTake);
  EXPECT_EQ(check(replaced(kHello, "Max-Forwards: 70", "Proxy-Require: a")).kind, Kind::kTake);
}

TEST(RequestCheck, OurDomainIsComparedWithoutCase) {
  EXPECT_EQ(check(replaced(kHello, "sip:ann*x.test@gw.test", "SIP:ann*x.test@GW.Test:5060;x=y")).kind,
            Kind::kTake);
}

TEST(RequestCheck, WithoutDomainsAnyIsLeftToTheMapper) {
  Policy any = usual_policy();
  any.domains.clear();
  EXPECT_EQ(check(replaced(kHello, "sip:ann*x.test@gw.test", "sip:ann@other.test"), any).kind, Kind::kTake);
}

TEST(RequestCheck, TheSizeLimitDependsOnTheTransport) {
  const std::string big =
      replaced(replaced(kHello, "hello", std::string(2000, 'x')), "Length: 5", "Length: 2000");
  EXPECT_EQ(check(big).status, 513);
  EXPECT_EQ(check(big, usual_policy(), "192.0.2.7", Transport::kTcp).kind, Kind::kTake);
  Policy exact = usual_policy();
  exact.max_datagram_bytes = kHello.size();
  EXPECT_EQ(check(kHello, exact).status, 513);
  exact.max_datagram_bytes = kHello.size() + 1;
  EXPECT_EQ(check(kHello, exact).kind, Kind::kTake);
}

TEST(RequestCheck, StrangersAreForbiddenWhateverTheySend) {
  for (const std::string& text :
       {kHello, with_method("OPTIONS"), with_method("DANCE"), replaced(kHello, "CSeq", "X")}) {
    const Verdict v = check(text, usual_policy(), "198.51.100.1");
    EXPECT_EQ(v.status, 403);
    EXPECT_EQ(v.why, Refused::kUntrusted);
  }
  EXPECT_EQ(check(with_method("ACK"), usual_policy(), "198.51.100.1").kind, Kind::kIgnore);
}

TEST(RequestCheck, ACertificateThatIsTrustedIsEnough) {
  Datagram d(kHello);
  Flow flow;
  flow.peer = *Endpoint::parse("198.51.100.1", 5061);
  EXPECT_EQ(check_request(d.message, flow, usual_policy(), kOnlyMessage).status, 403);
  flow.certified = true;
  EXPECT_EQ(check_request(d.message, flow, usual_policy(), kOnlyMessage).kind, Kind::kTake);
}

TEST(RequestCheck, AListenerMayTrustOthersThanTheRest) {
  Policy policy = usual_policy();
  policy.trusted_at[1].networks = *Networks::parse({"198.51.100.0/24"});
  Datagram d(kHello);
  const auto status = [&](uint16_t listener, const char* source) {
    Flow flow;
    flow.listener = listener;
    flow.peer = *Endpoint::parse(source, 5060);
    return check_request(d.message, flow, policy, kOnlyMessage).status;
  };
  EXPECT_EQ(status(0, "192.0.2.7"), 0);
  EXPECT_EQ(status(0, "198.51.100.1"), 403);
  EXPECT_EQ(status(1, "192.0.2.7"), 403);
  EXPECT_EQ(status(1, "198.51.100.1"), 0);
  EXPECT_EQ(status(kNoListener, "192.0.2.7"), 0);
}

TEST(RequestCheck, WithoutAViaNobodyIsAnswered) {
  EXPECT_EQ(check(replaced(kHello, "Via", "X")).kind, Kind::kIgnore);
  EXPECT_EQ(check("SIP/2.0 999 x\r\n\r\n").kind, Kind::kIgnore);
}

TEST(RequestCheck, FromDomainsAreHeld) {
  Policy policy = usual_policy();
  policy.from_domains = {"sip.test", "*.sip.test"};
  EXPECT_EQ(check(kHello, policy).kind, Kind::kTake);
  EXPECT_EQ(check(replaced(kHello, "bob@sip.test", "bob@a.SIP.test"), policy).kind, Kind::kTake);
  EXPECT_EQ(check(replaced(kHello, "bob@sip.test", "bob@evil.test"), policy).status, 403);
  EXPECT_EQ(check(replaced(kHello, "sip:bob@sip.test", "tel:+1555"), policy).status, 403);
}

// As a trunk writes them.
std::string trunk_message(const std::string& from, const std::string& more) {
  return replaced(replaced(kHello, "\"Bob \\\"the\\\" B\" <sip:bob@sip.test>", from), "Max-Forwards: 70",
                  "Max-Forwards: 70\r\n" + more);
}

TEST(RequestCheck, WhoIsAssertedIsTheSenderWhereFromNamesNobody) {
  Policy policy = usual_policy();
  policy.asserted_identity_from = *Networks::parse({"192.0.2.7"});
  const auto sender = [&](const std::string& from, const std::string& more,
                          const char* source = "192.0.2.7") {
    Datagram d(trunk_message(from, more));
    EXPECT_TRUE(d.parsed) << d.bytes;
    Flow flow;
    flow.peer = *Endpoint::parse(source, 5060);
    return std::string(sender_of(d.message, flow, policy).uri);
  };
  const std::string asserted =
      "P-Asserted-Identity: <sip:+15551230001@ims.test;user=phone>, <tel:+15551230001>";
  const std::string number = "sip:+15551230001@ims.test;user=phone";
  for (const char* from :
       {"<tel:+15559>", "\"Anonymous\" <sip:anonymous@anonymous.invalid>", "<sip:Anonymous@ims.test>",
        "<sip:x@unknown.invalid>", "<sip:ims.test>", "<sip:unavailable@ims.test>"}) {
    EXPECT_EQ(sender(from, asserted), number) << from;
    EXPECT_EQ(sender(from, asserted + "\r\nPrivacy: none"), number) << from;
    EXPECT_NE(sender(from, asserted + "\r\nPrivacy: session; ID"), number) << from;
    EXPECT_NE(sender(from, asserted + "\r\nPrivacy: user"), number) << from;
    EXPECT_NE(sender(from, asserted, "192.0.2.8"), number) << from;  // trusted, and not believed
  }
  EXPECT_EQ(sender("<sip:bob@sip.test>", asserted), "sip:bob@sip.test");
  EXPECT_EQ(sender("<tel:+15559>", "P-Asserted-Identity: tel:+15551230001"), "tel:+15551230001");
  EXPECT_EQ(sender("<tel:+15559>", "P-Asserted-Identity: tel:+1555\r\nP-Asserted-Identity: <sip:a@ims.test>"),
            "sip:a@ims.test");
  EXPECT_EQ(sender("<tel:+15559>", "P-Asserted-Identity: nonsense"), "tel:+15559");
  EXPECT_EQ(sender("<tel:+15559>", "P-Asserted-Identity: <sip:anonymous@anonymous.invalid>"), "tel:+15559");
  EXPECT_EQ(sender("<tel:+15559>", "X: y"), "tel:+15559");
}

TEST(RequestCheck, FromDomainsJudgeWhoIsAsserted) {
  Policy policy = usual_policy();
  policy.asserted_identity_from = *Networks::parse({"192.0.2.7"});
  policy.from_domains = {"ims.test"};
  const std::string anonymous = "<sip:anonymous@anonymous.invalid>";
  EXPECT_EQ(check(trunk_message(anonymous, "P-Asserted-Identity: <sip:+1555@ims.test>"), policy).kind,
            Kind::kTake);
  EXPECT_EQ(check(trunk_message(anonymous, "P-Asserted-Identity: <sip:+1555@evil.test>"), policy).status,
            403);
  EXPECT_EQ(check(trunk_message(anonymous, "X: y"), policy).status, 403);
  EXPECT_EQ(check(trunk_message("<tel:+1555>", "X: y"), policy).status, 403);
  policy.tel_domain = "ims.test";
  EXPECT_EQ(check(trunk_message("<tel:+1555>", "X: y"), policy).kind, Kind::kTake);
}

TEST(RequestCheck, AFromWithoutSchemeIsNamed) {
  const Verdict v = check(replaced(kHello, "sip:bob@sip.test", "ussd-1@olo-tst"));
  EXPECT_EQ(v.status, 400);
  EXPECT_EQ(v.reason, "Bad From");
}

Verdict check_event(const std::string& text, const Policy& policy = usual_policy(),
                    const char* source = "192.0.2.7") {
  return check(text, policy, source, Transport::kUdp, with_subscriptions());
}

TEST(RequestCheck, WithinADialogTheRequestUriIsAContactOfOurs) {
  const auto to_contact = [](const char* method) {
    return replaced(with_method(method), "sip:ann*x.test@gw.test SIP", "sip:192.0.2.1:5060 SIP");
  };
  const auto with_tag = [](const std::string& text) { return replaced(text, "gw.test>", "gw.test>;tag=1"); };
  EXPECT_EQ(check_event(with_method("SUBSCRIBE")).kind, Kind::kTake);
  EXPECT_EQ(check_event(to_contact("SUBSCRIBE")).status, 404);
  EXPECT_EQ(check_event(with_tag(to_contact("SUBSCRIBE"))).kind, Kind::kTake);
  EXPECT_EQ(check_event(to_contact("NOTIFY")).kind, Kind::kTake);
  EXPECT_EQ(check_event(with_tag(to_contact("NOTIFY"))).kind, Kind::kTake);
  EXPECT_EQ(check_event(with_tag(to_contact("MESSAGE"))).status, 404);  // RFC 3428 knows no dialog
}

TEST(RequestCheck, FromDomainsHoldForWhoSubscribesNotForWhoIsSubscribedTo) {
  Policy policy = usual_policy();
  policy.from_domains = {"ours.test"};
  EXPECT_EQ(check_event(with_method("SUBSCRIBE"), policy).status, 403);
  EXPECT_EQ(check_event(replaced(with_method("SUBSCRIBE"), "gw.test>", "gw.test>;tag=1"), policy).status,
            403);
  EXPECT_EQ(check_event(replaced(with_method("SUBSCRIBE"), "sip.test", "ours.test"), policy).kind,
            Kind::kTake);
  EXPECT_EQ(check_event(with_method("NOTIFY"), policy).kind, Kind::kTake);
}

TEST(RequestCheck, TheOtherChecksAreOfAllRequests) {
  for (const char* method : {"SUBSCRIBE", "NOTIFY"}) {
    const std::string text = with_method(method);
    EXPECT_EQ(check_event(text, usual_policy(), "198.51.100.1").status, 403) << method;
    EXPECT_EQ(check_event(replaced(text, "Forwards: 70", "Forwards: 0")).status, 483) << method;
    EXPECT_EQ(check_event(replaced(text, "Max-Forwards: 70", "Require: a")).status, 420) << method;
    EXPECT_EQ(check_event(replaced(text, "sip:bob@sip.test", "bob")).status, 400) << method;
    EXPECT_EQ(check_event(replaced(text, "sip:ann*x.test@gw.test SIP", "tel:+1555 SIP")).status, 416)
        << method;
    EXPECT_EQ(check(text).status, 405) << method;
  }
}

TEST(RequestCheck, WhatANotifyCarriesMayBeLongInADatagram) {
  const std::string more = std::string(4000, 'x');
  const auto longer = [&](const char* method) {
    return replaced(replaced(with_method(method), "hello", more), "Length: 5", "Length: 4000");
  };
  EXPECT_EQ(check_event(longer("NOTIFY")).kind, Kind::kTake);
  EXPECT_EQ(check_event(longer("SUBSCRIBE")).status, 513);
  Policy small = usual_policy();
  small.max_message_bytes = 4000;
  EXPECT_EQ(check_event(longer("NOTIFY"), small).status, 513);
}

TEST(RequestCheck, ARequestOfOursThatComesBackIsALoop) {
  const std::string ours = make_branch(0x123456789abcdef0, "sip:ann*x.test@gw.test");
  EXPECT_EQ(ours, "z9hG4bK123456789abcdef0" + ours.substr(23));
  const std::string back =
      replaced(kHello, "rport\r\n", "rport, SIP/2.0/UDP 192.0.2.1;branch=" + ours + "\r\n");
  EXPECT_EQ(check(back).status, 482);
  const std::string retargeted =
      replaced(kHello, "rport\r\n",
               "rport, SIP/2.0/UDP 192.0.2.1;branch=" + make_branch(1, "sip:other@gw.test") + "\r\n");
  EXPECT_EQ(check(retargeted).kind, Kind::kTake);
}

TEST(Networks, MatchByPrefix) {
  const auto networks =
      Networks::parse({"10.0.0.0/8", "192.0.2.128/25", "2001:db8::/33", "0.0.0.0/32", "203.0.113.7"});
  ASSERT_TRUE(networks);
  const auto contain = [&](const char* ip) { return networks->contain(*Endpoint::parse(ip, 1)); };
  EXPECT_TRUE(contain("10.255.0.1"));
  EXPECT_FALSE(contain("11.0.0.1"));
  EXPECT_TRUE(contain("192.0.2.200"));
  EXPECT_FALSE(contain("192.0.2.127"));
  EXPECT_TRUE(contain("2001:db8:7fff::1"));
  EXPECT_FALSE(contain("2001:db8:8000::1"));
  EXPECT_TRUE(contain("203.0.113.7"));
  EXPECT_FALSE(contain("a00::1"));
  EXPECT_TRUE(Networks::parse({"0.0.0.0/0"})->contain(*Endpoint::parse("8.8.8.8", 1)));
  for (const char* bad : {"", "10.0.0.0/33", "10.0.0.0/x", "example.org", "::1/129", "10.0.0.0/"}) {
    EXPECT_FALSE(Networks::parse({bad})) << bad;
  }
}

}  // namespace
}  // namespace stox::sip
