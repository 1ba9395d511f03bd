#include "mapper/mapping/address/addresses.h"

#include <gtest/gtest.h>
#include <stringprep.h>

#include <fstream>
#include <random>
#include <sstream>

#include "common/base/text.h"

namespace stox::mapping {
namespace {

Addresses addresses(char separator = '*', std::vector<std::string> xmpp_domains = {}) {
  auto made = Addresses::make(
      {"gw.example", "sip.example", separator, std::move(xmpp_domains), {}, {"second.example"}});
  EXPECT_TRUE(made) << made.error().text;
  return *made;
}

Addresses by_gwmap(std::map<std::string, std::string> gwmap) {
  auto made = Addresses::make({"gateway.invalid",
                               "component.invalid",
                               '*',
                               {},
                               std::move(gwmap),
                               {"sip.example", "six.example", "FOUR.example"}});
  EXPECT_TRUE(made) << made.error().text;
  return *made;
}

std::string shown(const Mapped<std::string>& mapped) {
  return mapped ? *mapped : std::string("ERR ") + refusal_of(mapped.error()).name;
}
std::string shown(const Mapped<Jid>& mapped) {
  return mapped ? mapped->str() : std::string("ERR ") + refusal_of(mapped.error()).name;
}

// {U+00FC} and {x*1011}
std::string expand(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto end = text.find('}', i);
    if (text[i] != '{' || end == std::string_view::npos) {
      out += text[i];
      continue;
    }
    const std::string inside(text.substr(i + 1, end - i - 1));
    if (inside.starts_with("U+")) {
      char utf8[6];
      const auto n =
          stringprep_unichar_to_utf8(static_cast<uint32_t>(std::stoul(inside.substr(2), nullptr, 16)), utf8);
      out.append(utf8, static_cast<std::size_t>(n));
    } else {
      out.append(std::stoul(inside.substr(2)), inside[0]);
    }
    i = end;
  }
  return out;
}

std::string apply(const Addresses& by, const std::string& rule, const std::string& input) {
  if (rule == "request-uri") return shown(by.xmpp_recipient(input));
  if (rule == "from-uri") return shown(by.xmpp_sender(input));
  const auto jid = Jid::parse(input);
  if (!jid) return std::string("no JID: ") + describe(jid.error());
  if (rule == "to-jid") return shown(by.sip_recipient(*jid));
  if (rule == "from-jid") return shown(by.sip_sender(*jid));
  return "no such rule";
}

TEST(Addresses, EveryVectorOfTheFile) {
  std::ifstream file(STOX_ADDRESSES);
  std::string line;
  Addresses by = addresses();
  int vectors = 0;
  while (std::getline(file, line)) {
    if (trim(line).empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string number, rule, rest;
    words >> number >> rule;
    if (number == "separator") {
      by = addresses(rule[0]);
      continue;
    }
    if (number == "gwmap") {
      std::map<std::string, std::string> gwmap;
      do gwmap[rule.substr(0, rule.find('='))] = expand(rule.substr(rule.find('=') + 1));
      while (words >> rule);
      by = by_gwmap(std::move(gwmap));
      continue;
    }
    std::getline(words, rest);
    const auto arrow = rest.find("->");
    ASSERT_NE(arrow, std::string::npos) << line;
    const std::string input = expand(trim(std::string_view(rest).substr(0, arrow)));
    EXPECT_EQ(apply(by, rule, input), expand(trim(std::string_view(rest).substr(arrow + 2)))) << line;
    ++vectors;
  }
  EXPECT_GT(vectors, 170);
}

AddressRules rules_with_aliases() {
  AddressRules rules{"gw.example", "sip.example", '*', {}, {}, {"second.example"}};
  rules.aliases = {{"4711", "juliet@xmpp.example"},
                   {"+1 555-0100", "nurse@xmpp.example"},
                   {"Front.Desk", "paris@xmpp.example"},
                   {"@sms.example", "nurse@xmpp.example"}};
  return rules;
}

TEST(Addresses, AnAliasStandsForAnXmppUserBothWays) {
  const auto by = Addresses::make(rules_with_aliases());
  ASSERT_TRUE(by) << by.error().text;
  const std::pair<const char*, const char*> recipients[] = {
      {"sip:4711@gw.example", "juliet@xmpp.example"},
      {"sip:4711@gw.example;gr=balcony", "juliet@xmpp.example/balcony"},
      {"sip:+15550100@gw.example;user=phone", "nurse@xmpp.example"},
      {"sip:%2B1-555-0100@gw.example", "nurse@xmpp.example"},
      {"sip:front.desk@gw.example", "paris@xmpp.example"},
      {"tel:+1-555-0100", "nurse@xmpp.example"},
      {"sip:juliet*xmpp.example@gw.example", "juliet@xmpp.example"},
      {"sip:4712@gw.example", "ERR A9"},
      {"sip:4711@else.example", "ERR A12"},
      {"tel:+15550199", "ERR A10"},
  };
  for (const auto& [uri, jid] : recipients) EXPECT_EQ(shown(by->xmpp_recipient(uri)), jid) << uri;
  EXPECT_EQ(shown(by->sip_sender("juliet@xmpp.example/balcony")), "sip:4711@gw.example;gr=balcony");
  EXPECT_EQ(shown(by->sip_sender("nurse@xmpp.example")), "sip:+15550100@gw.example");
  EXPECT_EQ(shown(by->sip_sender("tybalt@xmpp.example")), "sip:tybalt*xmpp.example@gw.example");
}

TEST(Addresses, ADomainMayHaveADefaultRecipient) {
  const auto by = Addresses::make(rules_with_aliases());
  ASSERT_TRUE(by);
  EXPECT_EQ(shown(by->xmpp_recipient("sip:1000@gw.example", "sip:+1555@SMS.example")), "nurse@xmpp.example");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:4711@gw.example", "sip:+1555@sms.example")), "juliet@xmpp.example");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:1000@gw.example", "sip:+1555@else.example")), "ERR A9");
  // Providers send to the address by which they know the gateway.
  EXPECT_EQ(shown(by->xmpp_recipient("sip:account_1@192.0.2.1:5060", "sip:+1555@sms.example")),
            "nurse@xmpp.example");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:account_1@192.0.2.1:5060", "sip:+1555@else.example")), "ERR A12");
}

