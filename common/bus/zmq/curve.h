// Keys of the encrypted bus (ZeroMQ's CURVE): 40 characters of Z85 each.
#pragma once

#include <string>

#include "common/base/result.h"

namespace stox::bus {

struct CurvePair {
  std::string public_key, secret_key;
};

CurvePair make_curve_pair();
// An Error if it is no secret key.
Result<std::string> public_key_of(const std::string& secret_key);

}  // namespace stox::bus
