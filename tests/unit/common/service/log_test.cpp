#include "common/service/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

namespace stox::service {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::StartsWith;

class Pipe {
 public:
  Pipe() { EXPECT_EQ(pipe2(ends_.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    for (const int end : ends_) close(end);
  }
  int in() const { return ends_[1]; }
  std::string take() {  // what is in it now
    fcntl(ends_[0], F_SETFL, O_NONBLOCK);
    std::string out;
    std::array<char, 65536> part{};
    for (ssize_t n = 0; (n = read(ends_[0], part.data(), part.size())) > 0;)
      out.append(part.data(), static_cast<std::size_t>(n));
    return out;
  }
  void fill() {
    const int flags = fcntl(ends_[1], F_GETFL);
    fcntl(ends_[1], F_SETFL, flags | O_NONBLOCK);
    const std::array<char, 4096> block{};
    while (write(ends_[1], block.data(), block.size()) > 0) {
    }
    fcntl(ends_[1], F_SETFL, flags);
  }

 private:
  std::array<int, 2> ends_{};
};

const std::string kTraceId("\x4b\xf9\x2f\x35\x77\xb3\x4d\xa6\xa3\xce\x92\x9d\x0e\x0e\x47\x36", 16);

TEST(Log, TextHasTimeLevelProcessTraceAndText) {
  Pipe pipe;
  Log log("sip-1", Level::kInfo, "text", pipe.in());
  log.write(Level::kWarn, kTraceId, "answered {}", 404);
  EXPECT_THAT(pipe.take(),
              MatchesRegex("20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z warn "
                           "sip-1 \\[4bf92f3577b34da6a3ce929d0e0e4736\\] answered 404\n"));
  log.info("hello");
  EXPECT_THAT(pipe.take(), EndsWith("Z info sip-1 hello\n"));
}

TEST(Log, LevelDecidesWhatIsWritten) {
  Pipe pipe;
  Log log("p", Level::kWarn, "text", pipe.in());
  log.info("not this");
  log.error("this");
  EXPECT_THAT(pipe.take(), EndsWith("Z error p this\n"));
  log.set_level(Level::kDebug);
  log.debug("and this");
  EXPECT_THAT(pipe.take(), EndsWith("Z debug p and this\n"));
}

TEST(Log, TheJournalIsToldThePriorityOfEachLine) {
  Pipe pipe, other;
  struct stat info {};
  ASSERT_EQ(fstat(pipe.in(), &info), 0);
  setenv("JOURNAL_STREAM", fmt::format("{}:{}", info.st_dev, info.st_ino).c_str(), 1);
  Log log("p", Level::kTrace, "text", pipe.in());
  Log json("p", Level::kTrace, "json", pipe.in());
  Log elsewhere("p", Level::kTrace, "text", other.in());
  unsetenv("JOURNAL_STREAM");

  log.error("e");
  EXPECT_THAT(pipe.take(), MatchesRegex("<3>20.* error p e\n"));
  log.warn("w");
  EXPECT_THAT(pipe.take(), MatchesRegex("<4>20.* warn p w\n"));
  log.info("i");
  EXPECT_THAT(pipe.take(), MatchesRegex("<6>20.* info p i\n"));
  log.debug("d");
  EXPECT_THAT(pipe.take(), MatchesRegex("<7>20.* debug p d\n"));
  json.warn("w");
  EXPECT_THAT(pipe.take(), StartsWith("<4>{"));
  elsewhere.error("a file that standard error was sent to");
  EXPECT_THAT(other.take(), StartsWith("20"));
}

TEST(Log, ControlCharactersNeverReachATerminal) {
  Pipe pipe;
  Log log("p", Level::kInfo, "text", pipe.in());
  log.info("{}", std::string("a\r\nb\x1b[2J\x7f\xc2\x9b\xff\xc3\xbc\0z", 16));
  EXPECT_THAT(pipe.take(), EndsWith(" a\\r\\nb\\x1b[2J\\x7f\\x9b\\xff\xc3\xbc\\x00z\n"));
}

TEST(Log, WhatTurnsTheDirectionOfWritingNeverReachesATerminal) {
  EXPECT_EQ(printable("a\xe2\x80\xae"
                      "b\xe2\x81\xa6"
                      "c\xd8\x9c"
                      "d\xf3\xa0\x80\xa1"
                      "e",
                      100),
            "a\\u202eb\\u2066c\\u061cd\\ue0021e");
  EXPECT_EQ(printable("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7 \xd8\xb3", 100),
            "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x94\xa7 \xd8\xb3")
      << "emoji and the writing from right to left themselves stay";
}

TEST(Log, WhatIsCutSaysSo) {
  EXPECT_EQ(printable("abcdefgh", 8), "abcdefgh");
  EXPECT_EQ(printable("abcdefghi", 8), "abcde...");
  EXPECT_EQ(printable("abcd\xc3\xbc\xc3\xbc\xc3\xbc", 8), "abcd...");
  EXPECT_EQ(printable("abc", 2), "");
}

TEST(Log, SeveralLinesKeepTheirEnds) {
  EXPECT_EQ(printable_lines("a\xc2\x9b\n\nb\r\n"), "a\\x9b\n\nb\\r\n");
  EXPECT_EQ(printable_lines("no end"), "no end");
}

TEST(Log, JsonIsOneValidObjectALine) {
  Pipe pipe;
  Log log("p", Level::kInfo, "json", pipe.in());
  log.write(Level::kWarn, kTraceId, "{}", std::string("\"q\" \\ \r\n\x1b \x7f \xc2\x9b \xff \xc3\xbc"));
  const std::string line = pipe.take();
  ASSERT_EQ(line.find('\n'), line.size() - 1);
  for (const char c : line.substr(0, line.size() - 1)) EXPECT_TRUE(c >= 0x20 && c < 0x7f) << line;
  const auto json = nlohmann::json::parse(line);
  EXPECT_EQ(json["level"], "warn");
  EXPECT_EQ(json["process"], "p");
  EXPECT_EQ(json["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(json["text"], "\"q\" \\ \r\n\x1b \x7f \xc2\x9b \xef\xbf\xbd \xc3\xbc");
  EXPECT_THAT(json["time"].get<std::string>(), MatchesRegex("....-..-..T..:..:..\\.......Z"));
}

TEST(Log, JsonHasWhatALineIsAboutAsFields) {
  Pipe pipe;
  Log log("sip-1", Level::kInfo, "json", pipe.in());
  const std::string long_uri = "sip:" + std::string(300, 'j') + "\xc3\xbc";
  log.tell(Level::kInfo, {kTraceId, "sip:romeo@\"sip\".test", long_uri, "403", "untrusted"}, "refused {}",
           "MESSAGE");
  const auto json = nlohmann::json::parse(pipe.take());
  EXPECT_EQ(json["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
  EXPECT_EQ(json["from"], "sip:romeo@\"sip\".test");
  EXPECT_THAT(json["to"].get<std::string>(), MatchesRegex("sip:j+\\.\\.\\."));
  EXPECT_LE(json["to"].get<std::string>().size(), 250U);
  EXPECT_EQ(json["status"], "403");
  EXPECT_EQ(json["reason"], "untrusted");
  EXPECT_EQ(json["text"], "refused MESSAGE");
  log.info("listening");
  const auto bare = nlohmann::json::parse(pipe.take());
  for (const char* key : {"from", "to", "status", "reason"}) EXPECT_FALSE(bare.contains(key)) << key;
}

TEST(Log, TextOfALineAboutSomethingIsItsWords) {
  Pipe pipe;
  Log log("sip-1", Level::kInfo, "text", pipe.in());
  log.tell(Level::kInfo, {kTraceId, "sip:romeo@sip.test", {}, "403", {}}, "refused {}", "MESSAGE");
  EXPECT_THAT(pipe.take(), EndsWith("Z info sip-1 [4bf92f3577b34da6a3ce929d0e0e4736] refused MESSAGE\n"));
}

TEST(Log, AFullPipeCostsLinesAndTheLossIsTold) {
  Pipe pipe;
  Log log("p", Level::kInfo, "text", pipe.in());
  pipe.fill();
  for (int i = 0; i < 1000; ++i) log.info("lost");  // would never return if it blocked
  pipe.take();
  log.info("after");
  const std::string text = pipe.take();
  EXPECT_THAT(text, HasSubstr("warn p 1000 lines of log were lost: standard error was full\n"));
  EXPECT_THAT(text, EndsWith("info p after\n"));
  log.info("again");
  EXPECT_THAT(pipe.take(), EndsWith("info p again\n"));
}

TEST(Log, StandardErrorOfOthersStaysBlocking) {
  Pipe pipe;
  const Log log("p", Level::kInfo, "text", pipe.in());
  EXPECT_EQ(fcntl(pipe.in(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(Log, ALongTextIsCut) {
  Pipe pipe;
  Log log("p", Level::kInfo, "text", pipe.in());
  log.info("{}", std::string(100'000, 'x'));
  EXPECT_LT(pipe.take().size(), 4096U);
}

// What a pipe takes whole (PIPE_BUF) is no line of two processes mixed.
TEST(Log, ALongTextIsCutAsItIsWritten) {
  Pipe pipe;
  Log log("p", Level::kInfo, "json", pipe.in());
  std::string letters;
  for (int i = 0; i < 5000; ++i) letters += "\xd0\xb6";
  log.tell(Level::kInfo, {kTraceId, letters, letters, letters, letters}, "{}", letters);
  const std::string line = pipe.take();
  EXPECT_LT(line.size(), 4096U);
  EXPECT_THAT(nlohmann::json::parse(line)["from"].get<std::string>(), EndsWith("..."));
}

TEST(Log, LevelsAreReadByName) {
  EXPECT_EQ(*parse_level("warn"), Level::kWarn);
  EXPECT_EQ(parse_level("loud").error().text,
            "\"loud\" is no log level; use trace, debug, info, warn or error");
}

}  // namespace
}  // namespace stox::service
