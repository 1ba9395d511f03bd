// What became of each message of a run, as both ends saw it. Each has a number; numbers rise within a
// conversation, so that order can be judged. What breaks a promise is printed at once, as a line of JSON.
//
// Accepted: from SIP, a 2xx was sent. From XMPP, the worker answered a ping that was written behind the
// message (what came before it on the stream has been taken in). A 202 is accepted and not proved: what then
// neither arrives nor comes back is lost all the same. In a room: it was shown (rooms.h).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace stox::chaos {

enum class Way : uint8_t { kToXmpp, kToSip, kInRoom };
constexpr std::size_t kWays = 3;

struct Message {
  int64_t sent_us = 0, ended_us = 0, arrived_us = 0, proved_us = 0;
  uint32_t conversation = 0;
  uint16_t outcome = 0;  // Ledger::reason(); 0: none came
  Way way = Way::kToXmpp;
  uint8_t given_to = 0;      // the front or door that the load gave it to
  uint8_t arrived_from = 0;  // the door or front that brought it
  uint8_t peer = 0;          // behind what its XMPP user is
  bool accepted = false;     // 2xx, or a stream's proof
  bool passed_on = false;    // 202
  bool unread = false;  // its stream ended before it was proved to be taken in; in a room: before it came
  bool with_killed = false;    // its worker was killed while it had it, or may have had it
  bool with_server = false;    // a real server was killed that may have had it, or its error
  bool meant_to_fail = false;  // nobody there, or not willing
  bool to_phone = false;       // in a room
  bool left_out = false;       // and the phone was told that
  bool given_up = false;       // nothing more is expected
  uint64_t copy_key = 0;       // what tells a copy of one transaction from a second delivery
  std::string arrived_as;      // stanza id or branch
};

class Ledger {
 public:
  // `journal`: what a killed worker had taken in must not be lost.
  Ledger(uint32_t conversations, bool journal, std::function<void(const std::string& json)> violated);

  uint64_t sent(Way, uint32_t conversation, uint8_t given_to, uint8_t peer, bool meant_to_fail);
  uint64_t said(uint32_t conversation, uint8_t door, uint8_t peer, bool to_phone);   // in a room
  void answered(uint64_t number, int status, std::string_view reason);               // SIP, final
  void errored(uint64_t number, std::string_view condition, std::string_view text);  // XMPP
  void unanswered(uint64_t number);                                                  // SIP, Timer F
  void proved(uint64_t number);
  void unread(uint64_t number) { messages_[number].unread = true; }
  void broken(uint8_t door);         // what was proved there just now was not
  void killed(uint8_t door);         // just before its worker is
  void server_killed(uint8_t door);  // just before the real server is
  void arrived(uint64_t number, uint8_t from, uint64_t copy_key, std::string_view as);
  void left_out(uint64_t number) { messages_[number].left_out = true; }
  void give_up(uint64_t number);  // no sign of it came in any time that is allowed

  bool known(uint64_t number) const { return number < messages_.size(); }
  const Message& at(uint64_t number) const { return messages_[number]; }
  // Called once for each message from XMPP, when it is settled.
  void on_settled(std::function<void(uint64_t number)> settled) { settled_ = std::move(settled); }
  // Its sender knows, or it arrived, or there is nobody left who could tell.
  bool settled(uint64_t number) const;
  std::size_t violations() const { return violations_; }

  void begin() { last_arrival_.fill(began_us_ = now()); }
  void end();    // of the load: silence counts until here
  void close();  // nothing more can come
  nlohmann::json report() const;
  // Messages that failed or took more than a second: when they were sent, one a line.
  void write_disturbed(const std::string& file) const;

 private:
  // Those to SIP and in rooms that were given to this door and of which there is no sign.
  void for_each_open(uint8_t door, const std::function<void(Message&)>&);
  static int64_t now();
  void violation(std::string_view what, uint64_t number, std::string_view detail = {});
  uint16_t reason(std::string text);
  bool is_doubt(const Message&) const;  // its sender was told that it may have been delivered

  std::vector<Message> messages_;
  std::array<std::vector<int64_t>, kWays> last_;  // number that arrived last, by way and conversation
  std::vector<std::string> reasons_{""};
  bool journal_;
  std::function<void(const std::string&)> violated_;
  std::function<void(uint64_t)> settled_;
  std::size_t violations_ = 0;
  uint64_t lost_ = 0, doubled_ = 0, reordered_ = 0, reordered_after_kill_ = 0, died_with_server_ = 0,
           came_after_doubt_ = 0, copies_ = 0, stray_ = 0, came_from_history_ = 0;
  int64_t began_us_ = 0, ended_us_ = 0;
  std::array<int64_t, kWays> last_arrival_{}, longest_silence_{}, silent_at_{};
};

}  // namespace stox::chaos
