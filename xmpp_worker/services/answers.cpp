#include "xmpp_worker/services/answers.h"

#include <iterator>
#include <utility>

namespace stox::worker {

using xmpp::Path;

bool Answers::send(Path* path, std::string_view from, std::string_view xml) {
  if (path == nullptr) return false;
  // Who does not read what is answered gets no more answers.
  if (path->is_up()) return path->has_room() && path->send(from, xml) == Path::Sent::kWritten;
  Reply answer{std::string(from), std::string(xml), clock_.now() + kPatience};
  const auto known = waiting_.find(path);
  const std::size_t size = size_of(answer), before = known == waiting_.end() ? 0 : known->second.bytes;
  if (before + size > kMaxOfPath || bytes_ + size > kMax) return false;
  Waiting& waiting = waiting_[path];
  waiting.answers.push_back(std::move(answer));
  waiting.bytes += size;
  bytes_ += size;
  return true;
}

void Answers::path_up(Path& path) {
  if (waiting_.contains(&path)) path.write_soon();
}

void Answers::about_to_write(Path& path) {
  const auto found = waiting_.find(&path);
  if (found == waiting_.end() || !path.is_up()) return;
  for (const Reply& each : found->second.answers) path.send(each.from, each.xml);
  path_gone(path);
}

void Answers::path_gone(const Path& path) {
  const auto found = waiting_.find(&path);
  if (found == waiting_.end()) return;
  bytes_ -= found->second.bytes;
  waiting_.erase(found);
}

std::size_t Answers::drop_late() {
  const Time now = clock_.now();
  std::size_t count = 0;
  for (auto entry = waiting_.begin(); entry != waiting_.end();) {
    Waiting& waiting = entry->second;
    count += std::erase_if(waiting.answers, [&](const Reply& each) {
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
