#include "xmpp_worker/page/receipts.h"

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using xmpp::StanzaId;

constexpr char kBetween = '/';  // no number holds it

std::string flags_of(char what, const pb::Wants& wants) {
  std::string flags(1, what);
  if (wants.delivered()) flags += StanzaId::kReceived;
  if (wants.displayed()) flags += StanzaId::kDisplayed;
  if (wants.failed()) flags += StanzaId::kRefused;
  return flags;
}

}  // namespace

IdContent id_content(const pb::XmppMessage& message) {
  const pb::Wants& wants = message.wants();
  if (wants.delivered() || wants.displayed() || wants.failed()) {
    IdContent out{flags_of(StanzaId::kMessage, wants) + StanzaId::kImdn,
                  std::to_string(wants.date_s()) + kBetween + wants.id()};
    if (xmpp::StanzaIds::fits(out.payload)) return out;
  }
  if (message.call_id().empty()) return {std::string(1, StanzaId::kMessage), {}};
  return {{StanzaId::kMessage, StanzaId::kCallId}, message.call_id()};
}

std::optional<pb::Receipt> sip_message_of(const StanzaId& id) {
  const auto between = id.payload.find(kBetween);
  if (!id.has(StanzaId::kImdn) || id.has(StanzaId::kHashed) || between == std::string::npos)
    return std::nullopt;
  pb::Receipt out;
  out.set_id(id.payload.substr(between + 1));
  out.set_date_s(static_cast<int64_t>(
      parse_number(std::string_view(id.payload).substr(0, between), 0, INT64_MAX).value_or(0)));
  return out;
}

std::string message_id(xmpp::StanzaIds& ids, std::string_view stanza_id, const pb::XmppMessage& message,
                       bool chat) {
  const std::string_view from = message.from();
  std::string flags = flags_of(StanzaId::kAsked, message.wants());
  if (chat) flags += StanzaId::kChat;
  const auto resource = xmpp::has_resource(from) ? from.substr(from.find('/') + 1) : std::string_view();
  std::string payload =
      std::to_string(stanza_id.size()).append(1, kBetween).append(stanza_id).append(resource);
  if (!xmpp::StanzaIds::fits(payload)) payload.resize(payload.size() - resource.size());
  std::string out;
  if (xmpp::StanzaIds::fits(payload)) ids.append(out, 0, flags, payload, from, message.to());
  return out;
}

std::optional<Asked> asked_by(xmpp::StanzaIds& ids, std::string_view message_id, std::string_view from,
                              std::string_view to) {
  const auto id = ids.read(message_id, to, from);
  if (!id || !id->has(StanzaId::kAsked) || id->has(StanzaId::kHashed)) return std::nullopt;
  const std::string_view payload = id->payload;
  const auto between = payload.find(kBetween);
  if (between == std::string_view::npos) return std::nullopt;
  const auto size = parse_number(payload.substr(0, between), 0, payload.size() - between - 1);
  if (!size) return std::nullopt;
  Asked out;
  out.id = payload.substr(between + 1, *size);
  const std::string_view resource = payload.substr(between + 1 + *size);
  out.from = xmpp::bare_of(to);
  if (!resource.empty()) out.from.append("/").append(resource);
  out.chat = id->has(StanzaId::kChat);
  out.received = id->has(StanzaId::kReceived);
  out.displayed = id->has(StanzaId::kDisplayed);
  return out;
}

}  // namespace stox::worker
