#include "xmpp_worker/xmpp/stream/stream_management.h"

#include <limits>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {

void StreamManagement::start() { on_ = counts_sent_ = true; }

void StreamManagement::ask_if_needed(XmlWriter& xml) {
  if (on_ && !asked_ && sent_ != asked_at_) ask(xml);
}

void StreamManagement::ask(XmlWriter& xml) {
  xml.open("r", ns::kStreamManagement).close();
  asked_ = true;
  asked_at_ = sent_;
}

StreamManagement::Took StreamManagement::take(const Element& element, XmlWriter& xml) {
  if (!on_ || element.ns() != ns::kStreamManagement) return Took::kNothing;
  if (element.name() == "r") {
    xml.open("a", ns::kStreamManagement).attribute("h", std::to_string(came_)).close();
    return Took::kElement;
  }
  if (element.name() == "enable") {  // a second one
    xml.open("failed", ns::kStreamManagement).open("unexpected-request", ns::kStanzaErrors).close().close();
    return Took::kElement;
  }
  if (element.name() != "a") return Took::kElement;
  const auto handled = parse_number(element.attribute("h"), 0, std::numeric_limits<uint32_t>::max());
  if (!handled) return Took::kElement;
  const uint32_t newly = static_cast<uint32_t>(*handled) - acked_;
  if (newly > unacked()) return Took::kTooHigh;
  acked_ += newly;
  asked_ = false;
  return Took::kAnswer;
}

}  // namespace stox::xmpp
