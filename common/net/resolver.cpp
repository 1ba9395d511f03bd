#include "common/net/resolver.h"

#include <arpa/inet.h>
#include <unbound.h>

#include <algorithm>
#include <array>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <cstring>
#include <list>
#include <map>
#include <optional>
#include <utility>

#include "common/base/text.h"

namespace stox::net {
namespace {

constexpr int kTypeA = 1, kTypeAaaa = 28, kTypeSrv = 33, kTypeNaptr = 35, kTypeTlsa = 52, kClassIn = 1;
constexpr int kNameError = 3;  // RCODE NXDOMAIN
// Answers that hold for a while are kept here, too: each question to libunbound wakes its thread and ours.
constexpr std::size_t kMaxKnown = 4096;
constexpr int kLongestKnown_s = 60;
// RFC 8767: while the name servers fail, what was known goes on to be true, for kStale at most. It is given
// to who has waited for kStaleAfter, and then at once for kStaleFor, until they are asked again.
constexpr Duration kStaleAfter = std::chrono::milliseconds(1800), kStaleFor = std::chrono::seconds(30),
                   kStale = std::chrono::hours(24);
constexpr Duration kClockWasSet = std::chrono::seconds(2);  // the wall clock, not only slewed

std::string address_text(int family, const char* data) {
  std::array<char, INET6_ADDRSTRLEN> out{};
  return inet_ntop(family, data, out.data(), out.size());
}

// An uncompressed domain name in wire format as text without the last dot; "." for the root.
std::string name_text(std::string_view wire) {
  std::string out;
  while (!wire.empty() && wire[0] != 0) {
    const auto n = static_cast<std::size_t>(static_cast<unsigned char>(wire[0]));
    if (n + 1 > wire.size()) return {};
    if (!out.empty()) out += '.';
    out += wire.substr(1, n);
    wire.remove_prefix(n + 1);
  }
  return out.empty() ? "." : out;
}

uint16_t be16(const char* p) {
  return static_cast<uint16_t>((static_cast<unsigned char>(p[0]) << 8) | static_cast<unsigned char>(p[1]));
}

// RFC 3403 4.1. Nothing when the record is cut short.
std::optional<NaptrRecord> read_naptr(std::string_view wire) {
  if (wire.size() < 4) return std::nullopt;
  NaptrRecord record{be16(wire.data()), be16(wire.data() + 2), {}, {}, {}, {}};
  wire.remove_prefix(4);
  for (std::string* text : {&record.flags, &record.service, &record.regexp}) {
    const std::size_t size = wire.empty() ? 0 : static_cast<unsigned char>(wire[0]);
    if (wire.size() < size + 1) return std::nullopt;
    *text = wire.substr(1, size);
    wire.remove_prefix(size + 1);
  }
  record.replacement = name_text(wire);
  return record;
}

// RFC 6698 2.1. Nothing when the record is cut short.
std::optional<TlsaRecord> read_tlsa(std::string_view wire) {
  if (wire.size() < 4) return std::nullopt;
  const auto byte = [&](std::size_t i) { return static_cast<uint8_t>(wire[i]); };
  return TlsaRecord{byte(0), byte(1), byte(2), std::string(wire.substr(3))};
}

// The records that `read` takes.
template <class Record>
std::vector<Record> read_all(const std::vector<std::string>& wires,
                             std::optional<Record> (*read)(std::string_view)) {
  std::vector<Record> found;
  for (const std::string& wire : wires) {
    if (auto record = read(wire)) found.push_back(std::move(*record));
  }
  return found;
}

struct FreeContext {
  void operator()(ub_ctx* context) const { ub_ctx_delete(context); }
};
using Context = std::unique_ptr<ub_ctx, FreeContext>;
struct FreeResult {
  void operator()(ub_result* result) const { ub_resolve_free(result); }
};

Result<Context> make_context(const Resolver::Options& options) {
  Context context(ub_ctx_create());
  if (!context) return error("DNS: libunbound could not start (memory or descriptors)");
  ub_ctx_async(context.get(), 1);  // a thread of the library, not a fork
  if (options.servers.empty()) {
    ub_ctx_resolvconf(context.get(), nullptr);
  }
  for (const std::string& server : options.servers) {
    std::string spelled = server;  // libunbound writes ADDRESS@PORT
    if (const auto bracket = server.find("]:"); bracket != std::string::npos) {
      spelled = server.substr(1, bracket - 1) + "@" + server.substr(bracket + 2);
    } else if (const auto colon = server.find(':');
               colon != std::string::npos && server.find(':', colon + 1) == std::string::npos) {
      spelled[colon] = '@';
    }
    if (const int failure = ub_ctx_set_fwd(context.get(), spelled.c_str()); failure != 0) {
      return error("DNS: cannot use server " + server + ": " + ub_strerror(failure));
    }
  }
  for (const std::string& anchor : options.trust_anchors) ub_ctx_add_ta(context.get(), anchor.c_str());
  if (options.hosts_file) ub_ctx_hosts(context.get(), nullptr);
  ub_ctx_set_option(context.get(), "do-not-query-localhost:", "no");  // a resolver of the host's own is usual
  // Private names that libunbound would answer by itself (RFC 6761): a site may serve them.
  for (const char* zone : {"test.", "home.arpa."}) {
    ub_ctx_set_option(context.get(), "local-zone:", (std::string(zone) + " transparent").c_str());
  }
  return context;
}

class UnboundResolver final : public Resolver {
 public:
  UnboundResolver(Loop& loop, Options options, Context context)
      : loop_(loop),
        options_(std::move(options)),
        context_(std::move(context)),
        readable_(loop.io(), ub_fd(context_.get())),
        late_(loop, [this] { answer_late(); }),
        wall_ahead_(wall_ahead()) {
    wait();
  }
  ~UnboundResolver() override {
    *alive_ = false;
    readable_.release();  // the descriptor is libunbound's
  }

