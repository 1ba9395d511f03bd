#include "xmpp_worker/xmpp/s2s/s2s_outbound.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/s2s/s2s_errors.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/base64.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

using std::chrono::seconds;

constexpr Duration kStep = seconds(30);  // for each answer of the negotiation
constexpr Duration kGoodbye = seconds(2);
constexpr Duration kQuestion = seconds(60), kHurriedQuestion = seconds(5);
constexpr unsigned kMisses = 2;
constexpr std::size_t kMaxQuestions = 1000;
constexpr std::string_view kProbe = "alive-";

const StanzaError kTimeout{"wait", "remote-server-timeout"};

}  // namespace

S2sOutbound::S2sOutbound(OutboundOptions options, const DialbackKeys& keys, S2sOutboundUser& user)
    : S2sStream(XmlLimits::before_authentication()), options_(std::move(options)), keys_(keys), user_(user) {}

std::string S2sOutbound::peer_name() const { return fmt::format("{} ({})", options_.to, options_.server); }

StreamEnd S2sOutbound::end_by_peer(const StreamError& error) const {
  return end_by(error, {peer_name(), options_.from, options_.to, is_up(),
                        is_encrypted() && stands_for(peer(), options_.to)});
}

std::string S2sOutbound::waits_for() const {
  const auto but = [&](const char* what) {
    return fmt::format("connected to {}, which {}", options_.server, what);
  };
  switch (phase_) {
    case Phase::kTls:
    case Phase::kStartTls:
      return but("has not done the TLS handshake yet");
    case Phase::kFeatures:
      return but("has not said yet what it offers");
    case Phase::kSasl:
      return but("has not said yet whether our certificate will do");
    case Phase::kDialback:
      return but("has not said yet whether our dialback key is valid; can it connect to our xmpp_port?");
    default:
      return but("has said nothing yet; is it a port for XMPP servers?");
  }
}

void S2sOutbound::go(Phase phase, Duration at_most) {
  phase_ = phase;
  next_ = now_ + at_most;
}

void S2sOutbound::connected(Time now) {
  now_ = now;
  if (options_.direct_tls) {
    go(Phase::kTls, kStep);
    wait_for_tls();
    return user_.start_tls(*this);
  }
  open_header();
}

void S2sOutbound::tls_established(PeerNames peer, std::string description, Time now) {
  if (is_ended()) return;
  take_tls(std::move(peer), std::move(description), now);
  if (!options_.insecure && !stands_for(this->peer(), options_.to)) {
    // Nothing is said to whom we do not know.
    return refuse(fmt::format("{} is not trusted: {}; its operator must correct the certificate, or "
                              "xmpp_worker.tls.ca must name who signed it, or insecure_domains must list {}",
                              peer_name(), why_not(this->peer(), options_.to), options_.to),
                  {"cancel", "remote-server-timeout", "The certificate of the server is not valid"});
  }
  open_header();
}

void S2sOutbound::disconnected(const std::string& why, Time now) {
  now_ = now;
  header_sent_ = false;  // there is nobody to say goodbye to
  const char* when = phase_ == Phase::kTls || phase_ == Phase::kStartTls ? "in the TLS handshake"
                     : phase_ == Phase::kUp                              ? "while the stream was up"
                                                                         : "in the negotiation";
  finish({fmt::format("the connection to {} broke {}: {}", peer_name(), when, why), kTimeout});
}

void S2sOutbound::open_header() {
  XmlWriter xml(output_);
  begin_header(xml);
  xml.attribute("from", options_.from).attribute("to", options_.to).attribute("version", "1.0").leave_open();
  go(Phase::kHeader, kStep);
}

void S2sOutbound::opened(const Element& header) {
  const auto content = header.attribute("xmlns", ns::kXmlns);
  if (content != ns::kServer) {
    return fail({"invalid-namespace"},
                {fmt::format("{} is no port for servers (it speaks {})", peer_name(), one_line(content, 60)),
                 kTimeout});
  }
  stream_id_ = header.attribute("id");
  // A stream without a version is of before RFC 3920: no features come.
  if (!header.attribute("version").empty()) return go(Phase::kFeatures, kStep);
  if (!is_encrypted() && !options_.insecure)
    return refuse(fmt::format("{} speaks XMPP of before 1.0 and so no TLS; insecure_domains must list {} if "
                              "that is to do",
                              peer_name(), options_.to),
                  {"cancel", "remote-server-timeout", "The server offers no TLS"});
  allow_questions();
  begin_dialback();
}

