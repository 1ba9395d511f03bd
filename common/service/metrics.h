// Figures of a process as Prometheus text, and those that every process has.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "common/service/message_figures.h"
#include "common/service/process.h"

namespace stox::service {

using Labels = std::vector<std::pair<std::string, std::string>>;

// Text format 0.0.4. Metrics of one name become one family. Each sample has the labels `all` besides its own.
// `messages`: of a process where messages come in, and where they go, "to_xmpp" or "to_sip"; may be null.
std::string metrics_text(const std::vector<Metric>&, const Labels& all = {},
                         const MessageFigures* messages = nullptr, const std::string& direction = {});

// CPU, memory, descriptors and start of this process, under the names all exporters use; our state and
// version.
std::vector<Metric> common_metrics(State, int64_t started_us);

// Links and what is in flight, from Process::queues().
std::vector<Metric> queue_metrics(const nlohmann::json& queues);

const char* state_name(State);  // "ready"

}  // namespace stox::service
