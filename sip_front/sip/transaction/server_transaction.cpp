#include "sip_front/sip/transaction/server_transaction.h"

#include <sodium/crypto_shorthash_siphash24.h>

#include <algorithm>

#include "common/base/hash.h"
#include "common/base/text.h"
#include "sip_front/sip/transaction/timers.h"

namespace stox::sip {
namespace {

constexpr std::string_view kMagicCookie = "z9hG4bK";  // 8.1.1.7

void append_part(std::string& key, std::string_view part) {
  key += part;
  key += '\n';  // occurs in no part
}

void append_number(std::string& key, uint32_t number) {
  key.append(reinterpret_cast<const char*>(&number), sizeof number);
}

void append_lower(std::string& key, std::string_view part) {
  for (const char c : part) key += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  key += '\n';
}

// A maddr that is an address.
std::optional<Endpoint> address_in(std::string_view maddr) {
  const bool brackets = maddr.starts_with('[') && maddr.ends_with(']');
  return Endpoint::parse(brackets ? maddr.substr(1, maddr.size() - 2) : maddr, 0);
}

}  // namespace

Flow response_flow(const Flow& arrived, const Via& top, bool trusted) {
  Flow flow = arrived;
  const bool udp = flow.transport == Transport::kUdp;
  const auto maddr = udp && trusted ? address_in(top.maddr) : std::nullopt;
  const bool elsewhere = maddr && maddr->v6 == arrived.peer.v6;
  if (elsewhere) flow.peer.ip = maddr->ip;
  const bool to_source = udp && (top.rport || top.host.empty()) && !elsewhere;
  if (!to_source) flow.peer.port = top.port != 0 ? top.port : default_port(flow.transport);
  return flow;
}

ServerTransactions::ServerTransactions(std::size_t max_completed, uint64_t seed, const TagKey& tag_key,
                                       FlowSender& sender)
    : max_completed_(max_completed), seed_(seed), tag_key_(tag_key), sender_(sender) {}

ServerTransactions::Key ServerTransactions::key_of_text() const {
  Key out{};
  const std::array<uint64_t, 2> secret = {seed_, ~seed_};
  static_assert(sizeof out == crypto_shorthash_siphashx24_BYTES &&
                sizeof secret == crypto_shorthash_siphashx24_KEYBYTES);
  crypto_shorthash_siphashx24(reinterpret_cast<unsigned char*>(out.data()),
                              reinterpret_cast<const unsigned char*>(text_.data()), text_.size(),
                              reinterpret_cast<const unsigned char*>(secret.data()));
  return out;
}

ServerTransactions::Key ServerTransactions::key_of(const Message& request) {
  text_.clear();
  const Via& via = request.via;
  if (via.branch.size() > kMagicCookie.size() && via.branch.starts_with(kMagicCookie)) {
    append_part(text_, via.branch);
    append_lower(text_, via.host);
    append_number(text_, via.port != 0 ? via.port : 5060);
    return key_of_text();
  }
  // A client of RFC 2543, or a cookie with nothing behind it.
  for (const std::string_view part :
       {request.request_uri, request.to.tag, request.from.tag, request.call_id, via.text}) {
    append_part(text_, part);
  }
  append_number(text_, request.cseq.number);
  return key_of_text();
}

ServerTransactions::Key ServerTransactions::merge_key_of(const Message& request) {
  text_.clear();
  for (const std::string_view part : {request.from.tag, request.call_id, request.cseq.method}) {
    append_part(text_, part);
  }
  append_number(text_, request.cseq.number);
  return key_of_text();
}

std::size_t ServerTransactions::bytes_of(const Transaction& t) {
  return sizeof(Transaction) + t.head.lines.capacity();
}

ServerTransactions::Match ServerTransactions::match(const Message& request, const Flow& arrived) {
  key_ = key_of(request);
  const uint32_t copy = by_key_.find(key_[0], [&](uint32_t slot) {
    return slots_[slot].method == request.method && slots_[slot].key == key_;
  });
  if (copy != HashIndex::kNone) {
    ++copies_;
    // The client may have moved to another port or connection since.
    slots_[copy].flow = response_flow(arrived, request.via, true);
    again(slots_[copy]);
    return Match::kCopy;
  }
  merge_key_ = merge_key_of(request);
  const auto same_request = [&](uint32_t slot) { return slots_[slot].merge_key == merge_key_; };
  const uint32_t merged =
      request.to.tag.empty() ? by_merge_key_.find(merge_key_[0], same_request) : HashIndex::kNone;
  if (merged == HashIndex::kNone) return Match::kNew;
  return slots_[merged].body_hash == hash64(request.body, seed_) ? Match::kMerged : Match::kReused;
}

Id ServerTransactions::open(const Message& request, const Flow& arrived, Time now) {
  const Id id = slots_.take();
  Transaction& t = slots_[id.slot];
  t.state = State::kTrying;
  t.method = request.method;
  t.key = key_;
  t.merge_key = merge_key_;
  t.body_hash = hash64(request.body, seed_);
  t.flow = response_flow(arrived, request.via, true);
  write_response_head(request, arrived.peer, to_tag(request, tag_key_), t.head);
  by_key_.insert(key_[0], id.slot);
  by_merge_key_.insert(merge_key_[0], id.slot);
  trying_.add(now + kTrying, id);
  return id;
}

// What a retransmission makes the transaction send.
void ServerTransactions::again(Transaction& t) {
  switch (t.state) {
    case State::kTrying:
      break;
    case State::kProceeding:
      write_response(out_, t.head, 100);
      sender_.send(t.flow, out_);
      break;
    case State::kCompleted:
      sender_.send(t.flow, t.head.lines);
      break;
  }
}

Method ServerTransactions::respond(Id id, uint16_t status, std::string_view reason,
                                   const ResponseHeaders& headers, Time now) {
  Transaction* const t = slots_.find(id);
  if (t == nullptr || t->state == State::kCompleted) return Method::kUnknown;
  write_response(out_, t->head, status, reason, headers);
  sender_.send(t->flow, out_);
  const Method method = t->method;
  if (is_reliable(t->flow.transport)) {
    terminate(id);
    return method;
  }
  std::string& kept = t->head.lines;
  if (out_.size() > kept.capacity() || out_.size() * 5 < kept.capacity() * 4) {
    kept = std::string(out_);  // with no room to grow: it stays as it is, for 32 s
  } else {
    kept.assign(out_);
  }
  t->state = State::kCompleted;
  // RFC 3263 4.3, 21.5.4: its client may send it again, by another way or later, and then it is none that
  // runs.
  if (status == 503) by_merge_key_.erase(t->merge_key[0], id.slot);
  ++completed_count_;
  completed_bytes_ += bytes_of(*t);
  completed_.emplace_back(now + kTimerJ, id);
  while (completed_count_ > max_completed_ || completed_bytes_ > max_completed_ * kBytesEach) {
    ++crowded_out_;
    terminate(completed_.front().second);
    completed_.pop_front();
  }
  return method;
}

void ServerTransactions::terminate(Id id) {
  Transaction& t = slots_[id.slot];
  if (t.state == State::kCompleted) {
    --completed_count_;
    completed_bytes_ -= bytes_of(t);
  }
  if (t.head.lines.capacity() > 4 * kBytesEach)  // no slot keeps the memory of an unusual request
    std::string().swap(t.head.lines);
  by_key_.erase(t.key[0], id.slot);
  by_merge_key_.erase(t.merge_key[0], id.slot);
  slots_.free(id);
}

bool ServerTransactions::has_cancelled(const Message& cancel) {
  const Key key = key_of(cancel);
  return by_key_.find(key[0], [&](uint32_t slot) { return slots_[slot].key == key; }) != HashIndex::kNone;
}

Time ServerTransactions::turn(Time now) {
  while (const auto id = trying_.pop_due(now)) {
    Transaction* const t = slots_.find(*id);
    if (t == nullptr || t->state != State::kTrying) continue;
    t->state = State::kProceeding;
    again(*t);
  }
  while (!completed_.empty() && completed_.front().first <= now) {
    terminate(completed_.front().second);
    completed_.pop_front();
  }
  return std::min(trying_.next(), completed_.empty() ? kNever : completed_.front().first);
}

}  // namespace stox::sip
