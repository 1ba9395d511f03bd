#include <fmt/format.h>

#include "common/service/config_keys.h"

namespace stox::service {
namespace {

const char* text_of(Taken taken) {
  switch (taken) {
    case Taken::kByHup:
      return "HUP";
    case Taken::kByRestart:
      return "restart";
    case Taken::kByRestartOfEdges:
      return "restart of fronts and workers";
  }
  return "";
}

template <class Section>
const char* kind_of(const Key<Section>& key) {
  using Kind = typename Key<Section>::Kind;
  switch (key.kind) {
    case Kind::kText:
      return "text";
    case Kind::kNumber:
      return "number";
    case Kind::kFlag:
      return "flag";
    case Kind::kList:
      return "list";
    case Kind::kTable:
      return "table";
    case Kind::kTables:
      return "tables";
  }
  return "";
}

template <class Section>
void describe(std::string& out, const std::string& head) {
  out += fmt::format("\n## {}\n\n| key | kind | default | takes effect | |\n|---|---|---|---|---|\n", head);
  for (const Key<Section>& key : keys<Section>()) {
    // A 0 that may not stand there: the default depends on other keys, and the help says it.
    const bool depends = key.kind == Key<Section>::Kind::kNumber && !key.range.starts_with("0");
    std::string usual = key.required ? "" : key.print(Section());
    if (depends && usual == "0") usual.clear();
    out += fmt::format("| `{}` | {} | {} | {} | {}{} |\n", key.name,
                       key.range.empty() ? kind_of(key) : key.range.c_str(),
                       key.required    ? "required"
                       : usual.empty() ? ""
                                       : "`" + usual + "`",
                       text_of(key.taken), key.help,
                       key.kind == Key<Section>::Kind::kTables ? " Not in the environment." : "");
  }
}

constexpr const char* kHead = R"(# Configuration: every key

One TOML file serves all processes of a site; `deploy/stox.toml` shows it with comments, and `stox-mapper -f FILE --check` checks
it. A variable `STOX_SECTION_KEY` of the environment overrides a key, for `[[...]]` sections that of the process's own section;
lists are separated by commas, the lines of a table written `KEY=VALUE`. "HUP" takes effect when the process gets a HUP, or by
`stoxctl reload`; "restart" when it is restarted, until which `stoxctl status` lists it as `restart pending`.
)";

}  // namespace

std::string config_reference() {
  std::string out = kHead;
  Config any;
  single_sections(any,
                  [&]<class S>(const char* name, const S&) { describe<S>(out, fmt::format("[{}]", name)); });
  repeated_sections(any, [&]<class S>(const char* name, const std::vector<S>&) {
    describe<S>(out, fmt::format("[[{}]]", name));
  });
  return out;
}

}  // namespace stox::service
