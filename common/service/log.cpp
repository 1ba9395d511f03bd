#include "common/service/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "common/base/text.h"
#include "common/service/line_writer.h"

namespace stox::service {
namespace {

constexpr std::array<const char*, 5> kLevelNames = {"trace", "debug", "info", "warn", "error"};
constexpr std::size_t kMaxText = 2400;  // with all else about one write that a pipe takes whole
constexpr std::size_t kMaxField = 250;

// spdlog says "warning".
class LevelName : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    const std::string_view name =
        kLevelNames[std::min(static_cast<std::size_t>(message.level), kLevelNames.size() - 1)];
    out.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<LevelName>(); }
};

class LineSink : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  explicit LineSink(int descriptor) : writer_(descriptor), journal_(is_journal(descriptor)) {}
  bool written() const { return written_; }  // the last line

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    if (journal_) {
      const std::string_view priority = journal_priority(static_cast<Level>(message.level));
      line.append(priority.data(), priority.data() + priority.size());
    }
    formatter_->format(message, line);
    written_ = writer_.write({line.data(), line.size()});
  }
  void flush_() override {}

  LineWriter writer_;
  bool journal_;
  bool written_ = true;
};

std::unique_ptr<spdlog::formatter> make_formatter(bool json) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelName>('*');
  formatter->set_pattern(json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%*","process":"%n",%v})"
                              : "%Y-%m-%dT%H:%M:%S.%fZ %* %n %v");
  return formatter;
}

// What a terminal obeys, or what makes it show text in another order than it stands in (UAX #9): all controls
// of Unicode, and the invisible marks that carry no letters.
bool may_be_shown(char32_t c) {
  static constexpr std::pair<char32_t, char32_t> kHidden[] = {
      {0x00, 0x1f},     {0x7f, 0x9f},     {0x061c, 0x061c}, {0x200e, 0x200f},  {0x2028, 0x202e},
      {0x2066, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}, {0xe0000, 0xe007f}};
  return std::none_of(std::begin(kHidden), std::end(kHidden),
                      [c](const auto& range) { return c >= range.first && c <= range.second; });
}

// Of one whole UTF-8 character.
char32_t code_point(std::string_view utf8) {
  const auto first = static_cast<unsigned char>(utf8[0]);
  char32_t out = first;
  if (utf8.size() > 1) out = first & (0xffU >> (utf8.size() + 1));
  for (const char c : utf8.substr(1)) out = (out << 6) | (static_cast<unsigned char>(c) & 0x3fU);
  return out;
}

// Length of the UTF-8 character at the start, 0 if there is none.
std::size_t character_length(std::string_view text) {
  for (std::size_t n = 1; n <= std::min<std::size_t>(4, text.size()); ++n) {
    if (is_utf8(text.substr(0, n))) return n;
  }
  return 0;
}

// At the start of a character, so that no half of one is shown.
std::string cut(std::string_view text, std::size_t max) {
  if (text.size() <= max) return std::string(text);
  std::size_t end = max - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

std::string in_quotes(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

// The same of so much of it as takes at most `max` bytes within the quotes.
std::string quoted(std::string_view text, std::size_t max) {
  std::size_t size = max;
  std::string out = in_quotes(cut(text, size));
  while (out.size() > max + 2) {
    size = size * max / out.size();
    out = in_quotes(cut(text, size));
  }
  return out;
}

std::string escaped(char32_t c) {
  if (c == '\n') return "\\n";
  if (c == '\r') return "\\r";
  if (c == '\t') return "\\t";
  const auto number = static_cast<uint32_t>(c);
  return number < 0x100 ? fmt::format("\\x{:02x}", number) : fmt::format("\\u{:04x}", number);
}

}  // namespace

struct Log::Sink {
  std::shared_ptr<LineSink> lines;
  spdlog::logger logger;
  bool json;
  uint64_t lost = 0;  // lines since the last one that found room

  Sink(const std::string& process, bool as_json, int descriptor)
      : lines(std::make_shared<LineSink>(descriptor)), logger(process, lines), json(as_json) {
    lines->set_formatter(make_formatter(json));
    logger.set_level(spdlog::level::trace);  // Log::enabled decides
  }

  bool put(Level level, const About& about, std::string_view text) {
    const std::string trace = to_hex(about.trace_id);
    std::string line;
    if (json) {
      line = "\"trace\":" + in_quotes(trace);
      for (const auto& [name, value] :
           {std::pair("from", about.from), std::pair("to", about.to), std::pair("status", about.status),
            std::pair("reason", about.reason)}) {
        if (!value.empty()) line.append(",\"").append(name).append("\":").append(quoted(value, kMaxField));
      }
      line += ",\"text\":" + quoted(text, kMaxText);
    } else {
      line = (trace.empty() ? "" : "[" + trace + "] ") + printable(text, kMaxText);
    }
    logger.log(static_cast<spdlog::level::level_enum>(level),
               spdlog::string_view_t(line.data(), line.size()));
    return lines->written();
  }
};

Log::Log(std::string process, Level level, const std::string& format, int descriptor)
    : sink_(std::make_unique<Sink>(process, format == "json", descriptor)), level_(level) {}
Log::~Log() = default;

void Log::put(Level level, const About& about, const std::string& text) {
  uint64_t& lost = sink_->lost;
  if (lost > 0 &&
      sink_->put(Level::kWarn, {}, fmt::format("{} lines of log were lost: standard error was full", lost))) {
    lost = 0;
  }
  if (!sink_->put(level, about, text)) ++lost;
}

Result<Level> parse_level(std::string_view text) {
  const auto found = std::find(kLevelNames.begin(), kLevelNames.end(), text);
  if (found == kLevelNames.end()) {
    return error(
        fmt::format("\"{}\" is no log level; use trace, debug, info, warn or error", printable(text, 30)));
  }
  return static_cast<Level>(found - kLevelNames.begin());
}

bool is_journal(int descriptor) {
  const char* stream = std::getenv("JOURNAL_STREAM");
  struct stat info {};
  return stream != nullptr && fstat(descriptor, &info) == 0 &&
         fmt::format("{}:{}", info.st_dev, info.st_ino) == stream;
}

std::string_view journal_priority(Level level) {
  switch (level) {
    case Level::kError:
      return "<3>";
    case Level::kWarn:
      return "<4>";
    case Level::kInfo:
      return "<6>";
    default:
      return "<7>";
  }
}

const char* level_name(Level level) { return kLevelNames[static_cast<std::size_t>(level)]; }

std::string printable(std::string_view text, std::size_t max) {
  static constexpr std::string_view kMore = "...";
  std::string out;
  std::size_t room_for_more = 0;  // a length of `out` after which kMore still fits
  while (!text.empty()) {
    const std::size_t n = character_length(text);
    const char32_t c = n == 0 ? static_cast<unsigned char>(text[0]) : code_point(text.substr(0, n));
    std::string one(text.substr(0, std::max<std::size_t>(n, 1)));
    if (n == 0 || !may_be_shown(c)) one = escaped(c);
    if (out.size() + one.size() > max) {
      out.resize(room_for_more);
      return max < kMore.size() ? out : out.append(kMore);
    }
    out += one;
    if (out.size() + kMore.size() <= max) room_for_more = out.size();
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

std::string printable_lines(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out += printable(text.substr(0, end), std::string::npos);
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

}  // namespace stox::service
