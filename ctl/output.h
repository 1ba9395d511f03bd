// What stoxctl says, to people and to scripts. All of it passes through here: texts may hold what strangers
// wrote, and none of it may reach a terminal as a command.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

namespace stox::ctl {

void print_text(std::string_view lines);      // to standard output
void print_json(const nlohmann::json&);       // the same, over several lines, in ASCII
void print_json_line(const nlohmann::json&);  // one line for each value of a stream
void show_screen(std::string_view lines);  // in place of what a terminal shows; else below what came before
void complain(std::string_view line);      // to standard error

}  // namespace stox::ctl
