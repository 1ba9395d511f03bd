// The SIP parser on arbitrary bytes, as a datagram and as a stream cut anywhere, and what is written of what
// it read: answers and requests must be read back as what they are.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "sip_front/sip/dialog/dialog.h"
#include "sip_front/sip/message/framing.h"
#include "sip_front/sip/message/writer.h"
#include "sip_front/sip/policy/request_check.h"
#include "sip_front/sip/subscription/event_header.h"

namespace {

using namespace stox::sip;

void require(bool holds) {
  if (!holds) std::abort();
}

std::size_t vias(const Message& message) {
  std::size_t count = 0;
  message.each_value(HeaderName::kVia, [&](std::string_view) { return ++count > 0; });
  return count;
}

void answer(const Message& request, bool well_formed) {
  const Endpoint source = *Endpoint::parse("192.0.2.1", 5060);
  ResponseHead head;
  write_response_head(request, source, to_tag(request, {1, 2}), head);
  std::string out;
  write_response(out, head, 400, request.method_text);
  if (!well_formed) return;
  Message response;
  require(parse_datagram(out, response).has_value());
  require(!response.is_request && response.status == 400);
  require(response.via.branch == request.via.branch && response.via.host == request.via.host);
  require(response.cseq.number == request.cseq.number && response.call_id == request.call_id);
  require(response.from.tag == request.from.tag && !response.to.tag.empty());
  require(vias(response) == vias(request));
}

void relay(const Message& read) {
  Request request;
  const std::string display = unquote(read.from.display);
  request.request_uri = read.request_uri;
  request.from_uri = read.from.uri;
  request.from_display = display;
  request.from_tag = "t";
  request.to_uri = read.to.uri;
  request.call_id = read.call_id;
  request.sent_by = "192.0.2.1";
  request.branch = "z9hG4bKb";
  request.subject = read.value(HeaderName::kSubject);
  request.content_type = read.value(HeaderName::kContentType);
  request.body = read.body;
  std::string out;
  if (!write_request(out, request)) return;
  Message again;
  if (!parse_datagram(out, again)) return;  // some value is over its limit
  require(again.method == Method::kMessage && again.body == read.body &&
          again.request_uri == read.request_uri);
  require(again.from.uri == read.from.uri && again.to.uri == read.to.uri);
  require(!again.has(HeaderName::kRoute) && !again.has(HeaderName::kContact));
}

std::size_t routes(const Message& message) {
  std::size_t count = 0;
  message.each_value(HeaderName::kRoute, [&](std::string_view) { return ++count > 0; });
  return count;
}

// What a stranger's SUBSCRIBE says becomes the head of our NOTIFYs (RFC 3261 12.1.1).
void notify(const Message& read) {
  event_of(read);
  subscription_state_of(read);
  expires_of(read);
  min_expires_of(read);
  accepts(read, "application/pidf+xml");
  const auto dialog = dialog_of_request(read, "t");
  if (!dialog) return;
  require(dialog->route_set.size() <= kMaxRoutes && belongs(*dialog, read) == (read.to.tag == "t"));
  Request request;
  request.method = Method::kNotify;
  address_within(*dialog, request);
  request.sent_by = "192.0.2.1";
  request.branch = "z9hG4bKb";
  request.contact = "sip:192.0.2.1";
  request.lines = "Event: presence\r\nSubscription-State: active;expires=5\r\n";
  request.content_type = "application/pidf+xml";
  request.body = "<x/>";
  std::string out;
  if (!write_request(out, request)) return;
  Message again;
  if (!parse_datagram(out, again)) return;  // some value is over its limit
  require(again.method == Method::kNotify && again.body == "<x/>" && again.call_id == read.call_id);
  require(again.request_uri == dialog->remote_target && again.to.tag == read.from.tag);
  require(routes(again) == dialog->route_set.size());
  const auto event = event_of(again);
  const auto state = subscription_state_of(again);
  require(event && event->package == "presence" && state && state->expires_s == 5u);
}

// Kinds and sizes of what is cut off a stream that comes in two pieces.
std::vector<std::size_t> cuts(std::string_view stream, std::size_t split) {
  std::vector<std::size_t> out;
  Framing framing(4096);
  std::string buffer;
  for (const std::string_view piece : {stream.substr(0, split), stream.substr(split)}) {
    buffer += piece;
    while (true) {
      Message message;
      const Framing::Cut cut = framing.next(buffer, message);
      require(cut.consumed <= buffer.size());
      buffer.erase(0, cut.consumed);
      if (cut.kind == Framing::Kind::kMore) break;
      out.push_back(static_cast<std::size_t>(cut.kind));
      out.push_back(message.body.size());
      if (cut.kind == Framing::Kind::kBroken) return out;
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  static const Policy policy = [] {
    Policy p;
    p.domains = {"gw.test"};
    p.trusted.networks = *Networks::parse({"0.0.0.0/0"});
    return p;
  }();
  std::string datagram(input);
  Message message;
  const Parsed parsed = parse_datagram(datagram, message);
  if (parsed) {
    check_request(message, {}, policy, Methods().set());
    check_content(message);
    relay(message);
    notify(message);
  } else {
    check_fault(message, parsed.error(), {}, policy);
  }
  if (message.is_request && !message.via.host.empty()) answer(message, parsed.has_value());
  require(cuts(input, 0) == cuts(input, size / 2));
  return 0;
}
