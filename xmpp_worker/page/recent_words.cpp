#include "xmpp_worker/page/recent_words.h"

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/random_seed.h"
#include "common/base/text.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

constexpr std::string_view kEllipsis = "\u2026";

// A line that a reply quotes is not what it says.
std::string_view without_quotation(std::string_view text) {
  std::string_view rest = text;
  while (rest.starts_with(">")) {
    const auto end = rest.find('\n');
    if (end == std::string_view::npos) return text;
    rest.remove_prefix(end + 1);
  }
  return trim(rest).empty() ? text : rest;
}

std::size_t bytes_of(std::string_view text, std::size_t characters) {
  std::size_t at = 0;
  for (; characters > 0 && at < text.size(); --characters) {
    do {
      ++at;
    } while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80);
  }
  return at;
}

}  // namespace

RecentWords::RecentWords(const Clock& clock) : clock_(clock), seed_(random_seed()) {}

void RecentWords::keep(bool keeps) {
  keeps_ = keeps;
  if (!keeps) places_ = {};
}

uint64_t RecentWords::key_of(std::string_view user, std::string_view sip_user, std::string_view id) const {
  return hash64(id, hash64(xmpp::bare_of(user), hash64(xmpp::bare_of(sip_user), seed_)));
}

void RecentWords::note(std::string_view user, std::string_view sip_user, std::string_view id,
                       std::string_view text) {
  if (!keeps_ || id.empty()) return;
  if (places_.empty()) places_.resize(kPlaces);
  const uint64_t key = key_of(user, sip_user, id);
  Place& place = places_[key % kPlaces];
  place.key = key;
  place.until = clock_.now() + kRemembered;
  text = without_quotation(text);
  while (!text.empty() && static_cast<unsigned char>(text.front()) <= ' ') text.remove_prefix(1);
  const std::size_t size = std::min(bytes_of(text, kCharacters), 4 * kCharacters);
  std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), place.words.begin(),
                 [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f ? ' ' : c; });
  place.size = static_cast<uint8_t>(size);
  if (size == text.size()) return;
  std::copy(kEllipsis.begin(), kEllipsis.end(), place.words.begin() + static_cast<std::ptrdiff_t>(size));
  place.size = static_cast<uint8_t>(size + kEllipsis.size());
}

std::string_view RecentWords::find(std::string_view user, std::string_view sip_user,
                                   std::string_view id) const {
  if (places_.empty()) return {};
  const uint64_t key = key_of(user, sip_user, id);
  const Place& place = places_[key % kPlaces];
  if (place.key != key || place.until <= clock_.now()) return {};
  return {place.words.data(), place.size};
}

}  // namespace stox::worker
