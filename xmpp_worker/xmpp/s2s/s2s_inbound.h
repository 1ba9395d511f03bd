// A stream that another server opens to us: it must show by its certificate (TLS and SASL EXTERNAL, XEP-0178)
// or by dialback (XEP-0220) which domains it speaks for, and only stanzas from these, to domains of ours,
// come through. It may also ask whether a key is ours, which needs no proof. See s2s_stream.h.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "xmpp_worker/xmpp/s2s/dialback_key.h"
#include "xmpp_worker/xmpp/s2s/s2s_stream.h"

namespace stox::xmpp {

struct InboundOptions {
  std::string address = {};  // of the peer, for people
  bool can_tls = true;       // we have a certificate
  Duration to_authenticate = std::chrono::seconds(60);
};

class S2sInbound;

class S2sInboundUser {
 public:
  virtual ~S2sInboundUser() = default;
  // All domains are prepared.
  virtual bool serves(std::string_view domain) const = 0;
  virtual const std::string& some_domain() const = 0;  // that we serve
  // Plaintext will do with this domain; "": with some domain.
  virtual bool is_insecure(std::string_view domain) const = 0;
  virtual std::string new_stream_id() = 0;  // that nobody can guess, and never the same
  virtual void start_tls(S2sInbound&) = 0;  // send output() first; then tls_established() or disconnected()
  // Ask the server of question.to, on another connection; then verified(), later.
  virtual void ask(S2sInbound&, const DialbackQuestion&) = 0;
  virtual void authenticated(S2sInbound&, const std::string& from, const std::string& to) = 0;
  virtual void inbound_stanza(S2sInbound&, const Element&) = 0;
  virtual void inbound_oversized(S2sInbound&, const Element&) = 0;
  virtual void inbound_ended(S2sInbound&, const StreamEnd&) = 0;  // once
};

class S2sInbound : public S2sStream {
 public:
  static constexpr std::size_t kMaxPairs = 100, kMaxQuestions = 20;

  // Keys and user must outlive it.
  S2sInbound(InboundOptions, const DialbackKeys&, S2sInboundUser&, Time now);

  void tls_established(PeerNames, std::string description, Time now);
  void disconnected(const std::string& why, Time now);
  void turn(Time now);
  void close(const StreamError&, Time now);  // system-shutdown, or why an operator wants it
  // Says goodbye; what the peer has sent until it has read that still comes through. The end comes when it
  // has said goodbye, too, or soon.
  void leave(Time now);

  void verified(const DialbackQuestion&, const DialbackVerdict&, Time now);

  // To the domain that opened it, on a bidirectional stream; ask carries() first.
  void send(std::string_view xml) { write_stanza(xml); }
  bool carries(std::string_view from, std::string_view to) const;

  const std::string& address() const { return options_.address; }
  bool is_authenticated() const { return !pairs_.empty(); }
  using Pair = std::pair<std::string, std::string>;  // theirs, ours
  const std::vector<Pair>& pairs() const { return pairs_; }
  // Since when it is idle: the last stanza, or when it had proved who it is.
  Time used() const { return std::max(last_traffic(), proved_at_); }
  const std::string& from() const { return from_; }  // as the header claims, prepared; may be empty

 private:
  void opened(const Element& header) override;
  void element(const Element&) override;
  void oversized(const Element&) override;
  void open_header() override;
  void ended(const StreamEnd&) override;
  std::string peer_name() const override;

  void write_features();
  void start_tls();
  void sasl(const Element&);
  void refuse_sasl();
  void dialback_result(const Element&);
  void dialback_verify(const Element&);
  void answer_result(const std::string& from, const std::string& to, const DialbackVerdict&);
  void accept(const std::string& from, const std::string& to, const char* proof);
  void stanza(const Element&);
  bool check_addresses(const Element&);
  bool speaks_for(std::string_view written) const;

  InboundOptions options_;
  const DialbackKeys& keys_;
  S2sInboundUser& user_;
  std::string id_, from_, to_;  // of the stream as it stands
  bool is_old_ = false;         // of before XMPP 1.0
  bool by_external_ = false;    // the stream was restarted after SASL
  bool is_leaving_ = false;
  Time proved_at_{};
  unsigned refusals_ = 0;
  std::vector<Pair> pairs_;
  std::vector<DialbackQuestion> questions_;
};

}  // namespace stox::xmpp
