// Takes connections in, one after another, for as long as it lives.
#pragma once

#include <asio/basic_socket_acceptor.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "common/net/loop.h"

namespace stox::net {

template <class Protocol>
class Acceptor {
 public:
  using Taken = std::function<void(typename Protocol::socket)>;

  // `acceptor` listens already. `refused`: no descriptor is left; whoever connects waits, and it is tried
  // again every second instead of spinning. The loop must outlive it. It may be destroyed from inside a call.
  Acceptor(Loop& loop, typename Protocol::acceptor acceptor, Taken taken, std::function<void()> refused = {})
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        taken_(std::move(taken)),
        refused_(std::move(refused)),
        again_(loop, [this] { accept(); }) {
    accept();
  }

  typename Protocol::endpoint local() const { return acceptor_.local_endpoint(); }

 private:
  void accept() {
    acceptor_.async_accept([this, alive = std::weak_ptr<char>(alive_)](const asio::error_code& failure,
                                                                       typename Protocol::socket socket) {
      if (alive.expired()) return;
      if (failure) {
        again_.set(loop_.now() + std::chrono::seconds(1));
        if (refused_) refused_();
      } else {
        taken_(std::move(socket));
        if (!alive.expired()) accept();
      }
    });
  }

  Loop& loop_;
  typename Protocol::acceptor acceptor_;
  Taken taken_;
  std::function<void()> refused_;
  Alarm again_;
  std::shared_ptr<char> alive_ = std::make_shared<char>();  // as in Alarm
};

}  // namespace stox::net
