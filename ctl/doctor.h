// `stoxctl doctor`: everything that keeps a site from working, each with what to do.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "ctl/commands.h"

namespace stox::ctl {

// rows: [{"name","kind":"ok"|"warning"|"failure","what","remedy"}]
std::string doctor_text(const nlohmann::json& rows);
// What a program's `--check --online --json` printed, a row a line; what is none becomes a failure.
nlohmann::json rows_of(const std::string& printed, const std::string& name);
// Trouble that several have alike, as with their one configuration, is one row with all their names.
void add_row(const nlohmann::json& row, nlohmann::json* rows);

// `user`: whose rights count, where we are root; empty, or one that does not exist: our own.
// `to`: a JID that gets a message through the SIP proxy; empty: nobody does.
ExitCode doctor(const Options&, const std::string& user, const std::string& to);

}  // namespace stox::ctl
