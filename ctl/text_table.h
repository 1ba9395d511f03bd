// What stoxctl shows people: aligned columns, times and sizes one can read.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace stox::ctl {

class TextTable {
 public:
  explicit TextTable(std::vector<std::string> heading) { add(std::move(heading)); }
  // Control characters are shown escaped; an empty cell as "-".
  void add(std::vector<std::string> cells);
  std::string str() const;  // columns as wide as their widest cell, two spaces between

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "4.2 ms", "37.0 s", "3m 12s", "5h 2m", "12d 4h".
std::string show_duration(int64_t us);
// "2026-11-22T21:52:30.123456Z", as in the log.
std::string show_time(int64_t unix_us);
// A number, text or bool of an answer; "" if it is not there or null.
std::string show(const nlohmann::json& object, const char* key);
// The first digits of a trace id: enough for people, and for every command that takes one.
std::string short_id(const std::string& trace);
int64_t number_at(const nlohmann::json& object, const char* key);
std::string text_at(const nlohmann::json& object, const char* key);

}  // namespace stox::ctl
