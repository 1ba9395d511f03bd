#include "xmpp_worker/page/stanza_journal.h"

#include <algorithm>
#include <fstream>

namespace stox::worker {
namespace {

// A delivered message may be asked for once more if we die before this: nothing is doubled.
constexpr Duration kSoon = std::chrono::milliseconds(50);
constexpr Duration kTryAgain = std::chrono::seconds(1);
constexpr const char* kTargets = "targets";
// Earlier than anything that this boot of the machine has seen.
constexpr Time kLongAgo = Time(-std::chrono::hours(24));

std::string boot_id() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(in, id);
  std::erase(id, '-');
  return id;
}

}  // namespace

StanzaJournal::StanzaJournal(std::string path, journal::Sync sync, const Clock& clock, service::Log& log)
    : journal_(std::move(path), sync), clock_(clock), log_(log), boot_(boot_id()) {}

void StanzaJournal::tell(const Result<void>& done) {
  if (done) {
    if (!trouble_.empty()) log_.info("journal {}: it can be written again", path());
    trouble_.clear();
    next_ = kNever;
    return;
  }
  if (trouble_.empty())
    log_.error("{}; messages from XMPP are refused until it can be written", done.error().text);
  trouble_ = done.error().text;
  next_ = clock_.now() + kTryAgain;
}

Result<std::vector<StanzaJournal::Left>> StanzaJournal::open() {
  auto records = journal_.open();
  if (!records) {
    tell(tl::make_unexpected(records.error()));
    return tl::make_unexpected(records.error());
  }
  tell({});
  if (!journal_.put_aside().empty()) {
    log_.error("journal {} was damaged and is now {}: what it held is lost", path(), journal_.put_aside());
  }
  std::vector<Left> left;
  for (const journal::Record& record : *records) {
    Left& one = left.emplace_back();
    if (!one.stanza.ParseFromString(record.bytes) || !one.outcome.ParseFromString(record.addition) ||
        one.stanza.envelope().id().number() == 0) {
      log_.error("journal {}: row {} cannot be read and is dropped", path(), record.row);
      journal_.remove(record.row);
      left.pop_back();
      continue;
    }
    one.row = record.row;
    one.accepted = one.stanza.boot() == boot_ ? from_us(one.stanza.accepted_us()) : kLongAgo;
    one.openings = record.openings;
    one.failed = !record.addition.empty();
  }
  return left;
}

int64_t StanzaJournal::add(pb::Envelope& envelope, std::string_view from, std::string_view to, Time now) {
  const pb::XmppMessage& message = envelope.xmpp_message();
  stanza_.Clear();
  if (from != message.from()) stanza_.set_from(from.data(), from.size());
  if (to != message.to()) stanza_.set_to(to.data(), to.size());
  stanza_.set_accepted_us(to_us(now));
  stanza_.set_boot(boot_);
  stanza_.mutable_envelope()->Swap(&envelope);
  const int64_t row = journal_.add(stanza_.SerializeAsString());
  stanza_.mutable_envelope()->Swap(&envelope);
  return row;
}

bool StanzaJournal::commit() {
  if (!journal_.is_open()) {
    (void)journal_.commit();  // forgets what was added
    return false;
  }
  const auto done = journal_.commit();
  tell(done);
  return done.has_value();
}

void StanzaJournal::ended(int64_t row) {
  journal_.remove(row);
  next_ = std::min(next_, clock_.now() + kSoon);
}

void StanzaJournal::failed(int64_t row, const pb::Outcome& outcome) {
  journal_.annotate(row, outcome.SerializeAsString());
  next_ = std::min(next_, clock_.now() + kSoon);
}

void StanzaJournal::told(int64_t row) {
  journal_.remove(row);
  if (trouble_.empty()) next_ = clock_.now();
}

void StanzaJournal::turn(Time now) {
  if (now < next_) return;
  next_ = kNever;
  if (journal_.is_open()) commit();
}

void StanzaJournal::set_targets(const std::vector<bus::PossibleTarget>& targets) {
  pb::JournalledTargets all;
  all.set_boot(boot_);
  for (const bus::PossibleTarget& each : targets) {
    auto* one = all.add_targets();
    one->set_name(each.name);
    one->set_process_epoch(each.process_epoch);
    one->set_present(each.present);
    one->set_gone_us(to_us(each.gone_at));
  }
  std::string bytes = all.SerializeAsString();
  if (bytes == told_targets_) return;
  told_targets_ = bytes;
  journal_.set_note(kTargets, std::move(bytes));
  if (journal_.is_open()) commit();
}

std::vector<bus::PossibleTarget> StanzaJournal::targets() const {
  std::vector<bus::PossibleTarget> out;
  pb::JournalledTargets all;
  if (!all.ParseFromString(journal_.note(kTargets))) return out;
  for (const auto& each : all.targets()) {
    const Time gone = all.boot() == boot_ ? from_us(each.gone_us()) : clock_.now();
    out.push_back({each.name(), each.process_epoch(), each.present(), each.present() ? Time{} : gone});
  }
  return out;
}

}  // namespace stox::worker
