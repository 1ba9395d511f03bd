#include "common/net/connector.h"

#include <algorithm>
#include <asio/ip/tcp.hpp>
#include <asio/steady_timer.hpp>
#include <cerrno>
#include <utility>

#include "common/base/sip_uri.h"

namespace stox::net {
namespace {

using asio::ip::tcp;

constexpr Duration kHeadStart = std::chrono::milliseconds(250);
constexpr Duration kTurn = std::chrono::seconds(5);  // of one that has it to itself
constexpr Duration kName = std::chrono::seconds(10);

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

struct Connector::Race : std::enable_shared_from_this<Race> {
  Race(Connector& of, Done then)
      : connector(of), done(std::move(then)), head_start(of.loop_.io()), end(of.loop_.io()) {}

  void limit(Duration within);
  void run(std::vector<Address> to, Duration head_start_of_each);
  void try_next();
  void attempt(const Address& to, uint16_t own_port);
  void failed(const std::string& to, const std::string& why);
  void finish(int descriptor, const std::string& text);
  void give_up();

  Connector& connector;  // while `done` is there
  std::vector<Address> addresses;
  Duration each = kHeadStart;
  std::size_t next = 0, running = 0;
  std::vector<std::shared_ptr<tcp::socket>> sockets;
  Done done;           // empty: decided
  std::string trying;  // what may give no answer
  std::string failures;
  asio::steady_timer head_start, end;
};

Connector::Connector(Loop& loop, std::optional<uint16_t> own_port) : loop_(loop), own_port_(own_port) {}
Connector::~Connector() { cancel(); }

void Connector::cancel() {
  if (race_) race_->give_up();
  race_.reset();
}

void Connector::connect(std::vector<Address> addresses, Duration within, Done done) {
  cancel();
  race_ = std::make_shared<Race>(*this, std::move(done));
  race_->limit(within);
  race_->run(std::move(addresses), kHeadStart);
}

void Connector::connect(Resolver& resolver, const std::string& host, uint16_t port, Done done) {
  cancel();
  race_ = std::make_shared<Race>(*this, std::move(done));
  race_->trying = "the name " + host;
  race_->limit(kName);
  resolver.addresses(host, [race = race_, port](const Resolved<std::vector<std::string>>& found) {
    if (!race->done) return;
    if (!found) return race->finish(-1, found.error().text);
    std::vector<Address> addresses;
    for (const std::string& ip : *found) addresses.push_back({ip, port});
    race->limit(kTurn * std::max<std::size_t>(addresses.size(), 1));
    race->run(std::move(addresses), kTurn);
  });
}

void Connector::Race::limit(Duration within) {
  end.expires_after(within);
  end.async_wait([race = shared_from_this()](const asio::error_code& cancelled) {
    if (cancelled || !race->done) return;
    race->failed(race->trying, "no answer");
    race->finish(-1, race->failures);
  });
}

void Connector::Race::run(std::vector<Address> to, Duration head_start_of_each) {
  addresses = std::move(to);
  each = head_start_of_each;
  head_start.expires_after(Duration(0));
  head_start.async_wait([race = shared_from_this()](const asio::error_code&) { race->try_next(); });
}

void Connector::Race::try_next() {
  if (!done) return;
  if (next < addresses.size()) {
    head_start.expires_after(each);
    head_start.async_wait([race = shared_from_this()](const asio::error_code& cancelled) {
      if (!cancelled) race->try_next();
    });
    if (next + 1 == addresses.size() && each == kTurn) limit(kTurn);  // the others have had theirs
    attempt(addresses[next++], connector.own_port_.value_or(0));
  } else if (running == 0) {
    finish(-1, failures.empty() ? "it has no address" : failures);
  }
}

void Connector::Race::attempt(const Address& to, uint16_t own_port) {
  asio::error_code failure;
  const tcp::endpoint peer(asio::ip::make_address(to.ip, failure), to.port);
  const auto socket = std::make_shared<tcp::socket>(head_start.get_executor());
  sockets.push_back(socket);
  trying = host_port(to.ip, to.port);
  if (own_port != 0) {
    socket->open(peer.protocol(), failure);
    socket->set_option(tcp::socket::reuse_address(true), failure);
    socket->bind({peer.protocol(), own_port}, failure);  // else from any
  }
  ++running;
  socket->async_connect(
      peer, [race = shared_from_this(), socket, to, own_port](const asio::error_code& result) {
        if (!race->done) return;
        --race->running;
        const std::string name = host_port(to.ip, to.port);
        if (!result) {
          auto& kept = race->connector.own_port_;
          if (kept) kept = socket->local_endpoint().port();
          return race->finish(socket->release(), name);
        }
        const bool is_taken = result.value() == EADDRINUSE || result.value() == EADDRNOTAVAIL;
        if (is_taken && own_port != 0) return race->attempt(to, 0);
        race->failed(name, result.message());
        race->try_next();
      });
}

void Connector::Race::failed(const std::string& to, const std::string& why) {
  failures.append(failures.empty() ? "" : ", ").append(to).append(": ").append(why);
}

void Connector::Race::finish(int descriptor, const std::string& text) {
  const Done told = std::exchange(done, nullptr);
  const auto race = std::move(connector.race_);  // which is over, and not kept
  give_up();
  told(descriptor, text);
}

void Connector::Race::give_up() {
  done = nullptr;
  head_start.cancel();
  end.cancel();
  asio::error_code ignored;
  for (const auto& each_socket : sockets) each_socket->close(ignored);
}

}  // namespace stox::net
