// What we answer at once to what others ask (IQs, subscriptions), and receipts of our own. The way back is
// often not there yet: a server that shows its certificate asks before we have a stream to it. Then the
// answer waits while the link is being made. Bounded: who asks much and can not be reached gets fewer
// answers.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/stream/link.h"

namespace stox::worker {

class Answers {
 public:
  static constexpr Duration kPatience = std::chrono::seconds(30);
  static constexpr std::size_t kMaxOfLink = 65'536, kMax = 1'048'576;  // bytes

  explicit Answers(const Clock& clock) : clock_(clock) {}  // must outlive it

  // Onto the link, or it waits for it. False: it is dropped, for there is no room (or no link: null).
  bool send(xmpp::Link*, std::string_view from, std::string_view xml);
  void link_up(xmpp::Link&);
  void about_to_write(xmpp::Link&);
  void link_gone(const xmpp::Link&);
  std::size_t drop_late();  // now and then; how many it dropped

 private:
  struct Answer {
    std::string from, xml;
    Time until;
  };
  struct Waiting {
    std::vector<Answer> answers;
    std::size_t bytes = 0;
  };
  static std::size_t size_of(const Answer& each) { return sizeof each + each.from.size() + each.xml.size(); }

  const Clock& clock_;
  std::unordered_map<const xmpp::Link*, Waiting> waiting_;  // none of them empty
  std::size_t bytes_ = 0;
};

}  // namespace stox::worker
