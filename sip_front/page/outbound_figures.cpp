// What the way from XMPP to SIP shows of itself.
#include <algorithm>

#include "sip_front/page/outbound.h"

namespace stox {

std::vector<Outbound::Listed> Outbound::list() const {
  std::vector<Listed> out;
  for (uint32_t slot = 0; slot < deliveries_.capacity(); ++slot) {
    const Delivery& d = deliveries_[slot];
    if (d.stage == Stage::kFree) continue;
    const char* const stage = d.stage == Stage::kQueued      ? "waiting for the message before it"
                              : d.stage == Stage::kResolving ? "resolving"
                                                             : "waiting for a response";
    out.push_back({text_of(d.id), d.trace_id, d.message.from_uri(), d.message.request_uri(), stage,
                   d.attempts, d.came});
  }
  return out;
}

void Outbound::add_metrics(std::vector<service::Metric>& out) const {
  using Kind = service::Metric::Kind;
  const auto add = [&](Kind kind, const char* name, const char* help, auto value) {
    out.push_back({kind, name, help, static_cast<double>(value), {}});
  };
  add(Kind::kCounter, "stox_sip_queue_full_total",
      "Messages refused because too many waited for their target", overloaded_);
  add(Kind::kCounter, "stox_sip_plainer_form_total",
      "Requests sent again in a plainer form, after a refusal of the form", plainer_);
  add(Kind::kCounter, "stox_sip_typing_dropped_total",
      "Typing states not sent: nobody wants them, or a message was under way", typing_dropped_);
  add(Kind::kGauge, "stox_sip_peer_formats", "SIP peers of whom it is known what they take", formats_.size());
  add(Kind::kCounter, "stox_sip_expired_total", "Messages that waited too long to be begun", expired_);
  add(Kind::kCounter, "stox_sip_redirected_total", "Requests that went where a 302 said", redirected_);
  add(Kind::kGauge, "stox_sip_deliveries", "Messages being sent or waiting to be sent", deliveries_.size());
}

}  // namespace stox
