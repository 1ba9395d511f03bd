// Sends what nobody waits for: Services.
#pragma once

#include <string_view>

namespace stox::worker {

class StanzaSender {
 public:
  virtual ~StanzaSender() = default;
  // A whole stanza, onto the path of the two addresses' domains, now or as soon as there is a stream. False:
  // it is dropped.
  virtual bool send(std::string_view from, std::string_view to, std::string_view xml) = 0;
};

}  // namespace stox::worker
