// Whatever bytes another server sends, on a stream to us or on one that we opened: what we answer is
// well-formed, and no stanza comes through but from a domain that was proved on this stream, to one of ours.
// Input: a byte that says which, how to split and how keys and certificates are judged, then the stream.
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fuzz/hold.h"
#include "xmpp_worker/xmpp/s2s/s2s_inbound.h"
#include "xmpp_worker/xmpp/s2s/s2s_outbound.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace {

using namespace stox;
using namespace stox::xmpp;

class Owner : public S2sInboundUser {
 public:
  explicit Owner(uint8_t how) : how_(how) {}

  bool serves(std::string_view domain) const override { return domain == "gw.test"; }
  const std::string& some_domain() const override { return own_; }
  bool is_insecure(std::string_view) const override { return (how_ & 16) != 0; }
  std::string new_stream_id() override { return "id" + std::to_string(++ids_); }
  void start_tls(S2sInbound&) override { tls_wanted = true; }
  void ask(S2sInbound&, const DialbackQuestion& question) override { asked.push_back(question); }
  void authenticated(S2sInbound&, const std::string& from, const std::string&) override {
    proved.insert(from);
  }
  void inbound_stanza(S2sInbound&, const Element& stanza) override {
    hold(proved.count(prepared_domain(domain_of(stanza.attribute("from")))) == 1, "from was proved");
    hold(serves(prepared_domain(domain_of(stanza.attribute("to")))), "to is ours");
  }
  void inbound_oversized(S2sInbound& s, const Element& e) override { inbound_stanza(s, e); }
  void inbound_ended(S2sInbound&, const StreamEnd&) override { hold(++ends == 1, "one end"); }

  bool tls_wanted = false;
  int ends = 0;
  std::vector<DialbackQuestion> asked;
  std::set<std::string> proved;

 private:
  const std::string own_ = "gw.test";
  uint8_t how_;
  int ids_ = 0;
};

class Opener : public S2sOutboundUser {
 public:
  void start_tls(S2sOutbound&) override { tls_wanted = true; }
  void outbound_up(S2sOutbound& s) override { hold(!s.authentication().empty(), "up is proved"); }
  void outbound_ended(S2sOutbound&, const StreamEnd& end) override {
    hold(++ends == 1, "one end");
    hold(end.other_host.empty() || is_trusted, "who has proved nothing sends nobody on");
  }
  void verified(S2sOutbound&, const DialbackQuestion& question, const DialbackVerdict&) override {
    hold(question.id == "1" && ++answers == 1, "one answer to each question");
  }
  void outbound_stanza(S2sOutbound& s, const Element& stanza) override {
    hold(s.is_up() && s.is_bidi(), "only on a bidirectional stream");
    hold(prepared_domain(domain_of(stanza.attribute("from"))) == "peer.test", "from is the other");
    hold(prepared_domain(domain_of(stanza.attribute("to"))) == "gw.test", "to is ours");
  }
  void outbound_oversized(S2sOutbound& s, const Element& e) override { outbound_stanza(s, e); }

  bool tls_wanted = false, is_trusted = false;
  int ends = 0, answers = 0;
};

class WellFormed : public XmlStreamUser {
 public:
  void stream_opened(const Element&) override {}
  void stream_element(const Element&) override {}
  void stream_oversized(const Element&) override {}
  void stream_closed() override {}
  void stream_failed(const StreamError&) override { failed = true; }
  bool failed = false;
};

// Each of our headers begins a document.
void check_output(const std::string& output) {
  static const std::string kBegin = "<?xml version='1.0'?>";
  for (std::size_t at = output.find(kBegin); at != std::string::npos;) {
    const std::size_t next = output.find(kBegin, at + 1);
    WellFormed reader;
    XmlStream stream({}, reader);
    stream.feed(std::string_view(output).substr(at, next == std::string::npos ? next : next - at));
    hold(!reader.failed, "what is answered is well-formed");
    at = next;
  }
}

PeerNames certificate(uint8_t how) {
  PeerNames peer{.present = true, .valid = (how & 32) != 0};
  peer.dns = {"peer.test"};
  return peer;
}

void open_one(uint8_t how, std::string_view bytes, const DialbackKeys& keys) {
  Opener opener;
  ManualClock clock;
  OutboundOptions options{"gw.test", "peer.test", "192.0.2.1:1"};
  options.insecure = (how & 16) != 0;
  options.use_external = (how & 64) != 0;
  S2sOutbound stream(options, keys, opener);
  stream.connected(clock.now());
  stream.verify({"gw.test", "peer.test", "1", "key"});
  const std::size_t step = how % 16 + 1u;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    stream.received(bytes.substr(at, step), clock.now());
    if (stream.is_up()) stream.send("<message from='a@gw.test' to='b@peer.test'/>");
    stream.end_of_wakeup();
    if (!std::exchange(opener.tls_wanted, false) || stream.is_ended()) continue;
    opener.is_trusted = certificate(how).valid;
    stream.tls_established(certificate(how), "TLSv1.3", clock.now());
  }
  check_output(stream.output());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const std::size_t step = data[0] % 16 + 1u;
  static const DialbackKeys keys("s3cr3t");
  if ((data[0] & 128) != 0) {
    open_one(data[0], bytes, keys);
    return 0;
  }
  Owner owner(data[0]);
  ManualClock clock;
  S2sInbound stream({"192.0.2.1:1"}, keys, owner, clock.now());
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    stream.received(bytes.substr(at, step), clock.now());
    if (std::exchange(owner.tls_wanted, false) && !stream.is_ended()) {
      stream.tls_established(certificate(data[0]), "TLSv1.3", clock.now());
    }
    for (const DialbackQuestion& each : std::exchange(owner.asked, {})) {
      const auto kind = (data[0] & 64) != 0 ? DialbackVerdict::Kind::kValid : DialbackVerdict::Kind::kInvalid;
      stream.verified(each, {kind}, clock.now());
    }
  }
  check_output(stream.output());
  return 0;
}
