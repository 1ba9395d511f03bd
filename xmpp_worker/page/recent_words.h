// The first words of the last messages between XMPP users and SIP users, by conversation and stanza id, so
// that a reaction or a retraction can say what it is about. In memory only: it must never reach a disk, a log
// or a tap. A table of fixed size, in which a message takes the place of another one: what is not there (any
// more) is not quoted.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "common/base/clock.h"

namespace stox::worker {

class RecentWords {
 public:
  static constexpr Duration kRemembered = std::chrono::minutes(10);
  static constexpr std::size_t kCharacters = 40;

  explicit RecentWords(const Clock&);  // must outlive it

  void keep(bool);  // false: forgets all there is, and keeps nothing
  // JIDs, full or bare. An empty id is ignored.
  void note(std::string_view user, std::string_view sip_user, std::string_view id, std::string_view text);
  // Empty if they are not known. Good until the next note().
  std::string_view find(std::string_view user, std::string_view sip_user, std::string_view id) const;

 private:
  static constexpr std::size_t kPlaces = 16'384;
  struct Place {
    uint64_t key = 0;
    Time until{};
    uint8_t size = 0;
    std::array<char, 4 * kCharacters + 3> words{};  // and an ellipsis
  };
  uint64_t key_of(std::string_view user, std::string_view sip_user, std::string_view id) const;

  const Clock& clock_;
  const uint64_t seed_;
  bool keeps_ = true;
  std::vector<Place> places_;  // by key; made when first needed
};

}  // namespace stox::worker