TEST(Addresses, AliasesThatAreNotClearAreErrors) {
  const auto refused = [](std::map<std::string, std::string> aliases) {
    AddressRules rules = rules_with_aliases();
    rules.aliases = std::move(aliases);
    const auto made = Addresses::make(std::move(rules));
    return made ? std::string() : made.error().text;
  };
  EXPECT_NE(refused({{"1", "a@x.example"}, {"2", "A@x.example"}}), "");
  EXPECT_NE(refused({{"desk", "a@x.example"}, {"Desk", "b@x.example"}}), "");
  EXPECT_NE(refused({{"1", "x.example"}}), "");
  EXPECT_NE(refused({{"1", "a@x.example/r"}}), "");
  EXPECT_NE(refused({{"1", "a@sip.example"}}), "");
  EXPECT_NE(refused({{"@a b", "a@x.example"}}), "");
  EXPECT_EQ(refused({{"1", "a@x.example"}, {"@d.example", "a@x.example"}}), "");
}

TEST(Addresses, NumbersWithoutADomainAreOfTelDomain) {
  AddressRules rules{"gw.example", "sip.example", '*', {}, {}, {}};
  EXPECT_EQ(shown(Addresses::make(rules)->xmpp_sender("tel:+1-555-0100")), "ERR A10");
  rules.tel_domain = "Phones.example";
  const auto by = Addresses::make(rules);
  ASSERT_TRUE(by);
  EXPECT_EQ(shown(by->xmpp_sender("tel:+1-555-0100;phone-context=x")),
            "+15550100*phones.example@sip.example");
  EXPECT_EQ(shown(by->xmpp_sender("tel:romeo")), "ERR A10");
  EXPECT_EQ(shown(by->sip_recipient("+15550100@sip.example")), "sip:+15550100@phones.example");
  EXPECT_EQ(shown(by->sip_recipient("romeo@sip.example")), "ERR A9");
}

TEST(Addresses, WhatAGwmapDoesNotHaveMayPass) {
  AddressRules rules{
      "gateway.invalid", "component.invalid", '*', {}, {{"sip.test", "sip.example"}, {"a.test", "a.example"}},
      {"sip.example"}};
  EXPECT_EQ(shown(Addresses::make(rules)->xmpp_recipient("sip:j@b.example")), "ERR A12");
  EXPECT_EQ(shown(Addresses::make(rules)->sip_sender("j@b.example")), "ERR A15");
  rules.passes_unmapped = true;
  const auto by = Addresses::make(rules);
  ASSERT_TRUE(by);
  EXPECT_EQ(shown(by->xmpp_recipient("sip:j@b.example")), "j@b.example");
  EXPECT_EQ(shown(by->sip_sender("j@b.example/r")), "sip:j@b.example;gr=r");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:j@a.test")), "j@a.example");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:romeo@sip.test")), "ERR A14");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:romeo@sip.example")), "ERR A12");
  EXPECT_EQ(shown(by->xmpp_sender("sip:romeo@b.example")), "ERR A12");
}

