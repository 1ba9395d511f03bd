#include "xmpp_worker/xmpp/s2s/s2s_accepted.h"

#include <openssl/rand.h>

#include <array>
#include <utility>

#include "common/base/sip_uri.h"
#include "common/base/text.h"

namespace stox::xmpp {
namespace {

// Of a stream that has not proved anything: what comes, and what is answered, be it read or not. A record of
// TLS takes memory until all of it has come.
constexpr std::size_t kMaxUnprovedIn = 262'144, kMaxUnprovedOut = 12'288, kMaxUnprovedRecord = 6'144;
// Answers that a peer does not read; beyond it is no peer.
constexpr std::size_t kMaxUnread = 262'144;
constexpr std::size_t kMaxUnsent = 4'194'304;  // of what we want to say on a bidirectional stream
constexpr char kTlsHandshake = 0x16;           // RFC 8446 5.1; no XML begins with it

}  // namespace

S2sAccepted::S2sAccepted(S2sSite& site, S2sAcceptedUser& user, int descriptor, const net::Address& address,
                         S2sAdmission::Place taken)
    : place(std::move(taken)),
      site_(site),
      user_(user),
      number_(++site.streams),
      machine_({host_port(address.ip, address.port), site.tls->has_certificate()}, site.keys, *this,
               site.loop.now()),
      socket_(site.loop, *this),
      alarm_(site.loop, [this] {
        machine_.turn(site_.loop.now());
        arrange();
      }) {
  socket_.adopt(descriptor);
  arrange();
}

S2sAccepted::~S2sAccepted() = default;

void S2sAccepted::arrange() {
  if (machine_.is_ended()) return alarm_.set(kNever);
  const std::size_t unread = socket_.unsent() + machine_.output().size();
  if (!machine_.is_authenticated() &&
      (came_ > kMaxUnprovedIn || said_ + machine_.output().size() > kMaxUnprovedOut ||
       socket_.awaited() > kMaxUnprovedRecord))
    return close({"policy-violation", "prove first who you are"});
  if (unread > (carried_.empty() ? kMaxUnread : 2 * kMaxUnsent))
    return close({"resource-constraint", "what we send is not read"});
  if (!user_.may_hold(*this, unread + machine_.held()))
    return close({"resource-constraint", "this stream takes what others need"});
  if (!machine_.output().empty()) socket_.write_soon();
  alarm_.set(net::about(machine_.next()));
}

std::string S2sAccepted::new_stream_id() {
  std::array<unsigned char, 16> bytes{};
  RAND_bytes(bytes.data(), bytes.size());
  return to_hex({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void S2sAccepted::start_tls(std::string_view begun) {
  net::TlsOptions options;
  options.role = net::TlsOptions::Role::kServer;
  options.alpn = "xmpp-server";
  socket_.start_tls(*site_.tls, std::move(options), begun);
}

void S2sAccepted::ask(S2sInbound&, const DialbackQuestion& question) { user_.ask(*this, question); }

void S2sAccepted::authenticated(S2sInbound&, const std::string& from, const std::string& to) {
  user_.authenticated(*this, from, to);
}

void S2sAccepted::inbound_stanza(S2sInbound&, const Element& element) {
  alive_at_ = site_.loop.now();
  site_.user.stanza(element, number_);
}

void S2sAccepted::inbound_oversized(S2sInbound&, const Element& element) { site_.user.oversized(element); }

void S2sAccepted::inbound_ended(S2sInbound&, const StreamEnd& end) {
  socket_.close();
  user_.ended(*this, end);
}

void S2sAccepted::answered(const DialbackQuestion& question, const DialbackVerdict& verdict) {
  machine_.verified(question, verdict, site_.loop.now());
  arrange();
}

void S2sAccepted::close(const StreamError& error) { machine_.close(error, site_.loop.now()); }

void S2sAccepted::leave() {
  machine_.leave(site_.loop.now());
  arrange();
}

void S2sAccepted::socket_received(std::string_view bytes) {
  const bool is_first = came_ == 0 && !bytes.empty();
  came_ += bytes.size();
  if (is_first && bytes.front() == kTlsHandshake && site_.tls->has_certificate()) return start_tls(bytes);
  machine_.received(bytes, site_.loop.now());
  arrange();
}

void S2sAccepted::socket_closed(const std::string& why) { machine_.disconnected(why, site_.loop.now()); }

void S2sAccepted::tls_established(net::TlsSession& session) {
  machine_.tls_established(names_of(session.take_peer()), session.description(), site_.loop.now());
}

void S2sAccepted::about_to_write() {
  const std::vector<S2sRoute*> carried = carried_;
  for (S2sRoute* route : carried) route->about_to_write();
  if (machine_.management().is_on()) site_.user.about_to_acknowledge();
  machine_.end_of_wakeup();
  socket_.send(machine_.output());
  said_ += machine_.output().size();
  machine_.output().clear();
  if (!machine_.is_authenticated()) machine_.output().shrink_to_fit();
}

void S2sAccepted::carry(std::string_view xml) {
  machine_.send(xml);
  socket_.write_soon();
}

bool S2sAccepted::has_room() const { return socket_.unsent() + machine_.output().size() < kMaxUnsent; }

std::vector<StreamInfo> S2sAccepted::info() const {
  StreamInfo one;
  one.direction = "in";
  one.state = machine_.is_authenticated() ? "up" : "negotiating";
  one.domain = machine_.from();
  one.address = machine_.address();
  one.tls = machine_.tls();
  one.authentication = machine_.authentication();
  one.bidi = machine_.is_bidi();
  one.management = machine_.management().is_on();
  one.unacked = machine_.management().unacked();
  one.stanzas_in = machine_.stanzas_in();
  one.stanzas_out = machine_.stanzas_out();
  one.last_traffic = machine_.last_traffic();
  if (!machine_.is_authenticated() && machine_.peer().present && one.reason.empty() &&
      !stands_for(machine_.peer(), one.domain))
    one.reason = why_not(machine_.peer(), one.domain);
  if (machine_.pairs().empty()) return {one};
  std::vector<StreamInfo> out;
  for (const auto& [theirs, ours] : machine_.pairs()) {
    out.push_back(one);
    out.back().domain = theirs;
    out.back().own_domain = ours;
  }
  return out;
}

}  // namespace stox::xmpp
