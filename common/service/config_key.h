// One key of the configuration: how it is read, checked and shown, and where what is wrong with it is told.
#pragma once

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/service/config.h"

namespace stox::service {

// What is wrong, gathered over the whole file.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}

  // At a place in the file.
  void at(const toml::source_region&, const std::string& text);
  // About the file as a whole, or a variable of the environment.
  void general(std::string text) { found_.push_back({0, 0, std::move(text)}); }
  bool any() const { return !found_.empty(); }
  std::string lines() const;  // in the order of the file

 private:
  struct Problem {
    toml::source_index line, column;
    std::string text;
  };
  std::string file_;
  std::vector<Problem> found_;
};

// What stands at one key, and where to complain about it.
struct Value {
  const toml::node& node;
  std::string_view section;
  std::string_view key;
  Problems& problems;

  void bad(const std::string& what) const;  // "section.key" and what
};

template <class Section>
struct Key {
  // kTables cannot be given in the environment.
  enum class Kind { kText, kNumber, kFlag, kList, kTable, kTables };

  std::string name;
  Kind kind;
  std::function<void(const Value&, Section&)> read;
  std::function<std::string(const Section&)> print;  // the value in TOML, masked if secret; empty: not set
  std::string range = {};  // what may stand there, for people; empty: the help says it
  bool required = false;
  Taken taken = Taken::kByHup;
  const char* help = "";  // one sentence
};

// STOX_SECTION_KEY; a dot in the section becomes _, too.
std::string variable_name(std::string_view section, std::string_view key);

}  // namespace stox::service
