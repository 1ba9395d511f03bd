// What streams between servers (RFC 6120, XEP-0220) have in common, whoever opened them; free of I/O: bytes
// and time come in, bytes and events go out. One object is one TCP connection; it never comes back.
//
// The owner feeds what arrives, sends output() and empties it, calls turn() when next() has come, and tells
// when TLS, which it was asked for, is established. After an end it sends what output() holds and closes.
// Users are called from within these calls; they may send() but not destroy the stream.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/s2s/peer_names.h"
#include "xmpp_worker/xmpp/stream/stream_management.h"
#include "xmpp_worker/xmpp/stream/xml_stream.h"

namespace stox::xmpp {

// Why a stream is no more.
struct StreamEnd {
  std::string reason;           // for an operator: what happened, and what to do
  StanzaError told = {};        // to the senders of stanzas that cannot leave
  bool refused = false;         // it will be so until someone changes something
  std::string other_host = {};  // it told us to go there (RFC 6120 4.9.3.19), and may
  Duration rest{};              // it is not asked again before
  bool complete = false;        // the peer closed it: all that it sent has come
  bool dead = false;            // the peer answers no more: what it has not got yet it shall not get later
};

// How a dialback key was judged.
struct DialbackVerdict {
  enum class Kind { kValid, kInvalid, kError } kind = Kind::kError;
  std::string condition = {};  // of an error
};

// The question to the server of `to`: have you sent this key to `from` on the stream `id`?
struct DialbackQuestion {
  std::string from, to, id, key;
  bool is_for(const DialbackQuestion& other) const {
    return from == other.from && to == other.to && id == other.id;
  }
};

// A domain as the text writes it is the prepared one.
bool is_domain(std::string_view written, std::string_view prepared);
// Empty if it is none.
std::string prepared_domain(std::string_view written);

class S2sStream : protected XmlStreamUser {
 public:
  void received(std::string_view bytes, Time now);
  // Behind what was written in this wakeup, before it leaves: asks for an acknowledgement.
  void end_of_wakeup();
  std::string& output() { return output_; }
  const std::string& output() const { return output_; }
  Time next() const { return next_; }
  // To be called now and then: a stream on which nothing comes gives back what it can make again. True: it
  // has.
  bool rest_if_idle(Time now);
  std::size_t held() const { return xml_.held(); }  // bytes of a stanza that has not ended, about

  bool is_ended() const { return ended_; }
  bool is_encrypted() const { return !tls_.empty(); }
  const std::string& tls() const { return tls_; }               // version and cipher; empty = none
  const std::string& authentication() const { return proof_; }  // how it was done; empty = not yet
  bool is_bidi() const { return bidi_; }
  const StreamManagement& management() const { return management_; }
  const PeerNames& peer() const { return peer_; }
  uint64_t stanzas_in() const { return stanzas_in_; }
  uint64_t stanzas_out() const { return stanzas_out_; }
  Time last_traffic() const { return last_traffic_; }  // of stanzas

 protected:
  // Limits until it has been proved who the peer is.
  explicit S2sStream(const XmlLimits& limits) : limits_(limits), xml_(limits, *this) {}

  virtual void opened(const Element& header) = 0;
  virtual void element(const Element&) = 0;
  virtual void oversized(const Element&) = 0;
  virtual void open_header() = 0;
  virtual void ended(const StreamEnd&) = 0;
  virtual std::string peer_name() const = 0;  // for people
  virtual StreamEnd end_by_peer(const StreamError&) const;

  void expect_restart();
  void wait_for_tls();
  void take_tls(PeerNames, std::string description, Time now);
  void begin_header(XmlWriter&);
  void write_stanza(std::string_view xml);
  void note_stanza();
  // True: it was of stream management.
  bool take_management(const Element&);
  virtual void peer_answered() {}
  // Ends the stream with an error of ours; `refused` and `told` are for whom sends.
  void fail(const StreamError&, StreamEnd);
  void fail(std::string_view condition, const std::string& text);
  void finish(StreamEnd);
  void say_goodbye();

  const XmlLimits limits_;
  XmlStream xml_;
  std::string output_;
  Time now_{};  // of the call we are in
  Time next_ = kNever;
  bool header_sent_ = false;
  bool bidi_ = false;
  std::string proof_;
  StreamManagement management_;
  PeerNames peer_;

 private:
  void stream_opened(const Element&) override;
  void stream_element(const Element&) override;
  void stream_oversized(const Element&) override;
  void stream_closed() override;
  void stream_failed(const StreamError&) override;

  bool ended_ = false, in_tls_handshake_ = false, goodbye_said_ = false;
  std::string tls_;
  uint64_t stanzas_in_ = 0, stanzas_out_ = 0;
  Time last_traffic_{}, came_at_{};
};

// <db:NAME from= to= id= type=>, closed by the caller. Empty attributes are left out.
XmlWriter& open_dialback(XmlWriter&, std::string_view name, std::string_view from, std::string_view to,
                         std::string_view id, std::string_view type);
// Type and error of the verdict, and the end of the element.
void write_verdict(XmlWriter&, std::string_view name, std::string_view from, std::string_view to,
                   std::string_view id, const DialbackVerdict&);
DialbackVerdict read_verdict(const Element&);

}  // namespace stox::xmpp
