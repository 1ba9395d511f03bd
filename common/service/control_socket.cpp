#include "common/service/control_socket.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <asio/buffer.hpp>
#include <asio/local/stream_protocol.hpp>
#include <asio/read_until.hpp>
#include <asio/write.hpp>
#include <cerrno>
#include <cstring>
#include <list>
#include <nlohmann/json.hpp>

#include "common/net/acceptor.h"
#include "common/service/json_text.h"

namespace stox::service {
namespace {

using Local = asio::local::stream_protocol;

// Closes on leaving.
class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

tl::unexpected<Error> failed(const std::string& path, const std::string& what) {
  const bool another_user = errno == EACCES || errno == EPERM;
  return error(
      fmt::format("control socket {}: {}: {}{}", path, what, std::strerror(errno),
                  another_user ? "; runtime.directory, and what is in it, must be this user's" : ""));
}

// Removes a socket at which nobody listens any more.
Result<void> remove_stale(const std::string& path) {
  struct stat info {};
  if (lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return failed(path, "cannot look at it");
  }
  if (!S_ISSOCK(info.st_mode))
    return error(fmt::format("control socket {}: there is something else of this name; remove it", path));
  const Descriptor probe(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
  if (connect(probe.number(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 ||
      errno == EAGAIN) {
    ucred peer{};
    socklen_t size = sizeof(peer);
    getsockopt(probe.number(), SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return error(
        fmt::format("control socket {}: process {} of this name runs already; stop it, or give this one "
                    "another name with -n",
                    path, peer.pid > 0 ? std::to_string(peer.pid) : "(of unknown pid)"));
  }
  if (errno != ECONNREFUSED && errno != ENOENT)
    return failed(path, "cannot tell whether a process is behind it");
  if (unlink(path.c_str()) != 0 && errno != ENOENT)
    return failed(path, "cannot remove what a killed process left");
  return {};
}

Result<Local::acceptor> listen_at(net::Loop& loop, const std::string& path) {
  // Two processes that start at once must not each find the socket stale: one after the other.
  const std::string folder = path.substr(0, path.rfind('/'));
  const Descriptor lock(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (lock.number() < 0 || flock(lock.number(), LOCK_EX) != 0)
    return failed(path, "cannot lock its directory");
  if (const auto removed = remove_stale(path); !removed) return tl::make_unexpected(removed.error());

  Local::acceptor acceptor(loop.io());
  asio::error_code failure;
  acceptor.open(Local(), failure);
  const mode_t before = umask(0117);
  if (!failure) acceptor.bind(Local::endpoint(path), failure);
  umask(before);
  if (!failure) acceptor.listen(64, failure);
  if (failure) {
    errno = failure.value();
    return failed(path, "cannot make it");
  }
  return acceptor;
}

std::string line_of(const nlohmann::json& json) {
  // Addresses may hold bytes that are no UTF-8.
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

nlohmann::json refusal(const std::string& text) { return {{"ok", false}, {"error", text}}; }

// Held by the list of clients and by the operations under way on its socket. The list closes what it lets go;
// operations that end on a closed socket do nothing.
class Client : public std::enable_shared_from_this<Client> {
 public:
  using Gone = std::function<void(const Client*)>;

  // The references must live until close() is called.
  Client(net::Loop& loop, Local::socket socket, const ControlSocket::Answer& answer, const Gone& gone)
      : loop_(loop), socket_(std::move(socket)), answer_(answer), gone_(gone), active_(loop.now()) {}

  Time active() const { return active_; }

  void close() {
    asio::error_code ignored;
    socket_.close(ignored);
  }

  void read() {
    asio::async_read_until(socket_, asio::dynamic_buffer(in_, ControlSocket::kMaxLine), '\n',
                           [self = shared_from_this()](const asio::error_code& failure, std::size_t n) {
                             if (self->socket_.is_open()) self->read_done(failure, n);
                           });
  }

 private:
  void read_done(const asio::error_code& failure, std::size_t n) {
    active_ = loop_.now();
    if (failure == asio::error::not_found) {
      last_ = true;
      return write(refusal(fmt::format("a request has at most {} bytes", ControlSocket::kMaxLine)));
    }
    if (failure) return gone_(this);
    const nlohmann::json request = parse_json(std::string_view(in_).substr(0, n));
    in_.erase(0, n);
    if (!request.is_object()) return write(refusal("a request is one JSON object on one line"));
    const uint64_t number = open_ = ++requests_;
    const auto reply = [weak = weak_from_this(), number](const nlohmann::json& answer) {
      const auto self = weak.lock();
      if (!self || self->open_ != number || !self->socket_.is_open()) return;
      self->open_ = 0;
      self->write(answer);
    };
    try {
      answer_(request, reply);
    } catch (const std::exception& e) {
      reply(refusal(fmt::format("internal error: {}", e.what())));
    }
  }

  void write(const nlohmann::json& answer) {
    out_ = line_of(answer);
    asio::async_write(socket_, asio::buffer(out_),
                      [self = shared_from_this()](const asio::error_code& failure, std::size_t) {
                        if (self->socket_.is_open()) self->write_done(failure);
                      });
  }

  void write_done(const asio::error_code& failure) {
    active_ = loop_.now();
    if (failure || last_) return gone_(this);
    read();
  }

  net::Loop& loop_;
  Local::socket socket_;
  const ControlSocket::Answer& answer_;
  const Gone& gone_;
  std::string in_, out_;
  uint64_t requests_ = 0;
  uint64_t open_ = 0;  // the request that has no reply yet
  bool last_ = false;  // close after this answer
  Time active_;
};

class Listening : public ControlSocket {
 public:
  Listening(net::Loop& loop, std::string path, Local::acceptor acceptor, Answer answer)
      : loop_(loop),
        path_(std::move(path)),
        answer_(std::move(answer)),
        acceptor_(loop, std::move(acceptor), [this](Local::socket socket) { take(std::move(socket)); }) {
    stat(path_.c_str(), &made_);
  }

  ~Listening() override {
    for (const auto& client : clients_) client->close();
    struct stat now {};  // not another process's, should one have taken our place
    if (stat(path_.c_str(), &now) == 0 && now.st_ino == made_.st_ino && now.st_dev == made_.st_dev)
      unlink(path_.c_str());
  }

 private:
  void take(Local::socket socket) {
    if (clients_.size() >= kMaxClients) {
      const auto silent =
          std::min_element(clients_.begin(), clients_.end(),
                           [](const auto& a, const auto& b) { return a->active() < b->active(); });
      (*silent)->close();
      clients_.erase(silent);
    }
    clients_.push_back(std::make_shared<Client>(loop_, std::move(socket), answer_, gone_));
    clients_.back()->read();
  }

  net::Loop& loop_;
  std::string path_;
  Answer answer_;
  std::list<std::shared_ptr<Client>> clients_;
  Client::Gone gone_ = [this](const Client* client) {
    clients_.remove_if([&](const auto& one) {
      if (one.get() == client) one->close();
      return one.get() == client;
    });
  };
  struct stat made_ {};
  net::Acceptor<Local> acceptor_;
};

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::create(net::Loop& loop, const std::string& path,
                                                             Answer answer) {
  auto acceptor = listen_at(loop, path);
  if (!acceptor) return tl::make_unexpected(acceptor.error());
  return std::make_unique<Listening>(loop, path, std::move(*acceptor), std::move(answer));
}

std::string control_path(const RuntimeConfig& runtime, const std::string& full_name) {
  return runtime.directory + "/" + full_name + ".ctl";
}

}  // namespace stox::service
