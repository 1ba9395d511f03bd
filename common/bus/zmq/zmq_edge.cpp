#include <algorithm>
#include <deque>
#include <utility>

#include "common/bus/zmq/curve.h"
#include "common/bus/zmq/mapper_finder.h"
#include "common/bus/zmq/zmq_socket.h"
#include "common/bus/zmq/zmq_wire.h"

namespace stox::bus {
namespace {

constexpr Duration kTend = std::chrono::seconds(1);
constexpr Duration kRemake = std::chrono::seconds(2);
constexpr Duration kLongestLeave = std::chrono::minutes(1);
constexpr int kNews = ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_CLOSED |
                      ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                      ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

// Why a connection was not made, for people; empty: no reason.
std::string trouble_of(int event, uint32_t value, bool with_keys) {
  switch (event) {
    case ZMQ_EVENT_CLOSED:
      return "cannot be reached: is stox-mapper running there?";
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
      return "does not let us in: our key (bus.curve.edge_key_file) is none of those in its [bus.curve.keys]";
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      if (value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH) {
        return with_keys ? "does not encrypt, and we do: give it [bus.curve], too"
                         : "encrypts, and we do not: give us [bus.curve], too";
      }
      return "answers, but not as a mapper: is its address right?";
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
      return with_keys ? "breaks off the handshake: is bus.curve.mapper_public_key the one of its key, and "
                         "has it [bus.curve], too?"
                       : "breaks off the handshake: does it want keys, [bus.curve]?";
    default:
      return {};
  }
}

class ZmqEdgeOnLoop final : public ZmqEdge, private Wire, private net::Reader {
 public:
  ZmqEdgeOnLoop(net::Loop& loop, EdgeOptions options, const MapperAddresses& mappers,
                std::unique_ptr<net::Resolver> resolver, EdgeUser& user)
      : loop_(loop),
        user_(user),
        keys_{mappers.secret_key.empty() ? "" : public_key_of(mappers.secret_key).value_or(""),
              mappers.secret_key},
        mapper_key_(mappers.mapper_public_key),
        edge_(options, 0, *this, loop.clock(), user),
        resolver_(std::move(resolver)),
        finder_(loop, resolver_.get(), [this] { found(); }),
        alarm_(loop, [this] { pump(); }),
        tend_(loop, [this] { tend(); }),
        end_of_turn_(loop, [this] { send_and_look(); }),
        first_turn_(loop, [this] { all_news(); }) {
    edge_.on_queued([this] {
      if (!pumping_) end_of_turn_.ask();
    });
    finder_.look_for(mappers.connect);
    tend_.set(loop_.now() + kTend);
  }

  ~ZmqEdgeOnLoop() override { loop_.pace().forget(*this); }

  Edge& edge() override { return edge_; }
  void connect_to(const std::vector<std::string>& connect) override { finder_.look_for(connect); }
  std::vector<MapperState> mappers() const override;
  std::string why_no_mapper() const override;

 private:
  struct Connection {
    explicit Connection(zmq::context_t& context) : socket(context, zmq::socket_type::dealer) {}
    zmq::socket_t socket;
    std::unique_ptr<Monitor> monitor;
    std::unique_ptr<Readiness> readable, news;
  };
  // The way to one mapper; free when its endpoint is empty.
  struct MapperPipe {
    std::string endpoint;
    std::unique_ptr<Connection> connection;
    Time remake_at = kNever;  // ZeroMQ gives up for good when a handshake fails
    Time leave_by = kNever;   // kNever: it stays
    uint64_t received = 0;    // at the last look while leaving
    std::string trouble;
  };

  bool send(Pipe pipe, std::string_view bytes) override {
    if (zmq_send(pipes_[pipe].connection->socket.handle(), bytes.data(), bytes.size(), ZMQ_DONTWAIT) < 0)
      return false;
    return sent_ = true;
  }

  void found();
  void join(const std::string& endpoint);
  void connect(Pipe);
  void tend();
  void all_news();
  void read_news(Pipe);

  // The first wakeup comes at once, the next not earlier than the time of the pace after it.
  void readable() {
    const Time now = loop_.now();
    if (resting_) return;
    if (const Time next = last_pump_ + loop_.pace().time(); now < next) return rest(next - now);
    pump();
  }

  void rest(Duration first) {
    for (const auto& pipe : pipes_) {
      if (pipe.connection) pipe.connection->readable->silence();
    }
    resting_ = true;
    loop_.pace().rest(*this, first);
  }

  Came read() override {
    const uint64_t received = edge_.received();
    const bool any = receive_and_flush();
    loop_.pace().count(edge_.received() - received);
    return any ? Came::kAll : Came::kNothing;
  }

