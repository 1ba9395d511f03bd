#include "xmpp_worker/xmpp/s2s/s2s_stream.h"

#include <fmt/format.h>

#include "common/base/jid.h"
#include "common/base/text.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

constexpr Duration kRest =
    std::chrono::seconds(5);  // a message that comes later costs some microseconds more

}  // namespace

std::string prepared_domain(std::string_view written) {
  const auto jid = Jid::make({}, written);
  return jid ? jid->domain() : std::string();
}

bool is_domain(std::string_view written, std::string_view prepared) {
  return written == prepared || (!prepared.empty() && prepared_domain(written) == prepared);
}

void S2sStream::received(std::string_view bytes, Time now) {
  now_ = came_at_ = now;
  if (!ended_ && !in_tls_handshake_) xml_.feed(bytes);
}

bool S2sStream::rest_if_idle(Time now) {
  if (now - came_at_ < kRest || !xml_.rest()) return false;
  if (output_.empty()) std::string().swap(output_);
  return true;
}

void S2sStream::end_of_wakeup() {
  if (ended_ || goodbye_said_) return;
  XmlWriter xml(output_);
  management_.ask_if_needed(xml);
}

// What the peer sent behind its last element belongs to no stream and is dropped.
void S2sStream::wait_for_tls() {
  in_tls_handshake_ = true;
  xml_.stop();
}

void S2sStream::take_tls(PeerNames peer, std::string description, Time now) {
  now_ = now;
  peer_ = std::move(peer);
  tls_ = std::move(description);
  in_tls_handshake_ = false;
  bidi_ = false;  // what was said before TLS anybody may have said
  expect_restart();
}

void S2sStream::expect_restart() {
  header_sent_ = false;
  xml_.restart(limits_);
}

void S2sStream::begin_header(XmlWriter& xml) {
  output_ += "<?xml version='1.0'?>";
  xml.open("stream:stream", ns::kServer).attribute("xmlns:stream", ns::kStreams);
  xml.attribute("xmlns:db", ns::kDialback);
  header_sent_ = true;
}

void S2sStream::write_stanza(std::string_view stanza) {
  output_.append(stanza);
  management_.stanza_sent();
  ++stanzas_out_;
  last_traffic_ = now_;
}

void S2sStream::note_stanza() {
  management_.stanza_came();
  ++stanzas_in_;
  last_traffic_ = now_;
}

bool S2sStream::take_management(const Element& element) {
  XmlWriter xml(output_);
  switch (management_.take(element, xml)) {
    case StreamManagement::Took::kNothing:
      return false;
    case StreamManagement::Took::kElement:
      return true;
    case StreamManagement::Took::kAnswer:
      peer_answered();
      return true;
    case StreamManagement::Took::kTooHigh:
      fail("undefined-condition", "more stanzas acknowledged than were sent");
      return true;
  }
  return false;
}

void S2sStream::fail(std::string_view condition, const std::string& text) {
  const StreamError error{std::string(condition), text};
  fail(error, {fmt::format("we ended the stream of {}: {} ({})", peer_name(), condition, text),
               {"wait", "remote-server-timeout"}});
}

void S2sStream::fail(const StreamError& error, StreamEnd end) {
  if (ended_) return;
  if (!header_sent_ && !goodbye_said_) open_header();
  XmlWriter xml(output_);
  if (!goodbye_said_) write_stream_error(xml, error);
  finish(std::move(end));
}

void S2sStream::say_goodbye() {
  if (header_sent_ && !goodbye_said_) output_ += "</stream:stream>";
  goodbye_said_ = true;
}

void S2sStream::finish(StreamEnd end) {
  if (ended_) return;
  say_goodbye();
  ended_ = true;
  next_ = kNever;
  xml_.stop();
  ended(end);
}

void S2sStream::stream_opened(const Element& header) {
  if (!ended_) opened(header);
}

void S2sStream::stream_element(const Element& child) {
  if (ended_) return;
  if (!child.is("error", ns::kStreams)) return element(child);
  finish(end_by_peer(read_stream_error(child)));
}

StreamEnd S2sStream::end_by_peer(const StreamError& error) const {
  const std::string said = error.text.empty() ? "" : ", " + one_line(error.text, 200);
  return {fmt::format("{} ended the stream: {}{}", peer_name(), error.condition, said)};
}

void S2sStream::stream_oversized(const Element& child) {
  if (!ended_) oversized(child);
}

void S2sStream::stream_closed() {
  StreamEnd end{fmt::format("{} closed the stream", peer_name()), {"wait", "remote-server-timeout"}};
  end.complete = true;
  finish(std::move(end));
}

void S2sStream::stream_failed(const StreamError& error) {
  fail(error, {fmt::format("{} sent what is no XML stream: {}, {}", peer_name(), error.condition, error.text),
               {"wait", "remote-server-timeout"}});
}

XmlWriter& open_dialback(XmlWriter& xml, std::string_view name, std::string_view from, std::string_view to,
                         std::string_view id, std::string_view type) {
  // The prefix is declared by our header: some servers take no other.
  xml.open(name).attribute("from", from).attribute("to", to);
  return xml.attribute_unless_empty("id", id).attribute_unless_empty("type", type);
}

void write_verdict(XmlWriter& xml, std::string_view name, std::string_view from, std::string_view to,
                   std::string_view id, const DialbackVerdict& verdict) {
  using Kind = DialbackVerdict::Kind;
  const char* type = verdict.kind == Kind::kValid     ? "valid"
                     : verdict.kind == Kind::kInvalid ? "invalid"
                                                      : "error";
  open_dialback(xml, name, from, to, id, type);
  if (verdict.kind == Kind::kError) {
    xml.open("error").attribute("type", "cancel");
    xml.open(verdict.condition, ns::kStanzaErrors).close().close();
  }
  xml.close();
}

DialbackVerdict read_verdict(const Element& element) {
  using Kind = DialbackVerdict::Kind;
  const auto type = element.attribute("type");
  if (type == "valid") return {Kind::kValid};
  if (type == "invalid") return {Kind::kInvalid};
  for (Element error = element.first_child(); error; error = error.next()) {
    for (Element each = error.first_child(); each; each = each.next()) {
      if (each.name() != "text") return {Kind::kError, std::string(each.name())};
    }
  }
  return {Kind::kError, "undefined-condition"};
}

}  // namespace stox::xmpp
