#include "xmpp_worker/xmpp/stanza/stanza.h"

#include <algorithm>
#include <array>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

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
constexpr std::array<std::string_view, 5> kStates = {"active", "composing", "gone", "inactive", "paused"};
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

}  // namespace

bool is_stanza_condition(std::string_view name) { return is_one_of(kConditions, name); }

void MessageContent::clear() {
  bodies.clear();
  subjects.clear();
  thread = {};
  delay_s = 0;
  oobs.clear();
  nick = reply_to = reply_to_sender = origin_id = replaces = state = received = displayed = {};
  wants_receipt = wants_marker = of_occupant = false;
  file.reset();
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

bool is_web_address(std::string_view url) {
  const std::string scheme = ascii_lower(url.substr(0, url.find(':')));
  return (scheme == "https" || scheme == "http") && url.size() <= 2048 &&
         std::none_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= ' '; });
}

std::string_view web_address_in(const Element& sources) {
  for (Element each = sources.first_child(); each; each = each.next()) {
    if (each.is("url-data", ns::kUrlData) && is_web_address(each.attribute("target")))
      return each.attribute("target");
  }
  return {};
}

namespace {

constexpr std::size_t kMaxFiles = 16;  // of one stanza, that are told of

// XEP-0447: what it tells of a file, and the file itself, unless the body has its address among other words.
void read_file_sharing(const Element& sharing, MessageContent& out) {
  const std::string_view url = web_address_in(sharing.child("sources", ns::kFileSharing));
  if (url.empty()) return;
  const Element file = sharing.child("file", ns::kFileMetadata);
  const auto told = [&](const char* what) { return trim(file.child(what, ns::kFileMetadata).text()); };
  auto oob = std::find_if(out.oobs.begin(), out.oobs.end(), [&](const Oob& each) { return each.url == url; });
  if (oob == out.oobs.end()) {
    const bool is_said = std::any_of(out.bodies.begin(), out.bodies.end(), [&](const LangText& body) {
      return body.text.find(url) != std::string_view::npos && trim(body.text) != url;
    });
    if (is_said) return;
    oob = out.oobs.insert(out.oobs.end(), {url, told("desc")});
  }
  oob->name = told("name");
  // COMPAT(Dino 0.5): media_type
  oob->media_type = told("media-type").empty() ? told("media_type") : told("media-type");
  oob->size = parse_number(told("size"), 0, INT64_MAX).value_or(0);
}

}  // namespace

void read_content(const Element& message, MessageContent& out) {
  out.clear();
  for (Element each = message.first_child(); each; each = each.next()) {
    if (is_content_namespace(each.ns())) {
      if (each.name() == "body") out.bodies.push_back({each.attribute("lang", ns::kXml), each.text()});
      if (each.name() == "subject") out.subjects.push_back({each.attribute("lang", ns::kXml), each.text()});
      if (each.name() == "thread" && out.thread.empty()) out.thread = each.text();
    } else if (each.is("delay", ns::kDelay) && out.delay_s == 0) {
      out.delay_s = parse_timestamp(each.attribute("stamp")).value_or(0);
    } else if (each.is("x", ns::kOob)) {
      const std::string_view url = each.child("url", ns::kOob).text();
      if (!url.empty()) out.oobs.push_back({url, each.child("desc", ns::kOob).text()});
    } else if (each.is("x", ns::kMucUser)) {
      out.of_occupant = !each.first_child();  // an invitation has one
    } else if (each.is("replace", ns::kCorrect)) {
      out.replaces = each.attribute("id");
    } else if (each.is("origin-id", ns::kStanzaIds)) {
      out.origin_id = each.attribute("id");
    } else if (each.is("nick", ns::kNick)) {
      out.nick = trim(each.text());
    } else if (each.ns() == ns::kChatStates) {
      if (is_one_of(kStates, each.name())) out.state = each.name();
    } else if (each.ns() == ns::kReceipts) {
      if (each.name() == "request") out.wants_receipt = true;
      if (each.name() == "received") out.received = each.attribute("id");
    } else if (each.ns() == ns::kMarkers) {
      if (each.name() == "markable") out.wants_marker = true;
      if (each.name() == "received")
        out.received = each.attribute("id");  // of XEP-0333 before 0.5, as is this:
      if (each.name() == "displayed" || each.name() == "acknowledged") out.displayed = each.attribute("id");
    }
  }
  std::size_t files = 0;  // each is looked for in all that is said
  for (Element each = message.first_child(); each && files < kMaxFiles; each = each.next()) {
    if (!each.is("file-sharing", ns::kFileSharing)) continue;
    read_file_sharing(each, out);
    ++files;
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

namespace {

void write_file(XmlWriter& xml, const File& file) {
  xml.open("x", ns::kOob).leaf("url", file.url).close();
  xml.open("file-sharing", ns::kFileSharing);
  const auto is_kind = [&](std::string_view kind) { return file.media_type.starts_with(kind); };
  if (is_kind("image/") || is_kind("audio/") || is_kind("video/")) xml.attribute("disposition", "inline");
  xml.open("file", ns::kFileMetadata);
  if (!file.media_type.empty()) xml.leaf("media-type", file.media_type);
  if (!file.name.empty()) xml.leaf("name", file.name);
  if (file.size != 0) xml.leaf("size", std::to_string(file.size));
  xml.close().open("sources").open("url-data", ns::kUrlData).attribute("target", file.url).close();
  xml.close().close();
  xml.open("fallback", ns::kFallback).attribute("for", ns::kFileSharing).open("body").close().close();
  xml.open("store", ns::kHints).close();
}

}  // namespace

void write_message(XmlWriter& xml, const Stanza& stanza, const MessageContent& content) {
  xml.open("message").attribute("from", stanza.from).attribute("to", stanza.to).attribute("id", stanza.id);
  xml.attribute_unless_empty("type", stanza.type).attribute_unless_empty("xml:lang", stanza.lang);
  write_texts(xml, "subject", content.subjects);
  write_texts(xml, "body", content.bodies);
  if (!content.thread.empty()) xml.leaf("thread", content.thread);
  if (!content.reply_to.empty())
    xml.open("reply", ns::kReply)
        .attribute("to", content.reply_to_sender)
        .attribute("id", content.reply_to)
        .close();
  if (!content.nick.empty()) xml.open("nick", ns::kNick).text(content.nick).close();
  if (content.delay_s != 0) {
    xml.open("delay", ns::kDelay).attribute("stamp", format_timestamp(content.delay_s)).close();
  }
  if (!content.state.empty()) {
    xml.open(content.state, ns::kChatStates).close();
    if (content.bodies.empty()) {
      for (const char* hint : {"no-copy", "no-store"}) xml.open(hint, ns::kHints).close();
    }
  }
  if (content.file) write_file(xml, *content.file);
  if (content.wants_receipt) xml.open("request", ns::kReceipts).close();
  if (content.wants_marker) xml.open("markable", ns::kMarkers).close();
  if (!content.received.empty())
    xml.open("received", ns::kReceipts).attribute("id", content.received).close();
  if (!content.displayed.empty())
    xml.open("displayed", ns::kMarkers).attribute("id", content.displayed).close();
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

}  // namespace stox::xmpp
