// Reads the items of a frame (a serialised Batch) one after the other into objects that are used again.
// protobuf frees what lies in a oneof at each Clear(), so there is an Item for each kind of which there are
// many.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <string_view>

#include "proto/control.pb.h"

namespace stox::bus {

// Clears it, and keeps the objects of its id and body for what is filled in next unless they have become
// large: thousands of envelopes wait to be used again.
void clear_for_reuse(pb::Envelope&);

class ItemReader {
 public:
  ItemReader();
  // Calls each() with every item, which lives during the call and may be changed. False: the frame is broken;
  // what stood before the break was handed out.
  bool read(std::string_view frame, const std::function<void(pb::Item&)>& each);
  // Of the last broken frame, for people; empty: nothing more is known.
  const std::string& why_broken() const { return why_broken_; }

 private:
  bool read_all(std::string_view frame, const std::function<void(pb::Item&)>& each);
  pb::Item* read_item(std::string_view bytes);

  std::string why_broken_;
  pb::Item envelope_, outcome_, other_;  // one for each kind of which there are many
};

}  // namespace stox::bus
