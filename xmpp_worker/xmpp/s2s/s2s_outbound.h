// The stream that we open to the server of another domain: header, STARTTLS, SASL EXTERNAL or dialback, then
// stanzas of one pair of domains; with XEP-0288 also those that come back. It asks the dialback questions of
// our inbound streams, too, as soon as TLS is settled. See s2s_stream.h.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "xmpp_worker/xmpp/s2s/dialback_key.h"
#include "xmpp_worker/xmpp/s2s/s2s_stream.h"

namespace stox::xmpp {

struct OutboundOptions {
  std::string from, to;       // prepared; ours, theirs
  std::string server = {};    // HOST:PORT, for people
  bool direct_tls = false;    // TLS before the first header
  bool can_tls = true;        // we are configured for it
  bool use_external = false;  // we have a certificate, and it has not been refused a moment ago
  bool insecure = false;      // plaintext will do, and so will a certificate that is not theirs
  bool use_bidi = true;
};

class S2sOutbound;

class S2sOutboundUser {
 public:
  virtual ~S2sOutboundUser() = default;
  virtual void start_tls(S2sOutbound&) = 0;  // send output() first; then tls_established() or disconnected()
  virtual void outbound_up(S2sOutbound&) = 0;
  virtual void outbound_ended(S2sOutbound&, const StreamEnd&) = 0;  // once
  virtual void verified(S2sOutbound&, const DialbackQuestion&, const DialbackVerdict&) = 0;
  virtual void outbound_stanza(S2sOutbound&, const Element&) = 0;  // on a bidirectional stream
  virtual void outbound_oversized(S2sOutbound&, const Element&) = 0;
};

class S2sOutbound : public S2sStream {
 public:
  // Keys and user must outlive it. The key of dialback is made for options.from.
  S2sOutbound(OutboundOptions, const DialbackKeys&, S2sOutboundUser&);

  void connected(Time now);
  void tls_established(PeerNames, std::string description, Time now);
  void disconnected(const std::string& why, Time now);
  void turn(Time now);
  void close(Time now);  // says goodbye; the end comes when the peer has, too, or soon

  void send(std::string_view xml) { write_stanza(xml); }  // only while up
  // The question is answered by verified(), or, if the stream ends before, by nothing.
  void verify(const DialbackQuestion&);
  // Messages wait for answers: a dead peer is noticed within 15 s instead of 3 min.
  void hurry(bool, Time now);

  bool is_up() const { return phase_ == Phase::kUp; }
  bool external_refused() const { return external_refused_; }
  std::string waits_for() const;  // for people, while it is not up
  const OutboundOptions& options() const { return options_; }
  Time last_proof_of_life() const { return alive_at_; }
  // What was sent before this the peer has processed; it can only be told of one that answers questions here.
  bool can_prove() const { return management_.is_on() || has_dialback_; }
  Time proved_until() const { return proved_until_; }
  void ask_for_proof(Time now);

 private:
  enum class Phase { kNew, kTls, kHeader, kFeatures, kStartTls, kSasl, kDialback, kUp, kClosing };

  void opened(const Element& header) override;
  void element(const Element&) override;
  void oversized(const Element&) override;
  void open_header() override;
  void ended(const StreamEnd&) override;
  std::string peer_name() const override;
  StreamEnd end_by_peer(const StreamError&) const override;
  void peer_answered() override;

  void go(Phase, Duration at_most);
  void features(const Element&);
  void authenticate(const Element& features);
  void begin_dialback();
  void sasl(const Element&);
  void dialback_result(const Element&);
  void dialback_verified(const Element&);
  void stanza(const Element&);
  void come_up(const char* proof);
  void allow_questions();
  void write_question(const DialbackQuestion&);
  void ask_for_life(bool proof = false);
  void refuse(std::string reason, StanzaError told);
  void leave_dead(StreamEnd);

  OutboundOptions options_;
  const DialbackKeys& keys_;
  S2sOutboundUser& user_;
  Phase phase_ = Phase::kNew;
  std::string stream_id_;
  bool external_refused_ = false, by_external_ = false;
  bool has_dialback_ = false, has_management_ = false;
  bool may_ask_ = false;  // dialback questions
  std::vector<DialbackQuestion> questions_;

  Time alive_at_{};
  Time asked_at_ = kNever;  // the question that is not answered
  Time proved_until_{};
  unsigned misses_ = 0, probes_ = 0;
  bool hurry_ = false;
};

}  // namespace stox::xmpp
