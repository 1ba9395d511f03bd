// Why a process could not start, kept in the run directory: `stoxctl status` says it of a process that does
// not run. A start that succeeds removes it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/service/config.h"

namespace stox::service {

struct LastWords {
  std::string text;
  int64_t at_us = 0;  // wall clock
};

// Does nothing where the run directory cannot be written; then the log alone has it.
void keep_last_words(const RuntimeConfig&, const std::string& full_name, const LastWords&);
void forget_last_words(const RuntimeConfig&, const std::string& full_name);
std::optional<LastWords> read_last_words(const RuntimeConfig&, const std::string& full_name);

}  // namespace stox::service
