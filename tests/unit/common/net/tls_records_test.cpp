#include "common/net/tls_records.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace stox::net {
namespace {

std::string record(std::size_t size, char type = 23) {
  return std::string{type, 3, 3, static_cast<char>(size / 256), static_cast<char>(size % 256)} +
         std::string(size, 'x');
}

// What comes of it in pieces of so many bytes.
std::vector<std::string> records_of(const std::string& all, std::size_t piece) {
  TlsRecords records;
  std::vector<std::string> out;
  for (std::size_t at = 0; at < all.size(); at += piece) {
    auto bytes = std::string_view(all).substr(at, piece);
    for (std::string_view one; !(one = records.next(bytes)).empty();) out.emplace_back(one);
    EXPECT_TRUE(bytes.empty());
  }
  return out;
}

TEST(TlsRecords, ComeWholeHoweverTheyAreCut) {
  const std::vector<std::string> sent = {record(200, 22), record(1), record(16'384 + 256), record(1'000),
                                         record(3)};
  std::string all;
  for (const std::string& one : sent) all += one;
  for (const std::size_t piece :
       {std::size_t{1}, std::size_t{4}, std::size_t{7}, std::size_t{1'200}, all.size()})
    EXPECT_EQ(records_of(all, piece), sent) << piece;
}

TEST(TlsRecords, OneThatHasBegunSaysHowLongItWillBe) {
  TlsRecords records;
  const std::string whole = record(9'000);
  const auto come = [&](std::size_t from, std::size_t to) {
    auto bytes = std::string_view(whole).substr(from, to - from);
    return records.next(bytes).size();
  };
  EXPECT_EQ(come(0, 4), 0u);
  EXPECT_EQ(records.awaited(), 0u);
  EXPECT_EQ(come(4, 5), 0u);
  EXPECT_EQ(records.awaited(), 9'005u);
  EXPECT_EQ(come(5, 9'005), 9'005u);
  EXPECT_EQ(records.awaited(), 0u);
}

TEST(TlsRecords, OfWhatIsNoneAHeaderIsGiven) {
  EXPECT_EQ(records_of("GET /index", 1), (std::vector<std::string>{"GET /", "index"}));
  EXPECT_EQ(records_of(record(16'384 + 2'049), 100'000).front().size(), TlsRecords::kHeader);
  EXPECT_EQ(records_of(std::string("\x80\x2e\x01\x03\x01") + "SSLv2", 100).front().size(),
            TlsRecords::kHeader);
}

}  // namespace
}  // namespace stox::net
