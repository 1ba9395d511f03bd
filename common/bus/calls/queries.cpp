#include "common/bus/calls/queries.h"

#include <utility>

namespace stox::bus {
namespace {

constexpr uint32_t kMaxHops = 4;  // mapper, edge, mapper, edge
constexpr Duration kForget = std::chrono::minutes(2);

pb::Item answer_to(const pb::Query& query, const std::string& from, std::string text) {
  pb::Item item;
  pb::Query& answer = *item.mutable_query();
  answer.set_to(query.from());
  answer.set_from(from);
  answer.set_number(query.number());
  answer.set_answer(true);
  answer.set_text(std::move(text));
  return item;
}

}  // namespace

void Queries::ask(const std::string& to, std::string_view text, Reply reply, Time now) {
  pb::Item item;
  pb::Query& query = *item.mutable_query();
  query.set_to(to);
  query.set_from(own_name_);
  query.set_number(++last_);
  query.set_text(std::string(text));
  if (!ways_.pass_on(to, item)) return reply({});
  open_.emplace(last_, Open{now, std::move(reply)});
}

void Queries::arrived(const pb::Query& query, const std::function<void(const pb::Item&)>& back) {
  if (query.to() != own_name_) {
    pb::Item item;
    *item.mutable_query() = query;
    item.mutable_query()->set_hops(query.hops() + 1);
    const bool passed = query.hops() < kMaxHops && ways_.pass_on(query.to(), item);
    if (!passed && !query.answer()) back(answer_to(query, own_name_, {}));
    return;
  }
  if (!query.answer()) {
    return ways_.asked(query.from(), query.text(),
                       [this, query, back, alive = std::weak_ptr<char>(alive_)](std::string text) {
                         if (!alive.expired()) back(answer_to(query, own_name_, std::move(text)));
                       });
  }
  const auto open = open_.find(query.number());
  if (open == open_.end()) return;
  const Reply reply = std::move(open->second.reply);
  open_.erase(open);
  reply(query.text());
}

void Queries::turn(Time now) {
  std::erase_if(open_, [now](const auto& one) { return now - one.second.asked >= kForget; });
}

}  // namespace stox::bus
