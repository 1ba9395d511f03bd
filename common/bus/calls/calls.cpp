#include "common/bus/calls/calls.h"

#include <utility>

namespace stox::bus {
namespace {

constexpr uint32_t kMaxHops = 4;  // mapper, edge, mapper, edge
constexpr Duration kForget = std::chrono::minutes(2);

pb::Call with_text(std::string text) {
  pb::Call call;
  call.set_text(std::move(text));
  return call;
}

pb::Item answer_to(const pb::Call& question, const std::string& from, pb::Call answer) {
  answer.set_to(question.from());
  answer.set_from(from);
  answer.set_number(question.number());
  answer.set_answer(true);
  pb::Item item;
  *item.mutable_call() = std::move(answer);
  return item;
}

}  // namespace

void Calls::ask(const std::string& to, std::string_view text, TextReply reply) {
  call(to, with_text(std::string(text)),
       [reply = std::move(reply)](const pb::Call& answer) { reply(answer.text()); });
}

void Calls::call(const std::string& to, pb::Call question, Reply reply) {
  question.set_to(to);
  question.set_from(own_name_);
  question.set_number(++last_);
  pb::Item item;
  *item.mutable_call() = std::move(question);
  if (!ways_.pass_on(to, item)) return reply({});
  open_.emplace(last_, Open{clock_.now(), std::move(reply)});
}

void Calls::arrived(const pb::Call& call, const std::function<void(const pb::Item&)>& back) {
  if (call.to() != own_name_) {
    pb::Item item;
    *item.mutable_call() = call;
    item.mutable_call()->set_hops(call.hops() + 1);
    const bool passed = call.hops() < kMaxHops && ways_.pass_on(call.to(), item);
    if (!passed && !call.answer()) back(answer_to(call, own_name_, {}));
    return;
  }
  if (!call.answer()) {
    return question_came(call, [this, call, back, alive = std::weak_ptr<char>(alive_)](pb::Call answer) {
      if (!alive.expired()) back(answer_to(call, own_name_, std::move(answer)));
    });
  }
  const auto open = open_.find(call.number());
  if (open == open_.end()) return;
  const Reply reply = std::move(open->second.reply);
  open_.erase(open);
  reply(call);
}

void Calls::question_came(const pb::Call& question, Reply reply) {
  if (!question.has_text()) return ways_.call_came(question, std::move(reply));
  ways_.asked(question.from(), question.text(),
              [reply = std::move(reply)](std::string text) { reply(with_text(std::move(text))); });
}

void Calls::turn() {
  std::erase_if(open_, [now = clock_.now()](const auto& one) { return now - one.second.asked >= kForget; });
}

}  // namespace stox::bus
