#include "ctl/openser_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>

#include "common/base/text.h"

namespace stox::ctl {
namespace {

constexpr int kMaxDepth = 10;  // of files that include files
constexpr std::size_t kMaxTokens = 2'000'000;

struct Token {
  enum class Kind { kWord, kText, kSign } kind = Kind::kWord;
  std::string text;
  std::string file;
  int line = 0;
  bool is(std::string_view what) const { return kind != Kind::kText && text == what; }
};

bool is_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$' || c == '-';
}

// Splits a file into tokens; directives of the preprocessor are obeyed on the way.
class Lexer {
 public:
  using Read = std::function<Result<std::string>(const std::string&)>;
  explicit Lexer(const Read& read) : read_(read) {}

  Result<void> file(const std::string& path, int depth) {
    const auto text = read_(path);
    if (!text) return error(fmt::format("{}: {}", path, text.error().text));
    const std::string outer = std::exchange(file_, path);
    const int outer_line = std::exchange(line_, 1);
    const std::size_t conditions = taken_.size();
    lex(*text, depth);
    if (taken_.size() > conditions) problem("an #!ifdef without its #!endif");
    taken_.resize(std::min(taken_.size(), conditions));
    file_ = outer;
    line_ = outer_line;
    return {};
  }

  std::vector<Token> tokens;
  std::vector<std::string> problems;

 private:
  void problem(const std::string& what) { problems.push_back(fmt::format("{}:{}: {}", file_, line_, what)); }
  bool active() const { return std::find(taken_.begin(), taken_.end(), false) == taken_.end(); }

  void put(Token::Kind kind, std::string text) {
    if (!active() || tokens.size() >= kMaxTokens) return;
    if (kind == Token::Kind::kWord) {
      std::set<std::string> seen;  // a define may name another, or itself
      while (const auto* value = define_of(text)) {
        if (value->empty() || !seen.insert(text).second) break;
        const char quote = value->front();
        if ((quote == '"' || quote == '\'') && value->size() > 1 && value->back() == quote) {
          text = value->substr(1, value->size() - 2);
          kind = Token::Kind::kText;
          break;
        }
        text = *value;
      }
    }
    if (kind == Token::Kind::kText) text = substituted(std::move(text));
    tokens.push_back({kind, std::move(text), file_, line_});
  }

  const std::string* define_of(const std::string& name) const {
    const auto found = defines_.find(name);
    return found == defines_.end() ? nullptr : &found->second;
  }