  void addresses(const std::string& host,
                 std::function<void(Resolved<std::vector<std::string>>)> done) override {
    in6_addr literal{};
    if (inet_pton(AF_INET, host.c_str(), &literal) == 1 || inet_pton(AF_INET6, host.c_str(), &literal) == 1) {
      return soon([done, host] { done(std::vector<std::string>{host}); });
    }
    // A, then AAAA: both lists in one answer; a name without either is an error of the AAAA question.
    ask(host, kTypeA, [this, host, done](Resolved<Records> a) {
      ask(host, kTypeAaaa, [a, done](Resolved<Records> aaaa) {
        std::vector<std::string> found;
        if (a) {
          for (const std::string& r : *a) {
            if (r.size() == 4) found.push_back(address_text(AF_INET, r.data()));
          }
        }
        if (aaaa) {
          for (const std::string& r : *aaaa) {
            if (r.size() == 16) found.push_back(address_text(AF_INET6, r.data()));
          }
        }
        if (!found.empty()) return done(std::move(found));
        done(tl::make_unexpected(a ? aaaa.error() : a.error()));
      });
    });
  }

  void srv(const std::string& name, std::function<void(Resolved<std::vector<SrvRecord>>)> done) override {
    ask(name, kTypeSrv, [done](Resolved<Records> records) {
      if (!records) return done(tl::make_unexpected(records.error()));
      std::vector<SrvRecord> found;
      for (const std::string& r : *records) {
        if (r.size() < 7) continue;
        found.push_back({be16(r.data()), be16(r.data() + 2), be16(r.data() + 4),
                         name_text(std::string_view(r).substr(6))});
      }
      done(std::move(found));
    });
  }

  void naptr(const std::string& name, std::function<void(Resolved<std::vector<NaptrRecord>>)> done) override {
    ask(name, kTypeNaptr, [done](Resolved<Records> records) {
      if (!records) return done(tl::make_unexpected(records.error()));
      done(read_all(*records, read_naptr));
    });
  }