  void wait() override {
    resting_ = false;
    wait_readable();
  }

  void pump() {
    receive_and_flush();
    if (!resting_) wait_readable();
  }

  void wait_readable() {
    for (const auto& pipe : pipes_) {
      if (pipe.connection) pipe.connection->readable->wait();
    }
  }

  // Whether there was anything to receive.
  bool receive_and_flush() {
    last_pump_ = loop_.now();
    const Time turn = edge_.turn();
    Time flush = kNever;
    bool any = false;
    pumping_ = true;
    edge_.set_pace(loop_.pace().time());
    do {  // a send may hide that there is input
      sent_ = false;
      for (Pipe i = 0; i < pipes_.size(); ++i) {
        if (!pipes_[i].connection) continue;
        for (Message message; message.receive(pipes_[i].connection->socket); any = true)
          edge_.frame(i, message.bytes());
      }
      flush = edge_.flush();
    } while (sent_);
    pumping_ = false;
    alarm_.set(std::min(net::about(turn), flush));
    return any;
  }

  void send_and_look() {
    edge_.set_pace(loop_.pace().time());
    const Time flush = edge_.flush();
    alarm_.set(std::min(alarm_.at(), flush));
    if (std::exchange(sent_, false) && !resting_ && input_waits()) readable();
  }

  bool input_waits() {
    return std::any_of(pipes_.begin(), pipes_.end(),
                       [](const auto& p) { return p.connection && has_input(p.connection->socket); });
  }

