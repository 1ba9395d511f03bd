#include "sip_front/peer_formats.h"

#include <algorithm>

#include "common/base/addressing.h"
#include "common/base/text.h"

namespace stox {
namespace {

constexpr std::array<const char*, kFormats> kNames = {"plain", "cpim", "iscomposing"};

std::size_t index_of(Format format) { return static_cast<std::size_t>(format); }

}  // namespace

Format format_of(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (ascii_iequal(type, "message/cpim")) return Format::kCpim;
  if (ascii_iequal(type, "application/im-iscomposing+xml")) return Format::kComposing;
  return Format::kPlain;
}

const char* name_of(Format format) { return kNames.at(index_of(format)); }

void PeerFormats::assume(const std::vector<std::string>& formats) {
  assumed_ = {};
  for (std::size_t i = 0; i < kFormats; ++i) {
    for (const std::string& format : formats) {
      if (format == kNames[i]) assumed_[i] = Takes::kYes;
    }
  }
}

void PeerFormats::taken(std::string_view peer, Format format) {
  if (format != Format::kPlain && takes(peer, format) != Takes::kNo) learn(peer, format, Takes::kYes);
}

void PeerFormats::refused(std::string_view peer, Format format) {
  if (format != Format::kPlain) learn(peer, format, Takes::kNo);
}

void PeerFormats::learn(std::string_view peer, Format format, Takes takes) {
  std::string key = address_key(peer);
  auto known = by_peer_.find(key);
  if (known == by_peer_.end()) {
    if (entries_.size() >= kMaxPeers) {
      by_peer_.erase(entries_.back().peer);
      entries_.pop_back();
    }
    entries_.push_front({key, {}, {}});
    known = by_peer_.emplace(std::move(key), entries_.begin()).first;
  }
  known->second->takes[index_of(format)] = takes;
  known->second->until[index_of(format)] = clock_.now() + kRemembered;
  entries_.splice(entries_.begin(), entries_, known->second);
}

PeerFormats::Takes PeerFormats::known(const Entry& entry, std::size_t format) const {
  return clock_.now() < entry.until[format] ? entry.takes[format] : Takes::kUnknown;
}

PeerFormats::Takes PeerFormats::takes(std::string_view peer, Format format) const {
  if (format == Format::kPlain) return Takes::kYes;
  const auto found = by_peer_.find(address_key(peer));
  const Takes takes = found == by_peer_.end() ? Takes::kUnknown : known(*found->second, index_of(format));
  return takes == Takes::kUnknown ? assumed_[index_of(format)] : takes;
}

std::vector<PeerFormats::Known> PeerFormats::list() const {
  std::vector<Known> out;
  for (const Entry& entry : entries_) {
    Known one{entry.peer, {}, Duration{0}};
    for (std::size_t i = 0; i < kFormats; ++i) {
      one.takes[i] = known(entry, i);
      one.left = std::max(one.left, entry.until[i] - clock_.now());
    }
    if (one.left > Duration{0}) out.push_back(std::move(one));
  }
  return out;
}

std::size_t PeerFormats::forget(std::string_view peer) {
  const std::size_t before = by_peer_.size();
  if (peer.empty()) {
    by_peer_.clear();
    entries_.clear();
  } else if (const auto known = by_peer_.find(address_key(peer)); known != by_peer_.end()) {
    entries_.erase(known->second);
    by_peer_.erase(known);
  }
  return before - by_peer_.size();
}

}  // namespace stox
