#include "xmpp_worker/xmpp/s2s/s2s_inbound.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/base/text.h"
#include "xmpp_worker/xmpp/stanza/stanza.h"
#include "xmpp_worker/xmpp/stream/base64.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::xmpp {
namespace {

constexpr unsigned kMaxRefusals = 2;  // of SASL
constexpr Duration kGoodbye = std::chrono::seconds(10);

DialbackVerdict error_of(std::string condition) {
  return {DialbackVerdict::Kind::kError, std::move(condition)};
}

}  // namespace

S2sInbound::S2sInbound(InboundOptions options, const DialbackKeys& keys, S2sInboundUser& user, Time now)
    : S2sStream(XmlLimits::of_strangers()), options_(std::move(options)), keys_(keys), user_(user) {
  now_ = now;
  next_ = now + options_.to_authenticate;
}

std::string S2sInbound::peer_name() const {
  const std::string& name = pairs_.empty() ? from_ : pairs_.front().first;
  return name.empty() ? options_.address : fmt::format("{} ({})", name, options_.address);
}

void S2sInbound::open_header() {
  id_ = user_.new_stream_id();
  XmlWriter xml(output_);
  begin_header(xml);
  xml.attribute("id", id_).attribute("from", to_.empty() ? user_.some_domain() : to_);
  xml.attribute_unless_empty("to", from_);
  if (!is_old_) xml.attribute("version", "1.0");
  xml.leave_open();
}

void S2sInbound::opened(const Element& header) {
  const auto to = header.attribute("to");
  const auto from = header.attribute("from");
  is_old_ = header.attribute("version").empty();
  from_ = prepared_domain(from);
  to_ = to.empty() ? std::string() : prepared_domain(to);
  const bool is_hosted = to.empty() || user_.serves(to_);
  if (!is_hosted) to_.clear();
  if (header.attribute("xmlns", ns::kXmlns) != ns::kServer)
    return fail("invalid-namespace", "only servers are spoken to here");
  if (!is_hosted) return fail("host-unknown", "not a domain of this server: " + one_line(to, 100));
  if (!from.empty() && (from_.empty() || user_.serves(from_)))
    return fail("invalid-from", "no domain of another server");
  open_header();
  if (!is_old_) write_features();
}

void S2sInbound::write_features() {
  XmlWriter xml(output_);
  xml.open("stream:features");
  const bool plaintext_will_do = user_.is_insecure(from_);
  if (!is_encrypted() && options_.can_tls) {
    xml.open("starttls", ns::kTls);
    if (!plaintext_will_do) xml.open("required").close();
    xml.close();
  }
  if (by_external_) {
    xml.open("sm", ns::kStreamManagement).close();
  } else if (is_encrypted() || plaintext_will_do) {
    if (is_encrypted() && !to_.empty() && stands_for(peer(), from_))
      xml.open("mechanisms", ns::kSasl).leaf("mechanism", "EXTERNAL").close();
    xml.open("bidi", ns::kBidiFeature).close();
    xml.open("dialback", ns::kDialbackFeature).open("errors").close().close();
    xml.open("sm", ns::kStreamManagement).close();  // no features come after dialback
  }
  xml.close();
  if (by_external_) user_.authenticated(*this, pairs_.front().first, pairs_.front().second);
}

void S2sInbound::element(const Element& child) {
  if (is_leaving_) return is_content_namespace(child.ns()) ? stanza(child) : void();
  if (take_management(child)) return;
  if (child.ns() == ns::kDialback) {
    if (!child.attribute("type").empty()) return;  // an answer, to nothing
    if (child.name() == "result") return dialback_result(child);
    if (child.name() == "verify") return dialback_verify(child);
    return;
  }
  if (child.is("starttls", ns::kTls)) return start_tls();
  if (child.ns() == ns::kSasl) return sasl(child);
  if (child.is("bidi", ns::kBidi)) {
    if (is_authenticated()) return fail("policy-violation", "too late for bidi");
    bidi_ = true;
    return;
  }
  if (!is_authenticated()) return fail("not-authorized", "prove first who you are");
  if (child.is("enable", ns::kStreamManagement)) {
    XmlWriter(output_).open("enabled", ns::kStreamManagement).close();
    return management_.start();
  }
  stanza(child);
}

