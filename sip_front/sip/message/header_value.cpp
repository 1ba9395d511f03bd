#include "sip_front/sip/message/header_value.h"

#include <algorithm>
#include <chrono>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "sip_front/sip/message/grammar.h"

namespace stox::sip {
namespace {

constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
int64_t days_since_epoch(int64_t year, int64_t month, int64_t day) {
  using namespace std::chrono;
  const year_month_day date(std::chrono::year(static_cast<int>(year)),
                            std::chrono::month(static_cast<unsigned>(month)),
                            std::chrono::day(static_cast<unsigned>(day)));
  return date.ok() ? sys_days(date).time_since_epoch().count() : INT64_MIN;
}

// sent-protocol LWS
bool read_protocol(Cursor& cursor, Via& via) {
  if (cursor.run(kToken).empty() || !cursor.take('/') || cursor.run(kToken).empty() || !cursor.take('/'))
    return false;
  via.transport = cursor.run(kToken);
  const std::size_t before = cursor.rest().size();
  return !via.transport.empty() && cursor.lws().rest().size() < before;
}

// sent-protocol LWS sent-by
bool read_sent_by(Cursor& cursor, Via& via) {
  if (!read_protocol(cursor, via)) return false;
  if (cursor.at('[')) {
    const auto end = cursor.rest().find(']');
    if (end == std::string_view::npos) return false;
    via.host = cursor.cut(end + 1).substr(1, end - 1);
    if (!normal_ipv6(via.host)) return false;
  } else {
    via.host = cursor.run(kHost);
    if (!is_host_name(via.host)) return false;
  }
  if (cursor.take(':')) {
    const auto port = parse_number(cursor.run(kToken), 0, 65535);  // 0, as some write, is as good as none
    if (!port) return false;
    via.port = static_cast<uint16_t>(*port);
  }
  return true;
}

void set_param(Via& via, std::string_view name, std::string_view value, bool has_value) {
  if (ascii_iequal(name, "branch")) via.branch = value;
  if (ascii_iequal(name, "maddr")) via.maddr = value;
  if (ascii_iequal(name, "rport")) via.rport = !has_value;
}

}  // namespace

std::optional<Via> parse_via(std::string_view text) {
  Via via;
  Cursor cursor(text);
  if (!read_sent_by(cursor, via)) return std::nullopt;
  via.text = text;
  const bool good = read_params(cursor, [&](std::string_view name, std::string_view value, bool has_value) {
    set_param(via, name, value, has_value);
  });
  if (!good) return std::nullopt;
  return via;
}

Via parse_bad_via(std::string_view text) {
  Via via;
  Cursor cursor(text);
  const bool good = read_sent_by(cursor, via) && (cursor.lws().done() || cursor.at(';'));
  if (!good) {
    cursor = Cursor(text);
    via = {};
    if (!read_protocol(cursor, via)) return {};
    cursor.cut(std::min(cursor.rest().find(';'), cursor.rest().size()));
  }
  while (true) {  // one by one, as the first bad one is the end
    via.text = text.substr(0, text.size() - cursor.rest().size());
    const auto end = std::min(cursor.rest().find(';', 1), cursor.rest().size());
    Cursor one(cursor.cut(end));
    if (one.done()) break;
    const bool is_one = read_params(one, [&](std::string_view name, std::string_view value, bool has_value) {
      set_param(via, name, value, has_value);
    });
    if (!is_one) break;
  }
  return via;
}

std::optional<NameAddr> parse_name_addr(std::string_view text) {
  NameAddr out;
  Cursor cursor(text);
  if (cursor.at('"')) {
    out.display = cursor.quoted();
    if (out.display.empty() || !cursor.lws().at('<')) return std::nullopt;
  } else {
    Cursor ahead = cursor;
    const std::string_view display = ahead.run(kDisplay);
    if (ahead.at('<')) {
      out.display = strip(display);
      cursor = ahead;
    }
  }
  if (cursor.at('<')) {
    cursor.cut(1);
    out.uri = cursor.run(kUri);
    if (!cursor.at('>')) return std::nullopt;
    cursor.cut(1);
  } else {
    out.uri = cursor.run(kBareUri);
  }
  if (out.uri.size() > kMaxUri || out.uri.find(':') == std::string_view::npos) return std::nullopt;
  bool good_tag = true;
  const bool good = read_params(cursor, [&](std::string_view name, std::string_view value, bool) {
    if (!ascii_iequal(name, "tag")) return;
    good_tag = out.tag.empty() && is_token(value);
    out.tag = value;
  });
  if (!good || !good_tag) return std::nullopt;
  return out;
}

std::optional<CSeq> parse_cseq(std::string_view text) {
  Cursor cursor(text);
  const auto number = parse_number(cursor.run(kToken), 0, UINT32_MAX);
  const std::string_view method = cursor.lws().rest();
  if (!number || !is_token(method)) return std::nullopt;
  return CSeq{static_cast<uint32_t>(*number), method};
}

std::optional<int64_t> parse_date(std::string_view text) {
  // "Sat, 13 Nov 2010 23:29:00 GMT"
  if (text.size() != 29 || text.substr(3, 2) != ", " || text.substr(25) != " GMT" || text[7] != ' ' ||
      text[11] != ' ' || text[16] != ' ' || text[19] != ':' || text[22] != ':') {
    return std::nullopt;
  }
  const auto month = std::find(std::begin(kMonths), std::end(kMonths), text.substr(8, 3));
  const auto day = parse_number(text.substr(5, 2), 1, 31);
  const auto year = parse_number(text.substr(12, 4), 1970, 9999);
  const auto hour = parse_number(text.substr(17, 2), 0, 23);
  const auto minute = parse_number(text.substr(20, 2), 0, 59);
  const auto second = parse_number(text.substr(23, 2), 0, 60);
  if (month == std::end(kMonths) || !day || !year || !hour || !minute || !second) return std::nullopt;
  const int64_t days = days_since_epoch(static_cast<int64_t>(*year), month - std::begin(kMonths) + 1,
                                        static_cast<int64_t>(*day));
  if (days == INT64_MIN) return std::nullopt;
  return ((days * 24 + static_cast<int64_t>(*hour)) * 60 + static_cast<int64_t>(*minute)) * 60 +
         static_cast<int64_t>(*second);
}

std::optional<uint32_t> parse_delta_seconds(std::string_view text) {
  const auto number = parse_number(Cursor(text).run(kToken), 0, UINT32_MAX);
  if (!number) return std::nullopt;
  return static_cast<uint32_t>(*number);
}

Duration valid_for(const Message& message, int64_t now_s) {
  const auto expires = parse_delta_seconds(message.value(HeaderName::kExpires));
  if (!expires || *expires == 0) return Duration::max();
  int64_t since = parse_date(message.value(HeaderName::kDate)).value_or(now_s);
  if (!is_possible_time(since, now_s)) since = now_s;
  return std::chrono::seconds(
      std::clamp<int64_t>(since + *expires - now_s, 0, std::min<int64_t>(*expires, 1'000'000)));
}

bool is_token(std::string_view text) { return !text.empty() && all_in(kToken, text); }

bool is_call_id(std::string_view text) {
  const auto at = text.find('@');
  const std::string_view left = text.substr(0, at);
  if (left.empty() || !all_in(kWord, left)) return false;
  if (at == std::string_view::npos) return true;
  const std::string_view right = text.substr(at + 1);
  return !right.empty() && all_in(kWord, right);
}

}  // namespace stox::sip
