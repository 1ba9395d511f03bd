#include "ctl/reload.h"

#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

TEST(Reload, SaysForEachProcessAndKeyWhatBecameOfIt) {
  EXPECT_EQ(reload_text({{{"process", "sip-1"},
                          {"taken", {"gateway.accept_status"}},
                          {"waiting", {"sip_front sip-1.listen"}},
                          {"error", ""}},
                         {{"process", "mapper-1"}, {"error", "stox.toml:1:1: unknown key\n"}},
                         {{"process", "component-1"}}}),
            "PROCESS      KEY                     WHAT BECAME OF IT\n"
            "sip-1        gateway.accept_status   taken\n"
            "sip-1        sip_front sip-1.listen  waits for a restart\n"
            "mapper-1     -                       not taken: goes on with the configuration before\n"
            "component-1  -                       nothing has changed; certificates were read\n"
            "\n`stoxctl rolling-restart` brings what waits\n"
            "\nmapper-1: stox.toml:1:1: unknown key\n");
}

}  // namespace
}  // namespace stox::ctl
