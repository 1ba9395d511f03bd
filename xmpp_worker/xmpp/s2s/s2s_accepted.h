// A connection of another server to us: the stream's machine over its socket, and, if it is bidirectional, a
// way back. Whether it begins with TLS (XEP-0368) or with a stream its first byte tells, so one port does
// both.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/shares.h"
#include "xmpp_worker/xmpp/s2s/s2s_admission.h"
#include "xmpp_worker/xmpp/s2s/s2s_inbound.h"
#include "xmpp_worker/xmpp/s2s/s2s_route.h"
#include "xmpp_worker/xmpp/s2s/s2s_site.h"
#include "xmpp_worker/xmpp/stream/paced_socket.h"

namespace stox::xmpp {

class S2sAccepted;

class S2sAcceptedUser {
 public:
  virtual ~S2sAcceptedUser() = default;
  virtual void ask(S2sAccepted&, const DialbackQuestion&) = 0;
  // May be called several times for one pair.
  virtual void authenticated(S2sAccepted&, const std::string& from, const std::string& to) = 0;
  // So many bytes are held for the peer now. False: too many, others need them.
  virtual bool may_hold(S2sAccepted&, std::size_t bytes) = 0;
  // Nothing is read or sent any more; it may be destroyed later, from no call of its own.
  virtual void ended(S2sAccepted&, const StreamEnd&) = 0;
};

class S2sAccepted final : public S2sCarrier, private S2sInboundUser, private PacedSocketUser {
 public:
  S2sAccepted(S2sSite&, S2sAcceptedUser&, int descriptor, const net::Address& peer, S2sAdmission::Place);
  ~S2sAccepted() override;

  S2sAdmission::Place place;  // these are the owner's
  Shares::Claim peer;

  uint64_t number() const { return number_; }
  const S2sInbound& machine() const { return machine_; }
  void answered(const DialbackQuestion&, const DialbackVerdict&);
  void close(const StreamError&);
  void leave();                                                            // as S2sInbound
  bool rest_if_idle() { return machine_.rest_if_idle(site_.loop.now()); }  // as S2sStream
  bool carries(std::string_view from, std::string_view to) const { return machine_.carries(from, to); }
  std::vector<StreamInfo> info() const;  // one for each pair, or for what it claims to be

  void carry(std::string_view xml) override;
  void write_soon() override { socket_.write_soon(); }
  bool has_room() const override;
  Time last_proof_of_life() const override { return alive_at_; }
  void add(S2sRoute& route) override { carried_.push_back(&route); }
  void remove(S2sRoute& route) override { std::erase(carried_, &route); }

 private:
  bool serves(std::string_view domain) const override { return site_.serves(domain); }
  const std::string& some_domain() const override { return site_.options.serves.front(); }
  bool is_insecure(std::string_view domain) const override { return site_.is_insecure(domain); }
  std::string new_stream_id() override;
  void start_tls(S2sInbound&) override { start_tls({}); }
  void ask(S2sInbound&, const DialbackQuestion&) override;
  void authenticated(S2sInbound&, const std::string& from, const std::string& to) override;
  void inbound_stanza(S2sInbound&, const Element&) override;
  void inbound_oversized(S2sInbound&, const Element&) override;
  void inbound_ended(S2sInbound&, const StreamEnd&) override;

  void socket_received(std::string_view bytes) override;
  void socket_closed(const std::string& why) override;
  void tls_established(net::TlsSession&) override;
  void about_to_write() override;
  void start_tls(std::string_view begun);
  void arrange();

  S2sSite& site_;
  S2sAcceptedUser& user_;
  const uint64_t number_;
  S2sInbound machine_;
  PacedSocket socket_;
  net::Alarm alarm_;
  std::vector<S2sRoute*> carried_;
  Time alive_at_{};
  std::size_t came_ = 0, said_ = 0;  // bytes of the stream
};

}  // namespace stox::xmpp
