#include "mapper/mapping/routes.h"

#include "common/base/hash.h"
#include "common/base/jid.h"

namespace stox::mapping {
namespace {

const std::string kNone;

}  // namespace

Routes::Routes(const std::vector<pb::Member>& members) {
  for (const pb::Member& member : members) {
    Edge edge;
    edge.name = member.name();
    const auto state = member.serving().state();
    const bool is_last_resort = state == pb::STANDBY || member.serving().holds_nothing();
    edge.rank = state == pb::DRAINING ? 2 : is_last_resort ? 1 : 0;
    edge.server = member.serving().backend() == pb::SERVER;
    for (const std::string& domain : member.serving().domains())
      edge.claims.push_back(domain_pattern(domain));
    if (member.role() == pb::FRONT)
      fronts_.push_back(std::move(edge));
    else if (member.role() == pb::WORKER)
      workers_.push_back(std::move(edge));
  }
}

const std::string& Routes::worker(std::string_view domain, std::string_view conversation) const {
  const std::string ascii = ascii_domain(domain).value_or(std::string(domain));
  for (const int rank : {0, 1, 2}) {
    const Edge* edge = place(workers_, ascii, conversation, [&](const Edge& e) { return e.rank == rank; });
    if (edge != nullptr) return edge->name;
  }
  return kNone;
}

const std::string& Routes::front(std::string_view target_uri) const {
  // User parts may hold a semicolon; parameters begin behind the host.
  const auto at = target_uri.find('@');
  const auto params = target_uri.find(';', at == std::string_view::npos ? 0 : at);
  return front_of_pair(target_uri.substr(0, params));
}

const std::string& Routes::front_of_pair(std::string_view conversation) const {
  for (const int rank : {0, 1, 2}) {
    const Edge* edge = rendezvous_choice(
        fronts_, conversation, [&](const Edge& e) { return e.rank == rank; },
        [](const Edge& e) -> std::string_view { return e.name; });
    if (edge != nullptr) return edge->name;
  }
  return kNone;
}

}  // namespace stox::mapping
