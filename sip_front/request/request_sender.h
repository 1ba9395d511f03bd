// Requests of ours, of any method, from the next hop to their final response: fail-over to other hops (RFC
// 3263 4.3), answers to challenges (RFC 3261 22), transports that are large enough (18.1.1), client
// transactions. What a request says its user is asked for whenever it is written, so that nothing of it is
// kept here. Free of I/O: requests go out by an Outlet, and a HopFinder asks the DNS.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/service/process.h"
#include "sip_front/request/passwords.h"
#include "sip_front/request/resting_hops.h"
#include "sip_front/request/silent_hops.h"
#include "sip_front/sip/message/random.h"
#include "sip_front/sip/message/writer.h"
#include "sip_front/sip/transaction/client_transaction.h"
#include "sip_front/sip/transaction/table.h"
#include "sip_front/sip/transport/next_hop.h"
#include "sip_front/sip/transport/outlet.h"

namespace stox {

class RequestSender : private sip::ClientUser {
 public:
  static constexpr std::size_t kSmall = 1300;  // bytes; larger ones need congestion control (RFC 3428 8)

  // The way of a request, from where to look for hops.
  struct Way {
    std::string_view uri;   // the Request-URI, or the first route of its dialog (sip::next_hop_uri)
    bool is_route = false;  // it is a route: past the outbound proxy, whose Route is left out
    sip::NextHop::Chosen chosen = sip::NextHop::Chosen::kByAnybody;  // who chose the URI
  };

  // What it refers to lives during the call, until something is begun from inside.
  struct FinalResponse {
    sip::Id request;
    const sip::Message& response;
    const sip::Hop& hop;  // that it came from
    uint32_t cseq;        // the last one used, which it answers
    std::string text;     // for people: from whom, and why a challenge could not be answered
  };

  // That no response came, and none will.
  struct Failure {
    enum class Why : uint8_t {
      kTimedOut,     // Timer F
      kUnreachable,  // no way to any hop, or it broke
      kNoAddress,
      kForbidden,   // none of gateway.sip_domains
      kTooLarge,    // for UDP, where nothing else is; or Start::small was wanted
      kTooLate,     // not begun before Start::begin_before
      kUnwritable,  // something in it cannot be written
    };
    Why why = Why::kTimedOut;
    bool may_have_arrived = false;  // not: sent again elsewhere it makes no duplicate
    bool permanent = false;         // kNoAddress: there is no such name, as far as DNS knows
    sip::Id request = {};
    uint32_t cseq = 0;  // the last one used
    // Nobody but who chose the address knows it. He is told no more than that there was no answer.
    bool unlisted = false;
    bool large = false;     // it was looked for hops that take more than kSmall
    std::string text = {};  // for people
  };

  // Whose requests these are. Each ends in exactly one responded() or failed(), which may come from inside
  // start(), and may begin others from inside.
  class User {
   public:
    virtual ~User() = default;
    // What the request says, to be written now. Method, CSeq and Route of the outbound proxy are there; Via,
    // Contact and credentials are not its business. The views must live until the next call.
    virtual void fill(uint64_t token, sip::Request&) = 0;
    // It is sent to this hop next; once for each try.
    virtual void goes_to(uint64_t /*token*/, const sip::Hop&) {}
    virtual void responded(uint64_t token, FinalResponse) = 0;
    virtual void failed(uint64_t token, Failure) = 0;
  };

  class HopFinder {
   public:
    virtual ~HopFinder() = default;
    virtual void find_hops(const Way&, std::size_t size, std::function<void(sip::Hops)>) = 0;
  };

  struct Start {
    User* user = nullptr;  // must live until the request has ended
    uint64_t token = 0;    // given back with each question and the end
    sip::Method method = sip::Method::kMessage;
    Way way = {};
    Time begin_before = {};  // nothing is sent for the first time, or to another hop, after that
    uint32_t cseq = 1;       // of the first try; each further one has the next
    std::size_t size = 0;    // about, in bytes, without Route and credentials; 0 = small
    bool with_contact =
        false;           // a Contact that leads back to this process, for what makes or refreshes a dialog
    bool small = false;  // more than kSmall bytes are refused
  };

