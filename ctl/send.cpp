#include "ctl/send.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/jid.h"
#include "common/base/sip_uri.h"
#include "common/service/log.h"
#include "ctl/text_table.h"

namespace stox::ctl {
namespace {

bool is_sip(const std::string& text) {
  const auto uri = parse_sip_uri(text);
  return uri && (uri->is_sip() || uri->is_sips());
}

// Why `text` is no address of the kind; empty if it is.
std::string fault(const std::string& text, bool sip) {
  if (sip) return is_sip(text) ? "" : fmt::format("\"{}\" is not a SIP URI", service::printable(text, 100));
  const auto jid = Jid::parse(text);
  if (!jid)
    return fmt::format("\"{}\" is not a JID: {}", service::printable(text, 100), describe(jid.error()));
  return "";
}

bool serves(const service::Config& config, const Known& worker, const std::string& to) {
  const auto jid = Jid::parse(to);
  for (const auto& section : config.xmpp_workers) {
    if (section.name != worker.section || !jid) continue;
    return std::any_of(section.serves.begin(), section.serves.end(), [&](const std::string& domain) {
      return ascii_domain(domain) == ascii_domain(jid->domain());
    });
  }
  return false;
}

}  // namespace

Result<service::Role> edge_role(const std::string& from, const std::string& to) {
  const auto begins_like_sip = [](const std::string& text) {
    return text.starts_with("sip:") || text.starts_with("sips:");
  };
  const bool sip = begins_like_sip(from) || begins_like_sip(to);
  for (const std::string& address : {from, to}) {
    if (const std::string wrong = fault(address, sip); !wrong.empty()) {
      return error(fmt::format(
          "{}; give both addresses as SIP users write them (sip:...), or both as XMPP users do", wrong));
    }
  }
  return sip ? service::Role::kSipFront : service::Role::kXmppWorker;
}

const Known* choose_edge(const std::vector<Known>& known, const std::vector<Answer>& statuses,
                         const service::Config& config, const std::string& to) {
  const Known* best = nullptr;
  int best_score = -1;
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (!statuses[i].error().empty()) continue;
    const int score =
        (text_at(statuses[i].value, "state") == "ready" ? 2 : 0) + (serves(config, known[i], to) ? 1 : 0);
    if (score > best_score) {
      best = &known[i];
      best_score = score;
    }
  }
  return best;
}

}  // namespace stox::ctl
