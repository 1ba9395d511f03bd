#include "sip_front/page/peer_formats.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "common/base/addressing.h"
#include "common/base/text.h"

namespace stox {
namespace {

constexpr std::array<const char*, kFormats> kNames = {"plain", "cpim", "iscomposing", "rcs-ft-http"};
constexpr std::size_t kMaxLines = 4 * PeerFormats::kMaxPeers;  // then the file is written anew
constexpr std::size_t kMaxPeer = 256;                          // bytes of one that is kept
constexpr Duration kWriteAgain = std::chrono::hours(1);        // what is learnt again and again

std::size_t index_of(Format format) { return static_cast<std::size_t>(format); }

// The next word of a line.
std::string_view take_word(std::string_view& line) {
  const auto end = std::min(line.find(' '), line.size());
  const auto word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

}  // namespace

Format format_of(std::string_view content_type) {
  const std::string_view type = trim(content_type.substr(0, content_type.find(';')));
  if (ascii_iequal(type, "message/cpim")) return Format::kCpim;
  if (ascii_iequal(type, "application/im-iscomposing+xml")) return Format::kComposing;
  if (ascii_iequal(type, "application/vnd.gsma.rcs-ft-http+xml")) return Format::kFile;
  return Format::kPlain;
}

const char* name_of(Format format) { return kNames.at(index_of(format)); }

PeerFormats::~PeerFormats() {
  if (file_ >= 0) close(file_);
}

void PeerFormats::assume(const std::vector<std::string>& formats) {
  assumed_ = {};
  for (std::size_t i = 0; i < kFormats; ++i) {
    for (const std::string& format : formats) {
      if (format == kNames[i]) assumed_[i] = Takes::kYes;
    }
  }
}

void PeerFormats::taken(std::string_view peer, Format format) {
  if (format != Format::kPlain && takes(peer, format) != Takes::kNo) learn(peer, format, Takes::kYes);
}

void PeerFormats::refused(std::string_view peer, Format format) {
  if (format != Format::kPlain) learn(peer, format, Takes::kNo);
}

// COMPAT(linphone 5.1): shows what an HTTP server has of a file only in this form, and else its bare address.
// Its typing states may come deflated in a CPIM, where no front sees them. Others that are made of its
// library name it, too: "Montague/1.0 (Pixel 7) LinphoneSDK/5.2.1".
void PeerFormats::is_program(std::string_view peer, std::string_view user_agent) {
  if (user_agent.find("Linphone") == std::string_view::npos) return;
  taken(peer, Format::kFile);
  taken(peer, Format::kComposing);
}

PeerFormats::Entry& PeerFormats::entry_of(std::string key) {
  auto known = by_peer_.find(key);
  if (known == by_peer_.end()) {
    if (entries_.size() >= kMaxPeers) {
      by_peer_.erase(entries_.back().peer);
      entries_.pop_back();
    }
    entries_.push_front({key, {}, {}, {}});
    known = by_peer_.emplace(std::move(key), entries_.begin()).first;
  }
  entries_.splice(entries_.begin(), entries_, known->second);
  return entries_.front();
}

void PeerFormats::learn(std::string_view peer, Format format, Takes takes) {
  Entry& entry = entry_of(address_key(peer));
  const std::size_t i = index_of(format);
  const bool news = entry.takes[i] != takes;
  entry.takes[i] = takes;
  entry.until[i] = clock_.now() + kRemembered;
  if (file_ < 0 || entry.peer.size() > kMaxPeer || (!news && entry.until[i] - entry.written[i] < kWriteAgain))
    return;
  if (lines_ >= kMaxLines) return void(rewrite());
  std::string line;
  append_line(line, entry, i);
  ++lines_;
  // What finds no room is soft state all the same.
  [[maybe_unused]] const auto size = write(file_, line.data(), line.size());
}

// UNIX-TIME FORMAT yes|no PEER; till then it holds.
void PeerFormats::append_line(std::string& out, Entry& entry, std::size_t format) const {
  entry.written[format] = entry.until[format];
  const int64_t until_s = (clock_.wall_us() + to_us(entry.until[format]) - to_us(clock_.now())) / 1'000'000;
  out.append(std::to_string(until_s)).append(" ").append(kNames[format]);
  out.append(entry.takes[format] == Takes::kYes ? " yes " : " no ").append(entry.peer).append("\n");
}

void PeerFormats::read_line(std::string_view line) {
  const auto until_s = parse_number(take_word(line), 0, INT64_MAX);
  const std::string_view name = take_word(line), takes = take_word(line);
  const auto format = std::find(kNames.begin(), kNames.end(), name);
  if (!until_s || format == kNames.end() || line.empty() || line.size() > kMaxPeer) return;
  const auto left = std::chrono::seconds(static_cast<int64_t>(*until_s) - clock_.wall_us() / 1'000'000);
  if (left <= Duration{0} || left > kRemembered) return;  // the clock has been set
  Entry& entry = entry_of(std::string(line));
  const auto i = static_cast<std::size_t>(format - kNames.begin());
  entry.takes[i] = takes == "yes" ? Takes::kYes : Takes::kNo;
  entry.until[i] = clock_.now() + left;
}

Result<void> PeerFormats::keep_in(std::string path) {
  path_ = std::move(path);
  std::error_code exists;
  std::filesystem::create_directories(std::filesystem::path(path_).parent_path(), exists);
  std::ifstream in(path_);
  std::string line;
  for (std::size_t i = 0; i < 2 * kMaxLines && std::getline(in, line); ++i) read_line(line);
  return rewrite();
}

// All that is known, the newest last.
Result<void> PeerFormats::rewrite() {
  const std::string draft = path_ + ".new";
  const int file = open(draft.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
  if (file < 0) return error("cannot write " + draft + ": " + std::strerror(errno));
  std::string text;
  lines_ = 0;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    for (std::size_t i = 0; i < kFormats; ++i) {
      if (entry->peer.size() > kMaxPeer || known(*entry, i) == Takes::kUnknown) continue;
      append_line(text, *entry, i);
      ++lines_;
    }
  }
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                       rename(draft.c_str(), path_.c_str()) == 0;
  const std::string why = std::strerror(errno);
  if (file_ >= 0) close(file_);
  file_ = written ? file : -1;
  if (written) return {};
  close(file);
  unlink(draft.c_str());
  return error("cannot write " + path_ + ": " + why);
}

PeerFormats::Takes PeerFormats::known(const Entry& entry, std::size_t format) const {
  return clock_.now() < entry.until[format] ? entry.takes[format] : Takes::kUnknown;
}

PeerFormats::Takes PeerFormats::takes(std::string_view peer, Format format) const {
  if (format == Format::kPlain) return Takes::kYes;
  const auto found = by_peer_.find(address_key(peer));
  const Takes takes = found == by_peer_.end() ? Takes::kUnknown : known(*found->second, index_of(format));
  return takes == Takes::kUnknown ? assumed_[index_of(format)] : takes;
}

std::vector<PeerFormats::Known> PeerFormats::list() const {
  std::vector<Known> out;
  for (const Entry& entry : entries_) {
    Known one{entry.peer, {}, Duration{0}};
    for (std::size_t i = 0; i < kFormats; ++i) {
      one.takes[i] = known(entry, i);
      one.left = std::max(one.left, entry.until[i] - clock_.now());
    }
    if (one.left > Duration{0}) out.push_back(std::move(one));
  }
  return out;
}

std::size_t PeerFormats::forget(std::string_view peer) {
  const std::size_t before = by_peer_.size();
  if (peer.empty()) {
    by_peer_.clear();
    entries_.clear();
  } else if (const auto known = by_peer_.find(address_key(peer)); known != by_peer_.end()) {
    entries_.erase(known->second);
    by_peer_.erase(known);
  }
  if (file_ >= 0) (void)rewrite();
  return before - by_peer_.size();
}

}  // namespace stox
