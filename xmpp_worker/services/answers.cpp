#include "xmpp_worker/services/answers.h"

#include <iterator>
#include <utility>

namespace stox::worker {

using xmpp::Link;

bool Answers::send(Link* link, std::string_view from, std::string_view xml) {
  if (link == nullptr) return false;
  // Who does not read what is answered gets no more answers.
  if (link->is_up()) return link->has_room() && link->send(from, xml) == Link::Sent::kWritten;
  Answer answer{std::string(from), std::string(xml), clock_.now() + kPatience};
  const auto known = waiting_.find(link);
  const std::size_t size = size_of(answer), before = known == waiting_.end() ? 0 : known->second.bytes;
  if (before + size > kMaxOfLink || bytes_ + size > kMax) return false;
  Waiting& waiting = waiting_[link];
  waiting.answers.push_back(std::move(answer));
  waiting.bytes += size;
  bytes_ += size;
  return true;
}

void Answers::link_up(Link& link) {
  if (waiting_.contains(&link)) link.write_soon();
}

void Answers::about_to_write(Link& link) {
  const auto found = waiting_.find(&link);
  if (found == waiting_.end() || !link.is_up()) return;
  for (const Answer& each : found->second.answers) link.send(each.from, each.xml);
  link_gone(link);
}

void Answers::link_gone(const Link& link) {
  const auto found = waiting_.find(&link);
  if (found == waiting_.end()) return;
  bytes_ -= found->second.bytes;
  waiting_.erase(found);
}

std::size_t Answers::drop_late() {
  const Time now = clock_.now();
  std::size_t count = 0;
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    Waiting& waiting = entry->second;
    count += std::erase_if(waiting.answers, [&](const Answer& each) {
      if (each.until > now) return false;
      waiting.bytes -= size_of(each);
      bytes_ -= size_of(each);
      return true;
    });
    entry = waiting.answers.empty() ? waiting_.erase(entry) : std::next(entry);
  }
  return count;
}

}  // namespace stox::worker
