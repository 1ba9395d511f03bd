#include "xmpp_worker/siblings/moved_streams.h"

#include <algorithm>

namespace stox::worker {
namespace {

// Nothing that was taken in before the stream came is in hand any more.
constexpr Duration kLongest = std::chrono::seconds(95);
constexpr Duration kReturnsWithin = std::chrono::seconds(5);  // who dies, with its journal
constexpr Duration kAskAgain = std::chrono::milliseconds(300);
constexpr std::size_t kMaxFree = 100'000;
constexpr Duration kOldest = std::chrono::hours(1);  // of what another asks for

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
  pb::InHand question;
  std::vector<Key> asked;
  for (auto& [key, waiting] : waiting_) {
    const auto last = waiting.for_workers.find(name);
    if (last == waiting.for_workers.end() || now - last->second < kAskAgain) continue;
    last->second = now;
    pb::InHand::Conversation& one = *question.add_conversations();
    one.set_key(key.second);
    one.set_age_ms(to_ms(now - key.first));
    asked.push_back(key);
  }
  if (asked.empty()) return;
  user_.ask_in_hand(name, std::move(question), [this, name, asked = std::move(asked)](const pb::Held& said) {
    answered(name, asked, said);
  });
}

void MovedStreams::answered(const std::string& name, const std::vector<Key>& asked, const pb::Held& said) {
  std::vector<bool> has(asked.size());
  for (const uint32_t index : said.indexes()) {
    if (index < has.size()) has[index] = true;
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

pb::Held MovedStreams::answer(
    const pb::InHand& question, Time now,
    const std::function<bool(const std::string& conversation, Time until)>& has_in_hand) {
  pb::Held answer;
  for (int i = 0; i < question.conversations_size(); ++i) {
    const pb::InHand::Conversation& one = question.conversations(i);
    const auto age = std::chrono::milliseconds(std::clamp<int64_t>(one.age_ms(), 0, to_ms(kOldest)));
    if (has_in_hand(one.key(), now - age)) answer.add_indexes(static_cast<uint32_t>(i));
  }
  return answer;
}

}  // namespace stox::worker
