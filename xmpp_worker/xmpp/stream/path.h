// The paths to XMPP servers as those who write messages see them, whatever stream is under them: a
// component's one stream to a local server, which takes stanzas to any domain, or a stream of our own from
// one of our domains to one remote domain (S2S).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/stream/element.h"

namespace stox::xmpp {

// One path. It comes back by itself; while it is not up, reason() says why in words for an operator.
class Path {
 public:
  enum class Sent { kWritten, kNotUp, kTooLarge, kForeignFrom };

  virtual ~Path() = default;
  virtual const std::string& own_domain() const = 0;  // which of ours it speaks for
  // A whole stanza; valid only while up. What the peer would end the stream for is not written.
  virtual Sent send(std::string_view from, std::string_view xml) = 0;
  // PathsUser::about_to_write() is wanted, though nothing has been sent.
  virtual void write_soon() = 0;
  // Messages wait for answers: until told otherwise a dead peer is noticed within seconds instead of minutes.
  virtual void hurry(bool, Time now) = 0;

  // Bytes taken by send() are still in this process: its death would cost them.
  virtual bool has_unsent() const { return false; }
  // What was sent before this, on the stream that is up now, the peer has processed, as far as it can be
  // told.
  virtual Time proved_until() const { return has_unsent() ? Time{} : kNever; }
  // Asks the peer behind what was sent, if that is a way to learn it: PathsUser::about_to_write() follows its
  // answer.
  virtual void ask_for_proof(Time) {}
  virtual Time up_since() const { return Time{}; }
  // The peer sends the answers to what is sent now to connections only that we know of.
  virtual bool is_sure() const { return true; }
  virtual bool has_room() const = 0;  // the peer reads what it is sent
  virtual bool is_up() const = 0;
  // The peer refuses us and will until someone changes a configuration.
  virtual bool is_refused() const = 0;
  virtual const std::string& reason() const = 0;  // while not up
  // While not up: the stanza error that says it (remote-server-not-found, ...), where the fault is the remote
  // domain's; empty where it is ours.
  virtual std::string_view condition() const { return {}; }
  virtual Time down_since() const = 0;          // kNever while up
  virtual Time retry_at() const = 0;            // kNever: not waiting for a next attempt
  virtual Time last_proof_of_life() const = 0;  // an answer of the peer itself to our own question
};

class Paths {
 public:
  virtual ~Paths() = default;
  // The path between two domains, ours prepared; asked for one that is not there, it begins to make it. Null:
  // there is no room for another. Valid until PathsUser::path_gone.
  virtual Path* path(std::string_view from_domain, std::string_view to_domain) = 0;
};

// Calls come while bytes or time are handled, never from inside send() or path().
class PathsUser {
 public:
  virtual ~PathsUser() = default;
  virtual void path_up(Path&) = 0;
  virtual void path_down(Path&) = 0;  // it was up
  virtual void path_gone(Path&) = 0;  // idle for long, and now about to be destroyed
  // Another server has shown on a stream that was not there before that it may speak for this domain,
  // prepared.
  virtual void peer_came(std::string_view /*domain*/) {}
  // What was sent in this wakeup leaves when this returns, once for all of it: the last chance to send more.
  // Only while up.
  virtual void about_to_write(Path&) = 0;
  // From a peer that may speak for the stanza's `from`, to a domain of ours. `stream` tells streams apart:
  // two stanzas with the same number came in this order.
  virtual void stanza(const Element&, uint64_t stream) = 0;
  // The peer is about to be told that the stanzas so far are in our hands.
  virtual void about_to_acknowledge() {}
  virtual void oversized(const Element&) = 0;  // name and attributes of a stanza over the limits
  virtual void state_changed() = 0;            // whether, and why not, messages can be taken
};

}  // namespace stox::xmpp
