// Every case of messages.txt: what arrives, and what the gateway makes of it.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "common/base/text.h"
#include "mapper/mapping/page/content.h"

namespace stox::mapping {
namespace {

constexpr int64_t kNow = 1'700'000'000;  // 2023-11-14T22:13:20Z

// Values stand on one line: \n, \r, \\, \xHH.
std::string unescape(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\' || i + 1 == text.size()) {
      out += text[i];
      continue;
    }
    const char c = text[++i];
    if (c == 'x' && i + 2 < text.size()) {
      out += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      out += c == 'n' ? '\n' : c == 'r' ? '\r' : c;
    }
  }
  return out;
}

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else {
      if (c == '\\') out += '\\';
      out += c;
    }
  }
  return out;
}

struct Case {
  std::string title;
  bool from_sip = false;
  std::vector<std::pair<std::string, std::string>> in;
  std::string expected;  // lines "key: value"
};

using Field = std::pair<std::string, std::string>;

class Lines {
 public:
  void add(const std::string& key, const std::string& value) {
    if (!value.empty()) out_ += key + ": " + escape(value) + "\n";
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string shown(const pb::Outcome& outcome) {
  Lines out;
  if (outcome.verdict() != pb::FAILED) {
    out.add("ends", outcome.verdict() == pb::DELIVERED ? "taken in" : "passed on");
  } else if (outcome.has_sip_status()) {
    out.add("ends", std::to_string(outcome.sip_status().code()));
  } else {
    out.add("ends", outcome.stanza_error().condition() + ", " + outcome.stanza_error().type());
  }
  out.add("because", outcome.text());
  return out.take();
}

std::string shown(const pb::Wants& wants) {
  std::string out;
  if (wants.delivered()) out += "received ";
  if (wants.displayed()) out += "displayed ";
  if (wants.failed()) out += "refused ";
  return wants.id().empty() ? out : out + "of " + wants.id();
}

std::string shown(const pb::XmppMessage& m) {
  Lines out;
  out.add("type", m.type());
  out.add("lang", m.lang());
  for (const auto& each : m.subjects()) out.add("subject", each.text());
  for (const auto& each : m.bodies()) out.add("body", each.text());
  out.add("thread", m.thread());
  out.add("answers", m.reply_to());
  out.add("delay", m.delay_stamp_s() == 0 ? "" : std::to_string(m.delay_stamp_s()));
  if (m.state() != pb::XmppMessage::NO_STATE)
    out.add("state", ascii_lower(pb::XmppMessage::State_Name(m.state())) + " for " +
                         std::to_string(m.state_holds_s()) + " s");
  for (const pb::XmppFile& file : m.files()) {
    out.add("file", file.url() + (file.name().empty() ? "" : " " + file.name()) +
                        (file.media_type().empty() ? "" : " " + file.media_type()) +
                        (file.size() == 0 ? "" : " " + std::to_string(file.size())));
  }
  const auto add_receipt = [&out](const pb::Receipt& receipt) {
    out.add("receipt", ascii_lower(pb::Receipt::Kind_Name(receipt.kind())) + " of " + receipt.id());
  };
  if (m.receipt().kind() != pb::Receipt::NONE) add_receipt(m.receipt());
  for (const pb::Receipt& receipt : m.more_receipts()) add_receipt(receipt);
  out.add("wants", shown(m.wants()));
  return out.take();
}

std::string shown(const pb::SipMessage& m) {
  Lines out;
  out.add("Subject", m.subject());
  out.add("Content-Language", m.language());
  out.add("Call-ID", m.call_id().empty() ? m.message_id() : m.call_id());
  out.add("Date", m.date_s() == 0 ? "" : std::to_string(m.date_s()));
  if (m.typing() != pb::SipMessage::NONE)
    out.add("typing", ascii_lower(pb::SipMessage::Typing_Name(m.typing())));
  for (const pb::Part& part : m.parts()) {
    const char* key = "body";
    for (const pb::Content& content : part.alternatives()) {
      out.add(key, content.content_type() + " | " + content.data());
      key = "or else";
    }
  }
  return out.take();
}

int64_t number(const std::string& text) { return std::stoll(text); }

std::string apply_sip(const std::vector<Field>& in, const Addresses& addresses,
                      const ContentSettings& settings) {
  pb::SipMessage message;
  message.set_request_uri("sip:juliet*example.com@gw.example");
  message.set_to_uri(message.request_uri());
  message.set_from_uri("sip:romeo@example.net");
  pb::Content content;
  for (const auto& [key, value] : in) {
    if (key == "Content-Type") content.set_content_type(value);
    if (key == "Content-Disposition") content.set_disposition(value);
    if (key == "Content-Encoding") content.set_encoding(value);
    if (key == "Content-Transfer-Encoding") content.set_transfer_encoding(value);
    if (key == "body") content.set_data(value);
    if (key == "Subject") message.set_subject(value);
    if (key == "Content-Language") message.set_language(value);
    if (key == "Call-ID") message.set_call_id(value);
    if (key == "Date") message.set_date_s(number(value));
    if (key == "To") message.set_to_uri(value);
  }
  *message.add_parts()->add_alternatives() = content;
  pb::XmppMessage out;
  const auto end = to_xmpp(message, out, addresses, settings, kNow);
  return end ? shown(*end) : shown(out);
}

std::string apply_xmpp(const std::vector<Field>& in, const Addresses& addresses,
                       const ContentSettings& settings) {
  pb::XmppMessage message;
  message.set_from("juliet@example.com/balcony");
  message.set_to("romeo*example.net@sip.example");
  message.set_type("chat");
  for (const auto& [key, value] : in) {
    const auto lang = key.find('@');  // body@de
    const std::string name = key.substr(0, lang);
    if (name == "body" || name == "subject") {
      pb::XmppText* text = name == "body" ? message.add_bodies() : message.add_subjects();
      text->set_text(value);
      if (lang != std::string::npos) text->set_lang(key.substr(lang + 1));
    }
    if (key == "type") message.set_type(value);
    if (key == "lang") message.set_lang(value);
    if (key == "thread") message.set_thread(value);
    if (key == "replaces") message.set_replaces(value);
    if (key == "delay") message.set_delay_stamp_s(number(value));
    if (key == "url") message.add_oobs()->set_url(value);
    if (key == "file-name") message.mutable_oobs(0)->set_name(value);
    if (key == "media-type") message.mutable_oobs(0)->set_media_type(value);
    if (key == "file-size") message.mutable_oobs(0)->set_size(static_cast<uint64_t>(number(value)));
    if (key == "state") {
      pb::XmppMessage::State state = pb::XmppMessage::NO_STATE;
      std::string upper;
      for (const char c : value) upper += static_cast<char>(std::toupper(c));
      EXPECT_TRUE(pb::XmppMessage::State_Parse(upper, &state)) << value;
      message.set_state(state);
    }
    if (key == "wants") {
      message.mutable_wants()->set_delivered(value.find("received") != std::string::npos);
      message.mutable_wants()->set_displayed(value.find("displayed") != std::string::npos);
      message.mutable_wants()->set_id("id.7");
    }
    if (key == "receipt") {
      std::string upper;
      for (const char c : value) upper += static_cast<char>(std::toupper(c));
      pb::Receipt::Kind kind = pb::Receipt::NONE;
      EXPECT_TRUE(pb::Receipt::Kind_Parse(upper, &kind)) << value;
      message.mutable_receipt()->set_kind(kind);
      message.mutable_receipt()->set_id("m1");
      message.mutable_receipt()->set_date_s(kNow - 100);
    }
  }
  pb::SipMessage out;
  const auto end = to_sip(message, out, addresses, settings, kNow);
  return end ? shown(*end) : shown(out);
}

std::string apply(const Case& one, const Addresses& addresses) {
  ContentSettings settings;
  for (const auto& [key, value] : one.in) {
    if (key == "message_type") settings.message_type = value;
    if (key == "long_messages") settings.split = value == "split";
    if (key == "thread_as_call_id") settings.thread_as_call_id = value == "true";
    if (key == "correction_prefix") settings.correction_prefix = value;
  }
  return one.from_sip ? apply_sip(one.in, addresses, settings) : apply_xmpp(one.in, addresses, settings);
}

std::vector<Case> read_cases(const char* path) {
  std::ifstream file(path);
  std::vector<Case> out;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("= ")) {
      out.push_back({line.substr(2), line.find("SIP:") == 2, {}, {}});
    } else if (line.starts_with("< ")) {
      const auto colon = line.find(": ");
      EXPECT_NE(colon, std::string::npos) << line;
      out.back().in.emplace_back(line.substr(2, colon - 2), unescape(line.substr(colon + 2)));
    } else if (line.starts_with("> ")) {
      out.back().expected += line.substr(2) + "\n";
    } else {
      EXPECT_TRUE(line.empty() || line[0] == '#') << "cannot be read: " << line;
    }
  }
  return out;
}

TEST(Messages, EveryCaseOfTheFile) {
  const Addresses addresses = *Addresses::make({"gw.example", "sip.example", '*', {}});
  const std::vector<Case> cases = read_cases(STOX_MESSAGES);
  EXPECT_GT(cases.size(), 60u);
  for (const Case& one : cases) EXPECT_EQ(apply(one, addresses), one.expected) << one.title;
}

}  // namespace
}  // namespace stox::mapping
