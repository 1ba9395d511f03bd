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

TEST(Doctor, TroubleOfSeveralIsOneRowWithTheirNames) {
  using nlohmann::json;
  const auto row = [](const char* name, const char* kind, const char* what) {
    return json{{"name", name}, {"kind", kind}, {"what", what}, {"remedy", ""}};
  };
  json rows = json::array();
  for (const char* name : {"sip-1", "sip-2"}) {
    add_row(row(name, "ok", "the configuration is fine"), &rows);
    add_row(row(name, "warning", "the proxy is not in trusted"), &rows);
  }
  add_row(row("sip-2", "failure", "cannot listen"), &rows);
  EXPECT_EQ(rows, json::array({row("sip-1", "ok", "the configuration is fine"),
                               row("sip-1, sip-2", "warning", "the proxy is not in trusted"),
                               row("sip-2", "ok", "the configuration is fine"),
                               row("sip-2", "failure", "cannot listen")}));
}

}  // namespace
}  // namespace stox::ctl
