#include "xmpp_worker/xmpp/s2s/s2s_connection.h"

#include <utility>

#include "common/base/jid.h"

namespace stox::xmpp {
namespace {

constexpr std::size_t kMaxUnread = 8'388'608;

}  // namespace

S2sConnection::S2sConnection(S2sSite& site, S2sConnectionUser& user, OutboundOptions options)
    : site_(site),
      user_(&user),
      machine(std::move(options), site.keys, *this),
      socket_(site.loop, *this),
      number_(++site.streams),
      alarm_(site.loop, [this] {
        machine.turn(site_.loop.now());
        arrange();
      }) {}

void S2sConnection::start(int descriptor) {
  socket_.adopt(descriptor);
  machine.connected(site_.loop.now());
  arrange();
}

void S2sConnection::leave() {
  socket_.close();
  user_ = nullptr;
}

void S2sConnection::arrange() {
  if (user_ == nullptr) return;
  if (unsent() > kMaxUnread) return machine.disconnected("it does not read what we send", site_.loop.now());
  if (!user_->may_hold(machine.held()))
    return machine.disconnected("it makes us hold what others need", site_.loop.now());
  if (!machine.is_up()) user_->negotiating();
  if (!machine.output().empty()) socket_.write_soon();
  alarm_.set(net::about(machine.next()));
}

// --- the machine

void S2sConnection::start_tls(S2sOutbound&) {
  net::TlsOptions options;
  options.server_name = ascii_domain(machine.options().to).value_or("");
  if (machine.options().direct_tls) options.alpn = "xmpp-server";
  socket_.start_tls(*site_.tls, std::move(options));
}

void S2sConnection::outbound_up(S2sOutbound&) { user_->stream_up(); }

void S2sConnection::outbound_ended(S2sOutbound&, const StreamEnd& end) {
  // What the kernel holds would arrive behind newer messages, by the next stream.
  if (end.dead) socket_.abort();
  if (user_ != nullptr) user_->stream_ended(end, machine.external_refused());
}

void S2sConnection::verified(S2sOutbound&, const DialbackQuestion& question, const DialbackVerdict& verdict) {
  user_->verified(question, verdict);
}

void S2sConnection::outbound_stanza(S2sOutbound&, const Element& element) {
  site_.user.stanza(element, number_);
}

void S2sConnection::outbound_oversized(S2sOutbound&, const Element& element) {
  site_.user.oversized(element);
}

// --- the socket

void S2sConnection::socket_received(std::string_view bytes) {
  machine.received(bytes, site_.loop.now());
  arrange();
}

void S2sConnection::socket_closed(const std::string& why) { machine.disconnected(why, site_.loop.now()); }

void S2sConnection::tls_established(net::TlsSession& session) {
  machine.tls_established(names_of(session.take_peer()), session.description(), site_.loop.now());
  arrange();
}

void S2sConnection::about_to_write() {
  if (machine.is_up() && user_ != nullptr) user_->about_to_write();
  if (machine.management().is_on()) site_.user.about_to_acknowledge();
  machine.end_of_wakeup();
  socket_.send(machine.output());
  machine.output().clear();
  if (machine.output().capacity() > 65'536) machine.output().shrink_to_fit();
  arrange();
}

}  // namespace stox::xmpp
