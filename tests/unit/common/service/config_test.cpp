#include "common/service/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>

#include "common/service/config_keys.h"

namespace stox::service {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

const std::string kSite = R"([gateway]
gateway_domain = "sip-xmpp.example.org"
xmpp_domain    = "xmpp-sip.example.org"
[[mapper]]
name = "mapper-1"
[[sip_front]]
name = "sip-1"
[[xmpp_worker]]
name = "component-1"
xmpp_password = "topsecret"
)";

// The same for SIP users of one domain only.
std::string with_sip_domains(std::string site) {
  return site.insert(site.find("[[mapper]]"), "sip_domains = [\"sip.example.org\"]\n");
}

class ConfigFile : public ::testing::Test {
 protected:
  ConfigFile() {
    std::string folder = ::testing::TempDir() + "stox-config-XXXXXX";
    folder_ = mkdtemp(folder.data());
  }
  ~ConfigFile() override { std::filesystem::remove_all(folder_); }

  std::string put(const std::string& text, const std::string& name = "stox.toml") {
    std::ofstream(folder_ + "/" + name) << text;
    return folder_ + "/" + name;
  }

  // The problems of a file, with its path shortened to "F".
  std::string problems(const std::string& text) { return shorten(load_config(put(text))); }

  template <class T>
  std::string shorten(const Result<T>& result) {
    if (result) return "";
    std::string out = result.error().text;
    const std::string path = folder_ + "/stox.toml";
    for (auto at = out.find(path); at != std::string::npos; at = out.find(path))
      out.replace(at, path.size(), "F");
    return out;
  }

  std::string folder_;
};

TEST_F(ConfigFile, AliasesMayStandInAFileOfTheirOwn) {
  const std::string site = with_sip_domains(kSite);
  const auto with = [&](const std::string& aliases) {
    const std::string file = put(aliases, "aliases.toml");
    return put(std::string(site).insert(site.find("[[mapper]]"), "aliases_file = \"" + file + "\"\n"));
  };
  const auto loaded = load_config(with("\"4711\" = \"juliet@x.test\"\n\"4712\" = \"nurse@x.test\"\n"));
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_THAT(loaded->gateway.aliases,
              ElementsAre(Pair("4711", "juliet@x.test"), Pair("4712", "nurse@x.test")));
  EXPECT_THAT(shorten(load_config(with("4711 juliet"))), HasSubstr("aliases.toml\", line 1, is not like"));
  EXPECT_THAT(shorten(load_config(with("\"4711\" = \"juliet\""))),
              HasSubstr("must be the address of a user"));
}

TEST_F(ConfigFile, SmallestSiteHasTheDocumentedDefaults) {
  const auto config = load_config(put(kSite));
  ASSERT_TRUE(config) << config.error().text;
  EXPECT_EQ(config->gateway.domain_separator, "*");
  EXPECT_EQ(config->gateway.accept_status, 200);
  EXPECT_EQ(config->gateway.unavailable_status, 404);
  EXPECT_EQ(config->gateway.unhandled_method_status, 405);
  EXPECT_EQ(config->gateway.message_type, "chat");
  EXPECT_FALSE(config->gateway.resend_on_doubt);
  EXPECT_EQ(config->runtime.drain_seconds, 30);
  EXPECT_THAT(config->mapper_endpoints(), ElementsAre("ipc:///run/stox/mapper-1.sock"));
  ASSERT_EQ(config->sip_fronts[0].listen.size(), 2U);
  EXPECT_EQ(config->sip_fronts[0].listen[1].transport, ListenConfig::Transport::kTcp);
  EXPECT_EQ(config->sip_fronts[0].listen[1].port, 5060);
  EXPECT_EQ(config->sip_fronts[0].max_datagram_bytes, 2048U);
  EXPECT_EQ(config->sip_fronts[0].max_rate_per_source, 0U);
  EXPECT_EQ(config->sip_fronts[0].max_rate_per_from_domain, 0U);
  EXPECT_THAT(config->sip_fronts[0].trusted, ElementsAre("127.0.0.0/8", "::1/128"));
  EXPECT_EQ(config->xmpp_workers[0].xmpp_port, 5347);
  EXPECT_THAT(config->xmpp_workers[0].serves, ElementsAre("xmpp-sip.example.org"));
}

TEST_F(ConfigFile, AListenerMayTrustOthersThanTheRestOfItsFront) {
  const std::string front =
      "[[sip_front]]\nname = \"s\"\n"
      "listen = [\"udp:10.0.0.5:5060\", \"tls:10.0.0.5:5061/203.0.113.9:5061\"]\n"
      "tls = { certificate = \"/c\", key = \"/k\" }\n";
  const auto config = load_config(
      put(kSite + front + "[[sip_front.listener]]\nlisten = \"tls:10.0.0.5:5061\"\n" +
          "trusted = []\ntrusted_certificates = [\"proxy.example.org\"]\n" +
          "[[sip_front.listener]]\nlisten = \"udp:10.0.0.5:5060\"\ntrusted = [\"10.0.0.0/8\"]\n"));
  ASSERT_TRUE(config) << config.error().text;
  const auto& listeners = config->sip_fronts[1].listeners;
  ASSERT_EQ(listeners.size(), 2U);
  EXPECT_EQ(listeners[0].trusted, std::vector<std::string>());
  EXPECT_EQ(listeners[0].trusted_certificates, std::vector<std::string>{"proxy.example.org"});
  EXPECT_EQ(listeners[1].trusted, std::vector<std::string>{"10.0.0.0/8"});
  EXPECT_EQ(listeners[1].trusted_certificates, std::nullopt);
  EXPECT_THAT(print_config(*config),
              HasSubstr("listener = [{ listen = \"tls:10.0.0.5:5061\", trusted = [], trusted_certificates = "
                        "[\"proxy.example.org\"] }, { listen = \"udp:10.0.0.5:5060\", trusted = "
                        "[\"10.0.0.0/8\"] }]"));

  const auto wrong = [&](const std::string& text) { return problems(kSite + front + text); };
  EXPECT_THAT(wrong("listener = 1\n"), HasSubstr("several times; write it as [[sip_front.listener]]"));
  EXPECT_THAT(wrong("[[sip_front.listener]]\ntrust = []\n"),
              HasSubstr("sip_front.listener.trust is unknown; known here: listen, trusted, "));
  EXPECT_THAT(wrong("[[sip_front.listener]]\ntrusted = []\n"), HasSubstr("sip_front.listener has no listen"));
  EXPECT_THAT(wrong("[[sip_front.listener]]\nlisten = \"tls:10.0.0.6:5061\"\n"),
              HasSubstr("is for tls:10.0.0.6:5061, at which sip_front s does not listen"));
  EXPECT_THAT(wrong("[[sip_front.listener]]\nlisten = \"tls:10.0.0.5\"\n"), HasSubstr("has no port"));
  EXPECT_THAT(
      wrong("[[sip_front.listener]]\nlisten = \"udp:10.0.0.5:5060\"\ntrusted_certificates = [\"a.test\"]\n"),
      HasSubstr("has trusted_certificates for udp:10.0.0.5:5060, which sees none"));
  EXPECT_THAT(wrong("[[sip_front.listener]]\nlisten = \"udp:10.0.0.5:5060\"\n"
                    "[[sip_front.listener]]\nlisten = \"udp:10.0.0.5:5060\"\n"),
              HasSubstr("is there twice for udp:10.0.0.5:5060"));
}

TEST_F(ConfigFile, AFrontKnowsWhoMaySendAndHowMuch) {
  const std::string front = "[[sip_front]]\nname = \"s\"\n";
  const auto config =
      load_config(put(kSite + front +
                      "trusted_certificates = [\"proxy.example.org\"]\nmax_rate_per_source = 100\n"
                      "max_rate_per_from_domain = 1000\n"));
  ASSERT_TRUE(config) << config.error().text;
  const SipFrontConfig& section = config->sip_fronts[1];
  EXPECT_THAT(section.trusted_certificates, ElementsAre("proxy.example.org"));
  EXPECT_EQ(section.max_rate_per_source, 100U);
  EXPECT_EQ(section.max_rate_per_from_domain, 1000U);
  EXPECT_THAT(print_config(*config), HasSubstr("trusted_certificates = [\"proxy.example.org\"]"));
  EXPECT_THAT(print_config(*config), HasSubstr("max_rate_per_source = 100"));
  EXPECT_THAT(problems(kSite + front + "trusted_certificates = [\"a b\"]\n"),
              HasSubstr("trusted_certificates"));
  EXPECT_THAT(problems(kSite + front + "max_rate_per_source = -1\n"), HasSubstr("max_rate_per_source"));
}

