#include "xmpp_worker/siblings/sibling_calls.h"

#include <utility>

namespace stox::worker {

void send_for(bus::Calls& calls, const std::string& worker, std::string_view from, std::string_view to,
              std::string_view xml, std::function<void()> sent) {
  pb::Call call;
  call.mutable_send_for()->set_from(from.data(), from.size());
  call.mutable_send_for()->set_to(to.data(), to.size());
  call.mutable_send_for()->set_xml(xml.data(), xml.size());
  calls.call(worker, std::move(call), [sent = std::move(sent)](const pb::Call& answer) {
    if (answer.has_sent()) sent();
  });
}

void ask_in_hand(bus::Calls& calls, const std::string& worker, pb::InHand question,
                 std::function<void(const pb::Held&)> reply) {
  pb::Call call;
  *call.mutable_in_hand() = std::move(question);
  calls.call(worker, std::move(call), [worker, reply = std::move(reply)](const pb::Call& answer) {
    if (answer.has_held() || answer.from() == worker) reply(answer.held());
  });
}

void say_known(bus::HandOvers& hand_overs, const pb::Member& worker) {
  pb::HandOver known;  // its stream, 0, is none of XMPP
  known.mutable_known_connection()->set_connection(worker.serving().connection());
  (void)hand_overs.put(worker.name(), worker.process_epoch(), std::move(known));
}

}  // namespace stox::worker
