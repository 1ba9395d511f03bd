// stox-chaos-ends: SIP users on one side of the gateway, XMPP users on the other, and a ledger of what became
// of each message. It prints "ready" when all doors (xmpp_side.h) are open; lines on standard input then say
//   watch | go SECONDS | rate N | cut DOOR | stall DOOR SECONDS | broken DOOR | killed DOOR | server-killed
//   DOOR | stop
// ("watch": presence begins and rooms are entered, and "ready" is printed again when all see each other and
// are in; doors by number; "killed": its worker will be, now). What breaks a promise is printed as a line of
// JSON; after "stop" it waits for what is owed and prints the report; it ends with its input.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <random>
#include <sstream>

#include "tests/chaos/ledger.h"
#include "tests/chaos/presence.h"
#include "tests/chaos/rooms.h"
#include "tests/chaos/sip_side.h"
#include "tests/chaos/xmpp_side.h"

namespace stox::chaos {
namespace {

constexpr int64_t kTurn = 5'000;
constexpr uint32_t kPairs = 48;   // who see each other
constexpr uint32_t kChatty = 64;  // conversations that half of the messages are of

struct Options {
  std::string sip, disturbed;
  std::vector<std::string> fronts, workers, servers;
  double rate = 200;
  uint32_t conversations = 2000;
  uint64_t seed = 1;
  bool journal = false;
};

std::vector<sockaddr_in> addresses(const std::vector<std::string>& texts) {
  std::vector<sockaddr_in> out;
  for (const auto& text : texts) out.push_back(ends::parse_address(text));
  return out;
}

std::vector<XmppSide::Real> servers(const std::vector<std::string>& texts) {
  std::vector<XmppSide::Real> out;
  for (const auto& text : texts) {
    const auto equals = text.find('=');
    out.push_back({text.substr(0, equals), ends::parse_address(text.substr(equals + 1))});
  }
  return out;
}

class Run {
 public:
  explicit Run(const Options& options)
      : rate_(options.rate),
        conversations_(options.conversations),
        random_(options.seed),
        ledger_(std::max(options.conversations, Rooms::kPairs), options.journal,
                [](const std::string& json) { std::cout << json << std::endl; }),
        sip_(ends::parse_address(options.sip), addresses(options.fronts), options.conversations, ledger_),
        xmpp_(addresses(options.workers), servers(options.servers), options.conversations, ledger_),
        presence_(sip_, xmpp_, addresses(options.fronts), std::min(kPairs, options.conversations),
                  options.seed, [](const std::string& json) { std::cout << json << std::endl; }),
        rooms_(sip_, xmpp_, addresses(options.fronts), ledger_, options.seed,
               [](const std::string& json) { std::cout << json << std::endl; }) {}

  void run(const std::string& disturbed) {
    while (!xmpp_.ready()) turn();
    std::cout << "ready" << std::endl;
    while (!stopping_) turn();
    ledger_.end();
    presence_.end();
    rooms_.end();
    while (!ended_ && (sip_.waiting() > 0 || xmpp_.owed() || presence_.owed() || rooms_.owed())) turn();
    for (const auto late = ends::now_us() + 2'000'000; ends::now_us() < late;) turn();
    rooms_.close();
    ledger_.close();
    if (!disturbed.empty()) ledger_.write_disturbed(disturbed);
    auto report = ledger_.report();
    report["presence"] = presence_.report();
    report["rooms"] = rooms_.report();
    std::cout << "report " << report.dump() << std::endl;
    while (!ended_) turn();  // the streams stay until the gateway has been looked at
  }

 private:
  void turn() {
    polled_.clear();
    polled_.push_back({sip_.descriptor(), POLLIN, 0});
    polled_.push_back({STDIN_FILENO, POLLIN, 0});
    for (std::size_t i = 0; i < xmpp_.doors(); ++i) {
      const int write = xmpp_.wants_to_write(i) ? POLLOUT : 0;
      polled_.push_back({xmpp_.listener(i), POLLIN, 0});
      polled_.push_back({xmpp_.descriptor(i), static_cast<short>(POLLIN | write), 0});
    }
    poll(polled_.data(), polled_.size(), 20);
    if (polled_[0].revents) sip_.read();
    if (polled_[1].revents) command();
    for (std::size_t i = 0; i < xmpp_.doors(); ++i) {
      const bool readable = polled_[3 + 2 * i].revents & (POLLIN | POLLHUP | POLLERR);
      if (readable && xmpp_.descriptor(i) == polled_[3 + 2 * i].fd) xmpp_.read(i);
      if (polled_[2 + 2 * i].revents) xmpp_.accept(i);
    }
    if (loading_ && !stopping_) say_what_is_due();
    sip_.repeat();
    xmpp_.turn();
    presence_.turn();
    rooms_.turn();
    if (watching_ && presence_.all_seen() && rooms_.all_in()) {
      watching_ = false;
      std::cout << "ready" << std::endl;
    }
    sip_.flush();
    xmpp_.flush();
    // What happens within a few milliseconds is handled together.
    const auto rest = last_turn_us_ + kTurn - ends::now_us();
    if (rest > 0) usleep(static_cast<useconds_t>(rest));
    last_turn_us_ = ends::now_us();
  }

