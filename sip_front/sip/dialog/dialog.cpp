#include "sip_front/sip/dialog/dialog.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/sip_uri.h"
#include "sip_front/sip/message/header_value.h"

namespace stox::sip {
namespace {

// Of the first Contact; empty if there is none that can be read.
std::string contact_of(const Message& message) {
  std::string_view list = message.value(HeaderName::kContact);
  const auto contact = parse_name_addr(next_in_list(list));
  if (!contact) return {};
  const auto uri = parse_sip_uri(contact->uri);
  return uri && (uri->is_sip() || uri->is_sips()) ? std::string(contact->uri) : std::string();
}

// Record-Route in the order of the message.
Result<std::vector<std::string>> record_routes(const Message& message) {
  std::vector<std::string> routes;
  bool good = true;
  message.each_value(HeaderName::kRecordRoute, [&](std::string_view value) {
    good = routes.size() < kMaxRoutes && parse_name_addr(value);
    if (good) routes.emplace_back(value);
    return good;
  });
  if (!good) return error("Record-Route cannot be read, or has more than 16 values");
  return routes;
}

// What the peer's message says of its end: tag, Contact, routes (as they are in it).
Result<Dialog> with_peer(Dialog dialog, std::string_view remote_tag, const Message& message) {
  auto routes = record_routes(message);
  if (!routes) return tl::make_unexpected(routes.error());
  dialog.remote_target = contact_of(message);
  if (dialog.remote_target.empty()) return error("there is no Contact with a SIP URI");
  dialog.remote_tag = remote_tag;
  dialog.route_set = std::move(*routes);
  return dialog;
}

}  // namespace

std::string next_hop_uri(const Dialog& dialog) {
  const auto route =
      dialog.route_set.empty() ? std::nullopt : parse_name_addr(std::string_view(dialog.route_set.front()));
  return route ? std::string(route->uri) : dialog.remote_target;
}

void address_within(const Dialog& dialog, Request& request) {
  request.request_uri = dialog.remote_target;
  request.from_uri = dialog.local_uri;
  request.from_tag = dialog.local_tag;
  request.to_uri = dialog.remote_uri;
  request.to_tag = dialog.remote_tag;
  request.call_id = dialog.call_id;
  request.route_set = dialog.route_set;
}

Result<Dialog> dialog_of_request(const Message& request, std::string_view local_tag) {
  Dialog dialog;
  dialog.call_id = request.call_id;
  dialog.local_tag = local_tag;
  dialog.local_uri = request.to.uri;
  dialog.remote_uri = request.from.uri;
  dialog.remote_cseq = request.cseq.number;
  return with_peer(std::move(dialog), request.from.tag, request);
}

Result<Dialog> dialog_of_response(const Dialog& asked, const Message& response) {
  auto dialog = with_peer(asked, response.to.tag, response);
  if (dialog) std::reverse(dialog->route_set.begin(), dialog->route_set.end());
  return dialog;
}

Result<Dialog> dialog_of_notify(const Dialog& asked, const Message& notify) {
  auto dialog = with_peer(asked, notify.from.tag, notify);
  if (dialog) dialog->remote_cseq = notify.cseq.number;
  return dialog;
}

bool belongs(const Dialog& dialog, const Message& message) {
  const NameAddr& local = message.is_request ? message.to : message.from;
  const NameAddr& remote = message.is_request ? message.from : message.to;
  return message.call_id == dialog.call_id && local.tag == dialog.local_tag &&
         remote.tag == dialog.remote_tag;
}

bool take_request(Dialog& dialog, const Message& request) {
  if (dialog.remote_cseq != 0 && request.cseq.number <= dialog.remote_cseq) return false;
  dialog.remote_cseq = request.cseq.number;
  if (std::string target = contact_of(request); !target.empty()) dialog.remote_target = std::move(target);
  return true;
}

void take_response(Dialog& dialog, const Message& response) {
  if (std::string target = contact_of(response); !target.empty()) dialog.remote_target = std::move(target);
}

bool ends_dialog(uint16_t status) {
  constexpr uint16_t kStatuses[] = {404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604};
  return std::find(std::begin(kStatuses), std::end(kStatuses), status) != std::end(kStatuses);
}

std::string record_route_lines(const Message& request) {
  std::string lines;
  request.each_value(HeaderName::kRecordRoute, [&](std::string_view value) {
    lines.append("Record-Route: ").append(value).append("\r\n");
    return true;
  });
  return lines;
}

}  // namespace stox::sip
