#include "common/bus/wire/parser_words.h"

#include <google/protobuf/stubs/logging.h>

#include <cstdio>
#include <utility>

#include "common/base/text.h"

namespace stox::bus {
namespace {

std::string last_words;  // NOLINT: libprotobuf has one handler per process, without an argument of ours

void keep(google::protobuf::LogLevel level, const char* /*file*/, int /*line*/, const std::string& words) {
  last_words = one_line(words, 200);
  if (level == google::protobuf::LOGLEVEL_FATAL) std::fprintf(stderr, "%s\n", last_words.c_str());
}

}  // namespace

void keep_parser_words() { google::protobuf::SetLogHandler(keep); }
std::string take_parser_words() { return std::exchange(last_words, {}); }

}  // namespace stox::bus
