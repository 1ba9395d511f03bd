// Asks processes over their control sockets, all at once. Plain blocking code around one poll: stoxctl has no
// loop.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace stox::ctl {

constexpr std::chrono::milliseconds kAnswerTime = std::chrono::seconds(2);

struct Answer {
  nlohmann::json value;     // an object, if `unreachable` is empty
  std::string unreachable;  // why there is no answer, and what to do

  bool reached() const { return unreachable.empty(); }
  // Answered, but with a failure: its text. Empty if all is well.
  std::string error() const;
};

// Where a process is asked: at its own control socket, or through that of another, which asks it over the
// bus.
struct Place {
  Place(std::string socket_path) : path(std::move(socket_path)) {}  // NOLINT: a path is a place
  Place(std::string socket_path, std::string other)
      : path(std::move(socket_path)), process(std::move(other)) {}

  std::string path;
  std::string process;  // empty: the socket's own
};

// One answer for each place, in their order, at the latest after `time`.
std::vector<Answer> ask_all(const std::vector<Place>& places, const nlohmann::json& request,
                            std::chrono::milliseconds time = kAnswerTime);

}  // namespace stox::ctl
