#include "xmpp_worker/xmpp/s2s/s2s_routes.h"

#include <algorithm>
#include <tuple>

#include "xmpp_worker/xmpp/s2s/s2s_stream.h"

namespace stox::xmpp {
std::string_view S2sRoutes::owner_of(std::string_view domain) {
  const auto last = domain.rfind('.');
  if (last == std::string_view::npos || last == 0) return domain;
  const auto before = domain.rfind('.', last - 1);
  return before == std::string_view::npos ? domain : domain.substr(before + 1);
}

S2sRoutes::S2sRoutes(S2sSite& site, S2sRouteUser& user, Limits limits)
    : site_(site), user_(user), limits_(limits), shares_(limits.all), asking_(limits.asking) {}

S2sRoute* S2sRoutes::find(const Key& key) {
  const auto found = routes_.find(key);
  return found == routes_.end() ? nullptr : found->second.route.get();
}

S2sRoutes::Routes::iterator S2sRoutes::find_or_make(std::string_view own_domain, std::string_view domain) {
  if (!site_.serves(own_domain) || domain.empty() || site_.serves(domain)) return routes_.end();
  auto found = routes_.find(Key(own_domain, domain));
  if (found != routes_.end()) return found;
  // As another server may have written it: in how many ways that is must not be how many routes there are.
  const std::string prepared = prepared_domain(domain);
  const Key key(own_domain, prepared.empty() ? domain : prepared);
  if (site_.serves(key.second)) return routes_.end();
  found = routes_.find(key);
  if (found != routes_.end()) return found;
  const Shares::Claim claim = shares_.claim({owner_of(key.second)});
  if (!shares_.allows(claim, routes_.size())) return routes_.end();
  shares_.take(claim);
  found = routes_.emplace(key, Entry{}).first;
  found->second.route = std::make_unique<S2sRoute>(site_, user_, key.first, key.second);
  found->second.claim = claim;
  return found;
}

S2sRoute* S2sRoutes::wanted(std::string_view own_domain, std::string_view domain) {
  const auto found = find_or_make(own_domain, domain);
  if (found == routes_.end()) return nullptr;
  no_longer_asking(found->second);
  return found->second.route.get();
}

S2sRoute* S2sRoutes::asking(std::string_view own_domain, std::string_view domain,
                            const S2sAdmission::Place& place) {
  const auto found = routes_.find(Key(own_domain, domain));
  if (found != routes_.end()) return found->second.route.get();
  const Shares::Claim claim = asking_.claim({place.network, place.source});
  if (!make_room_to_ask(place, claim)) return nullptr;
  const std::size_t before = routes_.size();
  const auto made = find_or_make(own_domain, domain);
  if (made == routes_.end()) return nullptr;
  if (routes_.size() == before) return made->second.route.get();
  made->second.asker = place.source;
  made->second.asking = claim;
  asking_.take(claim);
  ++asking_count_;
  ++askers_[place.source];
  return made->second.route.get();
}

bool S2sRoutes::make_room_to_ask(const S2sAdmission::Place& place, const Shares::Claim& claim) {
  const auto asker = askers_.find(place.source);
  const bool is_own = asker != askers_.end() && asker->second >= limits_.asking_of_source;
  if (!is_own && asking_.allows(claim, asking_count_)) return true;
  auto idlest = routes_.end();
  for (auto each = routes_.begin(); each != routes_.end(); ++each) {
    const Entry& entry = each->second;
    if (entry.asker.empty() || entry.route->is_asked() || (is_own && entry.asker != place.source)) continue;
    if (idlest == routes_.end() || entry.route->used() < idlest->second.route->used()) idlest = each;
  }
  if (idlest == routes_.end()) return false;
  remove(idlest);
  return asking_.allows(claim, asking_count_);
}

void S2sRoutes::no_longer_asking(Entry& entry) {
  if (entry.asker.empty()) return;
  const auto asker = askers_.find(std::exchange(entry.asker, {}));
  if (--asker->second == 0) askers_.erase(asker);
  asking_.release(entry.asking);
  --asking_count_;
}

S2sRoutes::Routes::iterator S2sRoutes::remove(Routes::iterator route) {
  no_longer_asking(route->second);
  shares_.release(route->second.claim);
  route->second.route->close("nobody needs it");
  site_.user.path_gone(*route->second.route);
  return routes_.erase(route);
}

void S2sRoutes::answered(const Key& key) { answered_.push_back(key); }

void S2sRoutes::clear_away() {
  for (const Key& key : std::exchange(answered_, {})) {
    const auto found = routes_.find(key);
    if (found != routes_.end() && !found->second.asker.empty() && !found->second.route->is_asked())
      remove(found);
  }
  if (!is_crowded()) return;
  using Candidate = std::tuple<S2sRoute::Need, Time, Routes::iterator>;
  std::vector<Candidate> candidates;
  const Time now = site_.loop.now();
  for (auto each = routes_.begin(); each != routes_.end(); ++each) {
    const auto need = each->second.route->need(now);
    if (need != S2sRoute::Need::kSome) candidates.emplace_back(need, each->second.route->used(), each);
  }
  // A few more than must be, for not to look again with the next one.
  const std::size_t wanted = routes_.size() - limits_.all * 3 / 4 + limits_.all / 32;
  const auto less = [](const Candidate& a, const Candidate& b) {
    return std::tie(std::get<0>(a), std::get<1>(a)) < std::tie(std::get<0>(b), std::get<1>(b));
  };
  const std::size_t count = std::min(wanted, candidates.size());
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(count),
                    candidates.end(), less);
  for (std::size_t i = 0; i < count; ++i) remove(std::get<2>(candidates[i]));
}

void S2sRoutes::tick() {
  for (auto each = routes_.begin(); each != routes_.end();)
    each = each->second.route->look_idle() ? remove(each) : std::next(each);
}

std::vector<S2sRoute*> S2sRoutes::all() const {
  std::vector<S2sRoute*> out;
  for (const auto& [key, entry] : routes_) out.push_back(entry.route.get());
  return out;
}

std::vector<S2sRoute*> S2sRoutes::to(std::string_view domain) const {
  std::vector<S2sRoute*> out;
  for (const auto& [key, entry] : routes_) {
    if (key.second == domain) out.push_back(entry.route.get());
  }
  return out;
}

}  // namespace stox::xmpp
