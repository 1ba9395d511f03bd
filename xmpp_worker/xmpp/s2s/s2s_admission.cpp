#include "xmpp_worker/xmpp/s2s/s2s_admission.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <utility>

namespace stox::xmpp {
namespace {

// The network around a source: /24 of IPv4, /48 of IPv6.
std::string network_around(const std::string& source) {
  std::array<unsigned char, 16> bytes{};
  const std::string address = source.substr(0, source.find('/'));
  if (inet_pton(AF_INET6, address.c_str(), bytes.data()) != 1) return source.substr(0, source.rfind('.'));
  return {reinterpret_cast<const char*>(bytes.data()), 6};
}

}  // namespace

S2sAdmission::S2sAdmission(Limits limits)
    : limits_(limits), connections_(limits.connections), unproved_(limits.unproved) {}

S2sAdmission::Place S2sAdmission::place_of(std::string_view ip) const {
  Place out;
  out.source = source_network(ip);
  out.network = network_around(out.source);
  out.connection = connections_.claim({out.network, out.source});
  out.unproved = unproved_.claim({out.network, out.source});
  return out;
}

S2sAdmission::Source& S2sAdmission::source(const std::string& name, Time now) {
  const Bucket full(limits_.burst, limits_.per_second, now);
  return sources_.try_emplace(name, Source{full, full}).first->second;
}

bool S2sAdmission::comes_in_time(const Place& place, Time now) {
  return source(place.source, now).comes.take(now);
}

bool S2sAdmission::asks_in_time(const Place& place, Time now) {
  return source(place.source, now).asks.take(now);
}

S2sAdmission::Verdict S2sAdmission::judge(const Place& place, Time now) {
  using Among = Verdict::Among;
  const Source& from = source(place.source, now);
  if (from.unproved >= limits_.unproved_of_source) return {Among::kSource};
  if (from.all >= limits_.of_source) return {Among::kSource, false};
  // Who holds much makes room for himself.
  const auto among = [](const Shares& shares, const Shares::Claim& claim) {
    return shares.held_by_first(claim) * 16 >= shares.bound() ? Among::kNetwork : Among::kAll;
  };
  if (!unproved_.allows(place.unproved, unproved_count_)) return {among(unproved_, place.unproved)};
  if (!connections_.allows(place.connection, count_)) return {among(connections_, place.connection), false};
  return {};
}

void S2sAdmission::take(const Place& place) {
  Source& from = sources_.at(place.source);
  ++from.all;
  ++from.unproved;
  ++count_;
  ++unproved_count_;
  connections_.take(place.connection);
  unproved_.take(place.unproved);
}

void S2sAdmission::prove(Place& place) {
  if (!std::exchange(place.is_unproved, false)) return;
  --sources_.at(place.source).unproved;
  --unproved_count_;
  unproved_.release(place.unproved);
}

void S2sAdmission::release(const Place& place) {
  Source& from = sources_.at(place.source);
  if (place.is_unproved) {
    --from.unproved;
    --unproved_count_;
    unproved_.release(place.unproved);
  }
  --from.all;
  --count_;
  connections_.release(place.connection);
  from.bytes -= place.bytes;
  bytes_ -= place.bytes;
}

bool S2sAdmission::hold(Place& place, std::size_t bytes, Time now) {
  if (bytes == place.bytes && bytes <= limits_.small_bytes) return true;
  Source& from = source(place.source, now);
  from.bytes += bytes - place.bytes;
  bytes_ += bytes - place.bytes;
  place.bytes = bytes;
  if (bytes <= limits_.small_bytes || bytes_ * 4 <= limits_.bytes * 3) return true;
  return bytes_ <= limits_.bytes && from.bytes * 16 <= limits_.bytes;
}

void S2sAdmission::forget_sources(Time now) {
  for (auto each = sources_.begin(); each != sources_.end();) {
    Source& source = each->second;
    const bool is_new = source.comes.is_full(now) && source.asks.is_full(now);
    each = is_new && source.all == 0 && source.bytes == 0 ? sources_.erase(each) : std::next(each);
  }
}

}  // namespace stox::xmpp
