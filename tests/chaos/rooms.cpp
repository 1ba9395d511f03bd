#include "tests/chaos/rooms.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/base/hash.h"
#include "tests/support/ends/datagrams.h"
#include "tests/support/ends/words.h"

namespace stox::chaos {
namespace {

// A conversation behind the same server.
constexpr uint32_t kConversation[Rooms::kRooms] = {3, 11, 19, 5, 13, 21};
// So that a phone hears less than what the gateway leaves out, and a room keeps all of the longest fault.
constexpr int64_t kEvery = 2'200'000;
constexpr int64_t kAgain = 1'000'000;
constexpr int64_t kSettle = 150'000'000;

std::string to_of(std::string_view head) {
  const auto at = head.find("\r\nTo: ");
  return at == std::string_view::npos ? ""
                                      : std::string(head.substr(at + 6, head.find("\r\n", at + 6) - at - 6));
}

std::string branch_of(std::string_view head) {
  const auto branch = head.substr(std::min(head.size(), head.find("branch=")));
  return std::string(branch.substr(0, branch.find_first_of(";,\r")));
}

}  // namespace

Rooms::Rooms(SipSide& sip, XmppSide& xmpp, const std::vector<sockaddr_in>& fronts, Ledger& ledger,
             uint64_t seed, std::function<void(const std::string&)> violated)
    : sip_(sip),
      xmpp_(xmpp),
      ledger_(ledger),
      client_(sip, "r",
              [this](uint64_t member, int status, std::string_view head) {
                done(members_[member], status, head);
              }),
      fronts_(fronts),
      speak_us_(kRooms),
      random_(seed),
      violated_(std::move(violated)) {
  for (uint32_t i = 0; i < kRooms * kMembers; ++i) {
    Member& member = members_.emplace_back();
    member.room = i / kMembers;
    member.index = i % kMembers;
    member.is_phone = member.index >= kUsers;
    member.front = i % fronts_.size();
  }
  sip.show_first([this](std::string_view bytes, const sockaddr_in& from) { return request(bytes, from); });
  xmpp.show_others([this](const ends::ReadStanza& each) { stanza(each); });
}

std::string Rooms::domain(uint32_t room) {
  return peer(kConversation[room]) == Peer::kProsody ? "rooms.prosody.test" : "rooms.remote.test";
}

std::string Rooms::jid(uint32_t room) { return "room" + std::to_string(room) + "@" + domain(room); }

std::string Rooms::name(const Member& member) {
  return (member.is_phone ? "phone" : "user") + std::to_string(member.room * kMembers + member.index);
}

std::string Rooms::user_jid(const Member& user) {
  return name(user) + "@" + xmpp_domain(kConversation[user.room]) + "/chaos";
}

void Rooms::begin() {
  begun_ = true;
  turn();
}

bool Rooms::all_in() const {
  return std::all_of(members_.begin(), members_.end(), [](const Member& each) { return each.is_in; });
}

void Rooms::go() {
  speaking_ = true;
  for (auto& each : speak_us_) each = ends::now_us();
}

void Rooms::end() {
  speaking_ = false;
  ended_us_ = ends::now_us();
}

void Rooms::each_missing(const std::function<void(std::size_t hearer, uint64_t number)>& what) const {
  for (const auto& [first, line] : lines_) {
    for (uint32_t i = 0; i < hearers(line); ++i) {
      const Message& m = ledger_.at(first + i);
      if (!m.accepted || m.arrived_us != 0 || m.with_server) continue;
      const uint32_t index = line.speaker < kUsers ? kUsers + i : i < line.speaker ? i : i + 1;
      what(line.room * kMembers + index, first + i);
    }
  }
}

bool Rooms::owed() const {
  if (!begun_ || ends::now_us() - ended_us_ > kSettle) return false;
  std::vector<uint64_t> missing(members_.size());
  each_missing([&](std::size_t hearer, uint64_t) { ++missing[hearer]; });
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].line != 0 || missing[i] > members_[i].left_out) return true;
  }
  return false;
}

