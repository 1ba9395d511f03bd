// The watches of XMPP users (watches.h) with what they need of a front: their SUBSCRIBE requests are sent,
// their NOTIFYs received, and what the SIP side refuses as a whole is seen.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/service/log.h"
#include "common/service/process.h"
#include "proto/envelope.pb.h"
#include "sip_front/presence/watches.h"
#include "sip_front/request/reception.h"
#include "sip_front/request/request_handler.h"
#include "sip_front/request/request_sender.h"
#include "sip_front/sip/message/random.h"

namespace stox {

class Watching final : public RequestHandler, private sip::SubscribeSender, private RequestSender::User {
 public:
  // All references must outlive it.
  Watching(const WatchOptions&, const Clock&, service::Log&, sip::Random&, Reception&, RequestSender&,
           PresenceOutbox::Outlet&);
  ~Watching() override { sender_.give_up(*this); }

  Watches& watches() { return watches_; }
  const Watches& watches() const { return watches_; }

  // A NOTIFY of the package.
  void take(const ReceivedRequest&) override;
  // Nothing is asked and nothing said any more: the next process goes on.
  void drain(bool on) { draining_ = on; }
  Time turn() { return draining_ ? watches_.keep_only() : watches_.turn(); }

  // A next hop that lets none of our SUBSCRIBEs pass, and what to do; empty: there is none.
  std::string trouble() const;

 private:
  static constexpr std::size_t kMaxHops = 16;
  static constexpr uint64_t kRefusedAlways = 3;  // times in a row

  struct Sent {
    sip::Dialog dialog;
    std::string lines;
  };

  void subscribe(uint64_t token, const Request&) override;
  void fill(uint64_t token, sip::Request&) override;
  void responded(uint64_t token, RequestSender::FinalResponse) override;
  void failed(uint64_t token, RequestSender::Failure) override;

  const Clock& clock_;
  service::Log& log_;
  Reception& reception_;
  RequestSender& sender_;
  Watches watches_;
  std::unordered_map<uint64_t, Sent> sent_;   // by token
  std::map<std::string, uint64_t> refusing_;  // by hop: how often 403, and nothing else since
  bool draining_ = false;
};

}  // namespace stox
