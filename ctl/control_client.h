// Asks processes over their control sockets, all at once. Plain blocking code around one poll: stoxctl has no
// loop.
#pragma once

#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
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

// Asks each of the places again and again: `next` is given the index of the place and its answer, and returns
// the next question, or nothing when this place is done. Without an answer the place is asked again a second
// later. `turn` is called at least ten times a second; ends when it returns false.
void keep_asking(const std::vector<Place>& places, const nlohmann::json& first,
                 const std::function<std::optional<nlohmann::json>(std::size_t, const Answer&)>& next,
                 const std::function<bool()>& turn);

}  // namespace stox::ctl
