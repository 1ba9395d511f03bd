#include "ctl/web/answers.h"

#include <algorithm>
#include <charconv>
#include <future>

#include "common/base/clock.h"
#include "ctl/text_table.h"

namespace stox::ctl::web {
namespace {

using nlohmann::json;

std::string at(const Query& query, const char* key) {
  const auto found = query.find(key);
  return found == query.end() ? std::string() : found->second;
}

Found find_site(const service::Config& config, bool may_act) {
  // At once: one that hangs is waited for in each.
  auto queues = std::async(std::launch::async, [&] { return find_queues(config); });
  auto streams = std::async(std::launch::async, [&] { return find_streams(config); });
  Found out;
  out.value = {{"status", find_status(config).value},
               {"queues", queues.get().value},
               {"streams", streams.get().value["streams"]},
               {"gateway",
                {{"gateway_domain", config.gateway.gateway_domain},
                 {"xmpp_domain", config.gateway.xmpp_domain},
                 {"outbound_proxy", config.gateway.outbound_proxy},
                 {"may_act", may_act},
                 {"time_us", SystemClock().wall_us()}}}};
  return out;  // who does not answer is in the status, with the reason
}

MessageOptions wanted_messages(const Query& query) {
  MessageOptions out;
  out.user = at(query, "user");
  out.domain = at(query, "domain");
  out.failed = at(query, "failed") == "1";
  const std::string last = at(query, "last");
  std::from_chars(last.data(), last.data() + last.size(), out.last);
  out.last = std::min(out.last, 200U);
  return out;
}

}  // namespace

std::optional<Found> look(const service::Config& config, bool may_act, const std::string& what,
                          const Query& query) {
  if (what == "site") return find_site(config, may_act);
  if (what == "history") return find_history(config, "");
  if (what == "failed") return find_failed(config, "");
  if (what == "inflight") return find_inflight(config, "");
  if (what == "messages") return find_messages(config, wanted_messages(query));
  if (what == "trace") return find_trace(config, at(query, "id"));
  return std::nullopt;
}

std::optional<Found> act(const service::Config& config, const std::string& what, const json& asked) {
  if (what == "reload") return reload(config);
  if (what == "purge") return purge_failed(config);
  const bool by_name = what == "drain" || what == "resume" || what == "reconnect";
  if (!by_name && what != "retry") return std::nullopt;
  const std::string name = text_at(asked, by_name ? "name" : "id");
  if (name.empty())
    return Found{json::object(), kUsage, {by_name ? "\"name\" is missing" : "\"id\" is missing"}};
  if (what == "reconnect") return close_streams(config, what, name);
  if (what == "retry") return retry(config, name, asked.value("again", json()) == true);
  return accept_new(config, name, what == "resume");
}

}  // namespace stox::ctl::web
