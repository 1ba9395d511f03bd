#include "xmpp_worker/xmpp/component/component.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <utility>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/names.h"
#include "xmpp_worker/xmpp/stream/xml_writer.h"

namespace stox::xmpp {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

constexpr Duration kNegotiation = seconds(10);  // from TCP connection to handshake
constexpr Duration kErrorFollows = seconds(2);  // behind a header with an empty id
constexpr Duration kClosing = seconds(2);       // for the server's end of a stream
constexpr Duration kFirstRetry = seconds(1), kLastRetry = seconds(60);
constexpr Duration kRefusedRetry = seconds(60);
constexpr Duration kStaleRetry = seconds(5), kStaleFor = minutes(2);  // our own broken stream holds our name
constexpr Duration kContendedRetry = seconds(30);
constexpr Duration kLasting =
    seconds(10);  // a stream that was up so long, or that brought stanzas, had worked
constexpr Duration kKeepalive = seconds(60), kHurriedKeepalive = seconds(5);
constexpr unsigned kMisses = 2;
constexpr Duration kUsualAnswer = seconds(2);  // to a ping
// With three connections a bundle passes by the broken one with a probability of (2/3)^64.
constexpr unsigned kProbes = 64, kMaxBundles = 10;
constexpr uint64_t kIsProbe = uint64_t{1} << 63;  // in the number of a ping
constexpr Duration kProbeAgain = seconds(1);
constexpr std::size_t kAllTakeThis = 10'000;   // bytes (RFC 6120 13.12)
constexpr std::size_t kMaxUnsent = 4'194'304;  // bytes that the server has not read

std::string sha1_hex(const std::string& bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha1(), nullptr);
  return to_hex({reinterpret_cast<const char*>(digest.data()), size});
}

}  // namespace

Component::Component(ComponentOptions options, StanzaIds& ids, ComponentOwner& owner, PathsUser& user)
    : options_(std::move(options)),
      ids_(ids),
      owner_(owner),
      user_(user),
      xml_(XmlLimits::before_authentication(), *this),
      random_(options_.jitter_seed),
      connection_(options_.last_connection),
      must_probe_(options_.has_predecessor) {}

void Component::start(Time now) {
  now_ = down_since_ = now;
  phase_ = Phase::kWaiting;
  reason_ = "connecting to " + options_.server;
  next_ = now;
}

void Component::stop(Time now) {
  if (phase_ == Phase::kClosing) return;
  now_ = now;
  const bool was_up = is_up();
  reason_ = "stopped";
  if (phase_ == Phase::kStopped || phase_ == Phase::kWaiting) return set_stopped();
  if (phase_ == Phase::kConnecting) {
    owner_.disconnect();
    return set_stopped();
  }
  output_ += "</stream:stream>";
  phase_ = Phase::kClosing;
  next_ = now + kClosing;
  if (was_up) user_.path_down(*this);
}

void Component::set_stopped() {
  connected_ = false;
  phase_ = Phase::kStopped;
  next_ = kNever;
  owner_.state_changed();
}

void Component::connected(Time now) {
  if (phase_ != Phase::kConnecting) return;
  now_ = now;
  connected_ = true;
  phase_ = Phase::kOpening;
  next_ = now + kNegotiation;
  xml_.restart(XmlLimits::before_authentication());
  output_ = "<?xml version='1.0'?>";
  XmlWriter xml(output_);
  xml.open("stream:stream", ns::kComponent).attribute("xmlns:stream", ns::kStreams);
  xml.attribute("to", options_.domain).leave_open();
}

void Component::received(std::string_view bytes, Time now) {
  now_ = now;
  if (connected_) xml_.feed(bytes);
}

void Component::disconnected(const std::string& why, Time now) {
  now_ = now;
  connected_ = false;
  output_.clear();
  switch (phase_) {
    case Phase::kStopped:
    case Phase::kWaiting:
      return;
    case Phase::kConnecting:
      if (why.starts_with("DNS: ")) {
        return end_with_backoff(fmt::format(
            "cannot find the XMPP server: {}; does xmpp_host name it, and does DNS know it?", why));
      }
      return end_with_backoff(fmt::format(
          "cannot connect to {}; is the XMPP server running, and do xmpp_host and xmpp_port name its "
          "component port?",
          why));
    case Phase::kOpening:
    case Phase::kDoubt:
    case Phase::kHandshake:
      return end_with_backoff(
          fmt::format("{} ended the connection before the handshake was done: {}; does xmpp_port name its "
                      "component port?",
                      options_.server, why));
    case Phase::kProbing:
    case Phase::kUp:
      must_probe_ = true;
      return end_with_backoff(fmt::format("the connection to {} broke: {}", options_.server, why));
    case Phase::kClosing:
      return set_stopped();
  }
}

