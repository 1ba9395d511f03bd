// What SIP peers take besides text/plain: what they were seen to send, and what they answered with 415, 405
// or 489. Soft state of the front that serves the peer, bounded; where it is lost, the plain form goes out.
#pragma once

#include <array>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"

namespace stox {

enum class Format : uint8_t { kPlain, kCpim, kComposing };
constexpr std::size_t kFormats = 3;
Format format_of(std::string_view content_type);  // kPlain also for what is none of the others
const char* name_of(Format);                      // "cpim", "iscomposing", as in the configuration

class PeerFormats {
 public:
  static constexpr std::size_t kMaxPeers = 10'000;
  static constexpr Duration kRemembered = std::chrono::hours(4);  // since it was learnt

  enum class Takes : uint8_t { kUnknown, kYes, kNo };

  // The clock must outlive it. `assumed`: taken by peers of whom nothing is known, by name.
  explicit PeerFormats(const Clock& clock) : clock_(clock) {}
  void assume(const std::vector<std::string>& formats);

  // Peers are SIP URIs in any spelling. A refusal holds against what the peer sends itself.
  void taken(std::string_view peer, Format);  // it sent this itself, or accepted it
  void refused(std::string_view peer, Format);
  Takes takes(std::string_view peer, Format) const;

  struct Known {
    std::string peer;
    std::array<Takes, kFormats> takes;
    Duration left;  // until all of it is forgotten
  };
  std::vector<Known> list() const;            // newest first
  std::size_t forget(std::string_view peer);  // empty: all; how many there were
  std::size_t size() const { return by_peer_.size(); }

 private:
  struct Entry {
    std::string peer;
    std::array<Takes, kFormats> takes{};
    std::array<Time, kFormats> until{};
  };
  Takes known(const Entry&, std::size_t format) const;
  void learn(std::string_view peer, Format, Takes);

  const Clock& clock_;
  std::array<Takes, kFormats> assumed_{};
  std::list<Entry> entries_;  // newest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_peer_;
};

}  // namespace stox
