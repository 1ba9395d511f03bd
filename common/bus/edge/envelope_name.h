// An envelope's id as people, logs and traces have it: ORIGIN.EPOCH.NUMBER.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

namespace stox::bus {

inline void write_envelope_name(std::string_view origin, uint64_t epoch, uint64_t number, std::string& out) {
  out.assign(origin);
  for (const uint64_t part : {epoch, number}) {
    char digits[21] = ".";
    out.append(digits, std::to_chars(digits + 1, digits + sizeof digits, part).ptr);
  }
}

inline std::string envelope_name(std::string_view origin, uint64_t epoch, uint64_t number) {
  std::string out;
  write_envelope_name(origin, epoch, number, out);
  return out;
}

}  // namespace stox::bus