void S2sOutbound::element(const Element& child) {
  if (take_management(child)) return;
  if (child.ns() == ns::kDialback && child.name() == "result") return dialback_result(child);
  if (child.ns() == ns::kDialback && child.name() == "verify") return dialback_verified(child);
  switch (phase_) {
    case Phase::kFeatures:
      if (child.is("features", ns::kStreams)) features(child);
      return;
    case Phase::kStartTls:
      if (!child.is("proceed", ns::kTls)) {
        return finish({fmt::format("{} offers TLS and then fails to do it", peer_name()), kTimeout});
      }
      wait_for_tls();
      go(Phase::kTls, kStep);
      return user_.start_tls(*this);
    case Phase::kSasl:
      return sasl(child);
    case Phase::kUp:
      if (child.is("enabled", ns::kStreamManagement)) return management_.start();
      if (child.is("failed", ns::kStreamManagement)) return management_.refuse();
      if (child.ns() != ns::kStreamManagement) stanza(child);
      return;
    default:
      return;
  }
}

void S2sOutbound::features(const Element& offered) {
  has_dialback_ = static_cast<bool>(offered.child("dialback", ns::kDialbackFeature));
  has_management_ = static_cast<bool>(offered.child("sm", ns::kStreamManagement));
  if (!is_encrypted() && options_.can_tls && offered.child("starttls", ns::kTls)) {
    XmlWriter(output_).open("starttls", ns::kTls).close();
    return go(Phase::kStartTls, kStep);
  }
  if (!is_encrypted() && !options_.insecure) {
    return refuse(fmt::format("{} offers no TLS; insecure_domains must list {} if plaintext is to do",
                              peer_name(), options_.to),
                  {"cancel", "remote-server-timeout", "The server offers no TLS"});
  }
  allow_questions();
  if (by_external_) return come_up("EXTERNAL");
  authenticate(offered);
}

void S2sOutbound::authenticate(const Element& offered) {
  XmlWriter xml(output_);
  if (options_.use_bidi && offered.child("bidi", ns::kBidiFeature)) {
    xml.open("bidi", ns::kBidi).close();
    bidi_ = true;
  }
  bool external = false;
  const Element mechanisms = offered.child("mechanisms", ns::kSasl);
  for (Element each = mechanisms.first_child(); each; each = each.next())
    external |= each.name() == "mechanism" && trim(each.text()) == "EXTERNAL";
  if (!external || !options_.use_external || !is_encrypted()) return begin_dialback();
  xml.open("auth", ns::kSasl).attribute("mechanism", "EXTERNAL");
  xml.text(to_base64(options_.from)).close();
  go(Phase::kSasl, kStep);
}

void S2sOutbound::sasl(const Element& answer) {
  if (answer.ns() != ns::kSasl) return;
  if (answer.name() == "success") {
    by_external_ = true;
    may_ask_ = false;
    expect_restart();
    return open_header();
  }
  external_refused_ = true;
  allow_questions();
  begin_dialback();
}

void S2sOutbound::begin_dialback() {
  XmlWriter xml(output_);
  open_dialback(xml, "db:result", options_.from, options_.to, {}, {});
  xml.text(keys_.make(options_.to, options_.from, stream_id_)).close();
  has_dialback_ = true;
  go(Phase::kDialback, kStep);
}

void S2sOutbound::dialback_result(const Element& answer) {
  if (phase_ != Phase::kDialback || answer.attribute("type").empty() ||
      !is_domain(answer.attribute("from"), options_.to) || !is_domain(answer.attribute("to"), options_.from))
    return;
  const DialbackVerdict verdict = read_verdict(answer);
  if (verdict.kind == DialbackVerdict::Kind::kValid) return come_up("dialback");
  const std::string external = external_refused_ ? "; it refused our certificate before" : std::string();
  if (verdict.kind == DialbackVerdict::Kind::kInvalid) {
    return refuse(
        fmt::format("{} says that our dialback key is invalid{}: does DNS lead it to another server for {}, "
                    "or has another worker of {} another dialback_secret?",
                    peer_name(), external, options_.from, options_.from),
        {"cancel", "internal-server-error", "The server refuses our identity"});
  }
  finish({fmt::format("{} could not verify us by dialback: {}{}; can it resolve {} and connect to our "
                      "xmpp_port?",
                      peer_name(), one_line(verdict.condition, 60), external, options_.from),
          {"wait", "remote-server-timeout", "The server could not verify us: " + verdict.condition}});
}

void S2sOutbound::come_up(const char* proof) {
  proof_ = proof;
  alive_at_ = now_;
  xml_.set_limits(XmlLimits{});
  go(Phase::kUp, kQuestion);
  if (has_management_) {
    XmlWriter(output_).open("enable", ns::kStreamManagement).close();
    management_.request();
  }
  user_.outbound_up(*this);
}

void S2sOutbound::stanza(const Element& child) {
  const auto stanza = read_stanza(child);
  if (!stanza) return;
  if (!bidi_) return fail("unsupported-stanza-type", "this stream carries stanzas the other way only");
  if (!is_domain(domain_of(stanza->from), options_.to))
    return fail("invalid-from", "not a domain of this stream");
  if (!is_domain(domain_of(stanza->to), options_.from))
    return fail("improper-addressing", "not a domain of this stream");
  note_stanza();
  alive_at_ = now_;
  user_.outbound_stanza(*this, child);
}

