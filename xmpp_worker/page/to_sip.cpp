#include "xmpp_worker/page/to_sip.h"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "common/base/addressing.h"
#include "common/base/hash.h"
#include "common/base/random_seed.h"
#include "common/bus/edge/ending_of.h"
#include "common/bus/edge/item_reader.h"
#include "xmpp_worker/outcomes/outcomes.h"
#include "xmpp_worker/page/words.h"
#include "xmpp_worker/xmpp/stanza/rooms.h"
#include "xmpp_worker/xmpp/stream/names.h"

namespace stox::worker {
namespace {

using service::Level;
using Kind = xmpp::Meaning::Kind;

constexpr Duration kBeginWithin = std::chrono::seconds(60);
constexpr Duration kEndWithin =
    kBeginWithin + std::chrono::seconds(35);  // a begun transaction runs its Timer F
constexpr std::size_t kMaxUnsent = 4096;
// Of errors of what was not accepted: bytes of one, and how many of one domain while half of the room is
// taken.
constexpr std::size_t kMaxKept = 8192, kMaxUnsentOfDomain = kMaxUnsent / 4;
constexpr Duration kSendErrorWithin = std::chrono::minutes(10);
constexpr Duration kLendAgain = std::chrono::seconds(15);

bool has_text(const xmpp::MessageContent& content) {
  return !content.oobs.empty() || std::any_of(content.bodies.begin(), content.bodies.end(),
                                              [](const auto& body) { return !body.text.empty(); });
}

bool is_one_of(std::string_view text, std::initializer_list<std::string_view> list) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

Shown shown_by(const pb::Outcome& outcome) {
  if (outcome.verdict() != pb::FAILED) return Shown::kYes;
  const bool is_nobody =
      is_one_of(outcome.stanza_error().condition(),
                {"gone", "item-not-found", "recipient-unavailable", "remote-server-timeout"});
  if (is_nobody) return Shown::kNobodyThere;
  return outcome.has_stanza_error() ? Shown::kNo : Shown::kNotTaken;
}

// COMPAT(prosody 0.12, ejabberd 23): these, of an occupant, make a room put him out.
bool puts_out(std::string_view condition) {
  return is_one_of(
      condition, {"gone", "internal-server-error", "item-not-found", "jid-malformed", "recipient-unavailable",
                  "redirect", "remote-server-not-found", "remote-server-timeout", "service-unavailable"});
}

}  // namespace

ToSip::ToSip(Options options, const Clock& clock, service::Log& log, service::Trace& trace, ToSipUser& user,
             StanzaJournal* journal)
    : serves_(std::move(options.serves)),
      separator_(options.separator),
      shares_(options.max_in_flight),
      clock_(clock),
      log_(log),
      trace_(trace),
      user_(user),
      journal_(journal),
      seed_(random_seed()) {}

bool ToSip::is_own(std::string_view domain) const {
  return std::find(serves_.begin(), serves_.end(), domain) != serves_.end();
}

Shares::Claim ToSip::claim_of(std::string_view user, std::string_view sip_user) const {
  const std::string_view sip_local = sip_user.substr(0, sip_user.find('@'));
  const auto at = separator_ == 0 ? std::string_view::npos : sip_local.rfind(separator_);
  std::string_view sip_domain = xmpp::domain_of(sip_user);
  if (at != std::string_view::npos) {
    sip_domain = sip_local.substr(at + 1);
    sip_domain = sip_domain.substr(0, sip_domain.find('\\'));  // a port is of no interest
  }
  return shares_.claim({xmpp::bare_of(user)}, {xmpp::domain_of(user), sip_domain});
}

const ToSip::Pending* ToSip::find(uint64_t number) const {
  const auto found = pending_.find(number);
  return found == pending_.end() ? nullptr : &found->second;
}

void ToSip::message(const xmpp::Stanza& stanza) {
  if (stanza.from.empty()) return;
  if (stanza.type == "groupchat")
    // So that a room lets him go who is in it without knowing.
    return refuse(stanza, {"cancel", "service-unavailable", "There is nobody here who is in this room"});
  xmpp::read_content(stanza.element, content_);
  const auto from = jids_.get(stanza.from, Jid::parse);
  const auto to = jids_.get(stanza.to, Jid::parse);
  const xmpp::Meaning meaning = read_meaning(stanza);
  if (meaning.kind == Kind::kSilent) {  // whatever becomes of it, nobody is told
    ++figures_.without_text;
    if (from && to && is_own(to->domain()) && !is_own(from->domain()))
      user_.without_words(stanza, *from, *to, content_);
    return;
  }
  // The peer's server wrote it, so that an error to the address as it stands does find its way.
  if (!from) return refuse(stanza, {"modify", "jid-malformed", describe(from.error())});
  if (!to) return refuse(stanza, {"modify", "jid-malformed", describe(to.error())});
  if (!is_own(to->domain()))
    return refuse(stanza, {"cancel", "remote-server-not-found", "Not a domain of this gateway"});
  if (is_own(from->domain()))
    return refuse(stanza, {"cancel", "not-acceptable", "The message went in a circle"});
  if (meaning.kind == Kind::kCall) return user_.called(stanza);
  if (meaning.kind == Kind::kRefused) return refuse(stanza, {"modify", "not-acceptable", meaning.text});
  take(stanza, *from, *to, nullptr, {});
}

void ToSip::room_message(const xmpp::Stanza& stanza) {
  const auto from = jids_.get(stanza.from, Jid::parse);
  const auto to = jids_.get(stanza.to, Jid::parse);
  if (!from || !to) return;
  xmpp::read_content(stanza.element, content_);
  const Kind kind = read_meaning(stanza).kind;
  if (kind != Kind::kText && kind != Kind::kFile) return void(++figures_.without_text);
  const xmpp::RoomMessage said = xmpp::read_room_message(stanza);
  const bool is_named = !said.stanza_id.empty() || !stanza.id.empty();
  take(stanza, *from, *to, nullptr,
       {stanza.from, is_named ? xmpp::mark_of(stanza, said) : 0, said.delay_s != 0});
}

void ToSip::room_words(std::string_view room, std::string_view user, std::string_view text,
                       std::string_view because_of, unsigned messages) {
  const auto from = Jid::parse(room);
  const auto to = Jid::parse(user);
  if (!from || !to) return;
  xmpp::Stanza stanza;
  stanza.from = room;
  stanza.to = user;
  stanza.type = "groupchat";
  content_.clear();
  content_.bodies.push_back({{}, text});
  take(stanza, *from, *to, nullptr, {because_of, 0, false, messages});
}

xmpp::Meaning ToSip::read_meaning(const xmpp::Stanza& stanza) {
  const xmpp::FirstWords first_words = [&](std::string_view id) { return user_.first_words(stanza, id); };
  if (has_text(content_)) {
    words_ = xmpp::retraction_sentence(stanza, content_, first_words);
    if (!words_.empty()) content_.bodies.front().text = words_;
    return {Kind::kText, {}};
  }
  xmpp::Meaning meaning = xmpp::read_meaning(stanza, content_, first_words);
  if (meaning.kind == Kind::kFile) content_.oobs.push_back(meaning.file);
  if (meaning.kind != Kind::kText) return meaning;
  words_ = std::move(meaning.text);
  content_.subjects.clear();
  content_.bodies.assign(1, {{}, words_});
  return meaning;
}

void ToSip::inject(const std::string& from_text, const std::string& to_text, const std::string& text,
                   Injected done) {
  const auto from = Jid::parse(from_text);
  const auto to = Jid::parse(to_text);
  if (!from) return done({}, "--from " + from_text + ": " + describe(from.error()), false);
  if (!to) return done({}, "--to " + to_text + ": " + describe(to.error()), false);
  if (!is_own(to->domain())) return done({}, "--to " + to_text + ": not a domain of this gateway", false);
  xmpp::Stanza stanza;
  stanza.from = from_text;
  stanza.to = to_text;
  stanza.type = "chat";
  content_.clear();
  content_.bodies.push_back({{}, text});
  take(stanza, *from, *to, std::move(done), {});
}

// Content is in content_.
void ToSip::take(const xmpp::Stanza& stanza, const Jid& from, const Jid& to, Injected injected,
                 const OfRoom& of_room) {
  const bool is_of_room = !of_room.sender.empty();
  bus::clear_for_reuse(envelope_);
  pb::XmppMessage* message = envelope_.mutable_xmpp_message();
  from_stanza(stanza, content_, message);
  message->set_from(from.str());
  message->set_to(to.resource() == xmpp::kOccupantResource ? to.bare() : to.str());
  message->set_line(of_room.line);
  message->set_may_be_again(of_room.may_be_again);
  if (!is_of_room) user_.taking(stanza, content_, *message);
  envelope_.set_conversation(conversation_key(message->from(), message->to()));
  const std::string trace_id = new_trace_id();
  envelope_.set_trace_id(trace_id);

  service::Trace::Handle handle = 0;
  service::TraceHop& hop = trace_.add(&handle);
  hop.trace_id = trace_id;
  hop.message_id = stanza.id;
  if (is_of_room) hop.room = xmpp::bare_of(message->from());
  hop.from = message->from();
  hop.to = message->to();
  hop.came_in = true;
  hop.came_us = clock_.wall_us();
  hop.decision = "taken in";
  trace_.show(hop, content_.bodies.empty() ? std::string_view() : content_.bodies.front().text);

  if (staged_count_ == staged_.size()) staged_.emplace_back();
  Staged& staged = staged_[staged_count_];
  Pending& pending = staged.pending;
  pending.from = stanza.from;
  pending.to = stanza.to;
  pending.id = stanza.id;
  pending.wants_receipt = content_.wants_receipt && !is_of_room;
  pending.room_messages = is_of_room ? of_room.messages : 0;
  pending.asked = message->wants().id();
  pending.trace_id = trace_id;
  pending.hop = handle;
  pending.came = clock_.now();
  pending.row = 0;
  pending.injected = std::move(injected);
  if (closing_ && journal_ != nullptr && keep_for_next_start(staged)) return;
  pb::Reason reason = pb::NOT_GIVEN;
  pending.claim = {};
  // Errors that wait count, too: each was a stanza that we accepted.
  if (const auto room = user_.room(staged_count_ + 1 + unsent_.size(), &reason); !room)
    return not_taken(pending, reason, room.error().text);
  const Shares::Claim claim = claim_of(is_of_room ? of_room.sender : message->from(), message->to());
  if (!shares_.allows(claim, pending_.size() + staged_count_ + unsent_.size())) {
    ++figures_.over_share;
    return not_taken(pending, pb::OVERLOADED,
                     "this sender or domain has its share of max_in_flight under way");
  }
  shares_.take(pending.claim = claim);
  staged.envelope.Swap(&envelope_);
  ++staged_count_;
  if (journal_ == nullptr) return hand_on();
  user_.hand_on_soon();
}

bool ToSip::keep_for_next_start(Staged& staged) {
  if (staged.pending.injected) return false;
  *envelope_.mutable_id() = user_.new_id();
  journal_->add(envelope_, staged.pending.from, staged.pending.to, clock_.now());
  if (!journal_->commit()) return false;
  if (service::TraceHop* hop = trace_.at(staged.pending.hop))
    hop->decision = "into the journal, for the next start";
  return true;
}

void ToSip::not_taken(Pending& pending, pb::Reason reason, const std::string& why) {
  shares_.release(std::exchange(pending.claim, {}));
  if (service::TraceHop* hop = trace_.at(pending.hop)) {
    hop->decision = "not taken";
    hop->outcome = why;
    hop->ending = Ending::kRefusedHere;
    hop->ended_us = clock_.wall_us();
    trace_.show(*hop);
  }
  const std::string word = ascii_lower(pb::Reason_Name(reason));
  trace_.messages().ended(Ending::kRefusedHere, 0, word, to_us(clock_.now()) / 1'000'000);
  if (pending.injected) return std::exchange(pending.injected, nullptr)(pending.trace_id, why, false);
  if (pending.is_of_room()) user_.shown(pending.from, pending.to, Shown::kNotTaken, pending.room_messages);
  if (failure_lines_.take(log_, clock_.now()))
    log_.tell(Level::kInfo, {pending.trace_id, pending.from, pending.to, {}, word}, "from {}: not taken: {}",
              pending.from, why);
  pb::Outcome outcome;
  outcome.set_reason(reason);
  if (!pending.is_of_room()) answer_with(pending, outcome);
}

void ToSip::hand_on() {
  note_told();
  if (staged_count_ == 0) return;
  const Time now = clock_.now();
  const std::size_t count = std::exchange(staged_count_, 0);
  handing_on_.swap(staged_);
  bool written = true;
  if (journal_ != nullptr) {
    for (std::size_t i = 0; i < count; ++i) {
      Staged& each = handing_on_[i];
      if (each.pending.injected) continue;  // its sender waits for the answer, and asks again
      *each.envelope.mutable_id() = user_.new_id();
      each.pending.row = journal_->add(each.envelope, each.pending.from, each.pending.to, now);
    }
    written = journal_->commit();
  }
  for (std::size_t i = 0; i < count; ++i) {
    auto& [envelope, pending] = handing_on_[i];
    if (!written) {
      pending.row = 0;
      not_taken(pending, pb::OVERLOADED, "the journal cannot be written");
      continue;
    }
    pb::Reason reason = pb::NOT_GIVEN;
    const auto number = user_.submit(envelope, now + kBeginWithin, now + kEndWithin, &reason);
    if (!number) {
      not_taken(pending, reason, number.error().text);
      continue;
    }
    ++figures_.taken;
    if (service::TraceHop* hop = trace_.at(pending.hop)) {
      hop->decision = "to a mapper";
      hop->went_us = clock_.wall_us();
      user_.write_envelope_name(*number, &hop->envelope);
    }
    put(*number, std::move(pending));
  }
  if (staged_.empty()) staged_.swap(handing_on_);
}

ToSip::Pending& ToSip::put(uint64_t number, Pending&& from) {
  if (!spares_.empty()) {
    spares_.back().key() = number;
    pending_.insert(std::move(spares_.back()));
    spares_.pop_back();
  }
  Pending& pending = pending_[number];
  std::swap(pending, from);
  return pending;
}

void ToSip::restore(std::vector<StanzaJournal::Left> left) {
  for (StanzaJournal::Left& each : left) {
    pb::Envelope& envelope = *each.stanza.mutable_envelope();
    const pb::XmppMessage& message = envelope.xmpp_message();
    Pending pending;
    pending.from = each.stanza.from().empty() ? message.from() : each.stanza.from();
    pending.to = each.stanza.to().empty() ? message.to() : each.stanza.to();
    pending.id = message.id();
    pending.wants_receipt = message.wants().delivered();
    pending.room_messages = message.type() == "groupchat" ? 1 : 0;
    envelope.mutable_xmpp_message()->set_may_be_again(pending.is_of_room());
    pending.asked = message.wants().id();
    pending.trace_id = envelope.trace_id();
    pending.row = each.row;
    pending.came = each.accepted;
    service::TraceHop& hop = trace_.add(&pending.hop);
    hop.trace_id = envelope.trace_id();
    hop.message_id = message.id();
    if (pending.is_of_room()) hop.room = xmpp::bare_of(message.from());
    hop.from = message.from();
    hop.to = message.to();
    hop.came_in = true;
    hop.came_us = clock_.wall_us();
    worker::write_envelope_name(envelope.id().origin(), envelope.id().epoch(), envelope.id().number(),
                                &hop.envelope);
    if (each.failed) {
      hop.decision = "from the journal: its error was not sent yet";
      hop.outcome = describe(each.outcome);
      hop.ending = bus::ending_of(each.outcome);
      hop.ended_us = hop.came_us;
      answer_with(pending, each.outcome);
      continue;
    }
    hop.decision = "from the journal: asked for before it is sent";
    const bus::RestoredTimes times{each.accepted, each.accepted + kBeginWithin, each.accepted + kEndWithin};
    // A process makes fewer attempts than this in the time that a message has.
    const uint64_t number = user_.restore(envelope, times, each.openings << 16);
    shares_.take(pending.claim = claim_of(message.from(), message.to()));
    put(number, std::move(pending));
  }
}

// A stream that breaks takes with it what its peer has not processed: that is sent again on the next, and
// till then the journal would send it again.
void ToSip::note_told() {
  std::erase_if(told_errors_, [&](Told& each) {
    const ToSipUser::Fate fate = user_.fate(each.error.from, each.error.to, each.sent);
    if (fate == ToSipUser::Fate::kWaits) return false;
    if (fate == ToSipUser::Fate::kBroken) {
      wait(std::move(each.error));
    } else {
      if (each.error.row != 0) journal_->told(each.error.row);
      if (each.error.arrived) each.error.arrived();
    }
    return true;
  });
}

void ToSip::ask_for_told() {
  for (const Told& each : told_errors_) user_.ask_soon(each.error.from, each.error.to);
}

// A sender is told twice when our connection comes back meanwhile, or that worker's dies: better than never.
void ToSip::lend(Unsent& error) {
  const Time now = clock_.now();
  if (error.arrived || (error.lent != Time{} && now - error.lent < kLendAgain)) return;
  if (error.number == 0) error.number = ++last_unsent_;
  if (user_.lend(error.from, error.to, error.xml, [this, number = error.number] { lent_arrived(number); }))
    error.lent = now;
}

void ToSip::lent_arrived(uint64_t number) {
  const auto found = std::find_if(unsent_.begin(), unsent_.end(),
                                  [number](const Unsent& each) { return each.number == number; });
  if (found == unsent_.end()) return;
  if (found->row != 0) journal_->told(found->row);
  shares_.release(found->claim);
  unsent_.erase(found);
}

void ToSip::send_for(std::string_view from, std::string_view to, const std::string& xml,
                     std::function<void()> arrived) {
  if (is_own(xmpp::domain_of(from))) send_error(from, to, xml, 0, std::move(arrived));
}

std::string ToSip::new_trace_id() {
  ++traces_;
  const std::string_view count(reinterpret_cast<const char*>(&traces_), sizeof traces_);
  const uint64_t halves[] = {hash64(count, seed_), hash64(count, ~seed_)};
  return std::string(reinterpret_cast<const char*>(halves), sizeof halves);
}

void ToSip::ended(uint64_t number, const pb::Outcome& outcome) {
  const auto found = pending_.find(number);
  if (found == pending_.end()) return;
  auto node = pending_.extract(found);
  Pending& pending = node.mapped();
  shares_.release(pending.claim);
  const bool ok = outcome.verdict() != pb::FAILED;
  ++(ok ? figures_.delivered : figures_.failed);
  const std::string text = describe(outcome);
  if (service::TraceHop* hop = trace_.at(pending.hop)) {
    hop->outcome = text;
    hop->ending = bus::ending_of(outcome);
    hop->ended_us = clock_.wall_us();
    trace_.show(*hop);
  }
  const std::string reason = bus::reason_of(outcome);
  trace_.messages().ended(bus::ending_of(outcome), (clock_.now() - pending.came).count(), reason,
                          to_us(clock_.now()) / 1'000'000);
  if (ok || failure_lines_.take(log_, clock_.now()))
    log_.tell(ok ? Level::kDebug : Level::kInfo,
              {pending.trace_id, pending.from, pending.to, outcome.stanza_error().condition(), reason},
              "from {} to {}: {}", pending.from, pending.to, text);
  if (ok && pending.wants_receipt)
    user_.accepted(pending.from, pending.to, pending.id, pending.asked, outcome);
  if (pending.is_of_room()) user_.shown(pending.from, pending.to, shown_by(outcome), pending.room_messages);
  const bool owes_error = !ok && !pending.injected && !pending.is_of_room();
  if (!owes_error && pending.row != 0) journal_->ended(pending.row);
  if (pending.injected) std::exchange(pending.injected, nullptr)(pending.trace_id, text, ok);
  if (owes_error) answer_with(pending, outcome);
  spares_.push_back(std::move(node));
}

void ToSip::stop() {
  pb::Outcome outcome;
  outcome.set_reason(pb::IN_DOUBT);
  outcome.set_text("the worker stops");
  hand_on();
  std::vector<uint64_t> ending;
  for (const auto& [number, pending] : pending_) {
    if (pending.row == 0) ending.push_back(number);
  }
  for (const uint64_t number : ending) ended(number, outcome);
  if (!pending_.empty())
    log_.info("{} messages from XMPP stay in the journal, for the next start", pending_.size());
}

// What finds no room waits, and is written down.
void ToSip::answer_with(const Pending& pending, const pb::Outcome& outcome) {
  xmpp::Stanza stanza;
  stanza.from = pending.from;
  stanza.to = pending.to;
  stanza.id = pending.id;
  xmpp::StanzaError error = to_stanza_error(outcome);
  if (xmpp::resource_of(pending.to) == xmpp::kOccupantResource && puts_out(error.condition)) {
    error.type = "modify";
    error.condition = "not-acceptable";
    error.address.clear();
  }
  refuse(stanza, std::move(error), pending.row);
  if (pending.row != 0) journal_->failed(pending.row, outcome);
}

void ToSip::refuse(const xmpp::Stanza& stanza, xmpp::StanzaError error) {
  refuse(stanza, std::move(error), 0);
}

void ToSip::refuse(const xmpp::Stanza& stanza, xmpp::StanzaError error, int64_t row) {
  ++figures_.refused;
  const auto domain = xmpp::domain_of(stanza.to);
  error.by = is_own(domain) ? domain : std::string_view(serves_.front());
  // A `from` that is no address of ours would cost the stream.
  xmpp::Stanza failed = stanza;
  if (!is_own(domain) || !Jid::parse(stanza.to)) failed.to = serves_.front();
  xml_.clear();
  xmpp::XmlWriter xml(xml_);
  xmpp::write_error(xml, failed, error);
  send_error(failed.to, stanza.from, xml_, row);
}

void ToSip::send_error(std::string_view from, std::string_view to, const std::string& xml, int64_t row,
                       std::function<void()> arrived) {
  const Time now = clock_.now();
  Unsent each{std::string(from), std::string(to), xml, row, now + (arrived ? kLendAgain : kSendErrorWithin)};
  each.arrived = std::move(arrived);
  const bool held = holding_errors_ && row != 0;
  if (!held && user_.send_stanza(from, to, xml)) {
    // Those of accepted stanzas are bounded by max_in_flight.
    const bool has_room = (xml.size() <= kMaxKept || each.arrived) && told_errors_.size() < kMaxUnsent;
    if (row != 0 || has_room) told_errors_.push_back({std::move(each), now});
    return;
  }
  if (row == 0 && !may_wait(each)) {
    ++figures_.errors_lost;
    log_.warn("an error stanza to {} is lost: {} wait for XMPP streams", to, unsent_.size());
    return;
  }
  wait(std::move(each));
}

void ToSip::wait(Unsent&& error) {
  shares_.take(error.claim = claim_of(error.to, error.from));
  unsent_.push_back(std::move(error));
}

bool ToSip::may_wait(const Unsent& error) const {
  if (error.xml.size() > kMaxKept || unsent_.size() >= kMaxUnsent) return false;
  if (unsent_.size() < kMaxUnsent / 2) return true;
  const auto domain = xmpp::domain_of(error.to);
  return std::count_if(unsent_.begin(), unsent_.end(), [&](const Unsent& each) {
           return xmpp::domain_of(each.to) == domain;
         }) < static_cast<std::ptrdiff_t>(kMaxUnsentOfDomain);
}

// One domain's stream that is not up must not hold up the others'.
void ToSip::send_unsent() {
  const Time now = clock_.now();
  std::string failed;
  note_told();
  std::erase_if(unsent_, [&](Unsent& each) {
    const auto domain = xmpp::domain_of(each.to);
    const bool held = holding_errors_ && each.row != 0;
    const bool may_be_up = !held && domain != failed;
    if (may_be_up && user_.send_stanza(each.from, each.to, each.xml)) {
      shares_.release(each.claim);
      told_errors_.push_back({std::move(each), now});
      return true;
    }
    if (!held) failed = domain;
    lend(each);
    if (each.until > now) return false;
    shares_.release(each.claim);
    if (each.arrived) return true;  // its worker has it still
    ++figures_.errors_lost;
    log_.warn("an error stanza to {} is lost: no XMPP stream took it in time", each.to);
    if (each.row != 0) journal_->ended(each.row);
    return true;
  });
}

}  // namespace stox::worker
