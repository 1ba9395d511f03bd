// A component whose stream is up, down or refused as a test says, and what it wrote.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "common/base/clock.h"
#include "xmpp_worker/xmpp/component/component.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"

namespace stox::worker {

class StreamByHand : public xmpp::ComponentOwner, public xmpp::PathsUser {
 public:
  explicit StreamByHand(const Clock& clock) : clock_(clock) { component.start(clock.now()); }

  void connect() override {}
  void disconnect() override {}
  void abort() override {}
  void write_soon() override { ++wakeups; }
  std::size_t unsent() const override { return unread; }
  void path_up(xmpp::Path&) override {}
  void path_down(xmpp::Path&) override {}
  void path_gone(xmpp::Path&) override {}
  void about_to_write(xmpp::Path&) override {}
  void stanza(const xmpp::Element& element, uint64_t) override {
    if (on_stanza) on_stanza(*xmpp::read_stanza(element));
  }
  void oversized(const xmpp::Element&) override {}
  void state_changed() override {}

  void connects(const std::string& answer) {
    component.turn(component.next());
    component.connected(clock_.now());
    server(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' "
        "id='1'>" +
        answer);
  }
  void come_up() {
    connects("<handshake/>");
    const std::string written = take();
    if (const auto pings = written.find("<iq"); pings != std::string::npos) server(written.substr(pings));
  }
  void break_down() { component.disconnected("cut", clock_.now()); }
  void be_refused() {
    connects("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>");
  }
  void server(const std::string& bytes) { component.received(bytes, clock_.now()); }
  std::string take() { return std::exchange(component.output(), {}); }

  xmpp::StanzaIds ids{"secret", "component-1", 7};
  xmpp::Component component{{"gw.test", "secret", "127.0.0.1:5347"}, ids, *this, *this};
  int wakeups = 0;         // asked for
  std::size_t unread = 0;  // bytes that the server has not read
  std::function<void(const xmpp::Stanza&)> on_stanza;

 private:
  const Clock& clock_;
};

}  // namespace stox::worker
