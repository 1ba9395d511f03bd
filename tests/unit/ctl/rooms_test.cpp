#include "ctl/rooms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using testing::ElementsAre;

constexpr int64_t kNow = 1'800'000'000'000'000;

class Rooms : public testing::Test {
 protected:
  Rooms() {
    config_.gateway.gateway_domain = "gw.test";
    config_.gateway.xmpp_domain = "Sip.test";
  }
  json row(const char* process, bool acts, const char* room = "garden@rooms.test") {
    return {{"process", process},
            {"user", "romeo*s.test@sip.test"},
            {"room", room},
            {"nick", "romeo"},
            {"state", "in"},
            {"since_s", kNow / 1'000'000 - 3600},
            {"last_s", acts ? kNow / 1'000'000 - 5 : 0},
            {"failures", 2},
            {"acts", acts}};
  }
  service::Config config_;
};

TEST_F(Rooms, AUserMayBeWrittenAsOnSip) {
  EXPECT_THAT(ways_for_xmpp("sip:Romeo@s.test;transport=tcp", config_),
              ElementsAre("romeo@s.test", "romeo*s.test@sip.test"));
  EXPECT_EQ(ways_for_xmpp("romeo*s.test@sip.test", config_).front(), "romeo*s.test@sip.test");
  EXPECT_THAT(ways_for_xmpp("romeo", config_), ElementsAre("romeo"));
  config_.gateway.gwmap = {{"s.test", "sip.test"}, {"x.test", "rooms.test"}};
  EXPECT_THAT(ways_for_xmpp("romeo@s.test", config_), ElementsAre("romeo@s.test", "romeo@sip.test"));
}

TEST_F(Rooms, SoMayARoom) {
  EXPECT_EQ(room_jid("garden@rooms.test", config_), "garden@rooms.test");
  EXPECT_EQ(room_jid("sip:Garden*rooms.test@gw.test", config_), "garden@rooms.test");
  EXPECT_EQ(room_jid("garden", config_), "garden");
  config_.gateway.gwmap = {{"s.test", "sip.test"}, {"x.test", "rooms.test"}};
  EXPECT_EQ(room_jid("sip:garden@x.test", config_), "garden@rooms.test");
}

TEST_F(Rooms, EachMembershipHasOneLineOfTheWorkerThatActs) {
  const json rows = merge_rooms(json::array(
      {row("w-1", false), row("w-2", true), row("w-3", false), row("w-1", false, "balcony@rooms.test")}));
  EXPECT_EQ(rooms_text(rows, kNow),
            "USER                   ROOM                NICK   STATE  FOR    LAST MESSAGE  FAILURES  WORKER\n"
            "romeo*s.test@sip.test  balcony@rooms.test  romeo  in     1h 0m  -             2         -\n"
            "romeo*s.test@sip.test  garden@rooms.test   romeo  in     1h 0m  5.0 s         2         w-2\n");
}

}  // namespace
}  // namespace stox::ctl
