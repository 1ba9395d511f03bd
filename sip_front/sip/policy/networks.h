// A list of networks: who may send.
#pragma once

#include <string>
#include <vector>

#include "common/base/result.h"
#include "sip_front/sip/message/flow.h"

namespace stox::sip {

class Networks {
 public:
  // "ADDRESS" or "ADDRESS/BITS", IPv4 or IPv6.
  static Result<Networks> parse(const std::vector<std::string>& texts);

  bool contain(const Endpoint&) const;

 private:
  struct Network {
    Endpoint address;
    std::size_t bits;
  };
  std::vector<Network> networks_;
};

}  // namespace stox::sip