TEST_F(ConfigFile, ListenKnowsBoundAndAdvertisedAddress) {
  const auto config = load_config(put(R"([gateway]
gateway_domain = "g.test"
xmpp_domain = "x.test"
[[mapper]]
name = "m"
[[sip_front]]
name = "s"
listen = ["udp:10.0.0.5:5060/203.0.113.9:5070", "tcp:[2001:db8::1]:5062"]
)"));
  ASSERT_TRUE(config) << config.error().text;
  const auto& listen = config->sip_fronts[0].listen;
  EXPECT_EQ(listen[0].address, "10.0.0.5");
  EXPECT_EQ(listen[0].advertised_address, "203.0.113.9");
  EXPECT_EQ(listen[0].advertised_port, 5070);
  EXPECT_EQ(listen[1].address, "2001:db8::1");
  EXPECT_EQ(listen[1].port, 5062);
  EXPECT_THAT(print_config(*config), HasSubstr("listen = [\"udp:10.0.0.5:5060/203.0.113.9:5070\", "
                                               "\"tcp:[2001:db8::1]:5062\"]"));
}

struct Wrong {
  const char* added;  // behind kSite, whose last line is 10 and belongs to the [[xmpp_worker]]
  const char* expected;
};

class WrongConfig : public ConfigFile, public ::testing::WithParamInterface<Wrong> {};

TEST_P(WrongConfig, IsSaidWithItsPlace) {
  EXPECT_EQ(problems(kSite + GetParam().added), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongConfig,
    ::testing::Values(
        Wrong{"xmpp_prot = 5347\n", "F:11:1: unknown key xmpp_prot in xmpp_worker; did you mean xmpp_port?"},
        Wrong{"journal = \"yes\"\n", "F:11:11: xmpp_worker.journal must be true or false, without quotes"},
        Wrong{"journal_sync = \"off\"\n",
              "F:11:16: xmpp_worker.journal_sync \"off\" is none of normal, full"},
        Wrong{"listen = []\n", "F:11:1: unknown key listen in xmpp_worker; it belongs into [[sip_front]]"},
        Wrong{"[xmpp_worker.tls]\nkey = \"/k\"\nrequire = 1\nrequired = true\n",
              "F:11:1: xmpp_worker.tls has only one of certificate and key; give both, or neither\n"
              "F:13:11: xmpp_worker.tls.require must be true or false, without quotes\n"
              "F:14:12: xmpp_worker.tls.required is unknown; known here: certificate, key, ca, require; "
              "keys of [[xmpp_worker]] itself stand above this table"},
        Wrong{"[gatway]\n", "F:11:2: unknown section gatway; did you mean gateway?"},
        Wrong{
            "[log]\nlevel = \"inof\"\ncolour = 1\n",
            "F:12:9: log.level \"inof\" is none of trace, debug, info, warn, error; did you mean \"info\"?\n"
            "F:13:1: unknown key colour in log; known here: level, format"},
        Wrong{"[runtime]\ndrain_seconds = \"30\"\n",
              "F:12:17: runtime.drain_seconds must be a whole number, without quotes"},
        Wrong{"[runtime]\nrestart_command = \"systemctl restart stox\"\n",
              "F:12:19: runtime.restart_command \"systemctl restart stox\" names no process; write {name} or "
              "{program} into it, as in \"supervisorctl restart {name}\""},
        Wrong{"[runtime]\nrestart_command = \"{ a; b {name} ${HOME} {x,y} {; }\"\n", ""},
        Wrong{"[runtime]\nrestart_command = \"systemctl restart {program}@{nmae}\"\n",
              "F:12:19: runtime.restart_command \"systemctl restart {program}@{nmae}\" has {nmae}, which "
              "stands "
              "for nothing; there are {name}, {section}, {instance} and {program}"},
        Wrong{"[runtime]\ndrain_seconds = 3601\n",
              "F:12:17: runtime.drain_seconds is 3601; it must be from 0 to 3600"},
        Wrong{"[runtime]\ndirectory = \"run\"\n",
              "F:12:13: runtime.directory \"run\" is not an absolute path; begin it with /"},
        Wrong{"xmpp_port = 0\n", "F:11:13: xmpp_worker.xmpp_port is 0; it must be from 1 to 65535"},
        Wrong{
            "xmpp_host = \"a b\"\n",
            "F:11:13: xmpp_worker.xmpp_host \"a b\" is neither a host name nor an address; write it without "
            "brackets and port"},
        Wrong{
            "backend = \"server\"\n",
            "F:11:11: xmpp_worker component-1 is a server without a certificate; add [xmpp_worker.tls] with "
            "certificate and key, or, for a lab, require = false"},
        Wrong{"backend = \"componnt\"\n",
              "F:11:11: xmpp_worker.backend \"componnt\" is none of component, server; did you mean "
              "\"component\"?"},
        Wrong{"xmpp_password_file = \"/etc/secret\"\n",
              "F:11:22: xmpp_worker component-1 has xmpp_password and xmpp_password_file; keep one of them"},
        Wrong{"[[sip_front]]\nname = \"component-1\"\n",
              "F:9:8: name \"component-1\" is taken already; each process of a site needs its own"},
        Wrong{"[[sip_front]]\nname = \"a/b\"\n",
              "F:12:8: sip_front.name \"a/b\" cannot be a name; use 1 to 64 letters, digits, - _ and ., not "
              "beginning with a dot"},
        Wrong{"[[sip_front]]\n", "F:11:1: sip_front.name is missing; it has no default"},
        Wrong{
            "[[sip_front]]\nname = \"s\"\nlisten = [\"udp:127.0.0.1\", \"tls:127.0.0.1\", \"x:1\", "
            "\"tcp:::1:5060\", \"udp:127.0.0.1:5060\", \"udp:127.0.0.1:5060\"]\n",
            "F:13:11: sip_front.listen \"udp:127.0.0.1\" has no port; write it like \"udp:127.0.0.1:5060\" "
            "or "
            "\"tcp:[2001:db8::1]:5060\"\n"
            "F:13:28: sip_front.listen \"tls:127.0.0.1\" has no port; write it like \"udp:127.0.0.1:5060\" "
            "or \"tcp:[2001:db8::1]:5060\"\n"
            "F:13:45: sip_front.listen \"x:1\" does not begin with udp:, tcp: or tls:; write it like "
            "\"udp:127.0.0.1:5060\" or \"tcp:[2001:db8::1]:5060\"\n"
            "F:13:52: sip_front.listen \"tcp:::1:5060\" has no port; write it like \"udp:127.0.0.1:5060\" or "
            "\"tcp:[2001:db8::1]:5060\"\n"
            "F:13:90: sip_front.listen \"udp:127.0.0.1:5060\" is listed twice"},
        Wrong{"[[sip_front]]\nname = \"s\"\nlisten = [\"tls:127.0.0.1:5061\"]\n",
              "F:13:10: sip_front s listens on tls: without a certificate; add [sip_front.tls] with "
              "certificate "
              "and key"},
        Wrong{"[[sip_front]]\nname = \"s\"\n[sip_front.tls]\ncertificate = \"c.pem\"\ncert = \"x\"\n",
              "F:13:1: sip_front.tls has only one of certificate and key; give both, or neither\n"
              "F:14:15: sip_front.tls.certificate \"c.pem\" is not an absolute path; begin it with /\n"
              "F:15:8: sip_front.tls.cert is unknown; known here: certificate, key, ca; "
              "keys of [[sip_front]] itself stand above this table"},
        Wrong{"[[sip_front]]\nname = \"s\"\ncredentials = 1\n",
              "F:13:15: sip_front.credentials may be there several times; write it as "
              "[[sip_front.credentials]]"},
        Wrong{"[[sip_front]]\nname = \"s\"\n[[sip_front.credentials]]\nrealm = \"r\"\npassword = \"\"\n"
              "[[sip_front.credentials]]\nrealm = \"r\"\nusername = \"u\"\npassword = \"p\"\n",
              "F:13:1: sip_front.credentials has no username; it needs realm, username and password\n"
              "F:15:12: sip_front.credentials.password is empty\n"
              "F:16:1: sip_front.credentials has the realm \"r\" twice; keep one"},
        Wrong{"[[sip_front]]\nname = \"s\"\nlisten = \"udp:127.0.0.1:5060\"\n",
              "F:13:10: sip_front.listen must be a list; write it in [ ], its values in quotes"},
        Wrong{"[[sip_front]]\nname = \"s\"\ntrusted = [\"10.0.0.0/33\", \"fe80::/10\", 7]\n",
              "F:13:12: sip_front.trusted \"10.0.0.0/33\" is not a network; write it like \"10.0.0.0/8\", "
              "\"2001:db8::/32\" or \"192.0.2.7\"\n"
              "F:13:40: sip_front.trusted must be text; write it in quotes"},
        Wrong{"[[sip_front]]\nname = \"s\"\nmetrics = \"localhost:9473\"\n",
              "F:13:11: sip_front.metrics \"localhost:9473\" is not ADDRESS:PORT; write it like "
              "\"127.0.0.1:9473\" or \"[::1]:9473\""},
        Wrong{"[[mapper]]\nname = \"m2\"\nbind = \"tcp://10.0.0.5:7300\"\n",
              "F:13:8: mapper.bind \"tcp://10.0.0.5:7300\" is TCP, so it needs the keys of "
              "[bus.curve]; `stoxctl keys` makes them and says what to write"},
        Wrong{"[[mapper]]\nname = \"m2\"\nbind = \"tcp://mappers.example.org:7300\"\n",
              "F:13:8: mapper.bind \"tcp://mappers.example.org:7300\" is not tcp://ADDRESS:PORT; write it "
              "like \"tcp://127.0.0.1:7300\""},
        Wrong{"[[mapper]]\nname = \"m2\"\nconnect = \"tcp://mappers.example.org:7300\"\n",
              "F:13:11: mapper.connect \"tcp://mappers.example.org:7300\" is TCP, so it needs "
              "the keys of [bus.curve]; `stoxctl keys` makes them and says what to write"},
        Wrong{"[[mapper]]\nname = \"m2\"\nconnect = \"tcp://mappers.example.org\"\n",
              "F:13:11: mapper.connect \"tcp://mappers.example.org\" is not tcp://ADDRESS:PORT, "
              "tcp://NAME:PORT or tcp://_SERVICE._tcp.NAME; write it like \"tcp://10.0.0.5:7300\", "
              "\"tcp://mappers.example.org:7300\" or \"tcp://_stox._tcp.example.org\""},
        Wrong{"[bus.curve]\nmapper_public_key = \"short\"\n",
              "F:11:1: bus.curve.keys is missing; `stoxctl keys` makes the keys and says what to "
              "write\n"
              "F:12:21: bus.curve.mapper_public_key \"short\" is not a key of 40 characters; `stoxctl keys` "
              "makes keys and says what to write"},
        Wrong{"[bus]\ncurve = 1\n", "F:11:1: bus must hold the section [bus.curve] and nothing else"},
        Wrong{"[[mapper]]\nname = \"m2\"\nbind = \"ipc://m2.sock\"\n",
              "F:13:8: mapper.bind \"ipc://m2.sock\" is not an address of the bus; write it like "
              "\"ipc:///run/stox/mapper-1.sock\""},
        Wrong{"[[mapper]]\nname = \"m2\"\nbind = \"ipc:///run/stox/mapper-1.sock\"\n",
              "F:13:8: mapper m2 has the address ipc:///run/stox/mapper-1.sock of another mapper; give each "
              "its own"},
        Wrong{"[dns]\nservers = [\"ns.example\"]\n[dns.static]\n\"r.example\" = \"127.0.0.3\"\n",
              "F:12:12: dns.servers \"ns.example\" is not ADDRESS or ADDRESS:PORT; write it like "
              "\"127.0.0.1:5353\"\n"
              "F:14:15: dns.static \"127.0.0.3\" is not ADDRESS:PORT; write it like \"192.0.2.6:5269\" or "
              "\"[2001:db8::6]:5269\""},
        Wrong{"[log]\n[log]\n",
              "F:12:1: not TOML: Error while parsing table header: cannot redefine existing table 'log'"},
        Wrong{"xmpp_host = 127.0.0.1\n",
              "F:11:18: not TOML: Error while parsing floating-point: expected decimal digit or exponent, "
              "saw '.'; text stands in quotes"},
        Wrong{"xmpp_host = localhost\n",
              "F:11:13: not TOML: Error while parsing value: could not determine value type; text stands in "
              "quotes"},
        Wrong{"xmpp_host = \"127.0.0.1\n",
              "F:11:23: not TOML: Error while parsing string: unescaped control characters other than TAB "
              "(U+0009) are explicitly prohibited; is there no quote at the end of this line?"},
        Wrong{"xmpp_host = \"\xff\"\n", "F:11:13: not TOML: Encountered invalid utf-8 sequence"},
        Wrong{"[runtime]\ndirectory = "
              "\"/a-directory-with-a-very-long-name/a-directory-with-a-very-long-name/"
              "a-directory-with-a-very-long-"
              "name\"\n",
              "F:12:13: runtime.directory makes the path "
              "/a-directory-with-a-very-long-name/a-directory-with-a-very-long-name/"
              "a-directory-with-a-very-long-"
              "name/component-1.ctl too long for a socket; shorten it"}));

struct WrongGateway {
  const char* line;
  const char* expected;
};
class WrongGatewayKey : public ConfigFile, public ::testing::WithParamInterface<WrongGateway> {};

// Of a file whose [gateway] has only this line beside the domains.
TEST_P(WrongGatewayKey, IsSaid) {
  std::string text = kSite;
  text.insert(text.find("[[mapper]]"), std::string(GetParam().line) + "\n");
  EXPECT_EQ(problems(text), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(
    Table, WrongGatewayKey,
    ::testing::Values(
        WrongGateway{
            "domain_separator = \"-\"",
            "F:4:20: gateway.domain_separator \"-\" cannot be used: host names, ports and IPv6 addresses "
            "may hold it; take a character that they cannot hold, such as *"},
        WrongGateway{
            "domain_separator = \"'\"",
            "F:4:20: gateway.domain_separator \"'\" cannot be used: an XMPP address can hold it only "
            "escaped (XEP-0106); take another character, such as *"},
        WrongGateway{"domain_separator = \"**\"",
                     "F:4:20: gateway.domain_separator \"**\" cannot be used: it must be exactly one ASCII "
                     "character, such as *"},
        WrongGateway{
            "domain_separator = \"\"",
            "F:4:20: gateway.domain_separator \"\" cannot be used: it must be exactly one ASCII character, "
            "such as *"},
        WrongGateway{"accept_status = 201", "F:4:17: gateway.accept_status is 201; it must be 200 or 202"},
        WrongGateway{"global_failures = \"yes\"",
                     "F:4:19: gateway.global_failures must be true or false, without quotes"},
        WrongGateway{"unavailable_status = 503",
                     "F:4:22: gateway.unavailable_status is 503; it must be 403 or 404 or 480"},
        WrongGateway{"unhandled_method_status = \"405\"",
                     "F:4:27: gateway.unhandled_method_status must be a whole number, without quotes"},
        WrongGateway{"message_type = \"headline\"",
                     "F:4:16: gateway.message_type \"headline\" is none of chat, normal"},
        WrongGateway{"receipt_on_200 = 1",
                     "F:4:18: gateway.receipt_on_200 must be true or false, without quotes"},
        WrongGateway{"receipt_on_200 = true", ""}, WrongGateway{"quote_reactions = false", ""},
        WrongGateway{
            "display_names = \"nicks\"",
            "F:4:17: gateway.display_names \"nicks\" is none of nick, vcard, off; did you mean \"nick\"?"},
        WrongGateway{"presence = true", ""},
        WrongGateway{"presence = \"on\"", "F:4:12: gateway.presence must be true or false, without quotes"},
        WrongGateway{
            "presence_unsupported = \"offline\"",
            "F:4:24: gateway.presence_unsupported \"offline\" is none of grant, online, strict; did you mean "
            "\"online\"?"},
        WrongGateway{"rooms = \"all\"",
                     "F:4:9: gateway.rooms \"all\" is none of listed, any, off; did you mean \"any\"?"},
        WrongGateway{"room_domains = [\"conference.x.test\"]\nroom_command = \"/\"", ""},
        WrongGateway{"room_domains = [\"a@b\"]",
                     "F:4:17: gateway.room_domains \"a@b\" is not a domain; write it like "
                     "\"xmpp.example.org\""},
        WrongGateway{"room_domains = [\"c.x.test\", \"XMPP-sip.example.org\"]",
                     "F:4:29: gateway.room_domains \"XMPP-sip.example.org\" is the gateway itself; name the "
                     "domain of an XMPP server's rooms, like \"conference.example.org\""},
        WrongGateway{"room_domains = [\"sip-xmpp.example.org\"]",
                     "F:4:17: gateway.room_domains \"sip-xmpp.example.org\" is the gateway itself; name the "
                     "domain of an XMPP server's rooms, like \"conference.example.org\""},
        WrongGateway{"rooms = \"any\"\nroom_domains = [\"sip-xmpp.example.org\"]", ""},
        WrongGateway{"room_command = \"j\"",
                     "F:4:16: gateway.room_command \"j\" must be one punctuation character in ASCII, such as "
                     "# or /"},
        WrongGateway{"room_command = \"##\"",
                     "F:4:16: gateway.room_command \"##\" must be one punctuation character in ASCII, such "
                     "as # or /"},
        WrongGateway{"gwmap_default = \"pass\"", ""},
        WrongGateway{"[gateway.aliases]\n\"4711\" = \"juliet\"",
                     "F:5:10: gateway.aliases \"juliet\" must be the address of a user, like "
                     "\"juliet@xmpp.example.org\""},
        WrongGateway{
            "[gateway.aliases]\n\"4711\" = \"juliet@x.test\"\n\"4712\" = \"Juliet@x.test\"",
            "F:4:1: gateway.aliases has Juliet@x.test as \"4711\" and as \"4712\", so its name on SIP is not "
            "clear; keep one"},
        WrongGateway{"[gateway.aliases]\n\"4711\" = \"juliet@x.test\"\n\"@sms.test\" = \"juliet@x.test\"",
                     ""},
        WrongGateway{"long_messages = \"spilt\"",
                     "F:4:17: gateway.long_messages \"spilt\" is none of stream, split, reject; did you mean "
                     "\"split\"?"},
        WrongGateway{"correction_prefix = \"a\\nb\"",
                     "F:4:21: gateway.correction_prefix \"a b\" must be one line of at most 20 bytes"},
        WrongGateway{"unknown_peers_take = [\"cpim\", \"imdn\"]",
                     "F:4:31: gateway.unknown_peers_take \"imdn\" is none of cpim, iscomposing, rcs-ft-http"},
        WrongGateway{"on_doubt = \"retry\"", "F:4:12: gateway.on_doubt \"retry\" is none of fail, resend"},
        WrongGateway{
            "outbound_proxy = \"127.0.0.1:5060\"",
            "F:4:18: gateway.outbound_proxy \"127.0.0.1:5060\" is not a SIP URI (no URI scheme); write it "
            "like \"sip:127.0.0.1:5060;transport=udp\""},
        WrongGateway{
            "outbound_proxy = \"sip:u:secret@h;transport=sctp\"",
            "F:4:18: gateway.outbound_proxy \"sip:u:***@h;transport=sctp\" names a transport that this "
            "version does not speak; use transport=udp, tcp or tls"},
        WrongGateway{"outbound_proxy = \"sip:u@h;transport=tls\"", ""},
        WrongGateway{"outbound_proxy = \"sip:127.0.0.1\"",
                     "F:4:18: gateway.outbound_proxy is where sip_front sip-1 itself listens; write the "
                     "address of the proxy, or leave it out"},
        WrongGateway{"outbound_proxy = \"sip:127.0.0.1:5060;transport=tls\"", ""},
        WrongGateway{"outbound_proxy = \"sip:127.0.0.1:5062\"", ""},
        WrongGateway{
            "outbound_proxy = \"sips:h\"",
            "F:4:18: gateway.outbound_proxy \"sips:h\" is a sips: URI; for TLS to the next hop write it "
            "like \"sip:proxy.example.org;transport=tls\""},
        WrongGateway{
            "xmpp_domains = [\"*.example.org\", \"a b\"]",
            "F:4:34: gateway.xmpp_domains \"a b\" is not a domain or a pattern; write \"example.org\" "
            "or \"*.example.org\""},
        WrongGateway{"sip_domains = [\"sip.example.org\", \"*.example.org\", \"10.0.0.7\", \"10.0.0.0/8\", "
                     "\"2001:db8::/32\", \"::1\"]",
                     ""},
        WrongGateway{"sip_domains = [\"sip.example.org:5060\"]",
                     "F:4:16: gateway.sip_domains \"sip.example.org:5060\" is neither a host nor a network; "
                     "write it like \"sip.example.org\", \"*.example.org\", \"192.0.2.7\", \"10.0.0.0/8\" or "
                     "\"2001:db8::/32\", without port"},
        WrongGateway{"sip_domains = [\"*\"]",
                     "F:4:16: gateway.sip_domains \"*\" is not a host name; write it like "
                     "\"sip.example.org\""},
        WrongGateway{"gwmap = 1", "F:4:9: gateway.gwmap must be a table; write it as [gateway.gwmap]"},
        WrongGateway{"[gateway.gwmap]",
                     "F:4:1: gateway.gwmap is empty; leave it out for the separator scheme"},
        WrongGateway{"[gateway.gwmap]\n\"a.test\" = \"xmpp-sip.example.org\"\n\"b.test\" = \"b.example\"",
                     ""},
        WrongGateway{"[gateway.gwmap]\n\"a.test\" = \"XMPP-SIP.example.org\"\n"
                     "\"[2001:db8::1]\" = \"b\xc3\xbc\x63her.example\"",
                     ""},
        WrongGateway{"[gateway.gwmap]\n\"a b\" = \"x.example\"\n\"c.test\" = \"y z\"",
                     "F:5:9: gateway.gwmap \"a b\" is not a host name; write it like \"sip.example.org\"\n"
                     "F:6:12: gateway.gwmap \"y z\" is not a domain; write it like \"xmpp.example.org\""},
        WrongGateway{"[gateway.gwmap]\na.sip.test = \"x.example\"",
                     "F:5:1: gateway.gwmap has a name with dots and without quotes; write it as "
                     "\"a.sip.test\" = \"...\""},
        WrongGateway{"[gateway.gwmap]\n\"a.test\" = \"xmpp-sip.example.org\"\n\"b.test\" = \"b.example\"\n"
                     "\"c.test\" = \"B.example\"",
                     "F:7:12: gateway.gwmap leads to B.example twice, so no way back is clear; give each SIP "
                     "domain its own XMPP domain"},
        WrongGateway{"[gateway.gwmap]\n\"A.test\" = \"xmpp-sip.example.org\"\n\"a.test\" = \"b.example\"",
                     "F:6:12: gateway.gwmap has a.test twice; keep one"},
        WrongGateway{"[gateway.gwmap]\n\"a.test\" = \"a.example\"",
                     "F:4:1: gateway.gwmap has no XMPP domain that an [[xmpp_worker]] serves, so no SIP user "
                     "could write; add a line that has"},
        WrongGateway{
            "[gateway.gwmap]\n\"a.test\" = \"xmpp-sip.example.org\"",
            "F:4:1: gateway.gwmap has only XMPP domains that workers serve, so no XMPP user could be "
            "reached; add theirs"},
        WrongGateway{"[dns]\nservers = [\"127.0.0.1:5353\", \"::1\", \"[::1]:53\"]\n", ""}));

TEST_F(ConfigFile, EveryIllegalSeparatorIsRefusedAndTheOthersTaken) {
  for (char c = ' '; c < 0x7f; ++c) {
    const bool legal = std::string("*!~=+$,;?%#()^`{|}").find(c) != std::string::npos;
    std::string text = kSite;
    const std::string quoted = c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
    text.insert(text.find("[[mapper]]"), "domain_separator = \"" + quoted + "\"\n");
    EXPECT_EQ(problems(text).empty(), legal) << c;
  }
}

TEST_F(ConfigFile, DomainsMustBeThere) {
  EXPECT_EQ(problems("[[mapper]]\nname = \"m\"\n"),
            "F:1:1: gateway.gateway_domain is missing; it has no default\n"
            "F:1:1: gateway.xmpp_domain is missing; it has no default");
  EXPECT_EQ(
      problems("[gateway]\ngateway_domain = \"b\u00fccher.example\"\nxmpp_domain = \"a@b\"\n"),
      "F:1:1: there is no [[mapper]]; add one with a name, fronts and workers connect to it\n"
      "F:2:18: gateway.gateway_domain \"b\u00fccher.example\" is not ASCII, as host names in SIP are; write "
      "its A-label form (xn--...)\n"
      "F:3:15: gateway.xmpp_domain \"a@b\" is not a domain; write it like \"xmpp.example.org\"");
}

TEST_F(ConfigFile, UnreadableFileSaysWhyAndWhatToDo) {
  EXPECT_EQ(load_config("/nonexistent/stox.toml").error().text,
            "/nonexistent/stox.toml: cannot read it: No such file or directory; -f names another file");
  EXPECT_EQ(load_config(folder_).error().text,
            folder_ + ": cannot read it: Is a directory; -f names another file");
}

TEST_F(ConfigFile, ASectionInTheWrongBracketsIsExplained) {
  EXPECT_EQ(problems("[[gateway]]\n[mapper]\nname = \"m\"\n"),
            "F:1:1: gateway must be one section; write it as [gateway]\n"
            "F:2:1: mapper may be there several times; write it as [[mapper]]");
}

// Which process this is.

TEST_F(ConfigFile, NameMayBeLeftOutWhenThereIsOneSection) {
  const auto loaded = load_config(put(kSite), Role::kSipFront, "", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->identity.section, "sip-1");
  EXPECT_EQ(loaded->identity.full, "sip-1");
}

TEST_F(ConfigFile, InstancesShareASection) {
  const auto loaded = load_config(put(kSite), Role::kSipFront, "sip-1@2", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->identity.section, "sip-1");
  EXPECT_EQ(loaded->identity.full, "sip-1@2");
}

TEST_F(ConfigFile, ANameThatFitsNoSectionIsExplained) {
  const std::string file = put(kSite + "[[sip_front]]\nname = \"sip-2\"\n");
  const auto why = [&](Role role, const char* name) { return shorten(load_config(file, role, name, {})); };
  EXPECT_EQ(why(Role::kSipFront, ""),
            "F:1:1: there are several [[sip_front]]: sip-1, sip-2; say with -n which one this is");
  EXPECT_EQ(why(Role::kSipFront, "sip-3"),
            "F:1:1: there is no [[sip_front]] with name = \"sip-3\" (-n); there are: sip-1, sip-2");
  EXPECT_THAT(why(Role::kSipFront, "sip-1@../x"), HasSubstr("what follows @ cannot be a name"));
}

TEST_F(ConfigFile, ThatThereIsNoMapperIsSaidOnce) {
  const std::string none = "[gateway]\ngateway_domain = \"a.example\"\nxmpp_domain = \"b.example\"\n";
  EXPECT_EQ(shorten(load_config(put(none), Role::kMapper, "", {})),
            "F:1:1: there is no [[mapper]]; add one with a name, fronts and workers connect to it");
}

// Secrets.

TEST_F(ConfigFile, PasswordComesFromAFileWithoutItsNewline) {
  const std::string secret = put("s3cret \r\n", "secret");
  std::string text = kSite;
  text.replace(text.find("xmpp_password = \"topsecret\""), 27, "xmpp_password_file = \"" + secret + "\"");
  const auto loaded = load_config(put(text), Role::kXmppWorker, "", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->config.xmpp_workers[0].xmpp_password, "s3cret ");

  std::filesystem::remove(secret);
  EXPECT_EQ(shorten(load_config(put(text), Role::kXmppWorker, "", {})),
            "F:10:22: xmpp_worker.xmpp_password_file: cannot read " + secret + ": No such file or directory");
  EXPECT_TRUE(load_config(put(text), Role::kSipFront, "", {})) << "other processes need not read it";
  put("two\nlines\n", "secret");
  EXPECT_THAT(shorten(load_config(put(text), Role::kXmppWorker, "", {})), HasSubstr("must hold one line"));
}

TEST_F(ConfigFile, CredentialsMayTakeTheirPasswordFromAFile) {
  const std::string secret = put("s3cret\n", "secret");
  const std::string text = kSite +
                           "[[sip_front]]\nname = \"s\"\n[[sip_front.credentials]]\nrealm = \"r\"\n"
                           "username = \"u\"\npassword_file = \"" +
                           secret + "\"\n";
  const auto loaded = load_config(put(text), Role::kSipFront, "s", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->config.sip_fronts[1].credentials[0].password, "s3cret");
  EXPECT_THAT(print_config(loaded->config), ::testing::Not(HasSubstr("s3cret")));

  std::filesystem::remove(secret);
  EXPECT_EQ(
      shorten(load_config(put(text), Role::kSipFront, "s", {})),
      "F:16:17: sip_front.credentials.password_file: cannot read " + secret + ": No such file or directory");
  EXPECT_TRUE(load_config(put(text), Role::kMapper, "", {})) << "other processes need not read it";
  EXPECT_THAT(problems(text + "password = \"p\"\n"), HasSubstr("has password and password_file; keep one"));
}

TEST_F(ConfigFile, OnlyTheWorkerItselfNeedsItsPassword) {
  std::string text = kSite;
  text.erase(text.find("xmpp_password"));
  EXPECT_EQ(shorten(load_config(put(text), Role::kXmppWorker, "", {})),
            "F:8:1: xmpp_worker.xmpp_password is missing; give it, xmpp_password_file or "
            "STOX_XMPP_WORKER_XMPP_PASSWORD");
  EXPECT_TRUE(load_config(put(text), Role::kMapper, "", {}));
  EXPECT_TRUE(load_config(put(text), Role::kXmppWorker, "", {{"STOX_XMPP_WORKER_XMPP_PASSWORD", "x"}}));
}

TEST_F(ConfigFile, AGatewayThatSendsAnywhereIsWarnedOf) {
  const auto warnings = [&](const std::string& text) {
    return load_config(put(text), Role::kMapper, "", {}).value().warnings;
  };
  EXPECT_THAT(warnings(kSite),
              ElementsAre(HasSubstr("neither gateway.outbound_proxy nor gateway.sip_domains is set")));
  EXPECT_THAT(warnings(with_sip_domains(kSite)), IsEmpty());
  std::string proxied = kSite;
  proxied.insert(proxied.find("[[mapper]]"), "outbound_proxy = \"sip:10.0.0.1\"\n");
  EXPECT_THAT(warnings(proxied), IsEmpty());

  const auto rooms = [](const std::string& domains) {
    std::string text = with_sip_domains(kSite);
    return text.insert(text.find("[[mapper]]"), "room_domains = [\"Rooms.x.test\"]\n" + domains);
  };
  EXPECT_THAT(warnings(rooms("")), IsEmpty());
  EXPECT_THAT(warnings(rooms("xmpp_domains = [\"y.test\", \"*.x.test\"]\n")), IsEmpty());
  EXPECT_THAT(
      warnings(rooms("xmpp_domains = [\"y.test\"]\n")),
      ElementsAre("gateway.room_domains has Rooms.x.test, which gateway.xmpp_domains does not let SIP "
                  "users reach; add Rooms.x.test there"));
}

// A pair, and the public halves of others.
constexpr const char* kEdgeKey = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
constexpr const char* kSecretKey = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";
constexpr const char* kMapperKey = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";

std::string between_hosts(const std::string& mapper, const std::string& files,
                          const std::string& mapper_key = kMapperKey) {
  std::string site = with_sip_domains(kSite);
  site.replace(site.find("name = \"mapper-1\""), 17, "name = \"mapper-1\"\n" + mapper);
  return site + "[bus.curve]\nmapper_public_key = \"" + mapper_key + "\"\n" + files +
         "[bus.curve.keys]\nsip-1 = \"" + kEdgeKey + "\"\ncomponent-1 = \"" + kMapperKey + "\"\n";
}

TEST_F(ConfigFile, BetweenHostsEachRoleReadsItsOwnKey) {
  const std::string file = put(std::string(kSecretKey) + "\n", "edge.key");
  chmod(file.c_str(), 0600);
  const std::string site = put(between_hosts("bind = \"tcp://10.0.0.5:7300\"",
                                             "mapper_key_file = \"/not/here\"\n"
                                             "edge_key_file = \"" +
                                                 file + "\"\n"));
  const auto front = load_config(site, Role::kSipFront, "", {});
  ASSERT_TRUE(front) << front.error().text;
  EXPECT_EQ(front->config.curve.secret_key, kSecretKey);
  EXPECT_EQ(front->config.curve.mapper_public_key, kMapperKey);
  EXPECT_EQ(front->config.curve.section_keys.at("sip-1"), kEdgeKey);
  EXPECT_THAT(front->warnings, IsEmpty());
  EXPECT_TRUE(load_config(site, Role::kCtl, "", {}));
  EXPECT_THAT(shorten(load_config(site, Role::kMapper, "", {})),
              HasSubstr("bus.curve.mapper_key_file \"/not/here\" cannot be read: No such file"));
  const std::string printed = print_config(front->config);
  EXPECT_THAT(printed, HasSubstr("[bus.curve]\nmapper_public_key = \"rq:rM>}"));
  EXPECT_THAT(printed, Not(HasSubstr(kSecretKey)));
  EXPECT_TRUE(load_config(put(printed, "printed.toml")));
}

TEST_F(ConfigFile, AKeyFileMustHoldAKeyAndBeSecret) {
  const std::string file = put("no key", "edge.key");
  const std::string with_file =
      between_hosts("bind = \"tcp://10.0.0.5:7300\"", "edge_key_file = \"" + file + "\"\n");
  EXPECT_THAT(shorten(load_config(put(with_file), Role::kSipFront, "", {})),
              HasSubstr("does not hold a key"));
  put(kSecretKey, "edge.key");
  chmod(file.c_str(), 0644);
  chmod(folder_.c_str(), 0755);
  const auto loaded = load_config(put(with_file), Role::kSipFront, "", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_THAT(loaded->warnings,
              Contains(AllOf(HasSubstr("everybody on this host can read"), HasSubstr("edge.key"))));
  EXPECT_THAT(shorten(load_config(put(between_hosts("bind = \"tcp://10.0.0.5:7300\"", "")), Role::kXmppWorker,
                                  "", {})),
              HasSubstr("bus.curve.edge_key_file is missing"));
  const Environment own = {{"STOX_BUS_CURVE_EDGE_KEY_FILE", file}};
  EXPECT_TRUE(
      load_config(put(between_hosts("bind = \"tcp://10.0.0.5:7300\"", "")), Role::kSipFront, "", own));
}

// Each user of the host could be a worker there.
TEST_F(ConfigFile, OnLoopbackTcpNeedsKeysToo) {
  std::string site = kSite;
  site.replace(site.find("name = \"mapper-1\""), 17, "name = \"mapper-1\"\nbind = \"tcp://127.0.0.1:7300\"");
  EXPECT_THAT(problems(site), HasSubstr("mapper.bind \"tcp://127.0.0.1:7300\" is TCP, so it needs the keys"));
}

TEST_F(ConfigFile, AConfigurationWithASecretThatEverybodyReadsIsToldOf) {
  const std::string site = put(with_sip_domains(kSite));
  chmod(site.c_str(), 0644);
  const auto warnings = [&] { return load_config(site, Role::kMapper, "", {})->warnings; };
  EXPECT_THAT(warnings(), IsEmpty()) << "nobody else can enter its folder";
  chmod(folder_.c_str(), 0755);
  EXPECT_THAT(warnings(), ElementsAre("everybody on this host can read " + site +
                                      ", which holds a secret; chmod o= " + site));
  chmod(site.c_str(), 0640);
  EXPECT_THAT(warnings(), IsEmpty());
}

TEST_F(ConfigFile, ARuntimeDirectoryThatOthersWriteInIsTold) {
  const std::string run = folder_ + "/run";
  std::filesystem::create_directory(run);
  const auto warnings = [&] {
    return load_config(put(with_sip_domains(kSite) + "[runtime]\ndirectory = \"" + run + "\"\n"),
                       Role::kMapper, "", {})
        ->warnings;
  };
  EXPECT_THAT(warnings(), IsEmpty());
  chmod(run.c_str(), 0777);
  EXPECT_THAT(warnings(),
              ElementsAre(HasSubstr("everybody on this host can put sockets of his own into " + run)));
  if (geteuid() != 0) return;
  ASSERT_EQ(chown(run.c_str(), 65534, 0), 0);
  EXPECT_THAT(warnings(), ElementsAre(HasSubstr("belongs to the user nobody")));
}

TEST_F(ConfigFile, WhatAllProcessesShareStaysAsItWasAtTheStart) {
  const Config before = *load_config(put(kSite));
  std::string other = kSite;
  other.replace(other.find("xmpp-sip"), 8, "new-name");
  other.insert(other.find("[[mapper]]"), "message_type = \"normal\"\n");
  Config read = *load_config(put(other + "[[xmpp_worker]]\nname = \"component-2\"\nxmpp_password = \"x\"\n"));
  EXPECT_NE(shared_digest(before), shared_digest(read));
  keep_shared(before, read);
  EXPECT_EQ(shared_digest(before), shared_digest(read));
  EXPECT_EQ(read.gateway.xmpp_domain, "xmpp-sip.example.org");
  EXPECT_THAT(read.xmpp_workers[0].serves, ElementsAre("xmpp-sip.example.org"));
  EXPECT_THAT(read.xmpp_workers[1].serves, ElementsAre("new-name.example.org"));
  EXPECT_EQ(read.gateway.message_type, "normal");
}

TEST_F(ConfigFile, EachSectionHasAKeyAndEachKeyASection) {
  std::string site = between_hosts("bind = \"tcp://10.0.0.5:7300\"", "");
  EXPECT_EQ(problems(site), "");
  EXPECT_THAT(
      problems(site + "sip-2 = \"" + kEdgeKey + "\"\n"),
      HasSubstr("bus.curve.keys.sip-2 is of no [[sip_front]] or [[xmpp_worker]]; did you mean sip-1?"));
  site.erase(site.find("component-1 = \""));
  EXPECT_THAT(problems(site), HasSubstr("bus.curve.keys has no key of component-1; `stoxctl keys` makes it"));
}

TEST_F(ConfigFile, KeysThatDoNotFitAreTold) {
  const std::string file = put(kSecretKey, "some.key");
  chmod(file.c_str(), 0600);
  const std::string site =
      put(between_hosts("bind = \"tcp://10.0.0.5:7300\"",
                        "mapper_key_file = \"" + file + "\"\nedge_key_file = \"" + file + "\"\n"));
  EXPECT_TRUE(load_config(site, Role::kSipFront, "", {}));
  EXPECT_THAT(shorten(load_config(site, Role::kXmppWorker, "", {})),
              HasSubstr("is not the secret half of bus.curve.keys.component-1, but of Yne@"));
  EXPECT_THAT(shorten(load_config(site, Role::kMapper, "", {})),
              HasSubstr("bus.curve.mapper_key_file \"" + file +
                        "\" is not the secret half of bus.curve.mapper_public_key, but of Yne@"));
}

TEST_F(ConfigFile, AnEdgeKeyFileMayNameItsSection) {
  chmod(put(kSecretKey, "sip-1.key").c_str(), 0600);
  const std::string site = put(
      between_hosts("bind = \"tcp://10.0.0.5:7300\"", "edge_key_file = \"" + folder_ + "/{section}.key\"\n"));
  const auto loaded = load_config(site, Role::kSipFront, "sip-1@2", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->config.curve.secret_key, kSecretKey);
}

TEST_F(ConfigFile, KeysWithoutNamesStillWorkWithAWarning) {
  const std::string file = put(kSecretKey, "edge.key");
  chmod(file.c_str(), 0600);
  std::string site = between_hosts("bind = \"tcp://10.0.0.5:7300\"", "edge_key_file = \"" + file + "\"\n");
  site.replace(site.find("[bus.curve.keys]"), std::string::npos,
               "edge_public_keys = [\"" + std::string(kEdgeKey) + "\"]\n");
  const auto loaded = load_config(put(site), Role::kXmppWorker, "", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_THAT(loaded->warnings, ElementsAre(HasSubstr("may be any front or worker")));
}

TEST_F(ConfigFile, MappersMayBeNames) {
  for (const char* name : {"tcp://mappers.stox.svc:7300", "tcp://_stox._tcp.example.org"}) {
    const std::string file = put(kSecretKey, "mapper.key");
    chmod(file.c_str(), 0600);
    const std::string site =
        put(between_hosts("bind = \"tcp://0.0.0.0:7300\"\nconnect = \"" + std::string(name) + "\"",
                          "mapper_key_file = \"" + file + "\"\n", kEdgeKey));
    const auto loaded = load_config(site, Role::kMapper, "mapper-1@pod-0", {});
    ASSERT_TRUE(loaded) << loaded.error().text;
    EXPECT_EQ(loaded->identity.full, "mapper-1@pod-0");
    EXPECT_THAT(loaded->config.mapper_endpoints(), ElementsAre(name));
  }
}

TEST_F(ConfigFile, AMapperOfOneAddressHasNoInstances) {
  EXPECT_THAT(shorten(load_config(put(kSite), Role::kMapper, "mapper-1@2", {})),
              HasSubstr("mapper mapper-1 can have instances (-n mapper-1@2) only if connect is a name"));
}

TEST_F(ConfigFile, NobodyConnectsToEveryAddress) {
  EXPECT_THAT(problems(between_hosts("bind = \"tcp://0.0.0.0:7300\"", "")),
              HasSubstr("mapper mapper-1 is bound to every address of its host; say in connect which one"));
}

TEST_F(ConfigFile, PrintShowsTheEffectiveValuesAndNoSecret) {
  std::string text = kSite;
  text.insert(text.find("[[mapper]]"),
              "outbound_proxy = \"sip:u:hidden@proxy.test\"\n"
              "gwmap = { \"x.test\" = \"xmpp.test\", \"sip.test\" = \"xmpp-sip.example.org\" }\n");
  const auto config = load_config(put(text));
  ASSERT_TRUE(config) << config.error().text;
  const std::string printed = print_config(*config);
  EXPECT_THAT(printed, HasSubstr("outbound_proxy = \"sip:u:***@proxy.test\"\n"));
  EXPECT_THAT(printed, HasSubstr("xmpp_password = \"***\"\n"));
  EXPECT_THAT(printed, HasSubstr("bind = \"ipc:///run/stox/mapper-1.sock\"\n"));
  EXPECT_THAT(printed, HasSubstr("accept_status = 200\n"));
  EXPECT_THAT(printed, Not(HasSubstr("hidden")));
  EXPECT_THAT(printed, Not(HasSubstr("topsecret")));
  EXPECT_THAT(printed, HasSubstr("gwmap = { \"sip.test\" = \"xmpp-sip.example.org\", \"x.test\" = "
                                 "\"xmpp.test\" }\n"));
  const auto again = load_config(put(printed));
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(print_config(*again), printed);
}

TEST_F(ConfigFile, OfAFrontPasswordsAreHiddenAndCertificatesShown) {
  const std::string text = kSite + R"([[sip_front]]
name = "sip-2"
listen = ["tls:127.0.0.1:5061"]
[sip_front.tls]
certificate = "/etc/stox/c.pem"
key = "/etc/stox/k.pem"
[[sip_front.credentials]]
realm = "sip.test"
username = "gateway"
password = "hidden"
)";
  const auto config = load_config(put(text));
  ASSERT_TRUE(config) << config.error().text;
  const auto& front = config->sip_fronts[1];
  EXPECT_EQ(front.listen[0].transport, ListenConfig::Transport::kTls);
  EXPECT_EQ(front.tls.key, "/etc/stox/k.pem");
  EXPECT_EQ(front.credentials[0].password, "hidden");
  const std::string printed = print_config(*config);
  EXPECT_THAT(printed, HasSubstr("listen = [\"tls:127.0.0.1:5061\"]\n"));
  EXPECT_THAT(printed, HasSubstr("tls = { certificate = \"/etc/stox/c.pem\", key = \"/etc/stox/k.pem\" }\n"));
  EXPECT_THAT(printed, HasSubstr("credentials = [{ realm = \"sip.test\", username = \"gateway\", password = "
                                 "\"***\" }]\n"));
  const auto again = load_config(put(printed));
  ASSERT_TRUE(again) << again.error().text;

  std::string other = text;
  other.replace(other.find("hidden"), 6, "HIDDEN");
  EXPECT_THAT(changed_keys(*config, *load_config(put(other))), ElementsAre("sip_front sip-2.credentials"));

  const auto own = load_config(put(text), Role::kSipFront, "sip-2",
                               {{"STOX_SIP_FRONT_TLS", "certificate=/c.pem,key=/k.pem,ca=/ca.pem"}});
  ASSERT_TRUE(own) << own.error().text;
  EXPECT_EQ(own->config.sip_fronts[1].tls.ca, "/ca.pem");
}

TEST_F(ConfigFile, AWrongValueIsShownWithoutItsSecret) {
  std::string text = kSite;
  text.replace(text.find("\"topsecret\""), 11, "1234567");
  EXPECT_EQ(problems(text), "F:10:17: xmpp_worker.xmpp_password must be text; write it in quotes");
}

// The environment.

TEST_F(ConfigFile, EnvironmentOverridesSingleAndOwnSections) {
  const auto loaded = load_config(put(kSite + "[[xmpp_worker]]\nname = \"component-2\"\nxmpp_port = 1\n"),
                                  Role::kXmppWorker, "component-2",
                                  {{"STOX_GATEWAY_XMPP_DOMAIN", "other.example"},
                                   {"STOX_GATEWAY_RECEIPT_ON_200", "true"},
                                   {"STOX_LOG_LEVEL", "debug"},
                                   {"STOX_XMPP_WORKER_XMPP_PORT", "5348"},
                                   {"STOX_XMPP_WORKER_DOMAINS", "a.example, b.example"},
                                   {"STOX_XMPP_WORKER_XMPP_PASSWORD", "from-environment"},
                                   {"STOX_XMPP_WORKER_METRICS", ""},
                                   {"STOX_SIP_FRONT_PACE_MS", "7"}});
  ASSERT_TRUE(loaded) << loaded.error().text;
  const Config& config = loaded->config;
  EXPECT_EQ(config.gateway.xmpp_domain, "other.example");
  EXPECT_EQ(config.log.level, "debug") << "the file has no [log]";
  EXPECT_EQ(config.xmpp_workers[1].xmpp_port, 5348);
  EXPECT_THAT(config.xmpp_workers[1].domains, ElementsAre("a.example", "b.example"));
  EXPECT_EQ(config.xmpp_workers[1].xmpp_password, "from-environment");
  EXPECT_EQ(config.xmpp_workers[1].metrics, "") << "an empty variable counts as not set";
  EXPECT_EQ(config.xmpp_workers[0].xmpp_port, 5347) << "another worker's section";
  EXPECT_EQ(config.xmpp_workers[0].xmpp_password, "topsecret");
  EXPECT_FALSE(config.sip_fronts[0].pace_ms) << "another role's section";
}

TEST_F(ConfigFile, EnvironmentGivesATableAsPairs) {
  const auto loaded =
      load_config(put(kSite), Role::kMapper, "",
                  {{"STOX_GATEWAY_GWMAP", "a.test=xmpp-sip.example.org, b.test = b.example"}});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_THAT(loaded->config.gateway.gwmap,
              ElementsAre(Pair("a.test", "xmpp-sip.example.org"), Pair("b.test", "b.example")));
  EXPECT_EQ(shorten(load_config(put(kSite), Role::kMapper, "", {{"STOX_GATEWAY_GWMAP", "a.test"}})),
            "environment: STOX_GATEWAY_GWMAP \"\" is not a domain; write it like \"xmpp.example.org\"");
}

TEST_F(ConfigFile, EnvironmentReplacesThePasswordFile) {
  std::string text = kSite;
  text.replace(text.find("xmpp_password = \"topsecret\""), 27, "xmpp_password_file = \"/nonexistent\"");
  const auto loaded =
      load_config(put(text), Role::kXmppWorker, "", {{"STOX_XMPP_WORKER_XMPP_PASSWORD", "from-environment"}});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_EQ(loaded->config.xmpp_workers[0].xmpp_password, "from-environment");
}

TEST_F(ConfigFile, WrongValuesOfTheEnvironmentNameTheirVariable) {
  EXPECT_EQ(shorten(load_config(put(kSite), Role::kSipFront, "",
                                {{"STOX_RUNTIME_DRAIN_SECONDS", "soon"},
                                 {"STOX_SIP_FRONT_LISTEN", "udp:127.0.0.1:5060,tcp:0"},
                                 {"STOX_GATEWAY_DOMAIN_SEPARATOR", "."}})),
            "environment: STOX_GATEWAY_DOMAIN_SEPARATOR \".\" cannot be used: host names, ports and IPv6 "
            "addresses may hold it; take a character that they cannot hold, such as *\n"
            "environment: STOX_RUNTIME_DRAIN_SECONDS must be a whole number, without quotes\n"
            "environment: STOX_SIP_FRONT_LISTEN \"tcp:0\" has no valid address; write it like "
            "\"udp:127.0.0.1:5060\" or \"tcp:[2001:db8::1]:5060\"");
}

TEST_F(ConfigFile, AMisspeltVariableIsWarnedOfAndOthersAreLetBe) {
  const auto loaded = load_config(put(with_sip_domains(kSite)), Role::kMapper, "",
                                  {{"STOX_GATEWAY_DOMAIN_SEPERATOR", "!"},
                                   {"STOX_MAPPER_PORT", "tcp://10.0.0.1:7300"},
                                   {"STOX_MAPPER_SERVICE_HOST", "10.0.0.1"},
                                   {"HOME", "/"}});
  ASSERT_TRUE(loaded) << loaded.error().text;
  EXPECT_THAT(loaded->warnings,
              ElementsAre("environment: STOX_GATEWAY_DOMAIN_SEPERATOR overrides nothing; did you "
                          "mean STOX_GATEWAY_DOMAIN_SEPARATOR?"));
}

// A new reading.

TEST_F(ConfigFile, ChangedKeysAreNamed) {
  const auto before = load_config(put(kSite));
  std::string text = kSite;
  text.replace(text.find("topsecret"), 9, "other");
  text.insert(text.find("[[mapper]]"), "accept_status = 202\n");
  const auto after = load_config(put(text));
  ASSERT_TRUE(before && after);
  EXPECT_THAT(changed_keys(*before, *before), IsEmpty());
  EXPECT_THAT(changed_keys(*before, *after),
              ElementsAre("gateway.accept_status", "xmpp_worker component-1.xmpp_password"));
  const auto larger = load_config(put(text + "[[mapper]]\nname = \"m.2\"\n"));
  ASSERT_TRUE(larger);
  EXPECT_THAT(changed_keys(*after, *larger), ElementsAre("mapper m.2 (added)"));
  EXPECT_THAT(changed_keys(*larger, *after), ElementsAre("mapper m.2 (taken out)"));
}

TEST_F(ConfigFile, AComponentServesOneDomain) {
  const std::string file = put(R"([gateway]
gateway_domain = "sip-xmpp.example.org"
xmpp_domain = "xmpp-sip.example.org"
[[mapper]]
name = "mapper-1"
[[xmpp_worker]]
name = "component-1"
serves = ["a.example.org", "b.example.org"]
)");
  const auto loaded = load_config(file, Role::kMapper, "", {});
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().text, HasSubstr(file + ":8:"));
  EXPECT_THAT(loaded.error().text, HasSubstr("component-1 is a component, which is one domain"));
}

TEST_F(ConfigFile, AServerOfOurOwn) {
  const std::string file = put(R"([gateway]
gateway_domain = "sip-xmpp.example.org"
xmpp_domain = "xmpp-sip.example.org"
[[mapper]]
name = "mapper-1"
[[xmpp_worker]]
name = "server-1"
backend = "server"
xmpp_host = "::"
insecure_domains = ["old.example.net"]
dialback_secret = "top-secret"
[xmpp_worker.tls]
certificate = "/etc/stox/c.pem"
key = "/etc/stox/k.pem"
require = false
)");
  const auto loaded = load_config(file, Role::kXmppWorker, "", {});
  ASSERT_TRUE(loaded) << loaded.error().text;
  const XmppWorkerConfig& worker = loaded->config.xmpp_workers[0];
  EXPECT_EQ(worker.xmpp_port, 5269);
  EXPECT_FALSE(worker.tls_require);
  EXPECT_EQ(worker.tls.key, "/etc/stox/k.pem");
  const std::string printed = print_config(loaded->config);
  EXPECT_THAT(printed, HasSubstr("tls = { certificate = \"/etc/stox/c.pem\", key = \"/etc/stox/k.pem\", "
                                 "require = false }\n"));
  EXPECT_THAT(printed, HasSubstr("insecure_domains = [\"old.example.net\"]\n"));
  EXPECT_THAT(printed, Not(HasSubstr("top-secret")));
  const auto again = load_config(put(printed), Role::kXmppWorker, "", {});
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->config.xmpp_workers[0].tls.certificate, "/etc/stox/c.pem");
}

// deploy/stox.toml: for each section, the keys that stand there, also those that are commented out.
std::map<std::string, std::set<std::string>> keys_in_the_delivered_file() {
  std::ifstream file(STOX_DELIVERED_CONFIGURATION);
  std::map<std::string, std::set<std::string>> out;
  std::string section;
  static const std::regex kHead(R"((?:# )?\[+([a-z_.]+)\]+.*)"), kKey(R"((?:# )?([a-z0-9_]+) *= .*)");
  for (std::string line; std::getline(file, line);) {
    std::smatch found;
    if (std::regex_match(line, found, kHead)) {
      section = found[1];
      // A table in a section is a key of it.
      if (const auto dot = section.rfind('.'); dot != std::string::npos)
        out[section.substr(0, dot)].insert(section.substr(dot + 1));
    } else if (std::regex_match(line, found, kKey)) {
      out[section].insert(found[1]);
    }
  }
  return out;
}

TEST(DeliveredConfiguration, HasEveryKey) {
  const auto delivered = keys_in_the_delivered_file();
  const auto look = [&](const std::string& section, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      EXPECT_TRUE(delivered.contains(section) && delivered.at(section).contains(name))
          << "deploy/stox.toml has no " << section << "." << name;
    }
  };
  look("gateway", key_names<GatewayConfig>());
  look("runtime", key_names<RuntimeConfig>());
  look("log", key_names<LogConfig>());
  look("dns", key_names<DnsConfig>());
  look("bus.curve", key_names<CurveConfig>());
  look("mapper", key_names<MapperConfig>());
  look("sip_front", key_names<SipFrontConfig>());
  look("xmpp_worker", key_names<XmppWorkerConfig>());
}

// To write it anew: STOX_WRITE_REFERENCE=1 build/debug/bin/service_test --gtest_filter=ConfigReference.*
TEST(ConfigReference, IsWhatTheRowsSay) {
  if (std::getenv("STOX_WRITE_REFERENCE") != nullptr) std::ofstream(STOX_REFERENCE) << config_reference();
  std::ifstream file(STOX_REFERENCE);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_EQ(text, config_reference()) << STOX_REFERENCE << " differs from the rows; write it anew";
}

TEST(ConfigReference, ExplainsEachKey) {
  const auto look = [](const std::string& section, const auto& rows) {
    for (const auto& row : rows)
      EXPECT_TRUE(std::string(row.help).ends_with(".")) << section << "." << row.name << " has no sentence";
  };
  Config any;
  single_sections(any, [&]<class S>(const char* name, const S&) { look(name, keys<S>()); });
  repeated_sections(any, [&]<class S>(const char* name, const std::vector<S>&) { look(name, keys<S>()); });
}

// What stands in a comment there is what counts without it.
TEST(DeliveredConfiguration, ShowsTheDefaults) {
  std::ifstream file(STOX_DELIVERED_CONFIGURATION);
  static const std::regex kHead(R"((?:# )?\[+([a-z_.]+)\]+.*)"),
      kKey(R"(# ([a-z0-9_]+) *= *("[^"]*"|\[[^\]]*\]|[a-z0-9]+).*)");
  std::map<std::string, std::string> shown;
  std::string section;
  for (std::string line; std::getline(file, line);) {
    std::smatch found;
    if (std::regex_match(line, found, kHead)) section = found[1];
    if (std::regex_match(line, found, kKey)) shown[section + "." + found[1].str()] = found[2];
  }
  const auto look = [&](const std::string& name, const auto& rows, const auto& usual) {
    using Kind = typename std::decay_t<decltype(rows)>::value_type::Kind;
    for (const auto& row : rows) {
      const std::string value = row.print(usual);
      const bool depends = value == "0" && !row.range.starts_with("0");  // on other keys
      const bool has_default = !value.empty() && value != "[]" && row.kind != Kind::kTable && !depends;
      const auto found = shown.find(name + "." + row.name);
      if (has_default && found != shown.end()) {
        EXPECT_EQ(found->second, value) << name << "." << row.name;
      }
    }
  };
  Config any;
  single_sections(any, [&]<class S>(const char* name, const S&) { look(name, keys<S>(), S()); });
  repeated_sections(any,
                    [&]<class S>(const char* name, const std::vector<S>&) { look(name, keys<S>(), S()); });
}

}  // namespace
}  // namespace stox::service
