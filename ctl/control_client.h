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

// One answer for each path, in their order, at the latest after `time`.
std::vector<Answer> ask_all(const std::vector<std::string>& paths, const nlohmann::json& request,
                            std::chrono::milliseconds time = kAnswerTime);

// Asks each of the paths again and again: `next` is given the index of the path and its answer, and returns
// the next question, or nothing when this path is done. Without an answer the path is asked again a second
// later. `turn` is called at least ten times a second; ends when it returns false.
void keep_asking(const std::vector<std::string>& paths, const nlohmann::json& first,
                 const std::function<std::optional<nlohmann::json>(std::size_t, const Answer&)>& next,
                 const std::function<bool()>& turn);

}  // namespace stox::ctl
