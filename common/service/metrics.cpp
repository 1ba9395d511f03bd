#include "common/service/metrics.h"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

namespace stox::service {
namespace {

prometheus::ClientMetric sample(const Metric& metric) {
  prometheus::ClientMetric out;
  for (const auto& [name, value] : metric.labels) out.label.push_back({name, value});
  out.counter.value = out.gauge.value = metric.value;
  return out;
}

double resident_bytes() {
  long total = 0;
  long resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;  // in pages
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
  double count = -1;  // the one that reads the list
  std::error_code failure;
  for (std::filesystem::directory_iterator at("/proc/self/fd", failure), end; !failure && at != end;
       at.increment(failure)) {
    ++count;
  }
  return count;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

}  // namespace

std::string metrics_text(const std::vector<Metric>& metrics) {
  std::vector<prometheus::MetricFamily> families;
  std::map<std::string, std::size_t> place;
  for (const Metric& metric : metrics) {
    const auto [found, added] = place.try_emplace(metric.name, families.size());
    if (added) {
      const bool counter = metric.kind == Metric::Kind::kCounter;
      families.push_back({metric.name,
                          metric.help,
                          counter ? prometheus::MetricType::Counter : prometheus::MetricType::Gauge,
                          {}});
    }
    families[found->second].metric.push_back(sample(metric));
  }
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<Metric> common_metrics(State state, Duration uptime, int64_t started_us) {
  using Kind = Metric::Kind;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  std::vector<Metric> out = {
      {Kind::kCounter, "process_cpu_seconds_total", "CPU time used.",
       seconds(usage.ru_utime) + seconds(usage.ru_stime)},
      {Kind::kGauge, "process_resident_memory_bytes", "Memory in use.", resident_bytes()},
      {Kind::kGauge, "process_open_fds", "Open descriptors.", open_descriptors()},
      {Kind::kGauge, "process_max_fds", "Descriptors that may be open.",
       static_cast<double>(descriptors.rlim_cur)},
      {Kind::kGauge, "process_start_time_seconds", "Start, Unix time.",
       static_cast<double>(started_us) / 1e6},
      {Kind::kGauge, "stox_uptime_seconds", "Time since the start.",
       static_cast<double>(uptime.count()) / 1e6},
      {Kind::kGauge, "stox_build_info", "Version of the program.", 1, {{"version", STOX_VERSION}}},
  };
  for (const State one : {State::kStarting, State::kReady, State::kStandby, State::kDraining}) {
    out.push_back({Kind::kGauge,
                   "stox_state",
                   "1 for the state the process is in.",
                   one == state ? 1.0 : 0.0,
                   {{"state", state_name(one)}}});
  }
  return out;
}

const char* state_name(State state) {
  switch (state) {
    case State::kStarting:
      return "starting";
    case State::kReady:
      return "ready";
    case State::kStandby:
      return "standby";
    case State::kDraining:
      break;
  }
  return "draining";
}

}  // namespace stox::service