void S2sInbound::start_tls() {
  XmlWriter xml(output_);
  if (!options_.can_tls || is_encrypted() || is_authenticated()) {
    xml.open("failure", ns::kTls).close();
    return finish({fmt::format("{} asks for TLS where there is none", peer_name())});
  }
  xml.open("proceed", ns::kTls).close();
  wait_for_tls();
  user_.start_tls(*this);
}

void S2sInbound::tls_established(PeerNames peer, std::string description, Time now) {
  if (!is_ended()) take_tls(std::move(peer), std::move(description), now);
}

// --- SASL

void S2sInbound::sasl(const Element& child) {
  if (child.name() != "auth" || is_authenticated()) return refuse_sasl();
  const auto text = trim(child.text());
  const auto said = text == "=" || text.empty() ? std::string() : from_base64(text).value_or("\xff");
  const bool is_right = child.attribute("mechanism") == "EXTERNAL" && is_encrypted() && !to_.empty() &&
                        (said.empty() || is_domain(said, from_)) && stands_for(peer(), from_);
  if (!is_right) return refuse_sasl();
  XmlWriter(output_).open("success", ns::kSasl).close();
  by_external_ = true;
  accept(from_, to_, "EXTERNAL");
  expect_restart();
  xml_.set_limits(XmlLimits{});
}

void S2sInbound::refuse_sasl() {
  if (++refusals_ > kMaxRefusals) return fail("policy-violation", "too many attempts");
  XmlWriter(output_).open("failure", ns::kSasl).open("not-authorized").close().close();
}

// --- dialback

void S2sInbound::dialback_result(const Element& child) {
  const DialbackQuestion question{prepared_domain(child.attribute("to")),
                                  prepared_domain(child.attribute("from")), id_,
                                  std::string(trim(child.text()))};
  const auto& [to, from, id, key] = question;
  if (from.empty() || user_.serves(from) || to.empty())
    return fail("improper-addressing", "dialback needs from and to");
  if (!user_.serves(to)) return answer_result(from, to, error_of("item-not-found"));
  if (!is_encrypted() && !user_.is_insecure(from))
    return answer_result(from, to, error_of("policy-violation"));
  if (std::find(pairs_.begin(), pairs_.end(), Pair(from, to)) != pairs_.end() || stands_for(peer(), from))
    return answer_result(from, to, {DialbackVerdict::Kind::kValid});
  if (questions_.size() >= kMaxQuestions || pairs_.size() >= kMaxPairs)
    return answer_result(from, to, error_of("resource-constraint"));
  for (const DialbackQuestion& each : questions_) {
    if (each.is_for(question)) return;  // is being asked
  }
  questions_.push_back(question);
  user_.ask(*this, question);
}

void S2sInbound::verified(const DialbackQuestion& question, const DialbackVerdict& verdict, Time now) {
  if (is_ended() || is_leaving_) return;
  now_ = now;
  const auto found = std::find_if(questions_.begin(), questions_.end(),
                                  [&](const DialbackQuestion& each) { return each.is_for(question); });
  if (found == questions_.end()) return;
  questions_.erase(found);
  if (question.id == id_) answer_result(question.to, question.from, verdict);
}

void S2sInbound::answer_result(const std::string& from, const std::string& to,
                               const DialbackVerdict& verdict) {
  using Kind = DialbackVerdict::Kind;
  // A key that is wrong beside one that was right is told mildly: the stream stays.
  const bool is_mild = verdict.kind == Kind::kInvalid && is_authenticated();
  XmlWriter xml(output_);
  write_verdict(xml, "db:result", to, from, {}, is_mild ? error_of("forbidden") : verdict);
  if (verdict.kind == Kind::kValid) return accept(from, to, peer().valid ? "certificate" : "dialback");
  if (verdict.kind == Kind::kInvalid && !is_mild)
    finish({fmt::format("{} showed a dialback key that the server of {} does not know", peer_name(), from)});
}