void S2sOutbound::oversized(const Element& child) {
  if (!is_up() || !bidi_ || !is_domain(domain_of(child.attribute("from")), options_.to) ||
      !is_domain(domain_of(child.attribute("to")), options_.from))
    return;
  note_stanza();
  user_.outbound_oversized(*this, child);
}

// --- questions of dialback

void S2sOutbound::allow_questions() {
  may_ask_ = true;
  for (const DialbackQuestion& each : questions_) write_question(each);
}

void S2sOutbound::verify(const DialbackQuestion& question) {
  if (questions_.size() >= kMaxQuestions)
    questions_.erase(questions_.begin());  // it has been given up long ago
  questions_.push_back(question);
  // Behind a success of SASL the peer expects a header, and ends the stream for whatever else comes.
  if (may_ask_ && phase_ != Phase::kSasl) write_question(question);
}

void S2sOutbound::write_question(const DialbackQuestion& question) {
  XmlWriter xml(output_);
  open_dialback(xml, "db:verify", question.from, question.to, question.id, {});
  xml.text(question.key).close();
}

void S2sOutbound::dialback_verified(const Element& answer) {
  if (!may_ask_ || answer.attribute("type").empty()) return;
  if (answer.attribute("id").starts_with(kProbe) && is_domain(answer.attribute("from"), options_.to))
    return peer_answered();
  const DialbackQuestion said{prepared_domain(answer.attribute("to")),
                              prepared_domain(answer.attribute("from")),
                              std::string(answer.attribute("id")),
                              {}};
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const DialbackQuestion& each) { return each.is_for(said); });
  if (found == questions_.end()) return;
  const DialbackQuestion question = std::move(*found);
  questions_.erase(found);
  alive_at_ = now_;
  user_.verified(*this, question, read_verdict(answer));
}

// --- is it alive?

void S2sOutbound::hurry(bool hurry, Time now) {
  if (hurry == hurry_ || !is_up()) return;
  hurry_ = hurry;
  if (hurry) next_ = std::min(next_, now + kHurriedQuestion);
}

void S2sOutbound::ask_for_proof(Time now) {
  if (!is_up() || asked_at_ != kNever || !can_prove()) return;
  now_ = now;
  ask_for_life(true);
}

void S2sOutbound::peer_answered() {
  alive_at_ = now_;
  if (asked_at_ != kNever && misses_ == 0) proved_until_ = asked_at_;  // else it may be for an earlier one
  asked_at_ = kNever;
  misses_ = 0;
}

// What every server answers on this very stream: how much it has taken, or whether a key that cannot be
// right is.
void S2sOutbound::ask_for_life(bool proof) {
  next_ = now_ + (hurry_ ? kHurriedQuestion : kQuestion);
  if (management_.is_on()) {
    XmlWriter xml(output_);
    management_.ask(xml);
  } else if (has_dialback_ && (hurry_ || proof)) {  // seldom: some servers log that they were asked
    write_question({options_.from, options_.to, fmt::format("{}{}", kProbe, ++probes_), "0"});
  } else {
    output_ += ' ';  // TCP will tell
    return;
  }
  asked_at_ = now_;
}

void S2sOutbound::turn(Time now) {
  if (now < next_ || is_ended()) return;
  now_ = now;
  switch (phase_) {
    case Phase::kUp:
      if (asked_at_ != kNever && ++misses_ >= kMisses)
        return leave_dead({fmt::format("{} does not answer on its stream any more", peer_name()), kTimeout});
      return ask_for_life();
    case Phase::kClosing:
      return leave_dead({"closed", kTimeout});
    case Phase::kTls:
    case Phase::kStartTls:
      return finish({fmt::format("{} does not go on with the TLS handshake", peer_name()), kTimeout});
    case Phase::kDialback:
      return finish({fmt::format("{} does not say whether our dialback key is valid; can it connect to our "
                                 "xmpp_port?",
                                 peer_name()),
                     kTimeout});
    default:
      return finish(
          {fmt::format("{} does not answer; is it a port for XMPP servers?", peer_name()), kTimeout});
  }
}

void S2sOutbound::leave_dead(StreamEnd end) {
  end.dead = true;
  finish(std::move(end));
}

void S2sOutbound::close(Time now) {
  if (is_ended() || phase_ == Phase::kClosing) return;
  now_ = now;
  say_goodbye();
  go(Phase::kClosing, kGoodbye);
}

void S2sOutbound::refuse(std::string reason, StanzaError told) {
  finish({std::move(reason), std::move(told), true});
}

void S2sOutbound::ended(const StreamEnd& end) {
  phase_ = Phase::kClosing;
  user_.outbound_ended(*this, end);
}

}  // namespace stox::xmpp
