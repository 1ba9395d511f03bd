#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <unordered_map>
#include <utility>

#include "common/bus/zmq/curve.h"
#include "common/bus/zmq/doorkeeper.h"
#include "common/bus/zmq/unproved.h"
#include "common/bus/zmq/zmq_socket.h"
#include "common/bus/zmq/zmq_wire.h"

namespace stox::bus {
namespace {

constexpr int kNews = ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL;

MapperOptions with_objection(MapperOptions options,
                             std::function<std::string(Pipe, const pb::Member&)> objection) {
  options.objection = std::move(objection);
  return options;
}

class ZmqMapperOnLoop final : public ZmqMapper, private Wire {
 public:
  ZmqMapperOnLoop(net::Loop& loop, MapperOptions options, const MapperAddress& address, MapperUser& user)
      : user_(user),
        node_(with_objection(std::move(options),
                             [this](Pipe pipe, const pb::Member& who) { return objection(pipe, who); }),
              *this, loop.clock(), user),
        loop_(loop),
        alarm_(loop, [this] { pump(); }),
        unproved_alarm_(loop, [this] { look_at_unproved(); }),
        end_of_turn_(loop, [this] { pump(); }),
        first_turn_(loop, [this] {
          news();
          if (doorkeeper_) doorkeeper_->answer();
          pump();
        }) {
    is_tcp_ = address.bind.starts_with(kTcp);
    set_up(socket_, address.bind);
    socket_.set(zmq::sockopt::router_mandatory, true);
    socket_.set(zmq::sockopt::router_handover, true);
    if (!address.secret_key.empty() && is_tcp_) {
      doorkeeper_ =
          std::make_unique<Doorkeeper>(loop, context_, address.edge_keys, [this](const std::string& peer) {
            user_.refused(peer +
                          " was not let in: its key (bus.curve.edge_key_file there) is none of those in our "
                          "[bus.curve.keys]");
          });
      socket_.set(zmq::sockopt::curve_server, true);
      socket_.set(zmq::sockopt::curve_secretkey, address.secret_key);
      socket_.set(zmq::sockopt::zap_domain, "stox");
    }
    monitor_ = std::make_unique<Monitor>(context_, socket_, kNews);
    socket_.bind(address.bind);
    readable_ = std::make_unique<Readiness>(loop, socket_, [this] { pump(); });
    news_ = std::make_unique<Readiness>(loop, monitor_->socket(), [this] { news(); });
    node_.on_queued([this] {
      if (!pumping_) end_of_turn_.ask();
    });
    first_turn_.ask();
  }

  MapperNode& node() override { return node_; }
  void let_in(std::vector<EdgeKey> keys) override {
    if (!doorkeeper_) return;
    doorkeeper_->let_in(std::move(keys));
    node_.reconsider();
  }

 private:
  struct Peer {
    std::string routing_id;
    int descriptor = -1;
    std::string key;  // public, that it has proved to have the secret of; empty: plain
  };

  std::string objection(Pipe pipe, const pb::Member& who) const {
    return doorkeeper_ ? doorkeeper_->objection(peers_.at(pipe).key, who) : "";
  }

  bool send(Pipe pipe, std::string_view bytes) override {
    const auto peer = peers_.find(pipe);
    if (peer == peers_.end()) return false;
    const std::string& id = peer->second.routing_id;
    // With ROUTER_MANDATORY the first frame already tells a full or vanished pipe; the second then follows
    // it.
    if (zmq_send(socket_.handle(), id.data(), id.size(), ZMQ_DONTWAIT | ZMQ_SNDMORE) < 0) return false;
    return sent_ = zmq_send(socket_.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) >= 0;
  }

  void pump() {
    pumping_ = true;
    const Time turn = node_.turn();
    do {  // a send may hide that there is input
      sent_ = false;
      receive();
      node_.flush();
    } while (sent_);
    pumping_ = false;
    readable_->wait();
    alarm_.set(turn);
  }

  void receive() {
    while (true) {
      Message id;
      if (!id.receive(socket_)) return;
      Message body;
      if (!id.more() || !body.receive(socket_)) continue;
      const bool one_frame = !body.more();
      for (Message rest; !one_frame && rest.receive(socket_) && rest.more();) continue;
      if (one_frame) node_.frame(pipe_of(std::string(id.bytes()), body), body.bytes());
    }
  }

  Pipe pipe_of(const std::string& routing_id, Message& message) {
    const int source = message.source_descriptor();
    const auto [it, fresh] = pipes_.try_emplace(routing_id, next_pipe_);
    if (!fresh && peers_[it->second].descriptor == source) return it->second;
    unproved_.settled(source);
    const std::string key = doorkeeper_ ? message.sender_key() : "";
    if (!fresh && peers_[it->second].key != key) {  // its name for the connection was taken by somebody else
      node_.closed(it->second);
      peers_.erase(it->second);
      it->second = next_pipe_;
    }
    if (it->second == next_pipe_) ++next_pipe_;
    peers_[it->second] = {routing_id, source, key};
    return it->second;
  }

