// The log of a process, on standard error, as text or JSON lines. Never bodies, passwords or SIP URI
// passwords. A reader of standard error that stops reading costs lines, never the loop (line_writer.h); how
// many were lost is said as soon as there is room again.
#pragma once

#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace stox::service {

// What a line is about: fields of their own in JSON, those that are not empty. In text there is only the
// trace; the words say the rest.
struct About {
  std::string_view trace_id;  // 16 raw bytes of the message concerned
  std::string_view from = {}, to = {};
  std::string_view status = {};  // with which it was answered: a SIP status ("404") or an XMPP condition
  std::string_view reason = {};  // of a small set: the rule that refused it, or why the gateway gave it up
};

enum class Level { kTrace, kDebug, kInfo, kWarn, kError };

class Log {
 public:
  // `process` is the full name. format: "text" or "json".
  Log(std::string process, Level, const std::string& format, int descriptor = 2);
  ~Log();

  bool enabled(Level level) const { return level >= level_; }
  void set_level(Level level) { level_ = level; }
  Level level() const { return level_; }

  // `trace_id`: 16 raw bytes of the message concerned, or empty.
  template <class... Args>
  void write(Level level, std::string_view trace_id, fmt::format_string<Args...> format, Args&&... args) {
    tell(level, About{trace_id}, format, std::forward<Args>(args)...);
  }
  template <class... Args>
  void tell(Level level, const About& about, fmt::format_string<Args...> format, Args&&... args) {
    if (enabled(level)) put(level, about, fmt::format(format, std::forward<Args>(args)...));
  }
  template <class... Args>
  void debug(fmt::format_string<Args...> f, Args&&... args) {
    write(Level::kDebug, {}, f, std::forward<Args>(args)...);
  }
  template <class... Args>
  void info(fmt::format_string<Args...> f, Args&&... args) {
    write(Level::kInfo, {}, f, std::forward<Args>(args)...);
  }
  template <class... Args>
  void warn(fmt::format_string<Args...> f, Args&&... args) {
    write(Level::kWarn, {}, f, std::forward<Args>(args)...);
  }
  template <class... Args>
  void error(fmt::format_string<Args...> f, Args&&... args) {
    write(Level::kError, {}, f, std::forward<Args>(args)...);
  }

 private:
  void put(Level, const About&, const std::string& text);

  struct Sink;
  std::unique_ptr<Sink> sink_;
  Level level_;
};

Result<Level> parse_level(std::string_view);
const char* level_name(Level);

// Whether systemd has connected the descriptor to the journal (JOURNAL_STREAM, systemd.exec(5)). The journal
// takes journal_priority() at the start of a line as the line's priority (sd-daemon(3)).
bool is_journal(int descriptor);
std::string_view journal_priority(Level);

// Text that a terminal may be shown: control characters (C0, DEL, C1), marks that change the direction of
// writing or are invisible, and bytes that are not UTF-8 are escaped (\n, \x1b, \u202e). What is longer than
// max bytes is cut, and ends in "...".
std::string printable(std::string_view text, std::size_t max);
// The same for several lines: their ends stay. Not cut.
std::string printable_lines(std::string_view text);

}  // namespace stox::service
