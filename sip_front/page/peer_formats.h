// What SIP peers take besides text/plain: what they were seen to send, what they say they are, and what they
// refused. Soft state of the front that serves the peer, bounded, and kept in a file over its restarts; where
// it is lost, the plain form goes out.
#pragma once

#include <array>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace stox {

// kFile: what an HTTP server has of a file (GSMA RCC.07, application/vnd.gsma.rcs-ft-http+xml).
enum class Format : uint8_t { kPlain, kCpim, kComposing, kFile };
constexpr std::size_t kFormats = 4;
Format format_of(std::string_view content_type);  // kPlain also for what is none of the others
const char* name_of(Format);                      // "cpim", "iscomposing", as in the configuration

class PeerFormats {
 public:
  static constexpr std::size_t kMaxPeers = 10'000;
  static constexpr Duration kRemembered = std::chrono::hours(4);  // since it was learnt

  enum class Takes : uint8_t { kUnknown, kYes, kNo };

  // The clock must outlive it. `assumed`: taken by peers of whom nothing is known, by name.
  explicit PeerFormats(const Clock& clock) : clock_(clock) {}
  ~PeerFormats();
  PeerFormats(const PeerFormats&) = delete;
  PeerFormats& operator=(const PeerFormats&) = delete;
  void assume(const std::vector<std::string>& formats);

  // What a process before this one has learnt and written into the file is known, and what is learnt from now
  // on is written into it. An Error in words for an operator: nothing is kept.
  Result<void> keep_in(std::string path);

  // Peers are SIP URIs in any spelling. A refusal holds against what the peer sends itself.
  void taken(std::string_view peer, Format);  // it sent this itself, or accepted it
  void refused(std::string_view peer, Format);
  void is_program(std::string_view peer, std::string_view user_agent);  // as its User-Agent says
  Takes takes(std::string_view peer, Format) const;

  struct Known {
    std::string peer;
    std::array<Takes, kFormats> takes;
    Duration left;  // until all of it is forgotten
  };
  std::vector<Known> list() const;            // newest first
  std::size_t forget(std::string_view peer);  // empty: all; how many there were
  std::size_t size() const { return by_peer_.size(); }

 private:
  struct Entry {
    std::string peer;
    std::array<Takes, kFormats> takes{};
    std::array<Time, kFormats> until{};
    std::array<Time, kFormats> written{};  // what the file has as `until`
  };
  Takes known(const Entry&, std::size_t format) const;
  Entry& entry_of(std::string key);
  void learn(std::string_view peer, Format, Takes);
  void read_line(std::string_view line);
  Result<void> rewrite();
  void append_line(std::string& out, Entry&, std::size_t format) const;

  const Clock& clock_;
  std::array<Takes, kFormats> assumed_{};
  std::list<Entry> entries_;  // newest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_peer_;
  std::string path_;
  int file_ = -1;  // appended to; -1: nothing is kept
  std::size_t lines_ = 0;
};

}  // namespace stox
