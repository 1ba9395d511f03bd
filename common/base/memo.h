// Remembers what a function of a text gave, so that it need not be asked again for the texts that come often.
// Of bounded size: a text takes the place of another one, long ones are not kept.
#pragma once

#include <array>
#include <cstdint>
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
    if (shelves_.empty()) shelves_.resize(kPlaces / kEach);
    Shelf& shelf = shelves_[hash64(text) % shelves_.size()];
    for (const Place& place : shelf.places) {
      if (place.value && place.text == text) return *place.value;
    }
    Place& place = shelf.places[shelf.next++ % kEach];
    place.value.emplace(function(text));
    place.text = text;
    return *place.value;
  }

 private:
  // With several places for those that share a hash, a quarter as many texts as places stay with few
  // exceptions.
  static constexpr std::size_t kPlaces = 4096, kEach = 4, kLongest = 256;
  struct Place {
    std::string text;
    std::optional<Value> value;
  };
  struct Shelf {
    std::array<Place, kEach> places;
    uint32_t next = 0;  // the one that gives way
  };
  std::vector<Shelf> shelves_;
};

}  // namespace stox
