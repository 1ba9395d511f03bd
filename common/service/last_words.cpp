#include "common/service/last_words.h"

#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "common/service/kept_text.h"

namespace stox::service {
namespace {

std::string path_of(const RuntimeConfig& runtime, const std::string& full_name) {
  return runtime.directory + "/" + full_name + ".failed";
}

}  // namespace

void keep_last_words(const RuntimeConfig& runtime, const std::string& full_name, const LastWords& words) {
  const nlohmann::json all = {{"at_us", words.at_us}, {"text", words.text}};
  keep_text(path_of(runtime, full_name),
            all.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
}

void forget_last_words(const RuntimeConfig& runtime, const std::string& full_name) {
  unlink(path_of(runtime, full_name).c_str());
}

std::optional<LastWords> read_last_words(const RuntimeConfig& runtime, const std::string& full_name) {
  std::ostringstream text;
  text << std::ifstream(path_of(runtime, full_name)).rdbuf();
  const auto all = nlohmann::json::parse(text.str(), nullptr, false);
  if (!all.is_object() || !all.contains("text") || !all["text"].is_string()) return std::nullopt;
  return LastWords{all["text"].get<std::string>(), all.value("at_us", int64_t{0})};
}

}  // namespace stox::service