  void say_what_is_due() {
    const auto now = ends::now_us();
    due_ += static_cast<double>(now - counted_us_) * rate_ / 1e6;
    counted_us_ = now;
    for (; due_ >= 1; due_ -= 1) {
      const bool to_sip = next_to_sip_ = !next_to_sip_;
      for (int tries = 0; tries < 20; ++tries) {
        const auto conversation =
            static_cast<uint32_t>(random_() % (random_() % 2 ? kChatty : conversations_));
        if (to_sip ? !xmpp_.can_send(conversation) : !sip_.idle(conversation)) continue;
        to_sip ? xmpp_.message(conversation) : sip_.message(conversation);
        break;
      }
    }
  }

  void command() {
    std::string line, word;
    if (!std::getline(std::cin, line)) {
      stopping_ = ended_ = true;
      return;
    }
    std::istringstream words(line);
    std::size_t door = 0;
    double seconds = 0;
    words >> word;
    if (word == "watch") {
      watching_ = true;
      presence_.begin();
      rooms_.begin();
    } else if (word == "go") {
      words >> seconds;
      presence_.go(seconds);
      rooms_.go();
      loading_ = true;
      counted_us_ = ends::now_us();
      ledger_.begin();
    } else if (word == "stop") {
      stopping_ = true;
    } else if (word == "rate") {
      words >> rate_;
    } else if (words >> door && door < xmpp_.doors()) {
      if (word == "killed") {
        ledger_.killed(static_cast<uint8_t>(door));
      } else if (word == "server-killed") {
        ledger_.server_killed(static_cast<uint8_t>(door));
      } else if (word == "broken") {
        xmpp_.broken(door);
      } else if (word == "cut") {
        xmpp_.cut(door);
      } else if (word == "stall" && words >> seconds) {
        xmpp_.stall(door, seconds);
      }
    }
    std::cout << "done " << line << std::endl;
  }

  double rate_, due_ = 0;
  uint32_t conversations_;
  std::mt19937_64 random_;
  Ledger ledger_;
  SipSide sip_;
  XmppSide xmpp_;
  Presence presence_;
  Rooms rooms_;
  std::vector<pollfd> polled_;
  int64_t counted_us_ = 0, last_turn_us_ = 0;
  bool watching_ = false, loading_ = false, stopping_ = false, ended_ = false, next_to_sip_ = false;
};

int run(int argc, char** argv) {
  Options options;
  CLI::App app("stox-chaos-ends: loads the gateway from both sides and keeps a ledger");
  app.add_option("--sip", options.sip, "ADDRESS:PORT of the SIP users")->required();
  app.add_option("--fronts", options.fronts, "ADDRESS:PORT of each front")->required();
  app.add_option("--workers", options.workers, "ADDRESS:PORT that each worker connects to")->required();
  app.add_option("--servers", options.servers, "DOMAIN=ADDRESS:PORT where its users are a component");
  app.add_option("--rate", options.rate, "messages a second, both ways together");
  app.add_option("--conversations", options.conversations, "in each direction");
  app.add_option("--seed", options.seed);
  app.add_flag("--journal", options.journal, "what a killed worker had taken in must not be lost");
  app.add_option("--disturbed", options.disturbed, "file for the times of messages that failed or were slow");
  CLI11_PARSE(app, argc, argv);
  Run(options).run(options.disturbed);
  return 0;
}

}  // namespace
}  // namespace stox::chaos

int main(int argc, char** argv) {
  try {
    return stox::chaos::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "stox-chaos-ends: " << error.what() << '\n';
    return 1;
  }
}