void Component::turn(Time now) {
  if (is_up() && now >= probe_at_) {
    now_ = now;
    probe();
  }
  if (now < next_) return;
  now_ = now;
  next_ = kNever;
  switch (phase_) {
    case Phase::kStopped:
    case Phase::kConnecting:  // has a time-out of its own
      return;
    case Phase::kWaiting:
      phase_ = Phase::kConnecting;
      ++connection_;
      return owner_.connect();
    case Phase::kDoubt:
      return send_handshake();
    case Phase::kOpening:
    case Phase::kHandshake:
      return end_with_backoff(
          fmt::format("{} does not answer; does xmpp_port name its component port?", options_.server));
    case Phase::kProbing:
      return bundles_++ < kMaxBundles ? probe() : come_up();
    case Phase::kUp:
      must_probe_ = pinged_at_ != kNever && ++misses_ >= kMisses;
      if (must_probe_) return give_up();
      return ping();
    case Phase::kClosing:
      owner_.disconnect();
      return set_stopped();
  }
}

void Component::stream_opened(const Element& header) {
  const auto content = header.attribute("xmlns", ns::kXmlns);
  if (content == ns::kClient || content == ns::kServer) {
    return end(Meaning::kRefused, kRefusedRetry,
               fmt::format("{} is a port for {}, not for components: correct xmpp_port", options_.server,
                           content == ns::kClient ? "clients" : "other servers"));
  }
  stream_id_ = header.attribute("id");
  if (!stream_id_.empty()) return send_handshake();
  // COMPAT(prosody 0.12): a refusal begins with a header whose id is empty.
  phase_ = Phase::kDoubt;
  next_ = now_ + kErrorFollows;
}

void Component::set_secret(std::string secret, Time now) {
  if (secret == options_.secret && !refused_) return;
  options_.secret = std::move(secret);
  if (phase_ == Phase::kWaiting && !is_standby_) next_ = now;
}

bool Component::reconnect(Time now) {
  if (phase_ == Phase::kStopped || phase_ == Phase::kClosing || is_standby_) return false;
  now_ = now;
  if (has_connection() && phase_ != Phase::kConnecting)
    end(Meaning::kPasses, {}, "an operator wanted a new stream");
  failures_ = 0;
  if (phase_ == Phase::kWaiting) next_ = now;
  return true;
}

Duration Component::silent_for(Time now) const {
  if (!is_up() || pinged_at_ == kNever || now - pinged_at_ < kUsualAnswer) return {};
  return now - alive_at_;
}

void Component::send_handshake() {
  phase_ = Phase::kHandshake;
  next_ = now_ + kNegotiation;
  XmlWriter(output_).leaf("handshake", sha1_hex(stream_id_ + options_.secret));
}

void Component::stream_element(const Element& element) {
  if (element.is("error", ns::kStreams)) return stream_error(read_stream_error(element));
  switch (phase_) {
    case Phase::kDoubt:
      return send_handshake();
    case Phase::kHandshake:
      if (element.name() != "handshake") return;
      xml_.set_limits(XmlLimits{});
      bundles_ = 1;
      if (!must_probe_) return come_up();
      phase_ = Phase::kProbing;
      return probe();
    case Phase::kProbing:
    case Phase::kUp:
      has_brought_ = true;
      if (!take_keepalive(element)) user_.stanza(element, connection_);
      return;
    case Phase::kClosing:  // written before the server saw our end of the stream
      return user_.stanza(element, connection_);
    default:
      return;
  }
}

void Component::stream_oversized(const Element& element) {
  if (phase_ == Phase::kUp || phase_ == Phase::kProbing) user_.oversized(element);
}

// A server that lets several connections in (COMPAT(ejabberd 23), COMPAT(jabberd2 2.7)) sends answers to the
// one that broke, too, until it has noticed; what it sends there makes it notice. Which one it takes it may
// choose by the address.
void Component::probe() {
  first_probe_ = probes_;
  unanswered_ = UINT64_MAX;
  while (probes_ < first_probe_ + kProbes) {
    write_ping(kIsProbe | probes_, fmt::format("ping-{}@{}", probes_, options_.domain));
    ++probes_;
  }
  if (is_up()) {
    probe_at_ = now_ + kProbeAgain;
    return owner_.write_soon();
  }
  next_ = now_ + kProbeAgain;
  reason_ = fmt::format("{} may still send to a connection of ours that broke", options_.server);
}

void Component::other_lost(Time now) {
  now_ = now;
  must_probe_ = !is_up();
  if (phase_ == Phase::kProbing || is_up()) probe();
}

void Component::renew_connection(Time now) {
  now_ = now;
  if (!has_connection()) return;
  ++connection_;
  ++broken_;
  owner_.state_changed();
}

