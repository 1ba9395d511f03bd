// stox-bench: both ends of the gateway in one process. Loads come as lines on standard input,
//   sip-to-xmpp|xmpp-to-sip window=N|rate=N [seconds=S] [messages=M] [pairs=P]
// and each prints "begin", "end" (between which tests/bench/run takes the CPU times of the gateway) and a
// line of JSON. It prints "ready" when the gateway's component has connected.
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>
#include <sstream>

#include "tests/bench/sip_end.h"
#include "tests/bench/xmpp_end.h"

namespace stox::bench {
namespace {

struct Load {
  bool to_sip = false;
  uint64_t window = 0;  // closed loop: so many at a time; 0: open loop
  double rate = 0;      // open loop: so many a second
  double seconds = 5;
  uint64_t messages = UINT64_MAX;  // when so many have ended, it ends before its seconds are over
  uint32_t pairs = 1000;
};

bool parse_load(const std::string& line, Load& load) {
  std::istringstream words(line);
  std::string word;
  words >> word;
  load.to_sip = word == "xmpp-to-sip";
  if (!load.to_sip && word != "sip-to-xmpp") return false;
  while (words >> word) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) return false;
    const auto key = word.substr(0, equals);
    const double value = std::stod(word.substr(equals + 1));
    if (key == "window")
      load.window = static_cast<uint64_t>(value);
    else if (key == "rate")
      load.rate = value;
    else if (key == "seconds")
      load.seconds = value;
    else if (key == "messages")
      load.messages = static_cast<uint64_t>(value);
    else if (key == "pairs")
      load.pairs = static_cast<uint32_t>(value);
    else
      return false;
  }
  return (load.window > 0) != (load.rate > 0) && load.pairs > 0;
}

class Ends {
 public:
  Ends(SipEnd& sip, XmppEnd& xmpp) : sip_(sip), xmpp_(xmpp) {}

  // Waits at most this long, then does all that can be done.
  void turn(int64_t wait_us) {
    pollfd polled[] = {
        {sip_.descriptor(), POLLIN, 0},
        {xmpp_.listener(), POLLIN, 0},
        {xmpp_.descriptor(), static_cast<short>(POLLIN | (xmpp_.wants_to_write() ? POLLOUT : 0)), 0}};
    const timespec wait{wait_us / 1'000'000, (wait_us % 1'000'000) * 1000};
    ppoll(polled, std::size(polled), &wait, nullptr);
    if (polled[1].revents) xmpp_.accept();
    if (polled[2].revents & (POLLIN | POLLHUP | POLLERR)) xmpp_.read();
    if (polled[0].revents) sip_.read();
    sip_.flush();
    xmpp_.flush();
  }

  void run(const Load& load) {
    Tally tally(load.pairs);
    if (load.to_sip) tally.end_by_arrival();
    sip_.begin(&tally);
    xmpp_.begin(&tally);
    std::cout << "begin" << std::endl;
    const auto began = ends::now_us();
    const auto end = began + static_cast<int64_t>(load.seconds * 1e6);
    while (ends::now_us() < end && tally.ended() < load.messages) {
      say_what_is_due(load, tally, began);
      turn(load.window ? 100'000 : until_next(load, tally, began));
    }
    std::cout << "end" << std::endl;
    const auto seconds = static_cast<double>(ends::now_us() - began) / 1e6;
    // What is under way may end; whoever gives up, SIP does so after 32 s.
    for (const auto limit = ends::now_us() + 33'000'000;
         tally.ended() < tally.sent() && ends::now_us() < limit;) {
      sip_.repeat();
      turn(100'000);
    }
    for (const auto late = ends::now_us() + 300'000; ends::now_us() < late;) turn(50'000);
    std::cout << tally.report(seconds) << std::endl;
    sip_.begin(nullptr);
    xmpp_.begin(nullptr);
  }

 private:
  void say_what_is_due(const Load& load, Tally& tally, int64_t began) {
    const auto due =
        load.window
            ? tally.ended() + load.window
            : static_cast<uint64_t>(static_cast<double>(ends::now_us() - began) * load.rate / 1e6) + 1;
    // At most so many a turn: answers must be read in between.
    for (int left = 64; left > 0 && tally.sent() < std::min(due, load.messages); --left) {
      const auto number = tally.send();
      if (load.to_sip) {
        xmpp_.message(number);
      } else {
        sip_.message(number);
      }
    }
    if (!load.to_sip) sip_.repeat();
    sip_.flush();
    xmpp_.flush();
  }

  static int64_t until_next(const Load& load, const Tally& tally, int64_t began) {
    const auto next = began + static_cast<int64_t>(static_cast<double>(tally.sent()) * 1e6 / load.rate);
    return std::clamp<int64_t>(next - ends::now_us(), 0, 100'000);
  }

  SipEnd& sip_;
  XmppEnd& xmpp_;
};

int run(int argc, char** argv) {
  Names names{"sip-xmpp.bench", "xmpp-sip.bench", "sip.bench", "xmpp.bench"};
  std::string sip = "127.0.0.1:5070", front = "127.0.0.1:5060", xmpp = "127.0.0.1:5347";
  std::size_t body_bytes = 100;
  CLI::App app("stox-bench: both ends of the gateway, to load it and to count what arrives");
  app.add_option("--sip", sip, "ADDRESS:PORT of the SIP end, the gateway's outbound_proxy");
  app.add_option("--front", front, "ADDRESS:PORT of the gateway's SIP front");
  app.add_option("--xmpp", xmpp, "ADDRESS:PORT where the gateway's component connects");
  app.add_option("--gateway-domain", names.gateway_domain);
  app.add_option("--xmpp-domain", names.component, "the component's name");
  app.add_option("--body-bytes", body_bytes);
  CLI11_PARSE(app, argc, argv);

  SipEnd sip_end(names, ends::parse_address(sip), ends::parse_address(front), body_bytes);
  XmppEnd xmpp_end(names, ends::parse_address(xmpp), body_bytes);
  Ends ends(sip_end, xmpp_end);
  while (!xmpp_end.ready()) ends.turn(100'000);
  std::cout << "ready" << std::endl;

  // Between loads the streams are served, and standard input is looked at.
  for (;;) {
    pollfd input{STDIN_FILENO, POLLIN, 0};
    if (poll(&input, 1, 0) <= 0) {
      ends.turn(20'000);
      continue;
    }
    std::string line;
    if (!std::getline(std::cin, line)) return 0;
    Load load;
    if (!parse_load(line, load)) {
      std::cerr << "not a load: " << line << '\n';
      return 2;
    }
    ends.run(load);
  }
}

}  // namespace
}  // namespace stox::bench

int main(int argc, char** argv) {
  try {
    return stox::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "stox-bench: " << error.what() << '\n';
    return 1;
  }
}
