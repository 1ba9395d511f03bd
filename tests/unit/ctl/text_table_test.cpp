#include "ctl/text_table.h"

#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

TEST(TextTable, ColumnsAreAsWideAsTheirWidestCell) {
  TextTable table({"A", "LONG HEADING", "C"});
  table.add({"b\xc3\xbc", "", "x"});
  table.add({"esc\x1b", "y", "last"});
  EXPECT_EQ(table.str(),
            "A        LONG HEADING  C\n"
            "b\xc3\xbc       -             x\n"
            "esc\\x1b  y             last\n");
}

TEST(TextTable, DurationsReadWell) {
  EXPECT_EQ(show_duration(0), "0.0 ms");
  EXPECT_EQ(show_duration(4'250), "4.2 ms");
  EXPECT_EQ(show_duration(37'000'000), "37.0 s");
  EXPECT_EQ(show_duration(192'000'000), "3m 12s");
  EXPECT_EQ(show_duration(18'120'000'000), "5h 2m");
  EXPECT_EQ(show_duration(1'051'200'000'000), "12d 4h");
}

TEST(TextTable, TimesAreThoseOfTheLog) {
  EXPECT_EQ(show_time(1'700'000'000'000'042), "2023-11-14T22:13:20.000042Z");
}

}  // namespace
}  // namespace stox::ctl
