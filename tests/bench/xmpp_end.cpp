#include "tests/bench/xmpp_end.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <utility>

namespace stox::bench {

XmppEnd::XmppEnd(Names names, const sockaddr_in& here, std::size_t body_bytes)
    : names_(std::move(names)),
      body_bytes_(body_bytes),
      listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  const int on = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener_, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 ||
      listen(listener_, 8) != 0)
    throw std::runtime_error("cannot listen on tcp port " + std::to_string(ntohs(here.sin_port)));
}

XmppEnd::~XmppEnd() { ::close(listener_); }

void XmppEnd::accept() {
  const int socket = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) return;
  stream_.emplace(socket, names_.component, [this](const ends::ReadStanza& one) { stanza(one); });
}

void XmppEnd::begin(Tally* tally) {
  tally_ = tally;
  if (tally) ++run_;
}

void XmppEnd::message(uint64_t number) {
  const std::string pair = std::to_string(tally_->pair_of(number));
  stream_->out() += "<message from='v" + pair + "@" + names_.xmpp_domain + "/bench' to='u" + pair + "*" +
                    names_.sip_domain + "@" + names_.component + "' id='" + std::to_string(run_) + "-" +
                    std::to_string(number) + "' type='chat'><body>" +
                    ends::body_of(number, run_, body_bytes_) + "</body></message>";
}

void XmppEnd::read() {
  if (stream_->read()) return;
  if (tally_) std::fprintf(stderr, "the component closed the stream\n");
  stream_.reset();
}

void XmppEnd::flush() {
  if (stream_) stream_->flush();
}

void XmppEnd::stanza(const ends::ReadStanza& stanza) {
  uint64_t number = 0;
  if (stanza.name == "iq" && stanza.type == "get") {
    stream_->answer_ping(stanza);
  } else if (stanza.name == "message" && tally_) {
    if (stanza.type == "error") {
      const auto dash = stanza.id.find('-');
      if (stanza.id.substr(0, dash) == std::to_string(run_))
        tally_->answered(std::stoull(stanza.id.substr(dash + 1)), 500);
    } else if (ends::number_in(stanza.body, run_, number)) {
      tally_->arrived(number, std::hash<std::string>()(stanza.id));
    }
  }
}

}  // namespace stox::bench