  net::Loop& loop_;
  EdgeUser& user_;
  CurvePair keys_;  // empty: plain
  std::string mapper_key_;
  const std::string secret_ = make_curve_pair().public_key.substr(0, 20);  // who knew it could take our pipes
  zmq::context_t context_{1};
  std::deque<MapperPipe> pipes_;  // by Pipe; references stay
  Edge edge_;
  std::unique_ptr<net::Resolver> resolver_;
  MapperFinder finder_;
  std::string finder_trouble_;
  Time last_pump_{};
  bool resting_ = false, pumping_ = false;
  bool sent_ = false;  // since the last look at what there is to receive
  net::Alarm alarm_;
  net::Alarm tend_;
  net::EndOfTurn end_of_turn_;
  net::EndOfTurn first_turn_;  // a descriptor says nothing before its socket was read for the first time
};

// --- which mappers
// ---------------------------------------------------------------------------------------------

void ZmqEdgeOnLoop::found() {
  if (const std::string trouble = finder_.trouble(); trouble != finder_trouble_) {
    finder_trouble_ = trouble;
    if (!trouble.empty()) user_.bus_trouble("no mapper found: " + trouble);
  }
  const auto& wanted = finder_.endpoints();
  for (Pipe i = 0; i < pipes_.size(); ++i) {
    MapperPipe& pipe = pipes_[i];
    if (pipe.endpoint.empty() || pipe.leave_by != kNever) continue;
    if (std::find(wanted.begin(), wanted.end(), pipe.endpoint) != wanted.end()) continue;
    pipe.leave_by = loop_.now() + kLongestLeave;
    edge_.leave_mapper(i);
  }
  for (const std::string& endpoint : wanted) {
    const bool there = std::any_of(pipes_.begin(), pipes_.end(), [&](const MapperPipe& p) {
      return p.endpoint == endpoint && p.leave_by == kNever;
    });
    if (!there) join(endpoint);
  }
  first_turn_.ask();
}

void ZmqEdgeOnLoop::join(const std::string& endpoint) {
  // One that was leaving and comes back is let go at once: a mapper knows only one connection of an edge.
  for (Pipe i = 0; i < pipes_.size(); ++i) {
    if (pipes_[i].endpoint != endpoint) continue;
    edge_.remove_mapper(i);
    pipes_[i] = {};
  }
  const Pipe pipe = edge_.add_mapper();
  if (pipe >= pipes_.size()) pipes_.resize(pipe + 1);
  pipes_[pipe].endpoint = endpoint;
  connect(pipe);
}

void ZmqEdgeOnLoop::connect(Pipe i) {
  MapperPipe& pipe = pipes_[i];
  pipe.remake_at = kNever;
  auto made = std::make_unique<Connection>(context_);
  zmq::socket_t& socket = made->socket;
  set_up(socket, pipe.endpoint);
  socket.set(zmq::sockopt::routing_id, edge_.name() + "#" + secret_);
  socket.set(zmq::sockopt::immediate, true);
  if (!keys_.secret_key.empty() && pipe.endpoint.starts_with(kTcp)) {
    socket.set(zmq::sockopt::curve_serverkey, mapper_key_);
    socket.set(zmq::sockopt::curve_publickey, keys_.public_key);
    socket.set(zmq::sockopt::curve_secretkey, keys_.secret_key);
  }
  made->monitor = std::make_unique<Monitor>(context_, socket, kNews);
  socket.connect(pipe.endpoint);
  made->readable = std::make_unique<Readiness>(loop_, socket, [this] { readable(); });
  made->news = std::make_unique<Readiness>(loop_, made->monitor->socket(), [this, i] {
    read_news(i);
    pump();
  });
  pipe.connection = std::move(made);
}

// Now and then, and not from a callback of a connection: makes connections anew and lets them go.
void ZmqEdgeOnLoop::tend() {
  const Time now = loop_.now();
  const std::vector<LinkFigures> links = edge_.links();
  std::size_t link = 0;  // links() has one for each pipe in use
  for (Pipe i = 0; i < pipes_.size(); ++i) {
    MapperPipe& pipe = pipes_[i];
    if (pipe.endpoint.empty()) continue;
    const uint64_t received = links[link++].received;
    const bool quiet = std::exchange(pipe.received, received) == received;
    if (pipe.leave_by != kNever && ((quiet && edge_.done_with(i)) || now >= pipe.leave_by)) {
      edge_.remove_mapper(i);
      pipe = {};
    } else if (now >= pipe.remake_at) {
      pipe.connection.reset();
      connect(i);
    }
  }
  tend_.set(now + kTend);
  all_news();
}

// --- news of connections
// ------------------------------------------------------------------------------------------

void ZmqEdgeOnLoop::all_news() {
  for (Pipe i = 0; i < pipes_.size(); ++i) {
    if (pipes_[i].connection) read_news(i);
  }
  pump();
}

void ZmqEdgeOnLoop::read_news(Pipe i) {
  MapperPipe& pipe = pipes_[i];
  int event = 0;
  uint32_t value = 0;
  while (pipe.connection->monitor->next(&event, &value)) {
    if (event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED) {
      pipe.trouble.clear();
      edge_.opened(i);
    }
    if (event == ZMQ_EVENT_DISCONNECTED) edge_.closed(i);
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH || event == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL)
      pipe.remake_at = loop_.now() + kRemake;
    std::string trouble = trouble_of(event, value, !keys_.secret_key.empty());
    if (trouble.empty() || trouble == pipe.trouble) continue;
    pipe.trouble = std::move(trouble);
    if (event != ZMQ_EVENT_CLOSED) user_.bus_trouble("mapper at " + pipe.endpoint + " " + pipe.trouble);
  }
  pipe.connection->news->wait();
}

std::vector<MapperState> ZmqEdgeOnLoop::mappers() const {
  std::vector<MapperState> out;
  const std::vector<LinkFigures> links = edge_.links();
  std::size_t link = 0;
  for (const MapperPipe& pipe : pipes_) {
    if (pipe.endpoint.empty()) continue;
    const LinkFigures& figures = links[link++];
    out.push_back({pipe.endpoint, figures.peer, figures.up, figures.ready, pipe.leave_by != kNever,
                   figures.up ? figures.objection : pipe.trouble, figures.up && figures.other_configuration});
  }
  return out;
}

std::string ZmqEdgeOnLoop::why_no_mapper() const {
  std::string why = finder_.trouble();
  for (const MapperState& mapper : mappers()) {
    const std::string said = mapper.up && mapper.other_configuration
                                 ? "has other values of the keys that all processes share (gateway_domain, "
                                   "xmpp_domain, domain_separator, gwmap): restart pending, there or here"
                             : mapper.up
                                 ? mapper.trouble.empty()
                                       ? "is not ready yet, or drains; stoxctl status says what it waits for"
                                       : "does not take us: " + mapper.trouble
                             : mapper.trouble.empty() ? "is not connected: is stox-mapper running?"
                                                      : mapper.trouble;
    if (!mapper.leaving) why += (why.empty() ? "" : "; ") + mapper.endpoint + " " + said;
  }
  return "no mapper is ready: " + (why.empty() ? "is stox-mapper running?" : why);
}

}  // namespace

Result<std::unique_ptr<ZmqEdge>> ZmqEdge::create(net::Loop& loop, EdgeOptions options,
                                                 const MapperAddresses& mappers, EdgeUser& user) {
  auto resolver = net::Resolver::create(loop, {mappers.dns_servers, true});
  if (!resolver) return tl::make_unexpected(resolver.error());
  try {
    return std::make_unique<ZmqEdgeOnLoop>(loop, std::move(options), mappers, std::move(*resolver), user);
  } catch (const zmq::error_t& failure) {
    return error(std::string("bus: cannot connect to the mappers: ") + failure.what());
  }
}

}  // namespace stox::bus
