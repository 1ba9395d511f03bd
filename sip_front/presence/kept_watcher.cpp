#include "sip_front/presence/kept_watcher.h"

#include <algorithm>

#include "proto/watcher.pb.h"

namespace stox {

std::string write_kept(const KeptWatcher& kept, const Clock& clock) {
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
  record.set_expires_us(clock.wall_us() + (kept.subscription.expires - clock.now()).count());
  return record.SerializeAsString();
}

std::optional<KeptWatcher> read_kept(std::string_view bytes, const Clock& clock) {
  pb::KeptWatcher record;
  if (!record.ParseFromString(std::string(bytes))) return std::nullopt;
  const Duration left{record.expires_us() - clock.wall_us()};
  if (left < -kRefreshComes) return std::nullopt;
  KeptWatcher kept{{}, record.watcher(), record.presentity()};
  kept.subscription.event_id = record.event_id();
  kept.subscription.active = record.active();
  // A clock that was set back makes none eternal.
  kept.subscription.expires =
      clock.now() +
      std::clamp<Duration>(left, kRefreshComes, std::chrono::seconds(sip::Notifier::kMaxExpires));
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

}  // namespace stox
