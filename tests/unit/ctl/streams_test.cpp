#include "ctl/streams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

TEST(Streams, EachHasALineAndWhatIsNotUpAReason) {
  const json rows = json::array({{{"process", "server-1"},
                                  {"own_domain", "gw.test"},
                                  {"domain", "up.test"},
                                  {"direction", "in"},
                                  {"state", "up"},
                                  {"address", "192.0.2.1:5269"},
                                  {"tls", "TLSv1.3"},
                                  {"authentication", "EXTERNAL"},
                                  {"bidi", true},
                                  {"stream_management", true},
                                  {"unacked", 3},
                                  {"stanzas_in", 41},
                                  {"stanzas_out", 42},
                                  {"idle_ms", 1500},
                                  {"reason", ""}},
                                 {{"process", "server-1"},
                                  {"own_domain", "gw.test"},
                                  {"domain", "down.test"},
                                  {"direction", "out"},
                                  {"state", "waiting"},
                                  {"retry_ms", 2000},
                                  {"reason", "its certificate is not\nfor down.test"}}});
  const std::string text = streams_text(rows);
  EXPECT_THAT(text, HasSubstr("in+bidi"));
  EXPECT_THAT(text, HasSubstr("41  42   1.5 s"));
  EXPECT_THAT(text, HasSubstr("down.test waiting: its certificate is not\\nfor down.test\n"));
  EXPECT_THAT(text, Not(HasSubstr("up.test up:")));
}

}  // namespace
}  // namespace stox::ctl
