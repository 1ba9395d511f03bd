#include "xmpp_worker/rooms/command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace stox::worker {
namespace {

using Kind = RoomCommand::Kind;
using testing::HasSubstr;
using testing::MatchesRegex;

void expect(const char* text, Kind kind, const char* argument = "", const char* rest = "") {
  const RoomCommand command = read_room_command(text, '#');
  EXPECT_EQ(command.kind, kind) << text;
  EXPECT_EQ(command.argument, argument) << text;
  EXPECT_EQ(command.rest, rest) << text;
}

TEST(RoomCommand, Words) {
  expect("#join", Kind::kJoin);
  expect("#join open sesame", Kind::kJoin, "open sesame");
  expect("#leave", Kind::kLeave);
  expect("#nick romeo", Kind::kNick, "romeo");
  expect("#members", Kind::kMembers);
  expect("#topic", Kind::kTopic);
  expect("#topic the balcony, tonight", Kind::kTopic, "the balcony, tonight");
  expect("#invite sip:nurse@sip.test", Kind::kInvite, "sip:nurse@sip.test");
  expect("#msg nurse come here", Kind::kMsg, "nurse", "come here");
  expect("#help", Kind::kHelp);
}

TEST(RoomCommand, IsReadAsPeopleTypeIt) {
  expect(" #Join secret \r\n", Kind::kJoin, "secret");
  expect("#MEMBERS\n", Kind::kMembers);
  expect("#nick\tromeo", Kind::kNick, "romeo");
  expect("#msg nurse two\nlines", Kind::kMsg, "nurse", "two\nlines");
}

TEST(RoomCommand, NicksMayHaveSpaces) {
  expect("#msg \"the nurse\" come here", Kind::kMsg, "the nurse", "come here");
  expect("#nick \"Romeo M\"", Kind::kNick, "Romeo M");
  expect("#nick Romeo M", Kind::kNick, "Romeo M");
  expect("#msg \"nurse come here", Kind::kMsg, "\"nurse", "come here");  // no second quote
}

TEST(RoomCommand, WhatLacksSomethingGetsHelp) {
  for (const char* text :
       {"#nick", "#invite", "#msg", "#msg nurse", "#msg \"the nurse\"", "#nick \"\"", "#nick \""})
    EXPECT_NE(read_room_command(text, '#').kind, Kind::kText) << text;
  for (const char* text : {"#nick", "#invite ", "#msg", "#msg nurse", "#msg \"the nurse\" ", "#nick \"\""})
    EXPECT_EQ(read_room_command(text, '#').kind, Kind::kHelp) << text;
}

TEST(RoomCommand, EverythingElseIsText) {
  for (const char* text : {"", "#", "hello", "join", "/join", "##join", "# join", "#joined",
                           "#verona is fair", "#help me", "#leave me alone", "#members only"})
    expect(text, Kind::kText);
}

TEST(RoomCommand, BeginsWithTheConfiguredCharacter) {
  EXPECT_EQ(read_room_command("/join x", '/').kind, Kind::kJoin);
  EXPECT_EQ(read_room_command("#join x", '/').kind, Kind::kText);
  EXPECT_THAT(room_help('/'), HasSubstr("\n/join [PASSWORD]: "));
}

TEST(RoomCommand, HelpNamesAllAndFitsIntoAMessage) {
  const std::string help = room_help('#');
  for (const char* word : {"join", "leave", "nick", "members", "topic", "invite", "msg", "help"})
    EXPECT_THAT(help, HasSubstr("\n#" + std::string(word)));
  EXPECT_LT(help.size(), 500u);
}

TEST(NextNick, IsNumberedThenLettered) {
  EXPECT_EQ(next_nick("romeo", 0), "romeo");
  EXPECT_EQ(next_nick("romeo", 1), "romeo2");
  EXPECT_EQ(next_nick("romeo", 2), "romeo3");
  std::set<std::string> nicks;
  for (int attempt = 3; attempt < 20; ++attempt) {
    EXPECT_THAT(next_nick("romeo", attempt), MatchesRegex("romeo-[A-Z][A-Z][A-Z][A-Z]"));
    nicks.insert(next_nick("romeo", attempt));
  }
  EXPECT_EQ(nicks.size(), 17u);
}

}  // namespace
}  // namespace stox::worker