void Component::come_up() {
  phase_ = Phase::kUp;
  must_probe_ = false;
  probe_at_ = unanswered_ == 0 ? kNever : now_ + kProbeAgain;
  reason_.clear();
  refused_ = contended_ = is_standby_ = false;
  up_since_ = alive_at_ = now_;
  down_since_ = broke_at_ = pinged_at_ = kNever;
  proved_until_ = {};
  proof_wanted_ = false;
  misses_ = 0;
  hurry_ = has_brought_ = false;
  largest_ = 0;
  next_ = now_ + kKeepalive;
  ++streams_;
  owner_.state_changed();
  user_.path_up(*this);
}

// What is under way ends as a doubt: it must not arrive behind what its sender writes after hearing that.
void Component::give_up() {
  connected_ = false;
  output_.clear();
  owner_.abort();
  end_with_backoff(fmt::format("{} does not answer pings any more", options_.server));
}

void Component::stream_closed() { end_with_backoff(fmt::format("{} closed the stream", options_.server)); }

void Component::stream_failed(const StreamError& error) {
  if (phase_ == Phase::kUp || phase_ == Phase::kProbing || phase_ == Phase::kHandshake) {
    XmlWriter xml(output_);
    write_stream_error(xml, error);
    return end_with_backoff(
        fmt::format("{} sent what is no XML stream: {}, {}", options_.server, error.condition, error.text));
  }
  end_with_backoff(fmt::format("what answers at {} speaks no XMPP ({}): correct xmpp_host and xmpp_port",
                               options_.server, error.text));
}

void Component::stream_error(const StreamError& error) {
  const std::string said =
      error.text.empty() ? error.condition : error.condition + ", " + one_line(error.text, 200);
  const auto& name = options_.domain;
  if (error.condition == "conflict") return end_by_conflict(said);
  if (error.condition == "not-authorized" && !is_up()) {
    return end(
        Meaning::kRefused, kRefusedRetry,
        fmt::format(
            "{} refuses the password of component {} ({}): xmpp_password must be the secret that the server "
            "has for it (Prosody component_secret, ejabberd password, jabberd2 secret in router.xml); "
            "ejabberd says the same when it does not know the component",
            options_.server, name, said));
  }
  if (error.condition == "see-other-host") {
    return end(Meaning::kRefused, kRefusedRetry,
               fmt::format("{} sends us to {} ({}): our password is for no other; correct xmpp_host and "
                           "xmpp_port if that is right",
                           options_.server, one_line(error.other_host, 200), said));
  }
  if (error.condition == "host-unknown" || error.condition == "host-gone") {
    return end(
        Meaning::kRefused, kRefusedRetry,
        fmt::format(
            "{} knows no component {} ({}): add it to the server's configuration, or correct xmpp_domain",
            options_.server, name, said));
  }
  if (error.condition == "invalid-namespace") {
    return end(Meaning::kRefused, kRefusedRetry,
               fmt::format("{} is not for components ({}): correct xmpp_port", options_.server, said));
  }
  const bool may_be_size =
      is_up() && (error.condition == "policy-violation" || error.condition == "not-well-formed");
  end_with_backoff(
      fmt::format("{} ended the stream: {}{}", options_.server, said, may_be_size ? learn_size() : ""));
}

// Servers end the whole stream for one stanza that is too large for them, and do not say how large is.
std::string Component::learn_size() {
  if (largest_ <= kAllTakeThis) return {};
  options_.max_stanza_bytes = std::max(kAllTakeThis, largest_ / 2);
  return fmt::format(
      "; the largest stanza had {} bytes, so from now on those over {} are refused; raise the server's limit "
      "and restart this process",
      largest_, options_.max_stanza_bytes);
}

void Component::set_holder(std::string worker, Time now) {
  if (worker == holder_) return;
  holder_ = std::move(worker);
  now_ = now;
  if (phase_ != Phase::kWaiting || !(is_standby_ || contended_)) return;
  if (!holder_.empty()) {
    stand_by();
  } else if (is_standby_) {
    is_standby_ = false;
    down_since_ = broke_at_ = now;  // the server may not know yet that it has gone
    next_ = now;
    reason_ = "taking over";
  }
  owner_.state_changed();
}

void Component::stand_by() {
  is_standby_ = true;
  contended_ = false;
  next_ = kNever;
  reason_ = fmt::format("{} is connected to {} as {}; this one takes over when that goes", holder_,
                        options_.server, options_.domain);
}

void Component::end_by_conflict(const std::string& said) {
  if (!holder_.empty()) return end(Meaning::kStandby, {}, said);
  if (!is_up() && broke_at_ != kNever && now_ - broke_at_ < kStaleFor) {
    return end(Meaning::kPasses, kStaleRetry,
               fmt::format("{} has not noticed yet that our last stream broke ({})", options_.server, said));
  }
  end(Meaning::kContended, kContendedRetry,
      fmt::format("another program is connected to {} as {} ({}): only one can be, stop one of the two",
                  options_.server, options_.domain, said));
}

