// What may stand at a key: the kinds of rows that config_keys.cpp has, each with its reading, checks and
// printing.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "common/base/sip_uri.h"
#include "common/base/text.h"
#include "common/service/config_key.h"
#include "common/service/config_values.h"

namespace stox::service {

using Check = Complaint (*)(std::string_view);

// As TOML has it.
std::string in_quotes(std::string_view text);
std::string in_quotes(const std::vector<std::string>& list);
// For a message: short, on one line, and never with a URI's password.
std::string shown(std::string_view text);
void complain(const Value&, std::string_view text, const std::string& complaint);
std::optional<std::string> text_of(const Value&, const toml::node&);
// The strings of a list, each passed to `each`.
void read_list(const Value&, const std::function<void(const Value&, const std::string&)>& each);
// What a.b.c = "x" has become in TOML, for which "a.b.c" = "x" was meant.
std::string dotted(std::string_view key, const toml::node&);

template <class S>
Key<S> text(const char* name, std::string S::*member, Check check) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (!text) return;
            if (const auto complaint = check(*text)) return complain(value, *text, *complaint);
            section.*member = *text;
          },
          [=](const S& section) {
            return (section.*member).empty() ? "" : in_quotes(mask_passwords(section.*member));
          }};
}

template <class S>
Key<S> required(Key<S> key) {
  key.required = true;
  return key;
}

template <class S>
Key<S> secret(const char* name, std::string S::*member) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (text && text->empty()) return value.bad("is empty");
            if (text) section.*member = *text;
          },
          [=](const S& section) { return (section.*member).empty() ? "" : "\"***\""; }};
}

template <class S, class Number>
Key<S> number(const char* name, Number S::*member, int64_t low, int64_t high) {
  return {name, Key<S>::Kind::kNumber,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_integer();
            if (found == nullptr) return value.bad("must be a whole number, without quotes");
            if (found->get() < low || found->get() > high)
              return value.bad(fmt::format("is {}; it must be from {} to {}", found->get(), low, high));
            section.*member = static_cast<Number>(found->get());
          },
          [=](const S& section) { return std::to_string(section.*member); },
          fmt::format("{} to {}", low, high)};
}

// "auto" is no number.
template <class S>
Key<S> number_or_auto(const char* name, std::optional<int> S::*member, int low, int high) {
  return {name, Key<S>::Kind::kNumber,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_integer();
            const auto* text = value.node.as_string();
            if (text != nullptr && text->get() == "auto") return (section.*member).reset();
            if (found == nullptr) return value.bad("must be \"auto\", or a whole number without quotes");
            if (found->get() < low || found->get() > high)
              return value.bad(
                  fmt::format("is {}; it must be \"auto\", or from {} to {}", found->get(), low, high));
            section.*member = static_cast<int>(found->get());
          },
          [=](const S& section) {
            return section.*member ? std::to_string(*(section.*member)) : std::string("\"auto\"");
          },
          fmt::format("auto, {} to {}", low, high)};
}

template <class S>
Key<S> one_of(const char* name, int S::*member, std::vector<int> known) {
  return {name, Key<S>::Kind::kNumber,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_integer();
            if (found == nullptr) return value.bad("must be a whole number, without quotes");
            if (std::find(known.begin(), known.end(), found->get()) == known.end()) {
              return value.bad(fmt::format("is {}; it must be {}", found->get(), fmt::join(known, " or ")));
            }
            section.*member = static_cast<int>(found->get());
          },
          [=](const S& section) { return std::to_string(section.*member); },
          fmt::format("{}", fmt::join(known, ", "))};
}

template <class S>
Key<S> one_of(const char* name, std::string S::*member, std::vector<std::string> known) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (!text) return;
            if (std::find(known.begin(), known.end(), *text) == known.end())
              return complain(value, *text, none_of(*text, known));
            section.*member = *text;
          },
          [=](const S& section) { return in_quotes(section.*member); },
          fmt::format("{}", fmt::join(known, ", "))};
}

