#include "common/bus/zmq/curve.h"

#include <zmq.h>

#include <array>

namespace stox::bus {
namespace {

using Key = std::array<char, 41>;  // with its end

}  // namespace

CurvePair make_curve_pair() {
  Key public_key{};
  Key secret_key{};
  zmq_curve_keypair(public_key.data(), secret_key.data());
  return {public_key.data(), secret_key.data()};
}

Result<std::string> public_key_of(const std::string& secret_key) {
  Key public_key{};
  if (zmq_curve_public(public_key.data(), secret_key.c_str()) != 0)
    return error("is no secret key of 40 characters");
  return std::string(public_key.data());
}

}  // namespace stox::bus