void Rooms::close() {
  std::vector<uint64_t> told;
  for (const Member& each : members_) told.push_back(each.left_out);
  each_missing([&](std::size_t hearer, uint64_t number) {
    if (told[hearer] == 0) return;
    --told[hearer];
    ledger_.left_out(number);
  });
}

void Rooms::turn() {
  if (!begun_) return;
  client_.turn();
  const auto now = ends::now_us();
  for (Member& each : members_) {
    if (!each.is_phone && each.stream != xmpp_.stream(kConversation[each.room])) each.is_in = false;
    if (!each.is_in && !each.under_way && now >= each.join_us) join(each);
  }
  for (uint32_t room = 0; speaking_ && room < kRooms; ++room) {
    if (now < speak_us_[room]) continue;
    speak_us_[room] += kEvery / 2 + static_cast<int64_t>(random_() % kEvery);
    speak(room);
  }
}

void Rooms::join(Member& member) {
  member.join_us = ends::now_us() + kAgain;
  if (member.is_phone) return write_request(member, "#join");
  member.stream = xmpp_.stream(kConversation[member.room]);
  xmpp_.write(kConversation[member.room], "<presence from='" + user_jid(member) + "' to='" +
                                              jid(member.room) + "/" + name(member) +
                                              "'><x xmlns='http://jabber.org/protocol/muc'/></presence>");
}

void Rooms::speak(uint32_t room) {
  const auto first = room * kMembers, chosen = static_cast<uint32_t>(random_() % kMembers);
  for (uint32_t i = 0; i < kMembers; ++i) {
    Member& member = members_[first + (chosen + i) % kMembers];
    if (!member.is_in || member.under_way) continue;
    const uint64_t line = say(member);
    const std::string body = ends::body_of(line, 1, 60);
    if (!member.is_phone) {
      xmpp_.write(kConversation[room], "<message from='" + user_jid(member) + "' to='" + jid(room) +
                                           "' id='" + std::to_string(line) + "' type='groupchat'><body>" +
                                           body + "</body></message>");
      return;
    }
    ++of_phones_;
    member.line = line;
    return write_request(member, body);
  }
}

uint64_t Rooms::say(const Member& speaker) {
  const Line line{speaker.room, speaker.index};
  const auto conversation = kConversation[speaker.room];
  uint64_t first = 0;
  for (uint32_t i = 0, hearer = speaker.is_phone ? 0 : kUsers; hearer < kMembers; ++hearer) {
    if (hearer == speaker.index) continue;
    const uint64_t number =
        ledger_.said((speaker.room * kMembers + speaker.index) * kMembers + hearer, xmpp_.door(conversation),
                     static_cast<uint8_t>(peer(conversation)), hearer >= kUsers);
    if (i++ == 0) first = number;
  }
  lines_.emplace(first, line);
  return first;
}

void Rooms::heard(const Member& hearer, uint64_t line, std::string_view as, uint64_t copy_key) {
  const Line& said = lines_.at(line);
  if (said.room != hearer.room || said.speaker == hearer.index) return;
  const uint32_t before = said.speaker < kUsers ? kUsers : hearer.index > said.speaker ? 1 : 0;
  if (hearer.index >= before)
    ledger_.arrived(line + hearer.index - before, xmpp_.door(kConversation[hearer.room]), copy_key, as);
}

// --- phones

void Rooms::write_request(Member& phone, const std::string& body) {
  phone.under_way = true;
  const auto token = static_cast<uint64_t>(&phone - members_.data());
  const std::string id = name(phone) + "-" + std::to_string(phone.line != 0 ? phone.line : random_());
  const std::string uri = "sip:" + jid(phone.room);
  client_.send(token, fronts_[phone.front], "MESSAGE", uri, 1,
               "From: <sip:" + name(phone) + "@" + sip_domain(kConversation[phone.room]) + ">;tag=" + id +
                   "\r\nTo: <" + uri + ">\r\nCall-ID: " + id +
                   "@chaos\r\nContent-Type: text/plain;charset=UTF-8\r\n",
               body);
}

