#include "tests/bench/xmpp_end.h"

#include <netinet/tcp.h>
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

XmppEnd::~XmppEnd() {
  close();
  ::close(listener_);
}

void XmppEnd::accept() {
  close();
  stream_ = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int on = 1;
  setsockopt(stream_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  parser_ = XML_ParserCreate("UTF-8");
  XML_SetUserData(parser_, this);
  XML_SetElementHandler(parser_, start_element, end_element);
  XML_SetCharacterDataHandler(parser_, text);
}

void XmppEnd::close() {
  if (stream_ >= 0) ::close(stream_);
  if (parser_) XML_ParserFree(parser_);
  stream_ = -1;
  parser_ = nullptr;
  ready_ = false;
  depth_ = 0;
  out_.clear();
}

void XmppEnd::begin(Tally* tally) {
  tally_ = tally;
  if (tally) ++run_;
}

void XmppEnd::message(uint64_t number) {
  const std::string pair = std::to_string(tally_->pair_of(number));
  out_ += "<message from='v" + pair + "@" + names_.xmpp_domain + "/bench' to='u" + pair + "*" +
          names_.sip_domain + "@" + names_.component + "' id='" + std::to_string(run_) + "-" +
          std::to_string(number) + "' type='chat'><body>" + body_of(number, run_, body_bytes_) +
          "</body></message>";
}

void XmppEnd::read() {
  static char buffer[65536];
  for (;;) {
    const auto count = recv(stream_, buffer, sizeof buffer, 0);
    if (count < 0) return;
    if (count == 0 || XML_Parse(parser_, buffer, static_cast<int>(count), 0) == XML_STATUS_ERROR) {
      if (tally_) std::fprintf(stderr, "the component closed the stream\n");
      return close();
    }
  }
}

void XmppEnd::flush() {
  if (out_.empty()) return;
  const auto count = send(stream_, out_.data(), out_.size(), MSG_NOSIGNAL);
  if (count > 0) out_.erase(0, static_cast<std::size_t>(count));
}

void XmppEnd::start_element(void* self, const char* name, const char** attributes) {
  static_cast<XmppEnd*>(self)->started(name, attributes);
}

void XmppEnd::end_element(void* self, const char* name) { static_cast<XmppEnd*>(self)->ended(name); }

void XmppEnd::text(void* self, const char* bytes, int length) {
  auto& stanza = static_cast<XmppEnd*>(self)->current_;
  if (stanza.in_body) stanza.body.append(bytes, static_cast<std::size_t>(length));
}

void XmppEnd::started(std::string_view name, const char** attributes) {
  ++depth_;
  if (depth_ == 1) {
    out_ +=
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
        "xmlns:stream='http://etherx.jabber.org/streams' id='bench' from='" +
        names_.component + "'>";
  } else if (depth_ == 2) {
    current_ = {};
    current_.name = name;
    for (; *attributes; attributes += 2) {
      const std::string_view key = attributes[0];
      if (key == "from") current_.from = attributes[1];
      if (key == "to") current_.to = attributes[1];
      if (key == "id") current_.id = attributes[1];
      if (key == "type") current_.type = attributes[1];
    }
  } else if (depth_ == 3) {
    current_.in_body = name == "body";
    current_.ping = current_.ping || name == "ping";
  }
}

void XmppEnd::ended(std::string_view) {
  --depth_;
  if (depth_ == 2) current_.in_body = false;
  if (depth_ == 1) stanza();
}

void XmppEnd::stanza() {
  const auto& stanza = current_;
  uint64_t number = 0;
  if (stanza.name == "handshake") {
    out_ += "<handshake/>";
    ready_ = true;
  } else if (stanza.name == "iq" && stanza.type == "get") {
    out_ += "<iq type='result' id='" + stanza.id + "' from='" + stanza.to + "' to='" + stanza.from + "'/>";
  } else if (stanza.name == "message" && tally_) {
    if (stanza.type == "error") {
      const auto dash = stanza.id.find('-');
      if (stanza.id.substr(0, dash) == std::to_string(run_))
        tally_->answered(std::stoull(stanza.id.substr(dash + 1)), 500);
    } else if (number_in(stanza.body, run_, number)) {
      tally_->arrived(number, std::hash<std::string>()(stanza.id));
    }
  }
}

}  // namespace stox::bench