  std::string substituted(std::string text) const {
    for (const auto& [from, to] : substitutions_) {
      for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size()))
        text.replace(at, from.size(), to);
    }
    return text;
  }

  void lex(std::string_view in, int depth) {
    bool line_begins = true;
    while (!in.empty()) {
      const char c = in.front();
      if (c == '\n') {
        ++line_;
        line_begins = true;
        in.remove_prefix(1);
      } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
        in.remove_prefix(1);
      } else if (in.starts_with("#!") || (line_begins && in.starts_with("!!"))) {
        const int begun = line_;
        std::string text;
        std::size_t end = 0;
        for (; end < in.size() && in[end] != '\n'; ++end) {
          if (in[end] == '\\' && end + 1 < in.size() && in[end + 1] == '\n') {
            ++line_;
            ++end;
            continue;
          }
          text += in[end];
        }
        directive(text.substr(2), begun);
        in.remove_prefix(end);
      } else if (c == '#' || in.starts_with("//")) {
        in.remove_prefix(std::min(in.find('\n'), in.size()));
      } else if (in.starts_with("/*")) {
        const std::size_t end = std::min(in.find("*/", 2), in.size());
        line_ +=
            static_cast<int>(std::count(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(end), '\n'));
        in.remove_prefix(std::min(end + 2, in.size()));
      } else if (c == '"' || c == '\'') {
        in = text_in_quotes(in);
        if (includes(depth)) continue;
      } else if (is_word(c)) {
        std::size_t end = 0;
        while (end < in.size() && is_word(in[end])) ++end;
        put(Token::Kind::kWord, std::string(in.substr(0, end)));
        in.remove_prefix(end);
      } else {
        put(Token::Kind::kSign, std::string(1, c));
        in.remove_prefix(1);
      }
      if (c != '\n') line_begins = false;
    }
  }

  // A text may go over several lines; it stands where it begins.
  std::string_view text_in_quotes(std::string_view in) {
    const char quote = in.front();
    std::string text;
    int lines = 0;
    std::size_t i = 1;
    for (; i < in.size() && in[i] != quote; ++i) {
      if (in[i] == '\\' && i + 1 < in.size()) ++i;
      if (in[i] == '\n') ++lines;
      text += in[i];
    }
    if (i >= in.size()) problem("a text without its closing quote");
    put(Token::Kind::kText, std::move(text));
    line_ += lines;
    return in.substr(std::min(i + 1, in.size()));
  }

  // include_file "..." and import_file "..." (which need not be there).
  bool includes(int depth) {
    if (tokens.size() < 2) return false;
    const Token& what = tokens[tokens.size() - 2];
    const bool must = what.is("include_file");
    if (!must && !what.is("import_file")) return false;
    std::string path = tokens.back().text;
    tokens.resize(tokens.size() - 2);
    if (!path.empty() && path.front() != '/') path = file_.substr(0, file_.rfind('/') + 1) + path;
    if (depth >= kMaxDepth) {
      problem(fmt::format("{} is included by too many files within each other", path));
    } else if (const auto read = file(path, depth + 1); !read && must) {
      problem("cannot read what it includes: " + read.error().text);
    }
    return true;
  }

  void directive(const std::string& text, int line) {
    std::string_view rest = trim(text);
    const auto word = [&] {
      const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
      std::string out(rest.substr(0, end));
      rest = trim(rest.substr(end));
      return out;
    };
    const std::string name = word();
    if (name == "ifdef" || name == "ifndef") {
      taken_.push_back((define_of(word()) != nullptr) == (name == "ifdef"));
    } else if (name == "ifexp") {
      problem(fmt::format("#!ifexp in line {} is taken as true", line));
      taken_.push_back(true);
    } else if (name == "else" && !taken_.empty()) {
      taken_.back() = !taken_.back();
    } else if (name == "endif" && !taken_.empty()) {
      taken_.pop_back();
    } else if (!active()) {
      return;
    } else if (name == "define" || name == "trydef" || name == "trydefine" || name == "redef" ||
               name == "redefine") {
      const std::string id = word();
      if (name.starts_with("try") && define_of(id) != nullptr) return;
      if (name == "define" && define_of(id) != nullptr && !rest.empty()) return;  // the first one stays
      defines_[id] = std::string(rest);
    } else if (name == "subst" || name == "substdef" || name == "substdefs") {
      substitution(std::string(rest), name != "subst", name == "substdefs");
    }
  }

  // "/regex/replacement/flags": plain texts only.
  void substitution(std::string text, bool also_define, bool quoted) {
    if (text.size() >= 2 && (text.front() == '"' || text.front() == '\''))
      text = text.substr(1, text.size() - 2);
    if (text.size() < 3) return;
    const char by = text.front();
    const std::size_t middle = text.find(by, 1);
    const std::size_t end = middle == std::string::npos ? middle : text.find(by, middle + 1);
    if (end == std::string::npos) return problem("a substitution that cannot be read");
    const std::string from = text.substr(1, middle - 1), to = text.substr(middle + 1, end - middle - 1);
    if (from.empty()) return;
    if (from.find_first_of("\\[](){}*+?^$|") != std::string::npos)
      return problem(fmt::format("the substitution of {} is not followed: it is a regular expression", from));
    substitutions_.emplace_back(from, to);
    if (also_define) defines_[from] = quoted ? '"' + to + '"' : to;
  }

  const Read& read_;
  std::string file_;
  int line_ = 1;
  std::vector<bool> taken_;
  std::map<std::string, std::string> defines_;
  std::vector<std::pair<std::string, std::string>> substitutions_;
};

std::string module_name(std::string path) {
  path = path.substr(path.rfind('/') + 1);
  return path.substr(0, path.rfind(".so") == path.size() - 3 ? path.size() - 3 : path.size());
}

class Parser {
 public:
  Parser(const std::vector<Token>& tokens, OpenserConfig* out) : tokens_(tokens), out_(*out) {}

