// A figure, as Prometheus would sum it.
#pragma once

#include <string>
#include <vector>

#include "common/service/process.h"

namespace stox {

// Of all that `source` shows under this name with a label like it ("status=200"; empty: any).
template <class Source>
double metric_of(const Source& source, const std::string& name, const std::string& label = {}) {
  std::vector<service::Metric> all;
  source.add_metrics(all);
  double sum = 0;
  for (const service::Metric& each : all) {
    std::string labels;
    for (const auto& [key, value] : each.labels) labels += key + "=" + value + " ";
    if (each.name == name && labels.find(label) != std::string::npos) sum += each.value;
  }
  return sum;
}

}  // namespace stox