void Rooms::done(Member& phone, int status, std::string_view head) {
  phone.under_way = false;
  if (status == 503) phone.front = (phone.front + 1) % fronts_.size();
  const uint64_t line = std::exchange(phone.line, 0);
  if (line == 0) {
    phone.is_in = phone.is_in || status == 200;
    return;
  }
  const auto reason = head.substr(std::min<std::size_t>(12, head.size()), head.find("\r\n") - 12);
  for (uint64_t number = line; number < line + hearers(lines_.at(line)); ++number)
    status == 0 ? ledger_.unanswered(number) : ledger_.answered(number, status, reason);
}

Rooms::Member* Rooms::phone_of(std::string_view to) {
  const auto at = to.find("sip:phone");
  std::size_t number = members_.size();
  if (at != std::string_view::npos) std::from_chars(to.data() + at + 9, to.data() + to.size(), number);
  return number < members_.size() ? &members_[number] : nullptr;
}

bool Rooms::request(std::string_view bytes, const sockaddr_in& from) {
  if (bytes.starts_with("SIP/2.0 ")) return client_.response(bytes);
  const auto end = bytes.find("\r\n\r\n");
  Member* phone = end == std::string_view::npos || !bytes.starts_with("MESSAGE ")
                      ? nullptr
                      : phone_of(to_of(bytes.substr(0, end)));
  if (phone == nullptr) return false;
  const auto head = bytes.substr(0, end + 2);
  auto words = bytes.substr(end + 4);
  const std::string branch = branch_of(head);
  if (words.starts_with("* ")) {
    told(*phone, words);
  } else {
    uint64_t line = 0;
    words.remove_prefix(std::min(words.size(), words.find(": ") + 2));
    if (ends::number_in(words, 1, line) && lines_.contains(line)) heard(*phone, line, branch, hash64(branch));
  }
  ends::write_response(head, "200 OK", sip_.next(from));
  return true;
}

void Rooms::told(Member& phone, std::string_view words) {
  uint64_t left_out = 0;
  std::from_chars(words.data() + 2, words.data() + words.size(), left_out);
  phone.left_out += left_out;
  if (left_out > 0 || words.starts_with("* You are in this room")) return;
  std::string text(words);
  std::erase_if(text, [](char c) { return c >= '0' && c <= '9'; });
  ++told_[text];
  violated_(nlohmann::json{{"violation", "room"}, {"text", words}, {"users", {name(phone)}}}.dump());
}

// --- XMPP users

Rooms::Member* Rooms::user_of(std::string_view to) {
  std::size_t number = members_.size();
  if (to.starts_with("user")) std::from_chars(to.data() + 4, to.data() + to.size(), number);
  return number < members_.size() ? &members_[number] : nullptr;
}

void Rooms::stanza(const ends::ReadStanza& stanza) {
  Member* user = user_of(stanza.to);
  if (user == nullptr) return;
  const bool is_own = stanza.from == jid(user->room) + "/" + name(*user);
  uint64_t line = 0;
  if (stanza.name == "presence") {
    if (is_own) user->is_in = stanza.type.empty();
  } else if (stanza.type == "groupchat" && ends::number_in(stanza.body, 1, line) && lines_.contains(line)) {
    if (is_own) {
      for (uint64_t number = line; number < line + hearers(lines_.at(line)); ++number) {
        if (!ledger_.at(number).accepted) ledger_.proved(number);
      }
    } else if (const Line& said = lines_.at(line); said.speaker >= kUsers) {
      // A room tells again what was said before.
      const bool is_again = stanza.delayed && ledger_.at(line + user->index).arrived_us != 0;
      if (!is_again) heard(*user, line, stanza.id, ++arrivals_);
    }
  }
}

nlohmann::json Rooms::report() const {
  return {{"rooms", kRooms},
          {"phones", kRooms * kPhones},
          {"users", kRooms * kUsers},
          {"lines_of_phones", of_phones_},
          {"lines_of_users", lines_.size() - of_phones_},
          {"told", told_}};
}

}  // namespace stox::chaos
