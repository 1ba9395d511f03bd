#include "sip_front/presence/kept_watchers.h"

#include <algorithm>
#include <utility>

#include "proto/watcher.pb.h"

namespace stox {
namespace {

KeptWatchers::Kept read(const pb::KeptWatcher& record) {
  KeptWatchers::Kept kept{{}, record.watcher(), record.presentity()};
  kept.subscription.event_id = record.event_id();
  kept.subscription.active = record.active();
  sip::Dialog& dialog = kept.subscription.dialog;
  dialog.call_id = record.call_id();
  dialog.local_tag = record.local_tag();
  dialog.remote_tag = record.remote_tag();
  dialog.local_uri = record.local_uri();
  dialog.remote_uri = record.remote_uri();
  dialog.remote_target = record.remote_target();
  dialog.route_set.assign(record.routes().begin(), record.routes().end());
  dialog.local_cseq = record.local_cseq();
  dialog.remote_cseq = record.remote_cseq();
  return kept;
}

}  // namespace

Result<std::vector<KeptWatchers::Kept>> KeptWatchers::open() {
  auto records = journal_.open();
  if (!records) return tl::make_unexpected(records.error());
  std::vector<Kept> out;
  const Time now = clock_.now();
  for (const journal::Record& one : *records) {
    journal_.remove(one.row);
    pb::KeptWatcher record;
    if (!record.ParseFromString(one.bytes)) continue;
    const Duration left{record.expires_us() - clock_.wall_us()};
    if (left < -kRefreshComes) continue;
    out.push_back(read(record));
    // A clock that was set back makes none eternal.
    out.back().subscription.expires =
        now + std::clamp<Duration>(left, kRefreshComes, std::chrono::seconds(sip::Notifier::kMaxExpires));
  }
  return out;
}

void KeptWatchers::put(sip::Id id, const Kept& kept) {
  const sip::Dialog& dialog = kept.subscription.dialog;
  pb::KeptWatcher record;
  record.set_watcher(kept.watcher);
  record.set_presentity(kept.presentity);
  record.set_call_id(dialog.call_id);
  record.set_local_tag(dialog.local_tag);
  record.set_remote_tag(dialog.remote_tag);
  record.set_local_uri(dialog.local_uri);
  record.set_remote_uri(dialog.remote_uri);
  record.set_remote_target(dialog.remote_target);
  for (const std::string& route : dialog.route_set) record.add_routes(route);
  record.set_local_cseq(dialog.local_cseq);
  record.set_remote_cseq(dialog.remote_cseq);
  record.set_event_id(kept.subscription.event_id);
  record.set_active(kept.subscription.active);
  record.set_expires_us(clock_.wall_us() + (kept.subscription.expires - clock_.now()).count());
  remove(id);
  staged_[id.number()] = record.SerializeAsString();
}

void KeptWatchers::remove(sip::Id id) {
  staged_.erase(id.number());
  const auto row = rows_.find(id.number());
  if (row == rows_.end()) return;
  journal_.remove(row->second);
  rows_.erase(row);
}

Result<void> KeptWatchers::commit() {
  if (!journal_.is_open()) return {};
  for (const auto& [key, bytes] : staged_) rows_[key] = journal_.add(bytes);
  if (!journal_.has_staged()) return {};
  auto done = journal_.commit();
  if (done) {
    staged_.clear();
  } else {
    for (const auto& [key, bytes] : staged_) rows_.erase(key);
  }
  return done;
}

}  // namespace stox
