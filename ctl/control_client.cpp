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
#include <fstream>
#include <memory>

#include "common/service/json_text.h"

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

// Why one that has taken the connection says nothing. No watchdog ends what somebody has stopped.
std::string why_silent(int socket, std::chrono::milliseconds time) {
  ucred peer{};
  socklen_t size = sizeof(peer);
  std::string state;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
    std::getline(std::ifstream(fmt::format("/proc/{}/stat", peer.pid)), state);
  const std::size_t name_ends = state.rfind(") ");
  const bool stopped = name_ends != std::string::npos && state.compare(name_ends, 3, ") T") == 0;
  return fmt::format("does not answer within {} s: it {}",
                     std::chrono::duration_cast<std::chrono::seconds>(time).count(),
                     stopped ? fmt::format("was stopped (SIGSTOP); `kill -CONT {}` lets it go on", peer.pid)
                             : "hangs; its watchdog ends it after 10 s");
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
    if (!ended_) end(why_silent(socket_, time));
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
    answer_.value = service::parse_json(came_);
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

// As it goes to this place.
std::unique_ptr<Exchange> open_exchange(const Place& place, const nlohmann::json& request) {
  if (place.process.empty()) return std::make_unique<Exchange>(place.path, line_of(request));
  return std::make_unique<Exchange>(
      place.path, line_of({{"command", "relay"}, {"to", place.process}, {"request", request}}));
}

// Who relays says so when it could not.
Answer taken(const Place& place, Answer answer) {
  if (!place.process.empty() && answer.reached() && answer.value.contains("unreachable"))
    answer.unreachable = answer.error();
  return answer;
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
  for (const Place& place : places) exchanges.push_back(open_exchange(place, request));

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
  for (std::size_t i = 0; i < exchanges.size(); ++i)
    out.push_back(taken(places[i], std::move(*exchanges[i]).answer(time)));
  return out;
}

void keep_asking(const std::vector<Place>& places, const nlohmann::json& first,
                 const std::function<std::optional<nlohmann::json>(std::size_t, const Answer&)>& next,
                 const std::function<bool()>& turn) {
  using std::chrono::milliseconds;
  struct Asked {
    std::unique_ptr<Exchange> exchange;
    nlohmann::json question;
    Clock::time_point since, not_before;
    bool done = false;
  };
  std::vector<Asked> all(places.size());
  for (Asked& one : all) one.question = first;
  while (turn()) {
    std::vector<pollfd> waiting(all.size());
    for (std::size_t i = 0; i < all.size(); ++i) {
      Asked& one = all[i];
      const auto now = Clock::now();
      if (!one.exchange && !one.done && now >= one.not_before) {
        one.exchange = open_exchange(places[i], one.question);
        one.since = now;
      }
      waiting[i].fd = -1;
      if (!one.exchange) continue;
      waiting[i] = one.exchange->waits_for();
      if (one.exchange->under_way() && now - one.since < kAnswerTime) continue;
      const Answer answer = taken(places[i], std::move(*one.exchange).answer(kAnswerTime));
      one.exchange.reset();
      waiting[i].fd = -1;
      if (!answer.error().empty()) one.not_before = now + std::chrono::seconds(1);
      auto question = next(i, answer);
      one.done = !question.has_value();
      if (question) one.question = std::move(*question);
    }
    const bool any_new = std::any_of(all.begin(), all.end(), [](const Asked& one) {
      return !one.exchange && !one.done && Clock::now() >= one.not_before;
    });
    if (poll(waiting.data(), waiting.size(), any_new ? 0 : 100) < 0 && errno != EINTR) break;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (waiting[i].fd >= 0 && waiting[i].revents != 0) all[i].exchange->go_on();
    }
  }
}

}  // namespace stox::ctl
