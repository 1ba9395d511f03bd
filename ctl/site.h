// What the processes of a site say and do when they are asked together: the values that `--json` prints and
// the page of `stoxctl web` shows. May be called by several threads.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/service/config.h"
#include "ctl/control_client.h"
#include "ctl/exit_code.h"
#include "ctl/processes.h"

namespace stox::ctl {

struct Found {
  nlohmann::json value;
  ExitCode code = kFine;
  std::vector<std::string>
      complaints;  // of those that could not be asked, or what was wrong with the question
};

// Of each process that answered its name and answer, in the order of `known`; the others are complained of.
using Named = std::vector<std::pair<std::string, nlohmann::json>>;
Named gather(const std::vector<Known>& known, const nlohmann::json& request, Found*);
// What they answer as a list under `key`, each with the name of its "process".
nlohmann::json gather_rows(const std::vector<Known>& known, const nlohmann::json& request, const char* key,
                           Found*);
std::vector<Known> of_role(const service::Config&, service::Role);
std::vector<Known> edges_of(const service::Config&);  // fronts and workers

// {"processes"}: status_json() with failed starts. Nothing is complained of: the states say it.
Found find_status(const service::Config&);
Found find_queues(const service::Config&);  // merge_queues()
Found find_history(const service::Config&,
                   const std::string& name);  // {"step_ms","processes":[{"name","role",...}]}
Found find_inflight(const service::Config&, const std::string& name_or_id);  // {"in_flight"}
Found find_failed(const service::Config&, const std::string& name);          // {"failed","refused"}
Found find_streams(const service::Config&);                                  // {"streams"}
Found find_trace(const service::Config&, const std::string& id);             // merge_hops()

struct MessageOptions {
  std::string user;    // part of an address, without case; empty = any
  std::string domain;  // of either address; empty = any
  bool failed = false;
  unsigned last = 50;
};
Found find_messages(const service::Config&, const MessageOptions&);  // {"messages"}

// What changes something. A value without a code of kFine says what was done in spite of it.
Found accept_new(const service::Config&, const std::string& name, bool on);  // {"changed"}
Found retry(const service::Config&, const std::string& id, bool again);      // {"ok","process","trace"}
Found reload(const service::Config&);  // {"processes":[{"process","taken":[KEY],"waiting":[KEY],"error"}]}
// These are asked to forget something: {"forgotten"}, how much there was.
Found forget(const std::vector<Known>& known, const nlohmann::json& request);
Found purge_failed(const service::Config&);
// action: close or reconnect, those of a domain (or of a component).
Found close_streams(const service::Config&, const std::string& action,
                    const std::string& domain);  // {"count"}

}  // namespace stox::ctl
