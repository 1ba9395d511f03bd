// What outlives the process, and what the other workers of the domains know.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/rooms/rooms.h"

namespace stox::worker {
namespace {

using nlohmann::json;
using pb::Membership;

constexpr int64_t kKeptForUs = int64_t{7} * 24 * 3600 * 1'000'000;  // one that has been left
constexpr Duration kAnothers = std::chrono::seconds(60);            // the one that told of it looks after it
constexpr int kMaxOfNews = 200;                                     // memberships, in one piece

const char* word_for(Membership::State state) {
  return state == Membership::IN ? "in" : state == Membership::JOINING ? "joining" : "out";
}

}  // namespace

Result<void> Rooms::open() {
  auto left = kept_.open();
  if (!left) return tl::make_unexpected(left.error());
  for (const std::string& each : *left) {
    Membership kept;
    if (!kept.ParseFromString(each) || kept.changed_us() < clock_.wall_us() - kKeptForUs) {
      if (kept.state() == Membership::LEFT) continue;
    }
    if (kept.user().empty() || kept.room().empty()) continue;
    // Who was coming in will be asked for again; of the others it is not known.
    if (kept.state() == Membership::JOINING)
      kept.set_state(kept.since_s() == 0 ? Membership::LEFT : Membership::OUT);
    merge(kept);  // there may be newer ones, if the disk could not be read at once
    Entry& e = entries_[key_of(kept.user(), kept.room())];
    e.wanted_nick = e.kept.nick();
    e.look_at = now();
    kept_.put(hash64(key_of(kept.user(), kept.room())), e.kept.SerializeAsString());
  }
  is_open_ = true;
  publish();
  return {};
}

void Rooms::changed(Entry& e) {
  e.kept.set_changed_us(std::max<int64_t>(clock_.wall_us(), e.kept.changed_us() + 1));
  touched(e);
}

void Rooms::touched(Entry& e) {
  if (!std::exchange(e.is_dirty, true)) dirty_.push_back(key_of(e.kept.user(), e.kept.room()));
  user_.publish_soon();
}

void Rooms::publish() {
  if (std::exchange(tells_all_again_, false)) {
    told_.clear();
    siblings_changed();
  }
  std::vector<const Entry*> changed;
  dirty_.insert(dirty_.end(), later_.begin(), later_.end());
  later_.clear();
  for (const std::string& key : std::exchange(dirty_, {})) {
    const auto found = entries_.find(key);
    if (found == entries_.end()) continue;
    Entry& e = found->second;
    e.is_dirty = false;
    kept_.put(hash64(key), e.kept.SerializeAsString());
    changed.push_back(&e);
  }
  const auto written = kept_.commit();
  if (!written && !has_trouble_) log_.warn("rooms: {}; tried again with each change", written.error().text);
  has_trouble_ = !written;
  const bool has_news = news_.refusals_size() + news_.domains_size() > 0;
  for (const auto& [name, told] : told_) {
    if (has_news) user_.tell_sibling(name, told.epoch, told.stream, news_);  // why, before that he is out
    tell(name, told, changed);
  }
  if (has_news) news_.Clear();
}

void Rooms::tell(const std::string& worker, const Told& told, const std::vector<const Entry*>& entries) {
  pb::RoomNews news;
  for (const Entry* each : entries) {
    *news.add_memberships() = each->kept;
    if (news.memberships_size() < kMaxOfNews) continue;
    user_.tell_sibling(worker, told.epoch, told.stream, news);
    news.Clear();
  }
  if (news.memberships_size() > 0) user_.tell_sibling(worker, told.epoch, told.stream, news);
}

void Rooms::tell_all_again() {
  tells_all_again_ = true;
  user_.publish_soon();
}

void Rooms::siblings_changed() {
  std::map<std::string, Told> told;
  for (const auto& [name, epoch] : user_.siblings()) {
    const auto known = told_.find(name);
    if (known != told_.end() && known->second.epoch == epoch) {
      told.insert(*known);
      continue;
    }
    const Told anew{epoch, ++last_stream_};
    std::vector<const Entry*> all;
    for (const auto& [key, each] : entries_) all.push_back(&each);
    tell(name, anew, all);
    told.emplace(name, anew);
  }
  told_ = std::move(told);
}

void Rooms::news(const pb::RoomNews& news) {
  for (const Membership& each : news.memberships()) {
    if (!merge(each)) continue;
    Entry& e = entries_[key_of(each.user(), each.room())];
    kept_.put(hash64(key_of(each.user(), each.room())), e.kept.SerializeAsString());
    if (e.kept.state() == Membership::IN) carry_held(e);
    if (e.kept.state() == Membership::LEFT) {
      end_held(e, refusal({"cancel", "not-acceptable", "You are not in this room any more"}, false));
      forget_occupants(each.room());
    }
    if (e.kept.state() == Membership::JOINING) take_early(e);
  }
  for (const pb::RoomNews::Refusal& each : news.refusals()) {
    const auto found = entries_.find(key_of(each.user(), each.room()));
    if (found != entries_.end()) refused_as_told(found->second, to_stanza_error(each.error()));
  }
  for (const pb::RoomNews::Domain& each : news.domains()) {
    if (asked_.contains(each.name())) domain_answered(each.name(), each.has_rooms(), kDomainKnown);
  }
  user_.publish_soon();
}

// Each of two workers may have seen messages that the other has not.
bool Rooms::merge(const Membership& other) {
  Entry& e = entries_[key_of(other.user(), other.room())];
  const Membership before = e.kept;
  const bool is_newer = other.changed_us() > before.changed_us();
  if (is_newer) e.kept = other;
  if (other.changed_us() == before.changed_us()) e.kept.set_subject(other.subject());
  const Membership& older = is_newer ? before : other;
  for (const uint64_t mark : older.seen()) {
    if (!is_seen(e, mark)) e.kept.mutable_seen()->Add(mark);
  }
  auto& seen = *e.kept.mutable_seen();
  if (seen.size() > 128) seen.erase(seen.begin(), seen.begin() + (seen.size() - 128));
  e.kept.set_last_stamp_s(std::max(e.kept.last_stamp_s(), older.last_stamp_s()));
  if (before.user().empty()) {
    e.bucket = Bucket(kBurst, kRate, now());
    e.may_lack = true;
    lacks(e);
  }
  if (is_newer && before.state() != other.state()) {
    e.wanted_nick = e.kept.nick();
    e.newcomer_until = now() + kNewcomer;
    e.look_at = e.join_until = now() + kAnothers;
    if (e.kept.state() == Membership::IN) e.entered_at = now();
    if (e.kept.state() == Membership::OUT && user_.acts_for(e.kept.user(), e.kept.room()))
      e.look_at = now() + next_try(e);
  }
  return is_newer || older.seen_size() > 0;
}

template <class Function>
void Rooms::each_of(const std::vector<std::string>& users, Function function) const {
  const std::set<std::string> wanted(users.begin(), users.end());
  for (const auto& [key, each] : entries_) {
    if (each.kept.state() == Membership::LEFT) continue;
    if (wanted.empty() || wanted.contains(each.kept.user())) function(each);
  }
}

json Rooms::list(const std::vector<std::string>& users) const {
  json rows = json::array();
  each_of(users, [&](const Entry& e) {
    rows.push_back({{"user", e.kept.user()},
                    {"room", e.kept.room()},
                    {"nick", e.kept.nick()},
                    {"state", word_for(e.kept.state())},
                    {"since_s", e.kept.since_s()},
                    {"last_s", e.kept.last_stamp_s()},
                    {"failures", e.kept.failures()},
                    {"acts", user_.acts_for(e.kept.user(), e.kept.room())}});
  });
  return rows;
}

std::size_t Rooms::leave(const std::vector<std::string>& users, const std::string& room) {
  std::vector<std::string> keys;
  each_of(users, [&](const Entry& e) {
    if (e.kept.room() == room) keys.push_back(key_of(e.kept.user(), e.kept.room()));
  });
  for (const std::string& key : keys) leave(entries_.at(key), "Removed by the gateway's operator");
  return keys.size();
}

std::size_t Rooms::size() const {
  return static_cast<std::size_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& each) {
    return each.second.kept.state() != Membership::LEFT;
  }));
}

}  // namespace stox::worker
