#include "xmpp_worker/siblings/moved_streams.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/service/json_text.h"

namespace stox::worker {
namespace {

using nlohmann::json;

constexpr std::string_view kQuestion = "in hand? ";  // then a list of [conversation, age of the stream in ms]
// Nothing that was taken in before the stream came is in hand any more.
constexpr Duration kLongest = std::chrono::seconds(95);
constexpr Duration kReturnsWithin = std::chrono::seconds(5);  // who dies, with its journal
constexpr Duration kAskAgain = std::chrono::milliseconds(300);
constexpr std::size_t kMaxFree = 100'000;

}  // namespace

void MovedStreams::set_workers(const std::vector<std::string>& present) {
  const Time now = clock_.now();
  for (auto& [name, gone_at] : workers_) {
    const bool is_there = std::find(present.begin(), present.end(), name) != present.end();
    gone_at = is_there ? kNever : std::min(gone_at, now);
  }
  for (const std::string& name : present) workers_.try_emplace(name, kNever);
}

void MovedStreams::came(std::string_view domain) {
  latest_ = clock_.now();
  std::erase_if(streams_, [this](const auto& each) { return latest_ - each.second >= kLongest; });
  if (streams_.empty()) free_.clear();
  streams_.insert_or_assign(std::string(domain), latest_);
}

Time MovedStreams::since(std::string_view domain) const {
  Time latest{};
  for (const std::string_view each : {domain, std::string_view()}) {
    const auto stream = streams_.find(each);
    if (stream != streams_.end() && clock_.now() - stream->second < kLongest)
      latest = std::max(latest, stream->second);
  }
  return latest;
}

Time MovedStreams::must_wait(std::string_view domain, const std::string& conversation) const {
  if (workers_.empty() || clock_.now() - latest_ >= kLongest) return Time{};
  const Time came = since(domain);
  const auto found = free_.find(conversation);
  return found == free_.end() || found->second < came ? came : Time{};
}

void MovedStreams::hold(Time came, const std::string& conversation, uint64_t number) {
  Waiting& waiting = waiting_[{came, conversation}];
  if (waiting.numbers.empty()) {
    for (const auto& [name, gone_at] : workers_) waiting.for_workers[name] = Time{};
    ask_at_ = clock_.now();
  }
  waiting.numbers.push_back(number);
}

void MovedStreams::turn() {
  const Time now = clock_.now();
  if (now < next()) return;
  ask_at_ = now + kAskAgain;
  std::erase_if(workers_, [now](const auto& each) {
    return each.second != kNever && now - each.second >= kReturnsWithin;
  });
  let_go_of_free();
  std::vector<std::string> names;  // those that have given up their place may still be there
  for (const auto& [name, gone_at] : workers_) names.push_back(name);
  for (const std::string& name : names) ask(name);
}

void MovedStreams::ask(const std::string& name) {
  const Time now = clock_.now();
  json list = json::array();
  std::vector<Key> asked;
  for (auto& [key, waiting] : waiting_) {
    const auto last = waiting.for_workers.find(name);
    if (last == waiting.for_workers.end() || now - last->second < kAskAgain) continue;
    last->second = now;
    list.push_back({key.second, to_ms(now - key.first)});
    asked.push_back(key);
  }
  if (asked.empty()) return;
  user_.query(name, std::string(kQuestion) + list.dump(-1, ' ', false, json::error_handler_t::replace),
              [this, name, asked = std::move(asked)](const std::string& said) {
                if (!said.empty()) answered(name, asked, said);  // else there was no way to it
              });
}

void MovedStreams::answered(const std::string& name, const std::vector<Key>& asked, const std::string& text) {
  const json said = service::parse_json(text);
  std::vector<bool> has(asked.size());
  for (const json& index : said) {
    if (index.is_number_unsigned() && index.get<std::size_t>() < has.size())
      has[index.get<std::size_t>()] = true;
  }
  for (std::size_t i = 0; i < asked.size(); ++i) {
    const auto waiting = waiting_.find(asked[i]);
    if (waiting != waiting_.end() && !has[i]) waiting->second.for_workers.erase(name);
  }
  let_go_of_free();
}

void MovedStreams::let_go_of_free() {
  for (auto each = waiting_.begin(); each != waiting_.end();) {
    auto& [key, waiting] = *each;
    std::erase_if(waiting.for_workers, [this](const auto& one) { return !workers_.contains(one.first); });
    if (!waiting.for_workers.empty()) {
      ++each;
      continue;
    }
    for (const uint64_t number : waiting.numbers) user_.let_go(number);
    if (free_.size() >= kMaxFree) free_.clear();
    free_.insert_or_assign(key.second, key.first);
    each = waiting_.erase(each);
  }
}

bool MovedStreams::is_question(std::string_view text) { return text.starts_with(kQuestion); }

std::string MovedStreams::answer(
    std::string_view question, Time now,
    const std::function<bool(const std::string& conversation, Time until)>& has_in_hand) {
  const json list = service::parse_json(question.substr(kQuestion.size()));
  json in_hand = json::array();
  if (!list.is_array()) return in_hand.dump();
  for (std::size_t i = 0; i < list.size(); ++i) {
    const json& one = list[i];
    if (!one.is_array() || one.size() != 2 || !one[0].is_string() || !one[1].is_number_integer()) continue;
    const Duration age = std::chrono::milliseconds(one[1].get<int64_t>());
    if (has_in_hand(one[0].get<std::string>(), now - age)) in_hand.push_back(i);
  }
  return in_hand.dump();
}

}  // namespace stox::worker