TEST(Addresses, OnlyNamedDomainsAreReached) {
  const Addresses by = addresses('*', {"example.com", "*.B\xc3\xbc\x63her.example"});
  EXPECT_EQ(shown(by.xmpp_recipient("sip:j*EXAMPLE.com@gw.example")), "j@example.com");
  EXPECT_EQ(shown(by.xmpp_recipient("sip:j*a.xn--bcher-kva.example@gw.example")),
            "j@a.b\xc3\xbc\x63her.example");
  EXPECT_EQ(shown(by.xmpp_recipient("sip:j*example.net@gw.example")), "ERR A15");
}

TEST(Addresses, AStarReachesEverything) {
  EXPECT_EQ(shown(addresses('*', {"*"}).xmpp_recipient("sip:j*example.net@gw.example")), "j@example.net");
}

TEST(Addresses, ADomainThatIsNoneIsAConfigurationError) {
  EXPECT_NE(Addresses::make({"gw example", "sip.example", '*', {}}).error().text.find("gateway_domain"),
            std::string::npos);
  EXPECT_NE(Addresses::make({"gw.example", "", '*', {}}).error().text.find("xmpp_domain"), std::string::npos);
  EXPECT_NE(Addresses::make({"gw.example", "sip.example", '.', {}}).error().text.find("domain_separator"),
            std::string::npos);
  EXPECT_NE(Addresses::make({"gw.example", "sip.example", '*', {"a b"}}).error().text.find("xmpp_domains"),
            std::string::npos);
}

TEST(Addresses, ADomainTwiceOnOneSideOfGwmapIsAConfigurationError) {
  const auto refused = [](std::map<std::string, std::string> gwmap) {
    const auto made = Addresses::make({"gw.example", "sip.example", '*', {}, std::move(gwmap), {}});
    return made ? "" : made.error().text;
  };
  EXPECT_EQ(refused({{"a.example", "x.example"}, {"b.example", "y.example"}}), "");
  EXPECT_NE(refused({{"a.example", "x.example"}, {"b.example", "X.example"}}).find("b.example"),
            std::string::npos);
  EXPECT_NE(refused({{"A.example", "x.example"}, {"a.example", "y.example"}}).find("a.example"),
            std::string::npos);
  EXPECT_NE(refused({{"a b", "x.example"}}).find("\"a b\" is not a domain name"), std::string::npos);
  EXPECT_NE(refused({{"a.example", "[::g]"}}).find("\"[::g]\" is not a domain name"), std::string::npos);
}

TEST(Addresses, WithAGwmapOnlyNamedDomainsAreReached) {
  const auto by = Addresses::make(
      {"g.invalid", "c.invalid", '*', {"*.example"}, {{"a.test", "a.example"}, {"b.test", "b.invalid"}}, {}});
  ASSERT_TRUE(by);
  EXPECT_EQ(shown(by->xmpp_recipient("sip:j@a.test")), "j@a.example");
  EXPECT_EQ(shown(by->xmpp_recipient("sip:j@b.test")), "ERR A15");
}

// The table of the protocol notes, row by row.
TEST(Addresses, EachErrorHasItsAnswers) {
  const struct {
    const char* name;
    int recipient, sender;
    const char* condition;
    const char* type;
  } table[] = {
      {"A1", 404, 403, "item-not-found", "cancel"}, {"A2", 400, 400, "jid-malformed", "modify"},
      {"A3", 404, 403, "jid-malformed", "modify"},  {"A4", 404, 403, "jid-malformed", "modify"},
      {"A5", 404, 403, "jid-malformed", "modify"},  {"A6", 404, 403, "jid-malformed", "modify"},
      {"A7", 414, 403, "jid-malformed", "modify"},  {"A8", 404, 403, "item-not-found", "cancel"},
      {"A9", 404, 403, "item-not-found", "cancel"}, {"A10", 416, 403, "jid-malformed", "modify"},
      {"A11", 416, 403, "jid-malformed", "modify"}, {"A12", 404, 403, "remote-server-not-found", "cancel"},
      {"A13", 404, 403, "jid-malformed", "modify"}, {"A14", 482, 403, "not-acceptable", "modify"},
      {"A15", 403, 403, "forbidden", "auth"},
  };
  uint8_t code = 0;
  for (const auto& row : table) {
    const AddressRefusal& refusal = refusal_of(static_cast<AddressError>(++code));
    EXPECT_EQ(static_cast<uint8_t>(refusal.error), code);
    EXPECT_STREQ(refusal.name, row.name);
    EXPECT_EQ(refusal.recipient_status, row.recipient) << row.name;
    EXPECT_EQ(refusal.sender_status, row.sender) << row.name;
    EXPECT_STREQ(refusal.condition, row.condition) << row.name;
    EXPECT_STREQ(refusal.type, row.type) << row.name;
  }
}

