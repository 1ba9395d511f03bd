#include "xmpp_worker/xmpp/s2s/s2s_errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "common/base/text.h"

namespace stox::xmpp {
namespace {

// Until when it will be as it is.
enum class Until { kSoon, kThereIsRoom, kSomeoneActs, kSomeoneActsUnlessItWasUp };

struct Meaning {
  std::string_view condition;
  Until until;
  std::string_view advice;  // with {from}, {to}
};

constexpr std::string_view kNotUnderstood =
    "it did not understand what we sent, which is a fault of this program or of that one";
constexpr std::string_view kOtherProtocol = "it speaks another protocol there; is it the port for servers?";
constexpr std::string_view kNotBelieved =
    "it does not believe that we are {from}: our certificate must be for {from} and signed by whom it "
    "trusts, "
    "or DNS must lead it to us for dialback";

constexpr Meaning kMeanings[] = {
    {"bad-format", Until::kSoon, kNotUnderstood},
    {"bad-namespace-prefix", Until::kSoon, kNotUnderstood},
    {"conflict", Until::kSoon, "it has another stream of {from}"},
    {"connection-timeout", Until::kSoon, "it had heard nothing of us"},
    {"host-gone", Until::kSomeoneActs, "{to} is no longer there; do DNS or dns.static lead to its server?"},
    {"host-unknown", Until::kSomeoneActs, "{to} is not there; do DNS or dns.static lead to its server?"},
    {"improper-addressing", Until::kSoon, kNotUnderstood},
    {"internal-server-error", Until::kSoon, "its log says more"},
    {"invalid-from", Until::kSomeoneActsUnlessItWasUp, kNotBelieved},
    {"invalid-namespace", Until::kSomeoneActs, kOtherProtocol},
    {"invalid-xml", Until::kSoon, kNotUnderstood},
    {"not-authorized", Until::kSomeoneActsUnlessItWasUp, kNotBelieved},
    {"not-well-formed", Until::kSoon, kNotUnderstood},
    {"policy-violation", Until::kSomeoneActsUnlessItWasUp,
     "a rule of its operator is in the way: on TLS, certificates, who may come, or sizes and rates"},
    {"remote-connection-failed", Until::kSoon,
     "it cannot reach what it needs; can it resolve {from} and connect to our xmpp_port?"},
    {"reset", Until::kSoon, "it wants a new one"},
    {"resource-constraint", Until::kThereIsRoom, "it has no room for us now"},
    {"restricted-xml", Until::kSoon, kNotUnderstood},
    {"system-shutdown", Until::kSoon, "it is being stopped"},
    {"unsupported-encoding", Until::kSomeoneActs, kOtherProtocol},
    {"unsupported-feature", Until::kSomeoneActs, "it cannot do what it needs of us; its log says more"},
    {"unsupported-stanza-type", Until::kSoon, kNotUnderstood},
    {"unsupported-version", Until::kSomeoneActs, kOtherProtocol},
};

constexpr Duration kRest = std::chrono::seconds(30);

std::string advice_on_redirect(const StreamError& error, const StreamOf& stream) {
  const std::string host = one_line(error.other_host, 200);
  if (host.empty()) return "it does not say which";
  if (stream.is_proved) return "it sends us to " + host;
  return fmt::format(
      "it sends us to {}, which is not followed, as no certificate shows that it is {}; "
      "dns.static may lead there",
      host, stream.to);
}

}  // namespace

StreamEnd end_by(const StreamError& error, const StreamOf& stream) {
  std::string said = fmt::format("{} ended the stream: {}", stream.peer, error.condition);
  if (!error.text.empty()) said += ", " + one_line(error.text, 200);
  StreamEnd end{std::move(said),
                {"wait", "remote-server-timeout", "The server ended the stream: " + error.condition}};
  if (error.condition == "see-other-host") {
    end.reason += "; " + advice_on_redirect(error, stream);
    if (stream.is_proved) end.other_host = error.other_host;
    end.refused = end.other_host.empty();
    return end;
  }
  const auto* found = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                   [&](const Meaning& each) { return each.condition == error.condition; });
  if (found == std::end(kMeanings)) return end;
  end.reason += "; " + fmt::format(fmt::runtime(found->advice), fmt::arg("from", stream.from),
                                   fmt::arg("to", stream.to));
  end.refused = found->until == Until::kSomeoneActs ||
                (found->until == Until::kSomeoneActsUnlessItWasUp && !stream.was_up);
  if (found->until == Until::kThereIsRoom) end.rest = kRest;
  if (error.condition.starts_with("host-"))
    end.told = {"cancel", "remote-server-not-found", "The server does not have this domain"};
  return end;
}

}  // namespace stox::xmpp