void S2sInbound::dialback_verify(const Element& child) {
  const std::string to = prepared_domain(child.attribute("to"));
  const std::string from = prepared_domain(child.attribute("from"));
  const auto id = child.attribute("id");
  if (from.empty() || to.empty()) return fail("improper-addressing", "dialback needs from and to");
  DialbackVerdict verdict = error_of("item-not-found");
  if (user_.serves(to)) {
    verdict.kind = keys_.check(trim(child.text()), from, to, id) ? DialbackVerdict::Kind::kValid
                                                                 : DialbackVerdict::Kind::kInvalid;
  }
  XmlWriter xml(output_);
  write_verdict(xml, "db:verify", to, from, id, verdict);
}

void S2sInbound::accept(const std::string& from, const std::string& to, const char* proof) {
  Pair pair(from, to);
  if (std::find(pairs_.begin(), pairs_.end(), pair) != pairs_.end()) return;
  if (proof_.empty()) proof_ = proof;
  if (pairs_.empty()) proved_at_ = now_;
  pairs_.push_back(std::move(pair));
  next_ = kNever;
  xml_.set_limits(XmlLimits{});
  if (!by_external_) user_.authenticated(*this, from, to);  // else when the stream has been restarted
}

// --- stanzas

bool S2sInbound::carries(std::string_view from, std::string_view to) const {
  return bidi_ && !is_ended() && !is_leaving_ && header_sent_ &&
         std::any_of(pairs_.begin(), pairs_.end(),
                     [&](const Pair& pair) { return pair.first == to && pair.second == from; });
}

bool S2sInbound::speaks_for(std::string_view written) const {
  const auto domain = domain_of(written);
  return !domain.empty() && std::any_of(pairs_.begin(), pairs_.end(),
                                        [&](const Pair& pair) { return is_domain(domain, pair.first); });
}

bool S2sInbound::check_addresses(const Element& child) {
  const auto from = child.attribute("from");
  const auto to = child.attribute("to");
  if (from.empty() || to.empty()) {
    fail("improper-addressing", "stanzas between servers need from and to");
  } else if (!speaks_for(from)) {
    fail("invalid-from", "this stream does not speak for " + one_line(domain_of(from), 100));
  } else if (!user_.serves(domain_of(to)) && !user_.serves(prepared_domain(domain_of(to)))) {
    fail("host-unknown", "not a domain of this server: " + one_line(domain_of(to), 100));
  } else {
    return true;
  }
  return false;
}

void S2sInbound::stanza(const Element& child) {
  if (!is_content_namespace(child.ns()) || !read_stanza(child))
    return fail("unsupported-stanza-type", "not understood: " + one_line(child.name(), 60));
  if (!check_addresses(child)) return;
  note_stanza();
  user_.inbound_stanza(*this, child);
}

void S2sInbound::oversized(const Element& child) {
  if (!is_authenticated()) return fail("policy-violation", "too large");
  if (!is_content_namespace(child.ns()) || !read_stanza(child) || !check_addresses(child)) return;
  note_stanza();
  user_.inbound_oversized(*this, child);
}

// --- its end

void S2sInbound::disconnected(const std::string& why, Time now) {
  now_ = now;
  header_sent_ = false;  // there is nobody to say goodbye to
  finish({fmt::format("the connection of {} broke: {}", peer_name(), why)});
}

void S2sInbound::turn(Time now) {
  if (now < next_ || is_ended()) return;
  now_ = now;
  if (is_leaving_) return finish({fmt::format("{} did not close the stream, too", peer_name())});
  fail("connection-timeout", "not authenticated in time");
}

void S2sInbound::leave(Time now) {
  if (is_ended() || is_leaving_) return;
  now_ = now;
  is_leaving_ = true;
  say_goodbye();
  next_ = now + kGoodbye;
}

void S2sInbound::close(const StreamError& error, Time now) {
  now_ = now;
  fail(error, {error.text});
}

void S2sInbound::ended(const StreamEnd& end) { user_.inbound_ended(*this, end); }

}  // namespace stox::xmpp
