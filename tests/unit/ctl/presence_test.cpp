#include "ctl/presence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr int64_t kNow = 1'800'000'000'000'000;

TEST(Presence, AnAddressMayBeAJid) {
  service::Config config;
  config.gateway.gateway_domain = "gw.test";
  config.gateway.domain_separator = "*";
  EXPECT_THAT(ways_for_sip("juliet@x.test", config), ElementsAre("juliet@x.test", "juliet*x.test@gw.test"));
  EXPECT_THAT(ways_for_sip("juliet", config), ElementsAre("juliet"));
}

TEST(Presence, EachPairHasALine) {
  const json rows = in_order(json::array({{{"process", "sip-1"},
                                           {"from", "sip:romeo@sip.test"},
                                           {"to", "sip:juliet*x.test@gw.test"},
                                           {"kind", "watcher"},
                                           {"state", "approved"},
                                           {"since_us", kNow - 5'000'000},
                                           {"expires_us", kNow + 600'000'000},
                                           {"error", ""}},
                                          {{"process", "sip-2"},
                                           {"from", "sip:juliet*x.test@gw.test"},
                                           {"to", "sip:romeo@sip.test"},
                                           {"kind", "watch"},
                                           {"state", "waiting"},
                                           {"since_us", kNow - 30'000'000},
                                           {"expires_us", 0},
                                           {"error", "SIP 503"}}}));
  EXPECT_EQ(presence_text(rows, kNow),
            "FRONT  WHO                        SEES                       KIND     STATE     FOR     EXPIRES "
            "IN  LAST ERROR\n"
            "sip-2  sip:juliet*x.test@gw.test  sip:romeo@sip.test         watch    waiting   30.0 s  -       "
            "    SIP 503\n"
            "sip-1  sip:romeo@sip.test         sip:juliet*x.test@gw.test  watcher  approved  5.0 s   10m 0s  "
            "    -\n");
}

}  // namespace
}  // namespace stox::ctl
