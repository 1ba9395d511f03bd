// The ways from our domains to remote ones, each made when it is wanted first. Whoever invents domains must
// not shut out those that there are: a way that failed goes when nobody wants it, one that was made only to
// ask a question of dialback when that is answered otherwise than "valid", and under pressure the idlest
// goes. Of the last quarter of places all names below one domain together have a sixteenth of them all.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/base/shares.h"
#include "xmpp_worker/xmpp/s2s/s2s_admission.h"
#include "xmpp_worker/xmpp/s2s/s2s_route.h"
#include "xmpp_worker/xmpp/s2s/s2s_site.h"

namespace stox::xmpp {

class S2sRoutes {
 public:
  using Key = std::pair<std::string, std::string>;  // ours, theirs; prepared
  struct Limits {
    std::size_t all = 10'000;
    std::size_t asking = 1'000, asking_of_source = 100;  // made only to ask
  };

  // Site and user must outlive it.
  S2sRoutes(S2sSite&, S2sRouteUser&, Limits);

  // For somebody who writes. Null: no two domains that there may be a way between, or there is no room.
  S2sRoute* wanted(std::string_view own_domain, std::string_view domain);
  // For a question of a stream that came from there.
  S2sRoute* asking(std::string_view own_domain, std::string_view domain, const S2sAdmission::Place&);
  S2sRoute* find(const Key&);
  // At the end of a wakeup, not from inside a call of a route: those that are not needed any more.
  void clear_away();
  void answered(const Key&);  // with anything but "valid"; clear_away() must follow
  bool is_crowded() const {   // clear_away() should follow
    return routes_.size() * 4 > limits_.all * 3;
  }
  void tick();  // every few seconds

  // The last two labels: who owns a domain can invent any number of names below it.
  static std::string_view owner_of(std::string_view domain);

  std::size_t size() const { return routes_.size(); }
  std::size_t asking_only() const { return asking_count_; }
  void drop_all() { routes_.clear(); }  // nobody is told
  std::vector<S2sRoute*> all() const;
  std::vector<S2sRoute*> to(std::string_view domain) const;

 private:
  struct Entry {
    std::unique_ptr<S2sRoute> route;
    Shares::Claim claim;
    std::string asker;  // source for which it was made; empty: somebody writes to it
    Shares::Claim asking;
  };
  using Routes = std::map<Key, Entry, std::less<>>;

  Routes::iterator find_or_make(std::string_view own_domain, std::string_view domain);
  bool make_room_to_ask(const S2sAdmission::Place&, const Shares::Claim&);
  void no_longer_asking(Entry&);
  Routes::iterator remove(Routes::iterator);

  S2sSite& site_;
  S2sRouteUser& user_;
  const Limits limits_;
  Routes routes_;
  Shares shares_, asking_;
  std::size_t asking_count_ = 0;
  std::unordered_map<std::string, std::size_t> askers_;  // how many of each source
  std::vector<Key> answered_;
};

}  // namespace stox::xmpp
