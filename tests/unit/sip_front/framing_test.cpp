#include "sip_front/sip/message/framing.h"

#include <gtest/gtest.h>

#include "tests/unit/sip_front/sip_text.h"

namespace stox::sip {
namespace {

// Feeds a stream in pieces and writes down what comes out: bodies, "ping", or "broken STATUS".
class Stream {
 public:
  explicit Stream(std::size_t max_message = 65536) : framing_(max_message) {}

  void feed(std::string_view bytes) {
    buffer_ += bytes;
    while (!broken_) {
      Message message;
      const Framing::Cut cut = framing_.next(buffer_, message);
      switch (cut.kind) {
        case Framing::Kind::kMore:
          break;
        case Framing::Kind::kPing:
          events.push_back("ping");
          break;
        case Framing::Kind::kMessage:
          events.push_back(cut.parsed ? std::string(message.body)
                                      : "fault " + std::to_string(cut.parsed.error().status));
          break;
        case Framing::Kind::kBroken:
          events.push_back("broken " + std::to_string(cut.parsed.error().status) + " " +
                           std::string(message.via.branch));
          broken_ = true;
          break;
      }
      buffer_.erase(0, cut.consumed);
      if (cut.kind == Framing::Kind::kMore) return;
    }
  }
  bool inside() const { return framing_.inside(); }
  std::size_t left() const { return buffer_.size(); }

  std::vector<std::string> events;

 private:
  Framing framing_;
  std::string buffer_;
  bool broken_ = false;
};

using Events = std::vector<std::string>;

const std::string kSecond = replaced(replaced(kHello, "hello", "a\r\n\r\nb\n"), "Length: 5", "Length: 7");
const std::string kFolded = replaced(kHello, "Content-Length: 5", "Content-Length  :\r\n  5");

TEST(Framing, CutsMessagesWhereverTheStreamIsSplit) {
  const std::string stream = kHello + kSecond + "\r\n" + kFolded + "\r\n\r\n" + kHello;
  const Events wanted = {"hello", "a\r\n\r\nb\n", "hello", "ping", "hello"};
  for (std::size_t split = 0; split <= stream.size(); ++split) {
    Stream s;
    s.feed(std::string_view(stream).substr(0, split));
    s.feed(std::string_view(stream).substr(split));
    EXPECT_EQ(s.events, wanted) << "split at " << split;
    EXPECT_FALSE(s.inside());
  }
  Stream bytewise;
  for (const char c : stream) bytewise.feed({&c, 1});
  EXPECT_EQ(bytewise.events, wanted);
}

TEST(Framing, StrayLineBreaksBeforeAMessageAreNothing) {
  const std::string stream = "\r\r\n\r\n\n\r" + kHello;
  for (std::size_t split = 0; split <= 20; ++split) {
    Stream s;
    s.feed(stream.substr(0, split));
    s.feed(stream.substr(split));
    EXPECT_EQ(s.events, (Events{"ping", "hello"})) << "split at " << split;
  }
}

TEST(Framing, SaysWhetherAMessageIsUnderWay) {
  Stream s;
  s.feed("\r\n");
  EXPECT_FALSE(s.inside());
  s.feed("MESS");
  EXPECT_TRUE(s.inside());
}

TEST(Framing, AFaultyMessageDoesNotBreakTheStream) {
  Stream s;
  s.feed(replaced(kHello, "From: ", "From: ;") + kHello);
  EXPECT_EQ(s.events, (Events{"fault 400", "hello"}));
}

TEST(Framing, WithoutAUsableLengthTheStreamIsBroken) {
  for (const char* length : {"X: 5", "Content-Length: five", "Content-Length: -5",
                             "Content-Length: 5\r\nl: 7", "Content-Length: 5\r\nl: 5", "Content-Length 5"}) {
    Stream s;
    s.feed(replaced(kHello, "Content-Length: 5", length) + kHello);
    EXPECT_EQ(s.events, (Events{"broken 400 z9hG4bK776sgdkse"})) << length;
  }
}

TEST(Framing, TooLongMessagesAreRefusedBeforeTheyAreWhole) {
  Stream body(1000);
  body.feed(replaced(kHello, "Content-Length: 5", "Content-Length: 1000"));
  EXPECT_EQ(body.events, (Events{"broken 513 z9hG4bK776sgdkse"}));

  Stream exact(kHello.size());
  exact.feed(kHello);
  EXPECT_EQ(exact.events, (Events{"broken 513 z9hG4bK776sgdkse"}));

  Stream head;
  head.feed(kHello.substr(0, kHello.find("Content-Type")) + "X: " + std::string(kMaxHead, 'a'));
  EXPECT_EQ(head.events, (Events{"broken 513 z9hG4bK776sgdkse"}));

  Stream garbage;
  garbage.feed(std::string(2 * kMaxHead, 'x'));
  EXPECT_EQ(garbage.events, (Events{"broken 513 "}));
}

}  // namespace
}  // namespace stox::sip
