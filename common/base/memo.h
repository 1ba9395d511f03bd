// Remembers what a function of a text gave, so that it need not be asked again for the texts that come often.
// Of bounded size: a text takes the place of another one, long ones are not kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/hash.h"

namespace stox {

template <class Value>
class Memo {
 public:
  // The function must give the same for the same text, always.
  template <class Function>
  Value get(std::string_view text, Function function) {
    if (text.size() > kLongest) return function(text);
    if (places_.empty()) places_.resize(kPlaces);
    Place& place = places_[hash64(text) % kPlaces];
    if (!place.value || place.text != text) {
      place.value.emplace(function(text));
      place.text = text;
    }
    return *place.value;
  }

 private:
  static constexpr std::size_t kPlaces = 4096, kLongest = 256;
  struct Place {
    std::string text;
    std::optional<Value> value;
  };
  std::vector<Place> places_;
};

}  // namespace stox
