#include "ctl/import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "common/service/config.h"

namespace stox::ctl {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class ImportTest : public ::testing::Test {
 protected:
  OpenserConfig read(const std::string& text) {
    files_["/e/openser.cfg"] = text;
    auto config =
        read_openser_config("/e/openser.cfg", [this](const std::string& path) -> Result<std::string> {
          const auto found = files_.find(path);
          if (found == files_.end()) return error("No such file or directory");
          return found->second;
        });
    EXPECT_TRUE(config) << (config ? "" : config.error().text);
    return config ? *config : OpenserConfig();
  }
  Imported import(const std::string& text) { return import_openser(read(text), "/e/openser.cfg"); }

  std::map<std::string, std::string> files_;
};

// As the module's own documents have it: a server of its own for the gateway.
constexpr const char* kStandalone = R"(
debug=3            # log level
fork=yes
/* nothing is
   listened to here: listen=udp:9.9.9.9:1 */
listen=10.10.10.10
port=5076
alias="sip-xmpp.example.com"
mpath="/usr/lib/openser/modules/"
loadmodule "tm.so"
loadmodule "/opt/openser/xmpp.so"
modparam("xmpp", "domain_separator", "%")
modparam("xmpp", "gateway_domain", "sip-xmpp.example.com")
modparam("xmpp", "xmpp_domain", "xmpp-sip.example.com")
modparam("xmpp", "xmpp_host", "xmpp.example.com")
modparam("xmpp", "xmpp_port", 5348)
modparam("xmpp", "xmpp_password", "it's \"quoted\"")
modparam("xmpp", "backend", "component")
modparam("xmpp", "outbound_proxy", "sip:10.10.10.9;transport=tcp")
route {
  if (!mf_process_maxfwd_header("10")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (msg:len >=  4096 ) { sl_send_reply("513", "Message too big"); exit; };
  if (method == "MESSAGE") {
    if (xmpp_send_message()) { t_reply("202", "Accepted"); } else { t_reply("404", "Not found"); };
    return;
  };
  t_reply("503", "Service unavailable");
}
)";

TEST_F(ImportTest, AServerForTheGatewayAloneIsCarriedOverWhole) {
  const Imported imported = import(kStandalone);
  EXPECT_TRUE(imported.missing.empty()) << report_text(imported);
  EXPECT_TRUE(imported.not_carried.empty()) << report_text(imported);
  EXPECT_THAT(
      imported.toml,
      AllOf(HasSubstr("gateway_domain = \"sip-xmpp.example.com\"\n"),
            HasSubstr("xmpp_domain = \"xmpp-sip.example.com\"\n"), HasSubstr("domain_separator = \"%\"\n"),
            HasSubstr("outbound_proxy = \"sip:10.10.10.9;transport=tcp\"\n"),
            HasSubstr("accept_status = 202\n"), HasSubstr("unhandled_method_status = 503\n")));
  EXPECT_THAT(imported.toml,
              AllOf(HasSubstr("listen = [\"udp:10.10.10.10:5076\", \"tcp:10.10.10.10:5076\"]\n"),
                    HasSubstr("\"10.10.10.9/32\""), HasSubstr("max_datagram_bytes = 4096\n"),
                    HasSubstr("xmpp_host = \"xmpp.example.com\"\n"), HasSubstr("xmpp_port = 5348\n"),
                    HasSubstr("xmpp_password = \"it's \\\"quoted\\\"\"\n")));
  EXPECT_THAT(report_text(imported), HasSubstr("stop that process"));
}

TEST_F(ImportTest, KamailiosPreprocessorIsFollowed) {
  files_["/e/site.cfg"] = "modparam(\"xmpp\", \"xmpp_domain\", \"x.MYDOMAIN\")\n";
  const OpenserConfig config = read(R"(
#!define SECRET "s3cret"
#!substdef "!MYDOMAIN!example.net!g"
#!define WITH_TLS
#!ifdef WITH_NOTHING
listen=udp:1.1.1.1:1
#!else
listen=udp:10.0.0.1:5060 advertise 203.0.113.9:5060   // behind NAT
#!endif
#!ifndef WITH_TLS
disable_tcp=yes
#!endif
modparam("xmpp|pua_xmpp", "server_address", "sip:p@MYDOMAIN")
modparam("xmpp", "xmpp_password", SECRET)
include_file "site.cfg"
import_file "not-there.cfg"
include_file "missing.cfg"
)");
  EXPECT_EQ(config.param("xmpp", "xmpp_password"), "s3cret");
  EXPECT_EQ(config.param("xmpp", "xmpp_domain"), "x.example.net");
  EXPECT_EQ(config.param("pua_xmpp", "server_address"), "sip:p@example.net");
  ASSERT_EQ(config.settings.size(), 1U);
  EXPECT_EQ(config.settings[0].value, "udp:10.0.0.1:5060 advertise 203.0.113.9:5060");
  EXPECT_EQ(config.settings[0].line, 8);
  EXPECT_THAT(config.problems, ElementsAre(HasSubstr("/e/missing.cfg: No such file")));
}

TEST_F(ImportTest, AGatewayWithinTheProxyMovesOutOfIt) {
  const Imported imported = import(R"(
listen=udp:192.0.2.1:5060
loadmodule "usrloc.so"
loadmodule "xmpp.so"
modparam("xmpp", "gateway_domain", "gw.example.com")
modparam("xmpp", "xmpp_domain", "x.example.com")
modparam("xmpp", "resource", "kamailio")
request_route {
  if ($rd == "gw.example.com") {
    xmpp_send_message();
  }
}
)");
  EXPECT_TRUE(imported.missing.empty()) << report_text(imported);
  EXPECT_THAT(imported.toml, AllOf(HasSubstr("listen = [\"udp:127.0.0.1:5070\""),
                                   HasSubstr("outbound_proxy = \"sip:192.0.2.1:5060;transport=udp\"")));
  EXPECT_THAT(report_text(imported),
              AllOf(HasSubstr("/e/openser.cfg:7: modparam(\"xmpp\", \"resource\", ...)"),
                    HasSubstr("/e/openser.cfg:5: remove modparam(\"xmpp\", \"gateway_domain\""),
                    HasSubstr("remove loadmodule \"xmpp.so\""),
                    HasSubstr("/e/openser.cfg:10: instead of xmpp_send_message()"),
                    HasSubstr("$du = \"sip:127.0.0.1:5070\"; t_relay(); exit;")));
}

TEST_F(ImportTest, MappedDomainsBecomeATable) {
  const Imported imported = import(R"(
listen=udp:127.0.0.1:5076
loadmodule "xmpp.so"
modparam("xmpp", "xmpp_domain", "x.example.com")
modparam("xmpp", "gwmap", "sip.example.com=x.example.com; abc.com = xyz.com")
modparam("xmpp", "gwmap", "same.net")
)");
  EXPECT_TRUE(imported.missing.empty()) << report_text(imported);
  EXPECT_THAT(imported.toml, HasSubstr("[gateway.gwmap]\n\"abc.com\" = \"xyz.com\"\n\"same.net\" = "
                                       "\"same.net\"\n\"sip.example.com\" = \"x.example.com\"\n"));
  EXPECT_THAT(report_text(imported), HasSubstr("domains that gwmap does not name: the module passed them"));
}

TEST_F(ImportTest, WhatIsMissingIsSaid) {
  const Imported nothing = import("loadmodule \"xmpp.so\"\n");
  EXPECT_THAT(report_text(nothing),
              AllOf(HasSubstr("Missing"), HasSubstr("gateway_domain"), HasSubstr("xmpp_domain")));
  const Imported odd = import(R"(
listen=eth0:5060
listen=sctp:10.0.0.1:5060
loadmodule "xmpp.so"
modparam("xmpp", "gateway_domain", "gw.example.com")
modparam("xmpp", "xmpp_domain", "x.example.com")
modparam("xmpp", "domain_separator", "a")
)");
  EXPECT_THAT(report_text(odd), AllOf(HasSubstr("listen=eth0:5060: give the address"), HasSubstr("sctp"),
                                      HasSubstr("stox.toml:"), HasSubstr("domain_separator")));
}

TEST_F(ImportTest, BrokenTextIsNoTrouble) {
  for (const char* text :
       {"\"", "modparam(", "modparam(\"xmpp\"", "/*", "#!ifdef", "#!endif\n#!else", "route { {",
        "listen=", "#!substdef \"!a\"", "#!define A A\nlisten=A", "'", ")))", "x(((((("}) {
    read(text);
  }
}

}  // namespace
}  // namespace stox::ctl
