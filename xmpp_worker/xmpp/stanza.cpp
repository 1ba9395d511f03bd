#include "xmpp_worker/xmpp/stanza.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/names.h"

namespace stox::xmpp {
namespace {

constexpr std::array<std::string_view, 22> kConditions = {"bad-request",
                                                          "conflict",
                                                          "feature-not-implemented",
                                                          "forbidden",
                                                          "gone",
                                                          "internal-server-error",
                                                          "item-not-found",
                                                          "jid-malformed",
                                                          "not-acceptable",
                                                          "not-allowed",
                                                          "not-authorized",
                                                          "policy-violation",
                                                          "recipient-unavailable",
                                                          "redirect",
                                                          "registration-required",
                                                          "remote-server-not-found",
                                                          "remote-server-timeout",
                                                          "resource-constraint",
                                                          "service-unavailable",
                                                          "subscription-required",
                                                          "undefined-condition",
                                                          "unexpected-request"};

constexpr std::array<std::string_view, 5> kMessageTypes = {"chat", "error", "groupchat", "headline",
                                                           "normal"};
constexpr std::array<std::string_view, 5> kErrorTypes = {"auth", "cancel", "continue", "modify", "wait"};

template <std::size_t N>
bool is_one_of(const std::array<std::string_view, N>& known, std::string_view word) {
  return std::find(known.begin(), known.end(), word) != known.end();
}

const char* name_of(Stanza::Kind kind) {
  switch (kind) {
    case Stanza::Kind::kMessage:
      return "message";
    case Stanza::Kind::kPresence:
      return "presence";
    case Stanza::Kind::kIq:
      break;
  }
  return "iq";
}

void write_texts(XmlWriter& xml, const char* name, const std::vector<LangText>& texts) {
  for (const LangText& each : texts)
    xml.open(name).attribute_unless_empty("xml:lang", each.lang).text(each.text).close();
}

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

bool is_stanza_condition(std::string_view name) { return is_one_of(kConditions, name); }

void MessageContent::clear() {
  bodies.clear();
  subjects.clear();
  thread = {};
  delay_s = 0;
}

std::optional<Stanza> read_stanza(const Element& element) {
  if (!is_content_namespace(element.ns())) return std::nullopt;
  Stanza stanza;
  if (element.name() == "message") {
    stanza.kind = Stanza::Kind::kMessage;
  } else if (element.name() == "presence") {
    stanza.kind = Stanza::Kind::kPresence;
  } else if (element.name() == "iq") {
    stanza.kind = Stanza::Kind::kIq;
  } else {
    return std::nullopt;
  }
  stanza.from = element.attribute("from");
  stanza.to = element.attribute("to");
  stanza.id = element.attribute("id");
  stanza.type = element.attribute("type");
  stanza.lang = element.attribute("lang", ns::kXml);
  if (stanza.kind == Stanza::Kind::kMessage && !is_one_of(kMessageTypes, stanza.type)) stanza.type = "normal";
  stanza.element = element;
  return stanza;
}

void read_content(const Element& message, MessageContent& out) {
  out.clear();
  for (Element each = message.first_child(); each; each = each.next()) {
    if (is_content_namespace(each.ns())) {
      if (each.name() == "body") out.bodies.push_back({each.attribute("lang", ns::kXml), each.text()});
      if (each.name() == "subject") out.subjects.push_back({each.attribute("lang", ns::kXml), each.text()});
      if (each.name() == "thread" && out.thread.empty()) out.thread = each.text();
    } else if (each.is("delay", ns::kDelay) && out.delay_s == 0) {
      out.delay_s = parse_timestamp(each.attribute("stamp")).value_or(0);
    }
  }
}

StanzaError read_error(const Element& stanza) {
  StanzaError out;
  const Element error = stanza.content_child("error");
  out.type = error.attribute("type");
  if (!is_one_of(kErrorTypes, out.type)) out.type = "cancel";
  out.by = error.attribute("by");
  for (Element each = error.first_child(); each; each = each.next()) {
    if (each.ns() != ns::kStanzaErrors) continue;
    if (each.name() == "text") {
      out.text = each.text();
    } else if (out.condition.empty()) {
      out.condition = is_stanza_condition(each.name()) ? each.name() : "undefined-condition";
      out.address = each.text();
    }
  }
  if (out.condition.empty()) {
    out.legacy_code = error.attribute("code");
    if (out.text.empty()) out.text = error.text();
  }
  return out;
}

StreamError read_stream_error(const Element& element) {
  StreamError out;
  for (Element each = element.first_child(); each; each = each.next()) {
    if (each.ns() != ns::kStreamErrors) continue;
    if (each.name() == "text") {
      out.text = each.text();
    } else if (out.condition.empty()) {
      out.condition = each.name();
      out.other_host = each.text();
    }
  }
  if (out.condition.empty()) out.condition = "undefined-condition";
  return out;
}

void write_message(XmlWriter& xml, const Stanza& stanza, const MessageContent& content) {
  xml.open("message").attribute("from", stanza.from).attribute("to", stanza.to).attribute("id", stanza.id);
  xml.attribute_unless_empty("type", stanza.type).attribute_unless_empty("xml:lang", stanza.lang);
  write_texts(xml, "subject", content.subjects);
  write_texts(xml, "body", content.bodies);
  if (!content.thread.empty()) xml.leaf("thread", content.thread);
  if (content.delay_s != 0) {
    xml.open("delay", ns::kDelay).attribute("stamp", format_timestamp(content.delay_s)).close();
  }
  xml.close();
}

void write_error(XmlWriter& xml, const Stanza& failed, const StanzaError& error) {
  xml.open(name_of(failed.kind)).attribute("from", failed.to).attribute("to", failed.from);
  xml.attribute_unless_empty("id", failed.id).attribute("type", "error");
  xml.open("error").attribute("type", is_one_of(kErrorTypes, error.type) ? error.type : "cancel");
  xml.attribute_unless_empty("by", error.by);
  const std::string_view condition =
      is_stanza_condition(error.condition) ? std::string_view(error.condition) : "undefined-condition";
  xml.open(condition, ns::kStanzaErrors).text(error.address).close();
  if (!error.text.empty())
    xml.open("text", ns::kStanzaErrors).attribute("xml:lang", "en").text(error.text).close();
  xml.close().close();
}

XmlWriter& open_result(XmlWriter& xml, const Stanza& request) {
  xml.open("iq").attribute("from", request.to).attribute("to", request.from);
  return xml.attribute("id", request.id).attribute("type", "result");
}

void write_ping(XmlWriter& xml, std::string_view from, std::string_view to, std::string_view id) {
  xml.open("iq").attribute("from", from).attribute("to", to).attribute("id", id).attribute("type", "get");
  xml.open("ping", ns::kPing).close().close();
}

void write_stream_error(XmlWriter& xml, const StreamError& error) {
  xml.open("stream:error").open(error.condition, ns::kStreamErrors).close();
  if (!error.text.empty())
    xml.open("text", ns::kStreamErrors).attribute("xml:lang", "en").text(error.text).close();
  xml.close();
}

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
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", broken.tm_year + 1900, broken.tm_mon + 1,
                     broken.tm_mday, broken.tm_hour, broken.tm_min, broken.tm_sec);
}

}  // namespace stox::xmpp
