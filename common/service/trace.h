// The way of the last messages, and of the last presence, through this process: what `stoxctl trace` and
// `stoxctl send` show. Never bodies. Rings that allocate nothing once their strings have grown; presence, of
// which there is more, takes no message's place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ending.h"
#include "common/service/message_figures.h"

namespace stox::service {

struct TraceHop {
  std::string trace_id;    // 16 raw bytes
  std::string envelope;    // "origin.epoch.number" or empty
  std::string message_id;  // Call-ID, or id of the XMPP stanza that came in or went out; empty in a mapper
  std::string other_id;    // second id to be found by (the stanza id a worker wrote, ...)
  std::string room;        // in which it is said; message_id is one for all who hear it
  std::string from, to;    // addresses as this process sees them
  std::string decision;    // what this process did: "to component-1", "MESSAGE over udp to 127.0.0.1:5060"
  std::string outcome;     // empty = not ended here (yet)
  bool came_in = false;    // into the gateway, by this process: here its sender is told how it ended
  Ending ending = Ending::kOpen;  // of such a message
  int64_t came_us = 0;            // wall clock, microseconds
  int64_t went_us = 0;            // handed on; 0 = not yet
  int64_t ended_us = 0;           // outcome known; 0 = not yet
};

// Sees messages as they pass: `stoxctl tap`. What it is given lives during the call.
class TraceWatcher {
 public:
  virtual ~TraceWatcher() = default;
  virtual void passed(const TraceHop&, std::string_view body) = 0;
  virtual void refused(const TraceHop&, std::string_view packet) = 0;
};

class Trace {
 public:
  static constexpr std::size_t kMessages = 10'000, kPresences = 2'000;
  enum class Of : uint8_t { kMessage, kPresence };
  using Handle = uint64_t;  // 0 = none

  // A cleared slot to fill, replacing the oldest of its kind; the reference lives until the next add.
  TraceHop& add(Handle* handle = nullptr, Of = Of::kMessage);
  TraceHop* at(Handle);  // null once overwritten
  // Presence that passed at `now_us` (wall clock), shown to whoever taps.
  void presence_passed(std::string_view trace_id, std::string_view from, std::string_view to,
                       std::string decision, int64_t now_us);

  // So many hexadecimal digits stand for a trace id that begins with them.
  static constexpr std::size_t kShortId = 6;
  // All hops for which id is the trace id or its first digits, the envelope id, message id or other id;
  // oldest first.
  std::vector<const TraceHop*> find(std::string_view id) const;
  // Of the messages that `which` chooses the last `max`, oldest first.
  std::vector<const TraceHop*> last(std::size_t max, const std::function<bool(const TraceHop&)>& which) const;

  // Of the messages that came in here: counted when they end, whether or not their hop is still here.
  MessageFigures& messages() { return messages_; }
  const MessageFigures& messages() const { return messages_; }

  // To whoever taps: something new stands in this hop; `body` is that of the message, if it comes or goes
  // now.
  void show(const TraceHop& hop, std::string_view body = {}) const {
    if (watcher_ != nullptr) watcher_->passed(hop, body);
  }
  // To whoever taps refusals: what was refused, as it came.
  void show_refused(const TraceHop& hop, std::string_view packet) const {
    if (watcher_ != nullptr) watcher_->refused(hop, packet);
  }
  bool is_watched() const { return watcher_ != nullptr; }
  void watch(TraceWatcher* watcher) { watcher_ = watcher; }  // null: nobody

 private:
  TraceWatcher* watcher_ = nullptr;
  MessageFigures messages_;
  struct Ring {
    std::size_t max;
    std::vector<TraceHop> hops;
    uint64_t next = 1;

    bool has(uint64_t number) const { return number > 0 && number < next && next - number <= max; }
    uint64_t oldest() const { return next - hops.size(); }
    const TraceHop& at(uint64_t number) const { return hops[(number - 1) % max]; }
    TraceHop& add();
  };
  Ring rings_[2] = {{kMessages, {}}, {kPresences, {}}};  // by Of
};

}  // namespace stox::service
