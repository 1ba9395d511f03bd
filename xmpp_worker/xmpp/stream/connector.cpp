#include "xmpp_worker/xmpp/stream/connector.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>

#include "common/base/sip_uri.h"

namespace stox::xmpp {
namespace {

using asio::ip::tcp;

constexpr Duration kHeadStart = std::chrono::milliseconds(250);

}  // namespace

std::vector<std::string> interleaved(const std::vector<std::string>& ips) {
  std::vector<std::string> v4, v6, out;
  for (const std::string& ip : ips) (ip.find(':') == std::string::npos ? v4 : v6).push_back(ip);
  for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
    if (i < v6.size()) out.push_back(v6[i]);
    if (i < v4.size()) out.push_back(v4[i]);
  }
  return out;
}

struct Connector::Race {
  Race(net::Loop& of, std::vector<net::Address> to, Done then)
      : loop(of), addresses(std::move(to)), done(std::move(then)), head_start(of.io()), end(of.io()) {}

  net::Loop& loop;
  std::vector<net::Address> addresses;
  std::size_t next = 0;
  std::size_t running = 0;
  std::vector<std::shared_ptr<tcp::socket>> sockets;
  Done done;  // empty: decided
  std::string failures;
  asio::steady_timer head_start, end;

  void give_up() {
    done = nullptr;
    head_start.cancel();
    end.cancel();
    asio::error_code ignored;
    for (const auto& each : sockets) each->close(ignored);
  }
};

Connector::Connector(net::Loop& loop) : loop_(loop) {}
Connector::~Connector() { cancel(); }

void Connector::cancel() {
  if (race_) race_->give_up();
  race_.reset();
}

void Connector::connect(std::vector<net::Address> addresses, Duration within, Done done) {
  cancel();
  race_ = std::make_shared<Race>(loop_, std::move(addresses), std::move(done));
  race_->end.expires_after(within);
  race_->end.async_wait([race = race_](const asio::error_code& cancelled) {
    if (!cancelled) finish(race, -1, race->failures + (race->failures.empty() ? "" : "; ") + "no answer");
  });
  race_->head_start.expires_after(Duration(0));
  race_->head_start.async_wait([race = race_](const asio::error_code&) { start_next(race); });
}

void Connector::start_next(const std::shared_ptr<Race>& race) {
  if (!race->done) return;
  if (race->next >= race->addresses.size()) {
    if (race->running == 0) finish(race, -1, race->failures.empty() ? "it has no address" : race->failures);
    return;
  }
  const net::Address& to = race->addresses[race->next++];
  asio::error_code failure;
  const auto address = asio::ip::make_address(to.ip, failure);
  const auto socket = std::make_shared<tcp::socket>(race->loop.io());
  race->sockets.push_back(socket);
  ++race->running;
  socket->async_connect(
      {address, to.port}, [race, socket, name = host_port(to.ip, to.port)](const asio::error_code& result) {
        if (!race->done) return;
        --race->running;
        if (!result) {
          asio::error_code ignored;
          return finish(race, socket->release(ignored), name);
        }
        race->failures += (race->failures.empty() ? "" : ", ") + name + ": " + result.message();
        start_next(race);
      });
  race->head_start.expires_after(kHeadStart);
  race->head_start.async_wait([race](const asio::error_code& cancelled) {
    if (!cancelled) start_next(race);
  });
}

void Connector::finish(const std::shared_ptr<Race>& race, int descriptor, std::string text) {
  if (!race->done) return;
  const Done done = std::move(race->done);
  race->give_up();
  done(descriptor, text);
}

}  // namespace stox::xmpp