// Random names out of what makes trouble: separators, escapes, codes, hosts, and letters of many scripts.
class RandomText {
 public:
  std::string operator()() {
    static const std::vector<std::string> kPieces = {"a",
                                                     "B",
                                                     "7",
                                                     "*",
                                                     "%",
                                                     "\\",
                                                     "\\20",
                                                     "\\5c",
                                                     "\\2F",
                                                     "5c",
                                                     "27",
                                                     "'",
                                                     "&",
                                                     "/",
                                                     "@",
                                                     ":",
                                                     "<",
                                                     ">",
                                                     "\"",
                                                     " ",
                                                     ".",
                                                     "-",
                                                     "[",
                                                     "]",
                                                     ";",
                                                     "=",
                                                     "?",
                                                     "example.com",
                                                     "[2001:db8::1]",
                                                     ":5070",
                                                     "gw.example",
                                                     "sip.example",
                                                     "\xc3\x9f",
                                                     "\xc3\x9c",
                                                     "e\xcc\x81",
                                                     "\xce\xa3",
                                                     "\xcc\xb8",
                                                     "\xef\xbc\x8a",
                                                     "\xef\xbc\x9c",
                                                     "\xd7\x90",
                                                     "\xc2\xa0",
                                                     "\xc2\xad",
                                                     "\xe2\x84\x80",
                                                     "\xf0\x9f\x98\x80",
                                                     "\xff",
                                                     "\x01"};
    std::string out;
    for (auto n = std::uniform_int_distribution(1, 7)(random_); n > 0; --n)
      out += kPieces[std::uniform_int_distribution<std::size_t>(0, kPieces.size() - 1)(random_)];
    return out;
  }

 private:
  std::mt19937 random_{20240229};
};

// The rules that the properties are tried on, and domains that take part in each.
struct Tried {
  Addresses by;
  const char* xmpp;       // of XMPP users
  const char* sip;        // of SIP users
  const char* other_sip;  // another spelling, or another kind of host
  const char* own;        // where SIP users appear
};
std::vector<Tried> tried() {
  return {{addresses('*'), "example.com", "example.net", "[2001:DB8::1]:5070", "sip.example"},
          {addresses('%'), "example.com", "example.net", "192.0.2.7:5070", "sip.example"},
          {addresses('='), "[2001:db8::1]", "example.net", "192.0.2.7", "sip.example"},
          {by_gwmap({{"gw.example", "example.com"}, {"example.net", "sip.example"}}), "example.com",
           "example.net", "Example.NET.:5060", "sip.example"},
          {by_gwmap({{"[2001:db8::6]", "b\xc3\xbc\x63her.example"}, {"[2001:db8::5]", "six.example"}}),
           "b\xc3\xbc\x63her.example", "[2001:db8::5]", "[2001:DB8:0::5]", "six.example"}};
}

TEST(Addresses, AnXmppUserComesBackAsItself) {
  RandomText text;
  for (const Tried& each : tried()) {
    int mapped = 0;
    for (int i = 0; i < 15'000; ++i) {
      const auto jid = Jid::parse(text() + "@" + (i % 4 ? each.xmpp : text()) + (i % 3 ? "" : "/" + text()));
      if (!jid) continue;
      const auto uri = each.by.sip_sender(*jid);
      if (!uri) continue;
      ++mapped;
      ASSERT_EQ(shown(each.by.xmpp_recipient(*uri)), jid->str()) << *uri;
      const auto recipient = each.by.sip_recipient(*Jid::make(jid->local(), each.own));
      if (recipient) {
        ASSERT_EQ(shown(each.by.xmpp_sender(*recipient)), jid->local() + "@" + each.own) << *recipient;
      }
    }
    EXPECT_GT(mapped, 1'000) << each.xmpp;
  }
}

TEST(Addresses, ASipUserComesBackAsItselfInItsNormalSpelling) {
  RandomText text;
  for (const Tried& each : tried()) {
    int mapped = 0;
    for (int i = 0; i < 15'000; ++i) {
      const std::string uri = "sip:" + percent_encode(text(), [](unsigned char c) { return c == '*'; }) +
                              "@" + (i % 2 ? each.sip : each.other_sip);
      const auto jid = each.by.xmpp_sender(uri);
      if (!jid) continue;
      ++mapped;
      const auto back = each.by.sip_recipient(*jid);
      ASSERT_TRUE(back) << uri << " became " << jid->str() << ", " << shown(back);
      ASSERT_EQ(shown(each.by.xmpp_sender(*back)), jid->str()) << uri << " came back as " << *back;
      ASSERT_EQ(shown(each.by.sip_recipient(*each.by.xmpp_sender(*back))), *back);
    }
    EXPECT_GT(mapped, 1'000) << each.sip;
  }
}

}  // namespace
}  // namespace stox::mapping
