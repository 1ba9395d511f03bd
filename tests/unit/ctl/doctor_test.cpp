#include "ctl/doctor.h"

#include <gtest/gtest.h>

namespace stox::ctl {
namespace {

TEST(Doctor, EachLineHasItsRemedyBelowIt) {
  EXPECT_EQ(doctor_text(
                {{{"name", "sip-1"}, {"kind", "ok"}, {"what", "udp:127.0.0.1:5060 is free"}, {"remedy", ""}},
                 {{"name", "clock"}, {"kind", "failure"}, {"what", "it is wrong"}, {"remedy", "set it"}}}),
            "ok       sip-1: udp:127.0.0.1:5060 is free\n"
            "FAILURE  clock: it is wrong\n"
            "           set it\n");
}

TEST(Doctor, WhatAProgramPrintsIsReadLineByLine) {
  const auto rows =
      rows_of("{\"name\":\"a\",\"kind\":\"ok\",\"what\":\"fine\"}\nnot JSON\n{\"kind\":\"warning\"}\n", "b");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["name"], "a");
  EXPECT_EQ(rows[1]["name"], "b");
}

}  // namespace
}  // namespace stox::ctl
