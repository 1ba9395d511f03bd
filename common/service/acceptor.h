// Takes connections in, one after another, for as long as it lives. Without a descriptor left it tries again
// every second instead of spinning. The loop must outlive it.
#pragma once

#include <asio/basic_socket_acceptor.hpp>
#include <chrono>
#include <functional>
#include <utility>

#include "common/net/loop.h"

namespace stox::service {

template <class Protocol>
class Acceptor {
 public:
  using Taken = std::function<void(typename Protocol::socket)>;

  // `acceptor` listens already.
  Acceptor(net::Loop& loop, typename Protocol::acceptor acceptor, Taken taken)
      : loop_(loop),
        acceptor_(std::move(acceptor)),
        taken_(std::move(taken)),
        again_(loop, [this] { accept(); }) {
    accept();
  }

 private:
  void accept() {
    acceptor_.async_accept([this](const asio::error_code& failure, typename Protocol::socket socket) {
      if (failure == asio::error::operation_aborted) return;
      if (failure) return again_.set(loop_.now() + std::chrono::seconds(1));
      taken_(std::move(socket));
      accept();
    });
  }

  net::Loop& loop_;
  typename Protocol::acceptor acceptor_;
  Taken taken_;
  net::Alarm again_;
};

}  // namespace stox::service
