#include "common/base/timestamp.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "common/base/text.h"

namespace stox {
namespace {

// "2024-02-30" is no day: the C library would quietly make it March.
bool is_the_same(const std::tm& asked, const std::tm& got) {
  return asked.tm_mday == got.tm_mday && asked.tm_mon == got.tm_mon && asked.tm_hour == got.tm_hour &&
         asked.tm_min == got.tm_min && asked.tm_sec == got.tm_sec;
}

// Seconds east of Greenwich, of "Z", "+01:00", "-05:30".
std::optional<int64_t> parse_zone(std::string_view text) {
  if (text == "Z") return 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return std::nullopt;
  const auto hours = parse_number(text.substr(1, 2), 0, 23);
  const auto minutes = parse_number(text.substr(4, 2), 0, 59);
  if (!hours || !minutes) return std::nullopt;
  const auto seconds = static_cast<int64_t>(*hours * 3600 + *minutes * 60);
  return text[0] == '+' ? seconds : -seconds;
}

}  // namespace

std::optional<int64_t> parse_timestamp(std::string_view text) {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  const auto year = parse_number(text.substr(0, 4), 1970, 9999);
  const auto month = parse_number(text.substr(5, 2), 1, 12);
  const auto day = parse_number(text.substr(8, 2), 1, 31);
  const auto hour = parse_number(text.substr(11, 2), 0, 23);
  const auto minute = parse_number(text.substr(14, 2), 0, 59);
  const auto second = parse_number(text.substr(17, 2), 0, 59);
  text.remove_prefix(19);
  if (text[0] == '.') text.remove_prefix(std::min(text.find_first_not_of("0123456789", 1), text.size()));
  const auto zone = parse_zone(text);
  if (!year || !month || !day || !hour || !minute || !second || !zone) return std::nullopt;
  std::tm broken{};
  broken.tm_year = static_cast<int>(*year) - 1900;
  broken.tm_mon = static_cast<int>(*month) - 1;
  broken.tm_mday = static_cast<int>(*day);
  broken.tm_hour = static_cast<int>(*hour);
  broken.tm_min = static_cast<int>(*minute);
  broken.tm_sec = static_cast<int>(*second);
  const std::tm asked = broken;
  const int64_t unix_s = timegm(&broken) - *zone;
  if (!is_the_same(asked, broken) || unix_s < 0) return std::nullopt;
  return unix_s;
}

std::string format_timestamp(int64_t unix_s) {
  const auto seconds = static_cast<time_t>(unix_s);
  std::tm broken{};
  gmtime_r(&seconds, &broken);
  std::array<char, 32> out{};
  const auto n = std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%SZ", &broken);
  return {out.data(), n};
}

bool is_possible_time(int64_t unix_s, int64_t now_s) {
  constexpr int64_t kNothingBefore = 1'672'531'200;  // 2023-01-01T00:00:00Z
  constexpr int64_t kDay = 86'400;
  return unix_s >= kNothingBefore && unix_s <= now_s + kDay;
}

}  // namespace stox
