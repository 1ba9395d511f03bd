// Acknowledgement of stanzas on one stream (XEP-0198), without resumption: it tells what the peer has taken,
// and that it lives.
#pragma once

#include <cstdint>

#include "xmpp_worker/xmpp/stream/element.h"
#include "xmpp_worker/xmpp/stream/xml_writer.h"

namespace stox::xmpp {

class StreamManagement {
 public:
  enum class Took {
    kNothing,  // not of this protocol
    kElement,
    kAnswer,   // to our own question
    kTooHigh,  // the peer claims more than was sent: end the stream
  };

  // Who asks for it counts what it sends from then on, who grants it (or is granted it) all.
  void request() { counts_sent_ = true; }
  void start();
  void refuse() { counts_sent_ = false; }
  bool is_on() const { return on_; }
  void stanza_sent() { sent_ += counts_sent_; }
  void stanza_came() { came_ += on_; }
  // <r/>, if something is not acknowledged and has not been asked for.
  void ask_if_needed(XmlWriter&);
  void ask(XmlWriter&);
  // Requests, answers; not what begins it (enable, enabled, failed).
  Took take(const Element&, XmlWriter&);
  uint32_t unacked() const { return on_ ? sent_ - acked_ : 0; }

 private:
  bool on_ = false, counts_sent_ = false, asked_ = false;
  uint32_t sent_ = 0, acked_ = 0, came_ = 0;  // wrap at 2^32, as on the wire
  uint32_t asked_at_ = 0;                     // sent_ at the last question
};

}  // namespace stox::xmpp
