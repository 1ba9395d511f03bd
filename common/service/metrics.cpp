#include "common/service/metrics.h"

#include <prometheus/text_serializer.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

namespace stox::service {
namespace {

prometheus::ClientMetric with_labels(const Labels& own, const Labels& all) {
  prometheus::ClientMetric out;
  for (const Labels* each : {&all, &own}) {
    for (const auto& [name, value] : *each) out.label.push_back({name, value});
  }
  return out;
}

prometheus::ClientMetric sample(const Metric& metric, const Labels& all) {
  prometheus::ClientMetric out = with_labels(metric.labels, all);
  out.counter.value = out.gauge.value = metric.value;
  return out;
}

void add_messages(const MessageFigures& figures, const std::string& direction, const Labels& all,
                  std::vector<prometheus::MetricFamily>* families) {
  prometheus::MetricFamily took{"stox_message_duration_seconds",
                                "Time from a message's arrival to the answer to its sender, by how it ended.",
                                prometheus::MetricType::Histogram,
                                {}};
  prometheus::MetricFamily failures{"stox_message_failures_total",
                                    "Messages whose sender was told of a failure, by who failed it and why.",
                                    prometheus::MetricType::Counter,
                                    {}};
  for (const Ending ending :
       {Ending::kDelivered, Ending::kPassedOn, Ending::kRefused, Ending::kRefusedHere, Ending::kGivenUp}) {
    const MessageFigures::Ended& ended = figures.of(ending);
    prometheus::ClientMetric one = with_labels({{"direction", direction}, {"ending", name_of(ending)}}, all);
    one.histogram.sample_count = ended.count;
    one.histogram.sample_sum = ended.seconds;
    uint64_t cumulative = 0;
    for (std::size_t i = 0; i < ended.buckets.size(); ++i) {
      cumulative += ended.buckets[i];
      const bool last = i == MessageFigures::kBounds.size();
      one.histogram.bucket.push_back(
          {cumulative, last ? std::numeric_limits<double>::infinity() : MessageFigures::kBounds.at(i)});
    }
    took.metric.push_back(std::move(one));
  }
  for (const auto& [why, count] : figures.failures()) {
    prometheus::ClientMetric one =
        with_labels({{"direction", direction}, {"ending", name_of(why.first)}, {"reason", why.second}}, all);
    one.counter.value = static_cast<double>(count);
    failures.metric.push_back(std::move(one));
  }
  families->push_back(std::move(took));
  if (!failures.metric.empty()) families->push_back(std::move(failures));
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

std::string metrics_text(const std::vector<Metric>& metrics, const Labels& all,
                         const MessageFigures* messages, const std::string& direction) {
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
    families[found->second].metric.push_back(sample(metric, all));
  }
  if (messages != nullptr) add_messages(*messages, direction, all, &families);
  return prometheus::TextSerializer().Serialize(families);
}

std::vector<Metric> common_metrics(State state, int64_t started_us) {
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

std::vector<Metric> queue_metrics(const nlohmann::json& queues) {
  using Kind = Metric::Kind;
  const auto number = [](const nlohmann::json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) return 0.0;
    return found->is_boolean()  ? (found->get<bool>() ? 1.0 : 0.0)
           : found->is_number() ? found->get<double>()
                                : 0.0;
  };
  std::vector<Metric> out;
  static constexpr struct {
    const char* key;
    Kind kind;
    const char* name;
    const char* help;
    double unit = 1;
  } kOfLinks[] = {
      {"up", Kind::kGauge, "stox_link_up", "1 while the link of the bus to this process is up."},
      {"sent", Kind::kCounter, "stox_link_sent_total",
       "Items sent by a link of the bus, heartbeats included."},
      {"received", Kind::kCounter, "stox_link_received_total", "Items received by a link of the bus."},
      {"resent", Kind::kCounter, "stox_link_resent_total", "Envelopes sent once more by a link of the bus."},
      {"dropped", Kind::kCounter, "stox_link_dropped_total", "Items that a link of the bus dropped."},
      {"queued", Kind::kGauge, "stox_link_queued", "Items that wait to be sent by a link of the bus."},
      {"oldest_age_ms", Kind::kGauge, "stox_link_oldest_age_seconds", "Age of the oldest item on a link.",
       1e-3}};
  for (const nlohmann::json& link : queues.value("links", nlohmann::json::array())) {
    const auto peer = link.find("peer");
    if (peer == link.end() || !peer->is_string() || peer->get<std::string>().empty()) continue;
    for (const auto& one : kOfLinks)
      out.push_back({one.kind,
                     one.name,
                     one.help,
                     number(link, one.key) * one.unit,
                     {{"peer", peer->get<std::string>()}}});
  }
  const auto in_flight = queues.find("in_flight");
  if (in_flight == queues.end() || !in_flight->is_object()) return out;
  out.push_back({Kind::kGauge, "stox_messages_in_flight", "Messages that came in here and have not ended.",
                 number(*in_flight, "count")});
  out.push_back({Kind::kGauge, "stox_messages_in_flight_limit",
                 "How many of these there may be (max_in_flight).", number(*in_flight, "limit")});
  out.push_back({Kind::kGauge, "stox_messages_oldest_age_seconds", "Age of the oldest message in flight.",
                 number(*in_flight, "oldest_age_ms") / 1e3});
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
