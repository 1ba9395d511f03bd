// `stoxctl messages`, `failed`, and what an id that somebody typed stands for. Pure.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/service/config.h"

namespace stox::ctl {

// Of the rows, each with a "trace" and perhaps an "id", those that an id means: the whole id, or the trace or
// its first digits.
nlohmann::json with_id(const nlohmann::json& rows, const std::string& id);
bool looks_like_id(const std::string& text);
// The traces found for the first digits of one; more than one: the id was too short. Hops found by another id
// are meant, however many they are.
std::vector<std::string> traces_meant(const nlohmann::json& found, const std::string& id);

// An address as each side of the gateway writes it: "juliet@xmpp.test", "juliet*xmpp.test".
std::vector<std::string> ways_to_write(const std::string& address, const service::Config&);

// The last of them, in the order in which they came in.
nlohmann::json latest(nlohmann::json messages, std::size_t max);
std::string messages_text(const nlohmann::json& messages);

// `failed`: what the gateway gave up; `refused`: what others, or a rule here, refused.
std::string failed_text(const nlohmann::json& failed, const nlohmann::json& refused);

}  // namespace stox::ctl
