// What a worker does for rooms (rooms/): which of several acts for a membership, and the ways out of it.
#include "common/base/addressing.h"
#include "common/base/jid.h"
#include "common/base/placement.h"
#include "xmpp_worker/services/contact_address.h"
#include "xmpp_worker/worker.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

constexpr uint64_t kNewsStreams = uint64_t{1} << 63;  // and those behind it are none of XMPP

}  // namespace

void Worker::open_rooms() {
  if (rooms_.is_open()) return;
  if (const auto opened = rooms_.open(); !opened)
    context_.log.warn("who is in which room is not kept: {}; tried again", opened.error().text);
}

bool Worker::take_room_message(const xmpp::Stanza& message, uint64_t stream) {
  if (!comes_to_us(message)) return false;
  const Rooms::Taken taken = rooms_.take_message(message, stream);
  if (taken == Rooms::Taken::kForPhone) to_sip_.room_message(message);
  if (taken != Rooms::Taken::kNo) arrange();
  return taken != Rooms::Taken::kNo;
}

bool Worker::take_room_presence(const xmpp::Stanza& presence, uint64_t) {
  if (!comes_to_us(presence) || !rooms_.take_presence(presence)) return false;
  arrange();
  return true;
}

Result<std::string> Worker::jid_of(std::string_view typed) const {
  return contact_address(typed, context_.config.gateway, serves_);
}

// By the rule that mappers give messages to the room by, of those who are the same domains.
bool Worker::acts_for(std::string_view user, std::string_view room) const {
  if (streams_->status().state != service::State::kReady || is_draining()) return false;
  std::vector<PlacedWorker> able = others_.ready();
  PlacedWorker& own = able.emplace_back();
  own.name = edge().name();
  own.server = streams_->backend() == pb::SERVER;
  for (const std::string& claim : claims_) own.claims.push_back(domain_pattern(claim));
  const std::string_view domain = xmpp::domain_of(room);
  const auto anybody = [](const PlacedWorker&) { return true; };
  const std::string key = conversation_key(user, room);
  const PlacedWorker* one = place(able, ascii_domain(domain).value_or(std::string(domain)), key, anybody);
  if (one == nullptr) {  // all claim other domains; somebody must leave the room
    one = rendezvous_choice(able, key, anybody,
                            [](const PlacedWorker& each) -> std::string_view { return each.name; });
  }
  return one != nullptr && one->name == edge().name();
}

void Worker::tell_sibling(const std::string& worker, uint64_t epoch, uint64_t stream,
                          const pb::RoomNews& news) {
  pb::HandOver hand_over;
  hand_over.set_stream(kNewsStreams + stream);
  *hand_over.mutable_room_news() = news;
  if (!edge().hand_overs().put(worker, epoch, std::move(hand_over))) rooms_.tell_all_again();
}

void Worker::shown(std::string_view room, std::string_view user, Shown what, unsigned messages) {
  const auto from = Jid::parse(room), to = Jid::parse(user);
  if (from && to) rooms_.shown(to->bare(), from->bare(), what, messages);
}

}  // namespace stox::worker
