// RFC 4475: the 49 messages of its appendix A, byte for byte, in torture/, and what becomes of each in
// torture/expected.txt, where the columns are explained.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "common/base/sip_uri.h"
#include "sip_front/sip/message/framing.h"
#include "sip_front/sip/policy/request_check.h"

namespace stox::sip {
namespace {

const std::filesystem::path kFolder = TORTURE_FOLDER;

struct Row {
  std::string name, section, fault, udp, tcp;
};

std::vector<Row> table() {
  std::vector<Row> rows;
  std::ifstream file(kFolder / "expected.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#' || line[0] == ' ') continue;
    std::istringstream words(line);
    Row row;
    words >> row.name >> row.section >> row.fault >> row.udp >> row.tcp;
    rows.push_back(row);
  }
  return rows;
}

std::string message_of(const Row& row) {
  std::ifstream file(kFolder / (row.name + ".dat"), std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

const Methods kOnlyMessage(1ULL << static_cast<unsigned>(Method::kMessage));

// What the one who sent it gets.
std::string answer_to(const Message& message, const Parsed& parsed, Transport transport) {
  static const Policy policy = [] {
    Policy p;  // of a gateway to which every domain belongs
    p.trusted.networks = *Networks::parse({"0.0.0.0/0"});
    return p;
  }();
  Flow flow;
  flow.transport = transport;
  if (!message.is_request) return "-";
  const Verdict verdict = parsed ? check_request(message, flow, policy, kOnlyMessage)
                                 : check_fault(message, parsed.error(), flow, policy);
  switch (verdict.kind) {
    case Verdict::Kind::kTake:
      return "taken";
    case Verdict::Kind::kOptions:
      return "200";
    case Verdict::Kind::kCancel:
      return "481";
    case Verdict::Kind::kIgnore:
      return "-";
    case Verdict::Kind::kRefuse:
      return std::to_string(verdict.status);
  }
  return {};
}

void PrintTo(const Row& row, std::ostream* out) { *out << row.name; }

class Torture : public testing::TestWithParam<Row> {};

TEST_P(Torture, InADatagram) {
  std::string text = message_of(GetParam());
  ASSERT_FALSE(text.empty());
  Message message;
  const Parsed parsed = parse_datagram(text, message);
  std::string fault = parsed ? "-" : parsed.error().reason;
  std::replace(fault.begin(), fault.end(), ' ', '_');
  EXPECT_EQ(fault, GetParam().fault);
  EXPECT_EQ(answer_to(message, parsed, Transport::kUdp), GetParam().udp);
}

TEST_P(Torture, OnAStream) {
  std::string text = message_of(GetParam());
  Framing framing(65536);
  std::string answers;
  while (!text.empty()) {
    Message message;
    const Framing::Cut cut = framing.next(text, message);
    if (cut.kind == Framing::Kind::kMore) {
      if (framing.inside()) answers += answers.empty() ? "waits" : ",waits";
      break;
    }
    if (cut.kind != Framing::Kind::kPing) {
      answers += (answers.empty() ? "" : ",") + answer_to(message, cut.parsed, Transport::kTcp);
    }
    if (cut.kind == Framing::Kind::kBroken) {
      answers += ",closed";
      break;
    }
    text.erase(0, cut.consumed);
  }
  EXPECT_EQ(answers, GetParam().tcp);
}

INSTANTIATE_TEST_SUITE_P(Rfc4475, Torture, testing::ValuesIn(table()),
                         [](const auto& each) { return each.param.name; });

// The file of baddn ends before its empty line; with one it is refused for what it is about.
TEST(TortureBaddn, IsRefusedForItsDisplayNamesToo) {
  std::string text = message_of({"baddn", {}, {}, {}, {}}) + "\r\n";
  Message message;
  const Parsed parsed = parse_datagram(text, message);
  ASSERT_FALSE(parsed);
  EXPECT_STREQ(parsed.error().reason, "Bad From");
}

TEST(TortureMessages, SayWhatTheySay) {
  Message message;
  std::string semiuri = message_of({"semiuri", {}, {}, {}, {}});
  ASSERT_TRUE(parse_datagram(semiuri, message));
  EXPECT_EQ(parse_sip_uri(message.request_uri)->user, "user;par=u%40example.net");
  std::string esc01 = message_of({"esc01", {}, {}, {}, {}});
  ASSERT_TRUE(parse_datagram(esc01, message));
  EXPECT_EQ(parse_sip_uri(message.request_uri)->user, "sips%3Auser%40example.com");
  EXPECT_EQ(parse_sip_uri(message.request_uri)->host, "example.net");
  std::string escnull = message_of({"escnull", {}, {}, {}, {}});
  ASSERT_TRUE(parse_datagram(escnull, message));
  EXPECT_EQ(message.from.uri, "sip:null-%00-null@example.com");
  std::string intmeth = message_of({"intmeth", {}, {}, {}, {}});
  ASSERT_TRUE(parse_datagram(intmeth, message));
  EXPECT_EQ(unquote(message.to.display), std::string("BEL:\a NUL:\0 DEL:\x7f", 17));
  EXPECT_EQ(message.from.tag, "_token~1'+`*%!-.");
  std::string mpart01 = message_of({"mpart01", {}, {}, {}, {}});
  ASSERT_TRUE(parse_datagram(mpart01, message));
  EXPECT_EQ(message.body.size(), *message.content_length);
  EXPECT_NE(message.body.find('\0'), std::string_view::npos);
}

TEST(TortureTable, HasAllMessagesAndNoOthers) {
  const auto rows = table();
  EXPECT_EQ(rows.size(), 49u);
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    files += entry.path().extension() == ".dat" ? 1 : 0;
  }
  EXPECT_EQ(files, 49u);
}

}  // namespace
}  // namespace stox::sip
