#include "tests/chaos/ledger.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "tests/support/ends/words.h"

namespace stox::chaos {
namespace {

constexpr int64_t kSlow = 1'000'000;
constexpr int64_t kLongest = 110'000'000;  // longer than any message may be under way

constexpr int64_t kOverlap = 2'000'000;  // a ping may be answered so much later on another connection
constexpr uint8_t kPlayed = 0;           // Message::peer
constexpr const char* kPeers[] = {"played", "prosody", "remote"};

const char* text_of(Way way) {
  return way == Way::kToXmpp ? "sip-to-xmpp" : way == Way::kToSip ? "xmpp-to-sip" : "in-room";
}

}  // namespace

Ledger::Ledger(uint32_t conversations, bool journal, std::function<void(const std::string&)> violated)
    : journal_(journal), violated_(std::move(violated)) {
  for (auto& last : last_) last.assign(conversations, -1);
}

int64_t Ledger::now() { return ends::now_us(); }

uint16_t Ledger::reason(std::string text) {
  const auto known = std::find(reasons_.begin(), reasons_.end(), text);
  if (known == reasons_.end() && reasons_.size() < 500) {
    reasons_.push_back(std::move(text));
    return static_cast<uint16_t>(reasons_.size() - 1);
  }
  return static_cast<uint16_t>(known == reasons_.end() ? 499 : known - reasons_.begin());
}

uint64_t Ledger::sent(Way way, uint32_t conversation, uint8_t given_to, uint8_t peer, bool meant_to_fail) {
  Message& m = messages_.emplace_back();
  m.sent_us = now();
  m.conversation = conversation;
  m.way = way;
  m.given_to = given_to;
  m.peer = peer;
  m.meant_to_fail = meant_to_fail;
  return messages_.size() - 1;
}

uint64_t Ledger::said(uint32_t conversation, uint8_t door, uint8_t peer, bool to_phone) {
  const auto number = sent(Way::kInRoom, conversation, door, peer, false);
  messages_[number].to_phone = to_phone;
  return number;
}

void Ledger::answered(uint64_t number, int status, std::string_view reason_phrase) {
  Message& m = messages_[number];
  if (m.ended_us != 0) return;
  m.ended_us = now();
  m.accepted = status < 300;
  m.outcome = reason(std::to_string(status) + ' ' + std::string(reason_phrase));
  m.passed_on = status == 202;  // not proved: it may come later, and so may a refusal
  // Who is in a room may hear it later.
  if (!m.accepted || m.passed_on || m.arrived_us != 0 || m.way == Way::kInRoom) return;
  ++lost_;
  violation(m.meant_to_fail ? "accepted, though the recipient's server refused it" : "lost", number,
            "answered " + std::to_string(status));
}

void Ledger::errored(uint64_t number, std::string_view condition, std::string_view text) {
  Message& m = messages_[number];
  if (m.outcome != 0) {
    ++stray_;
    return;  // as after a stream that broke before the first was known to have arrived
  }
  const bool was_settled = settled(number);
  m.ended_us = now();
  std::string words = std::string(condition) + (text.empty() ? "" : ": ") + std::string(text);
  // Numbers and times would make each a reason of its own.
  std::erase_if(words, [](char c) { return c >= '0' && c <= '9'; });
  m.outcome = reason(std::move(words));
  if (!was_settled) settled_(number);
}

void Ledger::unanswered(uint64_t number) {
  Message& m = messages_[number];
  m.ended_us = now();
  m.outcome = reason("no answer (Timer F)");
}

void Ledger::proved(uint64_t number) {
  messages_[number].accepted = true;
  messages_[number].proved_us = now();
}

void Ledger::for_each_open(uint8_t door, const std::function<void(Message&)>& what) {
  const int64_t oldest = now() - kLongest;
  for (auto m = messages_.rbegin(); m != messages_.rend() && m->sent_us > oldest; ++m) {
    const bool is_open = m->way == Way::kInRoom || (m->way == Way::kToSip && m->outcome == 0);
    if (is_open && m->given_to == door && m->arrived_us == 0) what(*m);
  }
}

void Ledger::broken(uint8_t door) {
  for_each_open(door, [now = now()](Message& m) {
    if (m.way == Way::kInRoom) return void(m.unread = true);
    if (!m.accepted || now - m.proved_us > kOverlap) return;
    m.accepted = false;
    m.unread = true;
  });
}

void Ledger::killed(uint8_t door) {
  for_each_open(door, [](Message& m) { m.with_killed = true; });
}

void Ledger::server_killed(uint8_t door) {
  for_each_open(door, [](Message& m) { m.with_server = true; });
}

void Ledger::arrived(uint64_t number, uint8_t from, uint64_t copy_key, std::string_view as) {
  Message& m = messages_[number];
  if (m.arrived_us != 0) {
    if (copy_key == m.copy_key) {
      ++copies_;
      return;
    }
    ++doubled_;
    return violation("doubled", number, as);
  }
  const auto way = static_cast<std::size_t>(m.way);
  const bool was_settled = settled(number);
  m.arrived_us = now();
  m.arrived_from = from;
  m.copy_key = copy_key;
  m.arrived_as = as;
  if (m.arrived_us - last_arrival_[way] > longest_silence_[way] && ended_us_ == 0) {
    longest_silence_[way] = m.arrived_us - last_arrival_[way];
    silent_at_[way] = last_arrival_[way];
  }
  last_arrival_[way] = m.arrived_us;
  auto& last = last_[way][m.conversation];
  if (last > static_cast<int64_t>(number)) {
    // A real server turns to the next worker, which knows nothing of what is in the journal of the dead one.
    // A phone's worker has asked the room for what it did not get, and others spoke before that was told.
    if (m.to_phone && (m.with_killed || m.unread || m.with_server)) {
      ++came_from_history_;
    } else if (m.way != Way::kInRoom && m.with_killed && (!journal_ || m.peer != kPlayed)) {
      ++reordered_after_kill_;
    } else if (m.way != Way::kToSip && m.ended_us != 0 && !m.accepted && is_doubt(m)) {
      ++came_after_doubt_;
    } else {
      ++reordered_;
      violation("reordered", number, "after " + std::to_string(last));
    }
  }
  last = std::max(last, static_cast<int64_t>(number));
  if (m.way == Way::kToSip && !was_settled) settled_(number);
}

bool Ledger::is_doubt(const Message& m) const {
  return reasons_[m.outcome].find("may have been delivered") != std::string::npos;
}

bool Ledger::settled(uint64_t number) const {
  const Message& m = messages_[number];
  return m.given_up || m.outcome != 0 || (m.way == Way::kToSip && m.arrived_us != 0);
}

void Ledger::give_up(uint64_t number) {
  if (settled(number)) return;
  Message& m = messages_[number];
  m.given_up = true;
  settled_(number);
  if (m.way != Way::kToSip) return;
  if (m.with_killed && !(journal_ && m.accepted)) return;
  if (m.unread || (m.peer != kPlayed && !m.accepted)) return;
  if (m.with_server && !getenv("CHAOS_STRICT")) {
    ++died_with_server_;
    return;
  }
  ++lost_;
  violation("lost", number, m.accepted ? "taken in" : "written to a stream that stayed");
}

void Ledger::end() {
  ended_us_ = now();
  for (std::size_t way = 0; way < kWays; ++way)
    longest_silence_[way] = std::max(longest_silence_[way], ended_us_ - last_arrival_[way]);
}

void Ledger::close() {
  for (uint64_t number = 0; number < messages_.size(); ++number) {
    const Message& m = messages_[number];
    const bool is_shown = m.way == Way::kInRoom && m.accepted;
    if ((!m.passed_on && !is_shown) || m.arrived_us != 0 || m.meant_to_fail || m.left_out) continue;
    if (is_shown && m.with_server && !getenv("CHAOS_STRICT")) {
      ++died_with_server_;
      continue;
    }
    ++lost_;
    violation("lost", number, m.passed_on ? "answered 202" : "shown in the room");
  }
}

void Ledger::violation(std::string_view what, uint64_t number, std::string_view detail) {
  ++violations_;
  const Message& m = messages_[number];
  nlohmann::json out = {{"violation", what},
                        {"detail", detail},
                        {"number", number},
                        {"way", text_of(m.way)},
                        {"conversation", m.conversation},
                        {"given_to", m.given_to},
                        {"sent_us", m.sent_us},
                        {"ended_us", m.ended_us},
                        {"outcome", reasons_[m.outcome]},
                        {"arrived_us", m.arrived_us},
                        {"arrived_from", m.arrived_from},
                        {"arrived_as", m.arrived_as},
                        {"taken_in", m.accepted},
                        {"stream_ended", m.unread},
                        {"worker_killed", m.with_killed},
                        {"server_killed", m.with_server},
                        {"peer", kPeers[m.peer]},
                        {"now_us", now()}};
  violated_(out.dump());
}

nlohmann::json Ledger::report() const {
  using nlohmann::json;
  json out = {{"lost", lost_},
              {"doubled", doubled_},
              {"reordered", reordered_},
              {"reordered_after_kill", reordered_after_kill_},
              {"came_after_doubt", came_after_doubt_},
              {"came_from_history", came_from_history_},
              {"copies", copies_},
              {"told_twice", stray_},
              {"seconds", static_cast<double>(ended_us_ - began_us_) / 1e6}};
  for (const Way way : {Way::kToXmpp, Way::kToSip, Way::kInRoom}) {
    const auto index = static_cast<std::size_t>(way);
    std::map<std::string, std::map<std::string, uint64_t>> counts;  // by peer
    std::map<std::string, uint64_t> reasons, meant;
    for (const Message& m : messages_) {
      if (m.way != way) continue;
      auto& count = counts[kPeers[m.peer]];
      ++count["sent"];
      const bool told = m.outcome != 0 && !(way != Way::kToSip && m.accepted);
      count["accepted"] += m.accepted;
      count["accepted_not_proved"] += m.passed_on;
      count["delivered"] += m.arrived_us != 0;
      count["accepted_and_delivered"] += m.accepted && m.arrived_us != 0;
      if (told) {
        ++count["failed"];
        ++(m.meant_to_fail ? meant : reasons)[reasons_[m.outcome]];
        count["failed_in_doubt"] += is_doubt(m);
        count["failed_but_delivered"] += m.arrived_us != 0;
      } else if (m.arrived_us == 0) {
        const bool never_read = (m.unread && m.way != Way::kInRoom) || (m.peer != kPlayed && !m.accepted);
        ++count[never_read      ? "never_read"
                : m.left_out    ? "left_out"
                : m.with_server ? "died_with_server"
                : m.with_killed ? "died_with_worker"
                                : "without_a_sign"];
      }
    }
    out[text_of(way)] = {{"counts", counts},
                         {"reasons", reasons},
                         {"meant_to_fail", meant},
                         {"longest_silence_s", static_cast<double>(longest_silence_[index]) / 1e6},
                         {"silent_at_us", silent_at_[index]}};
  }
  out["died_with_server"] = died_with_server_;
  return out;
}

void Ledger::write_disturbed(const std::string& file) const {
  std::ofstream out(file);
  for (const Message& m : messages_) {
    if (m.meant_to_fail || m.way == Way::kInRoom) continue;
    const bool failed = m.outcome != 0 && !(m.way == Way::kToXmpp && m.accepted);
    const int64_t done = m.way == Way::kToXmpp ? m.ended_us : m.arrived_us;
    if (failed || done == 0 || done - m.sent_us > kSlow) out << m.sent_us << ' ' << text_of(m.way) << '\n';
  }
}

}  // namespace stox::chaos
