#include "mapper/mapping/page/status_body.h"

#include <algorithm>

#include "common/base/text.h"
#include "common/base/timestamp.h"
#include "common/xml/small_xml.h"

namespace stox::mapping {
namespace {

constexpr std::string_view kComposingNs = "urn:ietf:params:xml:ns:im-iscomposing";
constexpr std::string_view kImdnNs = "urn:ietf:params:xml:ns:imdn";
constexpr uint32_t kLongestRefreshS = 600;
constexpr std::string_view kDeclaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n";

// RFC 5438 11.1: notification and status. The first row of a kind is how it is written.
constexpr struct StatusRow {
  std::string_view notification, status;
  pb::Receipt::Kind kind;
} kStatuses[] = {
    {"delivery-notification", "delivered", pb::Receipt::DELIVERED},
    {"delivery-notification", "failed", pb::Receipt::FAILED},
    {"delivery-notification", "forbidden", pb::Receipt::FORBIDDEN},
    {"delivery-notification", "error", pb::Receipt::ERROR},
    {"display-notification", "displayed", pb::Receipt::DISPLAYED},
    // That nobody is told whether it was displayed says nothing about the message.
    {"display-notification", "forbidden", pb::Receipt::OTHER},
    {"display-notification", "error", pb::Receipt::OTHER},
    {"processing-notification", "processed", pb::Receipt::OTHER},
    {"processing-notification", "stored", pb::Receipt::OTHER},
    {"processing-notification", "forbidden", pb::Receipt::OTHER},
    {"processing-notification", "error", pb::Receipt::OTHER},
};

}  // namespace

Result<Composing> read_composing(std::string_view body) {
  const auto elements = read_small_xml(body, kComposingNs);
  if (!elements) return error(elements.error().text);
  if (!has(*elements, "/isComposing/state")) return error("no state");
  Composing out;
  out.active = text_at(*elements, "/isComposing/state") == "active";
  if (const auto refresh = parse_number(text_at(*elements, "/isComposing/refresh"), 1, 1'000'000'000))
    out.refresh_s = std::min(static_cast<uint32_t>(*refresh), kLongestRefreshS);
  return out;
}

std::string write_composing(bool active) {
  std::string out(kDeclaration);
  out.append("<isComposing xmlns=\"").append(kComposingNs).append("\"><state>");
  out.append(active ? "active" : "idle").append("</state><contenttype>text/plain</contenttype>");
  if (active) out.append("<refresh>").append(std::to_string(kComposingRefreshS)).append("</refresh>");
  return out + "</isComposing>\r\n";
}

Result<pb::Receipt> read_imdn(std::string_view body) {
  const auto elements = read_small_xml(body, kImdnNs);
  if (!elements) return error(elements.error().text);
  pb::Receipt out;
  out.set_id(std::string(text_at(*elements, "/imdn/message-id")));
  if (out.id().empty()) return error("no message-id");
  out.set_date_s(parse_timestamp(text_at(*elements, "/imdn/datetime")).value_or(0));
  for (const StatusRow& row : kStatuses) {
    const std::string path =
        std::string("/imdn/").append(row.notification).append("/status/").append(row.status);
    if (!has(*elements, path)) continue;
    out.set_kind(row.kind);
    return out;
  }
  // A status of a later standard.
  out.set_kind(pb::Receipt::OTHER);
  return out;
}

std::string write_imdn(const pb::Receipt& receipt, std::string_view recipient_uri) {
  const auto* row = std::find_if(std::begin(kStatuses), std::end(kStatuses),
                                 [&](const StatusRow& r) { return r.kind == receipt.kind(); });
  std::string out(kDeclaration);
  const auto leaf = [&out](std::string_view name, std::string_view text) {
    out.append("<")
        .append(name)
        .append(">")
        .append(xml_escape(text))
        .append("</")
        .append(name)
        .append(">\r\n");
  };
  out.append("<imdn xmlns=\"").append(kImdnNs).append("\">\r\n");
  leaf("message-id", receipt.id());
  leaf("datetime", format_timestamp(receipt.date_s()));
  leaf("recipient-uri", recipient_uri);
  out.append("<").append(row->notification).append("><status><").append(row->status).append("/></status></");
  return out.append(row->notification).append(">\r\n</imdn>\r\n");
}

}  // namespace stox::mapping