template <class S>
Key<S> flag(const char* name, bool S::*member) {
  return {name, Key<S>::Kind::kFlag,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_boolean();
            if (found == nullptr) return value.bad("must be true or false, without quotes");
            section.*member = found->get();
          },
          [=](const S& section) { return section.*member ? "true" : "false"; }, "true, false"};
}

// A choice of two words kept as a bool.
template <class S>
Key<S> either(const char* name, bool S::*member, std::string if_false, std::string if_true) {
  return {name, Key<S>::Kind::kText,
          [=](const Value& value, S& section) {
            const auto text = text_of(value, value.node);
            if (!text) return;
            if (*text != if_false && *text != if_true)
              return complain(value, *text, none_of(*text, {if_false, if_true}));
            section.*member = *text == if_true;
          },
          [=](const S& section) { return in_quotes(section.*member ? if_true : if_false); },
          if_false + ", " + if_true};
}

// List: a vector of texts, or an optional one that knows an empty list from none.
template <class S, class List>
Key<S> list(const char* name, List S::*member, Check check) {
  return {name, Key<S>::Kind::kList,
          [=](const Value& value, S& section) {
            std::vector<std::string> found;
            read_list(value, [&](const Value& one, const std::string& text) {
              if (const auto complaint = check(text)) return complain(one, text, *complaint);
              found.push_back(text);
            });
            section.*member = found;
          },
          [=](const S& section) -> std::string {
            if constexpr (std::is_same_v<List, std::optional<std::vector<std::string>>>)
              return section.*member ? in_quotes(*(section.*member)) : "";
            else
              return in_quotes(section.*member);
          }};
}

// An empty list is as good as none.
template <class S>
Key<S> only_if_set(Key<S> key) {
  key.print = [print = key.print](const S& section) {
    const std::string printed = print(section);
    return printed == "[]" ? "" : printed;
  };
  return key;
}

// A table of texts, whose own keys are checked, too.
template <class S>
Key<S> table(const char* name, std::map<std::string, std::string> S::*member, Check check_key,
             Check check_value) {
  return {name, Key<S>::Kind::kTable,
          [=](const Value& value, S& section) {
            const auto* found = value.node.as_table();
            if (found == nullptr)
              return value.bad(fmt::format("must be a table; write it as [{}.{}]", value.section, value.key));
            for (const auto& [key, node] : *found) {
              const Value one{node, value.section, value.key, value.problems};
              if (node.is_table()) {
                one.bad(fmt::format("has a name with dots and without quotes; write it as {} = \"...\"",
                                    shown(dotted(key.str(), node))));
                continue;
              }
              const auto text = text_of(one, node);
              const auto wrong_key = check_key(key.str());
              const auto wrong_value = text ? check_value(*text) : std::nullopt;
              if (wrong_key) complain(one, key.str(), *wrong_key);
              if (wrong_value) complain(one, *text, *wrong_value);
              if (!text || wrong_key || wrong_value) continue;
              (section.*member)[std::string(key.str())] = *text;
            }
          },
          [=](const S& section) {
            std::string out;
            for (const auto& [key, text] : section.*member)
              out += (out.empty() ? "" : ", ") + in_quotes(key) + " = " + in_quotes(text);
            return out.empty() ? "" : "{ " + out + " }";
          }};
}

// Rows of their own kind.
Key<SipFrontConfig> listen();
Key<SipFrontConfig> listener();
Key<SipFrontConfig> tls();
Key<SipFrontConfig> credentials();
Key<XmppWorkerConfig> worker_tls();
Key<GatewayConfig> correction_prefix();

// Of a text that a row takes.
Complaint check_format(std::string_view);
Complaint check_alias(std::string_view);
Complaint check_xmpp_user(std::string_view);
Complaint check_backend(std::string_view);
Complaint check_restart_command(std::string_view);

}  // namespace stox::service