  // All references must outlive it, and no callback of find_hops may come after its end.
  RequestSender(const Clock&, sip::Random&, HopFinder&, sip::Outlet&);

  // For requests from now on. `route`: what they carry as Route, empty = none; credentials: what 401 and 407
  // are answered with, by realm. `has_proxy`: all requests go to one configured proxy, but for those that
  // follow the route of a dialog.
  void configure(std::string route, std::vector<sip::Credentials> credentials, bool has_proxy);

  void start(const Start&);
  // From inside responded() or failed(): the request is sent again, as its user fills it now, to the hops
  // that were found for it; for another form of the same content.
  void again(sip::Id request, uint32_t cseq);
  // All requests of this user end without a word, and nothing of them is sent any more.
  void give_up(const User&);

  // False: it belongs to no request.
  bool response(const sip::Message& message) { return transactions_.receive(message, clock_.now()); }
  void connection_lost(uint32_t connection, bool never_made, std::string_view why) {
    transactions_.connection_lost(connection, never_made, why);
  }
  void unreachable(const sip::Endpoint& peer, std::string_view datagram, std::string_view why) {
    transactions_.unreachable(peer, datagram, why);
  }
  void turn() { transactions_.turn(clock_.now()); }
  Time next_turn() const { return transactions_.next_turn(); }

  std::size_t size() const { return sendings_.size(); }            // requests that have not ended
  std::size_t waiting() const { return transactions_.waiting(); }  // client transactions
  const SilentHops& silent_hops() const { return silent_; }
  void add_metrics(std::vector<service::Metric>&) const;

 private:
  enum class Stage : uint8_t { kFree, kResolving, kSent, kTold };
  struct Sending {
    Stage stage = Stage::kFree;
    Start start;      // its way's URI is `uri`
    std::string uri;  // for a second search
    std::vector<sip::Hop> hops;
    std::size_t at_hop = 0, bytes = 0;     // as last written
    std::vector<sip::Challenge> answered;  // at this hop
    std::string refused;                   // the head of a 503 of a hop before this one; empty: none
    std::size_t refused_by = 0;            // that hop
    std::size_t too_large = 0;             // bytes of a request that UDP must not carry
    bool sought_large = false;             // the hops are those for a large request
    const sip::Hop& hop() const { return hops[at_hop]; }
  };
  using Why = Failure::Why;

  void send_request(const sip::Flow& flow, std::string_view bytes) override { outlet_.send(flow, bytes); }
  void responded(uint64_t token, const sip::Message&) override;
  void timed_out(uint64_t token) override;
  void transport_failed(uint64_t token, bool may_have_arrived, std::string_view why) override;

  void find_hops(sip::Id, std::size_t size);
  void resolved(sip::Id, sip::Hops);
  void try_hops(sip::Id, std::string why);
  Result<void> write(Sending&, const sip::Flow&, const sip::SentBy&);
  bool answer_challenge(Sending&, const sip::Message& response, std::string* why);
  bool pass_over(Sending&, const sip::Message& response);
  void go_on_to(Sending&, std::size_t hop);
  void none_left(sip::Id, std::string why);
  void note_failure(const Sending&, std::string why);
  void answer(sip::Id, const sip::Message&, std::string text);
  void fail(sip::Id, Failure, std::string text);
  template <class Tell>
  void tell(sip::Id, Tell);

  const Clock& clock_;
  sip::Random& random_;
  HopFinder& finder_;
  sip::Outlet& outlet_;
  sip::ClientTransactions transactions_;
  sip::Slots<Sending> sendings_;
  std::string route_;
  Passwords passwords_;
  RestingHops resting_;
  SilentHops silent_;
  std::string out_, via_, branch_, answers_, contact_;         // reused
  std::map<sip::Method, std::array<uint64_t, 700>> statuses_;  // of final responses; 0: none came
  uint64_t challenged_ = 0, failed_over_ = 0;
};

}  // namespace stox
