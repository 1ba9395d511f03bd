// What we answer at once to what others ask (IQs, subscriptions), and receipts of our own. The way back is
// often not there yet: a server that shows its certificate asks before we have a stream to it. Then the
// answer waits while the path is being made. Bounded: who asks much and can not be reached gets fewer
// answers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/stream/path.h"

namespace stox::worker {

class Answers {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(30);
  static constexpr std::size_t kMaxOfPath = 65'536, kMax = 1'048'576;  // bytes

  explicit Answers(const Clock& clock) : clock_(clock) {}  // must outlive it

  // Onto the path, or it waits for it. False: it is dropped, for there is no room (or no path: null).
  bool send(xmpp::Path*, std::string_view from, std::string_view xml);
  void path_up(xmpp::Path&);
  void about_to_write(xmpp::Path&);
  void path_gone(const xmpp::Path&);
  std::size_t drop_late();  // now and then; how many it dropped

 private:
  struct Reply {
    std::string from, xml;
    Time until;
  };
  struct Waiting {
    std::vector<Reply> answers;
    std::size_t bytes = 0;
  };
  static std::size_t size_of(const Reply& each) { return sizeof each + each.from.size() + each.xml.size(); }

  const Clock& clock_;
  std::unordered_map<const xmpp::Path*, Waiting> waiting_;  // none of them empty
  std::size_t bytes_ = 0;
};

}  // namespace stox::worker