  void run() {
    int depth = 0;
    for (at_ = 0; at_ < tokens_.size(); ++at_) {
      const Token& token = tokens_[at_];
      if (token.is("{")) ++depth;
      if (token.is("}")) depth = std::max(0, depth - 1);
      if (token.kind != Token::Kind::kWord) continue;
      if (token.text == "loadmodule" || token.text == "loadmodulex") {
        if (at_ + 1 < tokens_.size()) out_.modules.push_back(module_name(tokens_[++at_].text));
      } else if (next_is("(")) {
        call(depth);
      } else if (depth == 0 && next_is("=")) {
        setting();
      } else if (token.text == "len" || token.text == "msg.len" || token.text == "$ml") {
        size_limit();
      }
    }
  }

 private:
  bool next_is(std::string_view sign) const { return at_ + 1 < tokens_.size() && tokens_[at_ + 1].is(sign); }

  void call(int depth) {
    OpenserCall call{tokens_[at_].text, {}, tokens_[at_].file, tokens_[at_].line};
    std::size_t i = at_ + 2;
    std::string argument;
    for (int inner = 0; i < tokens_.size() && !(inner == 0 && tokens_[i].is(")")); ++i) {
      if (tokens_[i].is("(")) ++inner;
      if (tokens_[i].is(")")) --inner;
      if (inner == 0 && tokens_[i].is(",")) {
        call.arguments.push_back(std::exchange(argument, {}));
      } else {
        argument += tokens_[i].text;
      }
    }
    if (i > at_ + 2) call.arguments.push_back(std::move(argument));
    if (call.function == "modparam" || call.function == "modparamx") {
      if (call.arguments.size() == 3) param(call);
      at_ = i;
    } else if (depth > 0) {
      out_.calls.push_back(std::move(call));  // what stands within the brackets is looked at, too
    }
  }

  // The module may be several: "xmpp|pua_xmpp".
  void param(const OpenserCall& call) {
    std::string_view modules = call.arguments[0];
    while (!modules.empty()) {
      const std::size_t end = std::min(modules.find('|'), modules.size());
      out_.params.push_back(
          {std::string(modules.substr(0, end)), call.arguments[1], call.arguments[2], call.file, call.line});
      modules.remove_prefix(std::min(end + 1, modules.size()));
    }
  }

  // To the end of its line, or of a text: "listen = udp:10.0.0.1:5060 advertise 203.0.113.9:5060".
  void setting() {
    const Token& name = tokens_[at_];
    OpenserParam one{"", name.text, "", name.file, name.line};
    for (std::size_t i = at_ + 2; i < tokens_.size() && tokens_[i].line == name.line && !tokens_[i].is(";");
         ++i) {
      const bool word = tokens_[i].kind == Token::Kind::kWord && tokens_[i].is("advertise");
      one.value += (word ? " " : "") + tokens_[i].text + (word ? " " : "");
      at_ = i;
    }
    out_.settings.push_back(std::move(one));
  }

  void size_limit() {
    std::size_t i = at_ + 1;
    if (i < tokens_.size() && tokens_[i].is(">")) ++i;
    if (i == at_ + 1) return;
    if (i < tokens_.size() && tokens_[i].is("=")) ++i;
    if (i < tokens_.size() && parse_number(tokens_[i].text, 1, 1'000'000'000))
      out_.size_limits.emplace_back(tokens_[i].text, tokens_[i].line);
  }

  const std::vector<Token>& tokens_;
  OpenserConfig& out_;
  std::size_t at_ = 0;
};

}  // namespace

std::optional<std::string> OpenserConfig::param(std::string_view module, std::string_view name) const {
  const auto found = std::find_if(params.rbegin(), params.rend(), [&](const OpenserParam& one) {
    return one.module == module && one.name == name;
  });
  return found == params.rend() ? std::nullopt : std::optional(found->value);
}

Result<OpenserConfig> read_openser_config(
    const std::string& path, const std::function<Result<std::string>(const std::string&)>& read) {
  Lexer lexer(read);
  if (const auto done = lexer.file(path, 0); !done) return tl::make_unexpected(done.error());
  OpenserConfig out;
  Parser(lexer.tokens, &out).run();
  out.problems = std::move(lexer.problems);
  return out;
}

}  // namespace stox::ctl