  void look_at_unproved() {
    pump();  // whoever is heard has proved it
    if (unproved_.look()) unproved_alarm_.set(loop_.now() + Unproved::kLook);
  }

  void news() {
    int event = 0;
    uint32_t value = 0;
    while (monitor_->next(&event, &value)) {
      if (event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL) user_.refused(trouble_of(value));
      if (event == ZMQ_EVENT_ACCEPTED && is_tcp_) {
        unproved_.accepted(static_cast<int>(value));
        unproved_alarm_.set(loop_.now() + Unproved::kLook);
      }
      if (event != ZMQ_EVENT_DISCONNECTED) continue;
      receive();  // what it wrote before it went
      unproved_.settled(static_cast<int>(value));
      const auto gone = std::find_if(peers_.begin(), peers_.end(), [value](const auto& p) {
        return p.second.descriptor == static_cast<int>(value);
      });
      if (gone == peers_.end()) continue;
      const Pipe pipe = gone->first;
      pipes_.erase(gone->second.routing_id);
      peers_.erase(gone);
      node_.closed(pipe);  // if it is a newer connection on the same descriptor, its next frame is met with
                           // HelloWanted
    }
    news_->wait();
  }

  std::string trouble_of(uint32_t failure) const {
    if (failure == ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC)
      return "somebody was not let in: bus.curve.mapper_public_key there is not the one of our key";
    if (failure != ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH)
      return "somebody was not let in: what connected does not speak the bus";
    return doorkeeper_ ? "somebody was not let in: it does not encrypt; give it [bus.curve], too"
                       : "somebody was not let in: it encrypts, and we do not; give us [bus.curve], too";
  }

  MapperUser& user_;
  zmq::context_t context_{1};
  std::unique_ptr<Doorkeeper> doorkeeper_;  // before the socket that it answers for
  zmq::socket_t socket_{context_, zmq::socket_type::router};
  std::unique_ptr<Monitor> monitor_;
  std::unordered_map<std::string, Pipe> pipes_;
  std::map<Pipe, Peer> peers_;  // of two with the same descriptor the first is the one that ended
  Pipe next_pipe_ = 1;
  MapperNode node_;
  std::unique_ptr<Readiness> readable_, news_;
  bool pumping_ = false, sent_ = false;
  net::Loop& loop_;
  bool is_tcp_ = false;
  Unproved unproved_;
  net::Alarm alarm_;
  net::Alarm unproved_alarm_;
  net::EndOfTurn end_of_turn_;
  net::EndOfTurn first_turn_;  // a descriptor says nothing before its socket was read for the first time
};

const char* bind_advice(int failure) {
  switch (failure) {
    case EADDRINUSE:
      return "; another program has this address: end it, or change `bind` of this [[mapper]]";
    case EADDRNOTAVAIL:
    case ENODEV:
      return "; no interface of this machine has this address: correct `bind` of this [[mapper]]";
    case ENOENT:
    case EACCES:
      return "; let this user write in that folder, or change `bind` of this [[mapper]]";
    default:
      return "";
  }
}

// ZeroMQ takes the name of a socket in use away from its owner; that is never meant.
Result<void> nobody_listens(const std::string& endpoint) {
  if (!endpoint.starts_with(kIpc)) return {};
  const std::string path = endpoint.substr(kIpc.size());
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return error("bind " + endpoint + ": the path is too long for a socket");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return error("bind " + endpoint + ": " + std::strerror(errno));
  const bool taken = connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(probe);
  if (taken)
    return error("bind " + endpoint + ": another process listens there; is this mapper running twice?");
  return {};
}

}  // namespace

Result<std::unique_ptr<ZmqMapper>> ZmqMapper::create(net::Loop& loop, MapperOptions options,
                                                     const MapperAddress& address, MapperUser& user) {
  const std::string& bind = address.bind;
  if (!address.secret_key.empty()) {
    const auto own = public_key_of(address.secret_key);
    if (!own) return error("bus.curve.mapper_key_file: " + own.error().text);
    if (*own != address.public_key)
      return error("bus.curve.mapper_public_key is not that of the key in mapper_key_file, which is " + *own);
  }
  if (auto free = nobody_listens(bind); !free) return tl::make_unexpected(free.error());
  try {
    auto mapper = std::make_unique<ZmqMapperOnLoop>(loop, std::move(options), address, user);
    // Whoever may write here can speak for any edge.
    if (bind.starts_with(kIpc)) chmod(bind.c_str() + kIpc.size(), 0660);
    return mapper;
  } catch (const zmq::error_t& failure) {
    return error("bus: cannot bind " + bind + ": " + failure.what() + bind_advice(failure.num()));
  }
}

}  // namespace stox::bus