void Component::end_with_backoff(const std::string& reason) {
  if (is_up() && (has_brought_ || now_ - up_since_ >= kLasting)) failures_ = 0;
  const unsigned doublings = std::min(failures_++, 10u);
  end(Meaning::kPasses, std::min<Duration>(kFirstRetry * (1u << doublings), kLastRetry), reason);
}

void Component::end(Meaning meaning, Duration wait, const std::string& reason) {
  if (phase_ == Phase::kClosing) {
    xml_.stop();
    owner_.disconnect();
    return set_stopped();
  }
  const bool was_up = is_up();
  const bool may_be_in = phase_ == Phase::kHandshake && meaning == Meaning::kPasses;
  if (was_up || phase_ == Phase::kProbing || may_be_in) ++broken_;
  must_probe_ = must_probe_ || may_be_in || !is_sure();
  unanswered_ = 0;
  phase_ = Phase::kWaiting;
  if (connected_) {
    connected_ = false;
    output_ += "</stream:stream>";
    xml_.stop();
    owner_.disconnect();
  }
  if (was_up) down_since_ = now_;
  if (was_up && meaning != Meaning::kContended) broke_at_ = now_;
  refused_ = meaning == Meaning::kRefused;
  contended_ = meaning == Meaning::kContended;
  wait = jittered(wait);
  next_ = now_ + wait;
  reason_ = fmt::format("{}; next try in {} s", reason, (to_ms(wait) + 500) / 1000);
  if (meaning == Meaning::kStandby) stand_by();
  if (was_up) user_.path_down(*this);
  owner_.state_changed();
}

void Component::probed(uint64_t number) {
  if (number < first_probe_ || is_sure()) return;
  unanswered_ &= ~(uint64_t{1} << (number - first_probe_));
  if (!is_sure()) return;
  probe_at_ = kNever;
  if (phase_ == Phase::kProbing) come_up();
}

Duration Component::jittered(Duration wait) {
  return wait * std::uniform_int_distribution<int>(1000, 1250)(random_) / 1000;
}

Path::Sent Component::send(std::string_view from, std::string_view xml) {
  if (!is_up()) return Sent::kNotUp;
  if (domain_of(from) != options_.domain) return Sent::kForeignFrom;
  if (xml.size() > options_.max_stanza_bytes) return Sent::kTooLarge;
  output_.append(xml);
  largest_ = std::max(largest_, xml.size());
  owner_.write_soon();
  return Sent::kWritten;
}

bool Component::has_room() const { return owner_.unsent() + output_.size() < kMaxUnsent; }

void Component::hurry(bool hurry, Time now) {
  if (hurry == hurry_ || !is_up()) return;
  hurry_ = hurry;
  if (hurry) next_ = std::min(next_, now + kHurriedKeepalive);
}

void Component::ask_for_proof(Time now) {
  if (!is_up()) return;
  now_ = now;
  proof_wanted_ = true;
  if (pinged_at_ == kNever) ping();
}

// To ourselves: the server must handle it to bring it back, whatever its own name is.
void Component::ping() {
  write_ping(++pings_, options_.domain);
  pinged_at_ = now_;
  next_ = now_ + (hurry_ || proof_wanted_ ? kHurriedKeepalive : kKeepalive);
}

bool Component::take_keepalive(const Element& element) {
  const auto from = element.attribute("from");
  if (element.name() != "iq" || domain_of(from) != options_.domain) return false;
  const auto id = ids_.read(element.attribute("id"), from, element.attribute("to"));
  if (!id || !id->has(StanzaId::kKeepalive) || !ids_.is_own(*id)) return false;
  alive(id->number);
  return true;
}

void Component::write_ping(uint64_t number, const std::string& address) {
  std::string id;
  ids_.append(id, number, std::string_view(&StanzaId::kKeepalive, 1), {}, address, address);
  XmlWriter xml(output_);
  xmpp::write_ping(xml, address, address, id);
}

void Component::keepalive_came_elsewhere(uint64_t number, Time now) {
  now_ = now;
  if (phase_ == Phase::kProbing || is_up()) alive(number);
}

void Component::alive(uint64_t number) {
  alive_at_ = now_;
  if ((number & kIsProbe) != 0) return probed(number & ~kIsProbe);
  if (pinged_at_ == kNever) return;
  if (misses_ == 0) proved_until_ = pinged_at_;  // else it may answer an earlier ping
  pinged_at_ = kNever;
  misses_ = 0;
  next_ = now_ + (hurry_ ? kHurriedKeepalive : kKeepalive);
  if (std::exchange(proof_wanted_, false)) owner_.write_soon();
}

}  // namespace stox::xmpp
