#include "ctl/control_client.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

namespace stox::ctl {
namespace {

using Clock = std::chrono::steady_clock;

std::string why_not_connected(const std::string& path, int failure) {
  switch (failure) {
    case ENOENT:
      return fmt::format("not running: there is no control socket {}; start it", path);
    case ECONNREFUSED:
      return fmt::format("not running: it was killed and left its control socket {}; start it", path);
    case EACCES:
      return fmt::format("no permission for {}; run stoxctl as its user, its group or root", path);
    case EAGAIN:
      return "does not answer: its control socket is full of others' questions; it may hang";
    default:
      return fmt::format("{}: {}", path, std::strerror(failure));
  }
}

// One question under way.
class Exchange {
 public:
  Exchange(const std::string& path, const std::string& question) : rest_(question) {
    socket_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);  // its length is a matter of the configuration
    if (socket_ < 0 || connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
      end(why_not_connected(path, errno));
  }
  ~Exchange() {
    if (socket_ >= 0) close(socket_);
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  bool under_way() const { return !ended_; }
  pollfd waits_for() const {
    return {ended_ ? -1 : socket_, static_cast<short>(rest_.empty() ? POLLIN : POLLOUT), 0};
  }

  void go_on() { rest_.empty() ? read() : write(); }

  Answer answer(std::chrono::milliseconds time) && {
    if (!ended_) {
      end(fmt::format("does not answer within {} s: it hangs or is stopped; its watchdog ends it after 10 s",
                      std::chrono::duration_cast<std::chrono::seconds>(time).count()));
    }
    return std::move(answer_);
  }

 private:
  void write() {
    const ssize_t n = send(socket_, rest_.data(), rest_.size(), MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return end(fmt::format("closed the connection: {}", std::strerror(errno)));
    if (n > 0) rest_.erase(0, static_cast<std::size_t>(n));
  }

  void read() {
    std::array<char, 65536> part{};
    const ssize_t n = recv(socket_, part.data(), part.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return end("closed the connection without an answer; it may have ended just now");
    came_.append(part.data(), static_cast<std::size_t>(n));
    if (came_.back() != '\n') return;
    answer_.value = nlohmann::json::parse(came_, nullptr, false);
    end(answer_.value.is_object() ? "" : "answers what is no JSON object; is it another version?");
  }

  void end(std::string unreachable) {
    ended_ = true;
    answer_.unreachable = std::move(unreachable);
  }

  int socket_ = -1;
  bool ended_ = false;
  std::string rest_;  // of the question
  std::string came_;
  Answer answer_;
};

constexpr std::size_t kAtOnce = 16;  // a control socket has room for 32

std::string line_of(const nlohmann::json& request) {
  return request.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string Answer::error() const {
  if (!reached()) return unreachable;
  const auto ok = value.find("ok");
  if (ok != value.end() && ok->is_boolean() && ok->get<bool>()) return "";
  const auto text = value.find("error");
  return text != value.end() && text->is_string() ? text->get<std::string>() : "failed without a reason";
}

std::vector<Answer> ask_all(const std::vector<Place>& places, const nlohmann::json& request,
                            std::chrono::milliseconds time) {
  if (places.size() > kAtOnce) {
    const auto half = places.begin() + static_cast<std::ptrdiff_t>(kAtOnce);
    std::vector<Answer> out = ask_all({places.begin(), half}, request, time);
    for (Answer& one : ask_all({half, places.end()}, request, time)) out.push_back(std::move(one));
    return out;
  }
  std::vector<std::unique_ptr<Exchange>> exchanges;
  for (const Place& place : places) {
    exchanges.push_back(std::make_unique<Exchange>(
        place.path, place.process.empty()
                        ? line_of(request)
                        : line_of({{"command", "relay"}, {"to", place.process}, {"request", request}})));
  }

  const Clock::time_point deadline = Clock::now() + time;
  while (std::any_of(exchanges.begin(), exchanges.end(), [](const auto& one) { return one->under_way(); })) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) break;
    std::vector<pollfd> waiting;
    for (const auto& one : exchanges) waiting.push_back(one->waits_for());
    if (poll(waiting.data(), waiting.size(), static_cast<int>(left)) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].revents != 0) exchanges[i]->go_on();
    }
  }

  std::vector<Answer> out;
  for (auto& one : exchanges) out.push_back(std::move(*one).answer(time));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const bool nowhere =
        !places[i].process.empty() && out[i].reached() && out[i].value.contains("unreachable");
    if (nowhere) out[i].unreachable = out[i].error();
  }
  return out;
}

}  // namespace stox::ctl
