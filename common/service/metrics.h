// Figures of a process as Prometheus text, and those that every process has.
#pragma once

#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/service/process.h"

namespace stox::service {

// Text format 0.0.4. Metrics of one name become one family.
std::string metrics_text(const std::vector<Metric>&);

// CPU, memory, descriptors and start of this process, under the names all exporters use; our state and
// version.
std::vector<Metric> common_metrics(State, Duration uptime, int64_t started_us);

const char* state_name(State);  // "ready"

}  // namespace stox::service
