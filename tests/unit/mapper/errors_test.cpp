#include "mapper/mapping/error/errors.h"

#include <gtest/gtest.h>

namespace stox::mapping {
namespace {

class Errors : public testing::Test {
 protected:
  pb::SipStatus sip(const char* condition, const char* type, const char* address = "",
                    const char* text = "") {
    pb::StanzaError error;
    error.set_condition(condition);
    error.set_type(type);
    error.set_address(address);
    error.set_text(text);
    return to_sip(error, settings_, addresses_);
  }
  pb::StanzaError xmpp(uint32_t code, uint32_t retry_after = 0, const char* contact = "") {
    pb::SipStatus status;
    status.set_code(code);
    status.set_reason("Because");
    status.set_retry_after_s(retry_after);
    status.set_contact(contact);
    return to_xmpp(status, addresses_);
  }

  Addresses addresses_ = *Addresses::make({"gw.example", "sip.example", '*', {}});
  ErrorSettings settings_;
};

TEST_F(Errors, WhatIsTooLargeForTheGatewayIs513) {
  pb::StanzaError error = stanza_error("policy-violation", "modify", "Message too large");
  EXPECT_EQ(to_sip(error, settings_, addresses_).code(), 403u);  // a peer's policy, whatever it is about
  error.set_too_large(true);
  EXPECT_EQ(to_sip(error, settings_, addresses_).code(), 513u);
}

TEST_F(Errors, ARoomThatIsFullIsBusy) {
  pb::StanzaError error = stanza_error("service-unavailable", "wait");
  error.set_room_is_full(true);
  EXPECT_EQ(to_sip(error, settings_, addresses_).code(), 486u);
  EXPECT_EQ(to_sip(error, settings_, addresses_).reason(), "Busy Here");
  error.set_text("The room is full; try again later");
  EXPECT_EQ(to_sip(error, settings_, addresses_).reason(), "The room is full; try again later");
}

TEST_F(Errors, WhatARoomWantsIsSaidWhole) {
  const std::string text =
      "garden@conference.example.com takes members only: ask its owner to make you one, and then write #join "
      "or anything else here again";
  for (const char* condition : {"registration-required", "forbidden", "not-authorized", "conflict"}) {
    EXPECT_EQ(sip(condition, "auth", "", text.c_str()).code(), 403u);
    EXPECT_EQ(sip(condition, "auth", "", text.c_str()).reason(), text);
  }
  EXPECT_EQ(sip("not-acceptable", "cancel", "", text.c_str()).code(), 406u);
  EXPECT_EQ(sip("not-acceptable", "cancel", "", text.c_str()).reason(), text);
}

TEST_F(Errors, EveryConditionHasItsStatus) {
  const struct {
    const char* condition;
    const char* type;
    uint32_t status;
    bool retry_after = false;
  } rows[] = {
      {"bad-request", "modify", 400},
      {"conflict", "cancel", 403},
      {"feature-not-implemented", "cancel", 501},
      {"feature-not-implemented", "modify", 501},
      {"forbidden", "auth", 403},
      {"gone", "cancel", 410},
      {"internal-server-error", "cancel", 500},
      {"item-not-found", "cancel", 404},
      {"jid-malformed", "modify", 400},
      {"not-acceptable", "modify", 406},
      {"not-allowed", "cancel", 403},
      {"not-authorized", "auth", 403},
      {"policy-violation", "modify", 403},
      {"policy-violation", "wait", 480, true},
      {"recipient-unavailable", "wait", 480},
      {"redirect", "modify", 480},
      {"registration-required", "auth", 403},
      {"remote-server-not-found", "cancel", 404},
      {"remote-server-timeout", "wait", 504},
      {"remote-server-timeout", "cancel", 504},
      {"resource-constraint", "wait", 500, true},
      {"service-unavailable", "cancel", 404},
      {"subscription-required", "auth", 403},
      {"undefined-condition", "modify", 400},
      {"undefined-condition", "cancel", 500},
      {"undefined-condition", "auth", 403},
      {"undefined-condition", "wait", 480},
      {"unexpected-request", "wait", 400},
      {"unexpected-request", "modify", 400},
      // a condition nobody knows, and none: by type; no type: as cancel
      {"made-up", "modify", 400},
      {"made-up", "continue", 500},
      {"", "auth", 403},
      {"", "", 500},
  };
  for (const auto& row : rows) {
    const pb::SipStatus status = sip(row.condition, row.type);
    EXPECT_EQ(status.code(), row.status) << row.condition << " " << row.type;
    EXPECT_EQ(status.retry_after_s() != 0, row.retry_after) << row.condition << " " << row.type;
    EXPECT_FALSE(status.reason().empty()) << row.condition;
    EXPECT_TRUE(status.contact().empty()) << row.condition;
    for (const uint32_t never : {401u, 405u, 407u, 408u, 503u})
      EXPECT_NE(status.code(), never) << row.condition;
  }
}

TEST_F(Errors, UnavailableIsWhatTheSettingSays) {
  for (const int status : {403, 404, 480}) {
    settings_.unavailable_status = status;
    EXPECT_EQ(sip("service-unavailable", "cancel").code(), static_cast<uint32_t>(status));
  }
}

TEST_F(Errors, ARefusalOfABareJidIsGlobalWhereThatIsWanted) {
  const auto code = [&](const char* condition, bool full_jid) {
    pb::StanzaError error = stanza_error(condition, "cancel");
    error.set_full_jid(full_jid);
    return to_sip(error, settings_, addresses_).code();
  };
  EXPECT_EQ(code("item-not-found", false), 404u);
  settings_.global_failures = true;
  EXPECT_EQ(code("forbidden", false), 603u);
  EXPECT_EQ(code("item-not-found", false), 604u);
  EXPECT_EQ(code("not-acceptable", false), 606u);
  EXPECT_EQ(code("recipient-unavailable", false), 600u);
  EXPECT_EQ(code("bad-request", false), 400u);
  EXPECT_EQ(code("item-not-found", true), 404u);
}

TEST_F(Errors, ANewAddressBecomesAContact) {
  const pb::SipStatus gone = sip("gone", "cancel", "xmpp:romeo@example.org");
  EXPECT_EQ(gone.code(), 301u);
  EXPECT_EQ(gone.contact(), "sip:romeo*example.org@gw.example");
  const pb::SipStatus redirect =
      sip("redirect", "modify", " xmpp:d%5C27art*example.net@sip.example?message ");
  EXPECT_EQ(redirect.code(), 302u);
  EXPECT_EQ(redirect.contact(), "sip:d'art@example.net");
  EXPECT_EQ(sip("redirect", "modify", "sip:a@example.net").contact(), "sip:a@example.net");
}

TEST_F(Errors, ANewAddressThatSipCannotUseIsNone) {
  for (const char* address :
       {"", "xmpp:", "xmpp:a b@example.org", "xmpp:%zz@example.org", "http://example.org/",
        "sip:a@example.net?Route=x", "sip:a:secret@example.net", "sip:a@b\r\nX: y", "junk"}) {
    EXPECT_EQ(sip("gone", "cancel", address).code(), 410u) << address;
    EXPECT_EQ(sip("redirect", "modify", address).code(), 480u) << address;
    EXPECT_EQ(sip("gone", "cancel", address).contact(), "") << address;
  }
}

TEST_F(Errors, LegacyCodesCountOnlyWithoutACondition) {
  const struct {
    const char* code;
    uint32_t status;
  } rows[] = {{"302", 480}, {"400", 400}, {"401", 403}, {"402", 403}, {"403", 403}, {"404", 404},
              {"405", 403}, {"406", 406}, {"407", 403}, {"408", 504}, {"409", 403}, {"500", 500},
              {"501", 501}, {"502", 404}, {"503", 404}, {"504", 504}, {"510", 404}, {"999", 500}};
  for (const auto& row : rows) {
    pb::StanzaError error;
    error.set_legacy_code(row.code);
    EXPECT_EQ(to_sip(error, settings_, addresses_).code(), row.status) << row.code;
    error.set_condition("forbidden");
    EXPECT_EQ(to_sip(error, settings_, addresses_).code(), 403u) << row.code;
  }
}

TEST_F(Errors, TextBecomesOneShortReasonLine) {
  EXPECT_EQ(sip("forbidden", "auth", "", "No\r\nX-Evil: 1").reason(), "No  X-Evil: 1");
  EXPECT_EQ(sip("forbidden", "auth", "", std::string(500, 'x').c_str()).reason(),
            std::string(197, 'x') + "...");
  std::string words;
  for (int i = 0; i < 60; ++i) words += "certificate ";
  EXPECT_TRUE(sip("forbidden", "auth", "", words.c_str()).reason().ends_with("certificate..."))
      << "no half words";
  EXPECT_EQ(sip("remote-server-timeout", "wait").reason(), "The recipient's server did not answer");
  EXPECT_EQ(sip("forbidden", "auth", "", "\xff").reason(), "Forbidden");
  EXPECT_EQ(sip("forbidden", "auth", "", "\r\n").reason(), "Forbidden");
  EXPECT_EQ(sip("item-not-found", "cancel", "", "User unknown").reason(), "Not found");
}

TEST_F(Errors, EveryStatusHasItsCondition) {
  const struct {
    uint32_t status;
    const char* condition;
    const char* type;
  } rows[] = {
      {300, "redirect", "modify"},
      {301, "gone", "cancel"},
      {302, "redirect", "modify"},
      {305, "redirect", "modify"},
      {380, "not-acceptable", "modify"},
      {399, "redirect", "modify"},
      {400, "bad-request", "modify"},
      {401, "not-authorized", "auth"},
      {402, "bad-request", "modify"},
      {403, "forbidden", "auth"},
      {404, "item-not-found", "cancel"},
      {405, "feature-not-implemented", "cancel"},
      {406, "not-acceptable", "modify"},
      {407, "registration-required", "auth"},
      {408, "remote-server-timeout", "wait"},
      {410, "gone", "cancel"},
      {413, "policy-violation", "modify"},
      {414, "policy-violation", "modify"},
      {415, "not-acceptable", "modify"},
      {416, "not-acceptable", "modify"},
      {420, "feature-not-implemented", "cancel"},
      {421, "not-acceptable", "modify"},
      {423, "resource-constraint", "wait"},
      {430, "recipient-unavailable", "wait"},
      {439, "feature-not-implemented", "cancel"},
      {440, "policy-violation", "modify"},
      {480, "recipient-unavailable", "wait"},
      {481, "item-not-found", "cancel"},
      {482, "not-acceptable", "modify"},
      {483, "not-acceptable", "modify"},
      {484, "item-not-found", "cancel"},
      {485, "item-not-found", "cancel"},
      {486, "recipient-unavailable", "wait"},
      {487, "recipient-unavailable", "wait"},
      {488, "not-acceptable", "modify"},
      {489, "policy-violation", "modify"},
      {491, "unexpected-request", "wait"},
      {493, "bad-request", "modify"},
      {494, "bad-request", "modify"},
      {499, "bad-request", "modify"},
      {500, "internal-server-error", "cancel"},
      {501, "feature-not-implemented", "cancel"},
      {502, "remote-server-not-found", "cancel"},
      {503, "internal-server-error", "wait"},
      {504, "remote-server-timeout", "wait"},
      {505, "not-acceptable", "modify"},
      {513, "policy-violation", "modify"},
      {580, "internal-server-error", "cancel"},
      {599, "internal-server-error", "cancel"},
      {600, "recipient-unavailable", "wait"},
      {603, "recipient-unavailable", "wait"},
      {604, "item-not-found", "cancel"},
      {606, "not-acceptable", "modify"},
      {607, "recipient-unavailable", "cancel"},
      {608, "recipient-unavailable", "cancel"},
      {699, "recipient-unavailable", "wait"},
      {0, "internal-server-error", "cancel"},
      {700, "internal-server-error", "cancel"},
  };
  for (const auto& row : rows) {
    const pb::StanzaError error = xmpp(row.status);
    EXPECT_EQ(error.condition(), row.condition) << row.status;
    EXPECT_EQ(error.type(), row.type) << row.status;
    EXPECT_EQ(error.address(), "") << row.status;
    EXPECT_TRUE(error.text().starts_with("The") &&
                error.text().ends_with(" (" + std::to_string(row.status) + " Because)"))
        << error.text();
  }
}

TEST_F(Errors, RetryAfterMakesSomeErrorsTemporary) {
  for (const uint32_t status : {413u, 500u, 599u}) EXPECT_EQ(xmpp(status, 5).type(), "wait") << status;
  EXPECT_EQ(xmpp(404, 5).type(), "cancel");
  EXPECT_EQ(xmpp(501, 5).type(), "cancel");
}

TEST_F(Errors, AContactBecomesANewAddress) {
  EXPECT_EQ(xmpp(301, 0, "sip:romeo@example.net").address(), "xmpp:romeo*example.net@sip.example");
  EXPECT_EQ(xmpp(302, 0, "sip:ann*x.test@gw.example").address(), "xmpp:ann@x.test");
  EXPECT_EQ(xmpp(302, 0, "sip:d'art@example.net;gr=a%20b").address(),
            "xmpp:d%5C27art*example.net@sip.example/a%20b");
  EXPECT_EQ(xmpp(300, 0, "tel:+15551234").address(), "tel:+15551234");
  EXPECT_EQ(xmpp(302, 0, "sip:a\xff@h").address(), "");
  EXPECT_EQ(xmpp(380, 0, "sip:romeo@example.net").address(), "");
  EXPECT_EQ(xmpp(410, 0, "sip:romeo@example.net").address(), "");
}

TEST_F(Errors, SilenceAndMissingNamesAreTheirOwnErrors) {
  pb::SipStatus status;
  status.set_code(408);
  status.set_timed_out(true);
  EXPECT_EQ(to_xmpp(status, addresses_).condition(), "remote-server-timeout");
  EXPECT_EQ(to_xmpp(status, addresses_).type(), "wait");
  status.set_unresolvable(true);
  EXPECT_EQ(to_xmpp(status, addresses_).condition(), "remote-server-not-found");
  EXPECT_EQ(to_xmpp(status, addresses_).type(), "cancel");
}

TEST_F(Errors, ADomainThatIsNotFoundIsToldFromAUserWhoIsNotThere) {
  EXPECT_TRUE(
      to_sip(stanza_error("remote-server-not-found", "cancel", ""), settings_, addresses_).unresolvable());
  EXPECT_FALSE(to_sip(stanza_error("item-not-found", "cancel", ""), settings_, addresses_).unresolvable());
}

TEST_F(Errors, AStatusLineCannotInjectIntoAStanza) {
  pb::SipStatus status;
  status.set_code(403);
  status.set_reason("a\x01\r\nb\xef\xbf\xbf");
  EXPECT_EQ(to_xmpp(status, addresses_).text(),
            "The SIP side does not let you write to this user (403 a   b)");
  status.set_reason("\xff");
  EXPECT_EQ(to_xmpp(status, addresses_).text(), "The SIP side does not let you write to this user (403)");
}

TEST_F(Errors, SuccessIsAcceptedAndOnlyProofIs200) {
  pb::Outcome outcome;
  outcome.set_verdict(pb::DELIVERED);
  to_origin(outcome, pb::FRONT, settings_, addresses_);
  EXPECT_EQ(outcome.sip_status().code(), 200u);
  EXPECT_EQ(outcome.sip_status().reason(), "Accepted");
  settings_.accept_status = 202;
  to_origin(outcome, pb::FRONT, settings_, addresses_);
  EXPECT_EQ(outcome.sip_status().code(), 202u);
  settings_.accept_status = 200;
  outcome.set_verdict(pb::PASSED_ON);
  to_origin(outcome, pb::FRONT, settings_, addresses_);
  EXPECT_EQ(outcome.sip_status().code(), 202u);
  EXPECT_EQ(outcome.sip_status().reason(), "Accepted");
  EXPECT_EQ(outcome.sip_status().retry_after_s(), 0u);
}

TEST_F(Errors, AWorkerHearsNothingOfSuccessAndAStanzaErrorOfFailure) {
  pb::Outcome outcome;
  outcome.set_verdict(pb::DELIVERED);
  outcome.mutable_sip_status()->set_code(200);
  to_origin(outcome, pb::WORKER, settings_, addresses_);
  EXPECT_EQ(outcome.said_case(), pb::Outcome::SAID_NOT_SET);
  outcome.set_verdict(pb::FAILED);
  outcome.mutable_sip_status()->set_code(486);
  to_origin(outcome, pb::WORKER, settings_, addresses_);
  EXPECT_EQ(outcome.stanza_error().condition(), "recipient-unavailable");
}

TEST_F(Errors, WhatTheGatewayItselfSaysStays) {
  for (const pb::Role origin : {pb::FRONT, pb::WORKER}) {
    pb::Outcome outcome;
    outcome.set_verdict(pb::FAILED);
    outcome.set_reason(pb::LINK_DOWN);
    outcome.set_text("no stream");
    to_origin(outcome, origin, settings_, addresses_);
    EXPECT_EQ(outcome.said_case(), pb::Outcome::SAID_NOT_SET);
    EXPECT_EQ(outcome.reason(), pb::LINK_DOWN);
  }
}

TEST_F(Errors, AFailureWithoutWordsIsAnInternalError) {
  pb::Outcome outcome;
  outcome.set_verdict(pb::FAILED);
  to_origin(outcome, pb::FRONT, settings_, addresses_);
  EXPECT_EQ(outcome.sip_status().code(), 500u);
  outcome.clear_said();
  to_origin(outcome, pb::WORKER, settings_, addresses_);
  EXPECT_EQ(outcome.stanza_error().condition(), "internal-server-error");
}

TEST_F(Errors, AnAddressThatCannotBeMappedIsToldInTheSendersWords) {
  const pb::Outcome sip = refuse_sip(AddressError::kNoSeparator, Party::kRecipient);
  EXPECT_EQ(sip.sip_status().code(), 404u);
  EXPECT_EQ(sip.sip_status().reason(), "Not found");
  EXPECT_EQ(sip.text(), "This address cannot be reached: it names no domain behind the user");
  EXPECT_EQ(refuse_sip(AddressError::kTooLong, Party::kSender).sip_status().code(), 403u);
  const pb::Outcome xmpp = refuse_xmpp(AddressError::kNotCanonical, Party::kSender);
  EXPECT_EQ(xmpp.stanza_error().condition(), "jid-malformed");
  EXPECT_EQ(xmpp.stanza_error().type(), "modify");
}

}  // namespace
}  // namespace stox::mapping
