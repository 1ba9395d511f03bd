// One UDP socket: batches in by recvmmsg, out by sendmmsg.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/net/input.h"
#include "common/net/loop.h"
#include "common/net/tls.h"
#include "sip_front/sip/transport/transport_user.h"

namespace stox::sip {

class UdpSocket : private net::Reader {
 public:
  // `listener` goes into the flows. Everything must outlive it; `dirty` is called when something was queued.
  static Result<std::unique_ptr<UdpSocket>> open(net::Loop&, const Endpoint& bind, uint16_t listener,
                                                 TransportUser&, std::function<void()> dirty);
  ~UdpSocket() override;

  // `from`: which address of ours, if the socket is bound to all of them; all zero = the system chooses.
  void send(const Endpoint& to, const Endpoint& from, std::string_view bytes);
  void flush();

  const Endpoint& bound() const { return bound_; }
  std::size_t receive_buffer() const { return receive_buffer_; }
  uint64_t received() const { return received_; }
  uint64_t sent() const { return sent_; }
  uint64_t failures() const { return failures_; }

 private:
  struct Buffers;
  UdpSocket(net::Loop&, uint16_t listener, TransportUser&, std::function<void()> dirty);
  void readable();
  Came read() override;
  void wait() override { input_->wait(); }
  void rest(Duration);
  int receive_batch();
  void handle(std::span<char> datagram, const Endpoint& from, const Endpoint& local);
  void read_errors();

  struct Outgoing {
    std::size_t offset, size;
    Endpoint to, from;
  };

  net::Loop& loop_;
  uint16_t listener_;
  TransportUser& user_;
  std::function<void()> dirty_;
  int fd_ = -1;
  std::optional<net::Input> input_;
  Time last_read_{};
  Endpoint bound_;
  bool wildcard_ = false;  // bound to all addresses: each datagram says to which it came
  std::size_t receive_buffer_ = 0;
  std::unique_ptr<Buffers> buffers_;
  std::string out_;  // the datagrams of outgoing_, one behind the other
  std::vector<Outgoing> outgoing_;
  net::Alarm full_;  // set while the system takes no more
  uint64_t received_ = 0, sent_ = 0, failures_ = 0;
};

}  // namespace stox::sip