  void tlsa(const std::string& name, std::function<void(Resolved<std::vector<TlsaRecord>>)> done) override {
    ask(name, kTypeTlsa, [done](Resolved<Records> records) {
      if (!records) return done(tl::make_unexpected(records.error()));
      done(read_all(*records, read_tlsa));
    });
  }

 private:
  using Records = std::vector<std::string>;
  struct Question {
    UnboundResolver* resolver;
    std::string name;
    int type;
    std::function<void(Resolved<Records>)> done;  // none: what was known was given already
    Time since;
    bool asked = false;
  };
  struct Known {
    Time until, stale_until;
    Resolved<Records> records;
  };

  void soon(std::function<void()> call) {
    asio::post(loop_.io(), [alive = alive_, call = std::move(call)] {
      if (*alive) call();
    });
  }

  void ask(const std::string& name, int type, std::function<void(Resolved<Records>)> done) {
    const Time now = loop_.now();
    if (const auto known = known_.find({name, type}); known != known_.end()) {
      if (now < known->second.until)
        return soon([done = std::move(done), records = known->second.records] { done(records); });
      if (now >= known->second.stale_until) known_.erase(known);
    }
    questions_.push_back({this, name, type, std::move(done), now, false});
    if (late_.at() == kNever && stale(questions_.back()) != nullptr) late_.set(now + kStaleAfter);
    const auto question = std::prev(questions_.end());
    if (!renewing_ && std::chrono::abs(wall_ahead() - wall_ahead_) > kClockWasSet) {
      renewing_ = true;
      soon([this] { renew(); });  // not in a call of the context that goes
    }
    if (!renewing_) put(question);
  }

  void put(std::list<Question>::iterator question) {
    question->asked = true;
    const int failure = ub_resolve_async(context_.get(), question->name.c_str(), question->type, kClassIn,
                                         &*question, &answered, nullptr);
    if (failure == 0) return;
    soon([this, question, text = std::string(ub_strerror(failure))] {
      finish(&*question, tl::make_unexpected(ResolveError{ResolveError::Kind::kFailed, text}));
    });
  }

  Duration wall_ahead() const { return Duration(loop_.clock().wall_us()) - loop_.now().time_since_epoch(); }

  // libunbound keeps what it has learnt until a time of the wall clock: a year longer, if that was set back
  // by a year. So it begins anew, with the questions that are open.
  void renew() {
    renewing_ = false;
    if (auto made = make_context(options_)) {
      wall_ahead_ = wall_ahead();
      readable_.release();
      context_ = std::move(*made);
      readable_.assign(ub_fd(context_.get()));
      wait();
      for (Question& each : questions_) each.asked = false;
    }
    for (auto each = questions_.begin(); each != questions_.end(); ++each) {
      if (!each->asked) put(each);
    }
  }

  static void answered(void* data, int failure, ub_result* raw) {
    const std::unique_ptr<ub_result, FreeResult> result(raw);
    auto* question = static_cast<Question*>(data);
    Resolved<Records> records = question->resolver->read(question->name, failure, result.get());
    if (records || records.error().kind != ResolveError::Kind::kFailed) {
      question->resolver->remember(*question, records, result->ttl);
    } else if (const bool forged = failure == 0 && question->resolver->is_unproven(*result); !forged) {
      if (Known* const known = question->resolver->stale(*question)) {
        known->until = question->resolver->loop_.now() + kStaleFor;
        records = known->records;
      }
    }
    question->resolver->finish(question, std::move(records));
  }

  // What was known, if it may be said while the name servers fail. That a host does not exist may not: who
  // asks can try again. That it has no SRV says where to look next.
  Known* stale(const Question& question) {
    const auto known = known_.find({question.name, question.type});
    if (known == known_.end() || loop_.now() >= known->second.stale_until) return nullptr;
    const bool is_host = question.type == kTypeA || question.type == kTypeAaaa;
    const Resolved<Records>& records = known->second.records;
    if (!records && is_host && records.error().kind == ResolveError::Kind::kNoName) return nullptr;
    return &known->second;
  }

