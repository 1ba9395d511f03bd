// What the workers of one domain ask and tell each other, a function for each call of proto/calls.proto. The
// other side of each is Worker::call_came and Worker::handed_over.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "common/bus/calls/calls.h"
#include "common/bus/edge/hand_over.h"
#include "proto/calls.pb.h"

namespace stox::worker {

// Has `worker`, which has a stream, write an error stanza. `sent`: its server has it; else that is not
// called.
void send_for(bus::Calls&, const std::string& worker, std::string_view from, std::string_view to,
              std::string_view xml, std::function<void()> sent);

// Of which conversations `worker` has something in hand. No reply: there was no way to it. One of an earlier
// version, which does not know the question, has nothing: it would be waited for in vain.
void ask_in_hand(bus::Calls&, const std::string& worker, pb::InHand question,
                 std::function<void(const pb::Held&)> reply);

// Tells a worker that we know of the connection that it serves. One that does not hear it waits a little
// longer.
void say_known(bus::HandOvers&, const pb::Member& worker);

}  // namespace stox::worker
