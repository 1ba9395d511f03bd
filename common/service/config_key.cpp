#include "common/service/config_key.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

namespace stox::service {

void Problems::at(const toml::source_region& where, const std::string& text) {
  found_.push_back({where.begin.line, where.begin.column,
                    fmt::format("{}:{}:{}: {}", file_, where.begin.line, where.begin.column, text)});
}

std::string Problems::lines() const {
  std::vector<Problem> sorted = found_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Problem& a, const Problem& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  std::string out;
  for (const Problem& one : sorted) out += (out.empty() ? "" : "\n") + one.text;
  return out;
}

void Value::bad(const std::string& what) const {
  const toml::source_region& where = node.source();
  if (where.begin.line == 0) {  // not parsed: put in from the environment
    problems.general(fmt::format("environment: {} {}", variable_name(section, key), what));
  } else {
    problems.at(where, fmt::format("{}.{} {}", section, key, what));
  }
}

std::string variable_name(std::string_view section, std::string_view key) {
  std::string out = fmt::format("STOX_{}_{}", section, key);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return c == '.' ? '_' : static_cast<char>(std::toupper(c)); });
  return out;
}

}  // namespace stox::service