  void answer_late() {
    const Time now = loop_.now();
    Time next = kNever;
    for (Question& question : questions_) {
      Known* const known = question.done ? stale(question) : nullptr;
      if (known == nullptr) continue;
      if (now < question.since + kStaleAfter) {
        next = std::min(next, question.since + kStaleAfter);
        continue;
      }
      known->until = now + kStaleFor;
      soon([done = std::exchange(question.done, nullptr), records = known->records] { done(records); });
    }
    late_.set(next);
  }

  bool is_unproven(const ub_result& result) const {
    return result.bogus != 0 || (!options_.trust_anchors.empty() && result.secure == 0);
  }

  Resolved<Records> read(const std::string& name, int failure, const ub_result* result) const {
    using Kind = ResolveError::Kind;
    if (failure != 0) return tl::make_unexpected(ResolveError{Kind::kFailed, ub_strerror(failure)});
    if (is_unproven(*result))
      return tl::make_unexpected(ResolveError{Kind::kFailed, "DNSSEC: " + name + " does not validate"});
    if (result->havedata) {
      Records records;
      for (int i = 0; result->data[i] != nullptr; ++i) {
        records.emplace_back(result->data[i], static_cast<std::size_t>(result->len[i]));
      }
      return records;
    }
    if (result->nxdomain || result->rcode == kNameError) {
      return tl::make_unexpected(ResolveError{Kind::kNoName, "DNS: no such name " + name});
    }
    if (result->rcode == 0)
      return tl::make_unexpected(ResolveError{Kind::kNoRecord, "DNS: " + name + " has no such record"});
    return tl::make_unexpected(ResolveError{Kind::kFailed, "DNS: no answer for " + name});
  }

  void remember(const Question& question, const Resolved<Records>& records, int ttl_s) {
    if (known_.size() >= kMaxKnown) known_.clear();
    const std::chrono::seconds holds(std::clamp(ttl_s, 0, kLongestKnown_s));
    known_.insert_or_assign({question.name, question.type},
                            Known{loop_.now() + holds, loop_.now() + kStale, records});
  }

  void finish(Question* question, Resolved<Records> records) {
    auto done = std::move(question->done);
    questions_.remove_if([question](const Question& q) { return &q == question; });
    if (done) done(std::move(records));
  }

  void wait() {
    readable_.async_wait(asio::posix::stream_descriptor::wait_read,
                         [this, of = context_.get()](const asio::error_code& failure) {
                           if (failure || of != context_.get()) return;
                           ub_process(of);
                           wait();
                         });
  }

  Loop& loop_;
  const Options options_;
  Context context_;
  asio::posix::stream_descriptor readable_;
  Alarm late_;
  Duration wall_ahead_;  // of the monotonic clock, when the context began
  bool renewing_ = false;
  std::list<Question> questions_;
  std::map<std::pair<std::string, int>, Known> known_;
  std::shared_ptr<bool> alive_ =
      std::make_shared<bool>(true);  // shared with posted calls, which may outlive us
};

}  // namespace

void Resolver::naptr(const std::string& name, std::function<void(Resolved<std::vector<NaptrRecord>>)> done) {
  done(tl::make_unexpected(ResolveError{ResolveError::Kind::kNoRecord, name + " has no NAPTR record"}));
}

void Resolver::tlsa(const std::string& name, std::function<void(Resolved<std::vector<TlsaRecord>>)> done) {
  done(tl::make_unexpected(ResolveError{ResolveError::Kind::kNoRecord, name + " has no TLSA record"}));
}

Result<std::unique_ptr<Resolver>> Resolver::create(Loop& loop, const Options& options) {
  auto context = make_context(options);
  if (!context) return tl::make_unexpected(context.error());
  return std::make_unique<UnboundResolver>(loop, options, std::move(*context));
}

}  // namespace stox::net
