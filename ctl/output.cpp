#include "ctl/output.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "common/service/log.h"

namespace stox::ctl {
namespace {

// Everything but ASCII is escaped: `--json` is shown in terminals, too.
std::string text_of(const nlohmann::json& value, int indent) {
  return value.dump(indent, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

void print_text(std::string_view lines) { fmt::print("{}", service::printable_lines(lines)); }
void print_json(const nlohmann::json& value) { fmt::print("{}\n", text_of(value, 2)); }
void print_json_line(const nlohmann::json& value) {
  fmt::print("{}\n", text_of(value, -1));
  std::fflush(stdout);
}
void show_screen(std::string_view lines) {
  fmt::print("{}", isatty(STDOUT_FILENO) != 0 ? "\x1b[H\x1b[2J" : "");
  print_text(lines);
  std::fflush(stdout);
}
void complain(std::string_view line) { fmt::print(stderr, "{}\n", service::printable(line, 2000)); }

}  // namespace stox::ctl
